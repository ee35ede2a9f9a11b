/** The programs that Python wrote beside the golden vectors, for tests. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeProgram, type Program } from "../src/data/decode";
import { evaluate, makePlan } from "../src/data/evaluate";
import type { ReportMeta } from "../src/wire";
import { encode, type Fixture, pack, reportBlocks, unpack } from "./fake-model";

const path = join(import.meta.dirname, "../src/data/evaluate.golden.json");
const { programs } = JSON.parse(readFileSync(path, "utf-8")) as { programs: string[] };

/** The program of a model, by name. */
export function goldenProgram(model: string): Program {
  const found = programs.map((text) => decodeProgram(unpack(text)));
  const program = found.find(({ meta }) => meta.model === model);
  if (!program) throw new Error(`no golden program of ${model}`);
  return program;
}

/** What Python would have sent first. */
export function goldenFixture(model: string): Fixture {
  const program = goldenProgram(model);
  const choice = new Int32Array(program.weight_leader.length);
  const found = evaluate(makePlan(program), choice);
  const totals = { ...found.totals, macs: 1e6, flops: 2e6, parameters: 1000 };
  const meta: ReportMeta = {
    program: program.meta.revision,
    recipe: 0,
    sequence: 0,
    totals,
    baseline: totals,
    estimated: totals,
    measured: false,
    difference_s: null,
    change: null,
    unknown_rows: found.unknown_rows,
    corrections: found.corrections,
    provenance: "modelled",
    latency_source: "",
    energy_source: "",
    refused: [],
    notes: [],
  };
  return {
    _program: programs.find((text) => decodeProgram(unpack(text)).meta.model === model) as string,
    _report: pack(encode(meta, reportBlocks(choice, found))),
    _recipe: {
      revision: 0,
      rules: [],
      python: "talaria.Recipe({})",
      can_undo: false,
      can_redo: false,
    },
    _status: { error: "", notice: "", sequence: 0, measuring: null },
    device: program.meta.device.name,
    selection: [],
    targets: {},
  };
}
