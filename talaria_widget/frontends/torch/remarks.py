"""What a reader should know of a model's weights: where they are, and what they already are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import prod

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from talaria_widget.frontends.torch.registry import is_empty
from talaria_widget.frontends.torch.trace.recording import Recording
from talaria_widget.frontends.torch.wrappers import wrapping
from talaria_widget.graph import Storage, Tensor

_PLAIN = (torch.Tensor, nn.Parameter, nn.Buffer)
_HALVES = (torch.float16, torch.bfloat16)


def remark(recording: Recording, model: nn.Module) -> Recording:
    """A recording with notes on the model as a whole, and packed weights as they are stored."""
    named = dict(_weights(model))
    notes = (*wrapping(model), *_notes(named))
    tensors = dict(recording.graph.tensors)
    for name, tensor in named.items():
        storage = _storage(tensor)
        if storage is not None and name in tensors:
            known: Tensor = tensors[name]
            tensors[name] = replace(known, storage=storage)
    if not notes:
        return recording
    graph = replace(recording.graph, tensors=tensors, notes=(*recording.graph.notes, *notes))
    return replace(recording, graph=graph)


def _weights(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _notes(named: dict[str, torch.Tensor]) -> Iterator[str]:
    empty = sum(is_empty(tensor) for tensor in named.values())
    if empty:
        yield f"{_count(empty, 'tensor has', 'tensors have')} no values (on meta, or fake)"
    kinds = Counter(
        type(tensor).__name__
        for tensor in named.values()
        if type(tensor) not in _PLAIN and not isinstance(tensor, FakeTensor)
    )
    for kind, count in kinds.items():
        inner = {
            str(part.dtype).removeprefix("torch.")
            for tensor in named.values()
            if type(tensor).__name__ == kind
            for part in _parts(tensor)
        }
        held = f", kept as {' and '.join(sorted(inner))}" if inner else ""
        yield f"{_count(count, 'tensor is', 'tensors are')} of the class {kind}{held}"
    whole = [tensor for tensor in named.values() if _is_packed_parameter(tensor)]
    if whole:
        kind = str(whole[0].dtype).removeprefix("torch.")
        said = _count(len(whole), "parameter holds", "parameters hold")
        yield f"{said} whole numbers ({kind}): quantized already"
    counted = Counter(tensor.dtype for tensor in named.values() if tensor.is_floating_point())
    halves = [dtype for dtype in _HALVES if dtype in counted]
    for dtype in halves:
        all_of_them = "the model's" if len(counted) == 1 else f"{counted[dtype]} of the model's"
        yield f"{all_of_them} weights are {str(dtype).removeprefix('torch.')}: it was read as it is"


def _is_packed_parameter(tensor: torch.Tensor) -> bool:
    integers = not (tensor.is_floating_point() or tensor.is_complex())
    return isinstance(tensor, nn.Parameter) and integers and tensor.dtype is not torch.bool


def _storage(tensor: torch.Tensor) -> Storage | None:
    """What a tensor subclass keeps: its largest part for the elements, the rest beside."""
    parts = sorted(_parts(tensor), key=_nbytes)
    if not parts or not tensor.numel():
        return None
    data = parts.pop()
    return Storage(8 * _nbytes(data) / prod(tensor.shape), 1.0, sum(map(_nbytes, parts)))


def _parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The plain tensors within a subclass that stands for several."""
    if not is_traceable_wrapper_subclass(tensor):
        return []
    names, _ = tensor.__tensor_flatten__()
    found: list[torch.Tensor] = []
    for name in names:
        part = getattr(tensor, name)
        if isinstance(part, torch.Tensor):
            found += _parts(part) or [part]
    return found


def _nbytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
