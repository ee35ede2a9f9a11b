/** Which rows pass: filters of several kinds, all of which hold at once. */
import { COLUMN, type Key, type Rows } from "./columns";
import type { Program } from "./decode";

/** Every word, or phrase in quotes, occurs in the name, type, path, source or ops. */
export interface TextFilter {
  kind: "text";
  text: string;
  not?: boolean;
}

/** A regular expression is found in a column, or wherever a text is looked for. */
export interface PatternFilter {
  kind: "pattern";
  source: string;
  key: Key | null;
  not?: boolean;
}

export type Operator = ">" | ">=" | "<" | "<=" | "=" | "!=";

/** A number of a column beside one that was typed. What is unknown passes none. */
export interface CompareFilter {
  kind: "compare";
  key: Key;
  operator: Operator;
  /** In SI units, shares as fractions. */
  value: number;
  /** How far off still counts as equal: half of the last digit typed. */
  slack: number;
}

/** One of some words occurs in a column, or is all that stands there. */
export interface CategoryFilter {
  kind: "category";
  key: Key;
  words: readonly string[];
  exact?: boolean;
  not?: boolean;
}

/** A number lies between two, both included; null is open. */
export interface RangeFilter {
  kind: "range";
  key: Key;
  low: number | null;
  high: number | null;
}

/** A column has one of some values. */
export interface ValuesFilter {
  kind: "values";
  key: Key;
  values: readonly string[];
}

/** The rows that make up a share of a column's sum, the largest first. */
export interface TopFilter {
  kind: "top";
  key: Key;
  share: number;
}

export type Filter =
  | TextFilter
  | PatternFilter
  | CompareFilter
  | CategoryFilter
  | RangeFilter
  | ValuesFilter
  | TopFilter;

type Of<Kind extends Filter["kind"]> = Extract<Filter, { kind: Kind }>;
type Test = (row: number) => boolean;

/** Per row 1 where all filters let it pass. */
export function passing(rows: Rows, filters: readonly Filter[]): Uint8Array {
  const found = new Uint8Array(rows.program.rows).fill(1);
  for (const filter of filters) {
    const passes = testOf(rows, filter);
    for (let row = 0; row < found.length; row++) if (found[row] && !passes(row)) found[row] = 0;
  }
  return found;
}

function testOf(rows: Rows, filter: Filter): Test {
  const test = (TESTS[filter.kind] as (rows: Rows, filter: Filter) => Test)(rows, filter);
  return "not" in filter && filter.not ? (row) => !test(row) : test;
}

const TESTS: { [Kind in Filter["kind"]]: (rows: Rows, filter: Of<Kind>) => Test } = {
  text({ program }, { text }) {
    const words = wordsOf(text).map(fold);
    const texts = haystacksOf(program);
    return (row) => words.every((word) => texts[row].includes(word));
  },
  pattern(rows, { source, key }) {
    const pattern = new RegExp(source, "im");
    if (key === null) {
      const texts = haystacksOf(rows.program);
      return (row) => pattern.test(texts[row]);
    }
    return byText(rows, key, (text) => pattern.test(text));
  },
  compare(rows, { key, operator, value, slack }) {
    const values = numbersOf(rows, key);
    const compare = COMPARISONS[operator];
    return (row) => !Number.isNaN(values[row]) && compare(values[row], value, slack);
  },
  category(rows, { key, words, exact }) {
    const wanted = words.map(fold);
    return byText(rows, key, (text) =>
      exact
        ? text.split("\n").some((part) => wanted.includes(fold(part)))
        : wanted.some((word) => fold(text).includes(word)),
    );
  },
  range(rows, { key, low, high }) {
    const values = numbersOf(rows, key);
    const [from, to] = [low ?? Number.NEGATIVE_INFINITY, high ?? Number.POSITIVE_INFINITY];
    return (row) => values[row] >= from && values[row] <= to;
  },
  values(rows, { key, values }) {
    const column = COLUMN[key];
    if (column.kind === "number") return () => false;
    const wanted = new Set(values);
    const texts = column.texts(rows);
    return (row) => wanted.has(texts[row]);
  },
  top(rows, { key, share }) {
    const top = topRows(numbersOf(rows, key), share);
    return (row) => top[row] === 1;
  },
};

const COMPARISONS: Record<Operator, (x: number, value: number, slack: number) => boolean> = {
  ">": (x, value) => x > value,
  ">=": (x, value) => x >= value,
  "<": (x, value) => x < value,
  "<=": (x, value) => x <= value,
  "=": (x, value, slack) => Math.abs(x - value) <= slack,
  "!=": (x, value, slack) => Math.abs(x - value) > slack,
};

export const OPPOSITE: Record<Operator, Operator> = {
  ">": "<=",
  ">=": "<",
  "<": ">=",
  "<=": ">",
  "=": "!=",
  "!=": "=",
};

const NO_NUMBERS = new Float64Array();

function numbersOf({ program, now }: Rows, key: Key): Float64Array {
  const column = COLUMN[key];
  return column.kind === "number" ? column.numbers(program, now) : NO_NUMBERS;
}

