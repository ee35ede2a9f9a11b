import { describe, expect, it } from "vitest";
import {
  change,
  columnScale,
  count,
  difference,
  duration,
  inUnitOf,
  onScale,
  parseQuantity,
  parts,
  quantity,
  range,
  share,
  sharedPrefix,
  splitName,
  spread,
  times,
  timesRange,
  tone,
} from "./format";

describe("numbers as text", () => {
  it("takes the SI unit that gives 1-999", () => {
    expect(quantity(0.001335, "s")).toBe("1.335\u202fms");
    expect(quantity(33_620_000, "B")).toBe("33.62\u202fMB");
    expect(quantity(114.4e-6, "s")).toBe("114.4\u202fµs");
    expect(quantity(12, "B")).toBe("12\u202fB");
    expect(parts(0.9999e-3, "s")).toEqual({ number: "1.000", unit: "ms" });
  });

  it("says ? for the unknown and 0 for zero", () => {
    expect(quantity(Number.NaN, "s")).toBe("?");
    expect(onScale(Number.NaN, columnScale(1, "s"))).toBe("?");
    expect(onScale(0, columnScale(1, "s"))).toBe("0");
  });

  it("keeps one unit and one count of decimals in a column", () => {
    const scale = columnScale(114.4e-6, "s");
    expect(scale).toEqual({ factor: 1e-6, unit: "µs", decimals: 1 });
    expect([114.4e-6, 8.3e-6, 25.06e-6].map((value) => onScale(value, scale))).toEqual([
      "114.4",
      "8.3",
      "25.1",
    ]);
    expect(onScale(1e-9, scale)).toBe("<\u202f0.1");
  });

  it("signs a change, and calls less than 0.05 % none", () => {
    expect(change(51.07, 33.62)).toBe("−34.2\u202f%");
    expect(change(100, 112.2)).toBe("+12.2\u202f%");
    expect(change(100, 100.04)).toBe("unchanged");
    expect(change(0, 1)).toBe("new");
    expect(change(Number.NaN, 1)).toBe("?");
  });

  it("finds what most names begin with", () => {
    const names = ["net.body.a", "net.body.b", "net.body.c", "net.body.d", "net.head"];
    expect(sharedPrefix(names)).toBe("net.");
    expect(sharedPrefix([...names, "net.body.e", "net.body.f"])).toBe("net.body.");
    expect(sharedPrefix(["net.layer.0.a", "net.layer.1.a"])).toBe("net.");
    expect(sharedPrefix(["a", "b"])).toBe("");
    expect(sharedPrefix([])).toBe("");
  });

  it("writes differences, shares and counts", () => {
    expect(difference(-107.8e-6, { factor: 1e-6, unit: "µs", decimals: 1 })).toBe("−107.8");
    expect([tone("−107.8"), tone("+0.1"), tone("0")]).toEqual(["better", "worse", ""]);
    expect(difference(1e-9, { factor: 1e-6, unit: "µs", decimals: 1 })).toBe("0");
    expect(share(1, 4)).toBe("25.0\u202f%");
    expect(share(3, 3)).toBe("100\u202f%");
    expect(count(25_557_032)).toBe("25.6\u202fM");
    expect(inUnitOf(0.001335, 0.000035, "s")).toBe("0.035\u202fms");
  });

  it("splits a name before its last component", () => {
    expect(splitName("layer4.1.conv2")).toEqual({ head: "layer4.1", tail: ".conv2" });
    expect(splitName("fc")).toEqual({ head: "", tail: "fc" });
    expect(splitName("net.layer.1.conv", "net.layer.")).toEqual({ head: "…1", tail: ".conv" });
    expect(splitName("fc", "net.")).toEqual({ head: "", tail: "fc" });
  });
});

describe("text as numbers", () => {
  it.each([
    ["8 ms", "s", 0.008],
    ["8ms", "s", 0.008],
    ["1.3e-3 s", "s", 0.0013],
    ["250 us", "s", 0.00025],
    ["250 µs", "s", 0.00025],
    ["25 MB", "B", 25e6],
    ["25mb", "B", 25e6],
    ["1 MiB", "B", 1048576],
    ["5 mJ", "J", 0.005],
    ["1,5 ms", "s", 0.0015],
  ] as const)("reads %s", (text, unit, wanted) => {
    expect(parseQuantity(text, unit)).toBeCloseTo(wanted, 12);
  });

  it("takes a bare number in the unit shown", () => {
    expect(parseQuantity("1.3", "s", "ms")).toBeCloseTo(0.0013, 12);
    expect(parseQuantity("35", "B", "MB")).toBe(35e6);
  });

  it.each(["", "fast", "8 MB", "-3 ms", "0", "8 xs"])("refuses %j as a time", (text) => {
    expect(parseQuantity(text, "s")).toBeNaN();
  });
});

describe("bands and waits", () => {
  it("writes a band with its unit once", () => {
    expect(range(1.07e-3, 1.6e-3, "s")).toBe("1.07 – 1.60\u202fms");
    expect(range(0.9e-3, 1.2e-3, "s")).toBe("900\u202fµs – 1.20\u202fms");
    expect(range(2e-3, 2e-3, "s")).toBe("2.000\u202fms");
  });

  it("says how wide a band is", () => {
    expect(spread(0.8, 1, 1.2)).toBe("±20\u202f%");
    expect(spread(0.995, 1, 1.005)).toBe("±0.5\u202f%");
    expect(spread(0.5, 1, 2)).toBe("×÷2");
    expect(spread(1, 1, 1)).toBe("");
  });

  it("foretells no finer than it can", () => {
    expect(duration(0.2)).toBe("1\u202fs");
    expect(duration(7.1)).toBe("8\u202fs");
    expect(duration(37)).toBe("40\u202fs");
    expect(duration(56)).toBe("1\u202fmin");
    expect(duration(2.5 * 60)).toBe("3\u202fmin");
    expect(duration(3 * 3600)).toBe("3\u202fh");
  });

  it("writes factors, and bands of them by how far they reach", () => {
    expect(times(1.379)).toBe("1.38×");
    expect(times(12.34)).toBe("12.3×");
    expect(timesRange(1.28, 1.52)).toBe("1.3–1.5×");
    expect(timesRange(1.36, 1.4)).toBe("±1\u202f%");
    expect(timesRange(2, 2)).toBe("");
  });
});
