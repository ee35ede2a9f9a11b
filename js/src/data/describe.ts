/** What a cell says in full to who points at it. */
import { boundOf, COLUMN, type Key, numberAt, type Rows, textAt } from "./columns";
import { exactText } from "./figures";
import { change, quantity, range } from "./format";
import { isAdded, standingOfRow } from "./standing";

export function describe(rows: Rows, row: number, key: Key): string {
  const { program, now, before } = rows;
  const column = COLUMN[key];
  if (column.kind !== "number") return told(rows, row, key, textAt(column, rows, row));
  const value = numberAt(column, program, now, row);
  if (key === "order") return "";
  if (column.band) return price(rows, row, column.band, column.unit);
  const was = numberAt(column, program, before, row);
  const text = exactText(column, value);
  if (!column.live || Object.is(was, value)) return text;
  return `${text}, ${change(was, value)} from ${exactText(column, was)}`;
}

function told({ program }: Rows, row: number, key: Key, text: string): string {
  const { meta, times } = program;
  if (key === "name" && isAdded(program, row)) return `${text}: put in by ${meta.device.runtime}`;
  if (key !== "type" || times[row] <= 1) return text;
  return `${text}, ×${Number.isNaN(times[row]) ? " ?" : times[row]}`;
}

/** The price in full: its band, how it came about, and what it is bound by. */
function price(rows: Rows, row: number, key: "latency" | "energy", unit: string): string {
  const { program, now } = rows;
  const value = now[key].point[row];
  if (Number.isNaN(value)) return "";
  const [low, high] = [now[key].low[row], now[key].high[row]];
  const standing = standingOfRow(program, row, now.column[row]);
  const bound = key === "latency" ? boundOf(rows, row) : "";
  return [
    quantity(value, unit),
    high > low ? `between ${range(low, high, unit).replace(" – ", " and ")}` : "",
    key === "latency" ? standing : "",
    bound && `bound by ${bound}`,
  ]
    .filter(Boolean)
    .join(", ");
}
