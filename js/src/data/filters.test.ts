import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import { places, placesOf, rangeAt, step } from "./brush";
import type { Rows } from "./columns";
import { binsFor } from "./distribution";
import { evaluate, makePlan } from "./evaluate";
import { filterText } from "./filter-text";
import {
  type Filter,
  passing,
  readFilters,
  stack,
  topRows,
  withRange,
  withValues,
} from "./filters";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const now = evaluate(plan, none);
const rows: Rows = { program, plan, choice: none, before: now, now };
const NAN = Number.NaN;

describe("the top", () => {
  it("are the fewest rows that make up a share of the sum", () => {
    // 50 + 30 is exactly 80 % of 100.
    expect([...topRows(Float64Array.of(10, 50, NAN, 30, 10, 0), 0.8)]).toEqual([0, 1, 0, 1, 0, 0]);
    expect([...topRows(Float64Array.of(10, 51, NAN, 28, 11, 0), 0.8)]).toEqual([0, 1, 0, 1, 1, 0]);
    expect([...topRows(Float64Array.of(NAN, 0), 0.8)]).toEqual([0, 0]);
  });

  it("filter a column", () => {
    const passes = passing(rows, [{ kind: "top", key: "macs", share: 0.8 }]);
    const sum = (some: number[]) => some.reduce((total, row) => total + program.macs[row], 0);
    const all = Array.from(passes.keys());
    const top = all.filter((row) => passes[row]);
    expect(sum(top)).toBeGreaterThanOrEqual(0.8 * sum(all));
    const least = top.reduce((a, b) => (program.macs[a] < program.macs[b] ? a : b));
    expect(sum(top) - program.macs[least]).toBeLessThan(0.8 * sum(all));
  });
});

describe("filters", () => {
  const latency = { kind: "range", key: "latency", low: 1e-5, high: null } as const;

  it("keep one range and one choice of values for a column, in its place", () => {
    const text: Filter = { kind: "text", text: "conv" };
    const one = withRange(withRange([text], latency), { ...latency, key: "macs" });
    const other = withRange(one, { ...latency, high: 2 });
    expect(other).toHaveLength(3);
    expect(other[1]).toMatchObject({ high: 2 });
    expect(withRange(other, { ...latency, low: null })).toHaveLength(2);
    expect(withValues(withValues([], "type", ["a"]), "type", ["a", "b"])).toHaveLength(1);
    expect(withValues(withValues([], "type", ["a"]), "type", [])).toEqual([]);
  });

  it("are stacked once", () => {
    expect(stack([latency], [{ ...latency }, { ...latency, low: 2 }])).toHaveLength(2);
  });

  it("pass exactly the values that were clicked", () => {
    const [label] = program.meta.labels;
    const passes = passing(rows, [{ kind: "values", key: "type", values: [label] }]);
    expect([...passes]).toEqual(program.meta.labels.map((other) => Number(other === label)));
  });

  it("are read back as far as they are understood", () => {
    const kept: Filter[] = [
      latency,
      { kind: "text", text: "conv" },
      { kind: "pattern", source: "a|b", key: null, not: true },
      { kind: "compare", key: "macs", operator: ">", value: 1, slack: 0.5 },
      { kind: "category", key: "type", words: ["conv"] },
      { kind: "values", key: "type", values: ["conv"] },
      { kind: "top", key: "latency", share: 0.8 },
    ];
    expect(readFilters(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
    const broken = [
      null,
      3,
      {},
      { kind: "pattern", source: "(", key: null },
      { kind: "range", key: "type", low: 1, high: 2 },
      { kind: "range", key: "toString", low: 1, high: 2 },
      { kind: "values", key: "macs", values: [] },
      { kind: "compare", key: "macs", operator: "~", value: 1, slack: 0 },
    ];
    expect(readFilters(broken)).toEqual([]);
    expect(readFilters("x")).toEqual([]);
  });

  it("of 10,000 rows take less than 100 ms, of every kind at once", () => {
    const times = Math.ceil(10_000 / program.rows);
    const many = <T>(values: readonly T[]): T[] =>
      Array.from({ length: times }, () => values).flat();
    const longer = (values: Float64Array) => Float64Array.from(many([...values]));
    const meta = Object.fromEntries(
      Object.entries(program.meta).map(([key, value]) => [
        key,
        Array.isArray(value) && value.length === program.rows ? many(value) : value,
      ]),
    ) as unknown as typeof program.meta;
    const big = { ...program, rows: times * program.rows, meta, macs: longer(program.macs) };
    const prices = { ...now.latency, point: longer(now.latency.point) };
    const wide = { ...rows, program: big, now: { ...now, latency: prices } };
    const filters: Filter[] = [
      { kind: "text", text: "b" },
      { kind: "pattern", source: "blocks\\.\\d", key: null },
      { kind: "compare", key: "latency", operator: ">", value: 0, slack: 0 },
      { kind: "category", key: "type", words: ["o"] },
      { kind: "top", key: "latency", share: 0.8 },
    ];
    const start = performance.now();
    const passes = passing(wide, filters);
    expect(performance.now() - start).toBeLessThan(100);
    expect(passes).toContain(1);
  });
});

describe("a brush", () => {
  // A long tail: zeros apart, and the bins in logarithms.
  const values = Float64Array.of(
    0,
    0,
    ...Array.from({ length: 20 }, (_, i) => 1 + i / 20),
    900,
    900,
    900,
    900,
  );
  const bins = binsFor([values], 10);
  if (!bins) throw new Error("no bins");

  it("goes from places to values and back", () => {
    expect(bins.zeros).toBe(true);
    expect(places(bins)).toBe(2 + 10);
    for (const [from, to] of [
      [3, 7],
      [2, 12],
      [0, 5],
      [4, 12],
      [0, 1],
    ]) {
      expect(placesOf(bins, rangeAt(bins, "latency", from, to))).toEqual([from, to]);
    }
  });

  it("is open at its outer ends, and leaves out zeros where it is asked to", () => {
    expect(rangeAt(bins, "latency", 0, 12)).toMatchObject({ low: null, high: null });
    expect(filterText(rangeAt(bins, "latency", 2, 12))).toBe("latency > 0");
    expect(filterText(rangeAt(bins, "latency", 0, 1))).toBe("latency = 0");
    const upper = rangeAt(bins, "latency", 2 + 5, 12);
    // Five of ten bins from 1 to 900 in logarithms.
    expect(upper.low).toBeCloseTo(30, 9);
  });

  it("steps over the gap behind the zeros, both ways", () => {
    expect(step(bins, 1, 1)).toBe(3);
    expect(step(bins, 2, -1)).toBe(0);
    expect(step(bins, 3.4, 1)).toBe(4);
    expect(step(bins, 3.4, -1)).toBe(3);
    expect(step(bins, 11, 5)).toBe(12);
  });
});
