/** Numbers as text, and text as numbers: the only place that does either. */

const THIN = "\u202f";
const PREFIXES: [number, string][] = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
  [1e-3, "m"],
  [1e-6, "µ"],
  [1e-9, "n"],
];

/** How a column or a bar writes its numbers: one unit and one count of decimals. */
export interface Scale {
  factor: number;
  unit: string;
  decimals: number;
}

function prefixOf(value: number, unit: string): [number, string] {
  const whole = unit === "B" || unit === "MAC" || unit === "FLOP";
  const size = Math.abs(value);
  if (size === 0 || size === Number.POSITIVE_INFINITY) return [1, ""];
  const found = PREFIXES.find(([factor]) => size >= factor * 0.9995 && !(whole && factor < 1));
  if (found) return found;
  if (whole) return [1, ""];
  return PREFIXES[PREFIXES.length - 1];
}

/** The scale on which `largest` reads best. */
export function columnScale(largest: number, unit: string): Scale {
  if (!(largest > 0)) return { factor: 1, unit, decimals: 0 };
  const [factor, prefix] = prefixOf(largest, unit);
  const top = largest / factor;
  const decimals = factor === 1 && unit === "B" ? 0 : top >= 10 ? 1 : 2;
  return { factor, unit: prefix + unit, decimals };
}

/** A number of a column, without its unit. */
export function onScale(value: number, scale: Scale): string {
  if (Number.isNaN(value)) return "?";
  if (value === 0) return "0";
  const text = plain(value / scale.factor, scale.decimals);
  if (Number(text) !== 0) return text;
  return `<${THIN}${plain(10 ** -scale.decimals, scale.decimals)}`;
}

/** The SI unit that gives 1-999, and three or four digits. */
export function parts(value: number, unit: string, digits = 4): { number: string; unit: string } {
  if (Number.isNaN(value)) return { number: "?", unit: "" };
  const [factor, prefix] = prefixOf(value, unit);
  const scaled = value / factor;
  const size = Math.abs(scaled);
  const exact = factor === 1 && unit === "B";
  const most = unit === "B" || unit === "J" ? 2 : 3;
  const before = size >= 99.995 ? 3 : size >= 9.9995 ? 2 : 1;
  const fewer = exact || size === 0 ? 0 : Math.min(most, digits - before);
  return { number: plain(scaled, fewer), unit: prefix + unit };
}

/** A quantity in the unit that `shown` is written in: `0.035 ms` beside `1.335 ms`. */
export function inUnitOf(shown: number, value: number, unit: string): string {
  const [factor, prefix] = prefixOf(shown, unit);
  const scaled = value / factor;
  const decimals = factor === 1 && unit === "B" ? 0 : scaled >= 10 ? 1 : scaled >= 1 ? 2 : 3;
  return `${plain(scaled, decimals)}${THIN}${prefix}${unit}`;
}

export function quantity(value: number, unit: string): string {
  const { number, unit: prefixed } = parts(value, unit);
  return prefixed ? `${number}${THIN}${prefixed}` : number;
}

function plain(value: number, decimals: number): string {
  return value.toFixed(decimals).replace("Infinity", "∞").replace("-", "−");
}

/** A change in per cent: signed, one decimal; under 0.05 % it is no change. */
export function change(before: number, after: number): string {
  if (Number.isNaN(before) || Number.isNaN(after)) return "?";
  if (before === after) return "unchanged";
  if (before === 0) return "new";
  const percent = (after / before - 1) * 100;
  if (Math.abs(percent) < 0.05) return "unchanged";
  return `${percent > 0 ? "+" : ""}${plain(percent, 1)}${THIN}%`;
}

/** A signed difference in a scale's unit. */
export function difference(value: number, scale: Scale): string {
  if (Number.isNaN(value)) return "?";
  if (Math.abs(value) / scale.factor < 0.5 * 10 ** -scale.decimals) return "0";
  return `${value > 0 ? "+" : ""}${plain(value / scale.factor, scale.decimals)}`;
}

/** Of a signed difference, as it is written: less is better. */
export function tone(difference: string): "" | "better" | "worse" {
  return difference.startsWith("−") ? "better" : difference.startsWith("+") ? "worse" : "";
}

export function share(part: number, whole: number): string {
  if (Number.isNaN(part) || !(whole > 0)) return "?";
  if (part === 0) return "0";
  if (part === whole) return `100${THIN}%`;
  const percent = (part / whole) * 100;
  return percent < 0.05 ? `<${THIN}0.1${THIN}%` : `${plain(percent, 1)}${THIN}%`;
}

/** `25557032` as `25.6 M`. */
export function count(value: number, unit = ""): string {
  if (Number.isNaN(value)) return "?";
  if (value < 1000) return `${value}${unit ? THIN + unit : ""}`;
  const [factor, prefix] = prefixOf(value, "MAC");
  return `${(value / factor).toPrecision(3)}${THIN}${prefix}${unit}`;
}

const MULTIPLES: Record<string, number> = {
  "": 1,
  n: 1e-9,
  u: 1e-6,
  µ: 1e-6,
  μ: 1e-6,
  m: 1e-3,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
};

/**
 * A quantity as typed: "8 ms", "25MB", "1.5e-3". A bare number is in the unit that is shown.
 * Returns NaN where it cannot be read.
 */
