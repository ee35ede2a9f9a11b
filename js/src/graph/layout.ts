/** Where the boxes go: in layers at the upper level, two columns inside a box. */
import type { Box, Flow } from "./hierarchy";
import { layers, type Point } from "./layers";

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
  points: Point[];
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
  const sizes = boxes.map((box) => sizeOf(box, leaf));
  const drawn = layers(sizes, flows);
  const placed = boxes.map((box, at) => {
    const { width, height } = sizes[at];
    const { x, y } = drawn.boxes[at];
    return { box, x: x - width / 2, y: y - height / 2, width, height };
  });
  const most = Math.max(1, ...flows.map(({ bytes }) => bytes));
  const lines = flows.map(({ bytes }, at) => ({
    points: drawn.edges[at],
    width: 1 + 3 * Math.sqrt(bytes / most),
  }));
  return { placed, lines, width: drawn.width, height: drawn.height };
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
