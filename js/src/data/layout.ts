/** Which columns a table shows, in which order and how wide: by the widget's width, or as chosen. */
import { COLUMN, COLUMNS, type Column, type Key } from "./columns";

/** What the user chose; the rest follows the width. */
export interface Layout {
  /** Shown or hidden by hand. */
  shown: Readonly<Partial<Record<Key, boolean>>>;
  /** The order, where it is not ours; columns that it does not name come after it. */
  order: readonly Key[];
  /** Widths in pixels, of columns that were resized. */
  widths: Readonly<Partial<Record<Key, number>>>;
}

export const OURS: Layout = { shown: {}, order: [], widths: {} };

/** From which width of the widget a column is shown by itself; the others are never. */
const FROM: Partial<Record<Key, number>> = {
  order: 900,
  name: 0,
  type: 561,
  shape: 1500,
  macs: 762,
  weights: 421,
  latency: 0,
  energy: 1300,
  share: 900,
  option: 0,
};

export const LEAST = 40;
/** The name's width gives way first. */
const LEAST_NAME = 100;

/** All columns in the order of a layout; the name leads with its number. */
export function ordered({ order }: Layout): Column[] {
  const rest = COLUMNS.filter(({ key }) => !order.includes(key));
  return [...order.flatMap((key) => COLUMN[key] ?? []), ...rest];
}

/** What gives way by itself where the table has no room for all, the first first. */
const GIVES_WAY: readonly Key[] = ["shape", "energy", "share", "order", "macs", "type"];

/** The columns shown at a width of the widget, of which the table has some room; where too many
 * were shown by hand none gives way, and it scrolls. */
export function visibleColumns(
  layout: Layout,
  width: number,
  room = Number.POSITIVE_INFINITY,
): Column[] {
  const all = ordered(layout).filter(({ key }) => isShown(layout, key, width));
  let columns = all;
  for (const key of [null, ...GIVES_WAY]) {
    if (key && layout.shown[key] === undefined) columns = columns.filter((c) => c.key !== key);
    if (gridOf(columns, layout, width).least <= room) return columns;
  }
  return all;
}

function isShown({ shown }: Layout, key: Key, width: number): boolean {
  return key === "name" || (shown[key] ?? width >= (FROM[key] ?? Number.POSITIVE_INFINITY));
}

/** The grid's columns, the least width of all, and whether one is narrower than it wants to be;
 * `rows` have to be numbered. */
export function gridOf(columns: readonly Column[], { widths }: Layout, width: number, rows = 0) {
  let least = 0;
  let tight = false;
  const numbers = 10 + 8 * String(rows).length;
  const tracks = columns.map(({ key, least: own, grow }) => {
    const fixed = widths[key];
    const floor = key === "name" ? Math.min(own, Math.max(LEAST_NAME, width * 0.25)) : own;
    const wide = key === "order" ? Math.max(floor, numbers) : floor;
    const narrow = width < 562 ? Math.min(wide, key === "latency" ? 112 : 100) : wide;
    least += fixed ?? narrow;
    tight ||= fixed !== undefined && fixed < own;
    if (fixed) return `${fixed}px`;
    return grow ? `minmax(${narrow}px, ${grow}fr)` : `${narrow}px`;
  });
  return { template: tracks.join(" "), least, tight };
}

/** The pane beside the table, in pixels: narrower than this it closes, wider the table is lost. */
export const LEAST_PANE = 160;
const LEAST_TABLE = 380;

/** The pane's width by itself, as design has it, and the most it may be. */
export function paneWidth(width: number): { usual: number; most: number } {
  const usual = width >= 1300 ? 380 : width < 900 ? 276 : 290;
  return { usual, most: Math.max(usual, width - LEAST_TABLE) };
}

// --------------------------------------------------------------------------------- how it changes

export function show(layout: Layout, key: Key, shown: boolean): Layout {
  return { ...layout, shown: { ...layout.shown, [key]: shown } };
}

/** Put a column before another one; `null` puts it last. */
export function move(layout: Layout, key: Key, before: Key | null): Layout {
  const keys = ordered(layout)
    .map((column) => column.key)
    .filter((other) => other !== key);
  const at = before === null ? keys.length : keys.indexOf(before);
  keys.splice(at < 0 ? keys.length : at, 0, key);
  return { ...layout, order: keys };
}

export function resize(layout: Layout, key: Key, width: number | null): Layout {
  const { [key]: _, ...widths } = layout.widths;
  if (width === null) return { ...layout, widths };
  return { ...layout, widths: { ...widths, [key]: Math.max(LEAST, Math.round(width)) } };
}

/** A layout as it was kept; whatever is not understood is left out. */
export function readLayout(data: unknown): Layout {
  const kept = (data ?? {}) as { shown?: unknown; order?: unknown; widths?: unknown };
  return {
    shown: entries(kept.shown, (value): value is boolean => typeof value === "boolean"),
    order: Array.isArray(kept.order) ? kept.order.filter((key) => key in COLUMN) : [],
    widths: entries(kept.widths, (value): value is number => Number(value) >= LEAST),
  };
}

function entries<T>(data: unknown, fits: (value: unknown) => value is T): Partial<Record<Key, T>> {
  const pairs = Object.entries(data ?? {}).filter(([key, value]) => key in COLUMN && fits(value));
  return Object.fromEntries(pairs) as Partial<Record<Key, T>>;
}
