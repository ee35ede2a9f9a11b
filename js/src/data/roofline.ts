/** Roofline: what each row reaches over how much it does per byte, under the device's roofs. */
import type { RoofInfo } from "../wire";
import type { Domain } from "./axis";
import { COLUMN, type NumberColumn, type Rows, type TextColumn } from "./columns";
import type { Evaluation } from "./decode";
import { quantity, shortPrecision, tidy } from "./format";
import { swatchesOf } from "./swatches";

/** Where rows stand; NaN where FLOPs, bytes or time are unknown or none. */
export interface Places {
  /** FLOP per byte. */
  intensity: Float64Array;
  /** FLOP per second. */
  speed: Float64Array;
  /** Rows that have a place. */
  placed: number;
}

const made = new WeakMap<Evaluation, Places>();

export function placesOf({ program, now }: Pick<Rows, "program" | "now">): Places {
  const known = made.get(now);
  if (known) return known;
  const ratio = (COLUMN.intensity as NumberColumn).numbers(program, now);
  const intensity = new Float64Array(program.rows).fill(Number.NaN);
  const speed = new Float64Array(program.rows).fill(Number.NaN);
  let placed = 0;
  for (let row = 0; row < program.rows; row++) {
    const reached = program.flops[row] / now.latency.point[row];
    if (!(reached > 0 && ratio[row] > 0 && Number.isFinite(reached * ratio[row]))) continue;
    intensity[row] = ratio[row];
    speed[row] = reached;
    placed += 1;
  }
  const places = { intensity, speed, placed };
  made.set(now, places);
  return places;
}

// ----------------------------------------------------------------------------------------- roofs

/** A bandwidth (`bytes`, a slope) or a peak (`operations`, level; its label ends in FLOP/s). */
export interface Roof {
  kind: "bytes" | "operations";
  label: string;
  per_s: number;
  /** Only reached by what fits on the chip. */
  onChip: boolean;
}

/** The roofs that hold for the rows: of the peaks, those of precisions that rows compute in. */
export function roofsOf(rows: Rows, { speed }: Places): Roof[] {
  const { roofs } = rows.program.meta;
  const precisions = (COLUMN.precision as TextColumn).texts(rows);
  const used = new Set<string>();
  for (let row = 0; row < speed.length; row++) if (speed[row] > 0) used.add(precisions[row]);
  const peaks = Object.entries(roofs.ops_per_s ?? {})
    .map(([name, per_s]) => ({ name: shortPrecision(name), per_s }))
    .filter(({ name, per_s }) => per_s > 0 && used.has(name));
  return [...slopes(roofs), ...levels(peaks)];
}

function slopes(roofs: RoofInfo): Roof[] {
  const { bandwidth_bytes_per_s: far, on_chip_bytes_per_s: near } = roofs;
  const found: Roof[] = [];
  const add = (name: string, per_s: number, onChip: boolean) => {
    const label = `${name} ${trimmed(per_s, "B")}/s`;
    if (per_s > 0 && Number.isFinite(per_s)) found.push({ kind: "bytes", label, per_s, onChip });
  };
  add("DRAM", far, false);
  if (near !== far) add("on chip", near, true);
  return found;
}

/** Precisions of the same peak share a line. */
function levels(peaks: readonly { name: string; per_s: number }[]): Roof[] {
  const names = new Map<number, string[]>();
  for (const { name, per_s } of peaks) names.set(per_s, [...(names.get(per_s) ?? []), name]);
  return [...names]
    .sort(([a], [b]) => b - a)
    .map(([per_s, shared]) => ({
      kind: "operations",
      label: `${shared.join(", ")} ${trimmed(per_s, "")}`,
      per_s,
      onChip: false,
    }));
}

/** Three digits at most. */
function trimmed(value: number, unit: string): string {
  return tidy(quantity(Number(value.toPrecision(3)), unit));
}

// ----------------------------------------------------------------------------------------- frame

/** The part of the plane that is drawn. */
export interface Plane {
  x: Domain;
  y: Domain;
}

/** Decades beyond which the least are drawn at the edge. */
const DECADES = 6;

/** Around all places and the tops of the roofs; null where there is neither. */
export function planeOf({ intensity, speed }: Places, roofs: readonly Roof[]): Plane | null {
  const xs = extent(intensity);
  const ys = extent(speed);
  const peaks = roofs.filter(({ kind }) => kind === "operations").map(({ per_s }) => per_s);
  const bytes = roofs.filter(({ kind }) => kind === "bytes").map(({ per_s }) => per_s);
  const top = Math.max(...peaks);
  for (const slope of bytes) if (top > 0) include(xs, top / slope);
  for (const peak of peaks) include(ys, peak);
  if (!(xs.low <= xs.high)) return null;
  if (!(ys.low <= ys.high)) for (const slope of bytes) include(ys, slope * xs.low);
  if (!(ys.low <= ys.high)) return null;
  return { x: widened(xs, 2), y: widened(ys, 2.2) };
}

