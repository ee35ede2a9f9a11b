import { describe, expect, it } from "vitest";
import { selectionAfter } from "./select";

const shown = [4, 2, 9, 1];
const plain = { extend: false, toggle: false };
const extend = { extend: true, toggle: false };
const toggle = { extend: false, toggle: true };

describe("a click", () => {
  it("selects one", () => expect(selectionAfter([1, 2], 9, null, shown, plain)).toEqual([9]));
  it("with Ctrl adds and takes away", () => {
    expect(selectionAfter([1], 9, 1, shown, toggle)).toEqual([1, 9]);
    expect(selectionAfter([1, 9], 9, 1, shown, toggle)).toEqual([1]);
  });
  it("with Shift takes the span shown, either way", () => {
    expect(selectionAfter([4], 9, 4, shown, extend)).toEqual([4, 2, 9]);
    expect(selectionAfter([1], 2, 1, shown, extend)).toEqual([2, 9, 1]);
  });
  it("with Shift and an anchor filtered out selects one", () => {
    expect(selectionAfter([7], 2, 7, shown, extend)).toEqual([2]);
  });
  it("with both adds the span", () => {
    const both = { extend: true, toggle: true };
    expect(selectionAfter([7], 2, 4, shown, both)).toEqual([7, 4, 2]);
  });
});
