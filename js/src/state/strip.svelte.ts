/** The strip of one view: which chart stands in which column, and what each one shows. */

import type { Key } from "../data/columns";
import type { CostMetric, Parts } from "../data/costs";

export type Chart = "timeline" | "costs" | "roofline" | "distribution";

export const CHARTS: readonly { id: Chart; title: string }[] = [
  { id: "timeline", title: "Execution order" },
  { id: "costs", title: "Costs" },
  { id: "roofline", title: "Roofline" },
  { id: "distribution", title: "Distribution" },
];

/** From this width of the widget on, so many charts; its frame is 2 px narrower inside. */
const COLUMNS: [number, number][] = [
  [1036, 3],
  [760, 2],
  [0, 1],
];

export class StripState {
  folded = $state(false);
  /** All charts in an order of preference: the first ones are shown. */
  order = $state.raw<readonly Chart[]>(CHARTS.map(({ id }) => id));
  parts = $state<Parts>("type");
  metric = $state<CostMetric>("latency");
  /** The column whose distribution is shown. */
  column = $state<Key>("latency");

  shown(width: number): readonly Chart[] {
    return this.order.slice(0, COLUMNS.find(([from]) => width >= from)?.[1] ?? 1);
  }

  /** Another chart in a column: the two change places. */
  show(at: number, chart: Chart) {
    const order = [...this.order];
    const other = order.indexOf(chart);
    [order[at], order[other]] = [order[other], order[at]];
    this.order = order;
  }
}
