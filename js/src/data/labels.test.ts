import { describe, expect, it } from "vitest";
import { besideLines, type Named, type Placed, placeLabels } from "./labels";

const bounds = { x: 0, y: 0, width: 240, height: 90 };

function overlaps(placed: readonly Placed[]): number {
  let count = 0;
  for (const [i, a] of placed.entries()) {
    for (const b of placed.slice(i + 1)) {
      const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
      const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
      if (across > 0 && down > 0) count += 1;
    }
  }
  return count;
}

describe("labels", () => {
  it("take their first place, or the one that hides least", () => {
    const wanted = {
      text: "a",
      width: 20,
      height: 10,
      places: [[0, 0] as const, [50, 0] as const],
    };
    expect(placeLabels([wanted], bounds, [])[0].x).toBe(0);
    expect(placeLabels([wanted], bounds, [{ x: 5, y: 5, radius: 3 }])[0].x).toBe(50);
  });

  it("are left out rather than put on another or outside", () => {
    const one = { text: "a", width: 20, height: 10, places: [[0, 0] as const] };
    const other = { ...one, text: "b", places: [[10, 5] as const] };
    const outside = { ...one, text: "c", places: [[230, 0] as const] };
    expect(placeLabels([one, other, outside], bounds, []).map(({ text }) => text)).toEqual(["a"]);
  });

  it("never lie on one another, however near the lines", () => {
    let count = 0;
    for (let turn = 0; turn < 200; turn++) {
      const at = (share: number) => 240 * (((turn * 7919 + share * 104_729) % 997) / 997);
      const level = (i: number): Named => ({
        text: `peak ${i} of some operations`.slice(0, 6 + ((turn + i) % 18)),
        from: { x: at(i), y: 4 + ((turn * i) % 20) },
        to: { x: 240, y: 4 + ((turn * i) % 20) },
        left: false,
      });
      const slope = (i: number, left: boolean): Named => ({
        text: left ? "on chip 320 GB/s" : "DRAM 51 GB/s",
        from: { x: at(i) / 2, y: 90 },
        to: { x: at(i) / 2 + 80, y: 10 },
        left,
      });
      const lines = [slope(1, false), slope(2, true), level(3), level(4), level(5), level(6)];
      const placed = placeLabels(besideLines(lines, 10), bounds, []);
      expect(overlaps(placed)).toBe(0);
      count += placed.length;
    }
    expect(count).toBeGreaterThan(3 * 200);
  });
});
