import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import type { Program } from "../data/decode";
import { costColour, costShare, inkOn } from "./colour";
import { flows, makeBoxes } from "./hierarchy";
import { layOut } from "./layout";

const program = goldenProgram("SmallNet");

function named(names: string[], paths: string[]): Program {
  const empty = new Int32Array(0);
  const meta = { ...program.meta, names, paths, modules: {} };
  return { ...program, meta, rows: names.length, edge_row: empty, edge_tensor: empty };
}

describe("boxes", () => {
  it("hold every row once, in order", () => {
    const boxes = makeBoxes(program);
    expect(boxes.map(({ label }) => label)).toEqual([
      "stem",
      "blocks",
      "adaptive_avg_pool2d",
      "fc",
    ]);
    expect(boxes.flatMap(({ rows }) => rows)).toEqual([...Array(program.rows).keys()]);
    const blocks = boxes[1];
    expect(blocks.title).toBe("2 × Residual");
    expect(blocks.children.map(({ label }) => label)).toEqual([".0", ".1"]);
    expect(blocks.children.flatMap(({ rows }) => rows)).toEqual(blocks.rows);
  });

  it("skip levels with one child", () => {
    const names = ["m.encoder.layer.0.a", "m.encoder.layer.1.a", "m.pool"];
    const boxes = makeBoxes(named(names, names));
    expect(boxes.map(({ label }) => label)).toEqual(["encoder.layer", "pool"]);
    expect(boxes[0].children).toHaveLength(2);
  });

  it("open a module that is little more than one of its parts", () => {
    const blocks = ["0", "1", "2", "3"].flatMap((block) =>
      ["a", "b"].map((part) => `net.layer.${block}.${part}`),
    );
    const names = ["net.stem", ...blocks, "net.head", "classifier"];
    const boxes = makeBoxes(named(names, names));
    expect(boxes.map(({ label }) => label)).toEqual(["stem", "layer", "head", "classifier"]);
    expect(boxes[1].children.map(({ label }) => label)).toEqual([".0", ".1", ".2", ".3"]);
  });

  it("come from the names where a format has no modules", () => {
    const names = ["a.0.conv", "a.1.conv", "b.conv", "Relu"];
    const boxes = makeBoxes(named(names, ["", "", "", ""]));
    expect(boxes.flatMap(({ rows }) => rows)).toEqual([0, 1, 2, 3]);
    expect(boxes[0].label).toBe("a");
  });

  it("stay few for thousands of flat rows", () => {
    const names = Array.from({ length: 3000 }, (_, at) => `op${at}`);
    const boxes = makeBoxes(
      named(
        names,
        names.map(() => ""),
      ),
    );
    expect(boxes.length).toBeLessThanOrEqual(48);
    expect(boxes.flatMap(({ rows }) => rows)).toHaveLength(3000);
  });
});

describe("the picture", () => {
  const boxes = makeBoxes(program);
  const between = flows(program, boxes);
  const { placed, lines, width, height } = layOut(boxes, between);

  it("follows the data", () => {
    expect(between.map(({ from, to }) => [from, to])).toEqual(
      expect.arrayContaining([
        [0, 1],
        [1, 2],
        [2, 3],
      ]),
    );
    expect(between.every(({ bytes }) => bytes > 0)).toBe(true);
    expect(lines).toHaveLength(between.length);
  });

  it("lets nothing overlap, and stays inside", () => {
    for (const a of placed) {
      expect(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height).toBe(true);
      for (const b of placed) {
        if (a === b) continue;
        const apart =
          a.x + a.width <= b.x ||
          b.x + b.width <= a.x ||
          a.y + a.height <= b.y ||
          b.y + b.height <= a.y;
        expect(apart).toBe(true);
      }
    }
  });
});

describe("colour", () => {
  it("is on a square-root scale", () => {
    expect(costShare(25, 100)).toBe(0.5);
    expect(costShare(0, 0)).toBe(0);
    expect(costColour(1)).toContain("var(--cost4) 100%");
    expect(costColour(0)).toContain("var(--cost1) 0%");
    expect([inkOn(0, false), inkOn(1, false), inkOn(0, true), inkOn(1, true)]).toEqual([
      "#000",
      "#fff",
      "#fff",
      "#000",
    ]);
  });
});
