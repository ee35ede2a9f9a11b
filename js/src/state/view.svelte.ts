/** What one view of the widget keeps for itself: never synced, never seen by Python. */
import type { Evaluation } from "../data/decode";
import { type OptionCost, priceMenu } from "../data/preview";
import type { Sort, SortKey } from "../data/table";
import type { TalariaState } from "./talaria.svelte";

export type Pane = "table" | "graph" | "recipe";

export const NOTHING: ReadonlySet<number> = new Set();

export class ViewState {
  sort = $state.raw<Sort>({ key: "latency", descending: true });
  /** Counts the times the user asked for the present order. */
  sortAsked = $state(0);
  filter = $state("");
  /** Rows under the pointer, in whichever view it is. */
  hovered = $state.raw<ReadonlySet<number>>(NOTHING);
  /** The row that has, or would have, the keyboard's focus. */
  active = $state<number | null>(null);
  anchor: number | null = null;
  pane = $state<Pane>("table");
  menuOpen = $state(false);
  /** The option that the menu points at, by its label: prices may change meanwhile. */
  pointed = $state<string | null>(null);
  /** A row that another view asks the table to bring into sight. */
  reveal = $state.raw<{ row: number } | null>(null);

  #talaria: TalariaState;

  /** What the menu says of each option. */
  costs = $derived.by((): OptionCost[] =>
    this.menuOpen
      ? priceMenu(this.#talaria.plan, this.#talaria.choice, this.#talaria.selectedRows)
      : [],
  );

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
  }

  /** Other rows have come: what was held on to goes along, by name. */
  carry(carry: (row: number) => number) {
    const follow = (row: number | null) => {
      const found = row === null ? -1 : carry(row);
      return found < 0 ? null : found;
    };
    this.active = follow(this.active);
    this.anchor = follow(this.anchor);
    this.hovered = NOTHING;
    this.reveal = null;
  }

  setSort(key: SortKey) {
    const first = key !== "order" && key !== "name" && key !== "type";
    const same = this.sort.key === key;
    this.sort = { key, descending: same ? !this.sort.descending : first };
    this.sortAsked += 1;
  }
}
