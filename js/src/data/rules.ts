/** What each rule of a recipe decides and contributes: the last that names a weight wins. */
import type { RuleCommand, RuleInfo } from "../wire";
import { evaluate, type Plan } from "./evaluate";
import { costOf, type OptionCost } from "./preview";

export interface Contribution {
  size_bytes: number;
  /** NaN where a row that it changes has no known price. */
  latency_s: number;
}

/** What is said of a rule beside its figures. */
export interface RuleFacts {
  /** Tasks that it hits. */
  tasks: number;
  /** Of these, tasks of whose weights other rules decide all that it names. */
  overridden: number;
  /** The rules that do, by their places. */
  by: number[];
  /** Of the tasks that it decides, those that run as the default all the same. */
  refused: number;
  /** Why the first of them does. */
  reason: string;
}

/** The column of a rule's option; -1 where the device's menu has none. */
export function columnOf(plan: Plan, rule: RuleInfo): number {
  if (rule.option === "default") return 0;
  return plan.program.meta.options.findIndex(({ label }) => label === rule.option);
}

/** Per stored weight the place of the rule that decides it, -1 for none. */
export function decidersOf(plan: Plan, rules: readonly RuleInfo[]): Int32Array {
  const found = new Int32Array(plan.program.weight_leader.length).fill(-1);
  rules.forEach(({ enabled, weights }, at) => {
    if (enabled) for (const weight of weights) found[weight] = at;
  });
  return found;
}

/** The choice that some rules make; what the device refuses runs as its default. */
export function choiceOf(plan: Plan, rules: readonly RuleInfo[]): Int32Array {
  const { weight_refusal, options } = plan.program;
  const columns = rules.map((rule) => Math.max(0, columnOf(plan, rule)));
  return decidersOf(plan, rules).map((at, weight) => {
    const column = at < 0 ? 0 : columns[at];
    return weight_refusal[weight * options + column] ? 0 : column;
  });
}

/** The list as an edit makes it, before Python says so. */
export function edited(
  rules: readonly RuleInfo[],
  action: RuleCommand["action"],
  index: number,
  to: number,
): RuleInfo[] {
  const rule = rules[index];
  const others = rules.toSpliced(index, 1);
  if (action === "delete") return others;
  if (action === "move") return others.toSpliced(to, 0, rule);
  return rules.with(index, { ...rule, enabled: action === "enable" });
}

/** Whether the rules make up the choice that Python reports: else nothing is said of each. */
export function explains(plan: Plan, rules: readonly RuleInfo[], choice: Int32Array): boolean {
  const made = choiceOf(plan, rules);
  return plan.leaders.every((weight) => made[weight] === choice[weight]);
}

/** One by one, as each takes a whole evaluation; null for a rule that is switched off. */
export function* contributions(
  plan: Plan,
  rules: readonly RuleInfo[],
): Generator<Contribution | null> {
  const choice = choiceOf(plan, rules);
  const deciding = new Set(decidersOf(plan, rules));
  const whole = evaluate(plan, choice);
  for (const [at, { enabled }] of rules.entries()) {
    if (!enabled) {
      yield null;
      continue;
    }
    const others = deciding.has(at) ? choiceOf(plan, rules.toSpliced(at, 1)) : choice;
    if (plan.leaders.every((weight) => others[weight] === choice[weight])) {
      yield { size_bytes: 0, latency_s: 0 };
      continue;
    }
    const without = evaluate(plan, others);
    const unknown = whole.column.some(
      (column, row) =>
        column !== without.column[row] &&
        Number.isNaN(whole.latency.point[row] + without.latency.point[row]),
    );
    yield {
      size_bytes: whole.totals.size_bytes - without.totals.size_bytes,
      latency_s: unknown ? Number.NaN : whole.totals.latency_s - without.totals.latency_s,
    };
  }
}

export function factsOf(plan: Plan, rules: readonly RuleInfo[]): RuleFacts[] {
  const { leaders, leaderStart } = plan;
  const deciders = decidersOf(plan, rules);
  const named = new Uint8Array(deciders.length);
  return rules.map((rule, at) => {
    const facts: RuleFacts = {
      tasks: rule.rows.length,
      overridden: 0,
      by: [],
      refused: 0,
      reason: "",
    };
    if (!rule.enabled) return facts;
    const column = columnOf(plan, rule);
    const others = new Set<number>();
    for (const weight of rule.weights) named[weight] = 1;
    for (const row of rule.rows) {
      let own = 0;
      let hit = 0;
      let reason = "";
      for (let i = leaderStart[row]; i < leaderStart[row + 1]; i++) {
        const weight = leaders[i];
        if (!named[weight]) continue;
        hit += 1;
        if (deciders[weight] !== at) continue;
        own += 1;
        reason ||= refusal(plan, rule, column, weight);
      }
      if (hit && !own) {
        facts.overridden += 1;
        for (let i = leaderStart[row]; i < leaderStart[row + 1]; i++) {
          if (named[leaders[i]]) others.add(deciders[leaders[i]]);
        }
      }
      if (reason) facts.refused += 1;
      facts.reason ||= reason;
    }
    for (const weight of rule.weights) named[weight] = 0;
    facts.by = [...others].sort((a, b) => a - b);
    return facts;
  });
}

function refusal(plan: Plan, rule: RuleInfo, column: number, weight: number): string {
  const { weight_refusal, options, meta } = plan.program;
  if (column < 0) return `${rule.option} is not on this device's menu`;
  return meta.reasons[weight_refusal[weight * options + column]];
}

/** What of a rule runs as something else, and why. */
export function refusalText({ refused, tasks, reason }: RuleFacts, runsAs: string): string {
  if (!refused) return "";
  const some = refused < tasks ? `${refused} of ${tasks} ` : "";
  return `${some}${some && refused > 1 ? "run" : "runs"} as ${runsAs}: ${reason}`;
}

/** How much of a rule others decide: `1 of 3 overridden by rule 2`. */
export function coverText({ overridden, tasks, by }: RuleFacts): string {
  if (!overridden) return "";
  const some = overridden < tasks ? `${overridden} of ${tasks} ` : tasks > 1 ? `all ${tasks} ` : "";
  return `${some}overridden by ${by.length === 1 ? `rule ${by[0] + 1}` : "later rules"}`;
}

/** Every option for one rule, each with what the whole would then cost. */
export function priceRule(plan: Plan, rules: readonly RuleInfo[], at: number): OptionCost[] {
  return plan.program.meta.options.map(({ label }, option) => {
    const changed = rules.with(at, { ...rules[at], option: option === 0 ? "default" : label });
    return costOf(plan, rules[at].rows, option, choiceOf(plan, changed));
  });
}

/** Where a rule ends up that is dropped in the gap before place `gap`. */
export function placeOf(from: number, gap: number): number {
  return gap > from ? gap - 1 : gap;
}

/** The gap between lines, of these tops and bottoms, that a height is nearest to. */
export function gapAt(lines: readonly { top: number; bottom: number }[], y: number): number {
  const below = lines.findIndex(({ top, bottom }) => y < (top + bottom) / 2);
  return below < 0 ? lines.length : below;
}

/** What is typed, as names and patterns: one a line. */
export function patternsOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}
