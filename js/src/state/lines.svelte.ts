/** The lines of a table: which are in sight, which holds the focus, what a gesture on one does. */
import { tick } from "svelte";
import type { Group } from "../data/groups";
import { selectionAfter } from "../data/select";
import { type Line, visibleSlice } from "../data/table";
import type { TalariaState } from "./talaria.svelte";
import type { ViewState } from "./view.svelte";

/** What is drawn before the height is known; height of the footers. */
const BODY = 410;
const FOOTERS = 50;
/** Lines drawn above and below those in sight, when the first are. */
const SPARE = 8;

/** Lines that the keyboard stops at. */
function stops({ kind }: Line): boolean {
  return kind === "row" || kind === "group";
}

export class LinesState {
  body = $state.raw<HTMLElement>();
  scrollTop = $state.raw(0);
  bodyHeight = $state.raw(BODY);

  #talaria: TalariaState;
  #view: ViewState;

  constructor(talaria: TalariaState, view: ViewState) {
    this.#talaria = talaria;
    this.#view = view;
  }

  room = $derived.by(() => Math.max(0, this.bodyHeight - this.#view.table.headerHeight - FOOTERS));

  #lines = $derived.by(() => this.#view.table.laid.lines);

  activeAt = $derived.by(() => {
    const { active, activeGroup } = this.#view;
    const wanted = activeGroup ?? (active === null ? null : `r${active}`);
    return wanted === null ? -1 : this.#lines.findIndex(({ id }) => id === wanted);
  });

  /** The line that holds the focus, wherever it is. */
  active = $derived.by((): Line | undefined => this.#lines[this.activeAt]);

  /** The lines in sight, and the one that holds the focus. */
  visible = $derived.by(() => {
    const end = this.scrollTop + this.room;
    const spare = this.#view.table.painted ? SPARE : 0;
    const [from, to] = visibleSlice(this.#lines, this.scrollTop, end, spare);
    const lines = this.#lines.slice(from, to);
    const { active } = this;
    if (!active || (active.at >= from && active.at < to)) return lines;
    return active.at < from ? [active, ...lines] : [...lines, active];
  });

  /** Where the Tab key stops. */
  tabbable = $derived.by(() => (this.active ?? this.visible.find(stops))?.id ?? null);

  /** The rows of a group that pass: what a click on it selects. */
  membersOf(group: Group): number[] {
    return group.rows.filter((row) => this.#view.table.passing[row]);
  }

  select(rows: readonly number[]) {
    const { names } = this.#talaria.program.meta;
    this.#talaria.select(rows.map((row) => names[row]));
  }

  pick(line: Line, extend: boolean, toggle: boolean) {
    if (line.group) this.#pickGroup(line.group, toggle);
    else this.#pickRow(line.row, { extend, toggle });
  }

  #pickRow(row: number, gesture: { extend: boolean; toggle: boolean }) {
    const view = this.#view;
    const { selectedRows } = this.#talaria;
    const rows = selectionAfter(selectedRows, row, view.anchor, view.table.shown, gesture);
    if (!gesture.extend || view.anchor === null) view.anchor = row;
    view.active = row;
    view.activeGroup = null;
    this.select(rows);
  }

  #pickGroup(group: Group, toggle: boolean) {
    const view = this.#view;
    const members = this.membersOf(group);
    view.activeGroup = group.id;
    view.active = null;
    view.anchor = members[0] ?? null;
    if (!toggle) return this.select(members);
    const { selectedRows } = this.#talaria;
    const all = members.every((row) => view.table.picked.has(row));
    const others = selectedRows.filter((row) => !members.includes(row));
    this.select(all ? others : [...others, ...members]);
  }

  /** The line that an event happened on. */
  at(event: Event): Line | null {
    const found = (event.target as Element).closest<HTMLElement>("[data-line]");
    return this.#lines.find(({ id }) => id === found?.dataset.line) ?? null;
  }

  /** To a line by its place, or the next one that the keyboard stops at. */
  goTo(place: number, extend: boolean, step = 1) {
    const lines = this.#lines;
    let at = Math.max(0, Math.min(lines.length - 1, place));
    while (lines[at] && (!stops(lines[at]) || lines[at].dimmed)) at += step;
    const line = lines[at];
    if (!line) return;
    this.pick(line, extend, false);
    this.#reveal(line);
    this.focus(line.id);
  }

  /** Gives the focus to a line when it is drawn. */
  focus(id: string) {
    void tick().then(() => {
      const lines = [...(this.body?.querySelectorAll<HTMLElement>("[data-line]") ?? [])];
      lines.find(({ dataset }) => dataset.line === id)?.focus({ preventScroll: true });
    });
  }

  #reveal({ top, at }: Line) {
    const { body } = this;
    const bottom = this.#lines[at + 1]?.top ?? this.#view.table.laid.height;
    if (!body) return;
    if (top < body.scrollTop) body.scrollTop = top;
    else if (bottom > body.scrollTop + this.room) body.scrollTop = bottom - this.room;
  }

  /** A row that another view asks for: the groups around it open. */
  show(row: number) {
    const { table } = this.#view;
    for (let { groups } = table.forest; groups.length; ) {
      const around: Group | undefined = groups.find(({ rows }) => rows.includes(row));
      if (!around) break;
      if (!table.open.has(around.id)) table.toggle(around, true);
      groups = around.groups;
    }
    const line = this.#lines.find(({ id }) => id === `r${row}`);
    if (line) this.#reveal(line);
  }

  /** Opens or closes the group in focus; out of a row goes to the group around it. */
  fold(open: boolean): boolean {
    const { table } = this.#view;
    const line = this.active;
    if (!line || table.grouping === "none") return false;
    if (line.group && table.open.has(line.id) !== open) {
      table.toggle(line.group, open);
      this.focus(line.id);
    } else if (!open) {
      let { at } = line;
      while (at >= 0 && this.#lines[at].depth >= line.depth) at -= 1;
      if (at >= 0) this.goTo(at, false);
    } else this.goTo(line.at + 1, false);
    return true;
  }
}
