import { describe, expect, it } from "vitest";
import { type Edge, layers, type Size } from "./layers";

const box: Size = { width: 100, height: 20 };
const boxes = (count: number): Size[] => Array.from({ length: count }, () => box);
const chain = (count: number): Edge[] =>
  Array.from({ length: count - 1 }, (_, from) => ({ from, to: from + 1 }));

describe("a layered drawing", () => {
  it("puts a chain into one straight column", () => {
    const drawn = layers(boxes(5), chain(5));
    expect(new Set(drawn.boxes.map(({ x }) => x)).size).toBe(1);
    expect(drawn.boxes.map(({ y }) => y)).toEqual([14, 50, 86, 122, 158]);
    expect(drawn.width).toBe(108);
    expect(drawn.height).toBe(172);
    expect(drawn.edges[0]).toEqual([
      { x: 54, y: 24 },
      { x: 54, y: 40 },
    ]);
  });

  it("puts branches side by side between what they leave and what they join", () => {
    const edges = [
      { from: 0, to: 1 },
      { from: 0, to: 2 },
      { from: 1, to: 3 },
      { from: 2, to: 3 },
    ];
    const { boxes: at } = layers(boxes(4), edges);
    expect(at[1].y).toBe(at[2].y);
    expect(at[2].x - at[1].x).toBeGreaterThanOrEqual(114);
    expect(at[0].x).toBeCloseTo((at[1].x + at[2].x) / 2);
    expect(at[3].x).toBeCloseTo(at[0].x);
  });

  it("leads a long edge round what lies between", () => {
    const edges = [...chain(4), { from: 0, to: 3 }];
    const { boxes: at, edges: lines } = layers(boxes(4), edges);
    expect(lines[3]).toHaveLength(4);
    for (const { x, y } of lines[3].slice(1, -1)) {
      const beside = at.find((middle) => middle.y === y);
      expect(Math.abs(x - (beside?.x ?? x))).toBeGreaterThanOrEqual(box.width / 2);
    }
  });

  it("overlaps nothing, whatever flows", () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % below;
    };
    const sizes = Array.from({ length: 60 }, () => ({
      width: 40 + random(200),
      height: 20 + random(80),
    }));
    const edges = Array.from({ length: 90 }, () => ({ from: random(60), to: random(60) }));
    const { boxes: at, width, height } = layers(sizes, edges);
    at.forEach((a, i) => {
      expect(a.x - sizes[i].width / 2).toBeGreaterThanOrEqual(0);
      expect(a.x + sizes[i].width / 2).toBeLessThanOrEqual(width);
      expect(a.y + sizes[i].height / 2).toBeLessThanOrEqual(height);
      at.slice(i + 1).forEach((b, k) => {
        const j = i + 1 + k;
        const across = Math.abs(a.x - b.x) >= (sizes[i].width + sizes[j].width) / 2 - 1e-6;
        const down = Math.abs(a.y - b.y) >= (sizes[i].height + sizes[j].height) / 2 - 1e-6;
        expect(across || down).toBe(true);
      });
    });
  });

  it("is empty for no boxes, and takes edges that lead back or nowhere", () => {
    expect(layers([], [])).toMatchObject({ boxes: [], edges: [], height: 0 });
    const { edges } = layers(boxes(2), [
      { from: 1, to: 0 },
      { from: 1, to: 1 },
    ]);
    expect(edges).toHaveLength(2);
  });
});
