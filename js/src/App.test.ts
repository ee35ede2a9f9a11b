// @vitest-environment jsdom
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type FakeModel, fakeModel, unpack, withMeta } from "../dev/fake-model";
import { goldenFixture } from "../dev/golden";
import App from "./App.svelte";

beforeAll(() => {
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      unobserve() {}
      disconnect() {}
    },
  );
});

afterEach(cleanup);

function show(): FakeModel {
  const model = fakeModel(goldenFixture("SmallNet"));
  render(App, { model });
  return model;
}

const root = () => screen.getByTestId("talaria");
const row = (name: string) =>
  screen.getAllByTestId("row").find((found) => found.dataset.name === name) as HTMLElement;
const total = (name: string) =>
  within(screen.getByTestId(`total-${name}`)).getByTestId("total-value").textContent;

describe("the widget", () => {
  it("shows the table and the totals", () => {
    show();
    expect(screen.getAllByTestId("row")).toHaveLength(7);
    expect(total("size_bytes")).toMatch(/11\.20\s*kB/);
    expect(root().dataset.state).toBe("ready");
    expect(root().getAttribute("aria-label")).toContain("SmallNet on");
  });

  it("puts the largest of a total on top, again and again", async () => {
    show();
    const sorted = () => document.querySelector("[aria-sort=descending]")?.textContent?.trim();
    for (const [metric, title] of [
      ["energy_j", /^Energy/],
      ["size_bytes", /^Weights/],
      ["size_bytes", /^Weights/],
    ] as const) {
      const cell = within(screen.getByTestId(`total-${metric}`));
      await fireEvent.click(cell.getByTestId("largest"));
      expect(sorted()).toMatch(title);
    }
  });

  it("goes from a click to a menu to a mark", async () => {
    const model = show();
    const button = screen.getByTestId("option-button");
    expect(button).toHaveProperty("disabled", true);
    await fireEvent.click(row("blocks.0.conv"));
    expect(row("blocks.0.conv").getAttribute("aria-selected")).toBe("true");
    expect(model.get("selection")).toEqual(["blocks.0.conv"]);
    await fireEvent.click(button);
    const before = total("size_bytes");
    await fireEvent.mouseEnter(screen.getByTestId("option-int8"));
    expect(total("size_bytes")).not.toBe(before);
    expect(root().dataset.state).toBe("ready");
    await fireEvent.click(screen.getByTestId("option-int8"));
    expect(root().dataset.state).toBe("preview");
    expect(row("blocks.0.conv").textContent).toContain("int8");
    expect(screen.queryByTestId("option-int8")).toBeNull();
    model.answer();
    await vi.waitFor(() => expect(root().dataset.state).toBe("ready"));
    expect(root().dataset.sequenceAnswered).toBe(String(model.sent[0].sequence));
  });

  it("says why an option is not to be had, and does not take it", async () => {
    const model = show();
    await fireEvent.click(row("blocks.0.conv"));
    await fireEvent.click(screen.getByTestId("option-button"));
    const item = screen.getByTestId("option-fp32");
    expect(item.getAttribute("aria-disabled")).toBe("true");
    expect(item.textContent).toContain("the Neural Engine computes in fp16");
    await fireEvent.click(item);
    expect(model.sent).toEqual([]);
  });

  it("takes a selection to every repeat of its block", async () => {
    const model = show();
    expect(screen.queryByTestId("repeats")).toBeNull();
    await fireEvent.click(row("blocks.0.conv"));
    const button = screen.getByTestId("repeats");
    expect(button.textContent).toBe("Select in all 2");
    expect(button.getAttribute("aria-label")).toContain("blocks.[0-1]");
    await fireEvent.click(button);
    expect(model.get("selection")).toEqual(["blocks.0.conv", "blocks.1.conv"]);
    expect(screen.queryByTestId("repeats")).toBeNull();
    await fireEvent.click(row("blocks.1.conv"));
    await fireEvent.keyDown(row("blocks.1.conv"), { key: "r" });
    expect(model.get("selection")).toHaveLength(2);
  });

  it("is driven by keys", async () => {
    const model = show();
    const first = screen.getAllByTestId("row")[0];
    await fireEvent.click(first);
    await fireEvent.keyDown(first, { key: "ArrowDown", shiftKey: true });
    expect(model.get("selection")).toHaveLength(2);
    await fireEvent.keyDown(first, { key: "a", ctrlKey: true });
    expect(model.get("selection")).toHaveLength(7);
    await fireEvent.keyDown(first, { key: "o" });
    const item = screen.getByTestId("option-int8");
    await fireEvent.keyDown(item, { key: "Escape" });
    expect(screen.queryByTestId("option-int8")).toBeNull();
    await fireEvent.keyDown(first, { key: "Backspace" });
    expect(model.sent).toMatchObject([{ kind: "mark", option: 0 }]);
  });

  it("filters, and says what to do where nothing is left", async () => {
    show();
    const field = screen.getByTestId("filter");
    await fireEvent.input(field, { target: { value: "blocks.1" } });
    expect(screen.getAllByTestId("row").map((found) => found.dataset.name)).toEqual(
      expect.arrayContaining(["blocks.1.conv"]),
    );
    await fireEvent.input(field, { target: { value: "nothing" } });
    expect(root().textContent).toContain("No task matches");
    await fireEvent.click(screen.getByText("Clear the filter"));
    expect(screen.getAllByTestId("row")).toHaveLength(7);
  });

  it("sorts on request, and says how", async () => {
    show();
    const name = screen.getByRole("columnheader", { name: /Task/ });
    await fireEvent.click(within(name).getByRole("button"));
    expect(name.getAttribute("aria-sort")).toBe("ascending");
    expect(screen.getAllByTestId("row")[0].dataset.name).toBe("adaptive_avg_pool2d");
  });

  it("takes a target with its unit, and refuses what is none", async () => {
    const model = show();
    const field = screen.getByTestId("target-latency_s") as HTMLInputElement;
    await fireEvent.input(field, { target: { value: "8 ms" } });
    await fireEvent.keyDown(field, { key: "Enter" });
    expect(model.get("targets")).toEqual({ latency_s: 0.008 });
    await fireEvent.input(field, { target: { value: "soon" } });
    await fireEvent.keyDown(field, { key: "Enter" });
    expect(field.getAttribute("aria-invalid")).toBe("true");
    expect(model.get("targets")).toEqual({ latency_s: 0.008 });
  });

  it("shows what Python refused, until it is dismissed", async () => {
    const model = show();
    model.receive({
      _status: { error: "there is no device 'x'", notice: "", sequence: 0, measuring: null },
    });
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("there is no device 'x'.");
    await fireEvent.click(within(alert).getByLabelText("Dismiss"));
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("is read-only without a kernel, and offers the recipe", async () => {
    const model = show();
    await fireEvent.click(row("blocks.0.conv"));
    model.setLive(false);
    await vi.waitFor(() => expect(root().dataset.state).toBe("no-kernel"));
    expect(screen.getByTestId("banner").textContent).toContain("No kernel: read-only.");
    expect(screen.getByTestId("option-button")).toHaveProperty("disabled", true);
    await fireEvent.click(screen.getByTestId("tab-recipe"));
    expect(screen.getByTestId("copy-python")).toHaveProperty("disabled", false);
  });

  it("sets names as text only: no source of ours makes HTML of a string", () => {
    const folder = import.meta.dirname;
    const files = readdirSync(folder, { recursive: true, encoding: "utf-8" }).filter(
      (name) => /\.(svelte|ts)$/.test(name) && !name.endsWith(".test.ts"),
    );
    expect(files.length).toBeGreaterThan(20);
    for (const name of files) {
      const text = readFileSync(join(folder, name), "utf-8");
      expect(text, name).not.toMatch(/\{@html|innerHTML|outerHTML|insertAdjacentHTML|\beval\(/);
    }
  });

  it("says which view broke, and keeps the rest", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const fixture = goldenFixture("SmallNet");
    const model = show();
    await fireEvent.click(screen.getByTestId("tab-graph"));
    const broken = withMeta(unpack(fixture._program), { modules: null });
    model.receive({ _program: broken });
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("The graph could not be drawn");
    await fireEvent.click(screen.getByTestId("tab-table"));
    await fireEvent.click(row("blocks.0.conv"));
    expect(screen.getByTestId("option-button")).toHaveProperty("disabled", false);
  });

  it("links the graph and the table", async () => {
    const model = show();
    await fireEvent.click(screen.getByTestId("tab-graph"));
    const boxes = screen.getAllByTestId("graph-box");
    const blocks = boxes.find((box) => box.dataset.path === "blocks") as HTMLElement;
    await fireEvent.click(blocks);
    expect(model.get("selection")).toEqual([
      "blocks.0.conv",
      "blocks.0/add",
      "blocks.1.conv",
      "blocks.1/add",
    ]);
    expect(blocks.getAttribute("aria-selected")).toBe("true");
    await fireEvent.keyDown(blocks, { key: "ArrowDown" });
    await fireEvent.keyDown(blocks, { key: "Enter" });
    expect(model.get("selection")).toEqual(["blocks.0.conv", "blocks.0/add"]);
  });

  it("edits rules", async () => {
    const model = show();
    await fireEvent.click(row("blocks.0.conv"));
    await fireEvent.click(screen.getByTestId("option-button"));
    await fireEvent.click(screen.getByTestId("option-int8"));
    model.answer();
    await fireEvent.click(screen.getByTestId("tab-recipe"));
    const rule = await screen.findByTestId("rule");
    await fireEvent.click(within(rule).getByRole("checkbox"));
    expect(model.sent[1]).toMatchObject({ kind: "rule", action: "disable", index: 0 });
    model.answer();
    await vi.waitFor(() => expect(root().dataset.state).toBe("ready"));
    await fireEvent.click(within(screen.getByTestId("rule")).getByLabelText("Delete rule 1"));
    model.answer();
    await vi.waitFor(() => expect(screen.queryByTestId("rule")).toBeNull());
  });
});
