/** What the pane says of one task, or of several together. */
import type { DetailsAnswer, LatencyParts, MeasuredParts } from "../wire";
import { COLUMN, type Key, numberAt, type Rows, textAt } from "./columns";
import type { Band, Evaluation } from "./decode";
import { exactText, sumRows } from "./figures";
import { change, count, plural, quantity, range, share, spread } from "./format";
import type { OptionCost } from "./preview";
import { type Standing, standingOfRow, standingOfRows } from "./standing";
import type { CastLine } from "./table";

/** A name and what is said of it. */
export interface Fact {
  name: string;
  text: string;
  /** In full, where that is more. */
  title?: string;
  mono?: boolean;
}

const FACTS: readonly [Key, string, boolean?][] = [
  ["settings", "Kernel"],
  ["inputs", "Reads", true],
  ["shape", "Gives", true],
  ["precision", "Precision"],
  ["module", "Module", true],
  ["source", "Called at", true],
];

/** What is known of a row without Python; what is empty is left out. */
export function factsOf(rows: Rows, row: number): Fact[] {
  const { meta, times } = rows.program;
  const facts = FACTS.flatMap(([key, name, mono]): Fact[] => {
    const column = COLUMN[key];
    if (column.kind === "number") return [];
    const text = textAt(column, rows, row);
    const dtype = key === "shape" && text ? ` ${meta.dtypes[row]}` : "";
    return text ? [{ name, text: text + dtype, mono: !!mono }] : [];
  });
  const path = meta.paths[row];
  const of = meta.modules[path];
  const module = facts.find(({ name }) => name === "Module");
  if (module && of) module.text += ` (${of})`;
  if (times[row] === 1) return facts;
  const runs = Number.isNaN(times[row]) ? "not known" : plural(times[row], "time");
  return [...facts, { name: "Runs", text: runs }];
}

const NUMBERS: readonly Key[] = [
  ...(["macs", "flops", "reads", "writes", "intensity", "parameters"] as const),
  ...(["bits", "memory", "share", "utilisation"] as const),
];

/** The numbers of a row that have no section of their own. */
export function numbersOf(rows: Rows, row: number): Fact[] {
  return NUMBERS.flatMap((key): Fact[] => {
    const column = COLUMN[key];
    if (column.kind !== "number") return [];
    const value = numberAt(column, rows.program, rows.now, row);
    if (Number.isNaN(value) && !column.adds) return [];
    const text = Number.isNaN(value) ? "not counted" : exactText(column, value).split(" (")[0];
    return [{ name: column.title, text, title: `${column.tip}: ${exactText(column, value)}` }];
  });
}

/** A price with all that belongs to it. */
export interface Price {
  value: number;
  text: string;
  /** From low to high, and how wide that is. */
  band: string;
  standing: Standing;
  /** What it was, where it changed. */
  from: string;
}

/** Of some rows with their casts; energy is measured only where a counter was read. */
export function priceOf(
  rows: Rows,
  selected: readonly number[],
  key: "latency" | "energy",
  energySource: string,
): Price {
  const unit = key === "latency" ? "s" : "J";
  const inside = new Set(selected);
  const sum = (of: Evaluation, part: keyof Band) => {
    const own = selected.reduce((total, row) => total + of[key][part][row], 0);
    const casts = of.casts[key][part];
    return of.casts.row.reduce((total, row, at) => total + (inside.has(row) ? casts[at] : 0), own);
  };
  const { now, before } = rows;
  const [value, low, high] = [sum(now, "point"), sum(now, "low"), sum(now, "high")];
  const was = sum(before, "point");
  const changed = change(was, value);
  const same = changed === "unchanged" || changed === "?";
  return {
    value,
    text: quantity(value, unit),
    band: high > low ? `${range(low, high, unit)} (${spread(low, value, high)})` : "",
    standing: standingOfPrice(rows, selected, key, energySource),
    from: same ? "" : `${changed} from ${quantity(was, unit)}`,
  };
}

