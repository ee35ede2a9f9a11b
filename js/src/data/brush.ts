/** Where the ends of a range are in a histogram, counted in its bins, and back. */
import { shareAt } from "./axis";
import type { Key } from "./columns";
import { type Bins, binRange, ZERO } from "./distribution";
import type { RangeFilter } from "./filters";

/** Zeros take one place of their own, and one more sets them apart. */
const APART = 2;
const HAIR = 1e-9;

/** Bars and gaps side by side. */
export function places({ count, zeros }: Bins): number {
  return count + lead({ zeros });
}

export function lead({ zeros }: Pick<Bins, "zeros">): number {
  return zeros ? APART : 0;
}

/** From where to where a range goes, in places; a typed one may end inside of a bin. */
export function placesOf(bins: Bins, { low, high }: Pick<RangeFilter, "low" | "high">) {
  const most = places(bins);
  const from = low === null ? 0 : placeOf(bins, low);
  const to = high === null ? most : bins.zeros && high === 0 ? APART / 2 : placeOf(bins, high);
  return [from, Math.max(from, to)] as const;
}

function placeOf(bins: Bins, value: number): number {
  const first = lead(bins);
  if (bins.zeros && value <= 0) return 0;
  const place = first + shareAt(bins.domain, value) * bins.count;
  // An edge that a brush left a hair below.
  return Math.abs(place - Math.round(place)) < 1e-6 ? Math.round(place) : place;
}

/** The range between two edges of bins; an end at the outside is open. */
export function rangeAt(bins: Bins, key: Key, one: number, other: number): RangeFilter {
  const [from, to] = one < other ? [one, other] : [other, one];
  const first = lead(bins);
  const edge = (place: number) => binRange(bins, place - first)[0];
  let low: number | null = null;
  let high: number | null = null;
  if (from > 0) low = bins.zeros && from <= first ? Number.MIN_VALUE : edge(from);
  if (to < places(bins)) {
    high = bins.zeros && to <= first ? binRange(bins, ZERO)[1] : edge(to) * (1 - HAIR);
  }
  return { kind: "range", key, low, high };
}

/** The next edge from a place, some steps on. */
export function step(bins: Bins, place: number, steps: number): number {
  const edge = steps > 0 ? Math.floor(place) : Math.ceil(place);
  let next = edge + steps;
  // Before and after the gap behind the zeros is one and the same.
  if (bins.zeros && steps > 0 && next === APART) next += 1;
  if (bins.zeros && steps < 0 && next === 1) next = 0;
  return Math.min(places(bins), Math.max(0, next));
}
