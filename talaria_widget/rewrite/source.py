"""A model as ONNX Runtime reads it, and which op of the graph each of its values belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

LARGEST_KEPT_BYTES = 65536
"""Floats larger than this stay behind: the runtime is as fast on others of the same shape."""


@dataclass(frozen=True, slots=True)
class Source:
    """The baseline file of a model, without the weight of its weights.

    `skeleton` has every node, name and small tensor; stored floats over 64 kB keep their
    dimensions and type and have no data. Norms are not folded. `given` are inputs of whole
    numbers that the user gave, which may decide what runs. `op_of` maps every output of
    every node to the op of the graph that it belongs to, `weights` a weight of the graph to
    its initialiser where the names differ. `fill` gives the same file with every value.
    """

    skeleton: ModelProto
    op_of: Mapping[str, str]
    fill: Callable[[], ModelProto]
    weights: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    given: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
