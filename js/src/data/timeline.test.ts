import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import { knownSum } from "./bands";
import type { Evaluation } from "./decode";
import { evaluate, makePlan } from "./evaluate";
import { withMarks } from "./preview";
import {
  bandsOf,
  memoryPeak,
  memorySteps,
  rowsBetween,
  spanAt,
  stretchesOf,
  type Timeline,
  timelineOf,
  timeScale,
} from "./timeline";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const before = evaluate(plan, none);
const int8 = program.meta.options.findIndex(({ label }) => label === "int8 w+a");
const marked = program.meta.names.indexOf("blocks.0.conv");
const now = evaluate(plan, withMarks(plan, none, [{ rows: [marked], option: int8 }]));

function spans(...seconds: number[]): Timeline {
  const edges = new Float64Array(seconds.length + 1);
  for (const [i, length] of seconds.entries()) edges[i + 1] = edges[i] + length;
  return {
    edges,
    rows: Int32Array.from(seconds, (_, row) => row),
    casts: new Int32Array(seconds.length).fill(-1),
    spans: Int32Array.from(seconds, (_, row) => row),
    seconds: edges[seconds.length],
    added: 0,
    unknown: [],
  };
}

describe("the order of execution", () => {
  it("takes as long as rows and casts together", () => {
    const timeline = timelineOf(program, now);
    expect(timeline.seconds).toBeCloseTo(
      knownSum(now.latency.point) + knownSum(now.casts.latency.point),
      12,
    );
    expect(timeline.seconds + timeline.added).toBeCloseTo(now.totals.latency_s, 12);
  });

  it("has no span for what takes for ever", () => {
    const point = before.latency.point.with(marked, Infinity);
    const latency = { ...before.latency, point };
    const totals = { ...before.totals, latency_s: Infinity };
    const timeline = timelineOf(program, { ...before, latency, totals });
    expect(timeline.spans[marked]).toBe(-1);
    expect(timeline.unknown).toHaveLength(1);
    expect(timeline.added).toBe(0);
    expect(timeline.seconds).toBeCloseTo(
      before.totals.latency_s - before.latency.point[marked],
      12,
    );
  });

  it("has rows in order, and casts beside what they belong to", () => {
    const { rows, casts, spans: own } = timelineOf(program, now);
    expect([...rows]).toEqual([...rows].sort((a, b) => a - b));
    const found = [...casts].filter((cast) => cast >= 0);
    expect(found).toHaveLength(now.casts.row.length);
    expect(found.length).toBeGreaterThan(0);
    for (const [span, cast] of casts.entries()) {
      if (cast >= 0) expect(rows[span]).toBe(now.casts.row[cast]);
      else expect(own[rows[span]]).toBe(span);
    }
  });

  it("puts a cast of what a row makes behind it, and of what it reads before it", () => {
    const { rows, casts, spans: own } = timelineOf(program, now);
    for (const [span, cast] of casts.entries()) {
      if (cast < 0) continue;
      const makes = program.tensor_row[now.casts.tensor[cast]] === rows[span];
      expect(span > own[rows[span]]).toBe(makes);
    }
  });

  it("says what it does not know, and what rules add", () => {
    const point = before.latency.point.slice();
    point[1] = Number.NaN;
    const totals = { ...before.totals, latency_s: knownSum(point) + 3e-6 };
    const found: Evaluation = { ...before, latency: { ...before.latency, point }, totals };
    const timeline = timelineOf(program, found);
    expect(timeline.unknown).toEqual([point[0]]);
    expect(timeline.rows).not.toContain(1);
    expect(timeline.added).toBeCloseTo(3e-6, 12);
  });

  it("is empty where no time is known", () => {
    const point = new Float64Array(program.rows).fill(Number.NaN);
    const totals = { ...before.totals, latency_s: 0 };
    const timeline = timelineOf(program, {
      ...before,
      latency: { ...before.latency, point },
      totals,
    });
    expect(timeline.seconds).toBe(0);
    expect(timeline.unknown).toHaveLength(program.rows);
    expect(spanAt(timeline, 0)).toBe(-1);
    expect(bandsOf(timeline, 1, 1, () => 0)).toEqual([]);
  });
});

describe("what is under a point", () => {
  const timeline = spans(1, 2, 3);
  it("is the span around it", () => {
    expect([0, 0.99, 1, 2.9, 5.99].map((at) => spanAt(timeline, at))).toEqual([0, 0, 1, 1, 2]);
    expect(spanAt(timeline, -0.1)).toBe(-1);
    expect(spanAt(timeline, 6)).toBe(-1);
  });

  it("of a stretch are all that it touches", () => {
    expect(rowsBetween(timeline, 0.5, 1.5)).toEqual([0, 1]);
    expect(rowsBetween(timeline, 1, 3)).toEqual([1]);
  });
});

