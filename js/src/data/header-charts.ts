/** What the charts in the table's header show: bins of a number column, values of a category. */
import type { NumberColumn, Rows, TextColumn } from "./columns";
import { type Bar, type Bins, binsFor } from "./distribution";
import { type Swatch, swatchOf } from "./kinds";
import { marked } from "./preview";

/** Narrower columns have no chart. */
const LEAST = 56;
/** What a bar takes at least, in pixels, and how many there are. */
const BAR = 5;
const FEWEST = 8;
const MOST = 24;
/** A column that grows is about this much wider than its least. */
const GROWN = 1.4;
const PADDING = 8;

/** How many bars a column of a width, or of its least one, has room for; 0 is none. */
export function barsIn({ least, grow }: Pick<NumberColumn, "least" | "grow">, width?: number) {
  const wide = width ?? least * (grow ? GROWN : 1);
  if ((width ?? least) < LEAST) return 0;
  return Math.min(MOST, Math.max(FEWEST, Math.round((wide - PADDING) / BAR)));
}

const made = new WeakMap<Float64Array, Map<number, Bins | null>>();

/** Bins of a column's values before any rule: they stay where they are when rows are marked. */
export function headerBins(values: Float64Array, count: number): Bins | null {
  const known = made.get(values) ?? new Map<number, Bins | null>();
  made.set(values, known);
  let bins = known.get(count);
  if (bins === undefined) {
    bins = binsFor([values], count);
    known.set(count, bins);
  }
  return bins;
}

// ------------------------------------------------------------------------------------- categories

/** Rows with one value of a category; of those beyond the most frequent, with one of the rest. */
export interface Part extends Bar {
  label: string;
  values: readonly string[];
  /** What its colour says: a kind of operation, or whether the recipe put it there. */
  swatch: Swatch | null;
  marked: boolean;
}

const PARTS = 8;

/** The most frequent first; of one value alone there is nothing to show. */
export function partsOf(
  rows: Rows,
  column: TextColumn,
  passing: Uint8Array,
  selected: Uint8Array,
): Part[] {
  const texts = column.texts(rows);
  const found = new Map<string, Part>();
  for (let row = 0; row < texts.length; row++) {
    const text = texts[row];
    let part = found.get(text);
    if (!part) {
      part = startPart(rows, column, row, text);
      found.set(text, part);
    }
    part.all += 1;
    if (!passing[row]) continue;
    part.passing += 1;
    part.selected += selected[row];
  }
  if (found.size < 2) return [];
  const parts = [...found.values()].sort(
    (a, b) => Number(!a.label) - Number(!b.label) || b.all - a.all,
  );
  return parts.length > PARTS ? fold(parts) : parts;
}

function startPart(rows: Rows, { key }: TextColumn, row: number, text: string): Part {
  const { kinds, labels } = rows.program.meta;
  return {
    ...{ label: text, values: [text], all: 0, passing: 0, selected: 0 },
    swatch: key === "type" ? swatchOf(kinds[row], labels[row]) : null,
    marked: key === "option" && marked(rows.plan, rows.choice, row),
  };
}

function fold(parts: Part[]): Part[] {
  const rest = parts.slice(PARTS - 1);
  const sum = (count: keyof Bar) => rest.reduce((total, part) => total + part[count], 0);
  const others: Part = {
    label: `${rest.length} others`,
    values: rest.flatMap(({ values }) => values),
    ...{ all: sum("all"), passing: sum("passing"), selected: sum("selected") },
    swatch: null,
    marked: false,
  };
  return [...parts.slice(0, PARTS - 1), others];
}
