/** The table of one view: its order, filters, groups and columns, and the lines that follow. */
import { untrack } from "svelte";
import { COLUMN, type Key, type Rows } from "../data/columns";
import { columnScales, type Figures, largestAmong } from "../data/figures";
import {
  type Filter,
  passing,
  type RangeFilter,
  stack,
  withRange,
  withValues,
} from "../data/filters";
import { sharedPrefix } from "../data/format";
import { type Group, type Grouping, groupRows } from "../data/groups";
import { gridOf, type Layout, OURS, show, visibleColumns } from "../data/layout";
import { parseSearch } from "../data/search";
import { castLines, layLines, ranker, type Sort, sortRows } from "../data/table";
import type { TalariaState } from "./talaria.svelte";
import type { ViewState } from "./view.svelte";

/** Below this width of the widget the header has no charts. */
const CHARTS_FROM = 540;
/** Heights of the header, without charts and with them. */
const HEADER = [28, 46] as const;
/** "The top 80 %". */
const TOP = 0.8;

/** From this many rows on the table is drawn first of all, and the charts around it follow. */
const LARGE = 2000;

/** What the table's frame has to itself: time for a key or a click in between. */
const REST_MS = 20;

/** What charts are drawn from. */
export interface Seen {
  rows: Rows;
  passing: Uint8Array;
  /** Per row 1 where it is selected; and these rows. */
  selected: Uint8Array;
  picked: ReadonlySet<number>;
}

const NONE = new Map<number, never>();

/** The same nothing every time: lines are laid anew only where something stands under them. */
function orNone<T>(found: ReadonlyMap<number, T>): ReadonlyMap<number, T> {
  return found.size ? found : NONE;
}

export class TableState {
  sort = $state.raw<Sort>({ key: "latency", descending: true });
  /** Counts the times the user asked for the present order. */
  sortAsked = $state.raw(0);
  /** What is typed in the search. */
  search = $state.raw("");
  filters = $state.raw<readonly Filter[]>([]);
  grouping = $state.raw<Grouping>("none");
  /** Groups that show what is in them, by id. */
  open = $state.raw<ReadonlySet<string>>(new Set());
  layout = $state.raw<Layout>(OURS);
  /** Of the widget, in pixels. */
  width = $state.raw(1040);
  /** What the table has of it. */
  room = $state.raw(Number.POSITIVE_INFINITY);

  #talaria: TalariaState;
  #view: ViewState;

  constructor(talaria: TalariaState, view: ViewState) {
    this.#talaria = talaria;
    this.#view = view;
  }

  rows = $derived.by(
    (): Rows => ({
      program: this.#talaria.program,
      plan: this.#talaria.plan,
      choice: this.#talaria.choice,
      before: this.#talaria.baseline,
      now: this.#view.shown,
    }),
  );

