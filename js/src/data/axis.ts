/** Scales of charts: round ticks from zero, powers of ten, and where a value falls. */

/** Round values from 0 up to `most`, about `count` steps of them. */
export function roundTicks(most: number, count: number): number[] {
  if (!(most > 0) || !Number.isFinite(most)) return [0];
  const rough = most / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((round) => round * power >= rough * 0.999) ?? 10);
  const steps = Math.floor((most / step) * (1 + 1e-9));
  return Array.from({ length: steps + 1 }, (_, i) => i * step);
}

/** Powers of ten from `low` to `high`, thinned evenly to `most` of them. */
export function powersOfTen(low: number, high: number, most: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / Math.max(1, most)));
  const found: number[] = [];
  for (let power = first; power <= last; power++) {
    if ((power - first) % every === 0) found.push(10 ** power);
  }
  return found;
}

/** From `low` to `high`, in logarithms or not. */
export interface Domain {
  low: number;
  high: number;
  log: boolean;
}

/** The share of the way from low to high at which a value falls, not below 0 nor above 1. */
export function shareAt({ low, high, log }: Domain, value: number): number {
  const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.min(1, Math.max(0, share));
}

/** The value at a share of the way. */
export function valueAt({ low, high, log }: Domain, share: number): number {
  return log ? low * (high / low) ** share : low + (high - low) * share;
}
