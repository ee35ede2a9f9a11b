/**
 * What a choice of options costs: the arithmetic of `talaria_widget/prices`, held equal by golden vectors.
 * Whatever does not depend on the choice is worked out once, in a `Plan`.
 */
import { castPrices, knownSum, rowPrices, rowSums, weightBytes } from "./bands";
import { type Baseline, baselineOf, changeOf, held } from "./change";
import type { Band, Casts, Evaluation, Program, Totals } from "./decode";

export interface Plan {
  program: Program;
  /** Leaders of row r: `leaders[leaderStart[r]..leaderStart[r + 1])`. */
  leaderStart: Int32Array;
  leaders: Int32Array;
  /** Edges that enter row r; row R is the model's outputs. */
  edgeStart: Int32Array;
  /** Per precision, the first column whose rows take it. */
  glue: Int32Array;
  baseline: Baseline;
  /** Scratch for `findCasts`: the pass in which a tensor and precision was last seen. */
  seen: Int32Array;
  pass: number;
}

export function makePlan(program: Program): Plan {
  const { rows, options, row_weight_start, row_weight, weight_leader, edge_row } = program;
  const leaderStart = new Int32Array(rows + 1);
  const leaders: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let at = row_weight_start[row]; at < row_weight_start[row + 1]; at++) {
      const weight = row_weight[at];
      if (weight_leader[weight] === weight) leaders.push(weight);
    }
    leaderStart[row + 1] = leaders.length;
  }
  const edgeStart = new Int32Array(rows + 2);
  for (const row of edge_row) edgeStart[row + 1] += 1;
  for (let row = 0; row <= rows; row++) edgeStart[row + 1] += edgeStart[row];
  const glue = new Int32Array(program.precision_bytes.length);
  for (let column = options - 1; column > 0; column--) {
    const precision = program.column_precision[column];
    if (precision) glue[precision] = column;
  }
  return {
    program,
    leaderStart,
    leaders: Int32Array.from(leaders),
    edgeStart,
    glue,
    baseline: baselineOf(program),
    seen: new Int32Array(program.tensor_row.length * glue.length),
    pass: 0,
  };
}

export function evaluate(plan: Plan, choice: Int32Array): Evaluation {
  const { program } = plan;
  const { column, mixed } = findColumns(plan, choice);
  const precision = tensorPrecisions(program, column);
  const latency = rowPrices(program, program.latency, column);
  const energy = rowPrices(program, program.energy, column);
  const weight_bytes = weightBytes(program, choice);
  const casts = findCasts(plan, column, precision);
  const memory_bytes = aliveMemory(program, precision);
  const corrections = held(program, column);
  const moreSeconds = added(program, corrections, "latency_s");
  const moreJoules = added(program, corrections, "energy_j");
  const seconds = sum(latency, casts.latency, moreSeconds, "point");
  const change = changeOf(program, plan.baseline, column, latency, casts, corrections, seconds);
  const totals: Totals = {
    latency_s: seconds,
    latency_s_low: sum(latency, casts.latency, moreSeconds, "low"),
    latency_s_high: sum(latency, casts.latency, moreSeconds, "high"),
    latency_s_change: change.ratio,
    latency_s_change_low: change.low,
    latency_s_change_high: change.high,
    energy_j: sum(energy, casts.energy, moreJoules, "point"),
    energy_j_low: sum(energy, casts.energy, moreJoules, "low"),
    energy_j_high: sum(energy, casts.energy, moreJoules, "high"),
    size_bytes: 0,
    peak_memory_bytes: 0,
  };
  for (const bytes of weight_bytes) totals.size_bytes += bytes;
  for (const bytes of memory_bytes) {
    if (bytes > totals.peak_memory_bytes) totals.peak_memory_bytes = bytes;
  }
  let unknown_rows = 0;
  for (const value of latency.point) if (Number.isNaN(value)) unknown_rows += 1;
  return {
    column,
    mixed,
    latency,
    energy,
    weight_bytes,
    row_weight_bytes: rowSums(program, weight_bytes),
    memory_bytes,
    casts,
    corrections,
    totals,
    unknown_rows,
  };
}

/** What some corrections add to a total, its low and its high. */
function added(program: Program, corrections: readonly number[], name: "latency_s" | "energy_j") {
  const { meta } = program;
  let point = 0;
  let doubt = 0;
  for (const at of corrections) {
    const correction = meta.corrections[at];
    point += correction[name];
    doubt += Math.abs(correction[name]) * meta.change_bands[correction.provenance];
  }
  return { point, low: point - doubt, high: point + doubt };
}

/** Rows, casts and corrections together. */
function sum(rows: Band, casts: Band, more: Record<keyof Band, number>, part: keyof Band): number {
  return knownSum(rows[part]) + knownSum(casts[part]) + more[part];
}

