/** Commands on their way to Python, and whether it has been silent for long. */
import type { Command, RuleInfo } from "../wire";

/** After this long without an answer the page says that Python is busy. */
export const PATIENCE_MS = 400;

/** A command on its way. Marks name their rows, as rows are counted anew on another device. */
export interface Pending {
  sequence: number;
  kind: Command["kind"];
  mark: { names: string[]; label: string; python: string } | null;
  /** The rules as they will be, where an edit of them is foreseen. */
  rules: readonly RuleInfo[] | null;
}

export type Foreseen = Pick<Pending, "mark" | "rules">;

export class Outbox {
  pending = $state.raw<readonly Pending[]>([]);
  /** The device asked for, until its program is here. */
  device = $state.raw<string | null>(null);
  slow = $state.raw(false);
  #sequence: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    // Several pages may drive one widget: each counts from a place of its own.
    this.#sequence = Math.floor(Math.random() * 2 ** 20) * 2 ** 10;
  }

  get empty(): boolean {
    return !this.pending.length && this.device === null;
  }

  /** The number of a command that is sent now. */
  add(kind: Command["kind"], { mark, rules }: Foreseen): number {
    this.#sequence += 1;
    this.pending = [...this.pending, { sequence: this.#sequence, kind, mark, rules }];
    this.#wait();
    return this.#sequence;
  }

  askFor(device: string | null) {
    this.device = device;
    this.#wait();
  }

  /** Python answers in order, so that an answer settles what was sent before it as well. */
  answered(sequence: number) {
    const at = this.pending.findIndex((command) => command.sequence === sequence);
    if (at < 0) return;
    this.pending = this.pending.slice(at + 1);
    this.#wait();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  #wait() {
    clearTimeout(this.#timer);
    this.slow = false;
    if (this.empty) return;
    this.#timer = setTimeout(() => {
      this.slow = true;
    }, PATIENCE_MS);
  }
}
