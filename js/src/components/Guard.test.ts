// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@testing-library/svelte";
import { createRawSnippet } from "svelte";
import { afterEach, expect, it, vi } from "vitest";
import Guard from "./Guard.svelte";

afterEach(cleanup);

it("says what could not be drawn, as often as it cannot, and draws it when it can", async () => {
  const told = vi.spyOn(console, "error").mockImplementation(() => undefined);
  let failures = 2;
  const children = createRawSnippet(() => ({
    render: () => {
      if (failures-- > 0) throw new Error("no such row");
      return "<p>All rows</p>";
    },
  }));
  render(Guard, { name: "table", children });
  for (const _ of [1, 2]) {
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("The table could not be drawn: no such row");
    expect(screen.queryByText("All rows")).toBeNull();
    await fireEvent.click(screen.getByText("Try again"));
  }
  await screen.findByText("All rows");
  expect(screen.queryByRole("alert")).toBeNull();
  expect(told).toHaveBeenCalledTimes(2);
});
