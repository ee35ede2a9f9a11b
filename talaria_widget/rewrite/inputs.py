"""Which tensor of a module's arguments is which input of the file exported from it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto
from torch import nn
from torch.utils import _pytree as pytree

from talaria_widget.graph import UnsupportedModelError

_WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
Arrays = dict[str, NDArray[np.generic]]


def feed(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, proto: ModelProto
) -> Arrays:
    """The inputs of the exported model, taken from the module's arguments.

    Raises:
        UnsupportedModelError: the exported model wants tensors that the arguments do not hold.
    """
    leaves, _ = pytree.tree_flatten((args, dict(kwargs or {})))
    places = _places(model, args, kwargs, [value.name for value in proto.graph.input])
    return {name: leaves[i].detach().cpu().numpy() for name, i in places.items()}


def whole_numbers(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, proto: ModelProto
) -> Arrays:
    """As `feed`, of the tensors of whole numbers and truths that have data, and no others."""
    leaves, _ = pytree.tree_flatten((args, dict(kwargs or {})))
    places = _places(model, args, kwargs, [value.name for value in proto.graph.input])
    return {
        name: leaves[i].detach().cpu().numpy()
        for name, i in places.items()
        if leaves[i].dtype in _WHOLE and not leaves[i].is_meta
    }


def refill(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, values: Arrays
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The module's arguments with other values in the tensors that are the file's inputs."""
    leaves, tree = pytree.tree_flatten((args, dict(kwargs or {})))
    for name, i in _places(model, args, kwargs, list(values)).items():
        leaves[i] = torch.from_numpy(np.array(values[name])).to(leaves[i].device)
    filled = pytree.tree_unflatten(leaves, tree)
    return filled[0], filled[1]


def _places(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, wanted: Sequence[str]
) -> dict[str, int]:
    """For each input its position among the leaves: by name, else all in order."""
    names = list(inspect.signature(model.forward).parameters)
    order = {name: i for i, name in enumerate(names)}
    paths, _ = pytree.tree_flatten_with_path((args, dict(kwargs or {})))
    found: list[tuple[int, int, str]] = []
    for index, (path, leaf) in enumerate(paths):
        if not isinstance(leaf, torch.Tensor):
            continue
        group, place = path[0], path[1]
        if group == pytree.SequenceKey(0) and isinstance(place, pytree.SequenceKey):
            at = place.idx
            name = names[at] if at < len(names) else ""
        else:
            name = str(place.key) if isinstance(place, pytree.MappingKey) else ""
            at = order.get(name, len(names))
        found.append((at, index, name if len(path) == 2 else ""))
    by_name = {name: index for _, index, name in found if name in wanted}
    if len(by_name) == len(wanted):
        return by_name
    if len(found) != len(wanted):
        raise UnsupportedModelError(
            f"the exported model takes {len(wanted)} tensors ({', '.join(wanted)}), the inputs "
            f"hold {len(found)}."
        )
    return dict(zip(wanted, (index for _, index, _ in sorted(found)), strict=True))
