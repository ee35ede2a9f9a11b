/** What a view keeps for a model: its layout and order, over reloads and runs of its cell. */
import { type ChartChoices, readChoices } from "../data/charts";
import { COLUMN } from "../data/columns";
import { type Filter, readFilters } from "../data/filters";
import type { Grouping } from "../data/groups";
import { type Layout, readLayout } from "../data/layout";
import type { Sort } from "../data/table";

export interface Kept {
  layout: Layout;
  sort: Sort;
  grouping: Grouping;
  open: readonly string[];
  search: string;
  filters: readonly Filter[];
  /** Width of the pane beside the table in pixels, 0 where it is closed; null where it is ours. */
  pane: number | null;
  charts?: ChartChoices;
}

const PREFIX = "talaria:view:";
/** So many models are kept; of more, those seen longest ago go. */
const MOST = 30;
const GROUPINGS: readonly Grouping[] = ["none", "module", "type", "repeats"];

/** Not every page may store: then nothing is kept. */
function storage(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

export function recall(fingerprint: string): Partial<Kept> {
  try {
    return read(JSON.parse(storage()?.getItem(PREFIX + fingerprint) ?? "{}"));
  } catch {
    return {};
  }
}

export function keep(fingerprint: string, kept: Kept) {
  const store = storage();
  if (!store) return;
  try {
    store.setItem(PREFIX + fingerprint, JSON.stringify({ ...kept, at: Date.now() }));
    forget(store);
  } catch {
    // A store that is full keeps nothing.
  }
}

function forget(store: Storage) {
  const keys = Object.keys(store).filter((key) => key.startsWith(PREFIX));
  if (keys.length <= MOST) return;
  const at = (key: string) => Number(JSON.parse(store.getItem(key) ?? "{}").at ?? 0);
  keys.sort((a, b) => at(b) - at(a));
  for (const key of keys.slice(MOST)) store.removeItem(key);
}

/** Whatever is not understood is left out: another version may have written it. */
function read(data: unknown): Partial<Kept> {
  const found = (data ?? {}) as Record<keyof Kept, unknown>;
  const kept: Partial<Kept> = { layout: readLayout(found.layout) };
  const sort = found.sort as Sort | undefined;
  if (sort && sort.key in COLUMN) kept.sort = { key: sort.key, descending: !!sort.descending };
  if (GROUPINGS.includes(found.grouping as Grouping)) kept.grouping = found.grouping as Grouping;
  if (Array.isArray(found.open)) kept.open = found.open.filter((id) => typeof id === "string");
  if (typeof found.search === "string") kept.search = found.search;
  if (Array.isArray(found.filters)) kept.filters = readFilters(found.filters);
  if (typeof found.pane === "number" || found.pane === null) kept.pane = found.pane;
  if (found.charts) kept.charts = readChoices(found.charts);
  return kept;
}
