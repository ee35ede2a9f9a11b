import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import type { Key, Rows } from "./columns";
import { evaluate, makePlan } from "./evaluate";
import { passing } from "./filters";
import { type Forest, type Grouping, groupRows } from "./groups";
import { withMarks } from "./preview";
import { castLines, type Laying, layLines, ranker, sortRows, visibleSlice } from "./table";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const now = evaluate(plan, none);
const rows: Rows = { program, plan, choice: none, before: now, now };
const order = (key: Key, descending: boolean) => [...sortRows(rows, { key, descending })];

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
      const sorted = sortRows({ ...rows, now: holed }, { key: "latency", descending });
      expect(sorted[sorted.length - 1]).toBe(2);
    }
  });

  it("reads numbers in names as numbers", () => {
    const names = ["l.10", "l.9", "l.1"];
    const named = { ...program, rows: 3, meta: { ...program.meta, names } };
    expect([...sortRows({ ...rows, program: named }, { key: "name", descending: false })]).toEqual([
      2, 1, 0,
    ]);
  });

  it("turns the order of execution round", () => {
    expect(order("order", true)).toEqual(order("order", false).reverse());
  });
});

describe("the search", () => {
  it("wants every word, in name, type, path or source", () => {
    const found = (text: string) => {
      const passes = passing(rows, [{ kind: "text", text }]);
      return program.meta.names.filter((_, row) => passes[row]);
    };
    expect(found("")).toHaveLength(program.rows);
    expect(found("BLOCKS.1 conv")).toEqual(expect.arrayContaining(["blocks.1.conv"]));
    expect(found("fc")).toEqual(["fc"]);
    expect(found("nothing like it")).toEqual([]);
    expect(found("(.*[")).toEqual([]);
  });
});

function lay(some: Partial<Laying> = {}) {
  const sorted = Int32Array.from(order("order", false));
  return layLines({
    order: sorted,
    rank: ranker(rows, { key: "order", descending: false }, sorted),
    passes: () => true,
    forest: groupRows(program, "none"),
    open: new Set(),
    casts: new Map(),
    notes: new Map(),
    ...some,
  });
}

describe("groups", () => {
  const leaves = ({ groups, own }: Forest): number[] => [...own, ...groups.flatMap(leaves)];

  it.each<Grouping>(["none", "module", "type", "repeats"])("by %s have every row once", (by) => {
    const forest = groupRows(program, by);
    expect(leaves(forest).sort((a, b) => a - b)).toEqual(order("order", false));
    for (const group of forest.groups) {
      expect(leaves(group).sort((a, b) => a - b)).toEqual([...group.rows]);
    }
  });

  it("of modules nest as the model does, and a module of one row is that row", () => {
    const { groups } = groupRows(program, "module");
    const blocks = groups.find(({ name }) => name === "blocks");
    expect(blocks?.groups.map(({ label }) => label)).toEqual([".0", ".1"]);
    expect(groups.every(({ rows: members }) => members.length > 1)).toBe(true);
  });

  it("of repeats are named by a pattern", () => {
    const { groups } = groupRows(program, "repeats");
    expect(groups.map(({ name }) => name)).toContain("blocks.[0-1].conv");
    expect(groups.every(({ repeats, rows: members }) => repeats === members.length)).toBe(true);
  });

  it("stand among rows by their sums, and open to their rows", () => {
    const sorted = Int32Array.from(order("latency", true));
    const rank = ranker(rows, { key: "latency", descending: true }, sorted);
    const forest = groupRows(program, "module");
    const closed = lay({ order: sorted, rank, forest });
    const ranks = closed.lines.map(({ group, row }) => rank(group ? group.rows : [row]));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
    const opened = lay({ order: sorted, rank, forest, open: new Set(["module blocks"]) });
    expect(opened.lines.length).toBe(closed.lines.length + 2);
    expect(opened.lines.filter(({ depth }) => depth === 1)).toHaveLength(2);
  });

  it("show what is filtered out dimmed where its group has more, and not at all elsewhere", () => {
    const conv = program.meta.names.indexOf("blocks.0.conv");
    const open = new Set(["module blocks", "module blocks.0"]);
    const { lines } = lay({
      forest: groupRows(program, "module"),
      open,
      passes: (row) => row === conv,
    });
    expect(lines.filter(({ group }) => group).map(({ id }) => id)).toEqual([...open]);
    expect(lines.filter(({ kind, dimmed }) => kind === "row" && !dimmed)).toHaveLength(1);
    expect(lines.some(({ dimmed }) => dimmed)).toBe(true);
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
    const casts = castLines(program, mixed);
    const { lines } = lay({ casts, notes: new Map([[0, "a note"]]) });
    expect(lines[0].id).toBe("r0");
    expect(lines[1].id).toBe("n0");
    expect(lines[2]).toMatchObject({ at: 2, top: 22 + 19 });
    expect(visibleSlice(lines, 0, 10, 0)).toEqual([0, 1]);
    expect(visibleSlice(lines, 22, 60, 0)).toEqual([1, 3]);
    expect(visibleSlice(lines, 0, 1e6, 8)).toEqual([0, lines.length]);
    expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length);
  });

  it("are none for no row", () => {
    const { lines, height } = lay({ passes: () => false });
    expect(lines).toEqual([]);
    expect(height).toBe(0);
    expect(visibleSlice(lines, 0, 400, 8)).toEqual([0, 0]);
  });
});
