/** The four totals, each with its band, its change and what kind of figure it is. */
import type { ChangeInfo, ProgramMeta } from "../wire";
import type { Evaluation, Report, Totals } from "./decode";
import { change, parts, plural, quantity, range, spread } from "./format";
import { bandOf, judge, METRICS, type Metric, type Verdict } from "./preview";
import { type Speed, speedOf } from "./speed";
import { explain, type Standing, standingOf } from "./standing";

export interface Cell {
  key: Metric;
  title: string;
  short: string;
  unit: "B" | "s" | "J";
  value: number;
  text: { number: string; unit: string };
  before: number;
  /** What it is without the preview. */
  present: number;
  low: number;
  high: number;
  standing: Standing;
  explained: string;
  delta: string;
  /** The change where there is little room. */
  brief: string;
  tone: Speed["tone"];
  /** Beside the change: its band, or what it was. */
  aside: string;
  /** What it was, in full. */
  history: string;
  /** The band, in words. */
  note: string;
  target: number | null;
  verdict: Verdict | null;
  /** Rows of unknown cost. */
  unknown: number;
  previewed: boolean;
}

export interface Shown {
  meta: ProgramMeta;
  report: Report;
  baseline: Evaluation;
  /** The recipe's rows, and their sum. */
  now: Evaluation;
  /** The option that the menu points at. */
  candidate: Evaluation | null;
  /** A click is unanswered. */
  previewing: boolean;
  targets: Readonly<Record<string, number>>;
}

/** Totals as they cross, with null for the unknown. */
export function asTotals(found: Record<string, number | null>): Totals {
  const entries = Object.entries(found).map(([name, value]) => [name, value ?? Number.NaN]);
  return Object.fromEntries(entries) as Totals;
}

/** A band wider than this share of its figure makes a fourth digit meaningless. */
const FINE = 0.01;

/** While the page previews, every figure is a sum of rows: no measured whole stands beside it. */
export function totalCells(shown: Shown): Cell[] {
  const preview = shown.candidate !== null || shown.previewing;
  const { meta } = shown.report;
  const evaluation = shown.candidate ?? shown.now;
  const best = preview ? evaluation.totals : asTotals(meta.totals);
  const was = preview ? shown.baseline.totals : asTotals(meta.baseline);
  const present = shown.candidate ? shown.now.totals : shown.report.evaluation.totals;
  const speed = speedOf(
    (preview ? null : meta.change) ?? changeOf(evaluation.totals),
    shown.meta.device.provenance === "measured",
  );
  return METRICS.map((metric) => {
    const { key, unit } = metric;
    const value = best[key];
    const before = was[key];
    const standing = standingOf(key, meta, preview);
    const banded = key === "latency_s" || key === "energy_j";
    const [low, high] = bandOf(best, key);
    const target = shown.targets[key] ?? null;
    const previewed = preview && change(present[key], value) !== "unchanged";
    const unknown = banded ? evaluation.unknown_rows : 0;
    const cell = {
      ...metric,
      value,
      text: parts(value, unit, high - low > FINE * value ? 3 : 4),
      before,
      present: preview ? present[key] : value,
      low,
      high,
      standing,
      explained: explain(standing, key, meta),
      target,
      verdict: target === null ? null : judge(best, key, target),
      unknown,
      previewed,
    };
    // Energy that follows from latency is no better known than it.
    const follows = key === "energy_j" && standing !== "measured" && speed.text === "no difference";
    const moved = key === "latency_s" || follows ? speed : shareOf(before, value);
    const since = shown.candidate && previewed ? present[key] : before;
    const word = shown.candidate && previewed ? "now" : "from";
    const still = moved.text === "unchanged" || Number.isNaN(value) || Number.isNaN(before);
    return {
      ...cell,
      delta: moved.text,
      brief: moved.brief,
      tone: moved.tone,
      aside: still
        ? ""
        : word === "from" && moved.band
          ? moved.band
          : `${word} ${inUnit(since, cell.text, unit)}`,
      history: still
        ? ""
        : [
            `from ${quantity(before, unit)}`,
            moved.band && `between ${moved.band.replace("–", " and ")}`,
            moved.text === "no difference" && "less than can be told apart here",
          ]
            .filter(Boolean)
            .join("; "),
      note: noteOf(cell),
    };
  });
}

/** The change of a sum of rows. */
function changeOf(sum: Totals): ChangeInfo {
  return {
    ratio: sum.latency_s_change,
    low: sum.latency_s_change_low,
    high: sum.latency_s_change_high,
  };
}

function shareOf(before: number, after: number): Speed {
  const text = change(before, after);
  const same = text === "unchanged" || text === "?";
  return { text, brief: text, band: "", tone: same ? "" : after < before ? "better" : "worse" };
}

function inUnit(value: number, shown: Cell["text"], unit: string): string {
  const digits = shown.number.replace(/\D/g, "").length;
  const { number, unit: own } = parts(value, unit, Math.max(3, digits));
  return own === shown.unit ? number : `${number} ${own}`;
}

function noteOf({ unknown, unit, low, value, high, target }: Omit<Cell, Words>): string {
  if (unknown) return `without ${plural(unknown, "task")} of unknown cost`;
  if (!(high > low)) return "";
  const width = target === null ? spread(low, value, high) : "";
  return range(low, high, unit) + (width && ` (${width})`);
}

type Words = "delta" | "brief" | "tone" | "aside" | "history" | "note";

/** The line that sets the whole, where it was measured, against the sum of its rows. */
export interface Ledger {
  standing: Standing;
  /** Seconds of the whole, measured; null where it was not. */
  measured: number | null;
  /** Seconds of rows, casts and corrections. */
  sum: number;
  difference: number | null;
}

export function ledgerOf(shown: Shown): Ledger {
  const preview = shown.candidate !== null || shown.previewing;
  const { meta } = shown.report;
  const standing = standingOf("latency_s", meta, preview);
  const sum = (shown.candidate ?? shown.now).totals.latency_s;
  if (preview || !meta.measured) return { standing, measured: null, sum, difference: null };
  const measured = meta.totals.latency_s ?? Number.NaN;
  return { standing, measured, sum, difference: meta.difference_s ?? measured - sum };
}

/** Corrections that hold, with their names and seconds. */
export function heldCorrections(
  { corrections }: Pick<ProgramMeta, "corrections">,
  { corrections: held }: Pick<Evaluation, "corrections">,
): { note: string; latency_s: number }[] {
  return held.flatMap((at) => corrections[at] ?? []);
}
