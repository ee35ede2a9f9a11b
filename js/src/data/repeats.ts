/** The same rows in every repeat of a block: what one more click would select. */
import type { Program } from "./decode";

export interface Repeats {
  /** The block's repeats as a pattern, `encoder.layer.[0-11]`. */
  name: string;
  count: number;
  rows: number[];
  /** Of these, without those of the first and the last repeat; null where none is between. */
  inner: number[] | null;
}

/** The smallest block of which these rows are a part of some repeats, and not of all. */
export function repeatsOf(program: Program, rows: readonly number[]): Repeats | null {
  if (!rows.length) return null;
  const chosen = new Set(rows);
  let best: Repeats | null = null;
  let start = 0;
  for (const { name, count, places } of program.meta.blocks) {
    const wanted = new Set<number>();
    const end = start + count * places;
    for (let at = start; at < end; at++) {
      if (chosen.has(program.block_rows[at])) wanted.add((at - start) % places);
    }
    if (wanted.size) {
      const all = new Set(chosen);
      const ends = new Set<number>();
      for (const place of wanted) {
        for (let at = start + place; at < end; at += places) {
          const row = program.block_rows[at];
          if (row < 0) continue;
          all.add(row);
          if (at < start + places || at >= end - places) ends.add(row);
        }
      }
      if (all.size > chosen.size && (!best || all.size < best.rows.length)) {
        const rows = [...all].sort((a, b) => a - b);
        best = { name, count, rows, inner: count < 3 ? null : rows.filter((r) => !ends.has(r)) };
      }
    }
    start = end;
  }
  return best;
}
