"""Prices of every option of every row, and `evaluate`: what a choice of them costs in all."""

from talaria_widget.prices.casts import Casts
from talaria_widget.prices.evaluation import Evaluation, evaluate
from talaria_widget.prices.table import (
    BOUNDS,
    CHANGE_BAND,
    PROVENANCE,
    Band,
    Correction,
    Floats,
    Ints,
    Prices,
)

__all__ = [
    "BOUNDS",
    "CHANGE_BAND",
    "PROVENANCE",
    "Band",
    "Casts",
    "Correction",
    "Evaluation",
    "Floats",
    "Ints",
    "Prices",
    "evaluate",
]
