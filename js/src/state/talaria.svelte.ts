/**
 * What the page shares with Python: the only file that touches traits. State comes down,
 * commands go up; until a command is answered, its outcome is computed here and marked so.
 */
import type { AnyModel } from "@anywidget/types";
import { tick } from "svelte";
import { carrier, indexRows, sameRows } from "../data/carry";
import {
  decodeProgram,
  decodeReport,
  type Evaluation,
  type Program,
  type Report,
} from "../data/decode";
import { evaluate, makePlan, type Plan } from "../data/evaluate";
import { running } from "../data/measuring";
import { agree, type Mark, type Metric, withMarks } from "../data/preview";
import { choiceOf, edited, explains } from "../data/rules";
import type {
  Command,
  DetailsAnswer,
  DetailsCommand,
  HitsAnswer,
  HitsCommand,
  Nudge,
  RecipeState,
  RuleCommand,
  Status,
} from "../wire";
import { type KernelWatch, watchKernel } from "./kernel";
import { messageOf } from "./message";
import { type Foreseen, Outbox } from "./outbox.svelte";
import type { Traits } from "./traits";

/** A command before it has its number. */
type Unnumbered<T> = T extends Command ? Omit<T, "sequence"> : never;

/** Python carries nothing out for it. Sent when it must have begun with the command before. */
const NUDGE: Nudge = { kind: "nudge" };
const NUDGE_MS = 6;

/** Of most commands the outcome is not known before Python says it. */
const NOTHING: Foreseen = { mark: null, rules: null };

type Said = Pick<Status, "error" | "notice" | "sequence">;

function sameWords(one: Said, other: Said): boolean {
  const sameAnswer = one.sequence === other.sequence || !one.error;
  return sameAnswer && one.error === other.error && one.notice === other.notice;
}

/** Told when other rows take the place of those shown: where a row went, -1 for nowhere. */
export type Carry = (carry: (row: number) => number) => void;

export type PageState = "ready" | "preview" | "busy" | "no-kernel";

export class TalariaState {
  program = $state.raw<Program>() as Program;
  plan = $state.raw<Plan>() as Plan;
  report = $state.raw<Report>() as Report;
  recipe = $state.raw<RecipeState>() as RecipeState;
  status = $state.raw<Status>() as Status;
  selection = $state.raw<readonly string[]>([]);
  targets = $state.raw<Readonly<Record<string, number>>>({});
  device = $state.raw("");
  live = $state.raw(true);
  /** A fault of the page itself. */
  problem = $state.raw("");
  /** Counts the times that other rows took the place of those shown. */
  rowsRevision = $state.raw(0);
  /** What was dismissed: the same sentence is not shown again. */
  dismissed = $state.raw<Said | null>(null);

  #outbox = new Outbox();
  #model: AnyModel<Traits>;
  #views: { program: DataView | null; report: DataView | null } = { program: null, report: null };
  #watch: KernelWatch;
  #listeners: [string, () => void][] = [];
  #carried = new Set<Carry>();

  /** Rows by name, and by the ops that are in them. */
  indexOfName = $derived.by(() => indexRows(this.program));

  /** What the recipe costs before any rule. */
  baseline = $derived.by(() =>
    evaluate(this.plan, new Int32Array(this.program.weight_leader.length)),
  );

