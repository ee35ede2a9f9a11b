"""Prices of every option of every row, and `evaluate`: what a choice of them costs in all.

`js/src/data/evaluate.ts` is the same arithmetic; golden vectors written from here hold the
two equal. Prices are rounded to float32 before either sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.recipe import Option

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

PROVENANCE = ("modelled", "measured", "vendor")
BOUNDS = ("compute", "memory", "dispatch", "unknown")


@dataclass(frozen=True, slots=True)
class Band:
    """A price with its low and its high: three float32 arrays of one shape."""

    point: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Correction:
    """What a runtime's own graph rules add when some rows run in certain columns."""

    rows: tuple[int, ...]
    columns: tuple[tuple[int, ...], ...]
    latency_s: float
    energy_j: float
    note: str

    def holds(self, column: Ints) -> bool:
        """Whether every row of the condition runs in one of its columns."""
        return all(
            int(column[r]) in allowed for r, allowed in zip(self.rows, self.columns, strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Everything `evaluate` needs. R rows, S signatures, O columns, W stored weights, T
    tensors, E edges, K sizes of tensor, P precisions.

    Column 0 is the device's default (the baseline); precision 0 is that of its activations.
    A price that is unknown is NaN. `refusal` codes index `reasons`; 0 is "runs".
    """

    options: tuple[Option, ...]
    labels: tuple[str, ...]
    precisions: tuple[str, ...]
    precision_bytes: Floats  # P
    column_precision: Ints  # O: what the column's rows take and give
    reasons: tuple[str, ...]

    row_signature: Ints  # R
    latency: Band  # S x O
    energy: Band  # S x O
    provenance: Ints  # S x O, index of PROVENANCE
    refusal: Ints  # S x O
    bound: Ints  # S x O, index of BOUNDS
    least_s: Floats  # S: the baseline's seconds if it only moved its bytes; NaN: unknown too

    row_weight_start: Ints  # R + 1, into row_weight
    row_weight: Ints
    weight_leader: Ints  # W: whose column a weight follows, -1 for none
    weight_bytes: Floats  # W x O
    weight_refusal: Ints  # W x O

    tensor_row: Ints  # T: the row that makes it, -1 for an input
    tensor_last: Ints  # T: the last row that needs it
    tensor_size: Floats  # T: elements
    tensor_bytes: Floats  # T: bytes where it is no floating-point tensor, else NaN
    tensor_cast: Ints  # T: which of K
    edge_row: Ints  # E, ascending: the row that reads; R for the model's outputs
    edge_tensor: Ints  # E
    cast_latency: Band  # K x P x P: from, to
    cast_energy: Band  # K x P x P

    corrections: tuple[Correction, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.row_signature)


@dataclass(frozen=True, slots=True, eq=False)
class Casts:
    """Conversions between precisions that a choice adds; `row` is where each is shown."""

    tensor: Ints
    source: Ints
    target: Ints
    row: Ints
    latency: Band
    energy: Band


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
        `unknown_rows`.
    """
    column, mixed = _columns(prices, choice)
    precision = _tensor_precisions(prices, column)
    signature = prices.row_signature
    latency = _take(prices.latency, (signature, column))
    energy = _take(prices.energy, (signature, column))

    leader = prices.weight_leader
    weight_column = np.where(leader >= 0, choice[leader], 0)
    weight_bytes = prices.weight_bytes[np.arange(len(leader)), weight_column]
    row_weight_bytes = _per_row(weight_bytes[prices.row_weight], prices.row_weight_start)

    casts = _casts(prices, column, precision)
    held = tuple(i for i, c in enumerate(prices.corrections) if c.holds(column))
    memory = _memory(prices, precision)

    totals: dict[str, float] = {}
    for name, rows, added in (
        ("latency_s", latency, casts.latency),
        ("energy_j", energy, casts.energy),
    ):
        extra = sum(getattr(prices.corrections[i], name) for i in held)
        for suffix, part in (("", "point"), ("_low", "low"), ("_high", "high")):
            values = np.nansum(getattr(rows, part)) + np.nansum(getattr(added, part))
            totals[name + suffix] = float(values) + extra
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
    precision_of = prices.column_precision.tolist()
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
                entering.add(precision_of[out[maker]] if maker >= 0 else 0)
        if len(entering) == 1:
            candidate = glue[entering.pop()]
            if candidate and prices.refusal[prices.row_signature[row], candidate] == 0:
                out[row] = candidate
    return np.asarray(out, np.int32), mixed


def _glue_columns(prices: Prices) -> list[int]:
    """Per precision, the first column whose rows take and give it."""
    found = [0] * len(prices.precisions)
    for column in range(len(prices.options) - 1, 0, -1):
        if prices.column_precision[column]:
            found[prices.column_precision[column]] = column
    return found


def _edge_starts(prices: Prices) -> list[int]:
    starts: list[int] = np.searchsorted(prices.edge_row, np.arange(prices.rows + 2)).tolist()
    return starts


def _tensor_precisions(prices: Prices, column: Ints) -> Ints:
    made = prices.tensor_row >= 0
    precision = np.zeros(len(prices.tensor_row), np.int32)
    precision[made] = prices.column_precision[column[prices.tensor_row[made]]]
    return precision


def _casts(prices: Prices, column: Ints, precision: Ints) -> Casts:
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
    source = precision[tensor] if len(tensor) else tensor
    owner = np.array([_cast_row(prices, column, e, rows) for e in seen.values()], np.int32)
    at = (prices.tensor_cast[tensor], source, target) if len(tensor) else ()
    empty = np.zeros(0, np.float32)
    none = Band(empty, empty, empty)
    return Casts(
        tensor,
        source,
        target,
        owner,
        _take(prices.cast_latency, at) if at else none,
        _take(prices.cast_energy, at) if at else none,
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


def _memory(prices: Prices, precision: Ints) -> Floats:
    """Bytes alive while each row runs: what it reads and makes, and what later rows need.

    No buffer is reused in place, and the copies that casts make are left out.
    """
    rows = prices.rows
    held = np.where(
        np.isnan(prices.tensor_bytes),
        prices.tensor_size * prices.precision_bytes[precision],
        prices.tensor_bytes,
    )
    change = np.zeros(rows + 2)
    np.add.at(change, np.maximum(prices.tensor_row, 0), np.nan_to_num(held))
    np.add.at(change, prices.tensor_last + 1, -np.nan_to_num(held))
    alive: Floats = np.cumsum(change)[:rows]
    return alive


def _take(band: Band, at: tuple[Ints, ...]) -> Band:
    return Band(
        band.point[at].astype(np.float64),
        band.low[at].astype(np.float64),
        band.high[at].astype(np.float64),
    )


def _per_row(values: Floats, start: Ints) -> Floats:
    total = np.concatenate([[0.0], np.cumsum(values)])
    sums: Floats = total[start[1:]] - total[start[:-1]]
    return sums
