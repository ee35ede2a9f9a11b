import { describe, expect, it } from "vitest";
import { encode, reportBlocks, unpack } from "../../dev/fake-model";
import { goldenFixture, goldenProgram } from "../../dev/golden";
import { decode, decodeReport } from "./decode";
import { evaluate, makePlan } from "./evaluate";

const blocks = {
  a: Float64Array.of(1, Number.NaN),
  b: Int32Array.of(7, -1, 3),
  c: Uint8Array.of(5),
};

describe("decode", () => {
  it("reads what was packed", () => {
    const { meta, block } = decode<{ name: string }>(encode({ name: "naïve µ" }, blocks));
    expect(meta.name).toBe("naïve µ");
    expect(block("a", Float64Array)).toEqual(blocks.a);
    expect(block("b", Int32Array)).toEqual(blocks.b);
    expect(block("c", Uint8Array)).toEqual(blocks.c);
  });

  it("reads a view that a host has cut from a larger buffer, aligned or not", () => {
    const view = encode({}, blocks);
    for (const shift of [1, 3, 8]) {
      const bytes = new Uint8Array(view.byteLength + shift + 5);
      bytes.set(new Uint8Array(view.buffer), shift);
      const found = decode(new DataView(bytes.buffer, shift, view.byteLength));
      expect(found.block("b", Int32Array)).toEqual(blocks.b);
    }
  });

  it("says what is wrong", () => {
    expect(() => decode(new DataView(new ArrayBuffer(0)))).toThrow("empty");
    const whole = encode({}, blocks);
    expect(() => decode(new DataView(whole.buffer, 0, 20))).toThrow("cut short");
    expect(() => decode(whole).block("d", Float64Array)).toThrow("lacks d");
    expect(() => decode(whole).block("a", Int32Array)).toThrow("lacks a");
  });
});

describe("decodeReport", () => {
  const program = goldenProgram("SmallNet");
  const { meta } = decode<object>(unpack(goldenFixture("SmallNet")._report));

  it.each([0, 1, 2])("looks up what option %i costs in every row", (option) => {
    const choice = new Int32Array(program.weight_leader.length).fill(option);
    const found = evaluate(makePlan(program), choice);
    const { corrections, totals, unknown_rows } = found;
    const changed = { ...meta, corrections, unknown_rows, estimated: totals };
    const report = decodeReport(encode(changed, reportBlocks(choice, found)), program);
    expect(report.choice).toEqual(choice);
    expect(report.evaluation).toEqual(found);
  });

  it("tells the sum of rows from the best known totals", () => {
    const view = unpack(goldenFixture("SmallNet")._report);
    const { meta: plain, block } = decode<{ totals: object }>(view);
    const blocks = reportBlocks(
      block("choice", Int32Array),
      decodeReport(view, program).evaluation,
    );
    const measured = { ...plain, totals: { ...plain.totals, latency_s: 1 }, measured: true };
    const report = decodeReport(encode(measured, blocks), program);
    expect(report.meta.totals.latency_s).toBe(1);
    expect(report.evaluation.totals.latency_s).toBe(
      decodeReport(view, program).evaluation.totals.latency_s,
    );
  });
});
