/** Where labels go, so that none lies on another. */

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Wanted {
  text: string;
  width: number;
  height: number;
  /** Upper left corners, the best first. */
  places: readonly (readonly [number, number])[];
}

export interface Placed extends Box {
  text: string;
}

/** An estimate, on the wide side, in pixels. */
export function textWidth(text: string, size: number): number {
  return text.length * size * 0.6;
}

function meet(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/**
 * Each label at the place where it hides least of `marks`, the first of those that are as good.
 * One that has no place within `bounds` clear of the others is left out.
 */
export function placeLabels(
  wanted: readonly Wanted[],
  bounds: Box,
  marks: readonly { x: number; y: number; radius: number }[],
): Placed[] {
  const placed: Placed[] = [];
  for (const { text, width, height, places } of wanted) {
    let best: Placed | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const [x, y] of places) {
      const box = { text, x, y, width, height };
      if (!within(box, bounds) || placed.some((other) => meet(box, other))) continue;
      const hidden = marks.reduce((sum, mark) => sum + (covers(box, mark) ? mark.radius : 0), 0);
      if (hidden < least) [best, least] = [box, hidden];
    }
    if (best) placed.push(best);
  }
  return placed;
}

function within(box: Box, bounds: Box): boolean {
  return (
    box.x >= bounds.x &&
    box.y >= bounds.y &&
    box.x + box.width <= bounds.x + bounds.width &&
    box.y + box.height <= bounds.y + bounds.height
  );
}

function covers(box: Box, { x, y, radius }: { x: number; y: number; radius: number }): boolean {
  const size = 2 * radius;
  return meet(box, { x: x - radius, y: y - radius, width: size, height: size });
}

/** A straight line that wants its name beside it; `left` of it and above, rather than right. */
export interface Named {
  text: string;
  from: { x: number; y: number };
  to: { x: number; y: number };
  left: boolean;
}

const ALONG = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9, 0, 1];

/** Names of level lines above or below them, those of slopes on one side; the level ones first. */
export function besideLines(lines: readonly Named[], size: number): Wanted[] {
  const height = size + 2;
  const level = ({ from, to }: Named) => from.y === to.y;
  const inOrder = [...lines.filter(level), ...lines.filter((line) => !level(line))];
  return inOrder.map((line) => {
    const { text, from, to, left } = line;
    const width = textWidth(text, size);
    if (level(line)) {
      const xs = [to.x - width, from.x, from.x - width - 4, (from.x + to.x - width) / 2];
      const places = xs.flatMap((x) => [[x, to.y - height - 1] as const, [x, to.y + 2] as const]);
      return { text, width, height, places };
    }
    const places = ALONG.map((share) => {
      const x = from.x + (to.x - from.x) * share;
      const y = from.y + (to.y - from.y) * share;
      return left ? ([x - width - 6, y - height - 1] as const) : ([x + 7, y + 1] as const);
    });
    return { text, width, height, places };
  });
}
