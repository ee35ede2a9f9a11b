// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type FakeModel, fakeModel } from "../../dev/fake-model";
import { goldenFixture } from "../../dev/golden";
import { PATIENCE_MS } from "./outbox.svelte";
import { TalariaState } from "./talaria.svelte";

let model: FakeModel;
let talaria: TalariaState;
let int8: number;

beforeEach(() => {
  vi.useFakeTimers();
  model = fakeModel(goldenFixture("SmallNet"));
  talaria = new TalariaState(model);
  int8 = talaria.program.meta.options.findIndex(({ label }) => label === "int8");
});

afterEach(() => {
  talaria.stop();
  vi.useRealTimers();
});

const rowOf = (name: string) => talaria.program.meta.names.indexOf(name);

describe("a click", () => {
  it("shows at once what it costs, marked as a preview, until Python answers", () => {
    const before = talaria.now.totals.size_bytes;
    talaria.mark([rowOf("blocks.0.conv")], int8);
    expect(talaria.pageState).toBe("preview");
    const shown = talaria.now.totals;
    expect(shown.size_bytes).toBeLessThan(before);
    model.answer();
    expect(talaria.pageState).toBe("ready");
    expect(talaria.now.totals).toEqual(shown);
    expect(talaria.recipe.rules).toHaveLength(1);
  });

  it("is not drawn again when Python says the same", () => {
    talaria.mark([rowOf("blocks.0.conv")], int8);
    const drawn = talaria.now;
    model.answer();
    expect(talaria.now).toBe(drawn);
    expect(talaria.report.meta.totals.size_bytes).toBe(drawn.totals.size_bytes);
  });

  it("is one command, with the rows by name", () => {
    talaria.mark([rowOf("blocks.0.conv"), rowOf("blocks.1.conv")], int8);
    expect(model.sent).toMatchObject([
      { kind: "mark", rows: ["blocks.0.conv", "blocks.1.conv"], option: int8 },
    ]);
  });

  it("says that Python is busy only after a while", () => {
    talaria.mark([rowOf("blocks.0.conv")], int8);
    vi.advanceTimersByTime(PATIENCE_MS - 1);
    expect(talaria.slow).toBe(false);
    vi.advanceTimersByTime(2);
    expect(talaria.slow).toBe(true);
    model.answer();
    expect(talaria.slow).toBe(false);
  });

  it("adds to those that wait", () => {
    talaria.mark([rowOf("blocks.0.conv")], int8);
    const one = talaria.now.totals.size_bytes;
    talaria.mark([rowOf("blocks.1.conv")], int8);
    expect(talaria.now.totals.size_bytes).toBeLessThanOrEqual(one);
    const both = talaria.now.totals;
    model.answer();
    expect(talaria.pageState).toBe("ready");
    expect(talaria.now.totals).toEqual(both);
    const [first, second] = model.sent;
    expect(second.sequence).toBe(first.sequence + 1);
    expect(first.sequence).toBeLessThan(2 ** 31);
  });

  it("survives a report that answers somebody else", () => {
    talaria.mark([rowOf("blocks.0.conv")], int8);
    const shown = talaria.now.totals.size_bytes;
    const other = new TalariaState(model);
    other.mark([rowOf("blocks.1.conv")], int8);
    // The other view's command is answered alone: it is the only one the model holds.
    model.answer();
    expect(talaria.pageState).toBe("ready");
    expect(talaria.now.totals.size_bytes).toBeLessThanOrEqual(shown);
    other.stop();
  });

  it("that Python refuses leaves what was", () => {
    const before = talaria.now.totals;
    talaria.mark([rowOf("blocks.0.conv")], int8);
    const { sequence } = model.sent[0];
    model.receive({ _status: { error: "no such option", notice: "", sequence, measuring: null } });
    expect(talaria.pageState).toBe("ready");
    expect(talaria.now.totals).toEqual(before);
    expect(talaria.status.error).toBe("no such option");
  });
});

