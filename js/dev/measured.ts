/**
 * A modelled fixture made up as a measured one, for looking at the page and for its tests: prices
 * are scaled and named measured. Nothing of this is a measurement.
 */
import { decodeProgram, decodeReport, type Program, type Totals } from "../src/data/decode";
import { evaluate, makePlan } from "../src/data/evaluate";
import type { BlockHeader, MeasuredParts, Measuring, ProgramMeta, ReportMeta } from "../src/wire";
import {
  type Blocks,
  encode,
  type Fixture,
  pack,
  reportBlocks,
  unpack,
  withMeta,
} from "./fake-model";

export interface Sketch {
  /** The share of signatures whose prices are measured. */
  share: number;
  /** The recipe was built and timed. */
  whole: boolean;
  /** The runtime put two rows in, as it does when its own graph replaces the model's. */
  inserted: boolean;
  /** Rules of the runtime that cost something. */
  corrections: boolean;
  measuring: Measuring | null;
}

export const SKETCHES: Record<string, Sketch> = {
  waiting: sketch(0, at("waiting", "another notebook is measuring; waiting for its turn")),
  baseline: sketch(0, at("baseline", "measuring the baseline")),
  kernels: sketch(0.5, { ...at("kernels", "pricing kernels"), done: 12, total: 130, eta_s: 38 }),
  recipe: sketch(0.9, at("recipe", "building the recipe and timing it")),
  done: { ...sketch(1, at("done", "")), whole: true },
  partly: { ...sketch(0.9, at("done", "")), whole: true },
  stopped: sketch(0.5, at("stopped", "")),
  failed: sketch(
    0,
    at("failed", "ONNX Runtime cannot load this model: no kernel for GridSample(20) of float16"),
  ),
  modelled: sketch(0, null),
};

function at(state: Measuring["state"], text: string): Measuring {
  return { state, text, done: 0, total: 0, eta_s: null };
}

function sketch(share: number, measuring: Measuring | null): Sketch {
  return { share, whole: false, inserted: share > 0, corrections: share > 0, measuring };
}

const DEVICE = {
  name: "onnxruntime-cpu",
  title: "This machine · one thread",
  runtime: "ONNX Runtime 1.32",
  provenance: "measured",
  threads: 1,
} as const;

/** The fixture as the sketch has it. */
export function asMeasured(fixture: Fixture, wanted: Sketch): Fixture {
  const named = nameDevice(unpack(fixture._program));
  const fitted = wanted.inserted ? insertRow(insertRow(named, 0), -1) : named;
  const view = price(fitted, wanted);
  const program = decodeProgram(view);
  const names = decodeProgram(unpack(fixture._program)).meta.names;
  const rules = fixture._recipe.rules.map((rule) => ({
    ...rule,
    rows: rule.rows.map((row) => program.meta.names.indexOf(names[row])),
  }));
  const choice = decodeReport(unpack(fixture._report), program).choice;
  const told = Object.entries(fixture.details ?? {}).map(([row, details]) => [
    row,
    { ...details, measured: wanted.share ? measuredAs(program, row) : null },
  ]);
  return {
    ...fixture,
    details: Object.fromEntries(told),
    device: DEVICE.name,
    _recipe: { ...fixture._recipe, rules },
    _program: pack(view),
    _report: pack(report(unpack(fixture._report), program, choice, wanted)),
    _status: { ...fixture._status, measuring: wanted.measuring },
  };
}

function measuredAs(program: Program, name: string): MeasuredParts {
  const whole_s = evaluate(makePlan(program), new Int32Array(program.weight_leader.length)).totals
    .latency_s;
  const at = program.row_signature[program.meta.names.indexOf(name)] * program.options;
  const ratio = (column: number) => program.latency.point[at + column] / program.latency.point[at];
  const kernels = program.meta.options.map((_, column) =>
    column ? { ratio: ratio(column), sweeps: 3, spread: 0.04 } : null,
  );
  return { whole_s, noise: 0.02, rounds: 6, runtime: DEVICE.runtime, kernels };
}

