import { describe, expect, it } from "vitest";
import { encode } from "../../dev/fake-model";
import { decode } from "./decode";

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