describe("bands", () => {
  it("are spans as they are, where they can be seen", () => {
    expect(bandsOf(spans(1, 2), 10, 2, (span) => span)).toEqual([
      { from: 0, to: 10, key: 0, low: 0, high: 1 },
      { from: 10, to: 30, key: 1, low: 0, high: 1 },
    ]);
  });

  it("put together what is narrower than a pixel, each colour as high as its share", () => {
    const keys = [0, 1, 1, 0];
    const most = 0.3 + 0.4 + 0.4;
    const together = { from: 0, to: expect.closeTo(most, 9) };
    expect(bandsOf(spans(0.3, 0.4, 0.4, 5), 1, 2, (span) => keys[span])).toEqual([
      { ...together, key: 0, low: 0, high: expect.closeTo(0.3 / most, 9) },
      { ...together, key: 1, low: expect.closeTo(0.3 / most, 9), high: expect.closeTo(1, 9) },
      { from: together.to, to: expect.closeTo(most + 5, 9), key: 0, low: 0, high: 1 },
    ]);
  });

  it("are no more than two per pixel and colour, and cover each colour's time", () => {
    const many = spans(...Array.from({ length: 10_000 }, (_, i) => (i % 97 ? 1 : 60)));
    const width = 450;
    const bands = bandsOf(many, width / many.seconds, 3, (span) => span % 3);
    expect(bands.length).toBeLessThanOrEqual(2 * 3 * width);
    for (let key = 0; key < 3; key++) {
      const area = bands
        .filter((band) => band.key === key)
        .reduce((sum, { from, to, low, high }) => sum + (to - from) * (high - low), 0);
      let seconds = 0;
      for (let span = key; span < 10_000; span += 3) seconds += span % 97 ? 1 : 60;
      expect(area).toBeCloseTo((width * seconds) / many.seconds, 6);
    }
  });

  it("of some rows are where these are, and one where they touch", () => {
    const timeline = spans(2, 2, 2, 2);
    timeline.spans[2] = -1;
    expect(stretchesOf(timeline, new Set([3, 2, 1, 0]), 10)).toEqual([
      { from: 0, to: 40 },
      { from: 60, to: 80 },
    ]);
    expect(stretchesOf(timeline, [], 10)).toEqual([]);
  });
});

describe("memory", () => {
  it("steps with the rows, and within a pixel shows the most", () => {
    const memory = Float64Array.of(5, 9, 1, 4);
    expect(memorySteps(spans(0.2, 0.2, 0.7, 3), memory, 1)).toEqual([
      { from: 0, to: expect.closeTo(1.1, 9), bytes: 9 },
      { from: expect.closeTo(1.1, 9), to: expect.closeTo(4.1, 9), bytes: 4 },
    ]);
  });

  it("is most where the total says", () => {
    const peak = memoryPeak(timelineOf(program, before), before.memory_bytes);
    expect(peak?.bytes).toBe(before.totals.peak_memory_bytes);
    expect(peak && before.memory_bytes[peak.row]).toBe(peak?.bytes);
  });

  it("has a peak in a row without a span as well, and none where nothing is alive", () => {
    const timeline = {
      ...spans(1, 2),
      rows: Int32Array.of(0, 2),
      spans: Int32Array.of(0, -1, 1),
    };
    expect(memoryPeak(timeline, Float64Array.of(1, 7, 2))).toEqual({
      row: 1,
      from: 1,
      to: 1,
      bytes: 7,
    });
    expect(memoryPeak(timeline, new Float64Array(3))).toBeNull();
  });
});

describe("the scale", () => {
  it("fits before, now and the target, with room for the label", () => {
    expect(timeScale(101, 20, { now: 1, before: 5, target: null })).toBe(100 / 5);
    expect(timeScale(101, 21, { now: 5, before: 1, target: null })).toBe((101 - 21) / 5);
    expect(timeScale(101, 1, { now: 1, before: 1, target: 1.25 })).toBe(100 / 1.25);
  });

  it("does not shrink all for a target far away", () => {
    const near = timeScale(101, 1, { now: 1, before: 1, target: null });
    expect(timeScale(101, 1, { now: 1, before: 1, target: 50 })).toBe(near);
    expect(timeScale(101, 1, { now: 0, before: 0, target: 1 })).toBe(0);
    expect(timeScale(0, 80, { now: 1, before: 1, target: null })).toBe(0);
  });
});
