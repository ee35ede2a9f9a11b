"""`evaluate`: what a choice of options costs, per row and in all.

`js/src/data/evaluate.ts` is the same arithmetic; golden vectors written from here hold the
two equal. Prices are rounded to float32 before either sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from talaria_widget.prices.casts import Casts, find_casts, tensor_precisions
from talaria_widget.prices.change import change
from talaria_widget.prices.memory import alive
from talaria_widget.prices.table import Band, Floats, Ints, Prices

PARTS = (("", "point"), ("_low", "low"), ("_high", "high"))


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a choice costs: per row, per weight, per cast, and in all."""

    column: Ints  # R: the column each row runs in
    mixed: NDArray[np.bool_]  # R: its weights disagree, so it runs as the baseline
    latency: Band  # R
    energy: Band  # R
    weight_bytes: Floats  # W
    row_weight_bytes: Floats  # R: a shared weight counts in full in each of its rows
    memory_bytes: Floats  # R: activations alive while the row runs
    casts: Casts
    corrections: tuple[int, ...]
    totals: dict[str, float]
    unknown_rows: int


def evaluate(prices: Prices, choice: Ints) -> Evaluation:
    """What the whole costs when weight w takes column `choice[w]`.

    Args:
        prices: of one program.
        choice: a column per stored weight; read for leaders only.

    Returns:
        Rows, casts and totals. Totals leave out rows of unknown price and count them in
        `unknown_rows`; `latency_s_change` is after over before (see `prices.change`).
    """
    column, mixed = _columns(prices, choice)
    precision = tensor_precisions(prices, column)
    signature = prices.row_signature
    latency = prices.latency.at((signature, column))
    energy = prices.energy.at((signature, column))

    leader = prices.weight_leader
    weight_column = np.where(leader >= 0, choice[leader], 0)
    weight_bytes = prices.weight_bytes[np.arange(len(leader)), weight_column]
    row_weight_bytes = _per_row(weight_bytes[prices.row_weight], prices.row_weight_start)

    casts = find_casts(prices, column, precision)
    held = tuple(i for i, c in enumerate(prices.corrections) if c.holds(column))
    memory = alive(prices, precision)

    totals: dict[str, float] = {}
    for name, rows, added in (
        ("latency_s", latency, casts.latency),
        ("energy_j", energy, casts.energy),
    ):
        extra = _corrections(prices, held, name)
        for (suffix, part), more in zip(PARTS, extra, strict=True):
            values = np.nansum(getattr(rows, part)) + np.nansum(getattr(added, part))
            totals[name + suffix] = float(values) + more
    ratio = change(prices, column, latency, casts, held, totals["latency_s"])
    totals |= zip((f"latency_s_change{s}" for s in ("", "_low", "_high")), ratio, strict=True)
    totals["size_bytes"] = float(weight_bytes.sum())
    totals["peak_memory_bytes"] = float(memory.max(initial=0.0))
    unknown = int(np.isnan(latency.point).sum())
    return Evaluation(
        column,
        mixed,
        latency,
        energy,
        weight_bytes,
        row_weight_bytes,
        memory,
        casts,
        held,
        totals,
        unknown,
    )


def _corrections(prices: Prices, held: Sequence[int], name: str) -> tuple[float, float, float]:
    """What the corrections that hold add to a total, to its low and to its high."""
    parts = [(getattr(c, name), c.width) for c in (prices.corrections[i] for i in held)]
    point = sum(value for value, _ in parts)
    doubt = sum(abs(value) * width for value, width in parts)
    return point, point - doubt, point + doubt


def _columns(prices: Prices, choice: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """One pass in order: weights decide, rows without them follow what comes in."""
    rows = prices.rows
    column = np.zeros(rows, np.int32)
    mixed = np.zeros(rows, np.bool_)
    chosen = np.asarray(choice)
    leads = prices.weight_leader == np.arange(len(prices.weight_leader))
    if not chosen[leads].any():
        return column, mixed
    glue = _glue_columns(prices)
    tensor_row = prices.tensor_row.tolist()
    floating = np.isnan(prices.tensor_bytes).tolist()
    gives, signature = prices.gives.tolist(), prices.row_signature.tolist()
    weight, start = prices.row_weight.tolist(), prices.row_weight_start.tolist()
    owns, options = leads.tolist(), chosen.tolist()
    edges, edge_at = prices.edge_tensor.tolist(), _edge_starts(prices)
    out = column.tolist()
    for row in range(rows):
        wanted = {options[w] for w in weight[start[row] : start[row + 1]] if owns[w]}
        if wanted:
            mixed[row] = len(wanted) > 1
            out[row] = wanted.pop() if len(wanted) == 1 else 0
            continue
        entering = set()
        for tensor in edges[edge_at[row] : edge_at[row + 1]]:
            if floating[tensor]:
                maker = tensor_row[tensor]
                entering.add(gives[signature[maker]][out[maker]] if maker >= 0 else 0)
        if len(entering) == 1:
            candidate = glue[entering.pop()]
            if candidate and prices.refusal[signature[row], candidate] == 0:
                out[row] = candidate
    return np.asarray(out, np.int32), mixed


def _glue_columns(prices: Prices) -> list[int]:
    """Per precision, the first column whose rows take it."""
    found = [0] * len(prices.precisions)
    for column in range(len(prices.options) - 1, 0, -1):
        if prices.column_precision[column]:
            found[prices.column_precision[column]] = column
    return found


def _edge_starts(prices: Prices) -> list[int]:
    starts: list[int] = np.searchsorted(prices.edge_row, np.arange(prices.rows + 2)).tolist()
    return starts


def _per_row(values: Floats, start: Ints) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(values)])
    sums: Floats = total[start[1:]] - total[start[:-1]]
    return sums
