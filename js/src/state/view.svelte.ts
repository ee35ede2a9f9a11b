/** What one view of the widget keeps for itself: never synced, never seen by Python. */
import type { Evaluation } from "../data/decode";
import type { OptionCost } from "../data/preview";
import type { Sort, SortKey } from "../data/table";

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
  /** The option that the menu points at. */
  candidate = $state.raw<OptionCost | null>(null);
  /** A row that another view asks the table to bring into sight. */
  reveal = $state.raw<{ row: number } | null>(null);

  setSort(key: SortKey) {
    const first = key !== "order" && key !== "name" && key !== "type";
    const same = this.sort.key === key;
    this.sort = { key, descending: same ? !this.sort.descending : first };
    this.sortAsked += 1;
  }

  /** What the totals show: the option pointed at, else what is. */
  shown(now: Evaluation): Evaluation {
    return this.menuOpen && this.candidate ? this.candidate.evaluation : now;
  }
}
