import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import { COLUMN, COLUMNS, type Rows } from "./columns";
import { describe as tell } from "./describe";
import { evaluate, makePlan } from "./evaluate";
import { cellText, columnScales, exactText, largestAmong, sumAll, sumRows } from "./figures";
import {
  gridOf,
  type Layout,
  move,
  OURS,
  ordered,
  readLayout,
  resize,
  show,
  visibleColumns,
} from "./layout";
import { withMarks } from "./preview";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const before = evaluate(plan, none);
const conv = program.meta.names.indexOf("blocks.0.conv");
const option = program.meta.options.findIndex(({ label }) => label === "int8");
const choice = withMarks(plan, none, [{ rows: [conv], option }]);
const rows: Rows = { program, plan, choice, before, now: evaluate(plan, choice) };

function numbers(key: keyof typeof COLUMN, of = rows.now): Float64Array {
  const column = COLUMN[key];
  if (column.kind !== "number") throw new Error(`${key} has no numbers`);
  return column.numbers(program, of);
}

describe("columns", () => {
  it("have one value per row, and say what they mean", () => {
    for (const column of COLUMNS) {
      const values = column.kind === "number" ? numbers(column.key) : column.texts(rows);
      expect(values).toHaveLength(program.rows);
      expect(column.tip).not.toBe("");
    }
  });

  it("add up to shares of the whole, the slowest first", () => {
    expect(numbers("share").reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 6);
    expect(Math.max(...numbers("cumulative"))).toBeCloseTo(1, 6);
    const slowest = rows.now.latency.point.indexOf(Math.max(...rows.now.latency.point));
    expect(numbers("cumulative")[slowest]).toBe(numbers("share")[slowest]);
  });

  it("follow from what is counted", () => {
    const bytes =
      program.read_bytes[conv] + program.write_bytes[conv] + rows.now.row_weight_bytes[conv];
    expect(numbers("intensity")[conv]).toBe(program.flops[conv] / bytes);
    const peak = program.meta.roofs.ops_per_s[program.meta.precisions[0]];
    const seconds = before.latency.point[conv];
    expect(numbers("utilisation", before)[conv]).toBe((2 * program.macs[conv]) / seconds / peak);
    // The bias stays in full precision, the kernel does not.
    expect(numbers("bits", before)[conv]).toBe(
      (8 * before.row_weight_bytes[conv]) / program.parameters[conv],
    );
    expect(numbers("bits")[conv]).toBeLessThan(numbers("bits", before)[conv]);
  });

  it("do not know what nobody counted", () => {
    const unknown = { ...program, macs: program.macs.slice().fill(Number.NaN) };
    const column = COLUMN.utilisation;
    if (column.kind === "number") expect(column.numbers(unknown, { ...before })[conv]).toBeNaN();
  });

  it("say in full what a cell has no room for", () => {
    expect(tell(rows, conv, "latency")).toMatch(/between .* and .*, modelled/);
    expect(tell(rows, conv, "weights")).toMatch(/from/);
    const { macs } = COLUMN;
    if (macs.kind === "number") expect(exactText(macs, 118013952)).toContain("118,013,952 MAC");
  });
});

