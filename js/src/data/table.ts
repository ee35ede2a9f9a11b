/** Which lines the table shows, and where: sort, groups, casts under their rows, positions. */
import { COLUMN, type Key, type Rows } from "./columns";
import type { Evaluation, Program } from "./decode";
import { shortPrecision } from "./format";
import type { Forest, Group } from "./groups";

export interface Sort {
  key: Key;
  descending: boolean;
}

/** Row indices in the order of a sort; the unknown come last, ties stay in execution order. */
export function sortRows(rows: Rows, { key, descending }: Sort): Int32Array {
  const order = Int32Array.from({ length: rows.program.rows }, (_, row) => row);
  const column = COLUMN[key];
  const sign = descending ? -1 : 1;
  if (column.kind === "number") {
    const values = column.numbers(rows.program, rows.now);
    return order.sort((a, b) => byNumber(values[a], values[b], sign) || a - b);
  }
  const texts = column.texts(rows);
  const ranks = rankTexts(texts);
  return order.sort(
    (a, b) => Number(!texts[a]) - Number(!texts[b]) || sign * (ranks[a] - ranks[b]) || a - b,
  );
}

function byNumber(x: number, y: number, sign: number): number {
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  return x === y ? 0 : sign * (x < y ? -1 : 1);
}

const collator = new Intl.Collator("en", { numeric: true });

/** Texts compared once per pair of different ones, not once per pair of rows. */
function rankTexts(texts: readonly string[]): Int32Array {
  const different = [...new Set(texts)].sort(collator.compare);
  const rank = new Map(different.map((text, at) => [text, at]));
  return Int32Array.from(texts, (text) => rank.get(text) ?? 0);
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

/** A line of the table: a group, a row, its casts, or a sentence under it. */
export interface Line {
  id: string;
  kind: "group" | "row" | "cast" | "note";
  /** Its place among the lines, and its upper edge in pixels. */
  at: number;
  top: number;
  /** The row, or a group's first. */
  row: number;
  depth: number;
  group?: Group;
  /** What its name begins with, as the line above says. */
  under?: string | undefined;
  /** The filters hide it: it is shown for what is around it. */
  dimmed?: boolean;
}

export interface Lines {
  lines: Line[];
  /** Of all of them, in pixels. */
  height: number;
}

export const HEIGHTS = { group: 22, row: 22, cast: 19, note: 19 } as const;

export interface Laying {
  /** All rows in the order of the sort. */
  order: Int32Array;
  passes: (row: number) => boolean;
  forest: Forest;
  /** Groups that show what is in them, by id. */
  open: ReadonlySet<string>;
  /** Where rows stand among their neighbours: see `ranker`. */
  rank: (rows: readonly number[]) => number;
  casts: ReadonlyMap<number, CastLine>;
  notes: ReadonlyMap<number, string>;
}

export function layLines(laying: Laying): Lines {
  const { order, passes, forest, open, rank, casts, notes } = laying;
  const lines: Line[] = [];

  let top = 0;

  function push(line: Omit<Line, "at" | "top">) {
    lines.push({ ...line, at: lines.length, top });
    top += HEIGHTS[line.kind];
  }

  function add(row: number, depth: number, dimmed: boolean, under?: string) {
    push({ id: `r${row}`, kind: "row", row, depth, dimmed, under });
    if (notes.has(row)) push({ id: `n${row}`, kind: "note", row, depth });
    if (casts.has(row)) push({ id: `c${row}`, kind: "cast", row, depth });
  }

  function addAll({ groups, own }: Forest, depth: number, under?: string) {
    if (!groups.length && depth === 0) {
      for (const row of order) if (passes(row)) add(row, 0, false);
      return;
    }
    const items = [
      ...groups.map((group) => ({ rank: rank(group.rows), group, row: group.rows[0] })),
      ...own.map((row) => ({ rank: rank([row]), group: undefined, row })),
    ].sort((a, b) => a.rank - b.rank || a.row - b.row);
    for (const { group, row } of items) {
      if (!group) {
        if (depth > 0 || passes(row)) add(row, depth, !passes(row), under);
      } else if (group.rows.some(passes)) {
        push({ id: group.id, kind: "group", row, depth, group });
        if (open.has(group.id)) addAll(group, depth + 1, group.inside);
      }
    }
  }

  addAll(forest, 0);
  return { lines, height: top };
}

/** Where rows, or the rows of a group together, stand among others: less comes first. */
export function ranker(rows: Rows, sort: Sort, order: Int32Array): Laying["rank"] {
  const column = COLUMN[sort.key];
  if (column.kind === "number" && column.adds) {
    const values = column.numbers(rows.program, rows.now);
    const sign = sort.descending ? -1 : 1;
    return (members) => {
      const known = members.filter((row) => !Number.isNaN(values[row]));
      if (!known.length) return Number.POSITIVE_INFINITY;
      return sign * known.reduce((sum, row) => sum + values[row], 0);
    };
  }
  const place = new Int32Array(order.length);
  order.forEach((row, at) => {
    place[row] = at;
  });
  return (members) => members.reduce((least, row) => Math.min(least, place[row]), order.length);
}

/** From which to which line they stand between two heights, with some to spare. */
export function visibleSlice(
  lines: readonly Line[],
  from: number,
  to: number,
  spare: number,
): [number, number] {
  const first = Math.max(0, lineAt(lines, from) - spare);
  const end = Math.min(lines.length, lineAt(lines, to) + 1 + spare);
  return [first, end];
}

function lineAt(lines: readonly Line[], height: number): number {
  let low = 0;
  let high = Math.max(0, lines.length - 1);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lines[middle].top <= height) low = middle;
    else high = middle - 1;
  }
  return low;
}
