/** Where a measurement stands, as the line under the totals says it. */
import type { DeviceInfo, Measuring } from "../wire";
import { duration } from "./format";

const RUNNING: ReadonlySet<Measuring["state"]> = new Set([
  "waiting",
  "baseline",
  "kernels",
  "recipe",
]);

/** What is said where Python says nothing of its own. */
const TEXTS: Record<Measuring["state"], string> = {
  waiting: "Waiting for another notebook to finish measuring",
  baseline: "Measuring the baseline",
  kernels: "Pricing kernels",
  recipe: "Building and timing the recipe",
  done: "",
  stopped: "Stopped measuring",
  failed: "Measuring failed.",
};

export function running(measuring: Measuring | null): measuring is Measuring {
  return measuring !== null && RUNNING.has(measuring.state);
}

/** The share that is done; null where it cannot be told. */
export function progressOf(measuring: Measuring): number | null {
  if (measuring.state === "waiting" || !(measuring.total > 0)) return null;
  return Math.max(0, Math.min(1, measuring.done / measuring.total));
}

/** The whole line: `Pricing kernels, 12 of 130, 40 s left`. */
export function lineOf(measuring: Measuring): string {
  const { state, done, total, eta_s } = measuring;
  const text = textOf(measuring);
  if (state === "failed") return sentence(text);
  if (!running(measuring)) return text;
  const counted = `${done} of ${total}`;
  const count = total > 1 && state !== "waiting" && !text.includes(counted) ? `, ${counted}` : "";
  const left = eta_s === null || text.includes(" left") ? "" : `, ${duration(eta_s)} left`;
  return `${text}${count}${left}`;
}

function textOf({ state, text }: Measuring): string {
  const said = text.trim() || TEXTS[state];
  return said.charAt(0).toUpperCase() + said.slice(1);
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/**
 * The same for a screen reader, which is not to be interrupted at every kernel: it changes with
 * the state and with every quarter. A failure is an alert of its own.
 */
export function spokenOf(measuring: Measuring | null): string {
  if (!measuring) return "";
  const done = progressOf(measuring);
  if (measuring.state === "failed") return "";
  if (measuring.state === "done") return "Measured";
  if (!running(measuring) || done === null || measuring.state !== "kernels") {
    return TEXTS[measuring.state];
  }
  const quarter = Math.floor(done * 4) * 25;
  return quarter ? `${TEXTS.kernels}, ${quarter} per cent` : TEXTS.kernels;
}

/** A measured device with what runs there: `This machine · ONNX Runtime 1.32 · one thread`. */
export function deviceLine({ title, runtime, threads, provenance }: DeviceInfo): string {
  if (provenance !== "measured") return title;
  const [name, ...rest] = title.split(" · ");
  // The third figure of a version says nothing of speed.
  const version = runtime.replace(/(\d+\.\d+)\.\d+$/, "$1");
  const pieces = rest.includes(version) ? rest : [version, ...rest];
  if (threads !== null && !pieces.some((piece) => /\bthreads?$/.test(piece))) {
    pieces.push(threads === 1 ? "one thread" : `${threads} threads`);
  }
  return [name, ...pieces].filter(Boolean).join(" · ");
}
