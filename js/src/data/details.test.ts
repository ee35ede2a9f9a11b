import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import type { LatencyParts, MeasuredParts } from "../wire";
import type { Rows } from "./columns";
import {
  castPart,
  factsOf,
  measuredParts,
  numbersOf,
  optionLines,
  partsOf,
  priceOf,
  sumsOf,
  sumText,
  typesOf,
  weightsOf,
} from "./details";
import { evaluate, makePlan } from "./evaluate";
import { priceMenu, withMarks } from "./preview";
import { castLines } from "./table";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const at = (name: string) => program.meta.names.indexOf(name);
const plain = (text: string) => text.replace(/\u202f/g, " ");

function rowsWith(choice: Int32Array): Rows {
  return { program, plan, choice, before: evaluate(plan, none), now: evaluate(plan, choice) };
}

const rows = rowsWith(none);
const stem = at("stem");
const conv = at("blocks.0.conv");
const int8 = program.meta.options.findIndex(({ label }) => label === "int8");
const marked = rowsWith(withMarks(plan, none, [{ rows: [conv], option: int8 }]));

const PARTS: LatencyParts = {
  times: 1,
  compute_s: 3e-6,
  macs: 3e6,
  macs_per_s: 1e12,
  rest: 0,
  rest_per_s: 1e9,
  memory_s: 2e-6,
  activation_bytes: 1000,
  activation_bytes_per_s: 1e9,
  weight_bytes: 1000,
  weight_bytes_per_s: 1e9,
  exposed: 1,
  unpacking_s: 0,
  dispatch_s: 1e-6,
};

describe("what the pane says of one task", () => {
  it("has its facts, and leaves out what is empty", () => {
    const facts = Object.fromEntries(factsOf(rows, stem).map(({ name, text }) => [name, text]));
    expect(facts.Kernel).toBe("3×3, stride 2");
    expect(facts.Gives).toBe("1×16×16×16 float32");
    expect(facts.Reads).toBe("1×3×32×32");
    expect(facts.Module).toMatch(/^stem \(Conv2d\)$/);
    expect(facts).not.toHaveProperty("Runs");
    expect(factsOf(rows, at("fc")).some(({ name }) => name === "Kernel")).toBe(false);
  });

  it("says how often it runs, and that nobody knows", () => {
    const runs = (times: number) => {
      const looped = { ...program, times: program.times.slice() };
      looped.times[stem] = times;
      return factsOf({ ...rows, program: looped }, stem).find(({ name }) => name === "Runs")?.text;
    };
    expect(runs(5)).toBe("5 times");
    expect(runs(0)).toBe("0 times");
    expect(runs(Number.NaN)).toBe("not known");
  });

  it("has its numbers, and says which are not counted", () => {
    const odd = { ...program, macs: program.macs.slice() };
    odd.macs[stem] = Number.NaN;
    const numbers = numbersOf({ ...rows, program: odd }, stem);
    expect(numbers.find(({ name }) => name === "MACs")?.text).toBe("not counted");
    expect(plain(numbersOf(rows, stem)[0].text)).toBe("110.6 kMAC");
    expect(numbersOf(rows, stem)[0].title).toContain("110,592");
  });

  it("has weights before and now, with shapes where Python told them", () => {
    const [weight, bias] = weightsOf(marked, conv, null);
    expect(weight).toMatchObject({ name: "blocks.0.conv.weight", shape: "", option: "int8" });
    expect(weight.after).toBeLessThan(weight.before);
    expect(bias.name).toContain("bias");
    const told = {
      weights: [{ name: "blocks.0.conv.weight", shape: "16×3×3×3", dtype: "float32" }],
    };
    expect(weightsOf(marked, conv, told as never)[0].shape).toBe("16×3×3×3");
    expect(weightsOf(rows, at("adaptive_avg_pool2d"), null)).toEqual([]);
  });
});

