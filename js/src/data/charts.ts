/** Which charts there are, and what is chosen of them. */
import { COLUMN, type Key } from "./columns";
import type { CostMetric, Parts } from "./costs";

export type Chart = "timeline" | "costs" | "roofline" | "distribution";

export const CHARTS: readonly { id: Chart; title: string }[] = [
  { id: "timeline", title: "Execution order" },
  { id: "costs", title: "Costs" },
  { id: "roofline", title: "Roofline" },
  { id: "distribution", title: "Distribution" },
];

export const METRICS: readonly { id: CostMetric; title: string }[] = [
  { id: "latency", title: "latency" },
  { id: "energy", title: "energy" },
  { id: "weights", title: "weights" },
  { id: "macs", title: "MACs" },
];

export const PARTS: readonly { id: Parts; title: string }[] = [
  { id: "type", title: "by type" },
  { id: "module", title: "by module" },
];

export interface ChartChoices {
  folded: boolean;
  /** All charts in an order of preference: the first ones are shown. */
  order: readonly Chart[];
  metric: CostMetric;
  parts: Parts;
  /** The column whose distribution is shown. */
  column: Key;
}

export const OUR_CHOICES: ChartChoices = {
  folded: false,
  order: CHARTS.map(({ id }) => id),
  metric: "latency",
  parts: "type",
  column: "latency",
};

/** Another chart in a place: the two change places. */
export function placed(order: readonly Chart[], at: number, chart: Chart): Chart[] {
  const changed = [...order];
  const other = changed.indexOf(chart);
  [changed[at], changed[other]] = [changed[other], changed[at]];
  return changed;
}

/** From this width of the widget on, so many charts; its frame is 2 px narrower inside. */
const ROOM: readonly (readonly [number, number])[] = [
  [1036, 3],
  [758, 2],
];

export function roomFor(width: number): number {
  return ROOM.find(([from]) => width >= from)?.[1] ?? 1;
}

/** Choices as they were kept; ours for what is not understood. */
export function readChoices(data: unknown): ChartChoices {
  const found = (data ?? {}) as Record<keyof ChartChoices, unknown>;
  const order = Array.isArray(found.order) ? new Set(found.order) : new Set();
  const complete = order.size === CHARTS.length && CHARTS.every(({ id }) => order.has(id));
  const known = <T extends string>(all: readonly { id: T }[], value: unknown, ours: T) =>
    all.find(({ id }) => id === value)?.id ?? ours;
  const column = COLUMN[found.column as Key];
  return {
    folded: found.folded === true,
    order: complete ? ([...order] as Chart[]) : OUR_CHOICES.order,
    metric: known(METRICS, found.metric, OUR_CHOICES.metric),
    parts: known(PARTS, found.parts, OUR_CHOICES.parts),
    column: column?.kind === "number" ? column.key : OUR_CHOICES.column,
  };
}
