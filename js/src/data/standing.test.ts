import { describe, expect, it } from "vitest";
import { unpack } from "../../dev/fake-model";
import { goldenFixture, goldenProgram } from "../../dev/golden";
import type { ReportMeta } from "../wire";
import { decodeReport, type Program } from "./decode";
import {
  explain,
  isAdded,
  modelledRows,
  standingOf,
  standingOfRow,
  standingOfRows,
} from "./standing";

const small = goldenProgram("SmallNet");
const plain = decodeReport(unpack(goldenFixture("SmallNet")._report), small).meta;
const whole: ReportMeta = {
  ...plain,
  provenance: "measured",
  measured: true,
  latency_source: "mean of the fastest of 20 rounds",
  energy_source: "mean power x latency",
};
const sum: ReportMeta = { ...whole, provenance: "partly measured", measured: false };

describe("a total", () => {
  it("is measured where the whole was run, and an estimate while the page previews", () => {
    expect(standingOf("latency_s", whole, false)).toBe("measured");
    expect(standingOf("latency_s", whole, true)).toBe("estimated");
    expect(standingOf("latency_s", sum, false)).toBe("estimated");
  });

  it("is modelled until anything is measured", () => {
    const modelled: ReportMeta = { ...sum, provenance: "modelled" };
    expect(standingOf("latency_s", modelled, false)).toBe("modelled");
    expect(standingOf("latency_s", { ...modelled, measured: true }, false)).toBe("measured");
    expect(standingOf("energy_j", plain, false)).toBe("modelled");
    expect(standingOf("latency_s", { ...plain, provenance: "vendor" }, false)).toBe("vendor");
  });

  it("of energy is as good as its source", () => {
    const from = (energy_source: string): ReportMeta => ({ ...whole, energy_source });
    expect(standingOf("energy_j", from("RAPL"), false)).toBe("measured");
    expect(standingOf("energy_j", from("RAPL"), true)).toBe("estimated");
    expect(standingOf("energy_j", from("mean power x latency"), false)).toBe("modelled");
    expect(standingOf("energy_j", from("bottom-up, within a factor of 2"), false)).toBe("modelled");
  });

  it("of bytes is counted", () => {
    expect(standingOf("size_bytes", whole, true)).toBe("counted");
    expect(standingOf("peak_memory_bytes", plain, false)).toBe("counted");
  });

  it("names its source, unless the figure is the page's own", () => {
    expect(explain("measured", "latency_s", whole)).toContain("(mean of the fastest of 20 rounds)");
    expect(explain("estimated", "latency_s", whole)).not.toContain("(");
    expect(explain("estimated", "latency_s", sum)).toContain("(mean of the fastest of 20 rounds)");
    expect(explain("modelled", "energy_j", whole)).toContain("(mean power x latency)");
    expect(explain("modelled", "latency_s", plain)).toMatch(/^modelled: .*figures$/);
  });
});

describe("a row", () => {
  const found = goldenProgram("SmallNet");
  const provenance = new Uint8Array(found.provenance.length).fill(1);
  const column = new Int32Array(found.rows);
  const measured: Program = { ...found, provenance };

  it("stands as its price does, in the column that it runs in", () => {
    const at = found.row_signature[0] * found.options + 1;
    const one: Program = { ...measured, provenance: provenance.with(at, 0) };
    expect(standingOfRow(one, 0, 0)).toBe("measured");
    expect(standingOfRow(one, 0, 1)).toBe("modelled");
    const like = found.row_signature.indexOf(found.row_signature[0]);
    expect(standingOfRows(one, [like, found.rows - 1], 1)).toBe("modelled");
    expect(standingOfRows(one, [like], 0)).toBe("measured");
    expect(standingOfRows(one, [], 0)).toBeNull();
  });

  it("is counted as modelled only where others are not", () => {
    expect(modelledRows(found, column)).toBe(0);
    expect(modelledRows(measured, column)).toBe(0);
    const free = { ...found.latency, point: found.latency.point.with(0, 0) };
    expect(modelledRows({ ...found, latency: free }, column)).toBe(0);
    const price = found.row_signature[0] * found.options;
    const priced = found.row_signature.filter((signature) => signature === found.row_signature[0]);
    const mixed: Program = { ...measured, provenance: provenance.with(price, 0) };
    expect(modelledRows(mixed, column)).toBe(priced.length);
  });

  it("is the runtime's own where it holds no op of the model", () => {
    const { meta } = found;
    const kinds = meta.kinds.with(0, "layout");
    const inserted = {
      ...meta,
      kinds,
      sources: meta.sources.with(0, ""),
      ops: meta.ops.with(0, []),
    };
    expect(isAdded({ ...found, meta: inserted }, 0)).toBe(true);
    expect(isAdded({ ...found, meta: { ...inserted, ops: meta.ops } }, 0)).toBe(false);
    expect(isAdded(found, 0)).toBe(false);
  });
});
