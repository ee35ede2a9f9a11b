// @vitest-environment jsdom
/** A measurement as the page goes through it: what it says, and what it leaves where it was. */
import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { tick } from "svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type FakeModel, fakeModel, unpack } from "../dev/fake-model";
import { goldenFixture } from "../dev/golden";
import { asMeasured, SKETCHES } from "../dev/measured";
import App from "./App.svelte";
import type { Measuring } from "./wire";

const plain = goldenFixture("SmallNet");
let model: FakeModel;

beforeAll(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  );
  Element.prototype.scrollTo ??= () => undefined;
});

beforeEach(() => {
  model = fakeModel(asMeasured(plain, SKETCHES.modelled));
  render(App, { model, width: 1040 });
});

afterEach(cleanup);

async function advance(name: keyof typeof SKETCHES) {
  const { _program, _report, _status } = asMeasured(plain, SKETCHES[name]);
  model.receive({ _program: unpack(_program), _report: unpack(_report), _status });
  await tick();
  await tick();
}

async function say(measuring: Partial<Measuring>) {
  const whole = { state: "kernels", text: "", done: 0, total: 0, eta_s: null, ...measuring };
  const status = { error: "", notice: "", sequence: 0, measuring: whole as Measuring };
  model.receive({ _status: status });
  await tick();
}

const line = () => screen.getByTestId("measure");
const names = () => screen.getAllByTestId("row").map((row) => row.dataset.name);
const row = (name: string) =>
  screen.getAllByTestId("row").find((found) => found.dataset.name === name) as HTMLElement;
const selected = () =>
  screen
    .getAllByTestId("row")
    .filter((found) => found.getAttribute("aria-selected") === "true")
    .map((found) => found.dataset.name);

describe("when other rows take the place of those shown", () => {
  it("what was selected, focused, sorted, searched and opened stays, by name", async () => {
    const header = screen.getByRole("columnheader", { name: /Task/ });
    await fireEvent.click(within(header).getByRole("button"));
    await fireEvent.click(screen.getByTestId("tab-recipe"));
    await fireEvent.click(screen.getByTestId("tab-table"));
    await fireEvent.click(row("blocks.0.conv"));
    await fireEvent.click(row("blocks.1.conv"), { ctrlKey: true });
    row("blocks.1.conv").focus();
    const before = names();
    await advance("kernels");
    expect(names().filter((name) => !name?.startsWith("Reorder"))).toEqual(before);
    expect(names()).toHaveLength(before.length + 2);
    expect(selected()).toEqual(["blocks.0.conv", "blocks.1.conv"]);
    expect(model.get("selection")).toEqual(["blocks.0.conv", "blocks.1.conv"]);
    expect(document.activeElement).toBe(row("blocks.1.conv"));
    expect(header.getAttribute("aria-sort")).toBe("ascending");
    // The row that was last chosen is the one to extend from.
    await fireEvent.keyDown(row("blocks.1.conv"), { key: "ArrowUp", shiftKey: true });
    expect(selected()).toContain("blocks.1.conv");
    expect(selected()).toHaveLength(2);
  });

  it("a search and the panel of the recipe stay", async () => {
    await fireEvent.input(screen.getByTestId("filter"), { target: { value: "blocks" } });
    const found = names();
    await fireEvent.click(screen.getByTestId("tab-recipe"));
    await advance("kernels");
    expect(screen.getByTestId("tab-recipe").getAttribute("aria-selected")).toBe("true");
    expect(screen.getByTestId("filter")).toHaveProperty("value", "blocks");
    await fireEvent.click(screen.getByTestId("tab-table"));
    expect(names()).toEqual(found);
  });

  it("an open menu stays open, on the same option, at the new prices", async () => {
    await fireEvent.click(row("blocks.0.conv"));
    await fireEvent.click(screen.getByTestId("option-button"));
    await fireEvent.mouseEnter(screen.getByTestId("option-int8"));
    const total = () =>
      within(screen.getByTestId("total-latency_s")).getByTestId("total-value").textContent;
    const before = total();
    await advance("kernels");
    expect(screen.getByTestId("option-int8").className).toContain("pointed");
    expect(total()).not.toBe(before);
    await fireEvent.click(screen.getByTestId("option-int8"));
    expect(model.sent).toMatchObject([{ kind: "mark", rows: ["blocks.0.conv"] }]);
    expect(row("blocks.0.conv").textContent).toContain("int8");
  });

  it("a click that waits is drawn on the new rows", async () => {
    await fireEvent.click(row("blocks.0.conv"));
    await fireEvent.click(screen.getByTestId("option-button"));
    await fireEvent.click(screen.getByTestId("option-int8"));
    await advance("kernels");
    expect(screen.getByTestId("talaria").dataset.state).toBe("preview");
    expect(row("blocks.0.conv").textContent).toContain("int8");
    expect(row("blocks.1.conv").textContent).not.toContain("int8");
  });

  it("marks what the runtime put in", async () => {
    await advance("kernels");
    const added = row(names().find((name) => name?.startsWith("Reorder")) as string);
    expect(added.textContent).toContain("added");
    expect(added.textContent).toContain("layout");
  });
});

