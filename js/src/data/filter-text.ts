/** What a filter is called: on its chip, and in the sentence that says what was understood. */
import { COLUMN, type Key, type NumberColumn } from "./columns";
import { type Filter, type Operator, wordsOf } from "./filters";
import { quantity, range, share } from "./format";

/** A column's name inside a sentence: `Latency` as `latency`, `MACs` as it is. */
export function columnName(key: Key): string {
  const { title } = COLUMN[key];
  if (title === "#") return "order";
  return /^.[A-Z]/.test(title) ? title : title[0].toLowerCase() + title.slice(1);
}

/** A number of a column with its unit, no digit more than it needs. */
export function numberText(key: Key, value: number): string {
  const { unit } = COLUMN[key] as NumberColumn;
  if (value === 0) return "0";
  if (unit === "share") return trimmed(share(value, 1));
  if (unit === "FLOP/B") return `${trimmed(quantity(value, ""))} FLOP/B`;
  return trimmed(quantity(value, unit));
}

/** `1.500 ms` as `1.5 ms`. */
function trimmed(text: string): string {
  return text.replace(/(\d)(?:\.0+|(\.\d*?[1-9])0+)(?=\D|$)/, "$1$2");
}

const SIGNS: Record<Operator, string> = {
  ">": ">",
  ">=": "≥",
  "<": "<",
  "<=": "≤",
  "=": "=",
  "!=": "≠",
};

const WORDS: Record<Operator, string> = {
  ">": "over",
  ">=": "at least",
  "<": "under",
  "<=": "at most",
  "=": "of",
  "!=": "other than",
};

function rangeText(key: Key, low: number | null, high: number | null): string {
  const { unit } = COLUMN[key] as NumberColumn;
  // All but the zeros.
  const some = low !== null && low > 0 && low <= Number.MIN_VALUE;
  if (high === null) return some ? "> 0" : low === null ? "" : `≥ ${numberText(key, low)}`;
  if (low === null || some) {
    return `${some ? "> 0, " : ""}${high === 0 ? "= 0" : `≤ ${numberText(key, high)}`}`;
  }
  if (low === high) return `= ${numberText(key, low)}`;
  if (unit !== "share" && unit !== "FLOP/B") return range(low, high, unit);
  return `${numberText(key, low)} – ${numberText(key, high)}`;
}

function valueText(value: string): string {
  return value || "none";
}

/** For a chip. */
export function filterText(filter: Filter): string {
  const not = "not" in filter && filter.not ? "not " : "";
  switch (filter.kind) {
    case "text":
      return `${not}“${wordsOf(filter.text).join(" ")}”`;
    case "pattern":
      return `${not}${filter.key ? `${columnName(filter.key)}: ` : ""}/${filter.source}/`;
    case "compare":
      return `${columnName(filter.key)} ${SIGNS[filter.operator]} ${numberText(filter.key, filter.value)}`;
    case "category": {
      const words = filter.words.map(valueText).join(" or ");
      return `${not}${columnName(filter.key)}${filter.exact ? " =" : ":"} ${words}`;
    }
    case "range":
      return `${columnName(filter.key)} ${rangeText(filter.key, filter.low, filter.high)}`;
    case "values": {
      const [first, second, ...more] = filter.values.map(valueText);
      const others = more.length ? ` +${more.length + 1}` : second ? ` or ${second}` : "";
      return `${columnName(filter.key)}: ${first}${others}`;
    }
    case "top":
      return `top ${numberText("share", filter.share)} of ${columnName(filter.key)}`;
  }
}

/** For the sentence: `latency over 1 ms`. */
function saidOf(filter: Filter): string {
  switch (filter.kind) {
    case "text": {
      const words = wordsOf(filter.text).map((word) => `“${word}”`);
      return `text ${filter.not ? "without" : "with"} ${words.join(" and ")}`;
    }
    case "pattern": {
      const where = filter.key ? columnName(filter.key) : "text";
      return `${where} ${filter.not ? "not " : ""}like /${filter.source}/`;
    }
    case "compare": {
      const number = numberText(filter.key, filter.value);
      return `${columnName(filter.key)} ${WORDS[filter.operator]} ${number}`;
    }
    case "category": {
      const verbs = filter.not ? ["is not", "does not contain"] : ["is", "contains"];
      const words = filter.words.map(valueText).join(" or ");
      return `${columnName(filter.key)} ${verbs[filter.exact ? 0 : 1]} ${words}`;
    }
    case "top":
      return `the ${filterText(filter)}`;
    default:
      return filterText(filter);
  }
}

/** All of them, as one sentence without its stop. */
export function understood(filters: readonly Filter[]): string {
  return filters.map(saidOf).join(", and ");
}
