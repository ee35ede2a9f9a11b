// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type FakeModel, fakeModel, unpack, withMeta } from "../dev/fake-model";
import { goldenFixture, goldenProgram } from "../dev/golden";
import App from "./App.svelte";
import { evaluate, makePlan } from "./data/evaluate";
import { timelineOf } from "./data/timeline";

/** Where elements have no size, the widget and its charts are as wide as they are made to be. */
const WIDTH = 440;
const program = goldenProgram("SmallNet");
const before = evaluate(makePlan(program), new Int32Array(program.weight_leader.length));
const timeline = timelineOf(program, before);

beforeAll(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  );
  // jsdom has no such event; ours are mouse events with a pointer.
  vi.stubGlobal("PointerEvent", MouseEvent);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(WIDTH);
});

beforeEach(() => localStorage.clear());
afterEach(cleanup);

function show(change = (model: FakeModel) => model): FakeModel {
  const model = change(fakeModel(goldenFixture("SmallNet")));
  render(App, { model });
  return model;
}

const chart = (id: string) => screen.getByTestId(`chart-${id}`);
const picture = (id: string) => within(chart(id)).getByRole("img");
const choose = (id: string) =>
  fireEvent.change(screen.getByTestId("chart-choice"), { target: { value: id } });

/** The middle of a row's span in pixels; its label takes some room. */
function spanOf(row: number): number {
  const { edges, spans } = timeline;
  const drawn = picture("timeline").querySelectorAll(".before")[0];
  const wide = Number(drawn.getAttribute("width")) + 1;
  return (((edges[spans[row]] + edges[spans[row] + 1]) / 2) * wide) / timeline.seconds;
}

async function drag(element: Element, points: readonly (readonly [number, number])[]) {
  const [first, ...rest] = points;
  const at = ([clientX, clientY]: readonly [number, number]) => ({ clientX, clientY, button: 0 });
  await fireEvent.pointerDown(element, at(first));
  for (const point of rest) await fireEvent.pointerMove(element, at(point));
  await fireEvent.pointerUp(element, at(rest[rest.length - 1] ?? first));
}

describe("the execution order", () => {
  it("says in a sentence what it shows", () => {
    show();
    const sentence = picture("timeline").getAttribute("aria-label") ?? "";
    expect(sentence).toMatch(/^Execution order: 7 tasks in [\d.]+\s[µm]s/);
    expect(sentence).toContain("memory is most");
  });

  it("selects the row that is clicked, and adds another", async () => {
    const model = show();
    const [one, two] = [0, 3].map((row) => program.meta.names[row]);
    await drag(picture("timeline"), [[spanOf(0), 20]]);
    expect(model.get("selection")).toEqual([one]);
    await fireEvent.pointerDown(picture("timeline"), { clientX: spanOf(3), button: 0 });
    await fireEvent.pointerUp(picture("timeline"), {
      clientX: spanOf(3),
      button: 0,
      ctrlKey: true,
    });
    expect(model.get("selection")).toEqual([one, two]);
    expect(picture("timeline").querySelector(".chosen")?.getAttribute("d")).toMatch(/M.*M/);
  });

  it("selects the rows of a stretch", async () => {
    const model = show();
    await drag(picture("timeline"), [
      [spanOf(2), 20],
      [spanOf(0), 60],
    ]);
    expect(model.get("selection")).toEqual(program.meta.names.slice(0, 3));
  });

  it("points at a row of the table, and is pointed at by it", async () => {
    show();
    await fireEvent.pointerMove(picture("timeline"), { clientX: spanOf(0), clientY: 20 });
    const row = screen
      .getAllByTestId("row")
      .find(({ dataset }) => dataset.name === program.meta.names[0]) as HTMLElement;
    expect(row.className).toContain("hovered");
    expect(chart("timeline").textContent).toContain(program.meta.labels[0]);
    await fireEvent.pointerLeave(picture("timeline"));
    expect(row.className).not.toContain("hovered");
    expect(picture("timeline").querySelector(".hovered")).toBeNull();
    await fireEvent.pointerOver(row);
    expect(picture("timeline").querySelector(".hovered")).not.toBeNull();
  });

  it("does not select what is filtered out", async () => {
    const model = show();
    await fireEvent.input(screen.getByTestId("filter"), {
      target: { value: program.meta.names[3] },
    });
    await drag(picture("timeline"), [
      [0, 20],
      [WIDTH, 20],
    ]);
    expect(model.get("selection")).toEqual([program.meta.names[3]]);
    expect(picture("timeline").querySelector(".faded")).not.toBeNull();
  });
});