function extent(values: Float64Array) {
  const found = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
  for (const value of values) include(found, value);
  return found;
}

function include(found: { low: number; high: number }, value: number) {
  if (value < found.low) found.low = value;
  if (value > found.high) found.high = value;
}

function widened({ low, high }: { low: number; high: number }, by: number): Domain {
  return { low: Math.max(low / by, high / 10 ** DECADES), high: high * by, log: true };
}

export interface Segment {
  roof: Roof;
  from: [number, number];
  to: [number, number];
}

/** Each roof as far as it holds: slopes to the highest peak, peaks from the steepest slope on. */
export function segmentsOf(roofs: readonly Roof[], { x, y }: Plane): Segment[] {
  const peaks = roofs.filter(({ kind }) => kind === "operations").map(({ per_s }) => per_s);
  const bytes = roofs.filter(({ kind }) => kind === "bytes").map(({ per_s }) => per_s);
  const ceiling = Math.min(y.high, Math.max(0, ...peaks) || y.high);
  const steepest = Math.max(0, ...bytes);
  return roofs.flatMap((roof): Segment[] => {
    if (roof.kind === "operations") {
      const from = steepest > 0 ? Math.max(x.low, roof.per_s / steepest) : x.low;
      return from < x.high ? [{ roof, from: [from, roof.per_s], to: [x.high, roof.per_s] }] : [];
    }
    const start = Math.max(x.low, y.low / roof.per_s);
    const end = Math.min(x.high, ceiling / roof.per_s);
    if (start >= end) return [];
    return [{ roof, from: [start, start * roof.per_s], to: [end, end * roof.per_s] }];
  });
}

// ----------------------------------------------------------------------------------------- marks

/** Rows that stand in one place, of one colour: their area is their latency together. */
export interface Mark {
  x: number;
  y: number;
  radius: number;
  /** In `SWATCHES`. */
  swatch: number;
  /** All of them are filtered out. */
  faded: boolean;
  rows: number[];
}

export interface Size {
  /** Pixels of the plot from its lower left corner. */
  atX: (intensity: number) => number;
  atY: (speed: number) => number;
  largest: number;
  least: number;
}

/** Rows whose places are closer than this many pixels are one mark. */
const CELL = 2;

/** The largest first, so that the small ones lie on top; what is filtered out below all. */
export function marksOf(
  rows: Pick<Rows, "program" | "now">,
  places: Places,
  passing: Uint8Array,
  { atX, atY, largest, least }: Size,
): Mark[] {
  const swatches = swatchesOf(rows.program);
  const found = new Map<number, Mark & { seconds: number }>();
  for (let row = 0; row < rows.program.rows; row++) {
    if (!(places.speed[row] > 0)) continue;
    const x = atX(places.intensity[row]);
    const y = atY(places.speed[row]);
    const cell = Math.round(x / CELL) * 256 + Math.round(y / CELL);
    const key = (cell * 16 + swatches[row]) * 2 + (passing[row] ? 1 : 0);
    const seconds = rows.now.latency.point[row];
    const known = found.get(key);
    if (known) {
      known.rows.push(row);
      known.seconds += seconds;
    } else {
      const faded = !passing[row];
      found.set(key, { x, y, radius: 0, swatch: swatches[row], faded, rows: [row], seconds });
    }
  }
  const marks = [...found.values()];
  const most = marks.reduce((known, { seconds }) => Math.max(known, seconds), 0);
  for (const mark of marks) {
    mark.radius = Math.max(least, largest * Math.sqrt(mark.seconds / most));
  }
  return marks.sort((a, b) => Number(b.faded) - Number(a.faded) || b.radius - a.radius);
}

/** The mark under a point, the topmost first; one that is missed by a little is hit as well. */
export function markAt(marks: readonly Mark[], x: number, y: number, slack = 3): Mark | null {
  let hit: Mark | null = null;
  let near: Mark | null = null;
  let nearest = slack;
  for (const mark of marks) {
    const beyond = Math.hypot(mark.x - x, mark.y - y) - mark.radius;
    if (beyond <= 0) hit = mark;
    else if (beyond < nearest) [near, nearest] = [mark, beyond];
  }
  return hit ?? near;
}

/** Whether a point lies inside a closed line: by the count of its crossings. */
export function isInside(path: readonly { x: number; y: number }[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, last = path.length - 1; i < path.length; last = i++) {
    const [a, b] = [path[i], path[last]];
    if (a.y > y === b.y > y) continue;
    if (x < a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x)) inside = !inside;
  }
  return inside;
}
