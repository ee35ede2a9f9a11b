"""What each ATen operator is in ONNX: one table for each family.

A rule gets the pen, the call's result on meta, and the call's arguments; it returns the name
of what it wrote, or a tuple of names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from talaria_widget.rewrite.lower.rules import (
    activation,
    arrange,
    attention,
    comparison,
    complex,
    conv,
    creation,
    elementwise,
    embedding,
    fourier,
    indexing,
    matmul,
    norm,
    ordering,
    pool,
    recurrent,
    reduction,
    resize,
    shape,
)

RULES: Mapping[Any, Any] = {
    operator: rule
    for family in (
        activation,
        arrange,
        attention,
        comparison,
        conv,
        creation,
        elementwise,
        embedding,
        indexing,
        matmul,
        norm,
        ordering,
        pool,
        recurrent,
        reduction,
        resize,
        shape,
    )
    for operator, rule in family.RULES.items()
}

COMPLEX_RULES: Mapping[Any, Any] = {**complex.RULES, **fourier.RULES}
"""The same where a complex tensor enters or comes out."""
