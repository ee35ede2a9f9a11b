/** Prices looked up for rows, weights and casts, and sums over them. */
import type { Band, Casts, Program } from "./decode";

/** What each row costs in its column. */
export function rowPrices(program: Program, prices: Band<Float32Array>, column: Int32Array): Band {
  const { options, row_signature } = program;
  const taken = emptyBand(column.length);
  for (let row = 0; row < column.length; row++) {
    const at = row_signature[row] * options + column[row];
    taken.point[row] = prices.point[at];
    taken.low[row] = prices.low[at];
    taken.high[row] = prices.high[at];
  }
  return taken;
}

/** The casts, each with what it costs. */
export function castPrices(
  program: Program,
  found: Pick<Casts, "tensor" | "source" | "target" | "row">,
): Casts {
  const count = found.tensor.length;
  const width = program.precision_bytes.length;
  const casts: Casts = {
    ...found,
    latency: emptyBand(count),
    energy: emptyBand(count),
    provenance: new Uint8Array(count),
  };
  for (let i = 0; i < count; i++) {
    const size = program.tensor_cast[found.tensor[i]];
    const at = (size * width + found.source[i]) * width + found.target[i];
    casts.provenance[i] = program.cast_provenance[at];
    for (const part of ["point", "low", "high"] as const) {
      casts.latency[part][i] = program.cast_latency[part][at];
      casts.energy[part][i] = program.cast_energy[part][at];
    }
  }
  return casts;
}

/** What each stored weight takes: by the column of the one that it follows. */
export function weightBytes(program: Program, choice: Int32Array): Float64Array {
  const { weight_leader, options } = program;
  const bytes = new Float64Array(weight_leader.length);
  for (let weight = 0; weight < bytes.length; weight++) {
    const leader = weight_leader[weight];
    bytes[weight] = program.weight_bytes[weight * options + (leader >= 0 ? choice[leader] : 0)];
  }
  return bytes;
}

/** A figure of each weight summed over the weights of each row. */
export function rowSums(program: Program, values: Float64Array): Float64Array {
  const { rows, row_weight, row_weight_start } = program;
  const sums = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    for (let at = row_weight_start[row]; at < row_weight_start[row + 1]; at++) {
      sums[row] += values[row_weight[at]];
    }
  }
  return sums;
}

export function emptyBand(length: number): Band {
  return {
    point: new Float64Array(length),
    low: new Float64Array(length),
    high: new Float64Array(length),
  };
}

/** The sum of what is known. */
export function knownSum(values: Float64Array): number {
  let sum = 0;
  for (const value of values) if (!Number.isNaN(value)) sum += value;
  return sum;
}
