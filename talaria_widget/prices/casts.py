"""Casts: the conversions between precisions that a choice of columns adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from talaria_widget.prices.table import Band, Ints, Prices


@dataclass(frozen=True, slots=True, eq=False)
class Casts:
    """Conversions between precisions that a choice adds; `row` is where each is shown."""

    tensor: Ints
    source: Ints
    target: Ints
    row: Ints
    latency: Band
    energy: Band
    provenance: Ints


def tensor_precisions(prices: Prices, column: Ints) -> Ints:
    """What each tensor is made in; the model's inputs in the baseline's precision."""
    made = prices.tensor_row >= 0
    precision = np.zeros(len(prices.tensor_row), np.int32)
    maker = prices.tensor_row[made]
    precision[made] = prices.gives[prices.row_signature[maker], column[maker]]
    return precision


def find_casts(prices: Prices, column: Ints, precision: Ints) -> Casts:
    """One per tensor and precision wanted of it that it does not have."""
    rows = prices.rows
    state = np.append(prices.column_precision[column], 0)  # the model's outputs: baseline
    wanted = state[prices.edge_row]
    have = precision[prices.edge_tensor]
    differs = (wanted != have) & np.isnan(prices.tensor_bytes[prices.edge_tensor])
    seen: dict[tuple[int, int], int] = {}
    for edge in np.flatnonzero(differs).tolist():
        seen.setdefault((int(prices.edge_tensor[edge]), int(wanted[edge])), edge)
    tensor = np.array([t for t, _ in seen], np.int32)
    target = np.array([p for _, p in seen], np.int32)
    source = precision[tensor]
    owner = np.array([_cast_row(prices, column, e, rows) for e in seen.values()], np.int32)
    at = (prices.tensor_cast[tensor], source, target)
    return Casts(
        tensor,
        source,
        target,
        owner,
        prices.cast_latency.at(at),
        prices.cast_energy.at(at),
        prices.cast_provenance[at],
    )


def _cast_row(prices: Prices, column: Ints, edge: int, rows: int) -> int:
    """The row at the edge whose state is not the baseline's; both or neither: the reader."""
    reader = int(prices.edge_row[edge])
    maker = int(prices.tensor_row[prices.edge_tensor[edge]])
    if reader == rows:
        return maker
    if maker >= 0 and column[maker] != 0 and column[reader] == 0:
        return maker
    return reader
