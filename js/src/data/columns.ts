/** Every column of the table: what it is called, what it shows, and how wide it wants to be. */
import type { Evaluation, Program } from "./decode";
import type { Plan } from "./evaluate";
import { shortPrecision } from "./format";
import { optionOfRow } from "./preview";
import { isModelled, standingOfRow } from "./standing";

/** What a table is drawn from. */
export interface Rows {
  program: Program;
  plan: Plan;
  choice: Int32Array;
  before: Evaluation;
  now: Evaluation;
}

export type Key =
  | "order"
  | "name"
  | "type"
  | "module"
  | "inputs"
  | "shape"
  | "dtype"
  | "settings"
  | "parameters"
  | "macs"
  | "flops"
  | "reads"
  | "writes"
  | "intensity"
  | "weights"
  | "bits"
  | "latency"
  | "energy"
  | "share"
  | "cumulative"
  | "utilisation"
  | "bound"
  | "memory"
  | "precision"
  | "provenance"
  | "option"
  | "source";

/** `share` is written in per cent. */
export type Unit = "s" | "J" | "B" | "MAC" | "FLOP" | "FLOP/B" | "share" | "";

/** Of all rows; `at` is of one of them, where that takes less. */
export interface Numbers {
  (program: Program, evaluation: Evaluation): Float64Array;
  at?: (program: Program, evaluation: Evaluation, row: number) => number;
}

export interface Texts {
  (rows: Rows): readonly string[];
  at?: (rows: Rows, row: number) => string;
}

interface Common {
  key: Key;
  title: string;
  /** What it means, for who hovers over its name. */
  tip: string;
  /** What else it is called in a search. */
  words: readonly string[];
  /** Least width in pixels, and its share of what is left. */
  least: number;
  grow: number;
  /** Its values change with the recipe. */
  live: boolean;
}

export interface NumberColumn extends Common {
  kind: "number";
  unit: Unit;
  /** Of all rows; NaN is unknown. */
  numbers: Numbers;
  /** With a bar beside the number. */
  bar: boolean;
  /** Whether the rows of a group add up. */
  adds: boolean;
  /** The price whose low and high it has. */
  band?: "latency" | "energy";
}

export interface TextColumn extends Common {
  /** A category has few values, each of them on many rows. */
  kind: "text" | "category";
  texts: Texts;
}

export type Column = NumberColumn | TextColumn;

const WIDE = { least: 108, grow: 0.8 };
const NARROW = { least: 58, grow: 0 };
const BYTES = { least: 80, grow: 0 };
const COUNTED = { kind: "number", live: false, bar: false, adds: true } as const;
const COST = { kind: "number", live: true, bar: true, adds: true } as const;
const DERIVED = { kind: "number", live: true, bar: false, adds: false } as const;

