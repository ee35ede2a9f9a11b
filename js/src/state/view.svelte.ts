/** What one view of the widget keeps for itself: never synced, never seen by Python. */
import type { Key } from "../data/columns";
import type { Evaluation } from "../data/decode";
import { type Metric, type OptionCost, priceMenu } from "../data/preview";
import { priceRule } from "../data/rules";
import type { Kept } from "./kept";
import { StripState } from "./strip.svelte";
import { TableState } from "./table.svelte";
import type { TalariaState } from "./talaria.svelte";

export type Pane = "table" | "graph" | "recipe" | "details";

/** Below this width of the widget the pane becomes tabs over the table. */
export const NARROW = 760;

export const NOTHING: ReadonlySet<number> = new Set();

/** The column whose rows make up a total. */
const COLUMN_OF: Readonly<Record<Metric, Key>> = {
  size_bytes: "weights",
  latency_s: "latency",
  energy_j: "energy",
  peak_memory_bytes: "memory",
};

export class ViewState {
  /** Rows under the pointer, in whichever view it is. */
  hovered = $state.raw<ReadonlySet<number>>(NOTHING);
  /** The row that has, or would have, the keyboard's focus; or a group, by its id. */
  active = $state.raw<number | null>(null);
  activeGroup = $state.raw<string | null>(null);
  anchor: number | null = null;
  pane = $state.raw<Pane>("table");
  /** Width of the pane beside the table in pixels, 0 where it is closed; null where it is ours. */
  paneWidth = $state.raw<number | null>(null);
  /** Over the whole window. */
  full = $state.raw(false);
  menuOpen = $state.raw(false);
  /** The rule whose option menu is open, by its place. */
  ruleMenu = $state.raw<number | null>(null);
  /** The option that the menu points at, by its label: prices may change meanwhile. */
  pointed = $state.raw<string | null>(null);
  /** A row that another view asks the table to bring into sight. */
  reveal = $state.raw<{ row: number } | null>(null);

  table: TableState;
  strip = new StripState();

  #talaria: TalariaState;

  /** What the menu says of each option. */
  costs = $derived.by((): OptionCost[] => {
    const { plan, choice, selectedRows, recipe } = this.#talaria;
    if (this.menuOpen || (this.pane === "details" && selectedRows.length))
      return priceMenu(plan, choice, selectedRows);
    const at = this.ruleMenu;
    return at === null || !recipe.rules[at] ? [] : priceRule(plan, recipe.rules, at);
  });

  /** The option that the menu points at, if it can be had. */
  candidate = $derived.by((): OptionCost | null => {
    const { options } = this.#talaria.program.meta;
    const wanted = this.pointed;
    if (wanted === null) return null;
    return this.costs.find((cost) => options[cost.option].label === wanted && !cost.reason) ?? null;
  });

  /** What the views show: the option pointed at, else what is. */
  shown = $derived.by((): Evaluation => this.candidate?.evaluation ?? this.#talaria.now);

  constructor(talaria: TalariaState) {
    this.#talaria = talaria;
    this.table = new TableState(talaria, this);
  }

  /** What is kept of this view for the next one of the same model. */
  kept = $derived.by((): Kept => {
    const { layout, sort, grouping, open, search, filters } = this.table;
    const charts = this.strip.choices;
    return {
      layout,
      sort,
      grouping,
      open: [...open],
      search,
      filters,
      pane: this.paneWidth,
      charts,
    };
  });

  recall(kept: Partial<Kept>) {
    const { table } = this;
    table.layout = kept.layout ?? table.layout;
    table.sort = kept.sort ?? table.sort;
    table.grouping = kept.grouping ?? table.grouping;
    table.open = new Set(kept.open ?? []);
    table.search = kept.search ?? table.search;
    table.filters = kept.filters ?? table.filters;
    this.paneWidth = kept.pane ?? null;
    this.strip.choose(kept.charts ?? {});
  }

  /** Opens the pane that tells all of what is selected. */
  openDetails() {
    this.pane = "details";
    this.paneWidth ||= null;
  }

  /** The tasks that make up most of a total on top, in a column that may have been out of sight. */
  showLargest(metric: Metric) {
    this.table.showLargest(COLUMN_OF[metric]);
    if (this.table.width < NARROW) this.pane = "table";
  }

  /** Other rows have come: what was held on to goes along, by name. */
  carry(carry: (row: number) => number) {
    const follow = (row: number | null) => {
      const found = row === null ? -1 : carry(row);
      return found < 0 ? null : found;
    };
    this.active = follow(this.active);
    this.anchor = follow(this.anchor);
    this.activeGroup = null;
    this.hovered = NOTHING;
    this.reveal = null;
  }
}