/** 1 where a row is among the largest that together make up a share of the sum. */
export function topRows(values: Float64Array, share: number): Uint8Array {
  const found = new Uint8Array(values.length);
  const known = Array.from(values.keys()).filter((row) => values[row] > 0);
  known.sort((a, b) => values[b] - values[a] || a - b);
  const whole = known.reduce((sum, row) => sum + values[row], 0);
  let sum = 0;
  for (const row of known) {
    if (sum >= share * whole) break;
    found[row] = 1;
    sum += values[row];
  }
  return found;
}

// ---------------------------------------------------------------------------------------- words

/** A column's text, each different one tested once; a type is also found by its kind. */
function byText(rows: Rows, key: Key, passes: (text: string) => boolean): Test {
  const column = COLUMN[key];
  if (column.kind === "number") return () => false;
  const texts = column.texts(rows);
  const { kinds } = rows.program.meta;
  const known = new Map<string, boolean>();
  return (row) => {
    const text = key === "type" ? `${texts[row]}\n${kinds[row]}` : texts[row];
    let found = known.get(text);
    if (found === undefined) {
      found = passes(text);
      known.set(text, found);
    }
    return found;
  };
}

/** Words and phrases in quotes. */
export function wordsOf(text: string): string[] {
  const found = text.match(/"[^"]*"?|\S+/g) ?? [];
  return found.map((word) => word.replace(/^"|"$/g, "")).filter(Boolean);
}

/** Nobody types ×. */
function fold(text: string): string {
  return text.toLowerCase().replaceAll("×", "x");
}

/** What the search looks through, per row; made once per program. */
const haystacks = new WeakMap<Program, string[]>();

function haystacksOf(program: Program): string[] {
  const known = haystacks.get(program);
  if (known) return known;
  const { names, labels, kinds, paths, sources, ops } = program.meta;
  const made = names.map((name, row) =>
    fold([name, labels[row], kinds[row], paths[row], sources[row], ...ops[row]].join("\n")),
  );
  haystacks.set(program, made);
  return made;
}

// -------------------------------------------------------------------------------- how they change

/** Filters with others stacked on them, each once. */
export function stack(filters: readonly Filter[], added: readonly Filter[]): Filter[] {
  const known = new Set(filters.map((filter) => JSON.stringify(filter)));
  return [...filters, ...added.filter((filter) => !known.has(JSON.stringify(filter)))];
}

/** The one range of a column; none where both ends are open. */
export function withRange(filters: readonly Filter[], range: RangeFilter): Filter[] {
  return replaced(filters, range, range.low !== null || range.high !== null);
}

export function rangeOf(filters: readonly Filter[], key: Key): RangeFilter | null {
  const found = filters.find((filter) => filter.kind === "range" && filter.key === key);
  return (found as RangeFilter | undefined) ?? null;
}

export function valuesOf(filters: readonly Filter[], key: Key): readonly string[] {
  const found = filters.find((filter) => filter.kind === "values" && filter.key === key);
  return (found as ValuesFilter | undefined)?.values ?? [];
}

/** The one choice of values of a column; of none, no filter. */
export function withValues(
  filters: readonly Filter[],
  key: Key,
  values: readonly string[],
): Filter[] {
  return replaced(filters, { kind: "values", key, values }, values.length > 0);
}

/** In the place of the filter of its kind on its column, or at the end. */
function replaced(
  filters: readonly Filter[],
  filter: RangeFilter | ValuesFilter,
  stays: boolean,
): Filter[] {
  const same = (other: Filter) => other.kind === filter.kind && other.key === filter.key;
  if (!stays) return filters.filter((other) => !same(other));
  if (!filters.some(same)) return [...filters, filter];
  return filters.map((other) => (same(other) ? filter : other));
}

/** Filters as they were kept; whatever is not understood is left out. */
export function readFilters(data: unknown): Filter[] {
  return Array.isArray(data) ? data.filter(isFilter) : [];
}

function isFilter(data: unknown): data is Filter {
  const found = (data ?? {}) as Record<string, unknown>;
  const { kind, key } = found;
  const number = (value: unknown) => typeof value === "number" && Number.isFinite(value);
  const texts = (value: unknown) =>
    Array.isArray(value) && value.every((text) => typeof text === "string");
  const column = typeof key === "string" && Object.hasOwn(COLUMN, key) ? COLUMN[key as Key] : null;
  const numeric = column?.kind === "number";
  switch (kind) {
    case "text":
      return typeof found.text === "string";
    case "pattern":
      return (key === null || column !== null) && isPattern(found.source);
    case "compare":
      return (
        numeric &&
        Object.hasOwn(COMPARISONS, String(found.operator)) &&
        number(found.value) &&
        number(found.slack)
      );
    case "category":
      return column !== null && !numeric && texts(found.words);
    case "values":
      return column !== null && !numeric && texts(found.values);
    case "range":
      return numeric && [found.low, found.high].every((end) => end === null || number(end));
    case "top":
      return numeric && number(found.share);
    default:
      return false;
  }
}

function isPattern(source: unknown): boolean {
  try {
    return typeof source === "string" && new RegExp(source, "im") instanceof RegExp;
  } catch {
    return false;
  }
}
