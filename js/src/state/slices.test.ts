import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { workThrough } from "./slices";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setUp(each_ms: number) {
  let now = 0;
  const told: number[][] = [];
  function* steps() {
    for (const step of [1, 2, 3]) {
      now += each_ms;
      yield step;
    }
  }
  const stop = workThrough(
    steps(),
    (found) => told.push([...found]),
    () => now,
  );
  return { told, stop };
}

describe("work in slices", () => {
  it("is told at once where it is short", () => {
    expect(setUp(1).told).toEqual([[1, 2, 3]]);
  });

  it("is told slice by slice where it is long", () => {
    const { told } = setUp(20);
    expect(told).toEqual([[1]]);
    vi.runAllTimers();
    expect(told.at(-1)).toEqual([1, 2, 3]);
  });

  it("stops", () => {
    const { told, stop } = setUp(20);
    stop();
    vi.runAllTimers();
    expect(told).toEqual([[1]]);
  });
});
