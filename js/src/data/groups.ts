/** Rows put together: by module, by type, or as the repeats of a block. */
import type { Program } from "./decode";

export type Grouping = "none" | "module" | "type" | "repeats";

export interface Group {
  id: string;
  /** Its name in full: a module's path, a type, or the pattern of the repeats. */
  name: string;
  /** What is shown of the name under its parent's. */
  label: string;
  /** What the names of all in it begin with. */
  inside?: string | undefined;
  /** What else is said of it: the module's class. */
  note: string;
  /** How often it repeats; 0 where it does not. */
  repeats: number;
  depth: number;
  /** All rows in it, in order of execution. */
  rows: readonly number[];
  groups: Group[];
  /** The rows that are in none of its groups. */
  own: number[];
}

/** The groups at the top, and the rows in none of them. */
export type Forest = Pick<Group, "groups" | "own">;

const made = new WeakMap<Program, Map<Grouping, Forest>>();

export function groupRows(program: Program, by: Grouping): Forest {
  const known = made.get(program) ?? new Map<Grouping, Forest>();
  made.set(program, known);
  const found = known.get(by) ?? MAKERS[by](program);
  known.set(by, found);
  return found;
}

const MAKERS: Record<Grouping, (program: Program) => Forest> = {
  none: ({ rows }) => ({ groups: [], own: Array.from({ length: rows }, (_, row) => row) }),
  module: byModule,
  type: byType,
  repeats: byRepeats,
};

// --------------------------------------------------------------------------------------- modules

interface Module {
  path: string;
  rows: number[];
  own: number[];
  children: Map<string, Module>;
}

function byModule({ meta, rows }: Program): Forest {
  const root: Module = { path: "", rows: [], own: [], children: new Map() };
  for (let row = 0; row < rows; row++) {
    let at = root;
    for (const part of meta.paths[row].split(".").filter(Boolean)) {
      let next = at.children.get(part);
      if (!next) {
        const path = at.path ? `${at.path}.${part}` : part;
        next = { path, rows: [], own: [], children: new Map() };
        at.children.set(part, next);
      }
      next.rows.push(row);
      at = next;
    }
    at.own.push(row);
  }
  return nest(root, "", 0, meta.modules);
}

/** A module of one row is that row, and one that only holds another is that other. */
function nest(
  { own, children }: Module,
  above: string,
  depth: number,
  classes: Readonly<Record<string, string>>,
): Forest {
  const groups: Group[] = [];
  const rows = [...own];
  for (let child of children.values()) {
    while (child.children.size === 1 && !child.own.length) [child] = child.children.values();
    if (child.rows.length < 2) {
      rows.push(...child.rows);
      continue;
    }
    const { path } = child;
    groups.push({
      id: `module ${path}`,
      name: path,
      label: above && path.startsWith(`${above}.`) ? path.slice(above.length) : path,
      inside: path,
      note: classes[path] ?? "",
      repeats: 0,
      depth,
      rows: child.rows,
      ...nest(child, path, depth + 1, classes),
    });
  }
  return { groups, own: rows.sort((a, b) => a - b) };
}

// ----------------------------------------------------------------------------------------- types

function byType({ meta, rows }: Program): Forest {
  const found = new Map<string, number[]>();
  for (let row = 0; row < rows; row++) {
    const members = found.get(meta.labels[row]);
    if (members) members.push(row);
    else found.set(meta.labels[row], [row]);
  }
  const groups = [...found].map(([label, members]) => flat(`type ${label}`, label, members, 0));
  return { groups, own: [] };
}

function flat(id: string, name: string, rows: number[], repeats: number): Group {
  return { id, name, label: name, note: "", repeats, depth: 0, rows, groups: [], own: rows };
}

// --------------------------------------------------------------------------------------- repeats

/** The same row of every repeat as one; of blocks inside blocks the one that repeats most. */
function byRepeats(program: Program): Forest {
  const { meta, rows, block_rows } = program;
  const taken = new Uint8Array(rows);
  const groups: Group[] = [];
  let start = 0;
  const blocks = meta.blocks.map((block) => {
    const from = start;
    start += block.count * block.places;
    return { ...block, from };
  });
  for (const { name, count, places, from } of blocks.sort((a, b) => b.count - a.count)) {
    for (let place = 0; place < places; place++) {
      const members: number[] = [];
      for (let at = from + place; at < from + count * places; at += places) {
        if (block_rows[at] >= 0 && !taken[block_rows[at]]) members.push(block_rows[at]);
      }
      if (members.length < 2) continue;
      for (const row of members) taken[row] = 1;
      const pattern = patternOf(name, meta.names[members[0]]);
      groups.push(flat(`repeats ${pattern} ${members[0]}`, pattern, members, members.length));
    }
  }
  const own = Array.from({ length: rows }, (_, row) => row).filter((row) => !taken[row]);
  return { groups, own };
}

/** `layer3.[1-5]` and `layer3.1.conv2` as `layer3.[1-5].conv2`. */
function patternOf(block: string, name: string): string {
  const parts = block.split(/(\[[^\]]*\])/);
  const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const source = parts.map((part, i) => (i % 2 ? "[^./]+" : literal(part))).join("");
  const found = new RegExp(`^${source}`).exec(name);
  return found ? block + name.slice(found[0].length) : name;
}
