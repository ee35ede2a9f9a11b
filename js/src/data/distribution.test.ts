import { describe, expect, it } from "vitest";
import {
  type Bins,
  binOf,
  binRange,
  binsFor,
  rowsOfBins,
  tally,
  UNKNOWN,
  ZERO,
} from "./distribution";

const of = (...values: number[]) => Float64Array.from(values);
const nan = Number.NaN;

function known(bins: Bins | null): Bins {
  if (!bins) throw new Error("no bins");
  return bins;
}

describe("bins", () => {
  it("are even from zero where there is no long tail", () => {
    const bins = known(binsFor([of(1, 2, 3, 4)], 4));
    expect(bins.domain).toEqual({ low: 0, high: 4, log: false });
    expect([1, 2, 3.9, 4].map((value) => binOf(bins, value))).toEqual([1, 2, 3, 3]);
    expect(binRange(bins, 1)).toEqual([1, 2]);
  });

  it("are logarithmic where the tail is long, with zeros apart", () => {
    const bins = known(binsFor([of(0, 0, 1, 1, 1, 1, 1, 1, 100, 1000)], 3));
    expect(bins).toMatchObject({ zeros: true, domain: { low: 1, high: 1000, log: true } });
    expect(binOf(bins, 0)).toBe(ZERO);
    expect([1, 50, 999, 1000].map((value) => binOf(bins, value))).toEqual([0, 1, 2, 2]);
    const [low, high] = binRange(bins, 1);
    expect(low).toBeCloseTo(10, 9);
    expect(high).toBeCloseTo(100, 9);
  });

  it("hold several columns at once", () => {
    expect(known(binsFor([of(1, 2), of(1, 8)], 4)).domain.high).toBe(8);
  });

  it("are none where nothing is known, and stand up to one value and to infinity", () => {
    expect(binsFor([of(nan, nan)], 4)).toBeNull();
    expect(binsFor([of()], 4)).toBeNull();
    for (const values of [of(7), of(0), of(0, 0), of(5, 5, 5), of(1, Number.POSITIVE_INFINITY)]) {
      const bins = known(binsFor([values], 4));
      expect(bins.domain.high).toBeGreaterThan(bins.domain.low);
      const bin = binOf(bins, values[0]);
      expect(bin).toBeGreaterThanOrEqual(0);
      expect(bin).toBeLessThan(4);
    }
  });
});

describe("a tally", () => {
  const values = of(1, 1, 3, 4, nan);
  const bins = known(binsFor([values], 4));
  const found = tally(bins, values, Uint8Array.of(1, 0, 1, 1, 1), (row) => row === 0 || row === 1);

  it("counts each known row once", () => {
    expect(found.bars.reduce((sum, { all }) => sum + all, 0)).toBe(4);
    expect(found.unknown).toBe(1);
    expect(found.most).toBe(2);
  });

  it("does not count as selected what is filtered out", () => {
    expect(found.bars[1]).toEqual({ all: 2, passing: 1, selected: 1 });
  });

  it("knows whose rows they are", () => {
    expect(rowsOfBins(bins, values, 1, 3)).toEqual([0, 1, 2, 3]);
    expect(rowsOfBins(bins, values, 3, 3)).toEqual([2, 3]);
    expect(rowsOfBins(bins, values, UNKNOWN, 3)).not.toContain(4);
  });
});