export function parseQuantity(text: string, unit: "s" | "B" | "J", shown = ""): number {
  const found = /^\s*([0-9]*[.,]?[0-9]+(?:e[-+]?\d+)?)\s*([a-zA-Zµμ]*)\s*$/i.exec(text);
  if (!found) return Number.NaN;
  const value = Number(found[1].replace(",", "."));
  const binary = /^([KMGT])iB$/.exec(found[2]);
  if (unit === "B" && binary) return value * 1024 ** ("KMGT".indexOf(binary[1]) + 1);
  const typed = found[2] || shown || unit;
  const tail = unit === "B" ? /b$/i : new RegExp(`${unit}$`, "i");
  if (!tail.test(typed)) return Number.NaN;
  let prefix = typed.slice(0, -1);
  if (unit === "B") prefix = prefix.toUpperCase();
  const factor = MULTIPLES[prefix];
  return factor === undefined || !(value > 0) ? Number.NaN : value * factor;
}

/** What a prefix stands for: `k` for 1000; NaN where it is none. */
export function multiple(prefix: string): number {
  return Object.hasOwn(MULTIPLES, prefix) ? MULTIPLES[prefix] : Number.NaN;
}

/** What most names begin with, to a separator: said once, it need not be said in each. */
export function sharedPrefix(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) {
    for (let at = name.indexOf("."); at >= 0; at = name.indexOf(".", at + 1)) {
      if (/\d/.test(name.charAt(at + 1))) continue; // a number says nothing without its name
      const prefix = name.slice(0, at + 1);
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    }
  }
  let longest = "";
  for (const [prefix, count] of counts) {
    if (count > names.length * MOST_NAMES && prefix.length > longest.length) longest = prefix;
  }
  return longest;
}

const MOST_NAMES = 0.8;

/**
 * Where a name gives way: the middle; the last component never. Of a prefix that is left out
 * three dots are seen, unless it stands above.
 */
export function splitName(full: string, prefix = "", dots = true): { head: string; tail: string } {
  const rest = prefix && full.startsWith(prefix) ? full.slice(prefix.length) : null;
  const name = rest ? (dots ? `…${rest}` : rest) : full;
  const cut = Math.max(name.lastIndexOf("."), name.lastIndexOf("/"));
  return cut <= 0 ? { head: "", tail: name } : { head: name.slice(0, cut), tail: name.slice(cut) };
}

const SHORT: Record<string, string> = { float32: "fp32", float16: "fp16", bfloat16: "bf16" };

export function shortPrecision(name: string): string {
  return SHORT[name] ?? name;
}

/** From low to high, the unit once where both share it: `1.07 – 1.60 ms`. */
export function range(low: number, high: number, unit: string): string {
  const bottom = parts(low, unit, 3);
  const top = parts(high, unit, 3);
  if (bottom.unit === top.unit && bottom.number === top.number) return quantity(high, unit);
  const from = bottom.unit === top.unit ? bottom.number : `${bottom.number}${THIN}${bottom.unit}`;
  return `${from} – ${top.number}${THIN}${top.unit}`;
}

/** How wide a band is: `±20 %`, or `×÷2` where it is a factor. */
export function spread(low: number, value: number, high: number): string {
  if (!(value > 0) || !(high > low)) return "";
  const factor = high / value;
  if (factor >= 1.6) return `×÷${Number(factor.toPrecision(2))}`;
  const percent = (Math.max(high - value, value - low) / value) * 100;
  return `±${percent < 0.95 ? plain(percent, 1) : Math.round(percent)}${THIN}%`;
}

/** A time to wait, no finer than it can be foretold: `8 s`, `40 s`, `3 min`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(1, Math.ceil(seconds))}${THIN}s`;
  if (seconds <= 55) return `${Math.ceil(seconds / 5) * 5}${THIN}s`;
  if (seconds <= 3540) return `${Math.ceil(seconds / 60)}${THIN}min`;
  return `${Math.ceil(seconds / 3600)}${THIN}h`;
}

/** `1.38×`; three digits at most. */
export function times(factor: number): string {
  return `${plain(factor, factor < 9.995 ? 2 : factor < 99.95 ? 1 : 0)}×`;
}

/** A band of factors: `1.3–1.5×`; where that is too coarse to be one, `±2 %`. */
export function timesRange(low: number, high: number): string {
  const decimals = high < 99.95 ? 1 : 0;
  const [from, to] = [plain(low, decimals), plain(high, decimals)];
  return from === to ? spread(low, (low + high) / 2, high) : `${from}–${to}×`;
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A written quantity without the zeros that say nothing: `1.300 ms` as `1.3 ms`. */
export function tidy(written: string): string {
  return written.replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
}

/** A tick of an axis in its unit, without trailing zeros: `0.25`. */
export function tick(value: number, { factor }: Pick<Scale, "factor">): string {
  return String(Number((value / factor).toPrecision(6))).replace("-", "−");
}

/** A round number as short as can be: `0.1`, `10`, `100 G`. */
export function short(value: number): string {
  const [factor, prefix] = value >= 1 ? prefixOf(value, "") : [1, ""];
  const number = String(Number((value / factor).toPrecision(3)));
  return prefix ? `${number}${THIN}${prefix}` : number;
}
