// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type FakeModel, fakeModel } from "../dev/fake-model";
import { goldenFixture, goldenProgram } from "../dev/golden";
import App from "./App.svelte";

const program = goldenProgram("SmallNet");

beforeAll(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  );
  // Wide enough for charts, and 100 px of each of them.
  vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockReturnValue({
    ...{ left: 0, top: 0, right: 100, bottom: 20, x: 0, y: 0, width: 100, height: 20 },
    toJSON: () => "",
  });
});
beforeEach(() => localStorage.clear());
afterEach(cleanup);

function show(): FakeModel {
  const model = fakeModel(goldenFixture("SmallNet"));
  render(App, { model, width: 1040 });
  return model;
}

const names = () => screen.queryAllByTestId("row").map((found) => found.dataset.name);
const chips = () =>
  screen
    .queryAllByTestId("chip")
    .map((found) => found.textContent?.replaceAll("\u202f", " ").trim());
const field = () => screen.getByTestId("filter");
const hint = () => screen.getByTestId("search-hint").textContent?.replaceAll("\u202f", " ");
const type = (value: string) => fireEvent.input(field(), { target: { value } });

async function keep(text: string) {
  await type(text);
  await fireEvent.keyDown(field(), { key: "Enter" });
}

describe("the search", () => {
  it("filters while it is typed, and says what it understood", async () => {
    show();
    await type("type:conv macs > 0");
    expect(hint()).toContain("type contains conv, and MACs over 0");
    expect(hint()).toContain(`${names().length} of ${program.rows} tasks`);
    expect(names()).toContain("blocks.0.conv");
    expect(names().length).toBeLessThan(program.rows);
    expect(chips()).toEqual([]);
  });

  it("says what it does not understand, and never throws", async () => {
    show();
    await type("/conv(");
    expect(hint()).toContain("not ended");
    expect(names()).toHaveLength(program.rows);
    expect(field().getAttribute("aria-invalid")).toBe("true");
    await type("latency > soon");
    expect(hint()).toContain("“soon” is no number");
    await fireEvent.keyDown(field(), { key: "Enter" });
    expect((field() as HTMLInputElement).value).toBe("latency > soon");
    await fireEvent.keyDown(field(), { key: "Escape" });
    expect((field() as HTMLInputElement).value).toBe("");
  });

  it("becomes chips with Enter, which stack, and each goes by mouse or key", async () => {
    show();
    await keep("type:conv");
    await keep("blocks.1");
    expect((field() as HTMLInputElement).value).toBe("");
    expect(chips()).toEqual(["type: conv", "“blocks.1”"]);
    expect(names()).toEqual(["blocks.1.conv"]);
    const [first, second] = screen.getAllByTestId("chip");
    expect(first.getAttribute("aria-label")).toBe("Remove the filter type: conv");
    await fireEvent.keyDown(second, { key: "Delete" });
    expect(chips()).toEqual(["type: conv"]);
    await fireEvent.click(screen.getByTestId("chip"));
    expect(names()).toHaveLength(program.rows);
    await vi.waitFor(() => expect(document.activeElement).toBe(field()));
  });

  it("is cleared with all the filters at once", async () => {
    show();
    await keep("type:conv");
    await keep("macs > 0");
    await fireEvent.click(screen.getByText("Clear all"));
    expect(chips()).toEqual([]);
    expect(names()).toHaveLength(program.rows);
  });
});

describe("filters", () => {
  it("stay over a reload of the page", async () => {
    vi.useFakeTimers();
    show();
    await keep("macs > 0");
    await keep("-/blocks/");
    const before = names();
    vi.runAllTimers();
    vi.useRealTimers();
    cleanup();
    show();
    expect(chips()).toEqual(["MACs > 0", "not /blocks/"]);
    expect(names()).toEqual(before);
  });
});

describe("the top", () => {
  it("is of latency, or of the column that is sorted where it adds up", async () => {
    show();
    const top = screen.getByTestId("top");
    await fireEvent.click(top);
    expect(top.getAttribute("aria-pressed")).toBe("true");
    const few = names();
    expect(few.length).toBeGreaterThan(0);
    expect(few.length).toBeLessThan(program.rows);
    await fireEvent.click(top);
    expect(names()).toHaveLength(program.rows);
    const header = screen.getByRole("columnheader", { name: /MACs/ });
    await fireEvent.click(within(header).getByRole("button"));
    expect(top.title).toContain("MACs");
    await fireEvent.click(top);
    const shown = names();
    const macs = (all: readonly (string | undefined)[]) =>
      all.reduce((sum, name) => sum + program.macs[program.meta.names.indexOf(name ?? "")], 0);
    expect(macs(shown)).toBeGreaterThanOrEqual(0.8 * macs(program.meta.names));
    expect(macs(shown.slice(0, -1))).toBeLessThan(0.8 * macs(program.meta.names));
  });
});

