import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import type { Program } from "./decode";
import { repeatsOf } from "./repeats";

const real = goldenProgram("SmallNet");

/** Two layers of three rows (1-3, 4-6), each with two experts of one row (2, 3; 5, 6). */
const program: Program = {
  ...real,
  meta: {
    ...real.meta,
    blocks: [
      { name: "layer.[0-1]", count: 2, places: 3 },
      { name: "layer.[0-1].expert.[0-1]", count: 4, places: 1 },
    ],
  },
  block_rows: Int32Array.of(1, 2, 3, 4, 5, 6, 2, 3, 5, 6),
};

describe("the same rows in every repeat", () => {
  it("is a row's counterpart in each", () => {
    expect(repeatsOf(program, [1])).toEqual({
      name: "layer.[0-1]",
      count: 2,
      rows: [1, 4],
      inner: null,
    });
  });

  it("takes the smaller of two blocks, then the larger", () => {
    expect(repeatsOf(program, [2])?.rows).toEqual([2, 5]);
    expect(repeatsOf(program, [2, 5])).toEqual({
      name: "layer.[0-1].expert.[0-1]",
      count: 4,
      rows: [2, 3, 5, 6],
      inner: [3, 5],
    });
  });

  it("keeps what lies outside", () => {
    expect(repeatsOf(program, [0, 1])?.rows).toEqual([0, 1, 4]);
  });

  it("may leave out the first and the last, where there are three", () => {
    const three: Program = {
      ...program,
      meta: { ...program.meta, blocks: [{ name: "layer.[0-2]", count: 3, places: 2 }] },
      block_rows: Int32Array.of(1, 2, 3, 4, 5, -1),
    };
    expect(repeatsOf(three, [0, 1])).toMatchObject({ rows: [0, 1, 3, 5], inner: [0, 3] });
    expect(repeatsOf(three, [2])).toMatchObject({ rows: [2, 4], inner: [4] });
    expect(repeatsOf(program, [1])?.inner).toBeNull();
  });

  it("is nothing where all are selected, or none repeats", () => {
    expect(repeatsOf(program, [1, 4])).toBeNull();
    expect(repeatsOf(program, [0])).toBeNull();
    expect(repeatsOf(program, [])).toBeNull();
  });

  it("reads the blocks that Python found", () => {
    const [block] = real.meta.blocks;
    expect(block).toMatchObject({ name: "blocks.[0-1]", count: 2 });
    const conv = real.meta.names.indexOf("blocks.0.conv");
    const names = repeatsOf(real, [conv])?.rows.map((row) => real.meta.names[row]);
    expect(names).toEqual(["blocks.0.conv", "blocks.1.conv"]);
  });
});
