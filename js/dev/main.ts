/** `?fixture=resnet&measured=kernels&theme=dark&delay=50&answer=no&built`: one widget. */
import type { AnyWidget } from "@anywidget/types";
import type { Traits } from "../src/state/traits";
import { type FakeModel, type Fixture, fakeModel, unpack } from "./fake-model";
import { asMeasured, SKETCHES } from "./measured";

declare global {
  interface Window {
    model: FakeModel;
    firstPaint: number;
    /** The next state of a measurement, by the name of its sketch: made, and then received. */
    sketched: (sketch: string) => Partial<Traits>;
    advance: (sketch: string) => void;
  }
}

const query = new URLSearchParams(location.search);
document.body.dataset.jpThemeLight = String(query.get("theme") !== "dark");
const kept = await fetch(`./fixtures/${query.get("fixture") ?? "resnet"}.json`);
const plain: Fixture = await kept.json();
const sketch = SKETCHES[query.get("measured") ?? ""];
const fixture = sketch ? asMeasured(plain, sketch) : plain;
const silent = query.get("answer") === "no";
window.model = fakeModel(fixture, silent ? null : Number(query.get("delay") ?? 30));
window.sketched = (name) => {
  const { _program, _report, _recipe, _status } = asMeasured(plain, SKETCHES[name]);
  return { _program: unpack(_program), _report: unpack(_report), _recipe, _status };
};
window.advance = (name) => window.model.receive(window.sketched(name));
const el = document.querySelector<HTMLElement>("#widget")!;
el.style.width = query.has("width") ? `${query.get("width")}px` : "";
const sources = import.meta.glob<{ default: AnyWidget }>([
  "../src/widget.ts",
  "../../talaria_widget/static/widget.js",
]);
const styles = import.meta.glob("../../talaria_widget/static/widget.css");
if (query.has("built")) await styles["../../talaria_widget/static/widget.css"]();
const source = query.has("built") ? "../../talaria_widget/static/widget.js" : "../src/widget.ts";
const { default: widget } = await sources[source]();
const start = performance.now();
if (typeof widget === "object" && widget.render) {
  await widget.render({ model: window.model, el } as unknown as Parameters<
    typeof widget.render
  >[0]);
}
requestAnimationFrame(() =>
  setTimeout(() => {
    window.firstPaint = performance.now() - start;
  }),
);
