import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decodeProgram, type Evaluation, type Program } from "./decode";
import { evaluate, makePlan } from "./evaluate";

type Vector = (number | null)[];
interface Golden {
  programs: string[];
  cases: {
    program: number;
    choice: number[];
    expected: {
      totals: Record<string, number | null>;
      unknown_rows: number;
      [array: string]: Vector | Record<string, number | null> | number;
    };
  }[];
}

const path = fileURLToPath(new URL("./evaluate.golden.json", import.meta.url));
const golden = JSON.parse(readFileSync(path, "utf-8")) as Golden;
const programs = golden.programs.map((text) => {
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  return decodeProgram(new DataView(bytes.buffer));
});
const plans = programs.map(makePlan);

function givesOtherThanItTakes({ gives, column_precision, options }: Program): boolean {
  return gives.some((precision, at) => precision !== column_precision[at % options]);
}

function flatten(found: Evaluation): Record<string, ArrayLike<number>> {
  return {
    column: found.column,
    mixed: found.mixed,
    latency: found.latency.point,
    energy_high: found.energy.high,
    row_weight_bytes: found.row_weight_bytes,
    memory_bytes: found.memory_bytes,
    cast_tensor: found.casts.tensor,
    cast_source: found.casts.source,
    cast_target: found.casts.target,
    cast_row: found.casts.row,
    cast_latency: found.casts.latency.point,
    cast_provenance: found.casts.provenance,
    corrections: found.corrections,
  };
}

function expectClose(found: number, wanted: number | null | boolean, name: string) {
  const value = wanted === null ? Number.NaN : Number(wanted);
  if (Number.isNaN(value)) expect(found, name).toBeNaN();
  else expect(Math.abs(found - value), name).toBeLessThanOrEqual(1e-9 * Math.abs(value));
}

describe("evaluate equals prices.evaluate", () => {
  it("has vectors to hold to", () => {
    expect(golden.cases.length).toBeGreaterThan(10);
    expect(Object.keys(golden.cases[0].expected)).toContain("cast_row");
    expect(golden.cases.some(({ expected }) => expected.totals.latency_s_change === null)).toBe(
      true,
    );
    expect(golden.cases.some(({ expected }) => expected.totals.latency_s_change === 1)).toBe(true);
    expect(programs.some(({ tensor_reuse }) => tensor_reuse.some((reused) => reused >= 0))).toBe(
      true,
    );
    expect(programs.some(givesOtherThanItTakes)).toBe(true);
  });

  it.each(golden.cases.map((vector, at) => ({ at, vector })))("case $at", ({ vector }) => {
    const found = evaluate(plans[vector.program], Int32Array.from(vector.choice));
    for (const [name, wanted] of Object.entries(vector.expected.totals)) {
      expectClose(found.totals[name as keyof typeof found.totals], wanted, name);
    }
    expect(found.unknown_rows).toBe(vector.expected.unknown_rows);
    const arrays = flatten(found);
    for (const [name, wanted] of Object.entries(vector.expected)) {
      if (!Array.isArray(wanted)) continue;
      expect(arrays[name]?.length, name).toBe(wanted.length);
      wanted.forEach((value, i) => {
        expectClose(arrays[name][i], value, `${name}[${i}]`);
      });
    }
  });

  it("is the same whatever was evaluated before", () => {
    const plan = plans[0];
    const choice = Int32Array.from(golden.cases[0].choice);
    const first = evaluate(plan, choice);
    evaluate(plan, new Int32Array(choice.length));
    expect(evaluate(plan, choice).totals).toEqual(first.totals);
  });
});
