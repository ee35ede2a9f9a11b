import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import type { RuleInfo } from "../wire";
import { evaluate, makePlan } from "./evaluate";
import { withMarks } from "./preview";
import {
  type Contribution,
  choiceOf,
  contributions,
  coverText,
  explains,
  factsOf,
  gapAt,
  patternsOf,
  placeOf,
  priceRule,
  refusalText,
} from "./rules";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const { options, names } = program.meta;
const [stem, conv, other, fc] = ["stem", "blocks.0.conv", "blocks.1.conv", "fc"].map((name) =>
  names.indexOf(name),
);
const int8 = options.findIndex(({ label }) => label === "int8");

function weightsOf(row: number): number[] {
  return [...plan.leaders.subarray(plan.leaderStart[row], plan.leaderStart[row + 1])];
}

function rule(rows: number[], option: string, enabled = true): RuleInfo {
  const match = rows.map((row) => names[row]);
  return { match, option, python: "", enabled, rows, weights: rows.flatMap(weightsOf) };
}

function without(rules: RuleInfo[], at: number): Contribution {
  const [now, then] = [rules, rules.toSpliced(at, 1)].map(
    (each) => evaluate(plan, choiceOf(plan, each)).totals,
  );
  return {
    size_bytes: now.size_bytes - then.size_bytes,
    latency_s: now.latency_s - then.latency_s,
  };
}

describe("the choice that rules make", () => {
  it("is the last match's", () => {
    const rules = [
      rule([conv, other], "int8"),
      rule([conv], "default"),
      rule([fc], "int8 w+a", false),
    ];
    expect(choiceOf(plan, rules)).toEqual(withMarks(plan, none, [{ rows: [other], option: int8 }]));
    expect(explains(plan, rules, choiceOf(plan, rules))).toBe(true);
    expect(explains(plan, rules, none)).toBe(false);
  });

  it("leaves as it is what the device refuses or does not know", () => {
    expect(choiceOf(plan, [rule([conv], "fp32")])).toEqual(none);
    expect(choiceOf(plan, [rule([conv], "int3 b64")])).toEqual(none);
  });
});

describe("what a rule contributes", () => {
  it("is the whole with it, less the whole without it", () => {
    const rules = [rule([conv, other], "int8"), rule([fc], "int8 w+a"), rule([conv], "int4")];
    const found = [...contributions(plan, rules)];
    expect(found).toEqual(rules.map((_, at) => without(rules, at)));
    expect(found[0]?.size_bytes).toBeLessThan(0);
  });

  it("is what comes to light beneath it, where it covers another rule", () => {
    const rules = [rule([conv], "int8"), rule([conv], "default")];
    const [first, second] = contributions(plan, rules);
    expect(first).toEqual({ size_bytes: 0, latency_s: 0 });
    expect(second).toEqual(without(rules, 1));
    expect(second?.size_bytes).toBeGreaterThan(0);
  });

  it("is nothing for a rule that is off", () => {
    const [on, off] = contributions(plan, [rule([conv], "int8"), rule([fc], "int8", false)]);
    expect(on).not.toBeNull();
    expect(off).toBeNull();
  });

  it("has an unknown latency where a row that it changes has none", () => {
    const point = program.latency.point.slice();
    point[program.row_signature[conv] * program.options + int8] = Number.NaN;
    const poor = makePlan({ ...program, latency: { ...program.latency, point } });
    const [found, known] = contributions(poor, [rule([conv], "int8"), rule([fc], "int8")]);
    expect(found?.latency_s).toBeNaN();
    expect(found?.size_bytes).toBeLessThan(0);
    expect(known?.latency_s).not.toBeNaN();
  });
});

describe("what is said of a rule", () => {
  it("is how many tasks it hits, and how many of them others decide", () => {
    const rules = [
      rule([stem, conv, other, fc], "int8"),
      rule([conv], "default"),
      rule([fc], "int8 w+a"),
      rule([stem], "int8", false),
    ];
    const facts = factsOf(plan, rules);
    expect(facts[0]).toMatchObject({ tasks: 4, overridden: 2, by: [1, 2], refused: 1 });
    expect(facts[0].reason).toContain("2,048 elements or fewer");
    expect(facts[1]).toMatchObject({ tasks: 1, overridden: 0, by: [] });
    expect(facts[3]).toMatchObject({ tasks: 1, overridden: 0, by: [] });
  });

  it("is why it cannot run here", () => {
    const [refused, unknown, covered] = factsOf(plan, [
      rule([conv, fc], "fp32"),
      rule([other], "int3 b64"),
      rule([fc], "int8 w+a"),
    ]);
    expect(refused).toMatchObject({ tasks: 2, overridden: 1, by: [2], refused: 1 });
    expect(refused.reason).toContain("computes in fp16");
    expect(unknown).toMatchObject({ refused: 1, reason: "int3 b64 is not on this device's menu" });
    expect(covered.refused).toBe(0);
  });

  it("is that it hits nothing", () => {
    expect(factsOf(plan, [rule([], "int8")])).toEqual([
      { tasks: 0, overridden: 0, by: [], refused: 0, reason: "" },
    ]);
  });
});

it("says what a rule does not decide, and what runs as something else", () => {
  const facts = { tasks: 3, overridden: 0, by: [], refused: 0, reason: "" };
  expect([coverText(facts), refusalText(facts, "fp16")]).toEqual(["", ""]);
  expect(coverText({ ...facts, overridden: 2, by: [1] })).toBe("2 of 3 overridden by rule 2");
  expect(coverText({ ...facts, overridden: 3, by: [1, 4] })).toBe(
    "all 3 overridden by later rules",
  );
  expect(coverText({ ...facts, tasks: 1, overridden: 1, by: [0] })).toBe("overridden by rule 1");
  const refused = { ...facts, reason: "too small" };
  expect([1, 2, 3].map((count) => refusalText({ ...refused, refused: count }, "fp16"))).toEqual([
    "1 of 3 runs as fp16: too small",
    "2 of 3 run as fp16: too small",
    "runs as fp16: too small",
  ]);
});

it("prices every option of a rule by what the whole would cost with it", () => {
  const rules = [rule([conv, other], "int8"), rule([other], "default")];
  const costs = priceRule(plan, rules, 0);
  expect(costs).toHaveLength(options.length);
  expect(costs[0].evaluation.totals).toEqual(evaluate(plan, none).totals);
  expect(costs[int8].evaluation.totals).toEqual(
    evaluate(plan, withMarks(plan, none, [{ rows: [conv], option: int8 }])).totals,
  );
  const fp32 = options.findIndex(({ label }) => label === "fp32");
  expect(costs[fp32].reason).toContain("computes in fp16");
});

it("drops a rule in the gap that is nearest", () => {
  const lines = [0, 40, 80].map((top) => ({ top, bottom: top + 40 }));
  expect([-5, 19, 21, 59, 61, 101, 500].map((y) => gapAt(lines, y))).toEqual([0, 0, 1, 1, 2, 3, 3]);
  expect([0, 1, 2, 3].map((gap) => placeOf(1, gap))).toEqual([0, 1, 1, 2]);
});

it("reads one name or pattern a line", () => {
  expect(patternsOf(" layer1.*\n\nre:a, b \n")).toEqual(["layer1.*", "re:a, b"]);
  expect(patternsOf("  ")).toEqual([]);
});
