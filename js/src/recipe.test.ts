// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen, within } from "@testing-library/svelte";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type FakeModel, fakeModel } from "../dev/fake-model";
import { goldenFixture } from "../dev/golden";
import App from "./App.svelte";
import { TalariaState } from "./state/talaria.svelte";
import { ViewState } from "./state/view.svelte";
import RecipePanel from "./views/RecipePanel.svelte";

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
});

beforeEach(async () => {
  model = fakeModel(goldenFixture("SmallNet"));
  render(App, { model });
  await fireEvent.click(screen.getByTestId("tab-recipe"));
});

afterEach(cleanup);

const rules = () => screen.queryAllByTestId("rule");
const part = (at: number, name: string) =>
  rules()[at].querySelector<HTMLButtonElement>(`[data-part="${name}"]`) as HTMLButtonElement;
const field = () => screen.getByTestId("match-field") as HTMLTextAreaElement;
const said = () => screen.getByTestId("match-said").textContent?.trim();
const edits = () => model.sent.filter(({ kind }) => kind !== "hits");
const matches = () => model.get("_recipe").rules.map(({ match }) => match);

/** Rules as Python would have made them; int8 is column 2, int8 with activations 3. */
async function given(...list: [match: string[], option: number][]) {
  for (const [match, option] of list) {
    model.send({ kind: "rule", action: "add", match, option, recipe: 0, sequence: 1 });
    model.answer();
  }
  model.sent.length = 0;
  await vi.waitFor(() => expect(rules()).toHaveLength(list.length));
}

async function type(text: string) {
  const asked = model.sent.length;
  await fireEvent.input(field(), { target: { value: text } });
  if (!text.trim()) return;
  await vi.waitFor(() => expect(model.sent.length).toBeGreaterThan(asked));
  model.answer();
  await vi.waitFor(() => expect(said()).not.toContain("counting"));
}

describe("a rule", () => {
  it("says what it hits, what it saves, and what overrides it", async () => {
    await given([["blocks.*", "stem"], 2], [["blocks.0.conv"], 3]);
    const [first, second] = rules();
    expect(first.textContent).toContain("blocks.* and 1 more");
    expect(first.textContent).toContain("3 tasks");
    expect(first.textContent).toContain("1 of 3 overridden by rule 2");
    expect(first.querySelector(".number.better")?.textContent).toMatch(/^−/);
    expect(second.textContent).toContain("1 task");
    expect(second.textContent).not.toContain("overridden");
  });

  it("says what the device refuses, and that its layers are gone", async () => {
    await given([["fc", "blocks.*"], 2], [["fc"], 2], [["blocks.*"], 1]);
    expect(rules()[0].textContent).toContain("all 3 overridden by later rules");
    expect(rules()[1].textContent).toContain("runs as fp16: Core ML leaves tensors of 2,048");
    expect(rules()[2].textContent).toContain("runs as fp16: the Neural Engine computes in fp16");
    const recipe = model.get("_recipe");
    const gone = { ...recipe.rules[0], match: ["head.*"], rows: [], weights: [] };
    model.receive({ _recipe: { ...recipe, rules: [gone] } });
    await vi.waitFor(() => expect(rules()).toHaveLength(1));
    expect(rules()[0].textContent).toContain("No layer of this model matches.");
  });

  it("says that its effect is not known where the rules do not make up the choice", async () => {
    await given([["blocks.*"], 2]);
    const recipe = model.get("_recipe");
    model.receive({ _recipe: { ...recipe, rules: [{ ...recipe.rules[0], weights: [] }] } });
    await vi.waitFor(() => expect(rules()[0].textContent).toContain("?"));
    expect(rules()[0].querySelector(".number")?.getAttribute("title")).toContain("Not known");
  });

  it("is switched off and on, and says so", async () => {
    await given([["blocks.*"], 2]);
    await fireEvent.click(within(rules()[0]).getByRole("checkbox"));
    expect(model.sent).toMatchObject([{ kind: "rule", action: "disable", index: 0 }]);
    model.answer();
    await vi.waitFor(() => expect(rules()[0].textContent).toContain("off"));
    expect(part(0, "check")).toHaveProperty("checked", false);
  });

  it("selects its tasks by a click", async () => {
    await given([["blocks.*"], 2]);
    await fireEvent.click(rules()[0]);
    expect(model.get("selection")).toEqual(["blocks.0.conv", "blocks.1.conv"]);
    expect(part(0, "match").getAttribute("aria-pressed")).toBe("true");
    await fireEvent.click(within(rules()[0]).getByRole("checkbox"));
    expect(model.get("selection")).toHaveLength(2);
  });
});

