import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import type { RuleInfo } from "../wire";
import { evaluate, makePlan } from "./evaluate";
import { withMarks } from "./preview";
import { contributions } from "./rules";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const { options, names } = program.meta;
const conv = names.indexOf("blocks.0.conv");

function rule(rows: number[], option: string, enabled = true): RuleInfo {
  return { match: rows.map((row) => names[row]), option, python: "", enabled, rows };
}

describe("what a rule contributes", () => {
  const int8 = options.findIndex(({ label }) => label === "int8");
  const choice = withMarks(plan, none, [{ rows: [conv], option: int8 }]);

  it("is the whole with it, less the whole without it", () => {
    const found = contributions(plan, [rule([conv], "int8")], choice);
    const saved = evaluate(plan, choice).totals.size_bytes - evaluate(plan, none).totals.size_bytes;
    expect(found?.[0]?.size_bytes).toBe(saved);
  });

  it("is nothing for a rule that a later one covers, or that is off", () => {
    const rules = [rule([conv], "int8"), rule([conv], "int8"), rule([conv], "int8", false)];
    const found = contributions(plan, rules, choice);
    expect(found?.[0]?.size_bytes).toBe(0);
    expect(found?.[2]).toBeNull();
  });

  it("is not told where the rules do not make up the choice", () => {
    expect(contributions(plan, [rule([conv], "int8")], none)).toBeNull();
    expect(contributions(plan, [rule([conv], "palette")], choice)).toBeNull();
  });
});
