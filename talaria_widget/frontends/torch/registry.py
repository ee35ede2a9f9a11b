"""What a model owns, by identity: the names of its tensors and the paths of its modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from talaria_widget.frontends.torch.wrappers import held
from talaria_widget.graph import Role


@dataclass(frozen=True, slots=True)
class Registry:
    """A model's tensors and modules.

    `named` gives by identity the first name and the role of each tensor, `shared` the names
    of those that several modules hold, `paths` and `classes` the modules' paths and class
    names, `device` where the model believes it is, `on_meta` whether
    some of its tensors have no values.
    """

    named: Mapping[int, tuple[str, Role]]
    parameters: Mapping[str, torch.Tensor]
    shared: frozenset[str]
    paths: Mapping[int, str]
    classes: Mapping[str, str]
    device: torch.device
    on_meta: bool
    training: bool


def register(model: nn.Module) -> Registry:
    """Read a model's tensors and modules."""
    named: dict[int, tuple[str, Role]] = {}
    owners: dict[int, set[int]] = {}
    paths: dict[int, str] = {}
    classes: dict[str, str] = {}
    parameters: dict[str, torch.Tensor] = {}
    attributes: list[tuple[str, torch.Tensor]] = []
    stored: list[torch.Tensor] = []
    hidden: set[str] = set()
    for path, module in model.named_modules():
        inner = held(module)
        if inner is not None:
            hidden.add(f"{path}.{inner}" if path else inner)
        path = _shown(path, hidden)
        paths[id(module)] = path
        classes[path] = type(module).__name__
        prefix = f"{path}." if path else ""
        for name, tensor in module._parameters.items():
            if tensor is not None:
                stored.append(tensor)
                owners.setdefault(id(tensor), set()).add(id(module))
                if id(tensor) not in named:
                    named[id(tensor)] = (prefix + name, "parameter")
                    parameters[prefix + name] = tensor
        for name, tensor in module._buffers.items():
            if tensor is not None:
                stored.append(tensor)
                named.setdefault(id(tensor), (prefix + name, "buffer"))
        attributes += [
            (prefix + name, item)
            for name, item in module.__dict__.items()
            if isinstance(item, torch.Tensor)
        ]
    for name, tensor in attributes:
        named.setdefault(id(tensor), (name, "constant"))
    return Registry(
        named=named,
        parameters=parameters,
        shared=frozenset(named[key][0] for key, who in owners.items() if len(who) > 1),
        paths=paths,
        classes=classes,
        device=_device(stored),
        on_meta=any(is_empty(tensor) for tensor in stored),
        training=getattr(model, "training", False),  # a frozen ScriptModule has none
    )


def _device(stored: list[torch.Tensor]) -> torch.device:
    """Where the first tensor lives; the CPU where all are on meta or there is none."""
    return next((t.device for t in stored if not is_empty(t)), torch.device("cpu"))


def is_empty(tensor: torch.Tensor) -> bool:
    """Whether a tensor has no values: on meta, or a fake one."""
    return tensor.is_meta or isinstance(tensor, FakeTensor)


def _shown(path: str, hidden: set[str]) -> str:
    """A module's path without the steps into wrappers."""
    if not hidden:
        return path
    steps, kept = path.split("."), []
    for at, step in enumerate(steps):
        if ".".join(steps[: at + 1]) not in hidden:
            kept.append(step)
    return ".".join(kept)
