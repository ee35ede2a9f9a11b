import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import { evaluate, makePlan } from "./evaluate";
import { withMarks } from "./preview";
import {
  castLines,
  filterRows,
  layLines,
  matcher,
  type SortKey,
  sortRows,
  visibleSlice,
} from "./table";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const now = evaluate(plan, none);
const order = (key: SortKey, descending: boolean) => [
  ...sortRows(program, now, { key, descending }),
];

describe("sorting", () => {
  it("is by value, ties in execution order", () => {
    const sorted = order("latency", true);
    for (let i = 1; i < sorted.length; i++) {
      const [a, b] = [sorted[i - 1], sorted[i]];
      const [x, y] = [now.latency.point[a], now.latency.point[b]];
      expect(x > y || (x === y && a < b)).toBe(true);
    }
  });

  it("puts the unknown last in both directions", () => {
    const latency = now.latency.point.slice();
    latency[2] = Number.NaN;
    const holed = { ...now, latency: { ...now.latency, point: latency } };
    for (const descending of [true, false]) {
      const sorted = sortRows(program, holed, { key: "latency", descending });
      expect(sorted[sorted.length - 1]).toBe(2);
    }
  });

  it("reads numbers in names as numbers", () => {
    const names = ["l.10", "l.9", "l.1"];
    const named = { ...program, rows: 3, meta: { ...program.meta, names } };
    expect([...sortRows(named, now, { key: "name", descending: false })]).toEqual([2, 1, 0]);
  });

  it("turns the order of execution round", () => {
    expect(order("order", true)).toEqual(order("order", false).reverse());
  });
});

describe("the search", () => {
  it("wants every word, in name, type, path or source", () => {
    const all = Int32Array.from(order("order", false));
    const found = (text: string) =>
      [...filterRows(all, matcher(program, text))].map((row) => program.meta.names[row]);
    expect(found("")).toHaveLength(program.rows);
    expect(found("BLOCKS.1 conv")).toEqual(expect.arrayContaining(["blocks.1.conv"]));
    expect(found("fc")).toEqual(["fc"]);
    expect(found("nothing like it")).toEqual([]);
    expect(found("(.*[")).toEqual([]);
  });
});

describe("lines", () => {
  const column = program.meta.options.findIndex(({ label }) => label === "int8 w+a");
  const row = program.meta.names.indexOf("blocks.0.conv");
  const mixed = evaluate(plan, withMarks(plan, none, [{ rows: [row], option: column }]));

  it("hang casts under the row that caused them, and lose none", () => {
    const casts = castLines(program, mixed);
    expect(mixed.casts.row.length).toBeGreaterThan(0);
    const lines = [...casts.values()];
    expect(lines.reduce((sum, { count }) => sum + count, 0)).toBe(mixed.casts.row.length);
    expect(casts.get(row)?.text).toMatch(/fp16 → int8/);
  });

  it("are found by height", () => {
    const all = Int32Array.from(order("order", false));
    const { lines, tops } = layLines(all, castLines(program, mixed), new Map([[0, "a note"]]));
    expect(lines[0].id).toBe("r0");
    expect(lines[1].id).toBe("n0");
    expect(tops[2]).toBe(22 + 19);
    expect(visibleSlice(tops, 0, 10, 0)).toEqual([0, 1]);
    expect(visibleSlice(tops, 22, 60, 0)).toEqual([1, 3]);
    expect(visibleSlice(tops, 0, 1e6)).toEqual([0, lines.length]);
    expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length);
  });

  it("are none for no row", () => {
    const { lines, tops } = layLines(new Int32Array(0), new Map(), new Map());
    expect(lines).toEqual([]);
    expect(visibleSlice(tops, 0, 400)).toEqual([0, 0]);
  });
});
