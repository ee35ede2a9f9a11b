/** The distribution of a column: how many rows have how much, in bins. */
import { type Domain, shareAt, valueAt } from "./axis";

export interface Bins {
  domain: Domain;
  /** Count of bins between low and high. */
  count: number;
  /** Zeros stand apart on the left: a scale of logarithms has no place for them. */
  zeros: boolean;
}

/** Where a row is: its bin, or one of these. */
export const ZERO = -1;
export const UNKNOWN = -2;

/** A tail as long as this is seen on a scale of logarithms alone. */
const LONG_TAIL = 10;

/** Bins for all values of the columns given; null where no value is known. */
export function binsFor(columns: readonly Float64Array[], count: number): Bins | null {
  const values = finite(columns);
  if (!values.length) return null;
  values.sort();
  const above = values.subarray(values.findLastIndex((value) => value <= 0) + 1);
  const low = values[0];
  const high = values[values.length - 1];
  if (low >= 0 && above.length && quantile(above, 0.95) > LONG_TAIL * quantile(above, 0.5)) {
    const domain = { low: above[0], high: widest(above[0], high), log: true };
    return { domain, count, zeros: above.length < values.length };
  }
  const from = low > 0 && low < 0.5 * high ? 0 : low;
  return {
    domain: { low: from, high: high > from ? high : from + 1, log: false },
    count,
    zeros: false,
  };
}

function finite(columns: readonly Float64Array[]): Float64Array {
  const found = new Float64Array(columns.reduce((sum, { length }) => sum + length, 0));
  let count = 0;
  for (const column of columns) {
    for (const value of column) if (Number.isFinite(value)) found[count++] = value;
  }
  return found.subarray(0, count);
}

function widest(low: number, high: number): number {
  return high > low ? high : low * 2;
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

export function binOf({ domain, count, zeros }: Bins, value: number): number {
  if (!Number.isFinite(value)) return UNKNOWN;
  if (zeros && value === 0) return ZERO;
  return Math.min(count - 1, Math.floor(shareAt(domain, value) * count));
}

/** From where to where a bin goes: its upper end belongs to the next, save the last. */
export function binRange({ domain, count }: Bins, bin: number): [number, number] {
  if (bin === ZERO) return [0, 0];
  return [valueAt(domain, bin / count), valueAt(domain, (bin + 1) / count)];
}

/** How many rows a bin holds, and how many of them pass the filters, and are selected. */
export interface Bar {
  all: number;
  passing: number;
  selected: number;
}

export interface Tally {
  bars: Bar[];
  zeros: Bar;
  unknown: number;
  /** The largest count of any bar. */
  most: number;
}

export function tally(
  bins: Bins,
  values: Float64Array,
  passing: Uint8Array,
  isSelected: (row: number) => boolean,
): Tally {
  const bars = Array.from({ length: bins.count }, () => ({ all: 0, passing: 0, selected: 0 }));
  const found: Tally = { bars, zeros: { all: 0, passing: 0, selected: 0 }, unknown: 0, most: 0 };
  for (let row = 0; row < values.length; row++) {
    const bin = binOf(bins, values[row]);
    if (bin === UNKNOWN) {
      found.unknown += 1;
      continue;
    }
    const bar = bin === ZERO ? found.zeros : bars[bin];
    bar.all += 1;
    if (!passing[row]) continue;
    bar.passing += 1;
    if (isSelected(row)) bar.selected += 1;
  }
  for (const { all } of [found.zeros, ...bars]) found.most = Math.max(found.most, all);
  return found;
}

/** The rows of some bins, from the one to the other. */
export function rowsOfBins(bins: Bins, values: Float64Array, from: number, to: number): number[] {
  const found: number[] = [];
  for (let row = 0; row < values.length; row++) {
    const bin = binOf(bins, values[row]);
    if (bin >= from && bin <= to && bin !== UNKNOWN) found.push(row);
  }
  return found;
}
