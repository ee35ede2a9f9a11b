"""From a PyTorch module to the file that is measured and rewritten: lowered, else exported."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto
from torch import nn
from torch.export import ExportedProgram

from talaria_widget.frontends.torch import Recording, record, unwrap
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.export import exported
from talaria_widget.rewrite.exported import source_of
from talaria_widget.rewrite.lower.lowering import lower
from talaria_widget.rewrite.source import Source


def source_of_module(
    model: nn.Module | ExportedProgram, inputs: Any = None
) -> tuple[Recording, Source]:
    """A module's recording, and its file: written from the recording, else by torch's exporter.

    Raises:
        TypeError, ValueError: as `record`.
        UnsupportedModelError: neither can write it, with both reasons.
    """
    recording = record(model, inputs)
    return recording, source_of_recording(recording, model)


def source_of_recording(recording: Recording, model: nn.Module | ExportedProgram) -> Source:
    """The file of a module that was recorded already.

    Raises:
        UnsupportedModelError: neither way can write it, with both reasons.
    """
    try:
        return lower(recording, model)
    except UnsupportedModelError as error:
        if isinstance(model, ExportedProgram):
            raise
        refused = str(error)  # the error itself would hold this call, and so the model
    module = unwrap(model)
    try:
        proto, paths = exported(module, recording.args, recording.kwargs)
        _check_runs(proto)
    except UnsupportedModelError as failed:
        raise UnsupportedModelError(
            f"{refused}; torch's exporter was tried too, and {failed}"
        ) from failed
    stored: dict[str, torch.Tensor] = {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        stored.setdefault(name, tensor)

    def values(name: str) -> NDArray[Any] | None:
        tensor = stored.get(name)
        return None if tensor is None else np.ascontiguousarray(tensor.detach().cpu().numpy())

    note = f"the file was written by torch's exporter, because {refused}"
    return source_of(proto, paths, recording.graph, values, (note,))


def _check_runs(proto: ModelProto) -> None:
    """Refuse what ONNX Runtime is known not to run."""
    graph = proto.graph
    types = {stored.data_type for stored in graph.initializer}
    types |= {
        attribute.i for n in graph.node for attribute in n.attribute if attribute.name == "to"
    }
    if TensorProto.BFLOAT16 in types:
        raise UnsupportedModelError(
            "what it writes computes in bfloat16, for which ONNX Runtime has no matrix product on "
            "CPUs"
        )