it("lights its tasks under the pointer, and what is typed the tasks that it would hit", async () => {
  cleanup();
  const talaria = new TalariaState(model);
  const view = new ViewState(talaria);
  const { unmount } = render(RecipePanel, { talaria, view });
  await given([["blocks.*"], 2]);
  const lit = () => [...view.hovered].map((row) => talaria.program.meta.names[row]);
  await fireEvent.pointerEnter(rules()[0]);
  expect(lit()).toEqual(["blocks.0.conv", "blocks.1.conv"]);
  await fireEvent.pointerLeave(rules()[0]);
  expect(lit()).toEqual([]);
  await fireEvent.click(part(0, "edit"));
  await type("stem");
  expect(lit()).toEqual(["stem"]);
  await fireEvent.keyDown(field(), { key: "Escape" });
  await fireEvent.pointerEnter(rules()[0]);
  unmount();
  expect(lit()).toEqual([]);
  talaria.stop();
});

describe("the order of rules", () => {
  it("is changed by keys, said, and the focus goes along", async () => {
    await given([["stem"], 2], [["fc"], 2], [["blocks.*"], 2]);
    part(0, "match").focus();
    await fireEvent.keyDown(part(0, "match"), { key: "ArrowUp", altKey: true });
    expect(model.sent).toEqual([]);
    await fireEvent.keyDown(part(0, "match"), { key: "ArrowDown", altKey: true });
    expect(model.sent).toMatchObject([{ action: "move", index: 0, to: 1 }]);
    await fireEvent.keyDown(part(0, "match"), { key: "ArrowDown", altKey: true });
    expect(model.sent).toHaveLength(1);
    model.answer();
    await vi.waitFor(() => expect(document.activeElement).toBe(part(1, "match")));
    expect(part(1, "match").textContent).toContain("stem");
    expect(screen.getByTestId("recipe-spoken").textContent).toBe("Rule stem is now 2 of 3.");
  });

  it("is changed by dragging", async () => {
    await given([["stem"], 2], [["fc"], 2], [["blocks.*"], 2]);
    rules().forEach((line, at) => {
      line.getBoundingClientRect = () => ({ top: at * 40, bottom: at * 40 + 40 }) as DOMRect;
    });
    const grip = part(0, "grip");
    await fireEvent.pointerDown(grip, { button: 0, clientY: 10 });
    await fireEvent.pointerMove(grip, { clientY: 12 });
    expect(rules()[0].classList.contains("held")).toBe(false);
    await fireEvent.pointerMove(grip, { clientY: 115 });
    expect(rules()[0].classList.contains("held")).toBe(true);
    await fireEvent.keyDown(grip, { key: "Escape" });
    await fireEvent.pointerUp(grip);
    expect(model.sent).toEqual([]);
    await fireEvent.pointerDown(grip, { button: 0, clientY: 10 });
    await fireEvent.pointerMove(grip, { clientY: 115 });
    await fireEvent.pointerUp(grip);
    expect(model.sent).toMatchObject([{ action: "move", index: 0, to: 2 }]);
  });

  it("holds one less when a rule is deleted, and the next has the focus", async () => {
    await given([["stem"], 2], [["fc"], 2]);
    part(0, "delete").focus();
    await fireEvent.click(part(0, "delete"));
    model.answer();
    await vi.waitFor(() => expect(rules()).toHaveLength(1));
    await vi.waitFor(() => expect(document.activeElement).toBe(part(0, "delete")));
    await fireEvent.click(part(0, "delete"));
    model.answer();
    await vi.waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("add-rule")));
    expect(screen.getByTestId("recipe-panel").textContent).toContain("No rule yet");
  });
});

