/** What a click on a chart does: it selects rows, and the table brings them into sight. */
import type { TalariaState } from "./talaria.svelte";
import { NOTHING, type ViewState } from "./view.svelte";

/** Selects those of the rows that pass the filters; `add` adds them, or takes them away again. */
export function pick(
  talaria: TalariaState,
  view: ViewState,
  rows: readonly number[],
  add: boolean,
) {
  const { passing } = view.table;
  const chosen = rows.filter((row) => passing[row]);
  if (!chosen.length) return;
  const { names } = talaria.program.meta;
  const before = new Set(add ? talaria.selectedRows : []);
  const all = add && chosen.every((row) => before.has(row));
  for (const row of chosen) {
    if (all) before.delete(row);
    else before.add(row);
  }
  talaria.select(Array.from(before, (row) => names[row]));
  view.activeGroup = null;
  view.active = chosen[0];
  view.anchor = chosen[0];
  view.reveal = { row: chosen[0] };
}

/** These rows are under the pointer. */
export function hover(view: ViewState, rows: readonly number[]) {
  const same = rows.length === view.hovered.size && rows.every((row) => view.hovered.has(row));
  if (!same) view.hovered = rows.length ? new Set(rows) : NOTHING;
}
