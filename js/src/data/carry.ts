/** Which row of a new program stands for a row of the old one, and where the table then stands. */
import type { Program } from "./decode";
import type { Lines } from "./table";

type Named = Pick<Program, "meta">;

/** Rows by their names, and by the ops in them where no row has that name. */
export function indexRows({ meta }: Named): Map<string, number> {
  const found = new Map<string, number>();
  meta.ops.forEach((ops, row) => {
    for (const op of ops) found.set(op, row);
  });
  meta.names.forEach((name, row) => {
    found.set(name, row);
  });
  return found;
}

/** Whether two programs have the same rows in the same order. */
export function sameRows(before: Named, after: Named): boolean {
  const [old, now] = [before.meta.names, after.meta.names];
  return old.length === now.length && old.every((name, row) => name === now[row]);
}

/** Takes a row of `before` to its row of `after`: by name, else by the ops it holds; -1 for none. */
export function carrier(before: Named, after: Named): (row: number) => number {
  const index = indexRows(after);
  const { names, ops } = before.meta;
  return (row) => {
    for (const name of [names[row], ...(ops[row] ?? [])]) {
      const found = index.get(name);
      if (found !== undefined) return found;
    }
    return -1;
  };
}

/**
 * How far to scroll so that what the user looked at stays where it was: the focused row if it is
 * in sight, else the first that is. A table at its top stays there.
 */
export function heldScroll(
  before: Lines,
  after: Lines,
  carry: (row: number) => number,
  top: number,
  height: number,
  focused: number | null,
): number {
  if (top <= 0) return 0;
  const tops = new Map<number, number>();
  for (const line of after.lines) if (line.kind === "row") tops.set(line.row, line.top);
  const candidates: { row: number; offset: number }[] = [];
  for (const { kind, row, top: above } of before.lines) {
    const offset = above - top;
    if (kind !== "row" || offset <= -22 || offset >= height) continue;
    if (row === focused) candidates.unshift({ row, offset });
    else candidates.push({ row, offset });
  }
  const most = Math.max(0, after.height - height);
  for (const { row, offset } of candidates) {
    const above = tops.get(carry(row));
    if (above !== undefined) return Math.max(0, Math.min(most, above - offset));
  }
  return Math.min(most, top);
}