export const COLUMNS: readonly Column[] = [
  {
    ...{ key: "order", title: "#", tip: "Order of execution", words: [], least: 34, grow: 0 },
    ...{ kind: "number", unit: "", live: false, bar: false, adds: false },
    numbers: once((program) => Float64Array.from({ length: program.rows }, (_, row) => row + 1)),
  },
  {
    ...{ key: "name", title: "Task", tip: "Its name, and those of its ops", words: ["task", "op"] },
    ...{
      least: 150,
      grow: 2.4,
      kind: "text",
      live: false,
      texts: ({ program }) => program.meta.names,
    },
  },
  {
    ...{ key: "type", title: "Type", tip: "What kind of operation", words: ["kind"] },
    ...{ least: 108, grow: 0.9, kind: "category", live: false },
    texts: ({ program }) => program.meta.labels,
  },
  {
    ...{ key: "module", title: "Module", tip: "Where in the model", words: ["path"] },
    ...{
      least: 110,
      grow: 1,
      kind: "text",
      live: false,
      texts: ({ program }) => program.meta.paths,
    },
  },
  {
    ...{ key: "inputs", title: "Input shapes", tip: "What it reads", words: ["input"] },
    ...{ least: 116, grow: 0.6, kind: "text", live: false },
    texts: ({ program }) => program.meta.input_shapes,
  },
  {
    ...{ key: "shape", title: "Output shape", tip: "What it gives", words: ["output"] },
    ...{ least: 108, grow: 0.4, kind: "text", live: false },
    texts: ({ program }) => program.meta.shapes,
  },
  {
    ...{ key: "dtype", title: "Dtype", tip: "What the model gives here", words: [] },
    ...{ least: 64, grow: 0, kind: "category", live: false },
    texts: ({ program }) => program.meta.dtypes,
  },
  {
    ...{ key: "settings", title: "Kernel", tip: "Kernel, stride, dilation and groups" },
    ...{ words: ["kernel", "stride", "groups"], least: 116, grow: 0.5, kind: "text", live: false },
    texts: ({ program }) => program.meta.settings,
  },
  {
    ...{
      ...COUNTED,
      key: "parameters",
      title: "Params",
      unit: "",
      words: ["params"],
      least: 76,
      grow: 0,
    },
    ...{ tip: "Trained numbers", numbers: (program) => program.parameters },
  },
  {
    ...{ ...COUNTED, key: "macs", title: "MACs", unit: "MAC", words: ["mac"], ...NARROW },
    ...{ tip: "Multiply-accumulates", numbers: (program) => program.macs },
  },
  {
    ...{
      ...COUNTED,
      key: "flops",
      title: "FLOPs",
      unit: "FLOP",
      words: ["flop"],
      least: 70,
      grow: 0,
    },
    ...{ tip: "Floating-point operations: two per MAC, and all others", numbers: (p) => p.flops },
  },
  {
    ...{ ...COUNTED, key: "reads", title: "Reads", unit: "B", words: ["read"], ...BYTES },
    ...{ tip: "Bytes of activations read, as the model is", numbers: (p) => p.read_bytes },
  },
  {
    ...{ ...COUNTED, key: "writes", title: "Writes", unit: "B", words: ["write"], ...BYTES },
    ...{ tip: "Bytes of activations written, as the model is", numbers: (p) => p.write_bytes },
  },
  {
    ...{ ...DERIVED, key: "intensity", title: "Intensity", unit: "FLOP/B", least: 68, grow: 0 },
    ...{ words: [], tip: "Operations per byte of activations and stored weights" },
    numbers: each((p, now, row) => {
      const bytes = p.read_bytes[row] + p.write_bytes[row] + now.row_weight_bytes[row];
      return bytes > 0 ? p.flops[row] / bytes : Number.NaN;
    }),
  },
  {
    ...{ ...COST, key: "weights", title: "Weights", unit: "B", words: ["weight", "size"], ...WIDE },
    ...{ tip: "Bytes of weights as stored", numbers: (_, now) => now.row_weight_bytes },
  },
  {
    ...{ ...DERIVED, key: "bits", title: "Bits", unit: "", words: ["bit"], least: 48, grow: 0 },
    ...{ tip: "Stored bits per trained number, scales included" },
    numbers: each((p, now, row) =>
      p.parameters[row] > 0 ? (8 * now.row_weight_bytes[row]) / p.parameters[row] : Number.NaN,
    ),
  },
  {
    ...{ ...COST, key: "latency", title: "Latency", unit: "s", words: ["time"], band: "latency" },
    ...{ least: 124, grow: 1, tip: "Time it takes", numbers: (_, now) => now.latency.point },
  },
  {
    ...{ ...COST, key: "energy", title: "Energy", unit: "J", words: [], band: "energy" },
    ...{ least: 120, grow: 0.9, tip: "Energy it takes", numbers: (_, now) => now.energy.point },
  },
  {
    ...{ ...DERIVED, key: "share", title: "Share", unit: "share", least: 54, grow: 0, adds: true },
    ...{ words: [], tip: "Of the latency of all" },
    numbers: each((_, now, row) => now.latency.point[row] / now.totals.latency_s),
  },
  {
    ...{ ...DERIVED, key: "cumulative", title: "Σ share", unit: "share", least: 60, grow: 0 },
    ...{ words: ["pareto"], tip: "Of the latency of all: its own and all slower tasks' together" },
    numbers: once2(cumulative),
  },
  {
    ...{ ...DERIVED, key: "utilisation", title: "Use", unit: "share", least: 54, grow: 0 },
    ...{ words: ["utilization"], tip: "Multiply-accumulates done, of what the device can at most" },
    numbers: each(utilisation),
  },
  {
    ...{ key: "bound", title: "Bound", tip: "What holds it up, by formula", words: [] },
    ...{ least: 68, grow: 0, kind: "category", live: true, texts: told(boundOf) },
  },
  {
    ...{ ...DERIVED, key: "memory", title: "Memory", unit: "B", least: 90, grow: 0 },
    ...{ words: [], tip: "Activations alive while it runs", numbers: (_, now) => now.memory_bytes },
  },
  {
    ...{ key: "precision", title: "Precision", tip: "What it computes in", words: ["bits"] },
    ...{ least: 68, grow: 0, kind: "category", live: true, texts: told(precisionOf) },
  },
  {
    ...{ key: "provenance", title: "Source of time", tip: "How its time came about" },
    ...{ words: ["measured"], least: 86, grow: 0, kind: "category", live: true },
    texts: told(({ program, now }, row) => standingOfRow(program, row, now.column[row])),
  },
  {
    ...{ key: "option", title: "Option", tip: "What the recipe does with it", words: [] },
    ...{ least: 84, grow: 0, kind: "category", live: true, texts: told(optionText) },
  },
  {
    ...{ key: "source", title: "Source line", tip: "Where it is called", words: ["file", "line"] },
    ...{ least: 150, grow: 0.6, kind: "text", live: false },
    texts: ({ program }) => program.meta.sources,
  },
];