  /** Neither marking nor a better price moves rows: what is looked at holds until it is asked for. */
  #settled = $derived.by((): Rows => {
    void this.sortAsked;
    void this.filters;
    void this.search;
    void this.#talaria.rowsRevision;
    return untrack(() => ({ ...this.rows, now: this.#talaria.now }));
  });

  order = $derived.by(() => {
    void this.sortAsked;
    void this.#talaria.rowsRevision;
    const { sort } = this;
    return untrack(() => {
      const rows = { ...this.rows, now: this.#talaria.now };
      const order = sortRows(rows, sort);
      return { order, rank: ranker(rows, sort, order), seconds: rows.now.totals.latency_s };
    });
  });

  /** The order is from before the last change. */
  stale = $derived.by(
    () => COLUMN[this.sort.key].live && this.order.seconds !== this.#talaria.now.totals.latency_s,
  );

  /** What is typed, understood. */
  typed = $derived.by(() => parseSearch(this.search, this.#scales));

  allFilters = $derived.by((): readonly Filter[] =>
    this.typed.filters.length ? [...this.filters, ...this.typed.filters] : this.filters,
  );

  /** Per row 1 where all filters let it pass. */
  passing = $derived.by(() => passing(this.#settled, this.allFilters));

  /** The rows that pass, in the order of the sort. */
  shown = $derived.by(() => this.order.order.filter((row) => this.passing[row] === 1));

  picked = $derived.by((): ReadonlySet<number> => new Set(this.#talaria.selectedRows));

  /** What the table shows, and what the charts show: that of a frame ago. */
  #seen = $derived.by((): Seen => {
    const { rows, passing, picked } = this;
    const selected = Uint8Array.from(passing, (_, row) => Number(picked.has(row)));
    return { rows, passing, selected, picked };
  });
  #drawn = $state.raw<{ seen: Seen; rowsRevision: number } | null>(null);
  #following = false;

  charted = $derived.by((): Seen => {
    const current = this.#drawn?.rowsRevision === this.#talaria.rowsRevision;
    return this.#drawn && current ? this.#drawn.seen : this.#seen;
  });

  /** The table has been drawn, and the charts may be. */
  painted = $derived.by(() => this.#drawn !== null || this.#talaria.program.rows < LARGE);

  /** Lets the charts follow when the table is drawn: an effect of the view that has both. */
  follow() {
    const seen = this.#seen;
    if (this.#following || this.#drawn?.seen === seen) return;
    this.#following = true;
    const draw = () => {
      this.#following = false;
      this.#drawn = { seen: this.#seen, rowsRevision: this.#talaria.rowsRevision };
    };
    requestAnimationFrame(() => setTimeout(draw, REST_MS));
  }

  casts = $derived.by(() => orNone(castLines(this.#talaria.program, this.#view.shown)));

  /** What stands under rows whose option the device cannot run. */
  notes = $derived.by(() =>
    orNone(
      new Map(
        this.#talaria.report.meta.refused.flatMap(({ row, reason, runs_as }) => {
          const at = this.#talaria.indexOfName.get(row);
          return at === undefined ? [] : [[at, `runs as ${runs_as}: ${reason}`] as const];
        }),
      ),
    ),
  );

  forest = $derived.by(() => groupRows(this.#talaria.program, this.grouping));

  laid = $derived.by(() =>
    layLines({
      order: this.order.order,
      rank: this.order.rank,
      passes: (row) => this.passing[row] === 1,
      forest: this.forest,
      open: this.open,
      casts: this.casts,
      notes: this.notes,
    }),
  );

  columns = $derived.by(() => visibleColumns(this.layout, this.width, this.room));

  grid = $derived.by(() =>
    gridOf(this.columns, this.layout, this.width, this.#talaria.program.rows),
  );

  charts = $derived.by(() => this.width >= CHARTS_FROM);
  headerHeight = $derived.by(() => HEADER[Number(this.charts)]);

  #base = $derived.by(() => ({ program: this.#talaria.program, before: this.#talaria.baseline }));
  #scales = $derived.by(() => columnScales(this.#base));
  #prefix = $derived.by(() => sharedPrefix(this.#talaria.program.meta.names));
  #largest = $derived.by(() => {
    const tops = this.forest.groups.filter((group) => group.rows.some((row) => this.passing[row]));
    const singles = this.grouping === "none" ? this.shown : this.forest.own;
    return largestAmong(
      this.#base,
      singles,
      tops.map(({ rows }) => rows),
    );
  });

  figures = $derived.by(
    (): Figures => ({
      ...this.rows,
      columns: this.columns,
      prefix: this.#prefix,
      scales: this.#scales,
      largest: this.#largest,
    }),
  );

  // ------------------------------------------------------------------------------- what is asked

  /** Sort by a column: again the other way, or anew where the order is stale. */
  sortBy(key: Key) {
    const column = COLUMN[key];
    const first = column.kind === "number" && key !== "order";
    const same = this.sort.key === key;
    if (!same || !this.stale) {
      this.sort = { key, descending: same ? !this.sort.descending : first };
    }
    this.sortAsked += 1;
  }

  /** A column, shown, with its largest values on top. */
  showLargest(key: Key) {
    this.layout = show(this.layout, key, true);
    this.sort = { key, descending: true };
    this.sortAsked += 1;
  }

  groupBy(grouping: Grouping) {
    this.grouping = grouping;
    this.open = new Set();
  }

  toggle(group: Group, open = !this.open.has(group.id)) {
    const next = new Set(this.open);
    if (open) next.add(group.id);
    else next.delete(group.id);
    this.open = next;
  }

  /** What is typed becomes filters that stay; false where some of it is not understood. */
  keepSearch(): boolean {
    const { filters, problem } = this.typed;
    if (problem || !filters.length) return false;
    this.filters = stack(this.filters, filters);
    this.search = "";
    return true;
  }

  removeFilter(filter: Filter) {
    this.filters = this.filters.filter((other) => other !== filter);
  }

  setRange(range: RangeFilter) {
    this.filters = withRange(this.filters, range);
  }

  setValues(key: Key, values: readonly string[]) {
    this.filters = withValues(this.filters, key, values);
  }

  /** The column whose largest rows are the top: the sorted one where it adds up. */
  topKey = $derived.by((): Key => {
    const column = COLUMN[this.sort.key];
    return column.kind === "number" && column.adds ? column.key : "latency";
  });

  /** The filter that the button of the top puts on. */
  topFilter = $derived.by(() =>
    this.filters.find((filter) => filter.kind === "top" && filter.share === TOP),
  );

  toggleTop() {
    if (this.topFilter) this.removeFilter(this.topFilter);
    else this.filters = stack(this.filters, [{ kind: "top", key: this.topKey, share: TOP }]);
  }

  clearFilters() {
    this.search = "";
    this.filters = [];
  }
}