describe("other commands", () => {
  it("wait for Python: undo and redo", () => {
    talaria.mark([rowOf("blocks.0.conv")], int8);
    model.answer();
    talaria.step("undo");
    expect(talaria.pageState).toBe("busy");
    model.answer();
    expect(talaria.pageState).toBe("ready");
    expect(talaria.recipe.rules).toHaveLength(0);
    expect(talaria.recipe.can_redo).toBe(true);
  });

  it("edit rules against the revision that the page shows", () => {
    talaria.mark([rowOf("blocks.0.conv")], int8);
    model.answer();
    talaria.editRule("disable", 0);
    expect(model.sent[1]).toMatchObject({ action: "disable", recipe: talaria.recipe.revision });
    expect(talaria.pageState).toBe("preview");
    const foreseen = talaria.now.totals;
    expect(foreseen).toEqual(talaria.baseline.totals);
    model.answer();
    expect(talaria.pageState).toBe("ready");
    expect(talaria.now.totals).toEqual(foreseen);
    expect(talaria.recipe.rules[0].enabled).toBe(false);
    expect(talaria.choice.every((option) => option === 0)).toBe(true);
  });

  it("foresee another option, another order and a rule that is deleted", () => {
    const all = talaria.program.meta.names.map((_, row) => row);
    talaria.mark(all, int8);
    model.answer();
    talaria.mark([rowOf("blocks.0.conv")], 0);
    model.answer();
    const both = talaria.now.totals.size_bytes;
    const steps = [
      () => talaria.editRule("move", 1, 0),
      () => talaria.editRule("delete", 0),
      () => talaria.giveRule(0, 0),
    ];
    const sizes = steps.map((step) => {
      step();
      expect(talaria.previewing).toBe(true);
      const foreseen = talaria.now.totals;
      model.answer();
      expect(talaria.previewing).toBe(false);
      expect(talaria.now.totals).toEqual(foreseen);
      return foreseen.size_bytes;
    });
    // The rule of all comes last, then alone, then as the default.
    expect(sizes[0]).toBeLessThan(both);
    expect(sizes[1]).toBe(sizes[0]);
    expect(sizes[2]).toBe(talaria.baseline.totals.size_bytes);
  });

  it("ask for a device and wait for its program", () => {
    talaria.setDevice("cpu-avx2");
    expect(model.get("device")).toBe("cpu-avx2");
    expect(talaria.pageState).toBe("busy");
    model.receive({ device: "apple-a17-pro-ane" });
    expect(talaria.pageState).toBe("ready");
    expect(talaria.device).toBe("apple-a17-pro-ane");
  });

  it("carry selection and targets both ways", () => {
    talaria.select(["fc"]);
    expect(model.get("selection")).toEqual(["fc"]);
    model.receive({ selection: ["stem"] });
    expect(talaria.selectedRows).toEqual([rowOf("stem")]);
    talaria.setTarget("latency_s", 0.008);
    expect(model.get("targets")).toEqual({ latency_s: 0.008 });
    talaria.setTarget("latency_s", null);
    expect(model.get("targets")).toEqual({});
  });
});

describe("without a kernel", () => {
  it("the page is read-only and keeps what was clicked", async () => {
    await vi.runAllTimersAsync();
    talaria.mark([rowOf("blocks.0.conv")], int8);
    const shown = talaria.now.totals;
    model.setLive(false);
    await vi.runAllTimersAsync();
    expect(talaria.pageState).toBe("no-kernel");
    expect(talaria.now.totals).toEqual(shown);
    expect(talaria.python).toContain('w.mark(["blocks.0.conv"], talaria.Quantize(8))');
    talaria.mark([rowOf("stem")], int8);
    expect(model.sent).toHaveLength(1);
    talaria.select(["stem"]);
    expect(talaria.selection).toEqual(["stem"]);
  });

  it("a channel that throws is one that is closed", () => {
    vi.spyOn(console, "warn").mockImplementation(() => undefined);
    model.send = () => {
      throw new Error("closed");
    };
    talaria.mark([rowOf("blocks.0.conv")], int8);
    expect(talaria.pageState).toBe("no-kernel");
  });
});

it("a message that cannot be read is said, and the rest stays", () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const before = talaria.now.totals;
  model.receive({ _report: new DataView(new ArrayBuffer(8)) });
  expect(talaria.problem).toContain("could not read");
  expect(talaria.now.totals).toEqual(before);
});

it("a view that ends leaves no listener", () => {
  talaria.stop();
  model.receive({ selection: ["fc"] });
  expect(talaria.selection).toEqual([]);
});

it("a command is followed by a nudge, for the connection's sake", async () => {
  const send = vi.spyOn(model, "send");
  talaria.step("reset");
  expect(send).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(20);
  expect(send).toHaveBeenLastCalledWith({ kind: "nudge" });
  expect(send).toHaveBeenCalledTimes(2);
});
