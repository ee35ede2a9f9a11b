/**
 * The change of a whole: latency after over before, with a band of its own. What a choice leaves
 * alone cancels in a ratio, so only the share of time that changed is in doubt. The arithmetic of
 * `prices/change.py`.
 */
import { knownSum } from "./bands";
import type { Band, Casts, Program } from "./decode";

export interface Change {
  ratio: number;
  low: number;
  high: number;
}

/** The known seconds before any choice, and the corrections that hold then. */
export interface Baseline {
  seconds: number;
  corrections: number[];
}

export function baselineOf(program: Program): Baseline {
  const { rows, options, row_signature, latency, meta } = program;
  const before = Float64Array.from(
    { length: rows },
    (_, row) => latency.point[row_signature[row] * options],
  );
  const corrections = held(program, new Int32Array(rows));
  let seconds = knownSum(before);
  for (const at of corrections) seconds += meta.corrections[at].latency_s;
  return { seconds, corrections };
}

/** The corrections whose condition on the rows' columns holds. */
export function held(program: Program, column: Int32Array): number[] {
  return program.meta.corrections.flatMap(({ rows, columns }, at) =>
    rows.every((row, i) => columns[i].includes(column[row])) ? [at] : [],
  );
}

/** NaN where a row is known on one side alone. */
export function changeOf(
  program: Program,
  before: Baseline,
  column: Int32Array,
  latency: Band,
  casts: Casts,
  corrections: readonly number[],
  seconds: number,
): Change {
  const { rows, options, row_signature, provenance, meta } = program;
  const width = meta.change_bands;
  let doubtBefore = 0;
  let doubtAfter = 0;
  let changed = false;
  let oneSided = false;
  for (let row = 0; row < rows; row++) {
    if (column[row] === 0) continue;
    changed = true;
    const at = row_signature[row] * options;
    const [was, now] = [program.latency.point[at], latency.point[row]];
    const doubt = Math.max(width[provenance[at]], width[provenance[at + column[row]]]);
    if (Number.isNaN(was) !== Number.isNaN(now)) oneSided = true;
    if (!Number.isNaN(was)) doubtBefore += doubt * was;
    if (!Number.isNaN(now)) doubtAfter += doubt * now;
  }
  for (const [at, correction] of meta.corrections.entries()) {
    if (corrections.includes(at) === before.corrections.includes(at)) continue;
    changed = true;
    doubtAfter += width[correction.provenance] * Math.abs(correction.latency_s);
  }
  if (!changed) return { ratio: 1, low: 1, high: 1 };
  if (before.seconds <= 0 || seconds <= 0 || oneSided) {
    return { ratio: Number.NaN, low: Number.NaN, high: Number.NaN };
  }
  for (const [i, cast] of casts.latency.point.entries()) {
    if (!Number.isNaN(cast)) doubtAfter += width[casts.provenance[i]] * cast;
  }
  const share = Math.min(Math.max(doubtBefore / before.seconds, doubtAfter / seconds), 1);
  const ratio = seconds / before.seconds;
  return { ratio, low: ratio * (1 - share), high: ratio * (1 + share) };
}