// ------------------------------------------------------------------------------- a program

const KINDS = {
  float64: Float64Array,
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
};

/** The meta data and all blocks of a message. */
function open<Meta>(view: DataView): { meta: Meta; blocks: Blocks } {
  const length = view.getUint32(0, true);
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + 4, length));
  const header = JSON.parse(text) as { meta: Meta; blocks: BlockHeader[] };
  const start = view.byteOffset + 4 + length;
  const blocks: Blocks = {};
  for (const { name, dtype, shape, offset } of header.blocks) {
    const count = shape.reduce((product, size) => product * size, 1);
    const Kind = KINDS[dtype];
    const end = start + offset + count * Kind.BYTES_PER_ELEMENT;
    blocks[name] = new Kind(view.buffer.slice(start + offset, end) as ArrayBuffer);
  }
  return { meta: header.meta, blocks };
}

function nameDevice(view: DataView): DataView {
  const { meta } = open<ProgramMeta>(view);
  const others = meta.devices.filter(({ name }) => name !== DEVICE.name);
  return withMeta(view, { device: DEVICE, devices: [DEVICE, ...others] });
}

const PER_ROW = ["macs", "flops", "read_bytes", "write_bytes", "parameters", "times"];
const PRICES = ["latency", "energy"].flatMap((name) => [name, `${name}_low`, `${name}_high`]);

/** A row of the runtime's own before row `place`, or before the last. */
function insertRow(view: DataView, place: number): DataView {
  const { meta, blocks } = open<ProgramMeta>(view);
  const row = place < 0 ? meta.names.length + place : place;
  const insert = <T>(list: T[], value: T) => list.toSpliced(row, 0, value);
  const shift = (block: Int32Array) => block.map((found) => (found >= row ? found + 1 : found));
  const ints = (name: string) => blocks[name] as Int32Array;
  const signatures = 1 + Math.max(...ints("row_signature"));
  const options = meta.options.length;
  for (const name of PER_ROW) {
    const value = name === "times" ? 1 : name.endsWith("_bytes") ? 1e6 : 0;
    blocks[name] = Float64Array.from(insert([...blocks[name]], value));
  }
  blocks.row_signature = Int32Array.from(insert([...blocks.row_signature], signatures));
  const starts = [...blocks.row_weight_start];
  blocks.row_weight_start = Int32Array.from(insert(starts, starts[row]));
  for (const name of ["tensor_row", "tensor_last", "edge_row", "block_rows"]) {
    blocks[name] = shift(ints(name));
  }
  for (const name of PRICES) {
    const known = blocks[name] as Float32Array;
    const scale = name.endsWith("low") ? 0.6 : name.endsWith("high") ? 1.4 : 1;
    const added = new Float32Array(options).fill((name.startsWith("l") ? 60e-6 : 1e-4) * scale);
    blocks[name] = Float32Array.from([...known, ...added]);
  }
  for (const name of ["provenance", "refusal", "bound", "gives"]) {
    const known = blocks[name] as Uint8Array;
    const column = name === "gives" ? [...ints("column_precision")] : Array(options).fill(0);
    blocks[name] = Uint8Array.from([...known, ...column]);
  }
  const changed = {
    ...meta,
    names: insert(meta.names, `ReorderOutput_${row}`),
    kinds: insert(meta.kinds, "layout"),
    labels: insert(meta.labels, "layout"),
    stored_precisions: insert(meta.stored_precisions, ""),
    paths: insert(meta.paths, meta.paths[row]),
    shapes: insert(meta.shapes, meta.shapes[row]),
    input_shapes: insert(meta.input_shapes, meta.shapes[row]),
    dtypes: insert(meta.dtypes, meta.dtypes[row]),
    settings: insert(meta.settings, ""),
    sources: insert(meta.sources, ""),
    ops: insert(meta.ops, []),
  };
  return encode(changed, blocks);
}

