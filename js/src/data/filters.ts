/** Which rows pass: filters of several kinds, all of which hold at once. */
import type { Rows } from "./columns";
import type { Program } from "./decode";

/** Every word occurs in the name, type, path, source or ops. */
export interface TextFilter {
  kind: "text";
  text: string;
}

export type Filter = TextFilter;

/** Per row 1 where all filters let it pass. */
export function passing(rows: Rows, filters: readonly Filter[]): Uint8Array {
  const found = new Uint8Array(rows.program.rows).fill(1);
  for (const filter of filters) {
    const passes = testOf(rows, filter);
    for (let row = 0; row < found.length; row++) if (found[row] && !passes(row)) found[row] = 0;
  }
  return found;
}

function testOf({ program }: Rows, filter: Filter): (row: number) => boolean {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return () => true;
  const texts = haystacksOf(program);
  return (row) => words.every((word) => texts[row].includes(word));
}

/** What the search looks through, per row; made once per program. */
const haystacks = new WeakMap<Program, string[]>();

function haystacksOf(program: Program): string[] {
  const known = haystacks.get(program);
  if (known) return known;
  const { names, labels, kinds, paths, sources, ops } = program.meta;
  const made = names.map((name, row) =>
    [name, labels[row], kinds[row], paths[row], sources[row], ...ops[row]].join("\n").toLowerCase(),
  );
  haystacks.set(program, made);
  return made;
}
