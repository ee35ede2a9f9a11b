/** What a choice would be after a click, and what each option on the menu would cost. */
import type { Evaluation, Program, Report, Totals } from "./decode";
import { evaluate, type Plan } from "./evaluate";

/** Rows given an option, by row index and column. */
export interface Mark {
  rows: readonly number[];
  option: number;
}

/** The choice after some marks: a new array. */
export function withMarks(plan: Plan, choice: Int32Array, marks: readonly Mark[]): Int32Array {
  const changed = choice.slice();
  for (const { rows, option } of marks) {
    for (const row of rows) {
      for (let at = plan.leaderStart[row]; at < plan.leaderStart[row + 1]; at++) {
        const weight = plan.leaders[at];
        const refused = plan.program.weight_refusal[weight * plan.program.options + option];
        changed[weight] = refused ? 0 : option;
      }
    }
  }
  return changed;
}

/** The leaders of some rows. */
export function leadersOf(plan: Plan, rows: readonly number[]): number[] {
  const found = new Set<number>();
  for (const row of rows) {
    for (let at = plan.leaderStart[row]; at < plan.leaderStart[row + 1]; at++) {
      found.add(plan.leaders[at]);
    }
  }
  return [...found];
}

export interface OptionCost {
  option: number;
  /** Empty when it can be chosen. */
  reason: string;
  /** How many of the selected rows would run as the default all the same. */
  refusedRows: number;
  evaluation: Evaluation;
}

/** Every option for the selected rows, each with what the whole would then cost. */
export function priceMenu(plan: Plan, choice: Int32Array, rows: readonly number[]): OptionCost[] {
  return plan.program.meta.options.map((_, option) =>
    costOf(plan, rows, option, withMarks(plan, choice, [{ rows, option }])),
  );
}

/** An option for some rows, where taking it makes this choice. */
export function costOf(
  plan: Plan,
  rows: readonly number[],
  option: number,
  choice: Int32Array,
): OptionCost {
  return { option, ...refusedBy(plan, rows, option), evaluation: evaluate(plan, choice) };
}

/** Why no row that has weights can take an option, or how many of them cannot. */
export function refusedBy(
  plan: Plan,
  rows: readonly number[],
  option: number,
): Pick<OptionCost, "reason" | "refusedRows"> {
  const refusals = rows.map((row) => refusalOf(plan, row, option)).filter((r) => r >= 0);
  const stopped = refusals.filter((reason) => reason > 0);
  const all = refusals.length > 0 && stopped.length === refusals.length;
  return { reason: all ? plan.program.meta.reasons[stopped[0]] : "", refusedRows: stopped.length };
}

/** Why neither a row nor any of its weights can take an option: 0 some can, -1 it has none. */
export function refusalOf(plan: Plan, row: number, option: number): number {
  const { program, leaderStart, leaders } = plan;
  const start = leaderStart[row];
  const end = leaderStart[row + 1];
  if (start === end) return -1;
  const price = program.row_signature[row] * program.options + option;
  // A kernel that the runtime refused has a reason and no price.
  if (program.refusal[price] && Number.isNaN(program.latency.point[price])) {
    return program.refusal[price];
  }
  let found = 0;
  for (let at = start; at < end; at++) {
    const reason = program.weight_refusal[leaders[at] * program.options + option];
    if (!reason) return 0;
    found ||= reason;
  }
  return found;
}

export type Metric = "size_bytes" | "latency_s" | "energy_j" | "peak_memory_bytes";

export const METRICS: { key: Metric; title: string; short: string; unit: "B" | "s" | "J" }[] = [
  { key: "size_bytes", title: "Size", short: "Size", unit: "B" },
  { key: "latency_s", title: "Latency", short: "Latency", unit: "s" },
  { key: "energy_j", title: "Energy", short: "Energy", unit: "J" },
  { key: "peak_memory_bytes", title: "Peak memory", short: "Peak", unit: "B" },
];

/** The low and high of a total; the point itself where it has no band. */
export function bandOf(totals: Totals, metric: Metric): [number, number] {
  if (metric === "latency_s") return [totals.latency_s_low, totals.latency_s_high];
  if (metric === "energy_j") return [totals.energy_j_low, totals.energy_j_high];
  return [totals[metric], totals[metric]];
}

export type Verdict = "under" | "over" | "close";

/** Against a target: certain when the whole band is on one side, else "close". */
export function judge(totals: Totals, metric: Metric, target: number): Verdict {
  const [low, high] = bandOf(totals, metric);
  if (high <= target) return "under";
  if (low > target) return "over";
  return "close";
}

/** The row during which the most memory is alive. */
export function peakRow(evaluation: Evaluation): number {
  let peak = 0;
  const { memory_bytes } = evaluation;
  for (let row = 1; row < memory_bytes.length; row++) {
    if (memory_bytes[row] > memory_bytes[peak]) peak = row;
  }
  return peak;
}

/** Rows that own weights which an option may compress. */
export function markable(plan: Plan, row: number): boolean {
  return plan.leaderStart[row] < plan.leaderStart[row + 1];
}

export function marked(plan: Plan, choice: Int32Array, row: number): boolean {
  for (let at = plan.leaderStart[row]; at < plan.leaderStart[row + 1]; at++) {
    if (choice[plan.leaders[at]] !== 0) return true;
  }
  return false;
}

/** What a row's option cell says. */
export function optionOfRow(
  program: Program,
  plan: Plan,
  choice: Int32Array,
  row: number,
): number | "mixed" | "none" {
  const start = plan.leaderStart[row];
  const end = plan.leaderStart[row + 1];
  if (start === end) return "none";
  const first = choice[plan.leaders[start]];
  for (let at = start + 1; at < end; at++) {
    if (choice[plan.leaders[at]] !== first) return "mixed";
  }
  return first < program.options ? first : "mixed";
}

/** Whether Python's report says what the page had worked out: the same choice, the same totals. */
export function agree(choice: Int32Array, foreseen: Evaluation, report: Report): boolean {
  const same = choice.length === report.choice.length;
  if (!same || !choice.every((column, at) => column === report.choice[at])) return false;
  const { totals } = report.evaluation;
  return (Object.keys(foreseen.totals) as (keyof typeof totals)[]).every((name) => {
    const [here, there] = [foreseen.totals[name], totals[name]];
    return Object.is(here, there) || Math.abs(here - there) <= 1e-9 * Math.abs(there);
  });
}