/** Prices of the first signatures, scaled here and there, as if a clock had said so. */
function price(view: DataView, { share, corrections }: Sketch): DataView {
  const { meta, blocks } = open<ProgramMeta>(view);
  const options = meta.options.length;
  const measured = Math.round(share * (blocks.latency.length / options));
  const revision = meta.revision + (share > 0 ? 1 : 0);
  for (let signature = 0; signature < measured; signature++) {
    const factor = 0.75 + ((signature * 37) % 60) / 100;
    for (let column = 0; column < options; column++) {
      const at = signature * options + column;
      for (const name of ["latency", "energy"]) {
        const point = blocks[name][at] * factor * (1 + ((signature + column) % 3) / 20);
        const width = name === "latency" ? 0.06 : 0.15;
        blocks[name][at] = point;
        blocks[`${name}_low`][at] = point * (1 - width);
        blocks[`${name}_high`][at] = point * (1 + width);
      }
      blocks.provenance[at] = 1;
    }
  }
  const made = corrections ? ruleCosts(meta, decodeProgram(encode(meta, blocks))) : [];
  return encode({ ...meta, revision, corrections: made }, blocks);
}

/** Two rules that hold while any of their rows is not as it was. */
function ruleCosts(meta: ProgramMeta, program: Program): ProgramMeta["corrections"] {
  const rows = meta.kinds.flatMap((kind, row) => (kind === "conv" ? [row] : []));
  const changed = meta.options.slice(1).map((_, at) => at + 1);
  const unit = evaluate(makePlan(program), new Int32Array(program.weight_leader.length)).totals;
  return [
    { share: 0.02, at: rows.length - 1, note: "the Add and Relu behind it leave the convolution" },
    { share: 0.011, at: rows.length - 2, note: "the Add and Relu behind it leave the convolution" },
  ].map(({ share, at: place, note }) => ({
    rows: [rows[place] ?? 0],
    columns: [changed],
    latency_s: unit.latency_s * share,
    energy_j: unit.energy_j * share,
    note: `${meta.names[rows[place] ?? 0]}: ${note}`,
    provenance: 1,
  }));
}

// -------------------------------------------------------------------------------- a report

function report(old: DataView, program: Program, choice: Int32Array, wanted: Sketch): DataView {
  const { meta } = open<ReportMeta>(old);
  const plan = makePlan(program);
  const found = evaluate(plan, choice);
  const before = evaluate(plan, new Int32Array(choice.length)).totals;
  const estimated = { ...meta.totals, ...found.totals };
  const totals = wanted.whole ? { ...estimated, ...timed(found.totals) } : estimated;
  const ratio = totals.latency_s / before.latency_s;
  const changed = found.totals.latency_s_change !== 1;
  const made: ReportMeta = {
    ...meta,
    program: program.meta.revision,
    totals,
    baseline: { ...meta.baseline, ...before },
    estimated,
    measured: wanted.whole,
    difference_s: wanted.whole ? totals.latency_s - found.totals.latency_s : null,
    change: {
      ratio: wanted.whole ? ratio : found.totals.latency_s_change,
      low: wanted.whole && changed ? ratio * 0.97 : found.totals.latency_s_change_low,
      high: wanted.whole && changed ? ratio * 1.03 : found.totals.latency_s_change_high,
    },
    corrections: found.corrections,
    provenance: wanted.share === 0 ? "modelled" : wanted.share < 1 ? "partly measured" : "measured",
    latency_source: wanted.share ? "ONNX Runtime 1.32, mean of the fastest of 20 rounds" : "",
    energy_source: "mean power x latency",
    notes: meta.notes,
  };
  return encode(made, reportBlocks(choice, found));
}

function timed(sum: Totals): Partial<Totals> {
  return {
    latency_s: sum.latency_s * 1.04,
    latency_s_low: sum.latency_s * 1.02,
    latency_s_high: sum.latency_s * 1.06,
    energy_j: sum.energy_j * 1.04,
    energy_j_low: sum.energy_j * 0.9,
    energy_j_high: sum.energy_j * 1.2,
  };
}
