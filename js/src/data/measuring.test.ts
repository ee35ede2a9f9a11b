import { describe, expect, it } from "vitest";
import type { Measuring } from "../wire";
import { deviceLine, lineOf, progressOf, running, spokenOf } from "./measuring";

const at = (changes: Partial<Measuring>): Measuring => ({
  state: "kernels",
  text: "",
  done: 12,
  total: 130,
  eta_s: 38,
  ...changes,
});

describe("the line of a measurement", () => {
  it("says what is done, how far it is and how long it takes", () => {
    expect(lineOf(at({}))).toBe("Pricing kernels, 12 of 130, 40\u202fs left");
    expect(lineOf(at({ text: "pricing kernels, sweep 2" }))).toBe(
      "Pricing kernels, sweep 2, 12 of 130, 40\u202fs left",
    );
  });

  it("repeats nothing that Python says itself", () => {
    expect(lineOf(at({ text: "pricing kernels 12 of 130" }))).toBe(
      "Pricing kernels 12 of 130, 40\u202fs left",
    );
  });

  it("counts nothing while it waits, nor when it is over", () => {
    expect(lineOf(at({ state: "waiting", eta_s: null }))).toBe(
      "Waiting for another notebook to finish measuring",
    );
    expect(lineOf(at({ state: "done", done: 130, eta_s: 0 }))).toBe("");
  });

  it("gives the reason of a failure as a sentence", () => {
    expect(lineOf(at({ state: "failed", text: "the runtime died on conv1" }))).toBe(
      "The runtime died on conv1.",
    );
  });
});

describe("its progress", () => {
  it("is a share, and unknown where there is nothing to count", () => {
    expect(progressOf(at({}))).toBe(12 / 130);
    expect(progressOf(at({ done: 140 }))).toBe(1);
    expect(progressOf(at({ total: 0 }))).toBeNull();
    expect(progressOf(at({ state: "waiting" }))).toBeNull();
  });

  it("runs in four of the states", () => {
    expect(running(null)).toBe(false);
    expect(running(at({ state: "baseline" }))).toBe(true);
    for (const state of ["done", "stopped", "failed"] as const) {
      expect(running(at({ state }))).toBe(false);
    }
  });

  it("is spoken at every quarter only", () => {
    const said = Array.from({ length: 131 }, (_, done) => spokenOf(at({ done })));
    expect(new Set(said).size).toBe(5);
    expect(said[65]).toBe("Pricing kernels, 50 per cent");
    expect(spokenOf(at({ state: "failed", text: "no memory" }))).toBe("");
    expect(spokenOf(at({ state: "done" }))).toBe("Measured");
    expect(spokenOf(null)).toBe("");
  });
});

describe("a device's line", () => {
  const device = {
    name: "onnxruntime-cpu",
    title: "This machine · one thread",
    runtime: "ONNX Runtime 1.32.0",
    provenance: "measured" as const,
    threads: 1,
  };

  it("names the runtime and the threads, each once", () => {
    const whole = "This machine · ONNX Runtime 1.32 · one thread";
    expect(deviceLine(device)).toBe(whole);
    expect(deviceLine({ ...device, title: "This machine" })).toBe(whole);
    expect(deviceLine({ ...device, title: whole })).toBe(whole);
    expect(deviceLine({ ...device, title: "This machine", threads: 4 })).toBe(
      "This machine · ONNX Runtime 1.32 · 4 threads",
    );
  });

  it("is the title alone of what is modelled", () => {
    expect(deviceLine({ ...device, title: "A17 Pro", provenance: "modelled" })).toBe("A17 Pro");
  });
});
