// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { fakeModel } from "../dev/fake-model";
import { goldenFixture } from "../dev/golden";
import App from "./App.svelte";
import { OURS, show } from "./data/layout";
import { type Kept, keep, recall } from "./state/kept";

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

beforeEach(() => {
  localStorage.clear();
  vi.useFakeTimers();
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const KEPT: Kept = {
  layout: show(OURS, "flops", true),
  sort: { key: "weights", descending: true },
  grouping: "module",
  open: ["module blocks"],
  search: "conv",
  filters: [{ kind: "top", key: "latency", share: 0.8 }],
  pane: 200,
};

function open() {
  render(App, { model: fakeModel(goldenFixture("SmallNet")) });
}

/** The page is loaded anew: what was shown is gone, what was kept is not. */
function reload() {
  vi.runAllTimers();
  cleanup();
  open();
}

describe("what a view keeps", () => {
  it("comes back as it was", () => {
    keep("a model", KEPT);
    expect(recall("a model")).toEqual(KEPT);
    expect(recall("another")).toEqual({ layout: OURS });
  });

  it("is nothing where it cannot be understood", () => {
    for (const text of ["{", "3", "null", '{"sort": {"key": "x"}, "grouping": 7, "open": "no"}']) {
      localStorage.setItem("talaria:view:a model", text);
      expect(recall("a model").sort).toBeUndefined();
      expect(recall("a model").grouping).toBeUndefined();
    }
  });

  it("is of thirty models at most, those seen last", () => {
    for (let i = 0; i < 35; i++) {
      vi.setSystemTime(1e12 + i);
      keep(`model ${i}`, KEPT);
    }
    expect(recall("model 0").sort).toBeUndefined();
    expect(recall("model 34")).toEqual(KEPT);
    expect(localStorage.length).toBe(30);
  });

  it("does without a store that is full or forbidden", () => {
    const full = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    expect(() => keep("a model", KEPT)).not.toThrow();
    full.mockRestore();
  });

  it("is columns, sort, groups and search, over a reload", async () => {
    open();
    await fireEvent.click(screen.getByTestId("columns"));
    await fireEvent.click(screen.getByTestId("column-flops"));
    await fireEvent.change(screen.getByTestId("grouping"), { target: { value: "type" } });
    await fireEvent.click(screen.getByRole("button", { name: /^Task/ }));
    reload();
    expect(screen.getByRole("columnheader", { name: /FLOPs/ })).toBeTruthy();
    expect(screen.getByTestId("grouping")).toHaveProperty("value", "type");
    expect(screen.getAllByTestId("group").length).toBeGreaterThan(1);
    const task = screen.getByRole("columnheader", { name: /Task/ });
    expect(task.getAttribute("aria-sort")).toBe("ascending");
  });
});

describe("the pane", () => {
  beforeEach(() => {
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1040);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const splitter = () => screen.getByTestId("splitter");

  it("is moved by keys, closes and opens again", async () => {
    open();
    const usual = Number(splitter().getAttribute("aria-valuenow"));
    await fireEvent.keyDown(splitter(), { key: "ArrowLeft" });
    expect(Number(splitter().getAttribute("aria-valuenow"))).toBe(usual + 20);
    reload();
    expect(Number(splitter().getAttribute("aria-valuenow"))).toBe(usual + 20);
    await fireEvent.keyDown(splitter(), { key: "End" });
    expect(screen.queryByTestId("splitter")).toBeNull();
    expect(screen.queryByRole("tabpanel")).toBeNull();
    await fireEvent.click(screen.getByTestId("reopen"));
    expect(Number(splitter().getAttribute("aria-valuenow"))).toBe(usual);
  });
});

describe("the full window", () => {
  it("is entered and left by a button and by keys", async () => {
    open();
    const root = screen.getByTestId("talaria");
    await fireEvent.click(screen.getByTestId("full"));
    expect(root.getAttribute("popover")).toBe("manual");
    await fireEvent.keyDown(root, { key: "Escape" });
    expect(root.hasAttribute("popover")).toBe(false);
    await fireEvent.keyDown(root, { key: "f" });
    expect(screen.getByTestId("full").getAttribute("aria-pressed")).toBe("true");
  });
});