function standingOfPrice(
  { program, now }: Rows,
  selected: readonly number[],
  key: "latency" | "energy",
  energySource: string,
): Standing {
  const found = new Set(selected.map((row) => standingOfRow(program, row, now.column[row])));
  if (found.size !== 1) return "estimated";
  const [standing] = found;
  return key === "energy" && standing === "measured" && !/^RAPL/i.test(energySource)
    ? "modelled"
    : standing;
}

/** A line of a sum: what it is made of, and what that comes to. */
export interface Part {
  name: string;
  how: string;
  value: string;
  /** The part that the whole waits for. */
  decides: boolean;
}

/** A run by formula: max(compute, memory) + unpacking + dispatch. */
export function partsOf(parts: LatencyParts): Part[] {
  const { compute_s, memory_s, unpacking_s, dispatch_s } = parts;
  if (compute_s === null || memory_s === null) return [];
  const bound = Math.max(compute_s, memory_s) < dispatch_s ? "dispatch" : "";
  const computes = [
    over(parts.macs, parts.macs_per_s, "MAC"),
    over(parts.rest, parts.rest_per_s, "FLOP"),
  ];
  const hidden = parts.exposed < 1 ? `, ${hiddenText(parts.exposed)} behind other tasks` : "";
  const weights = over(parts.weight_bytes, parts.weight_bytes_per_s, "B");
  const moves = [
    over(parts.activation_bytes, parts.activation_bytes_per_s, "B"),
    weights && `${weights} of weights${hidden}`,
  ];
  const lines: Part[] = [
    {
      name: "compute",
      how: computes.filter(Boolean).join(" + "),
      value: quantity(compute_s, "s"),
      decides: !bound && compute_s >= memory_s,
    },
    {
      name: "memory",
      how: moves.filter(Boolean).join(" + "),
      value: quantity(memory_s, "s"),
      decides: !bound && compute_s < memory_s,
    },
    {
      name: "unpacking",
      how: "weights to what is computed in",
      value: quantity(unpacking_s ?? Number.NaN, "s"),
      decides: false,
    },
    {
      name: "dispatch",
      how: "to start it",
      value: quantity(dispatch_s, "s"),
      decides: !!bound,
    },
  ];
  return lines.filter(({ name }) => name !== "unpacking" || unpacking_s !== 0);
}

function hiddenText(exposed: number): string {
  return exposed === 0 ? "hidden" : `${share(1 - exposed, 1)} of it hidden`;
}

function over(amount: number | null, rate: number | null, unit: string): string {
  if (!amount || !rate || amount < 0) return "";
  return `${quantity(amount, unit)} ÷ ${quantity(rate, `${unit}/s`)}`;
}

/** How the parts make the whole. */
export function sumText({ times, unpacking_s }: LatencyParts): string {
  const unpacking = unpacking_s ? ", plus unpacking" : "";
  const runs = times !== null && times > 1 ? `${plural(times, "run")} of ` : "";
  const sum = `${runs}the longer of compute and memory${unpacking}, plus dispatch`;
  return sum[0].toUpperCase() + sum.slice(1);
}

/** What changes the precision of a row's tensors, as one more part. */
export function castPart(cast: CastLine | undefined): Part[] {
  if (!cast) return [];
  const how = `${plural(cast.count, "cast")}: ${cast.text}`;
  return [{ name: "casts", how, value: quantity(cast.latency, "s"), decides: false }];
}

/** A measured row: its share of the whole, times the ratio of its kernel. */
export function measuredParts(
  { program }: Rows,
  row: number,
  column: number,
  measured: MeasuredParts,
): Part[] {
  const at = program.row_signature[row] * program.options;
  const base = program.latency.point[at];
  const now = program.latency.point[at + column];
  const kernel = measured.kernels[column];
  const rounds = plural(measured.rounds, "round");
  const lines: Part[] = [
    {
      name: "baseline",
      how: `the whole model, ${rounds}`,
      value: quantity(measured.whole_s, "s"),
      decides: false,
    },
    {
      name: "share",
      how: `of it here, as the profile says: ${quantity(base, "s")}`,
      value: share(base, measured.whole_s),
      decides: false,
    },
  ];
  if (column === 0) return lines;
  const how = kernel
    ? `its kernel beside that of the baseline, ${plural(kernel.sweeps, "sweep")}`
    : "by formula: not timed yet";
  const ratio = kernel ? kernel.ratio : now / base;
  const value = Number.isNaN(ratio) ? "?" : `× ${ratio.toPrecision(3)}`;
  return [...lines, { name: "ratio", how, value, decides: false }];
}