describe("when prices change and the rows do not", () => {
  it("no row moves, and the arrow says that the order is old", async () => {
    await advance("kernels");
    const before = names();
    await advance("done");
    expect(names()).toEqual(before);
    const header = screen.getByRole("columnheader", { name: /Latency/ });
    expect(header.textContent).toContain("▽");
    await fireEvent.click(within(header).getByRole("button"));
    expect(header.textContent).toContain("▼");
  });

  it("says which rows are still modelled, until none is", async () => {
    await advance("kernels");
    expect(screen.getByRole("grid").textContent).toMatch(/\d modelled/);
    await advance("done");
    expect(screen.getByRole("grid").textContent).not.toContain("modelled");
  });
});

describe("the line of a measurement", () => {
  it("is there before, while and after: nothing moves", async () => {
    expect(line().dataset.measuring).toBe("none");
    expect(screen.queryByRole("progressbar")).toBeNull();
    await advance("kernels");
    expect(line().textContent).toContain("Pricing kernels, 12 of 130");
    expect(screen.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("9");
    await advance("done");
    expect(screen.queryByRole("progressbar")).toBeNull();
    expect(line().dataset.measuring).toBe("done");
  });

  it("stops and starts", async () => {
    await advance("kernels");
    await fireEvent.click(screen.getByTestId("stop"));
    expect(model.sent).toMatchObject([{ kind: "stop" }]);
    expect(screen.getByTestId("stop")).toHaveProperty("disabled", true);
    expect(line().textContent).toContain("Stopping");
    model.answer();
    await tick();
    expect(line().dataset.measuring).toBe("stopped");
    await fireEvent.click(screen.getByTestId("measure-again"));
    expect(model.sent[1]).toMatchObject({ kind: "measure" });
    model.answer();
    await tick();
    expect(screen.getByTestId("stop")).toHaveProperty("disabled", false);
  });

  it("says the reason of a failure, and what the figures are then", async () => {
    await advance("failed");
    const alert = screen.getByRole("alert");
    expect(alert.textContent).toContain("no kernel for GridSample(20) of float16.");
    expect(alert.textContent).toContain("Figures are modelled.");
    expect(screen.getByTestId("measure-again").textContent).toBe("Measure again");
  });

  it("sets the measured whole against its rows, and not while a click is unanswered", async () => {
    await advance("done");
    expect(screen.queryByTestId("measure-again")).toBeNull(); // nothing is left to measure
    expect(screen.getByTestId("ledger").textContent).toMatch(/measured.*sum of rows.*difference/s);
    await fireEvent.click(row("blocks.0.conv"));
    await fireEvent.click(screen.getByTestId("option-button"));
    await fireEvent.click(screen.getByTestId("option-int8"));
    expect(screen.getByTestId("ledger").textContent).toContain("not run as a whole");
    expect(screen.getByTestId("ledger").textContent).not.toContain("difference");
  });

  it("speaks at every quarter, not at every kernel", async () => {
    const spoken = within(line()).getByRole("status");
    const said = new Set<string>();
    for (let done = 0; done <= 40; done++) {
      await say({ done, total: 40, eta_s: 40 - done });
      said.add(spoken.textContent ?? "");
    }
    expect(said.size).toBe(5);
  });

  it("claims nothing once the kernel is gone", async () => {
    await advance("kernels");
    model.setLive(false);
    await vi.waitFor(() => expect(screen.queryByRole("progressbar")).toBeNull());
    expect(screen.queryByTestId("stop")).toBeNull();
    expect(line().textContent).not.toContain("Pricing");
  });

  it("brings back no message that was dismissed", async () => {
    const status = { error: "", notice: "The recipe is kept", sequence: 0 };
    const at = (done: number): Measuring => ({
      state: "kernels",
      text: "",
      done,
      total: 9,
      eta_s: 1,
    });
    model.receive({ _status: { ...status, measuring: at(1) } });
    await tick();
    await fireEvent.click(screen.getByLabelText("Dismiss"));
    model.receive({ _status: { ...status, measuring: at(2) } });
    await tick();
    expect(screen.queryByTestId("banner")).toBeNull();
    model.receive({ _status: { ...status, error: "no such layer", measuring: at(3) } });
    await tick();
    expect(screen.getByTestId("banner").textContent).toContain("no such layer.");
  });
});

it("corrections are named in the recipe's panel, with their seconds", async () => {
  await advance("done");
  await fireEvent.click(row("blocks.1.conv"));
  await fireEvent.click(screen.getByTestId("option-button"));
  await fireEvent.click(screen.getByTestId("option-int8"));
  await fireEvent.click(screen.getByTestId("tab-recipe"));
  const [first] = screen.getAllByTestId("correction");
  expect(first.textContent).toContain("leave the convolution");
  expect(first.textContent).toMatch(/\+\d/);
});

it("a device that is modelled has no such line", () => {
  cleanup();
  render(App, { model: fakeModel(plain) });
  expect(screen.queryByTestId("measure")).toBeNull();
});
