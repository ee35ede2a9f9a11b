/** A line of Python in pieces, for colour alone: what it means is nobody's business here. */

export type Kind = "" | "keyword" | "text" | "digits" | "comment" | "name";

export interface Piece {
  kind: Kind;
  text: string;
}

const KEYWORDS = new Set(
  (
    "and as assert async await break class continue def del elif else except False finally for from " +
    "global if import in is lambda None nonlocal not or pass raise return True try while with yield"
  ).split(" "),
);

const PIECE =
  /(#.*)|((?:[rbfu]{0,2})(?:""".*?(?:"""|$)|'''.*?(?:'''|$)|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))|(\d[\w.]*(?:(?<=e)[+-]\d+)?)|([A-Za-z_]\w*)(?=(\()?)/gi;

/** Every letter of the line is in one piece, in order. */
export function piecesOf(line: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const found of line.matchAll(PIECE)) {
    const [text, comment, string, number, word, called] = found;
    if (found.index > at) pieces.push({ kind: "", text: line.slice(at, found.index) });
    let kind: Kind = "";
    if (comment) kind = "comment";
    else if (string) kind = "text";
    else if (number) kind = "digits";
    else if (KEYWORDS.has(word)) kind = "keyword";
    else if (called) kind = "name";
    pieces.push({ kind, text });
    at = found.index + text.length;
  }
  if (at < line.length) pieces.push({ kind: "", text: line.slice(at) });
  return pieces;
}

/** Lines without the white space that all of them begin with. */
export function outdent(lines: readonly string[]): string[] {
  const margins = lines.filter((line) => line.trim()).map((line) => line.search(/\S/));
  const margin = margins.length ? Math.min(...margins) : 0;
  return lines.map((line) => line.slice(margin));
}
