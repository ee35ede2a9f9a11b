/** Keeps a table's place when other rows come: what was in sight, and the focus on its row. */
import { tick, untrack } from "svelte";
import { carrier, heldScroll } from "../data/carry";
import type { Program } from "../data/decode";
import type { Lines } from "../data/table";

export interface Table {
  readonly program: Program;
  /** Changes with the rows, not with their prices. */
  readonly revision: number;
  readonly laid: Lines;
  readonly active: number | null;
  readonly body: HTMLElement | undefined;
  readonly top: number;
  readonly height: number;
  scrollTo(top: number): void;
}

/** Call it while a component is set up: `table` is read anew each time. */
export function keepPlace(table: Table) {
  let drawn: Pick<Table, "program" | "revision" | "laid" | "active"> | undefined;
  let focused = false;

  // Before the lines are drawn anew: the line that holds the focus may go.
  $effect.pre(() => {
    void table.revision;
    const root = table.body?.getRootNode() as Document | ShadowRoot | undefined;
    focused = table.body?.contains(root?.activeElement ?? null) ?? false;
  });

  $effect(() => {
    const { program, revision, laid, active } = table;
    const before = drawn;
    drawn = { program, revision, laid, active };
    if (before && before.revision !== revision) untrack(() => hold(before));
  });

  function hold(before: NonNullable<typeof drawn>) {
    const { program, laid, active, body, top, height } = table;
    const carry = carrier(before.program, program);
    const to = heldScroll(before.laid, laid, carry, top, height, before.active);
    if (to !== top) table.scrollTo(to);
    if (active === null || !focused) return;
    void tick().then(() => {
      body?.querySelector<HTMLElement>(`[data-row="${active}"]`)?.focus({ preventScroll: true });
    });
  }
}
