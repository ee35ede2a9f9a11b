import { describe, expect, it } from "vitest";
import { CHARTS, OUR_CHOICES, placed, readChoices, roomFor } from "./charts";

describe("the charts of the strip", () => {
  it("change places, and none is lost", () => {
    const order = placed(OUR_CHOICES.order, 0, "roofline");
    expect(order).toEqual(["roofline", "costs", "timeline", "distribution"]);
    expect(placed(order, 0, "roofline")).toEqual(order);
  });

  it("are as many as there is room for", () => {
    expect([1400, 1038, 1000, 760, 740, 400].map(roomFor)).toEqual([3, 3, 2, 2, 1, 1]);
  });
});

describe("choices that were kept", () => {
  it("come back", () => {
    const kept = {
      folded: true,
      order: placed(OUR_CHOICES.order, 1, "distribution"),
      metric: "macs",
      parts: "module",
      column: "energy",
    };
    expect(readChoices(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
  });

  it("are ours where they are not understood", () => {
    const ids = CHARTS.map(({ id }) => id);
    for (const data of [
      null,
      3,
      "x",
      { order: ids.slice(1), metric: "x", parts: 7, column: "name", folded: "yes" },
      { order: [...ids.slice(1), ids[1]], column: "__proto__" },
    ]) {
      expect(readChoices(data)).toEqual(OUR_CHOICES);
    }
  });
});