/** A weight as it is stored, before and now. */
export interface WeightLine {
  name: string;
  shape: string;
  dtype: string;
  before: number;
  after: number;
  option: string;
}

/** The stored weights of a row; shapes are what Python says. */
export function weightsOf(rows: Rows, row: number, said: DetailsAnswer | null): WeightLine[] {
  const { program, choice, before, now } = rows;
  const start = program.row_weight_start[row];
  const held = program.row_weight.subarray(start, program.row_weight_start[row + 1]);
  return Array.from(held, (weight, at) => {
    const leader = program.weight_leader[weight];
    const told = said?.weights[at];
    const column = leader === weight ? choice[leader] : 0;
    return {
      name: program.meta.weight_names[weight],
      shape: told?.shape ?? "",
      dtype: told?.dtype ?? "",
      before: before.weight_bytes[weight],
      after: now.weight_bytes[weight],
      option: column ? (program.meta.options[column]?.label ?? "") : "",
    };
  });
}

/** An option for some rows: what they and the whole would then cost. */
export interface OptionLine {
  option: number;
  label: string;
  title: string;
  reason: string;
  latency: number;
  weights: number;
  energy: number;
  /** Low and high of the latency, each summed. */
  band: string;
  standing: Standing | null;
  model: string;
  cost: OptionCost;
}

export function optionLines(
  rows: Rows,
  selected: readonly number[],
  costs: readonly OptionCost[],
): OptionLine[] {
  const { program } = rows;
  const owners = selected.filter(
    (row) => program.row_weight_start[row] < program.row_weight_start[row + 1],
  );
  return costs.map((cost) => {
    const { evaluation, option, reason } = cost;
    const add = (values: Float64Array) => selected.reduce((sum, row) => sum + values[row], 0);
    const [latency, low, high] = (["point", "low", "high"] as const).map((part) =>
      add(evaluation.latency[part]),
    );
    const { totals } = evaluation;
    const { label, title } = program.meta.options[option];
    return {
      option,
      label,
      title,
      reason,
      latency,
      weights: add(evaluation.row_weight_bytes),
      energy: add(evaluation.energy.point),
      band: high > low ? range(low, high, "s") : "",
      standing: standingOfRows(program, owners, option),
      model: `${quantity(totals.latency_s, "s")}, ${quantity(totals.size_bytes, "B")}, ${quantity(totals.energy_j, "J")}`,
      cost,
    };
  });
}

const SUMS: readonly Key[] = [
  ...(["weights", "share", "macs", "flops"] as const),
  ...(["parameters", "reads", "writes"] as const),
];

/** The sums of several rows, before and now. */
export function sumsOf(
  rows: Rows,
  casts: ReadonlyMap<number, CastLine>,
  selected: readonly number[],
): (Fact & { from: string })[] {
  const sums = sumRows(rows, casts, selected);
  return SUMS.flatMap((key) => {
    const column = COLUMN[key];
    if (column.kind !== "number") return [];
    const [was, is] = [sums.before[key] ?? Number.NaN, sums.now[key] ?? Number.NaN];
    const text = Number.isNaN(is) ? "not counted" : exactText(column, is).split(" (")[0];
    const changed = column.live && key !== "share" ? change(was, is) : "unchanged";
    const from = changed === "unchanged" || changed === "?" ? "" : changed;
    return [{ name: column.title, text, title: `${column.tip}: ${exactText(column, is)}`, from }];
  });
}

/** How many of some rows are of each type, the most first. */
export function typesOf({ program }: Rows, selected: readonly number[]): Fact[] {
  const counts = new Map<string, number>();
  for (const row of selected) {
    const label = program.meta.labels[row];
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([name, found]) => ({ name, text: count(found) }));
}
