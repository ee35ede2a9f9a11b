import { describe, expect, it } from "vitest";
import { speedOf } from "./speed";

describe("a change of latency", () => {
  it("is a factor with its own band", () => {
    expect(speedOf({ ratio: 1 / 1.38, low: 1 / 1.52, high: 1 / 1.27 }, true)).toEqual({
      text: "1.38× faster",
      brief: "1.38×",
      band: "1.3–1.5×",
      tone: "better",
    });
    expect(speedOf({ ratio: 1.2, low: 1.1, high: 1.3 }, true)).toEqual({
      text: "1.20× slower",
      brief: "0.83×",
      band: "1.1–1.3×",
      tone: "worse",
    });
  });

  it("is no difference where noise may explain it, on a measured device", () => {
    const slight = { ratio: 1 / 1.04, low: 1 / 1.045, high: 1 / 1.035 };
    expect(speedOf(slight, true).text).toBe("no difference");
    expect(speedOf({ ratio: 0.8, low: 0.6, high: 1.01 }, true).text).toBe("no difference");
    expect(speedOf({ ratio: 1.04, low: 1.03, high: 1.05 }, true)).toMatchObject({
      text: "no difference",
      tone: "",
    });
    expect(speedOf(slight, false)).toMatchObject({ text: "1.04× faster", tone: "better" });
  });

  it("is said in per cent where two decimals of a factor would not show it", () => {
    expect(speedOf({ ratio: 1.001, low: 1.001, high: 1.001 }, false)).toMatchObject({
      text: "+0.1\u202f%",
      brief: "+0.1\u202f%",
      tone: "worse",
    });
    expect(speedOf({ ratio: 0.995, low: 0.99, high: 1 }, false).text).toBe("−0.5\u202f%");
    expect(speedOf({ ratio: 1 / 1.02, low: 0.9, high: 1 }, false).text).toBe("1.02× faster");
  });

  it("is nothing where nothing changed, and unknown where it cannot be told", () => {
    expect(speedOf({ ratio: 1, low: 1, high: 1 }, true).text).toBe("unchanged");
    expect(speedOf({ ratio: Number.NaN, low: 1, high: 1 }, true).text).toBe("?");
  });
});
