"""The door of the torch front end: a module, or a program that was exported from one."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.export import ExportedProgram

from talaria_widget.frontends.torch import exported, recorder
from talaria_widget.frontends.torch.remarks import remark
from talaria_widget.frontends.torch.trace.recording import Recording
from talaria_widget.graph import Graph


def capture(model: nn.Module | ExportedProgram, inputs: Any = None) -> Graph:
    """A model's graph: every operation of one forward, with its module, line and shapes.

    Args:
        model: any module, on any device, meta included, or an `ExportedProgram`; it comes back
            exactly as it was.
        inputs: a tensor, a tuple of arguments, a dict of keyword arguments, or `None` to infer
            them from the model.

    Raises:
        TypeError: `model` is neither, or `inputs` none of these.
        ValueError: no inputs were given and none can be inferred.
        UnsupportedModelError: the forward failed on these inputs.

    Example:
        >>> from torch import nn
        >>> graph = capture(nn.Sequential(nn.Linear(4, 8), nn.ReLU()))
        >>> [(op.name, op.kind) for op in graph.ops]
        [('0', 'linear'), ('1/relu', 'activation')]
    """
    return record(model, inputs).graph


def record(model: nn.Module | ExportedProgram, inputs: Any = None) -> Recording:
    """A model's graph, with the trace that it was made from and the inputs that were used.

    Takes and raises what `capture` does.
    """
    if isinstance(model, ExportedProgram):
        return exported.record(model, inputs)
    return remark(recorder.record(model, inputs), model)
