/** What each rule of a recipe contributes: the whole with it, less the whole without it. */
import type { RuleInfo } from "../wire";
import { evaluate, type Plan } from "./evaluate";
import { type Mark, withMarks } from "./preview";

export interface Contribution {
  size_bytes: number;
  latency_s: number;
}

function marksOf(plan: Plan, rules: readonly RuleInfo[]): Mark[] | null {
  const labels = plan.program.meta.options.map(({ label }) => label);
  const marks: Mark[] = [];
  for (const { rows, option, enabled } of rules) {
    if (!enabled) continue;
    const column = option === "default" ? 0 : labels.indexOf(option);
    if (column < 0) return null;
    marks.push({ rows, option: column });
  }
  return marks;
}

/**
 * One per rule, null for one that is switched off; null for all where the rows that the rules
 * hit do not make up the choice that Python reports (a rule may hit a part of a row).
 */
export function contributions(
  plan: Plan,
  rules: readonly RuleInfo[],
  choice: Int32Array,
): (Contribution | null)[] | null {
  const empty = new Int32Array(choice.length);
  const all = marksOf(plan, rules);
  if (!all) return null;
  const rebuilt = withMarks(plan, empty, all);
  if (!plan.leaders.every((weight) => rebuilt[weight] === choice[weight])) return null;
  const whole = evaluate(plan, choice).totals;
  return rules.map((rule, at) => {
    if (!rule.enabled) return null;
    const others = marksOf(plan, rules.toSpliced(at, 1)) ?? [];
    const without = evaluate(plan, withMarks(plan, empty, others)).totals;
    return {
      size_bytes: whole.size_bytes - without.size_bytes,
      latency_s: whole.latency_s - without.latency_s,
    };
  });
}
