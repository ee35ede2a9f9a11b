/** Which of the ten colours a row's type has. */

export type Swatch =
  | "conv"
  | "pointwise"
  | "depthwise"
  | "linear"
  | "attention"
  | "norm"
  | "elementwise"
  | "pool"
  | "movement"
  | "unknown";

const BY_LABEL: [RegExp, Swatch][] = [
  [/^depthwise/, "depthwise"],
  [/^conv 1×1/, "pointwise"],
];

const BY_KIND: Record<string, Swatch> = {
  conv: "conv",
  conv_transpose: "conv",
  linear: "linear",
  matmul: "linear",
  recurrent: "linear",
  embedding: "linear",
  attention: "attention",
  softmax: "attention",
  norm: "norm",
  activation: "elementwise",
  elementwise: "elementwise",
  reduction: "pool",
  pool: "pool",
  resize: "pool",
  movement: "movement",
  cast: "movement",
  layout: "movement",
  control: "movement",
};

export function swatchOf(kind: string, label: string): Swatch {
  const named = BY_LABEL.find(([pattern]) => pattern.test(label));
  return named ? named[1] : (BY_KIND[kind] ?? "unknown");
}
