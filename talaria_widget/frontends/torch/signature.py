"""What an exported program takes: its weights by name, and the user's inputs in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from talaria_widget.frontends.torch.inputs.inputs import Prepared
from talaria_widget.frontends.torch.inputs.samples import ids, numbers, sizes
from talaria_widget.frontends.torch.origin import classes
from talaria_widget.frontends.torch.registry import Registry
from talaria_widget.graph import Role

_ROLES: Mapping[InputKind, Role] = {
    InputKind.PARAMETER: "parameter",
    InputKind.BUFFER: "buffer",
    InputKind.CONSTANT_TENSOR: "constant",
}


@dataclass(frozen=True, slots=True)
class State:
    """A program's stored tensors. `placeholders` has a tensor's name, or `None` for an input."""

    registry: Registry
    tensors: Mapping[str, Any]
    placeholders: tuple[str | None, ...]


def read_state(program: ExportedProgram, *, spare: bool = False) -> State:
    """The stored tensors, each shared one once, under the first of its names.

    With `spare`, copies that a run may write.
    """
    stored = {**program.constants, **program.state_dict}
    first: dict[Any, str] = {}
    names: dict[str, list[str]] = defaultdict(list)
    for name in (*program.state_dict, *program.constants):
        if isinstance(stored[name], torch.Tensor):
            names[first.setdefault(_key(stored[name]), name)].append(name)
    values: dict[str, Any] = {
        name: _plain(item, spare) if isinstance(item, torch.Tensor) else item
        for name, item in stored.items()
    }
    for name, group in names.items():
        values.update(dict.fromkeys(group, values[name]))
    named: dict[int, tuple[str, Role]] = {}
    parameters: dict[str, torch.Tensor] = {}
    placeholders: list[str | None] = []
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT or spec.target is None:
            placeholders.append(None)
            continue
        placeholders.append(spec.target)
        value, role = values[spec.target], _ROLES.get(spec.kind)
        if role is not None:
            known = first[_key(stored[spec.target])]
            named.setdefault(id(value), (known, role))
            if role == "parameter":
                parameters[known] = value
    kept = [values[name] for name in names]
    real = next((item.device for item in kept if not item.is_meta), torch.device("cpu"))
    registry = Registry(
        named=named,
        parameters=parameters,
        shared=frozenset(name for name, group in names.items() if len(_owners(group)) > 1),
        paths={},
        classes=classes(program.graph),
        device=real,
        on_meta=any(item.is_meta for item in kept),
        training=False,
    )
    return State(registry, values, tuple(placeholders))


def bind(program: ExportedProgram, inputs: Any, device: torch.device) -> tuple[Prepared, list[Any]]:
    """The user's inputs, or those of the export, as the program's leaves in order.

    Raises:
        ValueError: the signature takes other arguments, or other shapes.
    """
    assumed: tuple[str, ...] = ()
    if inputs is not None:
        args, kwargs = _arguments(program, inputs)
        leaves = _flatten(program, args, kwargs)
    elif program.example_inputs is not None:
        args, kwargs = program.example_inputs
        leaves = _flatten(program, tuple(args), dict(kwargs))
        assumed = ("the inputs are the examples that the program was exported with",)
    else:
        leaves = [_made_up(value) for value in _signature(program).values()]
        assumed = (
            "the inputs' shapes are those of the exported signature, their values our guess",
        )
    leaves = [
        leaf.detach().to(device) if isinstance(leaf, torch.Tensor) and not leaf.is_meta else leaf
        for leaf in leaves
    ]
    _check(program, leaves)
    spec = program.call_spec.in_spec
    args, kwargs = pytree.tree_unflatten(leaves, spec) if spec is not None else (leaves, {})
    names: dict[int, tuple[str, Role]] = {}
    for name, leaf in zip(_signature(program), leaves, strict=True):
        if isinstance(leaf, torch.Tensor):
            names.setdefault(id(leaf), (name, "input"))
    return Prepared(tuple(args), kwargs, assumed, inputs is None, names), leaves


def _signature(program: ExportedProgram) -> dict[str, Any]:
    """Each input's name and what the graph knows of it, in order."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    found: dict[str, Any] = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            name = getattr(spec.arg, "name", "")
            node = nodes.get(name)
            constant = getattr(spec.arg, "value", None)
            found[name] = constant if node is None else node.meta.get("val", constant)
    return found


