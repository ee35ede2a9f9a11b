/**
 * What is typed in the search as filters: words, "phrases", `/expressions/`, `latency > 1ms`,
 * `latency:10us..1ms`, `type:conv`, and any of them with `-` or `!` before it for its opposite.
 */
import { COLUMN, COLUMNS, type Column, type Key, type NumberColumn } from "./columns";
import type { Figures } from "./figures";
import { columnName, understood } from "./filter-text";
import { type Filter, OPPOSITE, type Operator } from "./filters";
import { readNumber } from "./search-numbers";

export interface Search {
  filters: readonly Filter[];
  /** What was understood; empty where nothing is typed. */
  hint: string;
  /** One sentence of what was not. */
  problem: string;
}

type Scales = Figures["scales"];

/** What one piece of the text gives. */
interface Term {
  length: number;
  filter?: Filter;
  /** A word to be looked for with its neighbours. */
  word?: string;
  problem?: string;
}

const SPACE = /^[\s,;]+/;
const NOT = /^[-!](?=[^\s\d])/;
const PATTERN = /^\/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\])+)\/(?=[\s,;]|$)/;
/** Not ended, and no name either. */
const UNENDED = /^\/[^/]*[()[\]{}*+?^$|\\][^/]*$/;
const COLUMN_TERM = /^([\p{L}_#]+)(?:\s*(>=|<=|=>|=<|≥|≤|!=|≠|==?|>|<)|:)\s*/u;
const OPERATORS: Record<string, Operator> = {
  ">": ">",
  ">=": ">=",
  "=>": ">=",
  "≥": ">=",
  "<": "<",
  "<=": "<=",
  "=<": "<=",
  "≤": "<=",
  "=": "=",
  "==": "=",
  "!=": "!=",
  "≠": "!=",
};
const OPERATOR = /^(>=|<=|=>|=<|≥|≤|!=|≠|==?|>|<)\s*/;
const TOP = /^top\s*:?\s*(\d+(?:[.,]\d+)?)\s*%(?:\s+of\s+([\p{L}_]+))?(?=[\s,;]|$)/iu;
const AND = /^(and|&&?)$/i;

export function parseSearch(text: string, scales: Scales): Search {
  const filters: Filter[] = [];
  const words: string[] = [];
  const problems: string[] = [];
  let rest = text;
  for (;;) {
    rest = rest.replace(SPACE, "");
    if (!rest) break;
    const not = NOT.test(rest);
    if (not) rest = rest.slice(1);
    const term = readTerm(rest, not, scales);
    rest = rest.slice(Math.max(1, term.length));
    if (term.filter) filters.push(term.filter);
    if (term.problem) problems.push(term.problem);
    if (term.word && not) filters.push({ kind: "text", text: term.word, not });
    else if (term.word) words.push(term.word);
  }
  const plain = filters.length || problems.length ? words.filter((word) => !AND.test(word)) : words;
  const texts: Filter[] = plain.length ? [{ kind: "text", text: plain.join(" ") }] : [];
  const found = [...texts, ...filters];
  return { filters: found, hint: understood(found), problem: problems[0] ?? "" };
}

function readTerm(text: string, not: boolean, scales: Scales): Term {
  const top = TOP.exec(text);
  const topKey = top && (columnOf(top[2] ?? "latency")?.key ?? null);
  if (top && topKey && COLUMN[topKey].kind === "number" && !not) {
    const share = Math.min(1, Number(top[1].replace(",", ".")) / 100);
    return { length: top[0].length, filter: { kind: "top", key: topKey, share } };
  }
  const head = COLUMN_TERM.exec(text);
  const column = head ? columnOf(head[1]) : null;
  if (head && column) {
    const after = text.slice(head[0].length);
    const operator = head[2] ? OPERATORS[head[2]] : null;
    const term =
      column.kind === "number"
        ? readComparison(after, column, operator, not, scales)
        : readWords(after, column, operator, not);
    return { ...term, length: head[0].length + term.length };
  }
  return readText(text, not, head?.[2] ? head[1] : "");
}

/** By its key, its title, or what else it is called. */
function columnOf(word: string): Column | null {
  const wanted = word.toLowerCase();
  return (
    COLUMNS.find(({ key }) => key === wanted) ??
    COLUMNS.find(({ title }) => title.toLowerCase() === wanted) ??
    COLUMNS.find(({ words }) => words.includes(wanted)) ??
    null
  );
}

// --------------------------------------------------------------------------------------- numbers

const EXAMPLES: Record<string, string> = {
  s: "1 ms",
  J: "5 µJ",
  B: "64 kB",
  MAC: "10 M",
  FLOP: "1 G",
  share: "5 %",
};

function readComparison(
  text: string,
  column: NumberColumn,
  given: Operator | null,
  not: boolean,
  scales: Scales,
): Term {
  const { key } = column;
  const scale = key === "order" ? undefined : scales[key];
  const written = given ? null : OPERATOR.exec(text);
  const start = written?.[0].length ?? 0;
  const operator = given ?? (written ? OPERATORS[written[1]] : "=");
  const number = readNumber(text.slice(start), column, scale);
  const example = EXAMPLES[column.unit] ?? "8";
  const name = columnName(key);
  if (!number) return readOpenRange(text, column, not, scales, example);
  const end = start + number.length;
  if (Number.isNaN(number.value)) {
    const word = /^\S*/.exec(text.slice(start).trimStart())?.[0] ?? "";
    return {
      length: start + text.slice(start).indexOf(word) + word.length,
      problem: `“${word}” has no unit of ${name}: write it like ${example}.`,
    };
  }
  if (!given && !written && text.startsWith("..", end)) {
    const top = readNumber(text.slice(end + 2), column, scale);
    const high = top && !Number.isNaN(top.value) ? top.value : null;
    // `10..130us`: the unit at the end is of both.
    const low =
      bare(number.text) && top && !bare(top.text) ? rescaled(number.text, top) : number.value;
    return ranged(key, low, high, not, end + 2 + (top?.length ?? 0));
  }
  const { value, slack } = number;
  const compared = not ? OPPOSITE[operator] : operator;
  return { length: end, filter: { kind: "compare", key, operator: compared, value, slack } };
}

function bare(text: string): boolean {
  return /^[\d.,]+$/.test(text);
}

function rescaled(text: string, top: { value: number; text: string }): number {
  const digits = Number.parseFloat(top.text.replace(",", "."));
  return Number(text.replace(",", ".")) * (digits > 0 ? top.value / digits : 1);
}

/** `..130us`, or nothing that could be a number. */
function readOpenRange(
  text: string,
  column: NumberColumn,
  not: boolean,
  scales: Scales,
  example: string,
): Term {
  const scale = column.key === "order" ? undefined : scales[column.key];
  const top = text.startsWith("..") ? readNumber(text.slice(2), column, scale) : null;
  if (top && !Number.isNaN(top.value)) {
    return ranged(column.key, null, top.value, not, 2 + top.length);
  }
  const name = columnName(column.key);
  const word = /^\S*/.exec(text)?.[0] ?? "";
  const problem = word
    ? `“${word}” is no number: write ${name} > ${example}.`
    : `What is ${name} compared with? Write ${name} > ${example}.`;
  return { length: word.length, problem };
}

function ranged(
  key: Key,
  low: number | null,
  high: number | null,
  not: boolean,
  length: number,
): Term {
  if (not)
    return { length, problem: `Leave out the − before ${columnName(key)}: ranges have none.` };
  return { length, filter: { kind: "range", key, low, high } };
}

// ----------------------------------------------------------------------------------------- words

function readWords(text: string, column: Column, operator: Operator | null, not: boolean): Term {
  const { key } = column;
  const name = columnName(key);
  if (operator && operator !== "=" && operator !== "!=") {
    const word = /^\S*/.exec(text)?.[0] ?? "";
    return { length: word.length, problem: `There are words in ${name}: write ${name}:word.` };
  }
  const negated = not !== (operator === "!=");
  if (text.startsWith("/")) {
    const pattern = readPattern(text, key, negated);
    if (pattern) return pattern;
  }
  const value = /^(?:"[^"]*"?|[^\s"|]+)(?:\|(?:"[^"]*"?|[^\s"|]+))*/.exec(text)?.[0] ?? "";
  const words = (value.match(/"[^"]*"?|[^"|]+/g) ?? [])
    .map((word) => word.replace(/^"|"$/g, ""))
    .filter(Boolean);
  if (!words.length) {
    return { length: value.length, problem: `Which ${name}? Write ${name}:word.` };
  }
  return {
    length: value.length,
    filter: {
      kind: "category",
      key,
      words,
      ...(operator && { exact: true }),
      ...(negated && { not: true }),
    },
  };
}

function readText(text: string, not: boolean, unknown: string): Term {
  if (text.startsWith("/")) {
    const pattern = readPattern(text, null, not);
    if (pattern) return pattern;
  }
  const word = /^(?:"[^"]*"?|\S+)/.exec(text)?.[0] ?? text;
  if (!word.replaceAll('"', "")) return { length: word.length };
  return {
    length: word.length,
    word,
    ...(unknown && { problem: `No column is called “${unknown}”: it is looked for as text.` }),
  };
}

function readPattern(text: string, key: Key | null, not: boolean): Term | null {
  const found = PATTERN.exec(text);
  if (!found) {
    if (!UNENDED.test(text)) return null;
    return {
      length: text.length,
      problem: "The regular expression is not ended yet: end it with /.",
    };
  }
  const [{ length }, source] = found;
  try {
    new RegExp(source, "im");
  } catch (error) {
    const reason = String((error as Error).message)
      .split(": ")
      .at(-1);
    return { length, problem: `/${source}/ is no regular expression: ${reason?.toLowerCase()}.` };
  }
  return { length, filter: { kind: "pattern", source, key, ...(not && { not: true }) } };
}
