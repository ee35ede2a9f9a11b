import { describe, expect, it } from "vitest";
import { carrier, heldScroll, indexRows, sameRows } from "./carry";
import type { Program } from "./decode";
import { layLines } from "./table";

function program(rows: Record<string, string[]>): Pick<Program, "meta"> {
  return { meta: { names: Object.keys(rows), ops: Object.values(rows) } } as Pick<Program, "meta">;
}

const before = program({ conv: ["conv"], relu: ["relu"], fc: ["fc"], gone: ["gone"] });
const after = program({ reorder: [], conv: ["conv", "relu"], fc: ["fc"] });

describe("rows that are replaced", () => {
  it("are the same only with the same names in the same order", () => {
    expect(sameRows(before, before)).toBe(true);
    expect(sameRows(before, after)).toBe(false);
    expect(sameRows(program({ a: [], b: [] }), program({ b: [], a: [] }))).toBe(false);
  });

  it("are found by name, else by the op that they hold now", () => {
    const carry = carrier(before, after);
    expect([0, 1, 2, 3].map(carry)).toEqual([1, 1, 2, -1]);
    expect(indexRows(after).get("relu")).toBe(1);
  });

  it("prefer a row's own name to an op of another", () => {
    const index = indexRows(program({ a: ["a", "b"], b: ["b"] }));
    expect(index.get("b")).toBe(1);
  });
});

describe("the place in the table", () => {
  const lay = (...rows: number[]) =>
    layLines({
      order: Int32Array.from(rows),
      rank: ([row]) => row,
      passes: () => true,
      forest: { groups: [], own: rows },
      open: new Set(),
      casts: new Map(),
      notes: new Map(),
    });
  const many = Array.from({ length: 40 }, (_, row) => row);
  const back = [...many].reverse();
  const same = (row: number) => row;

  it("is the top where it was the top", () => {
    expect(heldScroll(lay(...many), lay(...back), same, 0, 110, null)).toBe(0);
  });

  it("holds the first row in sight", () => {
    // Row 10 stood at 220, 5 px above the edge; it is now the thirtieth line.
    expect(heldScroll(lay(...many), lay(...back), same, 225, 110, null)).toBe((29 - 10) * 22 + 225);
  });

  it("holds the focused row where it is in sight", () => {
    const place = (29 - 2 - 10) * 22 + (220 - 44);
    expect(heldScroll(lay(...many), lay(...back), same, 220, 110, 12)).toBe(place);
    expect(heldScroll(lay(...many), lay(...back), same, 220, 110, 39)).toBe(19 * 22 + 220);
  });

  it("goes no further than there are rows, and stays where nothing is left", () => {
    expect(heldScroll(lay(...many), lay(0, 1, 2), same, 440, 110, null)).toBe(0);
    const other = lay(...many.map((row) => row + 100));
    expect(heldScroll(lay(...many), other, same, 225, 110, null)).toBe(225);
  });
});
