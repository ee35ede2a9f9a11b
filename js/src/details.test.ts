// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type FakeModel, type Fixture, fakeModel } from "../dev/fake-model";
import { goldenFixture } from "../dev/golden";
import App from "./App.svelte";
import type { DetailsAnswer } from "./wire";

/** A machine under load answers late. */
const PATIENCE_MS = 8000;
const EVIL = "<img src=x onerror=alert(1)>";

const TOLD: Partial<DetailsAnswer> = {
  ops: [
    {
      name: EVIL,
      kind: "conv",
      target: "torch.nn.functional.conv2d",
      source: "nets.py:33",
      times: 1,
      inputs: ["float32 1×3×32×32"],
      outputs: ["float32 1×16×16×16"],
      macs: 110592,
      flops: 225280,
      formulas: [
        {
          words: "outputs × input channels × kernel",
          numbers: "16 × 16 × 16 × 3 × 3 × 3",
          value: 110592,
          unit: "MAC",
        },
      ],
    },
  ],
  weights: [{ name: "stem.weight", shape: "16×3×3×3", dtype: "float32" }],
  excerpt: {
    file: "nets.py",
    first: 32,
    lines: ["    def forward(self, x):", `        y = self.stem(x)  # ${EVIL}`, "        return y"],
    marked: [33],
    note: "nets.py was changed since the model was read: these may be other lines.",
  },
};

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

async function open(selection: string[], changes: Partial<Fixture> = {}): Promise<FakeModel> {
  const details = { stem: TOLD as DetailsAnswer };
  const model = fakeModel({ ...goldenFixture("SmallNet"), selection, details, ...changes }, 0);
  render(App, { model });
  await fireEvent.click(screen.getByTestId("tab-details"));
  return model;
}

const pane = () => screen.getByTestId("details");
const asked = (model: FakeModel) => model.sent.filter(({ kind }) => kind === "details");
const told = () =>
  vi.waitFor(() => expect(pane().dataset.told).toBe("true"), { timeout: PATIENCE_MS });

describe("the details", { timeout: 2 * PATIENCE_MS }, () => {
  it("ask for a selected row what the page does not know", async () => {
    const model = await open(["stem"]);
    expect(screen.getByTestId("details-name").textContent).toBe("stem");
    expect(pane().textContent).toContain("3×3, stride 2");
    await told();
    expect(asked(model)).toMatchObject([{ kind: "details", row: "stem" }]);
    expect(screen.getByTestId("formula").textContent).toContain(
      "16 × 16 × 16 × 3 × 3 × 3 = 110,592 MAC",
    );
    expect(screen.getByTestId("details-weights").textContent).toContain("16×3×3×3");
  });

  it("show the lines of code as text, the call marked, and what is to be said", async () => {
    await open(["stem"]);
    await told();
    const lines = [...screen.getByTestId("source").querySelectorAll("[data-line]")];
    expect(lines.map((line) => line.classList.contains("called"))).toEqual([false, true, false]);
    expect(lines[1].textContent).toContain(EVIL);
    expect(pane().querySelector("img")).toBeNull();
    expect(screen.getByTestId("source-note").textContent).toContain("was changed");
  });

  it("apply an option by one click, and preview it before", async () => {
    const model = await open(["blocks.0.conv"]);
    const button = within(screen.getByTestId("details-option-int8")).getByRole("button");
    const size = () => screen.getByTestId("total-size_bytes").textContent;
    const before = size();
    const cost = screen.getByTestId("price-Latency").textContent;
    await fireEvent.pointerEnter(button);
    expect(size()).not.toBe(before);
    // What stands above an option may not change its height while it is pointed at.
    expect(screen.getByTestId("price-Latency").textContent).toBe(cost);
    await fireEvent.pointerLeave(button);
    expect(size()).toBe(before);
    await fireEvent.click(button);
    expect(model.sent.filter(({ kind }) => kind === "mark")).toMatchObject([
      { rows: ["blocks.0.conv"] },
    ]);
    await vi.waitFor(() => expect(button.getAttribute("aria-pressed")).toBe("true"), {
      timeout: PATIENCE_MS,
    });
  });

  it("give no option that is refused, and say why", async () => {
    const model = await open(["stem"]);
    const line = screen.getByTestId("details-option-fp32");
    expect(line.textContent).toContain("the Neural Engine computes in fp16");
    const button = within(line).getByRole("button");
    expect(button).toHaveProperty("disabled", true);
    await fireEvent.pointerEnter(button);
    expect(model.sent.filter(({ kind }) => kind === "mark")).toEqual([]);
  });

  it("follow the selection, and sum several", async () => {
    const model = await open([]);
    expect(pane().textContent).toContain("Select a task");
    model.set("selection", ["stem", "fc"]);
    await vi.waitFor(() => expect(pane().textContent).toContain("2 tasks together"));
    expect(asked(model)).toEqual([]);
    expect(screen.getByTestId("price-Latency").textContent).toMatch(/modelled/);
    model.set("selection", ["stem"]);
    await told();
    model.set("selection", ["adaptive_avg_pool2d"]);
    await vi.waitFor(() => expect(pane().dataset.row).toBe("adaptive_avg_pool2d"));
    expect(screen.queryByTestId("details-options")).toBeNull();
    expect(screen.queryByTestId("source")).toBeNull();
    await told();
    expect(screen.getByTestId("source-note").textContent).toBe("No line is known here.");
  });

  it("say that formulas and code need the kernel, and show the rest", async () => {
    const model = await open(["stem"], { details: {} });
    await told();
    model.setLive(false);
    model.set("selection", ["fc"]);
    await vi.waitFor(() =>
      expect(screen.getByTestId("source-note").textContent).toContain("told by the kernel"),
    );
    expect(asked(model)).toHaveLength(1);
    expect(screen.getByTestId("details-weights").textContent).toContain("weight");
    const button = within(screen.getByTestId("details-option-int8")).getByRole("button");
    expect(button).toHaveProperty("disabled", true);
  });

  it("open by a key, and ask nothing while they are closed", async () => {
    const model = fakeModel({ ...goldenFixture("SmallNet"), selection: ["stem"] }, 0);
    render(App, { model });
    await new Promise((done) => setTimeout(done, 200));
    expect(asked(model)).toEqual([]);
    const row = screen.getAllByTestId("row")[0];
    await fireEvent.click(row);
    await fireEvent.keyDown(row, { key: "d" });
    expect(screen.getByTestId("tab-details").getAttribute("aria-selected")).toBe("true");
    await told();
  });
});
