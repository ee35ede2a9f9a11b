"""A recording as a source: every call walked, the outputs named, the file put together."""

from __future__ import annotations

import threading
from typing import Any

import torch

from talaria_widget.frontends.torch.trace.recording import Recording
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.lower.assemble import assemble
from talaria_widget.rewrite.lower.emit import CannotLower
from talaria_widget.rewrite.lower.walk import Walk
from talaria_widget.rewrite.source import Source

_alone = threading.Lock()
"""Private torch: which modes catch calls at this dispatch key is known per process, not per thread,
and a widget lowers its model in a thread of its own."""


def lower(recording: Recording, model: Any = None) -> Source:
    """The baseline file of a recorded model.

    Args:
        recording: what `frontends.torch.record` gives.
        model: the module, which is only looked at to be named in errors.

    Raises:
        UnsupportedModelError: what cannot be written as ONNX, by its name and place.
    """
    name = recording.graph.name
    walk = Walk(recording)
    with _alone:
        walk.run()
    try:
        outputs = _outputs(recording, walk)
        return assemble(recording, walk.emit, outputs, _notes(recording, walk))
    except CannotLower as reason:
        raise UnsupportedModelError(f"{name} cannot be written as ONNX: {reason}") from reason


def _outputs(recording: Recording, walk: Walk) -> dict[str, torch.Tensor]:
    """The final name of each output; one that no node makes, or made already, gets a node."""
    emit, values = walk.emit, recording.trace.values
    if not recording.trace.outputs:
        raise CannotLower("it returns no tensor")
    made = {name for node in emit.nodes for name in node.outputs}
    found: dict[str, torch.Tensor] = {}
    emit.begin(None, "output")
    for name, ref in recording.trace.outputs.items():
        value = values[ref.value]
        inner = walk.result(ref)
        shown = emit.renamed.get(inner, inner)
        if inner not in made or shown in found:
            wanted = emit.fresh(name or "output")
            made.add(inner)
            inner = emit.op("Identity", inner)
            emit.renamed[inner] = shown = wanted
        found[shown] = torch.empty(value.shape, dtype=value.dtype, device="meta")
    return found


def _notes(recording: Recording, walk: Walk) -> tuple[str, ...]:
    """What of the forward is fixed in the file."""
    notes = []
    values = recording.trace.values
    for name, ref in recording.trace.outputs.items():
        if values[ref.value].role in ("constant", "buffer", "parameter"):
            notes.append(f"the output {name or 'of the model'} does not depend on the inputs")
    return tuple(notes)
