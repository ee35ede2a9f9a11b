import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import { knownSum } from "./bands";
import { costsBy, shareOf } from "./costs";
import { evaluate, makePlan } from "./evaluate";
import { swatchOf } from "./kinds";
import { withMarks } from "./preview";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const before = evaluate(plan, none);

describe("cost by type", () => {
  it("adds up to the rows and their casts", () => {
    const column = program.meta.options.findIndex(({ label }) => label === "int8 w+a");
    const row = program.meta.names.indexOf("blocks.0.conv");
    const now = evaluate(plan, withMarks(plan, none, [{ rows: [row], option: column }]));
    const lines = costsBy("type", program, before, now, "latency", 2);
    const sum = lines.reduce((total, { after }) => total + after, 0);
    expect(sum).toBeCloseTo(now.totals.latency_s, 12);
    expect(lines[lines.length - 1].label).toBe("casts");
    expect(lines.reduce((total, line) => total + line.before, 0)).toBeCloseTo(
      knownSum(before.latency.point),
      12,
    );
  });

  it("folds what is beyond the limit, and loses no row", () => {
    const lines = costsBy("type", program, before, before, "weights", 2);
    expect(lines).toHaveLength(2);
    expect(lines.flatMap(({ rows }) => rows).sort((a, b) => a - b)).toEqual([
      ...Array(program.rows).keys(),
    ]);
  });
});

describe("cost by module", () => {
  it("is that of all rows", () => {
    const lines = costsBy("module", program, before, before, "macs");
    expect(lines.length).toBeGreaterThan(1);
    const sum = lines.reduce((total, { after }) => total + after, 0);
    expect(sum).toBe(knownSum(program.macs));
    expect(lines.flatMap(({ rows }) => rows).sort((a, b) => a - b)).toEqual([
      ...Array(program.rows).keys(),
    ]);
  });

  it("has as many lines as asked for", () => {
    expect(costsBy("module", program, before, before, "latency", 3)).toHaveLength(3);
  });
});

describe("a share of a line", () => {
  const values = Float64Array.of(1, 2, 5, Number.NaN);
  it("is that of its cost", () => {
    expect(shareOf([0, 1, 2], values, (row) => row === 2)).toBe(5 / (1 + 2 + 5));
    expect(shareOf([0, 1, 2], values, () => true)).toBe(1);
    expect(shareOf([0, 1, 2], values, () => false)).toBe(0);
  });

  it("is that of its rows where nothing is known", () => {
    expect(shareOf([3, 3], Float64Array.of(0, 0, 0, Number.NaN), () => true)).toBe(1);
    expect(shareOf([0, 1], new Float64Array(2), (row) => row === 0)).toBe(1 / 2);
  });
});

describe("colours", () => {
  it("come from the kind, save two labels", () => {
    expect(swatchOf("conv", "conv 3×3")).toBe("conv");
    expect(swatchOf("conv", "conv 1×1")).toBe("pointwise");
    expect(swatchOf("conv", "depthwise 3×3")).toBe("depthwise");
    expect(swatchOf("unheard-of", "x")).toBe("unknown");
  });
});
