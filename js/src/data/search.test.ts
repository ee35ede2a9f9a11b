import { describe, expect, it } from "vitest";
import { goldenProgram } from "../../dev/golden";
import type { Rows } from "./columns";
import { evaluate, makePlan } from "./evaluate";
import { columnScales } from "./figures";
import { filterText } from "./filter-text";
import { type Filter, passing } from "./filters";
import { withMarks } from "./preview";
import { parseSearch } from "./search";

const program = goldenProgram("SmallNet");
const plan = makePlan(program);
const none = new Int32Array(program.weight_leader.length);
const before = evaluate(plan, none);
const conv = program.meta.names.indexOf("blocks.0.conv");
const int8 = program.meta.options.findIndex(({ label }) => label === "int8");
const choice = withMarks(plan, none, [{ rows: [conv], option: int8 }]);
const rows: Rows = { program, plan, choice, before, now: evaluate(plan, choice) };

/** What the headers show: µs, thousands of MACs, bytes in kB. */
const scales = {
  ...columnScales(rows),
  latency: { factor: 1e-6, unit: "µs", decimals: 1 },
  macs: { factor: 1e6, unit: "MMAC", decimals: 1 },
  weights: { factor: 1e3, unit: "kB", decimals: 1 },
  bits: { factor: 1, unit: "", decimals: 1 },
};
const parse = (text: string) => parseSearch(text, scales);
const only = (text: string): Filter => {
  const { filters, problem } = parse(text);
  expect(problem).toBe("");
  expect(filters).toHaveLength(1);
  return filters[0];
};
const names = (text: string) => {
  const passes = passing(rows, parse(text).filters);
  return program.meta.names.filter((_, row) => passes[row]);
};

describe("a comparison", () => {
  it.each([
    ["latency > 1ms", "latency", ">", 1e-3],
    ["latency>1 ms", "latency", ">", 1e-3],
    ["latency > 20", "latency", ">", 20e-6],
    ["latency:>=0.5ms", "latency", ">=", 0.5e-3],
    ["time <= 1,5us", "latency", "<=", 1.5e-6],
    ["macs >= 10M", "macs", ">=", 10e6],
    ["MACs ≥ 10", "macs", ">=", 10e6],
    ["macs > 10 MMAC", "macs", ">", 10e6],
    ["flops < 2 gflop", "flops", "<", 2e9],
    ["weights > 64kB", "weights", ">", 64e3],
    ["weights > 2KiB", "weights", ">", 2 * 1024],
    ["size > 3", "weights", ">", 3e3],
    ["bits < 8", "bits", "<", 8],
    ["share > 5%", "share", ">", 0.05],
    ["share > 5", "share", ">", 0.05],
    ["energy = 1e-3 J", "energy", "=", 1e-3],
    ["# < 3", "order", "<", 3],
    ["-latency > 1ms", "latency", "<=", 1e-3],
    ["!bits = 8", "bits", "!=", 8],
  ])("%s", (text, key, operator, value) => {
    const found = only(text);
    if (found.kind !== "compare") throw new Error(`${text} is ${found.kind}`);
    expect([found.key, found.operator]).toEqual([key, operator]);
    expect(found.value).toBeCloseTo(value, 12);
  });

  it("is of what stands in the column, and lets nothing unknown pass", () => {
    const { point } = rows.now.latency;
    const middle = [...point].sort((a, b) => a - b)[3];
    const over = program.meta.names.filter((_, row) => point[row] > middle);
    const filter: Filter = {
      kind: "compare",
      key: "latency",
      operator: ">",
      value: middle,
      slack: 0,
    };
    const passes = passing(rows, [filter]);
    expect(program.meta.names.filter((_, row) => passes[row])).toEqual(over);
    const unknown = { ...rows.now.latency, point: point.slice().fill(Number.NaN) };
    const nothing = { ...rows, now: { ...rows.now, latency: unknown } };
    for (const operator of [">", "<=", "!="] as const) {
      expect(passing(nothing, [{ ...filter, operator }])).not.toContain(1);
    }
  });

  it("takes equal as far as it was typed", () => {
    const found = only("latency = 20.0us");
    expect(found).toMatchObject({ value: 20e-6 });
    if (found.kind === "compare") expect(found.slack).toBeCloseTo(0.05e-6, 12);
  });

  it("says what it lacks, and filters nothing by it", () => {
    for (const text of [
      "latency >",
      "latency > x",
      "latency > 3 MB",
      "latency > 3xs",
      "type > 3",
    ]) {
      const { filters, problem } = parse(text);
      expect(problem, text).not.toBe("");
      expect(
        filters.every(({ kind }) => kind === "text" || kind === "compare"),
        text,
      ).toBe(true);
    }
    expect(parse("latency >").filters).toEqual([]);
    expect(parse("latency >").problem).toBe("What is latency compared with? Write latency > 1 ms.");
  });
});

