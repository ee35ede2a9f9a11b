"""Figures as text: quantities with SI prefixes, and tables in plain text and static HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"),
            (1e-9, "n"), (1e-12, "p"))  # fmt: skip
UNITS = {
    "size_bytes": "B",
    "latency_s": "s",
    "energy_j": "J",
    "peak_memory_bytes": "B",
    "macs": "MAC",
    "flops": "FLOP",
    "parameters": "",
}
SPACE = "\N{NARROW NO-BREAK SPACE}"


def quantity(value: float | None, unit: str, digits: int = 4) -> str:
    """A value with the SI prefix that leaves 1 to 999, or `?` where it is unknown.

    Example:
        >>> quantity(0.001335, "s").replace(SPACE, " "), quantity(None, "s"), quantity(0, "B")
        ('1.335 ms', '?', '0')
    """
    if value is None or not isfinite(value):
        return "?"
    if value == 0:
        return "0"
    scale, prefix = next(((s, p) for s, p in PREFIXES if abs(value) >= s * 0.9995), (PREFIXES[-1]))
    if unit in ("B", "MAC", "FLOP", "") and scale < 1:
        scale, prefix = 1.0, ""
    number = value / scale
    whole = len(str(int(abs(number))))
    places = 0 if scale == 1.0 and float(number).is_integer() else max(0, digits - whole)
    return f"{number:.{places}f}{SPACE}{prefix}{unit}".rstrip(SPACE)


def change(before: float | None, after: float | None) -> str:
    """The signed change in percent, `unchanged` below 0.05 %, `?` where either is unknown.

    Example:
        >>> change(2.0, 1.0).replace(SPACE, " "), change(1.0, 1.0)
        ('−50.0 %', 'unchanged')
    """
    if before is None or after is None or not before:
        return "unchanged" if before == after and before is not None else "?"
    share = 100 * (after / before - 1)
    if abs(share) < 0.05:
        return "unchanged"
    return f"{share:+.1f}{SPACE}%".replace("-", "−")


def shape_text(shape: Sequence[int] | None) -> str:
    """A shape with its axes between crosses, or `?` where it is unknown.

    Example:
        >>> shape_text((1, 3, 224, 224)), shape_text(None)
        ('1×3×224×224', '?')
    """
    return "?" if shape is None else "×".join(map(str, shape))


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns aligned by spaces; the first `left` columns to the left, the rest to the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def html_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], caption: str, left: int = 1
) -> str:
    """A static table; every cell is escaped, nothing in it is markup."""

    def cell(tag: str, i: int, text: str) -> str:
        align = "left" if i < left else "right"
        return f'<{tag} style="text-align:{align};padding:2px 8px">{escape(text)}</{tag}>'

    head = "".join(cell("th", i, text) for i, text in enumerate(header))
    body = "".join(
        "<tr>" + "".join(cell("td", i, text) for i, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        '<caption style="text-align:left;white-space:nowrap;padding:4px 8px">'
        f"{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