  slow = $derived(this.#outbox.slow);

  #marks = $derived.by((): Mark[] => {
    const { options } = this.program.meta;
    return this.#outbox.pending.flatMap(({ mark }) => {
      if (!mark) return [];
      const option = options.findIndex(({ label }) => label === mark.label);
      const rows = mark.names.flatMap((name) => this.indexOfName.get(name) ?? []);
      return option < 0 ? [] : [{ rows, option }];
    });
  });

  /** The rules as an unanswered edit makes them, where they say what the report chose. */
  #rules = $derived.by(() => {
    const rules = this.#outbox.pending.findLast((command) => command.rules)?.rules;
    return rules && explains(this.plan, this.recipe.rules, this.report.choice) ? rules : null;
  });

  previewing = $derived(this.#marks.length > 0 || this.#rules !== null);

  choice = $derived.by(() => {
    const base = this.#rules ? choiceOf(this.plan, this.#rules) : this.report.choice;
    return this.#marks.length ? withMarks(this.plan, base, this.#marks) : base;
  });

  /** The report's own figures, or the page's while a click is unanswered. */
  now = $derived.by(
    (): Evaluation => (this.previewing ? evaluate(this.plan, this.choice) : this.report.evaluation),
  );

  selectedRows = $derived.by(() => [
    ...new Set(this.selection.flatMap((name) => this.indexOfName.get(name) ?? [])),
  ]);

  /** A measurement is under way, as far as is known. */
  measuring = $derived(this.live && running(this.status.measuring));

  /** Asked to measure or to stop, and not answered yet. */
  asked = $derived.by(
    () =>
      this.#outbox.pending.find(({ kind }) => kind === "measure" || kind === "stop")?.kind ?? null,
  );

  /** An edit of a rule is under way: the next one waits for the list that it makes. */
  editing = $derived.by(() => this.#outbox.pending.some(({ kind }) => kind === "rule"));

  pageState = $derived.by((): PageState => {
    if (!this.live) return "no-kernel";
    if (this.previewing) return "preview";
    return this.#outbox.empty ? "ready" : "busy";
  });

  /** The recipe as code, with what Python has not yet heard. */
  python = $derived.by(() => {
    const unheard = this.#outbox.pending.flatMap(({ mark }) =>
      mark ? [`w.mark(${JSON.stringify(mark.names)}, ${mark.python})  # not yet run`] : [],
    );
    return unheard.length
      ? `w.recipe = ${[this.recipe.python, ...unheard].join("\n")}`
      : this.recipe.python;
  });

  constructor(model: AnyModel<Traits>) {
    this.#model = model;
    this.#readRecipe();
    this.#read();
    this.status = model.get("_status");
    this.device = model.get("device");
    this.selection = model.get("selection") ?? [];
    this.targets = model.get("targets") ?? {};
    this.#listen("_program", () => this.#read());
    this.#listen("_report", () => this.#read());
    this.#listen("_recipe", () => this.#readRecipe());
    this.#listen("_status", () => this.#readStatus());
    this.#listen("device", () => this.#readDevice());
    this.#listen("selection", () => {
      this.selection = model.get("selection");
    });
    this.#listen("targets", () => {
      this.targets = model.get("targets");
    });
    this.#watch = watchKernel(model, "_report", (live) => {
      this.live = live;
    });
  }

  stop() {
    this.#outbox.stop();
    this.#watch.stop();
    for (const [name, callback] of this.#listeners) {
      this.#model.off(name as "change:device", callback);
    }
  }

  // ------------------------------------------------------------------------ commands go up

  mark(rows: readonly number[], option: number) {
    const { names, options } = this.program.meta;
    const chosen = rows.map((row) => names[row]);
    const { label, python } = options[option];
    const mark = { names: chosen, label, python };
    this.#send({ kind: "mark", rows: chosen, option }, { mark, rules: null });
  }

  editRule(action: RuleCommand["action"], index: number, to = 0) {
    const { revision: recipe, rules } = this.recipe;
    const foreseen = { mark: null, rules: edited(rules, action, index, to) };
    this.#send({ kind: "rule", action, index, to, recipe }, foreseen);
  }

  /** Gives a rule another match; returns the number of the command. */
  matchRule(index: number, match: string[]): number | null {
    const recipe = this.recipe.revision;
    return this.#send({ kind: "rule", action: "match", index, match, recipe });
  }

  addRule(match: string[], option: number): number | null {
    const recipe = this.recipe.revision;
    return this.#send({ kind: "rule", action: "add", match, option, recipe });
  }

  giveRule(index: number, option: number) {
    const { revision: recipe, rules } = this.recipe;
    const { label } = option ? this.program.meta.options[option] : { label: "default" };
    const foreseen = { mark: null, rules: rules.with(index, { ...rules[index], option: label }) };
    this.#send({ kind: "rule", action: "option", index, option, recipe }, foreseen);
  }

  /** Asks what a rule of this match would hit, and tells it; returns how to hear no more. */
  askHits(match: string[], told: (answer: HitsAnswer) => void): () => void {
    return this.#ask({ kind: "hits", match }, told);
  }

  /** Asks for all that Python knows of a row, and tells it; returns how to hear no more. */
  askDetails(row: string, told: (answer: DetailsAnswer) => void): () => void {
    return this.#ask({ kind: "details", row }, told);
  }

  /** Asks what is no trait: the answer is a message of its own, and nothing is kept of it. */
  #ask<Answer extends HitsAnswer | DetailsAnswer>(
    question: Unnumbered<HitsCommand | DetailsCommand>,
    told: (answer: Answer) => void,
  ): () => void {
    const sequence = Math.floor(Math.random() * 2 ** 30);
    const heard = (answer: Answer) => {
      if (answer?.kind === question.kind && answer.sequence === sequence) told(answer);
    };
    this.#model.on("msg:custom", heard);
    if (this.live) this.#post({ ...question, sequence } as Command);
    return () => this.#model.off("msg:custom", heard);
  }

  /** Whether a command is not answered yet. */
  waits(sequence: number): boolean {
    return this.#outbox.pending.some((command) => command.sequence === sequence);
  }

  step(kind: "undo" | "redo" | "reset") {
    this.#send({ kind });
  }

  measure(kind: "measure" | "stop") {
    this.#send({ kind });
  }

  select(names: readonly string[]) {
    this.selection = names;
    this.#save({ selection: [...names] });
  }

  setTarget(metric: Metric, value: number | null) {
    const { [metric]: _, ...others } = this.targets;
    const targets = value === null ? others : { ...others, [metric]: value };
    this.targets = targets;
    this.#save({ targets });
  }

  setDevice(name: string) {
    if (!this.live || name === this.device) return;
    this.#outbox.askFor(name);
    this.device = name;
    this.#save({ device: name });
  }

  #send(command: Unnumbered<Command>, foreseen: Foreseen = NOTHING): number | null {
    if (!this.live) return null;
    const sequence = this.#outbox.add(command.kind, foreseen);
    this.#post({ ...command, sequence } as Command);
    return sequence;
  }

  /**
   * A notebook server keeps an answer back until the page acknowledges that Python has begun
   * (Nagle's algorithm, RFC 896; Tornado sets TCP_NODELAY for no WebSocket by itself), and a page
   * with nothing to say acknowledges 40 ms late (RFC 1122, 4.2.3.2): so it says something. What
   * the page works out meanwhile is laid out and painted after that, not before.
   */
  #post(command: Command) {
    const end = performance.now() + NUDGE_MS;
    const nudge = () => this.live && this.#attempt(() => this.#model.send(NUDGE));
    this.#attempt(() => this.#model.send(command));
    void tick().then(() => {
      const rest = end - performance.now();
      if (rest > 0) setTimeout(nudge, rest);
      else nudge();
    });
  }

  #save(changes: Partial<Traits>) {
    if (!this.live) return;
    this.#attempt(() => {
      for (const [name, value] of Object.entries(changes)) {
        this.#model.set(name as "device", value as string);
      }
      this.#model.save_changes();
    });
  }

  /** A channel that is closed throws: then nobody listens. */
  #attempt(send: () => void) {
    try {
      send();
    } catch (error) {
      console.warn("talaria: the kernel cannot be reached", error);
      this.live = false;
    }
  }

  // ------------------------------------------------------------------------ state comes down

  #listen(trait: keyof Traits, callback: () => void) {
    const guarded = () => {
      try {
        callback();
      } catch (error) {
        this.problem = `The page could not read what Python sent: ${messageOf(error)}`;
        console.error(error);
      }
    };
    const name = `change:${trait}` as const;
    this.#model.on(name, guarded);
    this.#listeners.push([name, guarded]);
  }

  /** Calls back when rows are replaced, before anything is drawn; returns how to stop. */
  whenReplaced(carry: Carry): () => void {
    this.#carried.add(carry);
    return () => void this.#carried.delete(carry);
  }

  dismiss() {
    this.dismissed = this.status;
  }

  /** Programs and reports are taken together, when one answers the other. */
  #read() {
    const views = { program: this.#model.get("_program"), report: this.#model.get("_report") };
    const program =
      views.program === this.#views.program ? this.program : decodeProgram(views.program);
    const known = program === this.program && views.report === this.#views.report;
    const report = known ? this.report : decodeReport(views.report, program);
    if (report.meta.program !== program.meta.revision) return;
    const waits = program === this.program && this.previewing;
    const foreseen = waits ? { choice: this.choice, evaluation: this.now } : null;
    if (program !== this.program) this.#replace(program);
    this.#views = views;
    // What Python says as well need not be drawn again.
    const same = foreseen && agree(foreseen.choice, foreseen.evaluation, report);
    this.report = same ? { ...report, ...foreseen } : report;
    this.#outbox.answered(report.meta.sequence);
    this.#settleDevice();
  }

  /** Prices may change by themselves; other rows are told to whoever holds on to one. */
  #replace(program: Program) {
    const before = this.program as Program | undefined;
    this.plan = makePlan(program);
    this.program = program;
    if (!before || sameRows(before, program)) return;
    this.rowsRevision += 1;
    const carry = carrier(before, program);
    for (const tell of this.#carried) tell(carry);
  }

  #readRecipe() {
    this.recipe = this.#model.get("_recipe");
  }

  #readStatus() {
    const { error } = this.status;
    this.status = this.#model.get("_status");
    // A measurement tells its progress in the same trait: only what is new is heard as such.
    if (this.dismissed && !sameWords(this.status, this.dismissed)) this.dismissed = null;
    if (this.status.error && this.status.error !== error) this.#outbox.askFor(null);
    this.#outbox.answered(this.status.sequence);
  }

  #readDevice() {
    this.device = this.#model.get("device");
    this.#settleDevice();
  }

  #settleDevice() {
    const wanted = this.#outbox.device;
    if (wanted === null) return;
    if (this.program.meta.device.name === wanted || this.device !== wanted) {
      this.#outbox.askFor(null);
    }
  }
}
