"""Weights that torch's eager quantization packs into objects, as tensors with names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from talaria_widget.graph import Role

_DTYPES = {
    torch.qint8: torch.int8,
    torch.quint8: torch.uint8,
    torch.qint32: torch.int32,
}


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor inside a packed object: an empty one of its shape, and what it is to the model."""

    name: str
    role: Role
    tensor: torch.Tensor


def find_packed(model: nn.Module) -> Mapping[int, tuple[Packed, ...]]:
    """The tensors of each packed object that a model's modules hold, by the object's identity.

    They are named after the module that a reader knows: `fc.weight`, not the path of the object.
    """
    holders = [
        module
        for module in model.modules()
        if torch.ScriptObject in map(type, vars(module).values())
    ]
    paths = {module: path for path, module in model.named_modules()} if holders else {}
    return {
        id(item): unpack(item, _prefix(paths[module]))
        for module in holders
        for item in vars(module).values()
        if is_packed(item)
    }


def is_packed(item: Any) -> bool:
    """Whether something is an object that torch packs weights in."""
    return isinstance(item, torch.ScriptObject) and item._type().qualified_name().startswith(
        "__torch__.torch.classes."
    )


def unpack(item: Any, prefix: str) -> tuple[Packed, ...]:
    """The tensors of a packed object, their names after a prefix."""
    return tuple(_tensors(item, prefix))


def _prefix(path: str) -> str:
    """The path of a packed object's layer, with which layer of it, and a dot."""
    kept = [
        part for part in path.split(".") if part not in ("_packed_params", "_all_weight_values")
    ]
    return "".join(f"{part}." for part in kept)


def _tensors(item: Any, prefix: str) -> Iterator[Packed]:
    kind = item._type().qualified_name().rpartition(".")[2]
    if kind == "CellParamsBase":
        yield from _cell(item, prefix)
    elif kind.startswith(("Linear", "Conv")):
        weight, bias = item.unpack()
        yield from _weight(f"{prefix}weight", weight)
        if bias is not None:
            yield _empty(f"{prefix}bias", "parameter", bias.shape, bias.dtype)
    elif kind.startswith("Embedding"):
        yield from _weight(f"{prefix}weight", torch.ops.quantized.embedding_bag_unpack(item))


def _cell(item: Any, prefix: str) -> Iterator[Packed]:
    """One layer and direction of a recurrent layer: two packed matrices, and their biases."""
    _, biases, *_, matrices = item.__getstate__()[0]
    for part, matrix in zip(("ih", "hh"), matrices, strict=True):
        weight, bias = matrix.unpack()
        yield from _weight(f"{prefix}weight_{part}", weight)
        if bias is not None and not biases:
            yield _empty(f"{prefix}bias_{part}", "parameter", bias.shape, bias.dtype)
    for part, bias in zip(("ih", "hh"), biases, strict=False):
        yield _empty(f"{prefix}bias_{part}", "parameter", bias.shape, bias.dtype)


def _weight(name: str, weight: torch.Tensor) -> Iterator[Packed]:
    yield _empty(name, "parameter", weight.shape, _DTYPES.get(weight.dtype, weight.dtype))
    if weight.is_quantized:
        per_tensor = weight.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric)
        scales: Any = () if per_tensor else weight.q_per_channel_scales().shape
        yield _empty(f"{name}_scale", "buffer", scales, torch.float32)
        yield _empty(f"{name}_zero_point", "buffer", scales, torch.int32)


def _empty(name: str, role: Role, shape: Any, dtype: torch.dtype) -> Packed:
    return Packed(name, role, torch.empty(shape, dtype=dtype, device="meta"))
