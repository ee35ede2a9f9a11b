"""The order of execution as spans of time, casts among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from talaria_widget.prices import Evaluation, Prices

MOST_SPANS = 2000
"""Beyond so many, spans too narrow to be seen are put together."""
NARROW = 1 / 1000
"""Of the whole, what is too narrow: less than a pixel of a chart of usual width."""


@dataclass(frozen=True, slots=True)
class Span:
    """A row or a cast from start to end; of several put together, `rows` has all.

    `row` is that of the longest, and `cast` the number of that cast, -1 for the row itself.
    """

    start_s: float
    end_s: float
    row: int
    cast: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spans:
    """One after another, from 0 to `seconds`; `unknown` rows and casts have no span."""

    spans: tuple[Span, ...]
    seconds: float
    unknown_rows: int
    unknown_casts: int


def spans_of(prices: Prices, evaluation: Evaluation) -> Spans:
    """Each row in its order; a cast of what its row makes comes after it, any other before.

    Of rows that take no time there is no span.
    """
    casts = evaluation.casts
    around: dict[tuple[int, bool], list[int]] = {}
    for cast, row in enumerate(casts.row.tolist()):
        behind = int(prices.tensor_row[casts.tensor[cast]]) == row
        around.setdefault((row, behind), []).append(cast)
    order: list[tuple[int, int]] = []
    for row in range(prices.rows):
        order += [(row, cast) for cast in around.get((row, False), ())]
        order.append((row, -1))
        order += [(row, cast) for cast in around.get((row, True), ())]

    spans: list[Span] = []
    unknown = {True: 0, False: 0}
    at = 0.0
    for row, cast in order:
        prices_s = evaluation.latency if cast < 0 else casts.latency
        seconds = float(prices_s.point[row if cast < 0 else cast])
        if not isfinite(seconds):
            unknown[cast < 0] += 1
        elif seconds > 0:
            spans.append(Span(at, at + seconds, row, cast, (row,)))
            at += seconds
    return Spans(tuple(spans), at, unknown[True], unknown[False])


def seen(found: Spans, most: int = MOST_SPANS) -> Spans:
    """The same; where there are more than `most`, neighbours too narrow to be seen are one."""
    if len(found.spans) <= most:
        return found
    least = found.seconds * NARROW
    kept: list[Span] = []
    narrow: list[Span] = []

    def flush() -> None:
        if narrow:
            kept.append(_joined(narrow))
            narrow.clear()

    for span in found.spans:
        if span.end_s - span.start_s >= least:
            flush()
            kept.append(span)
            continue
        narrow.append(span)
        if span.end_s - narrow[0].start_s >= least:
            flush()
    flush()
    return replace(found, spans=tuple(kept))


def _joined(spans: Sequence[Span]) -> Span:
    longest = max(spans, key=lambda span: span.end_s - span.start_s)
    rows = tuple(dict.fromkeys(span.row for span in spans))
    return Span(spans[0].start_s, spans[-1].end_s, longest.row, longest.cast, rows)
