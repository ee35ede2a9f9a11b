/** A rule that is dragged to another place of its list: pointer down, moves, up. */
import { gapAt, placeOf } from "../data/rules";

/** Within so many pixels of its edge the list scrolls along. */
const EDGE = 24;
/** So far the pointer goes before it is a drag and no click. */
const SLACK = 4;

export class RuleDrag {
  /** The place of the rule that is held, and the gap that it would drop into. */
  from = $state.raw<number | null>(null);
  gap = $state.raw<number | null>(null);

  #start = 0;
  #list: () => HTMLElement | undefined;
  #drop: (from: number, to: number) => void;

  constructor(list: () => HTMLElement | undefined, drop: (from: number, to: number) => void) {
    this.#list = list;
    this.#drop = drop;
  }

  /** Where it would drop, and that would change something. */
  target = $derived.by(() => {
    const { from, gap } = this;
    return from === null || gap === null || placeOf(from, gap) === from ? null : gap;
  });

  begin(event: PointerEvent, at: number) {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture?.(event.pointerId);
    this.#start = event.clientY;
    this.from = at;
  }

  move({ clientY }: PointerEvent) {
    const list = this.#list();
    if (this.from === null || !list) return;
    if (this.gap === null && Math.abs(clientY - this.#start) < SLACK) return;
    const lines = [...list.querySelectorAll("[data-rule]")].map((line) =>
      line.getBoundingClientRect(),
    );
    this.gap = gapAt(lines, clientY);
    const { top, bottom } = list.getBoundingClientRect();
    if (clientY < top + EDGE) list.scrollTop -= EDGE / 2;
    else if (clientY > bottom - EDGE) list.scrollTop += EDGE / 2;
  }

  end() {
    const { from, target } = this;
    this.cancel();
    if (from !== null && target !== null) this.#drop(from, placeOf(from, target));
  }

  cancel() {
    this.from = this.gap = null;
  }
}
