/** Cost by type of operation or by module, before and after. */
import { COLUMN, type NumberColumn } from "./columns";
import type { Evaluation, Program } from "./decode";
import { type Group, groupRows } from "./groups";
import { type Swatch, swatchOf } from "./kinds";

export interface Cost {
  label: string;
  /** The label in full. */
  name: string;
  /** Modules have no colour of their own. */
  swatch: Swatch | "cast" | "module";
  /** What is left of them, together. */
  other?: boolean;
  rows: readonly number[];
  /** Rows, or casts. */
  count: number;
  before: number;
  after: number;
  unknown: number;
}

export type CostMetric = "latency" | "energy" | "weights" | "macs";
export type Parts = "type" | "module";

type Part = Pick<Cost, "label" | "name" | "swatch" | "rows">;

export function valuesOf(
  program: Program,
  evaluation: Evaluation,
  metric: CostMetric,
): Float64Array {
  return (COLUMN[metric] as NumberColumn).numbers(program, evaluation);
}

/** One line per part, the dearest first, casts last; the rest beyond `limit` as one. */
export function costsBy(
  parts: Parts,
  program: Program,
  before: Evaluation,
  now: Evaluation,
  metric: CostMetric,
  limit = 6,
): Cost[] {
  const was = valuesOf(program, before, metric);
  const is = valuesOf(program, now, metric);
  const found = parts === "type" ? typesOf(program) : modulesOf(program, limit);
  const lines = found.map((part) => costOf(part, was, is));
  lines.sort((a, b) => b.before - a.before || b.count - a.count);
  const kept = lines.length > limit ? fold(lines, limit, parts) : lines;
  const casts = castCost(now, metric);
  return casts ? [...kept, casts] : kept;
}

function costOf(part: Part, was: Float64Array, is: Float64Array): Cost {
  const cost = { ...part, count: part.rows.length, before: 0, after: 0, unknown: 0 };
  for (const row of part.rows) {
    if (Number.isNaN(is[row])) cost.unknown += 1;
    else {
      cost.before += was[row];
      cost.after += is[row];
    }
  }
  return cost;
}

function typesOf(program: Program): Part[] {
  const { labels, kinds } = program.meta;
  return groupRows(program, "type").groups.map(({ name, rows }) => ({
    label: name,
    name,
    swatch: swatchOf(kinds[rows[0]], labels[rows[0]]),
    rows,
  }));
}

/** The modules at the top; the one of most rows gives way to its own as long as there is room. */
function modulesOf(program: Program, limit: number): Part[] {
  const forest = groupRows(program, "module");
  let groups: Group[] = forest.groups;
  let own = forest.own;
  for (;;) {
    const inner = groups.filter((group) => group.groups.length > 0);
    inner.sort((a, b) => b.rows.length - a.rows.length);
    const [widest] = inner;
    const more = widest ? widest.groups.length + widest.own.length - 1 : 0;
    if (!widest || groups.length + own.length + more > Math.max(limit, FEW)) break;
    groups = [...groups.filter((group) => group !== widest), ...widest.groups];
    own = [...own, ...widest.own];
  }
  const { names } = program.meta;
  return [
    ...groups.map(({ name, rows }) => ({ label: name, name, swatch: "module" as const, rows })),
    ...own.map((row) => ({
      label: names[row],
      name: names[row],
      swatch: "module" as const,
      rows: [row],
    })),
  ];
}

/** Fewer modules than this say little. */
const FEW = 4;

function fold(lines: Cost[], limit: number, parts: Parts): Cost[] {
  const rest = lines.slice(limit - 1);
  const label = `${rest.length} other ${parts}s`;
  const sum = (of: (line: Cost) => number) => rest.reduce((total, line) => total + of(line), 0);
  const other: Cost = {
    other: true,
    label,
    name: label,
    swatch: parts === "type" ? "movement" : "module",
    rows: rest.flatMap((line) => line.rows),
    count: sum((line) => line.count),
    before: sum((line) => line.before),
    after: sum((line) => line.after),
    unknown: sum((line) => line.unknown),
  };
  return [...lines.slice(0, limit - 1), other];
}

function castCost({ casts }: Evaluation, metric: CostMetric): Cost | null {
  if (!casts.row.length || metric === "weights" || metric === "macs") return null;
  const prices = metric === "latency" ? casts.latency.point : casts.energy.point;
  const known = prices.filter((value) => !Number.isNaN(value));
  return {
    label: "casts",
    name: "casts",
    swatch: "cast",
    rows: [...new Set(casts.row)],
    count: casts.row.length,
    before: 0,
    after: known.reduce((sum, value) => sum + value, 0),
    unknown: prices.length - known.length,
  };
}

/** How much of a line's cost its rows of one kind have: 0 to 1; by count where it costs nothing. */
export function shareOf(
  rows: readonly number[],
  values: Float64Array,
  has: (row: number) => boolean,
): number {
  let [all, part, count] = [0, 0, 0];
  for (const row of rows) {
    const value = values[row] || 0;
    all += value;
    if (!has(row)) continue;
    part += value;
    count += 1;
  }
  if (count === rows.length) return 1;
  return all > 0 ? part / all : count / Math.max(1, rows.length);
}