describe("a match that is edited", () => {
  it("is counted while it is typed, and applied by Enter", async () => {
    await given([["stem"], 2]);
    await fireEvent.keyDown(part(0, "match"), { key: "F2" });
    expect(field().value).toBe("stem");
    expect(document.activeElement).toBe(field());
    await type("blocks.*\nfc");
    expect(said()).toBe("hits 3 tasks");
    await fireEvent.keyDown(field(), { key: "Enter", shiftKey: true });
    expect(edits()).toEqual([]);
    await fireEvent.keyDown(field(), { key: "Enter" });
    expect(edits()).toMatchObject([{ action: "match", index: 0, match: ["blocks.*", "fc"] }]);
    expect(said()).toBe("Sent to Python.");
    model.answer();
    await vi.waitFor(() => expect(screen.queryByTestId("match-field")).toBeNull());
    expect(matches()).toEqual([["blocks.*", "fc"]]);
    await vi.waitFor(() => expect(document.activeElement).toBe(part(0, "match")));
  });

  it("stays as it was after Esc", async () => {
    await given([["stem"], 2]);
    await fireEvent.dblClick(part(0, "match"));
    await type("fc");
    await fireEvent.keyDown(field(), { key: "Escape" });
    expect(screen.queryByTestId("match-field")).toBeNull();
    expect(edits()).toEqual([]);
    expect(part(0, "match").textContent).toContain("stem");
  });

  it("says why it is refused, and keeps what was typed", async () => {
    await given([["stem"], 2]);
    await fireEvent.click(part(0, "edit"));
    await type("layer9.*");
    expect(said()).toContain("'layer9.*' matches no layer of SmallNet");
    await fireEvent.keyDown(field(), { key: "Enter" });
    expect(edits()).toEqual([]);
    expect(field().value).toBe("layer9.*");
    expect(field().getAttribute("aria-invalid")).toBe("true");
    await type("  ");
    await fireEvent.keyDown(field(), { key: "Enter" });
    expect(said()).toBe("Type a name or a pattern.");
    expect(edits()).toEqual([]);
  });

  it("keeps what was typed where Python refuses it after all", async () => {
    await given([["stem"], 2]);
    await fireEvent.click(part(0, "edit"));
    await type("fc");
    await fireEvent.keyDown(field(), { key: "Enter" });
    const { sequence } = edits()[0];
    const error = "the recipe changed meanwhile; look again and repeat the edit.";
    model.receive({ _status: { error, notice: "", sequence, measuring: null } });
    await vi.waitFor(() => expect(said()).toBe(error));
    expect(field().value).toBe("fc");
    expect(screen.getByTestId("banner").textContent).toContain(error);
  });
});

it("a rule is added by its pattern, with an option that it can take", async () => {
  await fireEvent.click(screen.getByTestId("add-rule"));
  await type("fc");
  const option = screen.getByTestId("new-option") as HTMLSelectElement;
  expect([...option.options].map(({ disabled }) => disabled)).toEqual([
    false,
    true,
    true,
    false,
    true,
  ]);
  expect(option.value).toBe("3");
  await fireEvent.keyDown(field(), { key: "Enter" });
  expect(edits()).toMatchObject([{ action: "add", match: ["fc"], option: 3 }]);
  model.answer();
  await vi.waitFor(() => expect(rules()).toHaveLength(1));
  expect(screen.queryByTestId("match-field")).toBeNull();
});

it("a rule's option is changed from a menu that shows what each would cost", async () => {
  await given([["blocks.*"], 2]);
  const size = () => within(screen.getByTestId("total-size_bytes")).getByTestId("total-value");
  const before = size().textContent;
  await fireEvent.click(part(0, "option"));
  await fireEvent.mouseEnter(screen.getByTestId("option-fp16"));
  expect(size().textContent).not.toBe(before);
  await fireEvent.click(screen.getByTestId("option-fp32"));
  expect(model.sent).toEqual([]);
  await fireEvent.click(screen.getByTestId("option-int8 w+a"));
  expect(model.sent).toMatchObject([{ action: "option", index: 0, option: 3 }]);
  model.answer();
  await vi.waitFor(() => expect(part(0, "option").textContent).toBe("int8 w+a"));
  expect(screen.queryByTestId("option-int8")).toBeNull();
});

it("nothing can be edited without a kernel", async () => {
  await given([["blocks.*"], 2]);
  model.setLive(false);
  await vi.waitFor(() => expect(screen.getByTestId("talaria").dataset.state).toBe("no-kernel"));
  for (const name of ["grip", "check", "edit", "option", "delete"]) {
    expect(part(0, name), name).toHaveProperty("disabled", true);
  }
  expect(screen.getByTestId("add-rule")).toHaveProperty("disabled", true);
  await fireEvent.keyDown(part(0, "match"), { key: "F2" });
  expect(screen.queryByTestId("match-field")).toBeNull();
  await fireEvent.click(rules()[0]);
  expect(screen.getByTestId("copy-python")).toHaveProperty("disabled", false);
});

it("names are only ever text", async () => {
  await given([["blocks.*"], 2]);
  const recipe = model.get("_recipe");
  const nasty = '<img src=x onerror="alert(1)">';
  model.receive({ _recipe: { ...recipe, rules: [{ ...recipe.rules[0], match: [nasty] }] } });
  await vi.waitFor(() => expect(part(0, "match").textContent).toBe(nasty));
  expect(document.querySelector("img")).toBeNull();
});
