/** A widget's model without Jupyter: it holds traits, and answers marks as Python would. */
import type { AnyModel } from "@anywidget/types";
import {
  decodeProgram,
  decodeReport,
  type Evaluation,
  type Program,
  type Totals,
} from "../src/data/decode";
import { evaluate, makePlan } from "../src/data/evaluate";
import { leadersOf } from "../src/data/preview";
import { choiceOf } from "../src/data/rules";
import type { Traits } from "../src/state/traits";
import type { BlockHeader, Command, DetailsAnswer, Nudge, ReportMeta, RuleInfo } from "../src/wire";

export interface Fixture extends Omit<Traits, "_program" | "_report"> {
  _program: string;
  _report: string;
  /** What Python said of some rows. */
  details?: Record<string, DetailsAnswer>;
}

/** Of a row that the fixture has no details of. */
const UNTOLD: DetailsAnswer = {
  ...{ kind: "details", sequence: 0, program: 0, row: "", error: "", ops: [], weights: [] },
  ...{ latency: [], measured: null, excerpt: null, source_note: "No line is known here." },
};

export type Blocks = Record<string, Float64Array | Float32Array | Int32Array | Uint8Array>;

/** Packs a message as `wire.encode` does. */
export function encode(meta: object, blocks: Blocks): DataView {
  const order = Object.entries(blocks).sort(
    ([, a], [, b]) => b.BYTES_PER_ELEMENT - a.BYTES_PER_ELEMENT,
  );
  const headers: BlockHeader[] = [];
  let offset = 0;
  for (const [name, block] of order) {
    const dtype = block.constructor.name.replace("Array", "").toLowerCase();
    headers.push({ name, dtype: dtype as BlockHeader["dtype"], shape: [block.length], offset });
    offset += Math.ceil(block.byteLength / 8) * 8;
  }
  let header = JSON.stringify({ meta, blocks: headers });
  let text = new TextEncoder().encode(header);
  header += " ".repeat((8 - ((4 + text.length) % 8)) % 8);
  text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(4 + text.length + offset);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  order.forEach(([, block], i) => {
    const raw = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
    bytes.set(raw, 4 + text.length + headers[i].offset);
  });
  return new DataView(bytes.buffer);
}

/** The blocks of a report. */
export function reportBlocks(choice: Int32Array, found: Evaluation): Blocks {
  return {
    choice,
    column: found.column,
    mixed: found.mixed,
    memory_bytes: found.memory_bytes,
    cast_tensor: found.casts.tensor,
    cast_source: found.casts.source,
    cast_target: found.casts.target,
    cast_row: found.casts.row,
  };
}

/** Totals that are a sum of rows: nobody has built and run this recipe. */
function summary(old: ReportMeta, found: Totals) {
  const totals = { ...old.totals, ...found };
  const change = {
    ratio: found.latency_s_change,
    low: found.latency_s_change_low,
    high: found.latency_s_change_high,
  };
  return { totals, estimated: totals, measured: false, difference_s: null, change };
}

export function unpack(text: string): DataView {
  return new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

/** The same message with other meta data; the header may grow as it likes. */
export function withMeta(view: DataView, changes: object): DataView {
  const length = view.getUint32(0, true);
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + 4, length));
  const { meta, blocks } = JSON.parse(text);
  let header = JSON.stringify({ meta: { ...meta, ...changes }, blocks });
  const size = new TextEncoder().encode(header).length;
  header += " ".repeat((8 - ((4 + size) % 8)) % 8);
  const head = new TextEncoder().encode(header);
  const rest = new Uint8Array(view.buffer, view.byteOffset + 4 + length);
  const bytes = new Uint8Array(4 + head.length + rest.length);
  new DataView(bytes.buffer).setUint32(0, head.length, true);
  bytes.set(head, 4);
  bytes.set(rest, 4 + head.length);
  return new DataView(bytes.buffer);
}

export function pack(view: DataView): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** The rows with weights that patterns hit: names, `*` and ranges; Python knows more. */
function rowsOf(program: Program, match: readonly string[]): number[] {
  const plan = makePlan(program);
  const tests = match.map((pattern) => {
    const parts = pattern.split(/(\*|\[\d+-\d+\])/).map((part) => {
      const [, low, high] = /^\[(\d+)-(\d+)\]$/.exec(part) ?? [];
      if (part === "*") return ".*";
      if (!high) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      return `(?:${Array.from({ length: +high - +low + 1 }, (_, i) => +low + i).join("|")})`;
    });
    return new RegExp(`^${parts.join("")}$`);
  });
  return program.meta.names.flatMap((name, row) => {
    const owns = plan.leaderStart[row] < plan.leaderStart[row + 1];
    return owns && tests.some((test) => test.test(name)) ? [row] : [];
  });
}

function missOf(match: readonly string[], model: string): string {
  return `rule '${match.join(", ")}' matches no layer of ${model}; did you mean 'fc'?`;
}

export interface FakeModel extends AnyModel<Traits> {
  /** Commands sent, in order. */
  sent: Command[];
  /** Answers everything that waits. */
  answer(): void;
  /** Sets traits as Python would: all at once, then one event each. */
  receive(changes: Partial<Traits>): void;
  /** Closes or opens the channel. */
  setLive(live: boolean): void;
}