def _arguments(program: ExportedProgram, inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(inputs, torch.Tensor):
        return (inputs,), {}
    if isinstance(inputs, Mapping):
        named = dict(inputs)
        spec = program.call_spec.in_spec
        expected = [] if spec is None else list(spec.child(1).context or ())
        if sorted(named) != sorted(expected) and sorted(named) == sorted(_signature(program)):
            leaves = [named[name] for name in _signature(program)]
            return pytree.tree_unflatten(leaves, spec) if spec else (tuple(leaves), {})
        return (), {name: named[name] for name in sorted(named, key=_order(expected))}
    if isinstance(inputs, tuple | list):
        return tuple(inputs), {}
    raise TypeError(
        f"inputs is a {type(inputs).__name__}; pass a tensor, a tuple of arguments, or a dict of "
        "keyword arguments"
    )


def _order(expected: Sequence[str]) -> Any:
    return lambda name: expected.index(name) if name in expected else len(expected)


def _flatten(program: ExportedProgram, args: Any, kwargs: dict[str, Any]) -> list[Any]:
    leaves, _ = pytree.tree_flatten((args, kwargs))
    if len(leaves) != len(_signature(program)):
        taken = ", ".join(_signature(program))
        raise ValueError(
            f"the inputs do not fit the exported program, which takes {taken}: "
            f"{len(leaves)} values were given"
        )
    return list(leaves)


def _check(program: ExportedProgram, leaves: Sequence[Any]) -> None:
    for (name, expected), leaf in zip(_signature(program).items(), leaves, strict=True):
        if not isinstance(expected, torch.Tensor) or not isinstance(leaf, torch.Tensor):
            continue
        fits = len(expected.shape) == len(leaf.shape) and all(
            not isinstance(size, int) or size == given
            for size, given in zip(expected.shape, leaf.shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"the program was exported for {name}: {sizes(tuple(expected.shape))}, and the "
                f"input is {sizes(tuple(leaf.shape))}; pass that shape, or export the model anew"
            )


def _made_up(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    shape = tuple([size if isinstance(size, int) else _hint(size) for size in value.shape])
    return (
        numbers(shape, value.dtype) if value.is_floating_point() else ids(shape, 2).to(value.dtype)
    )


def _hint(size: torch.SymInt) -> int:
    hint = size.node.hint
    return 1 if hint is None else int(hint)


def empty_like(tensor: torch.Tensor) -> torch.Tensor:
    """A meta tensor of the shape that a graph knows, free sizes as in its example."""
    shape = tuple([size if isinstance(size, int) else _hint(size) for size in tensor.shape])
    return torch.empty(shape, dtype=tensor.dtype, device=torch.device("meta"))


def _plain(tensor: torch.Tensor, spare: bool) -> torch.Tensor:
    """A tensor with data, or a meta one where the program was exported without."""
    if torch._subclasses.fake_tensor.is_fake(tensor):
        return torch.empty_strided(
            tensor.shape, tensor.stride(), dtype=tensor.dtype, device=torch.device("meta")
        )
    return tensor.detach().clone() if spare else tensor


def _key(tensor: torch.Tensor) -> Any:
    try:
        storage = int(tensor.untyped_storage()._cdata)
    except NotImplementedError:
        storage = id(tensor)
    return storage, tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def _owners(names: Sequence[str]) -> set[str]:
    return {name.rpartition(".")[0] for name in names}