describe("a range", () => {
  it("has two ends or one", () => {
    expect(only("latency:10us..130us")).toMatchObject({ kind: "range", key: "latency" });
    const both = only("latency:10..130us");
    if (both.kind !== "range") throw new Error("no range");
    expect(both.low).toBeCloseTo(10e-6, 12);
    expect(both.high).toBeCloseTo(130e-6, 12);
    expect(only("bits:4..")).toMatchObject({ low: 4, high: null });
    expect(only("bits:..8")).toMatchObject({ low: null, high: 8 });
    expect(filterText(both)).toBe("latency 10.0 – 130\u202fµs");
  });
});

describe("words", () => {
  it("of a column are part of what stands there, or all of it", () => {
    expect(names("type:conv").length).toBeGreaterThan(0);
    expect(names("type:conv").every((name) => /conv|blocks|stem/.test(name))).toBe(true);
    expect(names("type:conv").length + names("-type:conv").length).toBe(program.rows);
    expect(names("type!=conv").length).toBe(names("-type=conv").length);
    expect(names("option:int8")).toEqual(["blocks.0.conv"]);
    expect(names("option:int8|fp").length).toBeGreaterThan(1);
    expect(names("type: conv")).toEqual(names("type:conv"));
  });

  it("find × where x is typed", () => {
    const label = program.meta.labels.find((text) => text.includes("×"));
    if (!label) throw new Error("no label has a ×");
    expect(names(`type:"${label.replaceAll("×", "x")}"`).length).toBeGreaterThan(0);
  });

  it("and phrases are looked for together, each with its opposite", () => {
    expect(only("blocks 1")).toEqual({ kind: "text", text: "blocks 1" });
    expect(names('"blocks.1.conv"')).toEqual(expect.arrayContaining(["blocks.1.conv"]));
    expect(names('"conv blocks"')).toEqual([]);
    expect(names("-blocks").some((name) => name.startsWith("blocks"))).toBe(false);
    expect(names("-1")).toEqual(names('"-1"'));
  });
});

describe("a regular expression", () => {
  it("is looked for in any line of a row's text, or in one column", () => {
    expect(names("/^blocks\\.\\d\\.conv$/")).toEqual(["blocks.0.conv", "blocks.1.conv"]);
    expect(names("name:/CONV$/")).toEqual(
      program.meta.names.filter((name) => name.endsWith("conv")),
    );
    expect(names("-/blocks/").some((name) => name.startsWith("blocks"))).toBe(false);
    expect(names("/a b|fc/")).toContain("fc");
  });

  it("that is wrong or not ended is said, and filters nothing", () => {
    expect(parse("/conv(/")).toMatchObject({ filters: [] });
    expect(parse("/conv(/").problem).toMatch(/^\/conv\(\/ is no regular expression: .*\.$/);
    expect(parse("/conv[0-").problem).toContain("not ended");
    expect(parse("name:/(").problem).toContain("not ended");
  });

  it("is not what only looks like one: names of ONNX have slashes", () => {
    expect(only("/layer1/layer1.0/conv1/Conv")).toMatchObject({ kind: "text" });
    expect(only("onnx::Conv_12")).toMatchObject({ kind: "text", text: "onnx::Conv_12" });
  });
});

describe("the whole", () => {
  it("is said in one sentence", () => {
    expect(parse("latency > 1ms type:conv").hint).toBe(
      "latency over 1\u202fms, and type contains conv",
    );
    expect(parse("latency > 1ms and type:conv").filters).toHaveLength(2);
    expect(parse("this and that").filters).toEqual([{ kind: "text", text: "this and that" }]);
    expect(parse("  ").hint).toBe("");
    expect(only("top 80%")).toEqual({ kind: "top", key: "latency", share: 0.8 });
    expect(only("top 50% of macs")).toMatchObject({ key: "macs", share: 0.5 });
  });

  it("falls back to text where no column is called so", () => {
    expect(parse("colour > 3")).toMatchObject({
      filters: [{ kind: "text", text: "colour > 3" }],
      problem: "No column is called “colour”: it is looked for as text.",
    });
    expect(only("__proto__:x")).toMatchObject({ kind: "text" });
    expect(only("constructor")).toMatchObject({ kind: "text" });
  });

  it("ends, whatever is typed", () => {
    const pieces = [
      "latency",
      ">",
      "1ms",
      "/",
      "(",
      '"',
      "-",
      "!",
      ":",
      "..",
      " ",
      "type",
      "|",
      "%",
    ];
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    for (let i = 0; i < 3000; i++) {
      const text = Array.from({ length: 8 }, () => pieces[Math.floor(random() * 14)]).join("");
      const { filters } = parse(text);
      for (const filter of filters) expect(filterText(filter)).not.toMatch(/undefined|NaN/);
      passing(rows, filters);
    }
  });
});
