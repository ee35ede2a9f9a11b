// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/svelte";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { fakeModel, pack, unpack, withMeta } from "../../dev/fake-model";
import { goldenFixture } from "../../dev/golden";
import App from "../App.svelte";

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

/** The rows of two blocks of two, taken for four of one. */
async function show() {
  const fixture = goldenFixture("SmallNet");
  const blocks = [{ name: "blocks.[0-3]", count: 4, places: 1 }];
  const _program = pack(withMeta(unpack(fixture._program), { blocks }));
  const model = fakeModel({ ...fixture, _program });
  render(App, { model });
  await fireEvent.click(row());
  return model;
}

const row = () =>
  screen
    .getAllByTestId("row")
    .find(({ dataset }) => dataset.name === "blocks.0.conv") as HTMLElement;
const INNER = ["blocks.0/add", "blocks.1.conv"];

describe("a selection taken to the repeats of its block", () => {
  it("may leave out the first and the last, by the menu", async () => {
    const model = await show();
    await fireEvent.click(screen.getByTestId("repeats-more"));
    const [all, inner] = screen.getAllByRole("menuitem");
    expect(all.textContent).toContain("4 rows");
    expect(inner.textContent).toContain("in all but the first and last 2 rows");
    await vi.waitFor(() => expect(document.activeElement).toBe(all));
    await fireEvent.keyDown(all, { key: "ArrowDown" });
    expect(document.activeElement).toBe(inner);
    await fireEvent.click(inner);
    expect(model.get("selection")).toEqual(INNER);
    expect(screen.queryByRole("menuitem")).toBeNull();
  });

  it("may leave them out by a key", async () => {
    const model = await show();
    await fireEvent.keyDown(row(), { key: "R", shiftKey: true });
    expect(model.get("selection")).toEqual(INNER);
  });

  it("closes its menu by Esc, and selects nothing", async () => {
    const model = await show();
    await fireEvent.click(screen.getByTestId("repeats-more"));
    await fireEvent.keyDown(screen.getAllByRole("menuitem")[0], { key: "Escape" });
    expect(screen.queryByRole("menuitem")).toBeNull();
    expect(model.get("selection")).toEqual(["blocks.0.conv"]);
  });

  it("offers no such choice of two", async () => {
    render(App, { model: fakeModel(goldenFixture("SmallNet")) });
    await fireEvent.click(row());
    expect(screen.getByTestId("repeats")).toBeTruthy();
    expect(screen.queryByTestId("repeats-more")).toBeNull();
  });
});
