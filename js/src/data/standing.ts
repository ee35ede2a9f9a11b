/** What kind of figure each one is: measured, estimated from measured parts, modelled, counted. */
import type { ReportMeta } from "../wire";
import type { Program } from "./decode";
import type { Metric } from "./preview";

export type Standing = "measured" | "estimated" | "vendor" | "modelled" | "counted";

/** As the blocks of a program code it. */
const CODES: readonly Standing[] = ["modelled", "measured", "vendor"];

const MEANINGS: Record<Standing, string> = {
  measured: "measured: the model was built with this recipe and run",
  estimated: "estimated: the sum of the rows, not run as a whole",
  vendor: "from the vendor's compiler",
  modelled: "modelled: by formula from the device's figures",
  counted: "counted",
};

/** `previewed` figures are the page's own sum of rows, whatever was measured before. */
export function standingOf(metric: Metric, report: ReportMeta, previewed: boolean): Standing {
  if (metric === "size_bytes" || metric === "peak_memory_bytes") return "counted";
  const { provenance, measured, energy_source } = report;
  if (provenance === "modelled" || provenance === "vendor") {
    if (!measured || previewed) return provenance;
  }
  // Joules that no counter was read for are seconds times a power, or a sum by formula.
  if (metric === "energy_j" && !/^RAPL/i.test(energy_source)) return "modelled";
  return measured && !previewed ? "measured" : "estimated";
}

/** The same as a sentence, with the source where it is known. */
export function explain(standing: Standing, metric: Metric, report: ReportMeta): string {
  if (metric === "size_bytes") return "counted: the bytes that the file holds";
  if (metric === "peak_memory_bytes") return "counted: the tensors alive at once, by their sizes";
  const source = metric === "latency_s" ? report.latency_source : report.energy_source;
  const meaning = MEANINGS[standing];
  // The source is that of Python's figure: a preview beside a measured one is the page's own.
  const own = report.measured && standing === "estimated";
  return source && !own ? `${meaning} (${source})` : meaning;
}

/** Of a row in a column. */
export function standingOfRow(program: Program, row: number, column: number): Standing {
  const at = program.row_signature[row] * program.options + column;
  return CODES[program.provenance[at]] ?? "modelled";
}

/** Of an option for some rows: measured only where it is for all of them. */
export function standingOfRows(
  program: Program,
  rows: readonly number[],
  column: number,
): Standing | null {
  if (!rows.length) return null;
  const found = new Set(rows.map((row) => standingOfRow(program, row, column)));
  if (found.has("modelled")) return "modelled";
  return found.has("vendor") ? "vendor" : "measured";
}

/** How many rows are modelled where others are measured: then it is marked row by row. */
export function modelledRows(program: Program, column: Int32Array): number {
  let modelled = 0;
  let others = 0;
  for (let row = 0; row < program.rows; row++) {
    if (isModelled(program, row, column[row])) modelled += 1;
    else if (standingOfRow(program, row, column[row]) !== "modelled") others += 1;
  }
  return others ? modelled : 0;
}

/** A row of no time at all needs no measuring. */
export function isModelled(program: Program, row: number, column: number): boolean {
  const at = program.row_signature[row] * program.options + column;
  return CODES[program.provenance[at]] === "modelled" && program.latency.point[at] > 0;
}

/** Whether the runtime put this row in: it stands for no operation of the model. */
export function isAdded(program: Program, row: number): boolean {
  const { kinds, ops, sources } = program.meta;
  return kinds[row] === "layout" && !sources[row] && (ops[row]?.length ?? 0) === 0;
}