describe("sums", () => {
  it("of all rows are the totals", () => {
    const all = Array.from({ length: program.rows }, (_, row) => row);
    const sums = sumRows(rows, new Map(), all);
    const unknown = { ...rows.now, totals: { ...rows.now.totals, latency_s: Number.NaN } };
    expect(sumAll({ ...rows, now: unknown }).now.share).toBeNaN();
    expect(sumAll(rows).now.share).toBe(1);
    const whole = sumAll(rows);
    expect(sums.now.macs).toBe(whole.now.macs);
    expect(sums.now.weights).toBeCloseTo(whole.now.weights ?? 0, 3);
    expect(sums.marks).toBe(1);
    expect(whole.now.share).toBe(1);
  });

  it("are unknown where nothing is known", () => {
    const latency = { ...before.latency, point: before.latency.point.slice().fill(Number.NaN) };
    const unknown = { ...rows, before: { ...before, latency }, now: { ...before, latency } };
    expect(sumRows(unknown, new Map(), [conv]).now.latency).toBeNaN();
    expect(sumRows(unknown, new Map(), [conv]).unknown).toBe(1);
  });

  it("leave the unknown out of the longest bar", () => {
    const point = before.latency.point.slice();
    const most = Math.max(...point);
    point[conv] = Number.NaN;
    const holed = { ...before, latency: { ...before.latency, point } };
    const known = [...point].filter((value) => !Number.isNaN(value));
    const all = [...point.keys()];
    const { latency } = largestAmong({ program, before: holed }, all, []);
    expect(latency).toBe(Math.max(...known));
    expect(largestAmong({ program, before }, all, []).latency).toBe(most);
    const two = [all.slice(0, 2)];
    expect(largestAmong({ program, before }, [], two).latency).toBe(
      before.latency.point[0] + before.latency.point[1],
    );
  });

  it("are written on the column's scale", () => {
    const { latency } = rows.before;
    const point = latency.point.slice();
    point[0] = Number.POSITIVE_INFINITY;
    const endless = { ...rows, before: { ...rows.before, latency: { ...latency, point } } };
    expect(columnScales(endless).latency).toEqual(columnScales(rows).latency);
    expect(largestAmong(endless, [0, 1, 2], []).latency).toBe(Math.max(point[1], point[2]));
    const figures = { ...rows, columns: [], prefix: "", largest: {}, scales: columnScales(rows) };
    const { share } = COLUMN;
    if (share.kind === "number") {
      expect(cellText(share, 0.125, figures)).toBe("12.5\u202f%");
      expect(cellText(share, Number.NaN, figures)).toBe("?");
    }
  });
});

describe("a layout", () => {
  const keys = (layout = OURS, width = 1040) => visibleColumns(layout, width).map(({ key }) => key);

  it("follows the width until a column is chosen by hand", () => {
    expect(keys()).toEqual([
      "order",
      "name",
      "type",
      "macs",
      "weights",
      "latency",
      "share",
      "option",
    ]);
    expect(keys(OURS, 400)).toEqual(["name", "latency", "option"]);
    expect(keys(show(OURS, "flops", true), 400)).toContain("flops");
    expect(keys(show(OURS, "latency", false))).not.toContain("latency");
    expect(keys(show(OURS, "name", false), 400)).toContain("name");
  });

  it("give way where the table has no room for them, but not those shown by hand", () => {
    const fitting = (layout: Layout, room: number) =>
      visibleColumns(layout, 1040, room).map(({ key }) => key);
    const all = keys();
    const { least } = gridOf(visibleColumns(OURS, 1040), OURS, 1040);
    expect(fitting(OURS, least)).toEqual(all);
    expect(fitting(OURS, least - 1)).toEqual(all.filter((key) => key !== "share"));
    const chosen = show(OURS, "share", true);
    expect(fitting(chosen, least - 1)).toEqual(all.filter((key) => key !== "order"));
    expect(fitting(OURS, 500)).toEqual(["name", "weights", "latency", "option"]);
    expect(fitting(OURS, 10)).toEqual(all);
  });

  it("keeps an order, and takes new columns in behind it", () => {
    const moved = move(OURS, "latency", "type");
    expect(keys(moved).indexOf("latency")).toBe(keys(moved).indexOf("type") - 1);
    expect(ordered(moved)).toHaveLength(COLUMNS.length);
    expect(keys(move(OURS, "type", null)).at(-1)).toBe("type");
  });

  it("has widths of its own, no narrower than can be grasped again", () => {
    const { template, least } = gridOf(
      visibleColumns(resize(OURS, "name", 10), 1040),
      resize(OURS, "name", 300),
      1040,
    );
    expect(template).toContain("300px");
    expect(least).toBeGreaterThan(300);
    expect(resize(OURS, "name", 3).widths.name).toBe(40);
    expect(resize(resize(OURS, "name", 300), "name", null)).toEqual(OURS);
  });

  it("has room for the number of every row", () => {
    const first = (rows: number) => gridOf(visibleColumns(OURS, 1040), OURS, 1040, rows).template;
    expect(first(99)).toMatch(/^34px /);
    expect(first(10_000)).toMatch(/^50px /);
  });

  it("is read back as far as it is understood", () => {
    const kept = resize(move(show(OURS, "flops", true), "type", null), "name", 222);
    expect(readLayout(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
    expect(
      readLayout({ shown: { nonsense: true, macs: 3 }, order: ["x"], widths: { name: "w" } }),
    ).toEqual(OURS);
    expect(readLayout(null)).toEqual(OURS);
  });
});
