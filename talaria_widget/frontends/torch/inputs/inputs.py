"""The inputs of a forward: those given, checked, or those inferred, said."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from talaria_widget.frontends.torch.bodies.script import signature as read_signature
from talaria_widget.frontends.torch.inputs.guess import guess
from talaria_widget.frontends.torch.inputs.samples import Guess
from talaria_widget.frontends.torch.trace.structure import replace, tensors
from talaria_widget.frontends.torch.wrappers import unwrap
from talaria_widget.frontends.verdicts import wrong_type
from talaria_widget.graph import Role, UnsupportedModelError


@dataclass(frozen=True, slots=True)
class Prepared:
    """The arguments of a forward, on the model's device.

    `names` gives by identity each tensor's name and role, `assumed` a sentence for each thing
    that was invented; `likely` says that what was inferred is worth more than one attempt.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    assumed: tuple[str, ...] = ()
    inferred: bool = False
    names: Mapping[int, tuple[str, Role]] = field(default_factory=dict)
    likely: bool = False


def check_model(model: Any) -> nn.Module:
    """The module to trace, out of what `torch.compile` or data parallelism put around it.

    Raises:
        TypeError: it is no module.
        UnsupportedModelError: it has lazy layers without weights, or no forward.
    """
    if isinstance(model, type) or not isinstance(model, nn.Module):
        raise TypeError(wrong_type(model))
    module = unwrap(model)
    for name, part in module.named_modules():
        if isinstance(part, LazyModuleMixin) and part.has_uninitialized_params():  # type: ignore[misc]
            raise UnsupportedModelError(
                f"{name or 'the model'} is a {type(part).__name__} without weights yet; call the "
                "model once on real inputs, then pass it"
            )
    if getattr(type(module), "forward", None) is nn.Module.forward and not vars(module).get(
        "forward"
    ):
        parts = ", ".join(name for name, _ in module.named_children())
        raise UnsupportedModelError(
            f"{type(module).__name__} has no forward of its own; pass one of its parts"
            + (f": {parts}" if parts else "")
        )
    return module


def prepare(model: nn.Module, inputs: Any, device: torch.device) -> list[Prepared]:
    """The arguments to run a model on, best first; several only where they are inferred.

    Raises:
        TypeError: `inputs` is no tensor, tuple, list or mapping.
        ValueError: it is `None` and nothing can be inferred.
    """
    if inputs is None:
        made = guess(model)
    elif isinstance(inputs, torch.Tensor):
        made = [Guess((inputs,))]
    elif isinstance(inputs, Mapping):
        made = [Guess((), inputs)]
    elif isinstance(inputs, tuple | list):
        made = [Guess(tuple(inputs))]
    else:
        raise TypeError(
            f"inputs is a {type(inputs).__name__}; pass a tensor, a tuple of arguments, or a "
            "dict of keyword arguments"
        )
    signature = read_signature(model.forward)
    return [_place(signature, found, inputs is None, device) for found in made]


def prepare_inputs(model: nn.Module, inputs: Any = None) -> Prepared:
    """The arguments that `capture` would run a model on first.

    Raises what `capture` does for wrong or missing inputs.
    """
    from talaria_widget.frontends.torch.registry import register

    model = check_model(model)
    return prepare(model, inputs, register(model).device)[0]


def describe(prepared: Prepared) -> str:
    """The inputs' names, shapes and dtypes in one line."""
    said = [
        f"{name}: {_sizes(tensor)} {str(tensor.dtype).removeprefix('torch.')}"
        for name, tensor in tensors((prepared.args, prepared.kwargs))
        for name in [prepared.names.get(id(tensor), (name, "input"))[0]]
    ]
    return ", ".join(said) or "no tensors"


def _sizes(tensor: torch.Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "a scalar"


def _place(
    signature: inspect.Signature, found: Guess, inferred: bool, device: torch.device
) -> Prepared:
    reachable = device.type == "cpu" or torch.get_device_module(device).is_available()

    def move(tensor: torch.Tensor) -> torch.Tensor:
        return tensor if tensor.is_meta or not reachable else tensor.detach().to(device)

    args = tuple(replace(item, move) for item in found.args)
    kwargs = {name: replace(item, move) for name, item in found.kwargs.items()}
    names: dict[int, tuple[str, Role]] = {}
    for name, item in (
        *zip(_argument_names(signature, len(args)), args, strict=True),
        *kwargs.items(),
    ):
        for inner, tensor in tensors(item):
            names.setdefault(id(tensor), (f"{name}.{inner}" if inner else name, "input"))
    return Prepared(args, kwargs, found.assumed, inferred, names, found.likely)


def _argument_names(signature: inspect.Signature, count: int) -> list[str]:
    names: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}.{at}" for at in range(count)]
        elif parameter.kind in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            names.append(parameter.name)
    names += [f"argument_{at}" for at in range(count)]
    return names[:count]
