/** What every line of the table is drawn from: prices before and now, and how to write them. */

import { knownSum } from "./bands";
import type { Evaluation, Program } from "./decode";
import type { Plan } from "./evaluate";
import { columnScale, type Scale } from "./format";
import { markable, marked } from "./preview";
import type { CastLine, SortKey } from "./table";

export type Metered = "macs" | "weights" | "latency" | "energy";

export interface Figures {
  program: Program;
  plan: Plan;
  choice: Int32Array;
  /** What most names begin with. */
  prefix: string;
  before: Evaluation;
  now: Evaluation;
  scales: Record<Metered, Scale>;
  /** The dearest of the rows shown, before: the length of a whole bar. */
  largest: Record<Metered, number>;
}

export const COLUMNS: { key: SortKey | "share"; title: string; metered?: Metered }[] = [
  { key: "order", title: "#" },
  { key: "name", title: "Task" },
  { key: "type", title: "Type" },
  { key: "macs", title: "MACs", metered: "macs" },
  { key: "weights", title: "Weights", metered: "weights" },
  { key: "latency", title: "Latency", metered: "latency" },
  { key: "energy", title: "Energy", metered: "energy" },
  { key: "share", title: "Share" },
  { key: "option", title: "Option" },
];

const UNITS: Record<Metered, string> = { macs: "MAC", weights: "B", latency: "s", energy: "J" };

function valuesOf(program: Program, before: Evaluation): Record<Metered, Float64Array> {
  return {
    macs: program.macs,
    weights: before.row_weight_bytes,
    latency: before.latency.point,
    energy: before.energy.point,
  };
}

/** One unit per column, whatever is filtered. */
export function columnScales(program: Program, before: Evaluation): Record<Metered, Scale> {
  const values = valuesOf(program, before);
  const scale = (key: Metered) => columnScale(largestOf(values[key]), UNITS[key]);
  return {
    macs: scale("macs"),
    weights: scale("weights"),
    latency: scale("latency"),
    energy: scale("energy"),
  };
}

/** The largest value of each column among some rows. */
export function largestAmong(
  program: Program,
  before: Evaluation,
  rows: Int32Array,
): Record<Metered, number> {
  const values = valuesOf(program, before);
  const largest = (key: Metered) => largestOf(values[key], rows);
  return {
    macs: largest("macs"),
    weights: largest("weights"),
    latency: largest("latency"),
    energy: largest("energy"),
  };
}

function largestOf(values: Float64Array, rows?: Int32Array): number {
  let most = 0;
  if (rows) {
    for (const row of rows) if (values[row] > most) most = values[row];
  } else for (const value of values) if (value > most) most = value;
  return most;
}

/** The sums of a footer. */
export interface Sums extends Record<Metered, number> {
  weightsBefore: number;
  latencyBefore: number;
  /** Rows of unknown latency among them. */
  unknown: number;
  /** Rows that own weights, and how many of them are marked. */
  owners: number;
  marks: number;
}

/** Of some rows, their casts included; a weight that two rows share counts in both. */
export function sumRows(
  { program, plan, choice, before, now }: Figures,
  casts: ReadonlyMap<number, CastLine>,
  rows: readonly number[],
): Sums {
  const sum = (values: Float64Array) => knownSum(Float64Array.from(rows, (row) => values[row]));
  let latency = sum(now.latency.point);
  let energy = sum(now.energy.point);
  for (const row of rows) {
    latency += casts.get(row)?.latency || 0;
    energy += casts.get(row)?.energy || 0;
  }
  return {
    macs: sum(program.macs),
    weights: sum(now.row_weight_bytes),
    weightsBefore: sum(before.row_weight_bytes),
    latency,
    latencyBefore: sum(before.latency.point),
    energy,
    unknown: rows.filter((row) => Number.isNaN(now.latency.point[row])).length,
    ...countMarks(plan, choice, rows),
  };
}

/** Of the whole, as the totals have it. */
export function sumAll({ program, plan, choice, before, now }: Figures): Sums {
  const all = Array.from({ length: program.rows }, (_, row) => row);
  return {
    macs: knownSum(program.macs),
    weights: now.totals.size_bytes,
    weightsBefore: before.totals.size_bytes,
    latency: now.totals.latency_s,
    latencyBefore: before.totals.latency_s,
    energy: now.totals.energy_j,
    unknown: now.unknown_rows,
    ...countMarks(plan, choice, all),
  };
}

function countMarks(plan: Plan, choice: Int32Array, rows: readonly number[]) {
  let owners = 0;
  let marks = 0;
  for (const row of rows) {
    if (!markable(plan, row)) continue;
    owners += 1;
    if (marked(plan, choice, row)) marks += 1;
  }
  return { owners, marks };
}
