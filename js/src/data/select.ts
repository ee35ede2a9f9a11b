/** How a click or a key changes a selection: pure, on row indices in the order shown. */

export interface Gesture {
  /** Shift: from the anchor to here. */
  extend: boolean;
  /** Ctrl or Command: add or take away. */
  toggle: boolean;
}

/** The selection after a gesture on `row`; `shown` is what passes the filter, in order. */
export function selectionAfter(
  selected: readonly number[],
  row: number,
  anchor: number | null,
  shown: ArrayLike<number>,
  { extend, toggle }: Gesture,
): number[] {
  if (extend && anchor !== null) {
    const span = between(shown, anchor, row);
    return toggle ? [...new Set([...selected, ...span])] : span;
  }
  if (!toggle) return [row];
  return selected.includes(row) ? selected.filter((other) => other !== row) : [...selected, row];
}

function between(shown: ArrayLike<number>, from: number, to: number): number[] {
  const order = Array.from(shown);
  const a = order.indexOf(from);
  const b = order.indexOf(to);
  if (a < 0 || b < 0) return [to];
  return order.slice(Math.min(a, b), Math.max(a, b) + 1);
}