/** One pass in order: weights decide, rows without them follow what comes in. */
function findColumns(plan: Plan, choice: Int32Array) {
  const { program, leaders, leaderStart, edgeStart, glue } = plan;
  const { rows, options, edge_tensor, tensor_row, tensor_bytes, row_signature, gives } = program;
  const column = new Int32Array(rows);
  const mixed = new Uint8Array(rows);
  if (!leaders.some((weight) => choice[weight] !== 0)) return { column, mixed };
  for (let row = 0; row < rows; row++) {
    const first = leaderStart[row];
    const end = leaderStart[row + 1];
    if (first < end) {
      const wanted = choice[leaders[first]];
      let same = true;
      for (let at = first + 1; at < end; at++) same &&= choice[leaders[at]] === wanted;
      column[row] = same ? wanted : 0;
      mixed[row] = same ? 0 : 1;
      continue;
    }
    let entering = -1;
    let shared = true;
    for (let edge = edgeStart[row]; edge < edgeStart[row + 1]; edge++) {
      const tensor = edge_tensor[edge];
      if (!Number.isNaN(tensor_bytes[tensor])) continue;
      const maker = tensor_row[tensor];
      const precision = maker >= 0 ? gives[row_signature[maker] * options + column[maker]] : 0;
      shared &&= entering === -1 || entering === precision;
      entering = precision;
    }
    const candidate = entering >= 0 && shared ? glue[entering] : 0;
    if (candidate && program.refusal[row_signature[row] * options + candidate] === 0) {
      column[row] = candidate;
    }
  }
  return { column, mixed };
}

function tensorPrecisions(program: Program, column: Int32Array): Int32Array {
  const { tensor_row, row_signature, gives, options } = program;
  const precision = new Int32Array(tensor_row.length);
  for (let tensor = 0; tensor < precision.length; tensor++) {
    const maker = tensor_row[tensor];
    if (maker >= 0) precision[tensor] = gives[row_signature[maker] * options + column[maker]];
  }
  return precision;
}

/** One per tensor and precision wanted of it that it does not have. */
function findCasts(plan: Plan, column: Int32Array, precision: Int32Array): Casts {
  const { program, seen, glue } = plan;
  const { rows, edge_row, edge_tensor, tensor_bytes, column_precision } = program;
  const width = glue.length;
  plan.pass += 1;
  const edges: number[] = [];
  const targets: number[] = [];
  for (let edge = 0; edge < edge_row.length; edge++) {
    const reader = edge_row[edge];
    const wanted = reader < rows ? column_precision[column[reader]] : 0;
    const tensor = edge_tensor[edge];
    if (wanted === precision[tensor] || !Number.isNaN(tensor_bytes[tensor])) continue;
    const key = tensor * width + wanted;
    if (seen[key] === plan.pass) continue;
    seen[key] = plan.pass;
    edges.push(edge);
    targets.push(wanted);
  }
  return castPrices(program, {
    tensor: Int32Array.from(edges, (edge) => edge_tensor[edge]),
    source: Int32Array.from(edges, (edge) => precision[edge_tensor[edge]]),
    target: Int32Array.from(targets),
    row: Int32Array.from(edges, (edge) => castRow(program, column, edge)),
  });
}

/** The row at the edge whose state is not the baseline's; both or neither: the reader. */
function castRow(program: Program, column: Int32Array, edge: number): number {
  const reader = program.edge_row[edge];
  const maker = program.tensor_row[program.edge_tensor[edge]];
  if (reader === program.rows) return maker;
  return maker >= 0 && column[maker] !== 0 && column[reader] === 0 ? maker : reader;
}

/** Bytes alive while each row runs: what it reads and makes, and what later rows need. */
function aliveMemory(program: Program, precision: Int32Array): Float64Array {
  const { rows, tensor_row, tensor_last, tensor_reuse } = program;
  const change = new Float64Array(rows + 1);
  for (let tensor = 0; tensor < tensor_row.length; tensor++) {
    const held = bytesOf(program, precision, tensor);
    if (Number.isNaN(held)) continue;
    const made = Math.max(tensor_row[tensor], 0);
    const reused = tensor_reuse[tensor];
    // In the row that writes it over another of as many bytes, the two count once.
    const once = reused >= 0 && bytesOf(program, precision, reused) === held;
    change[once ? made + 1 : made] += held;
    change[tensor_last[tensor] + 1] -= held;
  }
  for (let row = 1; row < rows; row++) change[row] += change[row - 1];
  return change.subarray(0, rows);
}

function bytesOf(program: Program, precision: Int32Array, tensor: number): number {
  const stored = program.tensor_bytes[tensor];
  if (!Number.isNaN(stored)) return stored;
  return program.tensor_size[tensor] * program.precision_bytes[precision[tensor]];
}