/** Answers by itself after `delay_ms`; null waits for `answer()`. */
export function fakeModel(fixture: Fixture, delay_ms: number | null = null): FakeModel {
  const traits: Traits = {
    ...fixture,
    _program: unpack(fixture._program),
    _report: unpack(fixture._report),
  };
  const listeners = new Map<string, Set<(...values: unknown[]) => void>>();
  const backbone = { comm_live: true, get: (name: keyof Traits) => traits[name] };
  const sent: Command[] = [];
  let waiting: Command[] = [];
  const history: RuleInfo[][] = [traits._recipe.rules];
  let place = 0;

  const tell = (name: string, ...values: unknown[]) => {
    for (const callback of listeners.get(name) ?? []) callback(...values);
  };
  const receive = (changes: Partial<Traits>) => {
    Object.assign(traits, changes);
    for (const name of Object.keys(changes)) tell(`change:${name}`);
  };

  function refuse(sequence: number, error: string) {
    receive({ _status: { ...traits._status, error, notice: "", sequence } });
  }

  function carryOut(command: Command) {
    const rules = [...history[place]];
    const program = decodeProgram(traits._program);
    const { names, options } = program.meta;
    if (command.kind === "details") {
      const { kind, sequence, row } = command;
      const { revision } = program.meta;
      tell(
        "msg:custom",
        { ...UNTOLD, ...fixture.details?.[row], kind, sequence, program: revision, row },
        [],
      );
      return;
    }
    if (command.kind === "hits") {
      const rows = rowsOf(program, command.match);
      const { revision } = program.meta;
      const error = rows.length ? "" : missOf(command.match, program.meta.model);
      const { kind, sequence } = command;
      tell("msg:custom", { kind, sequence, program: revision, rows, error }, []);
      return;
    }
    if (command.kind === "measure" || command.kind === "stop") {
      const state = command.kind === "stop" ? "stopped" : "baseline";
      const measuring = { state, text: "", done: 0, total: 0, eta_s: null } as const;
      receive({ _status: { error: "", notice: "", sequence: command.sequence, measuring } });
      return;
    }
    if (command.kind === "undo") place -= 1;
    else if (command.kind === "redo") place += 1;
    else {
      if (command.kind === "mark") {
        const { label, python } = options[command.option];
        const rows = command.rows.map((name) => names.indexOf(name));
        const weights = leadersOf(makePlan(program), rows);
        rules.push({ match: command.rows, option: label, python, enabled: true, rows, weights });
      } else if (command.kind === "rule") {
        const { action } = command;
        if (action === "match" || action === "add") {
          const rows = rowsOf(program, command.match);
          if (!rows.length) {
            refuse(command.sequence, missOf(command.match, program.meta.model));
            return;
          }
          const hit = { match: command.match, rows, weights: leadersOf(makePlan(program), rows) };
          if (action === "match") rules[command.index] = { ...rules[command.index], ...hit };
          else rules.push({ ...hit, ...optionOf(command.option), enabled: true });
        } else if (action === "option") {
          rules[command.index] = { ...rules[command.index], ...optionOf(command.option) };
        } else {
          const [rule] = rules.splice(command.index, 1);
          if (action === "move") rules.splice(command.to, 0, rule);
          else if (action !== "delete") {
            rules.splice(command.index, 0, { ...rule, enabled: action === "enable" });
          }
        }
      }
      history.splice(place + 1, history.length, command.kind === "reset" ? [] : rules);
      place += 1;
    }
    publish(command.sequence);

    function optionOf(column: number) {
      const { label, python } = options[column];
      return { option: column === 0 ? "default" : label, python };
    }
  }

  function publish(sequence: number) {
    const rules = history[place];
    const program = decodeProgram(traits._program);
    const old = decodeReport(traits._report, program);
    const plan = makePlan(program);
    const choice = choiceOf(plan, rules);
    const found = evaluate(plan, choice);
    const { totals, unknown_rows, corrections } = found;
    const recipe = old.meta.recipe + 1;
    const meta = { ...old.meta, recipe, sequence, unknown_rows, corrections };
    const lines = rules.map(({ match, python }) => `    ${JSON.stringify(match)}: ${python},`);
    receive({
      _report: encode({ ...meta, ...summary(old.meta, totals) }, reportBlocks(choice, found)),
      _recipe: {
        revision: recipe,
        rules,
        python: `talaria.Recipe({\n${lines.join("\n")}\n})`,
        can_undo: place > 0,
        can_redo: place < history.length - 1,
      },
      _status: { ...traits._status, error: "", notice: "", sequence },
    });
  }

  const answer = () => {
    const commands = waiting;
    waiting = [];
    commands.forEach(carryOut);
  };

  const model = {
    sent,
    answer,
    receive,
    setLive(live: boolean) {
      backbone.comm_live = live;
      tell("comm_live_update");
    },
    get: (name: keyof Traits) => traits[name],
    set(name: keyof Traits, value: unknown) {
      Object.assign(traits, { [name]: value });
      tell(`change:${name}`);
    },
    save_changes() {},
    send(command: Command | Nudge) {
      if (!backbone.comm_live) throw new Error("the channel is closed");
      if (command.kind === "nudge") return;
      sent.push(command);
      waiting.push(command);
      if (delay_ms !== null) setTimeout(answer, delay_ms);
    },
    on(name: string, callback: () => void) {
      listeners.set(name, (listeners.get(name) ?? new Set()).add(callback));
    },
    off(name: string, callback: () => void) {
      listeners.get(name)?.delete(callback);
    },
    widget_manager: { _models: { one: Promise.resolve(backbone) } },
  };
  return model as unknown as FakeModel;
}
