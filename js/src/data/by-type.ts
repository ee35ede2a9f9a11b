/** Cost by type of operation, before and after. */
import type { Evaluation, Program } from "./decode";
import { type Swatch, swatchOf } from "./kinds";

export interface TypeCost {
  label: string;
  swatch: Swatch | "cast";
  rows: number[];
  count: number;
  before: number;
  after: number;
  unknown: number;
}

export type TypeMetric = "latency" | "energy" | "weights";

function valuesOf(evaluation: Evaluation, metric: TypeMetric): Float64Array {
  if (metric === "weights") return evaluation.row_weight_bytes;
  return metric === "latency" ? evaluation.latency.point : evaluation.energy.point;
}

/** One line per label of rows, the dearest first, casts last; the rest beyond `limit` as one. */
export function costByType(
  program: Program,
  before: Evaluation,
  now: Evaluation,
  metric: TypeMetric,
  limit = 6,
): TypeCost[] {
  const { labels, kinds } = program.meta;
  const was = valuesOf(before, metric);
  const is = valuesOf(now, metric);
  const found = new Map<string, TypeCost>();
  for (let row = 0; row < program.rows; row++) {
    const label = labels[row];
    let line = found.get(label);
    if (!line) {
      const swatch = swatchOf(kinds[row], label);
      line = { label, swatch, rows: [], count: 0, before: 0, after: 0, unknown: 0 };
      found.set(label, line);
    }
    line.rows.push(row);
    line.count += 1;
    if (Number.isNaN(is[row])) line.unknown += 1;
    else {
      line.before += was[row];
      line.after += is[row];
    }
  }
  const lines = [...found.values()].sort((a, b) => b.before - a.before || b.count - a.count);
  const kept = lines.length > limit ? fold(lines, limit) : lines;
  const casts = castCost(now, metric);
  return casts ? [...kept, casts] : kept;
}

function fold(lines: TypeCost[], limit: number): TypeCost[] {
  const rest = lines.slice(limit - 1);
  const other: TypeCost = {
    label: `${rest.length} other types`,
    swatch: "movement",
    rows: rest.flatMap((line) => line.rows),
    count: rest.reduce((sum, line) => sum + line.count, 0),
    before: rest.reduce((sum, line) => sum + line.before, 0),
    after: rest.reduce((sum, line) => sum + line.after, 0),
    unknown: rest.reduce((sum, line) => sum + line.unknown, 0),
  };
  return [...lines.slice(0, limit - 1), other];
}

function castCost(now: Evaluation, metric: TypeMetric): TypeCost | null {
  const { casts } = now;
  if (!casts.row.length || metric === "weights") return null;
  const prices = metric === "latency" ? casts.latency.point : casts.energy.point;
  const known = prices.filter((value) => !Number.isNaN(value));
  return {
    label: "casts",
    swatch: "cast",
    rows: [...new Set(casts.row)],
    count: casts.row.length,
    before: 0,
    after: known.reduce((sum, value) => sum + value, 0),
    unknown: prices.length - known.length,
  };
}
