/** Numbers as typed in a search: `10us`, `1.5 M`, `5%`, or bare, in the unit a column shows. */
import type { NumberColumn, Unit } from "./columns";
import { multiple, type Scale } from "./format";

export interface Typed {
  /** In SI units, shares as fractions; NaN where the unit is none of the column's. */
  value: number;
  /** Half of the last digit typed. */
  slack: number;
  /** How much of the text it takes. */
  length: number;
  /** As it was typed. */
  text: string;
}

/** What a quantity may be written with behind its prefix, in lower case. */
const UNITS: Record<Unit, RegExp> = {
  s: /s(ec)?$/i,
  J: /j$/i,
  B: /b(ytes?)?$/i,
  MAC: /macs?$/i,
  FLOP: /flops?$/i,
  "FLOP/B": /flops?\/b$/i,
  share: /%$/,
  "": /bits?$/i,
};

/** Of these there is no part: `m` means million. */
const WHOLE: ReadonlySet<Unit> = new Set(["B", "MAC", "FLOP", ""]);

const NUMBER = /^\s*(\d*[.,]?\d+)(e[-+]?\d+)?/i;
/** A unit of some column, if not of this one. */
const ANY_UNIT = /^[nuµmkMGT]?(s|B|iB|J|MACs?|FLOPs?|%)$/;
const SUFFIX = /^\s?([a-zµμ%][a-z/]*)(?!\w)/i;

/** The number that a text begins with; null where it begins with none. */
export function readNumber(text: string, column: NumberColumn, scale?: Scale): Typed | null {
  const number = NUMBER.exec(text);
  if (!number) return null;
  const [whole, digits, exponent = ""] = number;
  const rest = text.slice(whole.length);
  const found = suffixOf(rest, column, scale);
  const decimals = digits.length - 1 - digits.search(/[.,]|$/);
  const step = Number(`1${exponent}`) * 10 ** -Math.max(0, decimals);
  const length = whole.length + found.length;
  return {
    value: scaled(Number(digits.replace(",", ".") + exponent), found.factor),
    slack: scaled(0.5 * step, found.factor),
    length,
    text: text.slice(0, length).trim(),
  };
}

/** Divides rather than multiplies by a part: `20us` is 20e-6 to the last bit. */
function scaled(value: number, factor: number): number {
  return factor < 1 ? value / Math.round(1 / factor) : value * factor;
}

/** What stands right behind a number is its unit; after a space only where it can be one. */
function suffixOf(
  rest: string,
  column: NumberColumn,
  scale?: Scale,
): { factor: number; length: number } {
  const shown = column.unit === "share" ? 0.01 : (scale?.factor ?? 1);
  const suffix = SUFFIX.exec(rest);
  if (!suffix) return { factor: /^[^\s.,;)]/.test(rest) ? Number.NaN : shown, length: 0 };
  const factor = factorOf(suffix[1], column.unit);
  const apart = /^\s/.test(rest);
  if (Number.isNaN(factor) && apart && !ANY_UNIT.test(suffix[1])) {
    return { factor: shown, length: 0 };
  }
  return { factor, length: suffix[0].length };
}

function factorOf(suffix: string, unit: Unit): number {
  if (unit === "share") return suffix === "%" ? 0.01 : Number.NaN;
  const binary = /^([kmgt])ib$/i.exec(suffix);
  if (unit === "B" && binary) return 1024 ** ("KMGT".indexOf(binary[1].toUpperCase()) + 1);
  const prefix = suffix.replace(UNITS[unit], "");
  return multiple(WHOLE.has(unit) ? prefix.toUpperCase() : prefix);
}
