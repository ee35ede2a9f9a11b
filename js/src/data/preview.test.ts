import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import type { Report } from "./decode";
import { evaluate, makePlan } from "./evaluate";
import {
  agree,
  bandOf,
  judge,
  leadersOf,
  markable,
  marked,
  optionOfRow,
  peakRow,
  priceMenu,
  refusalOf,
  withMarks,
} from "./preview";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const conv = program.meta.names.indexOf("blocks.0.conv");
const add = program.meta.names.indexOf("blocks.0/add");
const int8 = program.meta.options.findIndex(({ label }) => label === "int8");

describe("a foreseen report", () => {
  const evaluation = evaluate(plan, none);
  const report = { meta: {} as Report["meta"], choice: none.slice(), evaluation };

  it("agrees in choice and totals", () => {
    expect(agree(none, evaluation, report)).toBe(true);
    const totals = { ...evaluation.totals, latency_s: evaluation.totals.latency_s * (1 + 1e-8) };
    expect(agree(none, { ...evaluation, totals }, report)).toBe(false);
    const unknown = { ...evaluation.totals, energy_j: Number.NaN };
    expect(
      agree(none, evaluation, { ...report, evaluation: { ...evaluation, totals: unknown } }),
    ).toBe(false);
    const other = withMarks(plan, none, [{ rows: [conv], option: int8 }]);
    expect(agree(other, evaluation, report)).toBe(false);
  });
});

describe("a mark", () => {
  it("changes the leaders of its rows and nothing else", () => {
    const choice = withMarks(plan, none, [{ rows: [conv], option: int8 }]);
    const changed = [...choice.keys()].filter((weight) => choice[weight] !== 0);
    expect(changed).toEqual(leadersOf(plan, [conv]));
    expect(none.every((option) => option === 0)).toBe(true);
    expect(marked(plan, choice, conv)).toBe(true);
    expect(optionOfRow(program, plan, choice, conv)).toBe(int8);
  });

  it("saves bytes", () => {
    const choice = withMarks(plan, none, [{ rows: [conv], option: int8 }]);
    const before = evaluate(plan, none).totals;
    expect(evaluate(plan, choice).totals.size_bytes).toBeLessThan(before.size_bytes);
  });

  it("gives way to the last", () => {
    const marks = [
      { rows: [conv], option: int8 },
      { rows: [conv], option: 0 },
    ];
    expect(withMarks(plan, none, marks)).toEqual(none);
  });

  it("leaves what the device cannot run as it is", () => {
    const stem = program.meta.names.indexOf("stem");
    const refused = program.meta.options.findIndex((_, at) => refusalOf(plan, stem, at) > 0);
    expect(refused).toBeGreaterThan(0);
    expect(withMarks(plan, none, [{ rows: [stem], option: refused }])).toEqual(none);
  });

  it("does nothing to rows without weights", () => {
    expect(markable(plan, add)).toBe(false);
    expect(refusalOf(plan, add, int8)).toBe(-1);
    expect(withMarks(plan, none, [{ rows: [add], option: int8 }])).toEqual(none);
    expect(optionOfRow(program, plan, none, add)).toBe("none");
  });
});

describe("the menu", () => {
  it("prices every option as choosing it would", () => {
    const costs = priceMenu(plan, none, [conv]);
    expect(costs.map(({ option }) => option)).toEqual([...program.meta.options.keys()]);
    const chosen = evaluate(plan, withMarks(plan, none, [{ rows: [conv], option: int8 }]));
    expect(costs[int8].evaluation.totals).toEqual(chosen.totals);
    expect(costs[0].evaluation.totals).toEqual(evaluate(plan, none).totals);
  });

  it("says why an option cannot be chosen", () => {
    const fp32 = program.meta.options.findIndex(({ label }) => label === "fp32");
    expect(priceMenu(plan, none, [conv])[fp32].reason).toContain("fp16");
  });
});

describe("a target", () => {
  const totals = evaluate(plan, none).totals;
  it("is met, missed, or inside the band", () => {
    const [low, high] = bandOf(totals, "latency_s");
    expect(low).toBeLessThan(high);
    expect(judge(totals, "latency_s", high * 1.01)).toBe("under");
    expect(judge(totals, "latency_s", low * 0.99)).toBe("over");
    expect(judge(totals, "latency_s", totals.latency_s)).toBe("close");
    expect(judge(totals, "size_bytes", totals.size_bytes)).toBe("under");
  });

  it("knows where the memory peaks", () => {
    const now = evaluate(plan, none);
    expect(now.memory_bytes[peakRow(now)]).toBe(totals.peak_memory_bytes);
  });
});
