import { describe, expect, it } from "vitest";
import { outdent, piecesOf } from "./python";

const kinds = (line: string) =>
  piecesOf(line)
    .filter(({ kind }) => kind)
    .map(({ kind, text }) => `${kind} ${text}`);

describe("a line of Python", () => {
  it("is told in pieces", () => {
    expect(kinds("    return self.fc(x, 1e-3)  # done")).toEqual([
      "keyword return",
      "name fc",
      "digits 1e-3",
      "comment # done",
    ]);
    expect(kinds(`a = f"for {x}" + '# no comment'`)).toEqual([
      `text f"for {x}"`,
      "text '# no comment'",
    ]);
    expect(kinds('"""The network."""')).toEqual(['text """The network."""']);
  });

  it("loses no letter, whatever it holds", () => {
    const lines = [
      "",
      "  ",
      'x = "never closed',
      "<img src=x onerror=alert(1)>",
      "'\\",
      "ä = 'שלום'",
    ];
    for (const line of lines) {
      expect(
        piecesOf(line)
          .map(({ text }) => text)
          .join(""),
      ).toBe(line);
    }
  });

  it("is cut by the space that all lines begin with", () => {
    expect(outdent(["    a", "", "      b"])).toEqual(["a", "", "  b"]);
    expect(outdent([])).toEqual([]);
    expect(outdent(["", "  "])).toEqual(["", "  "]);
  });
});
