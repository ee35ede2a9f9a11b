import { describe, expect, it } from "vitest";
import { unpack } from "../../dev/fake-model";
import { goldenFixture } from "../../dev/golden";
import { asMeasured, SKETCHES } from "../../dev/measured";
import { decodeProgram, decodeReport } from "./decode";
import { evaluate, makePlan } from "./evaluate";
import { withMarks } from "./preview";
import { type Cell, heldCorrections, ledgerOf, type Shown, totalCells } from "./totals";

function shownOf(sketch: string, changes: Partial<Shown> = {}): Shown {
  const fixture = asMeasured(goldenFixture("SmallNet"), SKETCHES[sketch]);
  const program = decodeProgram(unpack(fixture._program));
  const report = decodeReport(unpack(fixture._report), program);
  const plan = makePlan(program);
  const baseline = evaluate(plan, new Int32Array(report.choice.length));
  const { meta } = program;
  const base = { meta, report, baseline, now: report.evaluation };
  return { ...base, candidate: null, previewing: false, targets: {}, ...changes };
}

function candidateOf(sketch: string, label = "int8") {
  const fixture = asMeasured(goldenFixture("SmallNet"), SKETCHES[sketch]);
  const program = decodeProgram(unpack(fixture._program));
  const plan = makePlan(program);
  const option = program.meta.options.findIndex((found) => found.label === label);
  const rows = program.meta.names.map((_, row) => row);
  const empty = new Int32Array(program.weight_leader.length);
  return evaluate(plan, withMarks(plan, empty, [{ rows, option }]));
}

const cellOf = (shown: Shown, key: string) =>
  totalCells(shown).find((cell) => cell.key === key) as Cell;

describe("a total that is not known", () => {
  it("has neither a change nor what it was", () => {
    const shown = shownOf("done");
    const totals = { ...shown.report.meta.totals, energy_j: null };
    const meta = { ...shown.report.meta, totals, baseline: { ...totals } };
    const energy = cellOf({ ...shown, report: { ...shown.report, meta } }, "energy_j");
    expect(energy.text).toEqual({ number: "?", unit: "" });
    expect([energy.aside, energy.history]).toEqual(["", ""]);
  });
});

describe("a whole that was measured", () => {
  it("is the total, and its difference from the rows a line of its own", () => {
    const shown = shownOf("done");
    const sum = shown.now.totals.latency_s;
    const latency = cellOf(shown, "latency_s");
    expect(latency.value).toBeCloseTo(sum * 1.04, 12);
    expect(latency.standing).toBe("measured");
    expect([latency.low, latency.high]).toEqual([
      shown.report.meta.totals.latency_s_low,
      shown.report.meta.totals.latency_s_high,
    ]);
    const ledger = ledgerOf(shown);
    expect(ledger.sum).toBe(sum);
    expect(ledger.measured).toBe(latency.value);
    expect(ledger.difference).toBeCloseTo(sum * 1.04 - sum, 12);
  });

  it("never stands for another recipe: a preview is a sum of rows", () => {
    const evaluation = candidateOf("done");
    for (const changes of [{ candidate: evaluation }, { previewing: true, now: evaluation }]) {
      const shown = shownOf("done", changes);
      const latency = cellOf(shown, "latency_s");
      expect(latency.value).toBe(evaluation.totals.latency_s);
      expect(latency.standing).toBe("estimated");
      expect(latency.previewed).toBe(true);
      expect(latency.before).toBe(shown.baseline.totals.latency_s);
      expect(ledgerOf(shown)).toEqual({
        standing: "estimated",
        measured: null,
        sum: evaluation.totals.latency_s,
        difference: null,
      });
    }
  });

  it("is set against the sum that is, not against itself, while an option is pointed at", () => {
    const latency = cellOf(shownOf("done", { candidate: candidateOf("done") }), "latency_s");
    const sum = shownOf("done").now.totals.latency_s;
    expect(latency.present).toBe(sum);
    expect(latency.aside).toMatch(/^now /);
  });
});

describe("a figure that is not measured as a whole", () => {
  it("is an estimate once its parts are, and modelled before", () => {
    expect(cellOf(shownOf("kernels"), "latency_s").standing).toBe("estimated");
    expect(cellOf(shownOf("baseline"), "latency_s").standing).toBe("modelled");
    expect(ledgerOf(shownOf("kernels")).measured).toBeNull();
    expect(cellOf(shownOf("baseline"), "size_bytes").standing).toBe("counted");
  });

  it("shows its band, and no more digits than that allows", () => {
    const { text, note } = cellOf(shownOf("modelled"), "latency_s");
    expect(text.number.replace(/\D/g, "")).toHaveLength(3);
    expect(note).toMatch(/ – .*\(±\d+\u202f%\)$/);
    expect(cellOf(shownOf("modelled"), "size_bytes").text.number).toBe("11.20");
  });
});

describe("a change", () => {
  const changed = (ratio: number, low: number, high: number) => {
    const shown = shownOf("done");
    const meta = { ...shown.report.meta, change: { ratio, low, high } };
    return { ...shown, report: { ...shown.report, meta } };
  };

  it("is a factor with its band beside it, and what it was in full", () => {
    const latency = cellOf(changed(1 / 1.38, 1 / 1.52, 1 / 1.28), "latency_s");
    expect(latency).toMatchObject({ delta: "1.38× faster", aside: "1.3–1.5×", tone: "better" });
    expect(latency.history).toContain("from ");
    expect(latency.history).toContain("between 1.3 and 1.5×");
  });

  it("that noise may explain is no difference, nor is the energy that follows from it", () => {
    const shown = changed(0.97, 0.9, 1.04);
    expect(cellOf(shown, "latency_s").delta).toBe("no difference");
    expect(cellOf(shown, "energy_j").delta).toBe("no difference");
    expect(cellOf(shown, "size_bytes").delta).toBe("unchanged");
  });

  it("of nothing is nothing", () => {
    expect(cellOf(shownOf("modelled"), "latency_s")).toMatchObject({
      delta: "unchanged",
      aside: "",
      history: "",
    });
  });
});

it("corrections that hold are named, with their seconds", () => {
  const { meta, now } = shownOf("done");
  expect(heldCorrections(meta, now)).toEqual([]);
  const evaluation = candidateOf("done");
  expect(evaluation.corrections.length).toBeGreaterThan(0);
  const held = heldCorrections(meta, evaluation);
  expect(held.map(({ latency_s }) => latency_s)).toEqual(
    evaluation.corrections.map((at) => meta.corrections[at].latency_s),
  );
  expect(held[0].note).toContain("leave the convolution");
});
