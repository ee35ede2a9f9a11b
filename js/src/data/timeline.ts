/** The order of execution as spans of time, casts among them, and what is drawn of so many. */
import type { Evaluation, Program } from "./decode";

/** Spans one after another, the rows' in their order: span i is from `edges[i]` to `edges[i + 1]`. */
export interface Timeline {
  edges: Float64Array;
  /** The row of each span, or the one that a cast belongs to. */
  rows: Int32Array;
  /** The number of its cast, -1 for the row itself. */
  casts: Int32Array;
  /** Per row of the program its own span, -1 where it has none. */
  spans: Int32Array;
  seconds: number;
  /** What rules of the runtime's graph add to the sum of the spans. */
  added: number;
  /** When those begin whose time is unknown or infinite, rows and casts: they have no span. */
  unknown: readonly number[];
}

const made = new WeakMap<Evaluation, Timeline>();

export function timelineOf(program: Program, evaluation: Evaluation): Timeline {
  const known = made.get(evaluation);
  if (known) return known;
  const timeline = lay(program, evaluation);
  made.set(evaluation, timeline);
  return timeline;
}

/** A cast of what its row makes comes after it, any other before. */
function lay(program: Program, { latency, casts, totals }: Evaluation): Timeline {
  const before = new Map<number, number[]>();
  const after = new Map<number, number[]>();
  for (let cast = 0; cast < casts.row.length; cast++) {
    const row = casts.row[cast];
    const side = program.tensor_row[casts.tensor[cast]] === row ? after : before;
    const others = side.get(row);
    if (others) others.push(cast);
    else side.set(row, [cast]);
  }
  const most = program.rows + casts.row.length;
  const edges = new Float64Array(most + 1);
  const rows = new Int32Array(most);
  const spanCasts = new Int32Array(most);
  const spans = new Int32Array(program.rows).fill(-1);
  let count = 0;
  const unknown: number[] = [];
  const add = (row: number, cast: number, seconds: number) => {
    if (!Number.isFinite(seconds)) unknown.push(edges[count]);
    if (!(seconds > 0 && seconds < Infinity)) return;
    rows[count] = row;
    spanCasts[count] = cast;
    if (cast < 0) spans[row] = count;
    edges[count + 1] = edges[count] + seconds;
    count += 1;
  };
  for (let row = 0; row < program.rows; row++) {
    for (const cast of before.get(row) ?? []) add(row, cast, casts.latency.point[cast]);
    add(row, -1, latency.point[row]);
    for (const cast of after.get(row) ?? []) add(row, cast, casts.latency.point[cast]);
  }
  const added = totals.latency_s - edges[count];
  return {
    edges: edges.subarray(0, count + 1),
    rows: rows.subarray(0, count),
    casts: spanCasts.subarray(0, count),
    spans,
    seconds: edges[count],
    // Sums in another order differ by a hair.
    added: Number.isFinite(added) && Math.abs(added) > 1e-6 * edges[count] ? added : 0,
    unknown,
  };
}

/** The span at a time, or -1 outside. */
export function spanAt({ edges, rows }: Timeline, seconds: number): number {
  if (!(seconds >= 0) || seconds >= edges[rows.length]) return -1;
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle + 1] > seconds) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The rows of all spans that a stretch of time touches, in order. */
export function rowsBetween(timeline: Timeline, from: number, to: number): number[] {
  const { edges, rows } = timeline;
  const found = new Set<number>();
  for (let span = 0; span < rows.length; span++) {
    if (edges[span] < to && edges[span + 1] > from) found.add(rows[span]);
  }
  return [...found];
}

/** What is drawn: a span in its colour, or one of the colours of several too narrow to be seen. */
export interface Band {
  from: number;
  to: number;
  /** What it is coloured by. */
  key: number;
  /** Which part of the height it takes, from 0 to 1: as much as of the time. */
  low: number;
  high: number;
}