export const COLUMN: Readonly<Record<Key, Column>> = Object.fromEntries(
  COLUMNS.map((column) => [column.key, column]),
) as Record<Key, Column>;

// ---------------------------------------------------------------------------- what is worked out

/** Per program and worked out once. */
function once(make: (program: Program) => Float64Array): Numbers {
  const known = new WeakMap<Program, Float64Array>();
  return (program) => kept(known, program, () => make(program));
}

/** Per evaluation and worked out once. */
function once2(make: Numbers): Numbers {
  const known = new WeakMap<Evaluation, Float64Array>();
  return (program, now) => kept(known, now, () => make(program, now));
}

function each(at: (program: Program, now: Evaluation, row: number) => number): Numbers {
  const all = once2((program, now) => {
    const values = new Float64Array(program.rows);
    for (let row = 0; row < values.length; row++) values[row] = at(program, now, row);
    return values;
  });
  return Object.assign(all, { at });
}

function told(at: (rows: Rows, row: number) => string): Texts {
  const known = new WeakMap<Evaluation, string[]>();
  const all = (rows: Rows) =>
    kept(known, rows.now, () =>
      Array.from({ length: rows.program.rows }, (_, row) => at(rows, row)),
    );
  return Object.assign(all, { at });
}

/** One cell, where those of all rows need not be worked out. */
export function numberAt(column: NumberColumn, program: Program, now: Evaluation, row: number) {
  const { numbers } = column;
  return numbers.at ? numbers.at(program, now, row) : numbers(program, now)[row];
}

export function textAt({ texts }: TextColumn, rows: Rows, row: number): string {
  return texts.at ? texts.at(rows, row) : texts(rows)[row];
}

function kept<K extends object, V>(known: WeakMap<K, V>, key: K, make: () => V): V {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}

const slowestFirst = new WeakMap<Program, number[]>();

function cumulative(program: Program, { latency, totals }: Evaluation): Float64Array {
  const values = latency.point;
  // The last order is almost this one, and sorted again in no time.
  const order = slowestFirst.get(program) ?? Array.from(values.keys());
  order.sort((a, b) => (values[b] || 0) - (values[a] || 0) || a - b);
  slowestFirst.set(program, order);
  const shares = new Float64Array(program.rows).fill(Number.NaN);
  let sum = 0;
  for (const row of order) {
    if (Number.isNaN(values[row])) continue;
    sum += values[row];
    shares[row] = sum / totals.latency_s;
  }
  return shares;
}

/** Of the device's peak in the precision that the row computes in. */
function utilisation(program: Program, now: Evaluation, row: number): number {
  const { ops_per_s } = program.meta.roofs;
  const peak = ops_per_s[precisionName(program, now, row)];
  const seconds = now.latency.point[row];
  return peak > 0 && seconds > 0 ? (2 * program.macs[row]) / seconds / peak : Number.NaN;
}

function precisionName(program: Program, now: Evaluation, row: number): string {
  const { precisions, stored_precisions } = program.meta;
  const column = now.column[row];
  return (!column && stored_precisions[row]) || precisions[program.column_precision[column]];
}

function precisionOf({ program, now }: Rows, row: number): string {
  return shortPrecision(precisionName(program, now, row));
}

const BOUNDS = ["compute", "memory", "dispatch", ""];

/** Measured times are bound by what nobody told. */
export function boundOf({ program, now }: Rows, row: number): string {
  const column = now.column[row];
  if (!isModelled(program, row, column)) return "";
  return BOUNDS[program.bound[program.row_signature[row] * program.options + column]] ?? "";
}

function optionText({ program, plan, choice, now }: Rows, row: number): string {
  const option = optionOfRow(program, plan, choice, row);
  if (option === "mixed") return "mixed";
  if (option !== "none") {
    return (
      (option === 0 && program.meta.stored_precisions[row]) || program.meta.options[option].label
    );
  }
  const column = now.column[row];
  return column ? shortPrecision(program.meta.precisions[program.column_precision[column]]) : "";
}
