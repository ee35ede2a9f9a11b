/** How much faster or slower a recipe is, and whether that may be said at all. */
import type { ChangeInfo } from "../wire";
import { change, times, timesRange } from "./format";

export interface Speed {
  text: string;
  /** The same where there is little room: above 1 is faster. */
  brief: string;
  /** The band of the same, or empty. */
  band: string;
  tone: "" | "better" | "worse";
}

/** Below this a factor of two decimals says nothing: then it is said in per cent. */
const FACTOR = 1.01;

/** A measured gain smaller than this is no difference: the machine's own noise is of its size. */
const NOTABLE = 1.05;

const SAME: Speed = { text: "unchanged", brief: "same", band: "", tone: "" };

/** `change` is after over before; on a measured device what noise may explain is no difference. */
export function speedOf({ ratio, low, high }: ChangeInfo, measured: boolean): Speed {
  if (!(ratio > 0)) return { text: "?", brief: "?", band: "", tone: "" };
  if (ratio === 1 && low === high) return SAME;
  const faster = ratio <= 1;
  const factor = faster ? 1 / ratio : ratio;
  const band = faster ? timesRange(1 / high, 1 / low) : timesRange(low, high);
  if (measured && (factor < NOTABLE || (low <= 1 && high >= 1))) {
    return { text: "no difference", brief: "same", band, tone: "" };
  }
  if (factor < 1.0005) return SAME;
  const word = faster ? "faster" : "slower";
  const small = factor < FACTOR ? change(1, ratio) : "";
  return {
    text: small || `${times(factor)} ${word}`,
    brief: small || times(1 / ratio),
    band,
    tone: faster ? "better" : "worse",
  };
}