describe("costs", () => {
  it("are those of the part and the metric chosen, and select its rows", async () => {
    const model = show();
    await choose("costs");
    await fireEvent.change(screen.getByTestId("cost-metric"), { target: { value: "weights" } });
    expect(picture("costs").getAttribute("aria-label")).toMatch(/^weights by type: /);
    await fireEvent.change(screen.getByTestId("cost-parts"), { target: { value: "module" } });
    const [line] = within(chart("costs")).getAllByTestId("cost-line");
    await fireEvent.click(line);
    const selected = model.get("selection") as string[];
    expect(selected.length).toBeGreaterThan(1);
    const name = line.querySelector(".label")?.textContent ?? "?";
    expect(selected.every((row) => row.startsWith(name))).toBe(true);
  });
});

describe("the roofline", () => {
  it("selects what a line is drawn around", async () => {
    const model = show();
    await choose("roofline");
    await drag(picture("roofline"), [
      [0, 0],
      [WIDTH, 0],
      [WIDTH, 109],
      [0, 109],
    ]);
    const selected = model.get("selection") as string[];
    const placed = program.flops.filter((flops) => flops > 0).length;
    expect(selected).toHaveLength(placed);
    expect(picture("roofline").querySelector(".ring")?.getAttribute("d")).not.toBe("");
  });

  it("stands without any roof", async () => {
    show((model) => {
      const roofs = { ops_per_s: {}, bandwidth_bytes_per_s: 0, on_chip_bytes_per_s: 0 };
      model.receive({
        _program: withMeta(unpack(goldenFixture("SmallNet")._program), { roofs }),
      });
      return model;
    });
    await choose("roofline");
    expect(picture("roofline").querySelectorAll(".mark").length).toBeGreaterThan(0);
    expect(picture("roofline").querySelectorAll(".roof")).toHaveLength(0);
    expect(screen.queryByText(/could not be drawn/)).toBeNull();
  });
});

describe("the distribution", () => {
  it("filters the table by a stretch, and lets it be", async () => {
    show();
    await choose("distribution");
    await drag(picture("distribution"), [
      [WIDTH * 0.6, 50],
      [WIDTH - 2, 50],
    ]);
    const fewer = screen.getAllByTestId("row").length;
    expect(fewer).toBeGreaterThan(0);
    expect(fewer).toBeLessThan(program.rows);
    await fireEvent.dblClick(picture("distribution"));
    expect(screen.getAllByTestId("row")).toHaveLength(program.rows);
  });

  it("is of any column of numbers", async () => {
    show();
    await choose("distribution");
    for (const option of screen.getByTestId<HTMLSelectElement>("distribution-column").options) {
      await fireEvent.change(screen.getByTestId("distribution-column"), {
        target: { value: option.value },
      });
      expect(chart("distribution").textContent).not.toContain("NaN");
    }
  });
});

describe("the strip", () => {
  it("folds to its title line, and stays so", async () => {
    show();
    const fold = screen.getByTestId("strip-fold");
    expect(fold.getAttribute("aria-expanded")).toBe("true");
    await fireEvent.click(fold);
    expect(fold.getAttribute("aria-expanded")).toBe("false");
    expect(within(chart("timeline")).queryByRole("img")).toBeNull();
    await choose("roofline");
    expect(screen.queryByTestId("chart-timeline")).toBeNull();
    await new Promise((done) => setTimeout(done, 350));
    cleanup();
    show();
    expect(screen.getByTestId("strip-fold").getAttribute("aria-expanded")).toBe("false");
    expect(chart("roofline")).not.toBeNull();
  });
});
