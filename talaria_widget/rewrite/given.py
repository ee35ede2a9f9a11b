"""The whole numbers among the inputs that a user gave: they may decide which way a model goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from talaria_widget.frontends.onnx.inputs import bind

Arrays = Mapping[str, NDArray[np.generic]]

LARGEST_GIVEN_BYTES = 65536
"""Of all of them: what decides is a rate, a flag, a length, and not data."""
_WHOLE = "biu"


def given_to_file(skeleton: ModelProto, inputs: Any) -> Arrays:
    """By input of a file, whole numbers and truths as a user gave them."""
    return _small(bind(skeleton.graph, inputs).arrays)


def given_to_module(
    model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], skeleton: ModelProto
) -> Arrays:
    """By input of the file made of a module, whole numbers among the module's arguments."""
    from torch import nn

    from talaria_widget.frontends.torch import unwrap
    from talaria_widget.rewrite.inputs import whole_numbers

    if not isinstance(model, nn.Module):
        return {}
    try:
        return _small(whole_numbers(unwrap(model), args, kwargs, skeleton))
    except (ValueError, TypeError):  # which is which cannot be told
        return {}


def _small(arrays: Arrays) -> Arrays:
    """The smallest of them, as far as there is room; copies, for a user may change his own."""
    room, kept = LARGEST_GIVEN_BYTES, {}
    whole = {name: array for name, array in arrays.items() if array.dtype.kind in _WHOLE}
    for name, array in sorted(whole.items(), key=lambda item: item[1].nbytes):
        room -= array.nbytes
        if room >= 0:
            kept[name] = np.array(array)
    return kept
