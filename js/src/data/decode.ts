/** Unpacks the messages that `wire.py` packs: a JSON header, then aligned little-endian blocks. */

import type { BlockHeader, ProgramMeta, ReportMeta } from "../wire";
import { castPrices, rowPrices, rowSums, weightBytes } from "./bands";

export type Block = Float64Array | Float32Array | Int32Array | Uint8Array;

export interface Message<Meta> {
  meta: Meta;
  block<T extends Block>(name: string, kind: new (length: number) => T): T;
}

const KINDS = {
  float64: Float64Array,
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
} as const;

export function decode<Meta>(view: DataView): Message<Meta> {
  if (view.byteLength < 4) throw new Error("The message from Python is empty.");
  const length = view.getUint32(0, true);
  if (4 + length > view.byteLength) throw new Error("The message from Python is cut short.");
  const bytes = new Uint8Array(view.buffer, view.byteOffset + 4, length);
  const header = JSON.parse(new TextDecoder().decode(bytes)) as {
    meta: Meta;
    blocks: BlockHeader[];
  };
  const start = view.byteOffset + 4 + length;
  // Typed arrays want alignment, which a host that slices buffers may not keep.
  const aligned = start % 8 === 0;
  const buffer = aligned
    ? view.buffer
    : view.buffer.slice(start, view.byteOffset + view.byteLength);
  const origin = aligned ? start : 0;
  const blocks = new Map<string, Block>();
  for (const { name, dtype, shape, offset } of header.blocks) {
    const count = shape.reduce((product, size) => product * size, 1);
    blocks.set(name, new KINDS[dtype](buffer as ArrayBuffer, origin + offset, count));
  }
  return {
    meta: header.meta,
    block(name, kind) {
      const found = blocks.get(name);
      if (!(found instanceof kind)) throw new Error(`The message from Python lacks ${name}.`);
      return found;
    },
  };
}

/** A price with its low and high. */
export interface Band<T extends Block = Float64Array> {
  point: T;
  low: T;
  high: T;
}

function band<T extends Block>(
  message: Message<unknown>,
  name: string,
  kind: new (length: number) => T,
): Band<T> {
  return {
    point: message.block(name, kind),
    low: message.block(`${name}_low`, kind),
    high: message.block(`${name}_high`, kind),
  };
}

/** The rows of a model on a device, and every price: see `ProgramMeta` in `wire.py`. */
export type Program = ReturnType<typeof decodeProgram>;

export function decodeProgram(view: DataView) {
  const message = decode<ProgramMeta>(view);
  const f64 = (name: string) => message.block(name, Float64Array);
  const i32 = (name: string) => message.block(name, Int32Array);
  const u8 = (name: string) => message.block(name, Uint8Array);
  return {
    meta: message.meta,
    rows: message.meta.names.length,
    options: message.meta.options.length,
    macs: f64("macs"),
    flops: f64("flops"),
    read_bytes: f64("read_bytes"),
    write_bytes: f64("write_bytes"),
    parameters: f64("parameters"),
    times: f64("times"),
    weight_bytes: f64("weight_bytes"),
    tensor_size: f64("tensor_size"),
    tensor_bytes: f64("tensor_bytes"),
    precision_bytes: f64("precision_bytes"),
    latency: band(message, "latency", Float32Array),
    energy: band(message, "energy", Float32Array),
    cast_latency: band(message, "cast_latency", Float32Array),
    cast_energy: band(message, "cast_energy", Float32Array),
    row_signature: i32("row_signature"),
    row_weight_start: i32("row_weight_start"),
    row_weight: i32("row_weight"),
    weight_leader: i32("weight_leader"),
    tensor_row: i32("tensor_row"),
    tensor_last: i32("tensor_last"),
    tensor_cast: i32("tensor_cast"),
    tensor_reuse: i32("tensor_reuse"),
    edge_row: i32("edge_row"),
    edge_tensor: i32("edge_tensor"),
    column_precision: i32("column_precision"),
    block_rows: i32("block_rows"),
    provenance: u8("provenance"),
    gives: u8("gives"),
    cast_provenance: u8("cast_provenance"),
    refusal: u8("refusal"),
    weight_refusal: u8("weight_refusal"),
    bound: u8("bound"),
  };
}

/** What the whole costs; NaN is unknown. */
export interface Totals {
  latency_s: number;
  latency_s_low: number;
  latency_s_high: number;
  /** After over before, with a band of its own: exactly 1 where nothing changed. */
  latency_s_change: number;
  latency_s_change_low: number;
  latency_s_change_high: number;
  energy_j: number;
  energy_j_low: number;
  energy_j_high: number;
  size_bytes: number;
  peak_memory_bytes: number;
}

export interface Casts {
  tensor: Int32Array;
  source: Int32Array;
  target: Int32Array;
  row: Int32Array;
  latency: Band;
  energy: Band;
  /** As of rows: 0 modelled, 1 measured, 2 vendor. */
  provenance: Uint8Array;
}

/** What a choice costs: per row, per weight, per cast, and their sums. */
export interface Evaluation {
  column: Int32Array;
  mixed: Uint8Array;
  latency: Band;
  energy: Band;
  weight_bytes: Float64Array;
  row_weight_bytes: Float64Array;
  memory_bytes: Float64Array;
  casts: Casts;
  corrections: number[];
  totals: Totals;
  unknown_rows: number;
}

/** The best known totals stand in `meta`; those of the evaluation are the sums of its rows. */
export interface Report {
  meta: ReportMeta;
  choice: Int32Array;
  evaluation: Evaluation;
}

const TOTALS = [
  "latency_s",
  "latency_s_low",
  "latency_s_high",
  "latency_s_change",
  "latency_s_change_low",
  "latency_s_change_high",
  "energy_j",
  "energy_j_low",
  "energy_j_high",
  "size_bytes",
  "peak_memory_bytes",
] as const;

function totals(found: Record<string, number | null>): Totals {
  const entries = TOTALS.map((name) => [name, found[name] ?? Number.NaN]);
  return Object.fromEntries(entries) as Totals;
}

/** A report of this program, whose prices say what its rows and casts cost. */
export function decodeReport(view: DataView, program: Program): Report {
  const message = decode<ReportMeta>(view);
  const { meta } = message;
  const i32 = (name: string) => message.block(name, Int32Array);
  const column = i32("column");
  const choice = i32("choice");
  const weight_bytes = weightBytes(program, choice);
  return {
    meta,
    choice,
    evaluation: {
      column,
      mixed: message.block("mixed", Uint8Array),
      latency: rowPrices(program, program.latency, column),
      energy: rowPrices(program, program.energy, column),
      weight_bytes,
      row_weight_bytes: rowSums(program, weight_bytes),
      memory_bytes: message.block("memory_bytes", Float64Array),
      casts: castPrices(program, {
        tensor: i32("cast_tensor"),
        source: i32("cast_source"),
        target: i32("cast_target"),
        row: i32("cast_row"),
      }),
      corrections: meta.corrections,
      totals: totals(meta.estimated),
      unknown_rows: meta.unknown_rows,
    },
  };
}
