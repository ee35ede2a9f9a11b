"""Prices: what every option of every row costs, and all that a sum over rows needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.recipe import Option

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

PROVENANCE = ("modelled", "measured", "vendor")
CHANGE_BAND = {"modelled": 0.40, "measured": 0.10, "vendor": 0.40}
"""Half-width, as a share, of the ratio of a changed row's price to its old one, and of what a
correction adds, by where it comes from.

Measured kernels put together were off by 3 to 5 % at the median and 11 % at worst over 44 recipes
of 9 models really built and timed on ONNX Runtime, and seldom more on models never looked at;
shapes and formulas by 17 to 21 % on average, and twice that is taken. What a vendor's compiler
says has not been held against a clock."""

BOUNDS = ("compute", "memory", "dispatch", "unknown")


@dataclass(frozen=True, slots=True)
class Band:
    """A price with its low and its high: three arrays of one shape; float32 in `Prices`."""

    point: Floats
    low: Floats
    high: Floats

    def at(self, where: tuple[Ints, ...]) -> Band:
        """Some of them, in float64."""
        return Band(
            self.point[where].astype(np.float64),
            self.low[where].astype(np.float64),
            self.high[where].astype(np.float64),
        )


@dataclass(frozen=True, slots=True)
class Correction:
    """What a runtime's own graph rules add when some rows run in certain columns."""

    rows: tuple[int, ...]
    columns: tuple[tuple[int, ...], ...]
    latency_s: float
    energy_j: float
    note: str
    provenance: int = 0  # index of PROVENANCE

    @property
    def width(self) -> float:
        """Half the band of what it adds, as a share."""
        return CHANGE_BAND[PROVENANCE[self.provenance]]

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
    A price that is unknown is NaN. `refusal` codes index `reasons`; 0 is "runs". A row takes
    the precision of its column, and gives what `gives` says: integer matrix products may take
    int8 and give floats. In column 0 both are precision 0.
    """

    options: tuple[Option, ...]
    labels: tuple[str, ...]
    precisions: tuple[str, ...]
    precision_bytes: Floats  # P
    column_precision: Ints  # O: what the column's rows take
    reasons: tuple[str, ...]

    row_signature: Ints  # R
    latency: Band  # S x O
    energy: Band  # S x O
    provenance: Ints  # S x O, index of PROVENANCE
    gives: Ints  # S x O, index of precisions
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
    tensor_reuse: Ints  # T: the tensor whose buffer it takes over, -1 for none
    edge_row: Ints  # E, ascending: the row that reads; R for the model's outputs
    edge_tensor: Ints  # E
    cast_latency: Band  # K x P x P: from, to
    cast_energy: Band  # K x P x P
    cast_provenance: Ints  # K x P x P, index of PROVENANCE

    corrections: tuple[Correction, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.row_signature)
