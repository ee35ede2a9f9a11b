/** What every line of the table is drawn from: prices before and now, and how to write them. */

import { knownSum } from "./bands";
import { COLUMNS, type Column, type Key, type NumberColumn, type Rows } from "./columns";
import { columnScale, onScale, quantity, type Scale, share } from "./format";
import { markable, marked } from "./preview";
import type { CastLine } from "./table";

export interface Figures extends Rows {
  /** The columns shown. */
  columns: readonly Column[];
  /** What most names begin with. */
  prefix: string;
  scales: Readonly<Partial<Record<Key, Scale>>>;
  /** The largest of the lines shown, before: the length of a whole bar. */
  largest: Readonly<Partial<Record<Key, number>>>;
}

type Base = Pick<Rows, "program" | "before">;

const NUMBERS = COLUMNS.filter((column) => column.kind === "number");

/** One unit per column, whatever is filtered; worked out where a column asks for its own. */
export function columnScales({ program, before }: Base): Figures["scales"] {
  const known: Partial<Record<Key, Scale>> = {};
  const own = ({ unit, numbers }: NumberColumn) =>
    columnScale(largestOf(numbers(program, before)), unit === "FLOP/B" ? "" : unit);
  return Object.defineProperties(
    {},
    Object.fromEntries(
      NUMBERS.map((column) => [
        column.key,
        { enumerable: true, get: () => (known[column.key] ??= own(column)) },
      ]),
    ),
  );
}

/** The largest value of each column with bars: of some rows, and of groups of rows. */
export function largestAmong(
  { program, before }: Base,
  rows: ArrayLike<number>,
  groups: readonly (readonly number[])[],
): Figures["largest"] {
  const barred = NUMBERS.filter(({ bar }) => bar).map(({ key, numbers }) => ({
    key,
    values: numbers(program, before),
    most: 0,
  }));
  for (const column of barred) {
    const consider = (value: number) => {
      // Neither where it is unknown nor where it is infinite.
      if (value > column.most && value < Infinity) column.most = value;
    };
    for (let i = 0; i < rows.length; i++) consider(column.values[rows[i]]);
    for (const group of groups) consider(sumOver(column.values, group));
  }
  return Object.fromEntries(barred.map(({ key, most }) => [key, most]));
}

function largestOf(values: Float64Array): number {
  let most = 0;
  // Neither what is unknown nor what is infinite.
  for (const value of values) if (value > most && value < Infinity) most = value;
  return most;
}

/** Without what is unknown; NaN where all is. */
export function sumOver(values: Float64Array, rows: readonly number[]): number {
  if (rows.length === 1) return values[rows[0]];
  let sum = 0;
  let known = 0;
  for (const row of rows) {
    if (Number.isNaN(values[row])) continue;
    sum += values[row];
    known += 1;
  }
  return known || !rows.length ? sum : Number.NaN;
}

/** A number of a column as its cell has it. */
export function cellText({ key, unit }: NumberColumn, value: number, figures: Figures): string {
  if (key === "order") return String(value);
  if (unit === "share") return Number.isNaN(value) ? "?" : share(value, 1);
  const scale = figures.scales[key];
  return scale ? onScale(value, scale) : "";
}

/** In full, with its unit: what a cell says to who asks. */
export function exactText({ unit }: NumberColumn, value: number): string {
  if (Number.isNaN(value)) return "not known";
  if (unit === "share") return share(value, 1);
  if (unit === "FLOP/B") return `${quantity(value, "")} FLOP/B`;
  const whole = Number.isInteger(value) && Math.abs(value) >= 1000;
  const exact = whole ? ` (${value.toLocaleString("en")}${unit && ` ${unit}`})` : "";
  return quantity(value, unit) + exact;
}

/** The sums of a footer. */
export interface Sums {
  /** By column; the price in question includes casts. */
  now: Readonly<Partial<Record<Key, number>>>;
  before: Readonly<Partial<Record<Key, number>>>;
  /** Rows of unknown latency among them. */
  unknown: number;
  /** Rows that own weights, and how many of them are marked. */
  owners: number;
  marks: number;
}

/** Of some rows, their casts included; a weight that two rows share counts in both. */
export function sumRows(
  figures: Rows,
  casts: ReadonlyMap<number, CastLine>,
  rows: readonly number[],
): Sums {
  const { program, before, now } = figures;
  const added = NUMBERS.filter(({ adds }) => adds);
  const over = (evaluation: typeof now) =>
    Object.fromEntries(
      added.map(({ key, numbers }) => [key, sumOver(numbers(program, evaluation), rows)]),
    ) as Partial<Record<Key, number>>;
  const sums = over(now);
  for (const row of rows) {
    const cast = casts.get(row);
    if (!cast) continue;
    sums.latency = (sums.latency ?? 0) + (cast.latency || 0);
    sums.energy = (sums.energy ?? 0) + (cast.energy || 0);
  }
  sums.share = (sums.latency ?? 0) / now.totals.latency_s;
  return {
    now: sums,
    before: over(before),
    unknown: rows.filter((row) => Number.isNaN(now.latency.point[row])).length,
    ...countMarks(figures, rows),
  };
}

/** Of the whole, as the totals have it. */
export function sumAll(figures: Rows): Sums {
  const { program, before, now } = figures;
  const counted = NUMBERS.filter(({ adds, live }) => adds && !live).map(
    ({ key, numbers }) => [key, knownSum(numbers(program, now))] as const,
  );
  const costs = ({ totals }: typeof now) => ({
    weights: totals.size_bytes,
    latency: totals.latency_s,
    energy: totals.energy_j,
    memory: totals.peak_memory_bytes,
    // Of what is not known there is none.
    share: totals.latency_s / totals.latency_s,
  });
  return {
    now: { ...Object.fromEntries(counted), ...costs(now) },
    before: { ...Object.fromEntries(counted), ...costs(before) },
    unknown: now.unknown_rows,
    ...countMarks(figures, program.times.keys()),
  };
}

function countMarks({ plan, choice }: Rows, rows: Iterable<number>) {
  let owners = 0;
  let marks = 0;
  for (const row of rows) {
    if (!markable(plan, row)) continue;
    owners += 1;
    if (marked(plan, choice, row)) marks += 1;
  }
  return { owners, marks };
}
