/** Where the boxes go: dagre for the upper level, two columns inside a box. */
import { layout as dagre, Graph } from "@dagrejs/dagre";
import type { Box, Flow } from "./hierarchy";

export const LEAF = { width: 150, narrow: 122, height: 24 };
export const GROUP = { width: 258, head: 22, row: 28, pad: 6 };
/** Over this many boxes a column in order reads as well, and costs nothing. */
const MOST = 300;

export interface Placed {
  box: Box;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Line {
  points: { x: number; y: number }[];
  /** Stroke in pixels. */
  width: number;
}

export interface Picture {
  placed: Placed[];
  lines: Line[];
  width: number;
  height: number;
}

function sizeOf(box: Box, leaf: number): { width: number; height: number } {
  if (!box.children.length) return { width: leaf, height: LEAF.height };
  const rows = Math.ceil(box.children.length / 2);
  return { width: GROUP.width, height: GROUP.head + rows * GROUP.row + GROUP.pad };
}

/** Two boxes side by side are narrower, so that both are in sight. */
export function layOut(boxes: readonly Box[], flows: readonly Flow[]): Picture {
  if (boxes.length > MOST) return stack(boxes);
  const picture = arrange(boxes, flows, LEAF.width);
  return picture.width > GROUP.width + 8 ? arrange(boxes, flows, LEAF.narrow) : picture;
}

function arrange(boxes: readonly Box[], flows: readonly Flow[], leaf: number): Picture {
  const graph = new Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 14, ranksep: 16, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  boxes.forEach((box, at) => {
    graph.setNode(String(at), sizeOf(box, leaf));
  });
  for (const { from, to } of flows) graph.setEdge(String(from), String(to));
  dagre(graph);
  const placed = boxes.map((box, at) => {
    const { x, y, width, height } = graph.node(String(at));
    return { box, x: x - width / 2, y: y - height / 2, width, height };
  });
  const most = Math.max(1, ...flows.map(({ bytes }) => bytes));
  const lines = flows.map(({ from, to, bytes }) => ({
    points: graph.edge(String(from), String(to)).points ?? [],
    width: 1 + 3 * Math.sqrt(bytes / most),
  }));
  const { width = 0, height = 0 } = graph.graph();
  return { placed, lines, width, height };
}

function stack(boxes: readonly Box[]): Picture {
  let y = 4;
  const placed = boxes.map((box) => {
    const size = sizeOf(box, LEAF.width);
    const at = { box, x: 4, y, ...size };
    y += size.height + 8;
    return at;
  });
  return { placed, lines: [], width: GROUP.width + 8, height: y };
}
