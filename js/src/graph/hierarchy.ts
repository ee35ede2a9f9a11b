/** The module boxes of a program's upper two levels, and what flows between them. */
import type { Program } from "../data/decode";

export interface Box {
  path: string;
  label: string;
  /** The class of the module, and how many of them, where it is known. */
  title: string;
  rows: number[];
  children: Box[];
}

export interface Flow {
  from: number;
  to: number;
  bytes: number;
}

interface Node {
  path: string;
  label: string;
  rows: number[];
  children: Map<string, Node>;
}

/** More boxes than this at one level are gathered into spans of rows. */
const MOST = 48;

/** The share of the rows from which one part is the whole but for its ends. */
const LARGE = 0.6;

export function makeBoxes(program: Program): Box[] {
  const { names, modules } = program.meta;
  const root = emptyNode("", "");
  const paths = pathsOf(program);
  paths.forEach((path, row) => {
    insert(root, path, row, names[row]);
  });
  let top = root;
  while (top.children.size === 1) {
    const [only] = top.children.values();
    if (!only.children.size) break;
    top = only;
  }
  const boxes = unwrap([...top.children.values()]).map((node) => boxOf(node, modules, 1));
  return gather(boxes, names).sort((a, b) => a.rows[0] - b.rows[0]);
}

/** Without the modules that only hold one large part beside a few small ones. */
function unwrap(stages: Node[]): Node[] {
  const total = stages.reduce((sum, { rows }) => sum + rows.length, 0);
  const wraps = ({ rows, children }: Node) =>
    children.size > 1 &&
    rows.length > LARGE * total &&
    [...children.values()].some((inner) => inner.rows.length > LARGE * rows.length);
  const at = stages.findIndex(wraps);
  if (at < 0) return stages;
  return unwrap([...stages.slice(0, at), ...stages[at].children.values(), ...stages.slice(at + 1)]);
}

/** Module paths; where a format has none, the names themselves. */
function pathsOf(program: Program): string[] {
  const { paths, names } = program.meta;
  const distinct = new Set(paths);
  return distinct.size > 1 || program.rows < 2 ? paths : names.map((name) => parentOf(name));
}

function parentOf(name: string): string {
  return name.split(/[./]/).filter(Boolean).slice(0, -1).join(".");
}

function insert(root: Node, path: string, row: number, name: string) {
  let node = root;
  node.rows.push(row);
  const steps = path.split(/[./]/).filter(Boolean);
  for (const [depth, step] of steps.entries()) {
    const at = steps.slice(0, depth + 1).join(".");
    const next: Node = node.children.get(step) ?? emptyNode(at, step);
    node.children.set(step, next);
    next.rows.push(row);
    node = next;
  }
  if (node !== root && !node.children.size) return;
  // An op between modules: a box of its own.
  const short = name.slice(Math.max(0, name.lastIndexOf("/")));
  node.children.set(`\0${name}`, { ...emptyNode(name, short), rows: [row] });
}

function emptyNode(path: string, label: string): Node {
  return { path, label, rows: [], children: new Map() };
}

function boxOf(node: Node, modules: Record<string, string>, levels: number): Box {
  let at = node;
  let label = node.label;
  while (at.children.size === 1) {
    const [only] = at.children.values();
    if (!only.children.size && only.rows.length === at.rows.length) break;
    at = only;
    label += `.${only.label}`;
  }
  const inside = [...at.children.values()];
  const children =
    levels > 0 && at.rows.length > 1 && inside.length > 1 && inside.length <= MOST
      ? inside.map((child) => ({ ...boxOf(child, modules, levels - 1), label: shortLabel(child) }))
      : [];
  children.sort((a, b) => a.rows[0] - b.rows[0]);
  return { path: at.path, label, title: titleOf(at, modules), rows: at.rows, children };
}

function shortLabel(node: Node): string {
  return node.label.startsWith("/") ? node.label : `.${node.label}`;
}

function titleOf(node: Node, modules: Record<string, string>): string {
  const classes = [...node.children.values()].flatMap(({ path }) => modules[path] ?? []);
  const first = classes[0];
  if (classes.length > 1 && classes.every((name) => name === first)) {
    return `${classes.length} × ${first}`;
  }
  return modules[node.path] ?? "";
}

function gather(boxes: Box[], names: string[]): Box[] {
  if (boxes.length <= MOST) return boxes;
  const size = Math.ceil(boxes.length / MOST);
  const found: Box[] = [];
  for (let at = 0; at < boxes.length; at += size) {
    const span = boxes.slice(at, at + size);
    const rows = span.flatMap((box) => box.rows);
    const last = names[rows[rows.length - 1]];
    found.push({
      path: span[0].path,
      label: span.length > 1 ? `${span[0].label} … ${last}` : span[0].label,
      title: "",
      rows,
      children: [],
    });
  }
  return found;
}

/** Bytes from box to box, each tensor once. */
export function flows(program: Program, boxes: readonly Box[]): Flow[] {
  const owner = new Int32Array(program.rows + 1).fill(-1);
  boxes.forEach((box, at) => {
    for (const row of box.rows) owner[row] = at;
  });
  const found = new Map<string, Flow & { tensors: Set<number> }>();
  for (let edge = 0; edge < program.edge_row.length; edge++) {
    const tensor = program.edge_tensor[edge];
    const maker = program.tensor_row[tensor];
    const from = maker >= 0 ? owner[maker] : -1;
    const to = owner[program.edge_row[edge]];
    if (from < 0 || to < 0 || from === to) continue;
    const key = `${from} ${to}`;
    const flow = found.get(key) ?? { from, to, bytes: 0, tensors: new Set() };
    if (!flow.tensors.has(tensor)) {
      const stored = program.tensor_bytes[tensor];
      const held = program.tensor_size[tensor] * program.precision_bytes[0];
      flow.bytes += (Number.isNaN(stored) ? held : stored) || 0;
      flow.tensors.add(tensor);
    }
    found.set(key, flow);
  }
  return [...found.values()].map(({ from, to, bytes }) => ({ from, to, bytes }));
}
