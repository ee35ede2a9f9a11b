import { describe, expect, it } from "vitest";
import { powersOfTen, roundTicks, shareAt, valueAt } from "./axis";

describe("round ticks", () => {
  it("go from zero to the most, in steps that read well", () => {
    expect(roundTicks(1.5, 6)).toEqual([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5]);
    expect(roundTicks(700, 4)).toEqual([0, 200, 400, 600]);
  });

  it("are zero alone where there is nothing", () => {
    expect(roundTicks(0, 4)).toEqual([0]);
    expect(roundTicks(Number.NaN, 4)).toEqual([0]);
    expect(roundTicks(Number.POSITIVE_INFINITY, 4)).toEqual([0]);
  });
});

describe("powers of ten", () => {
  it("lie within, both ends included", () => {
    expect(powersOfTen(0.1, 100, 9)).toEqual([0.1, 1, 10, 100]);
    expect(powersOfTen(2, 9, 9)).toEqual([]);
  });

  it("are thinned evenly", () => {
    expect(powersOfTen(1, 1e6, 4)).toEqual([1, 100, 1e4, 1e6]);
  });
});

describe("a place on a scale", () => {
  const log = { low: 1, high: 100, log: true };
  it("is a share of the way, and back", () => {
    expect(shareAt(log, 10)).toBeCloseTo(1 / 2, 12);
    expect(valueAt(log, 1 / 2)).toBeCloseTo(10, 12);
    expect(shareAt({ low: 10, high: 20, log: false }, 15)).toBe(1 / 2);
  });

  it("does not leave the scale", () => {
    expect(shareAt(log, 1e9)).toBe(1);
    expect(shareAt(log, 0)).toBe(0);
  });
});
