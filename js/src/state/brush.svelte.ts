/** Pointing at a chart: where the pointer is, a click, and a stretch or a line that is drawn. */

export interface Point {
  x: number;
  y: number;
}

export interface Heard {
  /** The pointer is here, or has gone. */
  hover: (at: Point | null) => void;
  click: (at: Point, add: boolean) => void;
  /** What was drawn, when it ends. */
  draw: (path: readonly Point[], add: boolean) => void;
}

/** A click moves less than this, in pixels. */
const STILL = 4;

export class Brush {
  /** What is being drawn; empty otherwise. */
  path = $state.raw<readonly Point[]>([]);

  #heard: Heard;
  #from: Point | null = null;

  constructor(heard: Heard) {
    this.#heard = heard;
  }

  // For the element that is pointed at.

  readonly down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    this.#from = pointOf(event);
    (event.currentTarget as Element).setPointerCapture?.(event.pointerId);
    // No text is selected on the way.
    event.preventDefault();
  };

  readonly move = (event: PointerEvent) => {
    const at = pointOf(event);
    const from = this.#from;
    if (from && (this.path.length || Math.hypot(at.x - from.x, at.y - from.y) >= STILL)) {
      this.path = this.path.length ? [...this.path, at] : [from, at];
      this.#heard.hover(null);
    } else this.#heard.hover(at);
  };

  readonly up = (event: PointerEvent) => {
    const { path } = this;
    const from = this.#from;
    this.cancel();
    if (!from) return;
    const add = event.ctrlKey || event.metaKey || event.shiftKey;
    if (path.length) this.#heard.draw(path, add);
    else this.#heard.click(pointOf(event), add);
  };

  readonly cancel = () => {
    this.#from = null;
    this.path = [];
  };

  readonly leave = () => {
    if (!this.#from) this.#heard.hover(null);
  };
}

/** In pixels of the element. */
function pointOf(event: PointerEvent): Point {
  const { left, top } = (event.currentTarget as Element).getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}