/** Spans on a scale of pixels per second; those narrower than one pixel are put together. */
export function bandsOf(
  { edges, rows }: Timeline,
  perSecond: number,
  keys: number,
  keyOf: (span: number) => number,
): Band[] {
  const bands: Band[] = [];
  const taken = new Float64Array(keys);
  let all = 0;
  let from = -1;
  const flush = (to: number) => {
    if (from < 0) return;
    let below = 0;
    for (let key = 0; key < keys; key++) {
      if (taken[key] === 0) continue;
      const low = below / all;
      below += taken[key];
      bands.push({ from, to, key, low, high: below / all });
    }
    taken.fill(0);
    all = 0;
    from = -1;
  };
  for (let span = 0; span < rows.length; span++) {
    const start = edges[span] * perSecond;
    const end = edges[span + 1] * perSecond;
    const key = keyOf(span);
    if (end - start >= 1) {
      flush(start);
      bands.push({ from: start, to: end, key, low: 0, high: 1 });
    } else {
      if (from < 0) from = start;
      taken[key] += end - start;
      all += end - start;
      if (end - from >= 1) flush(end);
    }
  }
  flush(edges[rows.length] * perSecond);
  return bands;
}

/** Where some rows are, on the same scale; neighbours that touch as one. */
export function stretchesOf(
  { edges, spans }: Timeline,
  rows: Iterable<number>,
  perSecond: number,
): { from: number; to: number }[] {
  const own = Int32Array.from(rows, (row) => spans[row]).sort();
  const found: { from: number; to: number }[] = [];
  for (const span of own) {
    if (span < 0) continue;
    const from = edges[span] * perSecond;
    const to = edges[span + 1] * perSecond;
    const last = found[found.length - 1];
    if (last && from - last.to < 0.5) last.to = to;
    else found.push({ from, to });
  }
  return found;
}

export interface Step {
  from: number;
  to: number;
  bytes: number;
}

/** The memory alive over time, on a scale of pixels per second; within a pixel the most of it. */
export function memorySteps(
  { edges, rows }: Timeline,
  memory: Float64Array,
  perSecond: number,
): Step[] {
  const steps: Step[] = [];
  let open: Step | null = null;
  for (let span = 0; span < rows.length; span++) {
    const from = edges[span] * perSecond;
    const to = edges[span + 1] * perSecond;
    const bytes = memory[rows[span]] || 0;
    if (open && (open.to - open.from < 1 || open.bytes === bytes)) {
      if (open.to - open.from < 1) open.bytes = Math.max(open.bytes, bytes);
      open.to = to;
    } else {
      open = { from, to, bytes };
      steps.push(open);
    }
  }
  return steps;
}

/** The row with the most memory, and when it runs; null where nothing is alive. */
export function memoryPeak(
  { edges, rows, spans }: Timeline,
  memory: Float64Array,
): { row: number; from: number; to: number; bytes: number } | null {
  let row = -1;
  for (let at = 0; at < memory.length; at++) {
    if (memory[at] > (row < 0 ? 0 : memory[row])) row = at;
  }
  if (row < 0) return null;
  const span = spans[row];
  if (span >= 0) return { row, from: edges[span], to: edges[span + 1], bytes: memory[row] };
  const next = rows.findIndex((other) => other > row);
  const at = edges[next < 0 ? rows.length : next];
  return { row, from: at, to: at, bytes: memory[row] };
}

/** Pixels per second at which all fits, and the present with room for its label behind it. */
export function timeScale(
  width: number,
  label: number,
  { now, before, target }: { now: number; before: number; target: number | null },
): number {
  const longest = Math.max(now, before);
  if (!(longest > 0)) return 0;
  // A target far beyond would leave no room for the rest.
  const most = target !== null && target < longest * FAR ? Math.max(longest, target) : longest;
  const wide = Math.max(0, width - 1);
  return Math.min(wide / most, Math.max(wide / 2, width - label) / Math.max(now, 1e-30));
}

const FAR = 1.5;
