/** The colours of a program's rows as numbers, for what counts and sorts by colour. */
import type { Program } from "./decode";
import { type Swatch, swatchOf } from "./kinds";

export const SWATCHES: readonly Swatch[] = [
  "conv",
  "pointwise",
  "depthwise",
  "linear",
  "attention",
  "norm",
  "elementwise",
  "pool",
  "movement",
  "unknown",
];

const made = new WeakMap<Program, Uint8Array>();

/** Per row its place in `SWATCHES`. */
export function swatchesOf(program: Program): Uint8Array {
  const known = made.get(program);
  if (known) return known;
  const { kinds, labels } = program.meta;
  const found = Uint8Array.from(kinds, (kind, row) =>
    SWATCHES.indexOf(swatchOf(kind, labels[row])),
  );
  made.set(program, found);
  return found;
}