describe("the header", () => {
  const slider = (name: string) => screen.getByRole("slider", { name });

  it("says how many tasks are shown", async () => {
    show();
    const counted = screen.getByTestId("counted");
    expect(counted.textContent).toBe("7 tasks");
    await type("blocks");
    expect(counted.textContent).toBe(`${names().length} of 7`);
    await fireEvent.change(screen.getByTestId("grouping"), { target: { value: "module" } });
    expect(counted.textContent).toContain("of 7, by module");
  });

  it("filters a stretch that is drawn, moves it, and gives it back", async () => {
    show();
    const chart = screen.getByTestId("histogram-latency");
    const draw = async (from: number, to: number) => {
      await fireEvent.pointerDown(chart, { button: 0, clientX: from });
      await fireEvent.pointerMove(chart, { clientX: (from + to) / 2 });
      await fireEvent.pointerMove(chart, { clientX: to });
      await fireEvent.pointerUp(chart, { clientX: to });
    };
    await draw(50, 99.9);
    expect(chips()).toHaveLength(1);
    expect(chips()[0]).toMatch(/^latency ≥ /);
    const upper = names();
    expect(upper.length).toBeGreaterThan(0);
    expect(upper.length).toBeLessThan(program.rows);
    expect(Number(slider("Latency from").getAttribute("aria-valuenow"))).toBeGreaterThan(0);
    await draw(75, 25);
    expect(chips()).toHaveLength(1);
    expect(chips()[0]).toMatch(/^latency ≤ /);
    await fireEvent.dblClick(chart);
    expect(chips()).toEqual([]);
    expect(names()).toHaveLength(program.rows);
  });

  it("has two sliders for it, moved by keys, bin by bin", async () => {
    show();
    const from = slider("Latency from");
    const to = slider("Latency to");
    expect(from.getAttribute("aria-valuetext")).toBe("the least");
    const most = Number(to.getAttribute("aria-valuenow"));
    await fireEvent.keyDown(from, { key: "ArrowRight" });
    await fireEvent.keyDown(from, { key: "ArrowRight" });
    await fireEvent.keyDown(to, { key: "ArrowLeft" });
    expect(Number(from.getAttribute("aria-valuenow"))).toBe(2);
    expect(Number(to.getAttribute("aria-valuenow"))).toBe(most - 1);
    expect(from.getAttribute("aria-valuetext")).toMatch(/s$/);
    expect(chips()).toHaveLength(1);
    await fireEvent.keyDown(from, { key: "End" });
    expect(Number(from.getAttribute("aria-valuenow"))).toBe(most - 2);
    await fireEvent.keyDown(from, { key: "Escape" });
    expect(chips()).toEqual([]);
    expect(Number(to.getAttribute("aria-valuenow"))).toBe(most);
  });

  it("shows the values of a category, and filters to those that are clicked", async () => {
    show();
    const types = screen.getByTestId("categories-type");
    const [first, second] = within(types).getAllByRole("option");
    await fireEvent.click(first);
    expect(first.getAttribute("aria-selected")).toBe("true");
    const [label, other] = [first.dataset.value, second.dataset.value];
    const labelled = (wanted: (string | undefined)[]) =>
      program.meta.names.filter((_, row) => wanted.includes(program.meta.labels[row]));
    expect(new Set(names())).toEqual(new Set(labelled([label])));
    expect(chips()).toEqual([`type: ${label}`]);
    await fireEvent.click(second, { ctrlKey: true });
    expect(new Set(names())).toEqual(new Set(labelled([label, other])));
    await fireEvent.keyDown(second, { key: "Escape" });
    expect(names()).toHaveLength(program.rows);
    first.focus();
    await fireEvent.keyDown(first, { key: "ArrowRight" });
    expect(document.activeElement).toBe(second);
    await fireEvent.keyDown(second, { key: "Enter" });
    expect(new Set(names())).toEqual(new Set(labelled([other])));
  });

  it("is one stop of the Tab key, and arrows go from column to column", async () => {
    show();
    const stops = () =>
      screen
        .getAllByRole("columnheader")
        .flatMap((cell) => [...cell.querySelectorAll<HTMLElement>("[tabindex='0']")]);
    expect(stops()).toHaveLength(1);
    stops()[0].focus();
    await fireEvent.keyDown(stops()[0], { key: "ArrowRight" });
    const type = screen.getByRole("columnheader", { name: /Type/ });
    expect(type.contains(document.activeElement)).toBe(true);
    expect(stops().every((stop) => type.contains(stop))).toBe(true);
  });

  it("sorts by Enter, and leaves the row alone", async () => {
    const model = show();
    const header = screen.getByRole("columnheader", { name: /Task/ });
    const label = within(header).getByRole("button");
    // A button that is not kept from it answers Enter with a click.
    expect(await fireEvent.keyDown(label, { key: "Enter" })).toBe(true);
    expect(screen.queryByRole("menu")).toBeNull();
    expect(model.sent).toEqual([]);
  });

  it("has room for the rest where charts have none", async () => {
    show();
    expect(screen.getAllByRole("slider").length).toBeGreaterThan(2);
    await fireEvent.click(screen.getByTestId("columns"));
    await fireEvent.click(screen.getByTestId("column-bits"));
    expect(screen.queryByTestId("histogram-bits")).toBeNull();
  });
});

describe("odd values", () => {
  it("break nothing: unknown, infinite, one of each", async () => {
    const model = show();
    expect(() => model.receive({ selection: ["nothing"] })).not.toThrow();
    await keep('"<img src=x onerror=alert(1)>"');
    expect(chips()[0]).toBe("“<img src=x onerror=alert(1)>”");
    expect(document.querySelector("img")).toBeNull();
    expect(screen.getByText("No task matches")).toBeTruthy();
  });
});