describe("prices", () => {
  it("have a band, where they come from, and what they were", () => {
    const price = priceOf(marked, [conv], "latency", "");
    const { latency, casts } = marked.now;
    const added = casts.row.reduce(
      (s, row, i) => s + (row === conv ? casts.latency.point[i] : 0),
      0,
    );
    expect(price.value).toBeCloseTo(latency.point[conv] + added, 12);
    expect(price.standing).toBe("modelled");
    expect(plain(price.band)).toMatch(/ – .*\(±20 %\)$/);
    expect(priceOf(rows, [stem], "latency", "").from).toBe("");
    expect(priceOf(marked, [conv], "energy", "").from).toContain("from");
  });

  it("of energy are measured only where a counter was read", () => {
    const measured = {
      ...rows,
      program: { ...program, provenance: program.provenance.map(() => 1) },
    };
    expect(priceOf(measured, [stem], "latency", "").standing).toBe("measured");
    expect(priceOf(measured, [stem], "energy", "seconds times 15 W").standing).toBe("modelled");
    expect(priceOf(measured, [stem], "energy", "RAPL package").standing).toBe("measured");
    const mixed = { ...measured.program, provenance: measured.program.provenance.slice() };
    mixed.provenance.fill(0, 0, program.options);
    const two = [program.row_signature.indexOf(0), program.row_signature.indexOf(1)];
    expect(priceOf({ ...rows, program: mixed }, two, "latency", "").standing).toBe("estimated");
  });

  it("are the longer of compute and memory, and more", () => {
    const parts = partsOf(PARTS);
    expect(parts.map(({ name, decides }) => [name, decides])).toEqual([
      ["compute", true],
      ["memory", false],
      ["dispatch", false],
    ]);
    expect(plain(parts[0].how)).toBe("3.000 MMAC ÷ 1.000 TMAC/s");
    expect(plain(parts[1].how)).toBe("1.00 kB ÷ 1.000 GB/s + 1.00 kB ÷ 1.000 GB/s of weights");
    expect(sumText(PARTS)).toBe("The longer of compute and memory, plus dispatch");
    const decided = (changes: Partial<LatencyParts>) =>
      partsOf({ ...PARTS, ...changes }).find(({ decides }) => decides)?.name;
    expect(decided({ memory_s: 4e-6 })).toBe("memory");
    expect(decided({ dispatch_s: 1 })).toBe("dispatch");
    expect(partsOf({ ...PARTS, compute_s: null })).toEqual([]);
    expect(plain(partsOf({ ...PARTS, exposed: 0.25 })[1].how)).toContain("75.0 % of it hidden");
    expect(sumText({ ...PARTS, times: 4, unpacking_s: 1e-6 })).toBe(
      "4 runs of the longer of compute and memory, plus unpacking, plus dispatch",
    );
  });

  it("that are measured are a share of the whole times a ratio", () => {
    const whole_s = rows.before.totals.latency_s;
    const kernels = program.meta.options.map((_, column) =>
      column === int8 ? { ratio: 0.5, sweeps: 3, spread: 0.04 } : null,
    );
    const measured: MeasuredParts = { whole_s, noise: 0.02, rounds: 6, runtime: "", kernels };
    const base = measuredParts(rows, stem, 0, measured);
    expect(base.map(({ name }) => name)).toEqual(["baseline", "share"]);
    const kernel = measuredParts(rows, stem, int8, measured)[2];
    expect(kernel).toMatchObject({ name: "ratio", value: "× 0.500" });
    expect(kernel.how).toContain("3 sweeps");
    const other = program.options - 1 === int8 ? int8 - 1 : program.options - 1;
    expect(measuredParts(rows, stem, other, measured)[2].how).toBe("by formula: not timed yet");
  });

  it("name the casts that they include", () => {
    expect(castPart(undefined)).toEqual([]);
    const [part] = castPart({ count: 2, text: "fp16 → int8", latency: 1e-6, energy: 0 });
    expect(part.how).toBe("2 casts: fp16 → int8");
  });
});

describe("options side by side", () => {
  const lines = optionLines(rows, [conv], priceMenu(plan, none, [conv]));

  it("have what the rows and the model would then cost", () => {
    expect(lines).toHaveLength(program.options);
    const line = lines[int8];
    expect(line.latency).toBe(line.cost.evaluation.latency.point[conv]);
    expect(line.weights).toBe(line.cost.evaluation.row_weight_bytes[conv]);
    expect(line.weights).toBeLessThan(lines[0].weights);
    expect(line.model.split(", ")).toHaveLength(3);
    expect(line.standing).toBe("modelled");
    expect(line.band).not.toBe("");
  });

  it("say why one is not to be had", () => {
    const refused = lines.find(({ label }) => label === "fp32");
    expect(refused?.reason).toContain("the Neural Engine computes in fp16");
  });
});

describe("several tasks", () => {
  it("are summed", () => {
    const all = [0, 1, 2];
    const sums = sumsOf(marked, castLines(program, marked.now), all);
    const macs = sums.find(({ name }) => name === "MACs");
    const total = all.reduce((sum, row) => sum + program.macs[row], 0);
    expect(macs?.title).toContain(total.toLocaleString("en"));
    expect(plain(sums.find(({ name }) => name === "Weights")?.from ?? "")).toMatch(/^−.* %$/);
    const whole = priceOf(rows, all, "latency", "");
    expect(whole.value).toBeCloseTo(
      all.reduce((sum, row) => sum + rows.now.latency.point[row], 0),
      12,
    );
  });

  it("are counted by type, the most first", () => {
    const all = Array.from({ length: program.rows }, (_, row) => row);
    const counts = typesOf(rows, all).map(({ text }) => Number(text));
    expect(counts.reduce((a, b) => a + b)).toBe(program.rows);
    expect(counts).toEqual(counts.toSorted((a, b) => b - a));
  });
});
