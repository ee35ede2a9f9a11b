"""Capture an ONNX model: its nodes as ops, its initialisers and constants as weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from talaria_widget.frontends.onnx.native import worker
from talaria_widget.graph import Graph

if TYPE_CHECKING:
    import onnx

__all__ = ["capture"]


def capture(model: str | Path | onnx.ModelProto, inputs: Any = None) -> Graph:
    """The graph of an ONNX model; its data stays on disk where it is kept apart.

    Shapes are inferred in a child process, and what inference leaves open is found by running
    what leads to it there once, where that is possible; `notes` says so.

    What is known before a run computes nothing: Constant nodes, sizes and what is computed
    from them, views of stored weights, Identity and Dropout are counted in `noise`. Everything
    else is an op; an operator that is not in the table has kind `unknown`.

    Args:
        model: a path or a `ModelProto`.
        inputs: a dict of arrays or shapes by input name (or one array, or a sequence of them
            in order). Open dimensions without a value are 1, said in `assumed`.

    Returns:
        The graph. `attrs["node"]` of an op is its node's name, or its first output where the
        node has none.

    Raises:
        FileNotFoundError: There is no such file.
        UnsupportedModelError: The file is no ONNX model, is cut short, or computes nothing.
        ValueError: `inputs` names, shapes or dtypes that the model has not.
        TypeError: `model` or an input is of another type.
    """
    # The child imports onnx while this process does, on another core.
    worker.start()
    from talaria_widget.frontends.onnx.reading import graph_of

    return graph_of(model, inputs)
