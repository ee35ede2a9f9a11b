/** Which lines the table shows, and where: sort, filter, casts under their rows, positions. */
import type { Evaluation, Program } from "./decode";
import { shortPrecision } from "./format";

export type SortKey =
  | "order"
  | "name"
  | "type"
  | "macs"
  | "weights"
  | "latency"
  | "energy"
  | "option";

export interface Sort {
  key: SortKey;
  descending: boolean;
}

/** Keys whose values change with the recipe. */
export const LIVE_KEYS: ReadonlySet<SortKey> = new Set(["weights", "latency", "energy", "option"]);

function numbersOf(key: SortKey, program: Program, now: Evaluation): ArrayLike<number> | null {
  if (key === "macs") return program.macs;
  if (key === "weights") return now.row_weight_bytes;
  if (key === "latency") return now.latency.point;
  if (key === "energy") return now.energy.point;
  if (key === "option") return now.column;
  return null;
}

/** Row indices in the order of a sort; the unknown come last, ties stay in execution order. */
export function sortRows(program: Program, now: Evaluation, sort: Sort): Int32Array {
  const order = Int32Array.from({ length: program.rows }, (_, row) => row);
  const sign = sort.descending ? -1 : 1;
  const values = numbersOf(sort.key, program, now);
  if (values) {
    return order.sort((a, b) => {
      const x = values[a];
      const y = values[b];
      if (x === y || (Number.isNaN(x) && Number.isNaN(y))) return a - b;
      if (Number.isNaN(x)) return 1;
      if (Number.isNaN(y)) return -1;
      return sign * (x - y);
    });
  }
  if (sort.key === "order") return sort.descending ? order.reverse() : order;
  const texts = sort.key === "name" ? program.meta.names : program.meta.labels;
  const collator = new Intl.Collator("en", { numeric: true });
  return order.sort((a, b) => sign * collator.compare(texts[a], texts[b]) || a - b);
}

/** What the search looks through, per row; made once per program. */
const haystacks = new WeakMap<Program, string[]>();

function haystacksOf(program: Program): string[] {
  const known = haystacks.get(program);
  if (known) return known;
  const { names, labels, kinds, paths, sources, ops } = program.meta;
  const made = names.map((name, row) =>
    [name, labels[row], kinds[row], paths[row], sources[row], ...ops[row]].join("\n").toLowerCase(),
  );
  haystacks.set(program, made);
  return made;
}

/** A test of rows: every word of the text occurs in the name, type, path, source or ops. */
export function matcher(program: Program, text: string): (row: number) => boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return () => true;
  const texts = haystacksOf(program);
  return (row) => words.every((word) => texts[row].includes(word));
}

export function filterRows(order: Int32Array, passes: (row: number) => boolean): Int32Array {
  return order.filter(passes);
}

/** The casts shown under one row, as one line. */
export interface CastLine {
  count: number;
  text: string;
  latency: number;
  energy: number;
}

/** Casts by the row that caused them. */
export function castLines(program: Program, now: Evaluation): Map<number, CastLine> {
  const { casts } = now;
  const found = new Map<number, CastLine & { ways: Set<string> }>();
  for (let i = 0; i < casts.row.length; i++) {
    const row = casts.row[i];
    const line = found.get(row) ?? { count: 0, text: "", latency: 0, energy: 0, ways: new Set() };
    const names = program.meta.precisions.map(shortPrecision);
    line.count += 1;
    line.latency += casts.latency.point[i];
    line.energy += casts.energy.point[i];
    line.ways.add(`${names[casts.source[i]]} → ${names[casts.target[i]]}`);
    found.set(row, line);
  }
  for (const line of found.values()) line.text = wayText([...line.ways]);
  return found;
}

function wayText(ways: string[]): string {
  if (ways.length === 1) return ways[0];
  const [a, b] = ways.map((way) => way.split(" → "));
  if (ways.length !== 2 || a[0] !== b[1] || a[1] !== b[0]) return ways.join(", ");
  return a[0] < b[0] ? `${a[0]} → ${a[1]} → ${a[0]}` : `${b[0]} → ${b[1]} → ${b[0]}`;
}

/** A line of the table: a row, its casts, or a sentence under it. */
export interface Line {
  id: string;
  kind: "row" | "cast" | "note";
  row: number;
}

export interface Lines {
  lines: Line[];
  /** Top of each line in pixels, and the height of all at the end. */
  tops: Float64Array;
}

export const HEIGHTS = { row: 22, cast: 19, note: 19 } as const;

export function layLines(
  shown: Int32Array,
  casts: ReadonlyMap<number, CastLine>,
  notes: ReadonlyMap<number, string>,
): Lines {
  const lines: Line[] = [];
  for (const row of shown) {
    lines.push({ id: `r${row}`, kind: "row", row });
    if (notes.has(row)) lines.push({ id: `n${row}`, kind: "note", row });
    if (casts.has(row)) lines.push({ id: `c${row}`, kind: "cast", row });
  }
  const tops = new Float64Array(lines.length + 1);
  for (let i = 0; i < lines.length; i++) tops[i + 1] = tops[i] + HEIGHTS[lines[i].kind];
  return { lines, tops };
}

/** The lines between two heights, with some to spare. */
export function visibleSlice(
  tops: Float64Array,
  from: number,
  to: number,
  spare = 8,
): [number, number] {
  const last = tops.length - 1;
  const first = Math.max(0, lineAt(tops, from) - spare);
  const end = Math.min(last, lineAt(tops, to) + 1 + spare);
  return [first, end];
}

function lineAt(tops: Float64Array, height: number): number {
  let low = 0;
  let high = tops.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (tops[middle] <= height) low = middle;
    else high = middle - 1;
  }
  return low;
}
