import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import { COLUMN, type NumberColumn, type Rows } from "./columns";
import type { Program } from "./decode";
import { evaluate, makePlan } from "./evaluate";
import { isInside, markAt, marksOf, placesOf, planeOf, roofsOf, segmentsOf } from "./roofline";

const program = goldenProgram("SmallNet");
const size = { atX: (x: number) => 10 * x, atY: (y: number) => y / 1e9, largest: 8, least: 1 };

function rowsOf(of: Program): Rows {
  const plan = makePlan(of);
  const choice = new Int32Array(of.weight_leader.length);
  const before = evaluate(plan, choice);
  return { program: of, plan, choice, before, now: before };
}

function withRoofs(roofs: Partial<Program["meta"]["roofs"]>): Program {
  return { ...program, meta: { ...program.meta, roofs: { ...program.meta.roofs, ...roofs } } };
}

describe("places", () => {
  it("are FLOPs per second over FLOPs per byte", () => {
    const rows = rowsOf(program);
    const { intensity, speed, placed } = placesOf(rows);
    const ratio = (COLUMN.intensity as NumberColumn).numbers(program, rows.now);
    let known = 0;
    for (let row = 0; row < program.rows; row++) {
      if (Number.isNaN(speed[row])) continue;
      expect(speed[row]).toBe(program.flops[row] / rows.now.latency.point[row]);
      expect(intensity[row]).toBe(ratio[row]);
      known += 1;
    }
    expect(known).toBe(placed);
    expect(placed).toBeGreaterThan(0);
  });

  it("are not of what is unknown, or nothing", () => {
    const flops = program.flops.slice();
    const latency = { ...program.latency, point: program.latency.point.slice() };
    const usual = placesOf(rowsOf(program)).placed;
    flops[0] = Number.NaN;
    flops[1] = 0;
    latency.point.fill(Number.NaN, program.row_signature[2] * program.options);
    const found = placesOf(rowsOf({ ...program, flops, latency }));
    expect(found.placed).toBeLessThanOrEqual(usual - 2);
    expect([...found.speed.slice(0, 2)]).toEqual([Number.NaN, Number.NaN]);
  });
});

describe("roofs", () => {
  const roofs = {
    ops_per_s: { float32: 2e12, float16: 4e12, int8: 8e12 },
    bandwidth_bytes_per_s: 50e9,
    on_chip_bytes_per_s: 300e9,
  };

  it("are the bandwidths, and the peaks of precisions that rows use", () => {
    const rows = rowsOf(withRoofs(roofs));
    const labels = roofsOf(rows, placesOf(rows)).map(({ label }) => label.replace(/\s/g, " "));
    expect(labels).toEqual(["DRAM 50 GB/s", "on chip 300 GB/s", "fp16 4 T"]);
  });

  it("end where they cross", () => {
    const rows = rowsOf(withRoofs(roofs));
    const places = placesOf(rows);
    const found = roofsOf(rows, places);
    const plane = planeOf(places, found);
    const [dram, chip, peak] = plane ? segmentsOf(found, plane) : [];
    expect(dram.to).toEqual([4e12 / 50e9, 4e12]);
    expect(chip.to).toEqual([4e12 / 300e9, 4e12]);
    expect(peak.from).toEqual([4e12 / 300e9, 4e12]);
    expect(dram.from[1]).toBe(dram.from[0] * 50e9);
  });

  it("may be unknown, in part or all", () => {
    for (const less of [
      { ops_per_s: {} },
      { bandwidth_bytes_per_s: Number.NaN, on_chip_bytes_per_s: Number.NaN },
      { ops_per_s: {}, bandwidth_bytes_per_s: 0, on_chip_bytes_per_s: 0 },
      { on_chip_bytes_per_s: roofs.bandwidth_bytes_per_s },
    ]) {
      const rows = rowsOf(withRoofs({ ...roofs, ...less }));
      const places = placesOf(rows);
      const found = roofsOf(rows, places);
      const plane = planeOf(places, found);
      expect(plane).not.toBeNull();
      for (const { from, to } of plane ? segmentsOf(found, plane) : []) {
        expect([...from, ...to].every((value) => value > 0 && Number.isFinite(value))).toBe(true);
      }
    }
  });

  it("are nothing to draw without a row and without a roof", () => {
    const nothing = new Float64Array(2).fill(Number.NaN);
    expect(planeOf({ intensity: nothing, speed: nothing, placed: 0 }, [])).toBeNull();
  });
});

describe("marks", () => {
  const rows = rowsOf(program);
  const places = placesOf(rows);
  const all = new Uint8Array(program.rows).fill(1);

  it("hold every row that has a place once", () => {
    const found = marksOf(rows, places, all, size).flatMap((mark) => mark.rows);
    expect(found).toHaveLength(places.placed);
    expect(new Set(found).size).toBe(places.placed);
  });

  it("have the latency of their rows as area", () => {
    const marks = marksOf(rows, places, all, { ...size, least: 0 });
    const secondsOf = (mark: (typeof marks)[number]) =>
      mark.rows.reduce((sum, row) => sum + rows.now.latency.point[row], 0);
    const most = Math.max(...marks.map(secondsOf));
    for (const mark of marks) {
      expect(mark.radius ** 2 / 8 ** 2).toBeCloseTo(secondsOf(mark) / most, 9);
    }
  });

  it("put rows of one place together, save those that are filtered out", () => {
    const same = { ...places, speed: places.speed.map((speed) => (speed > 0 ? 5e9 : speed)) };
    same.intensity = places.intensity.map((ratio) => (ratio > 0 ? 3 : ratio));
    const one = Uint8Array.from(all, (_, row) => Number(row !== 0));
    const marks = marksOf(rows, same, one, size);
    expect(marks.length).toBeLessThan(places.placed);
    expect(marks.filter(({ faded }) => faded).flatMap((mark) => mark.rows)).toEqual([0]);
    expect(marks[0].faded).toBe(true);
  });

  it("are hit on top first, and by a little less than exactly", () => {
    const mark = { radius: 5, swatch: 0, faded: false };
    const marks = [
      { ...mark, x: 10, y: 10, rows: [1] },
      { ...mark, x: 12, y: 10, radius: 2, rows: [2] },
      { ...mark, x: 40, y: 10, rows: [3] },
    ];
    expect(markAt(marks, 12, 10)?.rows).toEqual([2]);
    expect(markAt(marks, 7, 10)?.rows).toEqual([1]);
    expect(markAt(marks, 47, 10)?.rows).toEqual([3]);
    expect(markAt(marks, 60, 10)).toBeNull();
  });
});

it("a lasso holds what lies inside, whichever its form", () => {
  const hook = [
    { x: 0, y: 0 },
    { x: 10, y: 0 },
    { x: 10, y: 10 },
    { x: 8, y: 10 },
    { x: 8, y: 2 },
    { x: 0, y: 2 },
  ];
  expect(isInside(hook, 5, 1)).toBe(true);
  expect(isInside(hook, 9, 8)).toBe(true);
  expect(isInside(hook, 5, 8)).toBe(false);
  expect(isInside([], 0, 0)).toBe(false);
});
