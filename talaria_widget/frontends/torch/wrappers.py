"""Modules that only stand around another: seen through, so that names are the author's."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

# Class name -> the attribute that holds the module it stands around, as torch names both.
_HOLDERS: Mapping[str, str] = {
    "OptimizedModule": "_orig_mod",
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
}
_SAID: Mapping[str, str] = {
    "OptimizedModule": "the model is compiled by torch.compile and was read as it is written",
    "DistributedDataParallel": "the model runs in DistributedDataParallel: one replica was read, "
    "without the exchange between replicas",
    "DataParallel": "the model runs in DataParallel: one replica was read",
    "FullyShardedDataParallel": "the model is sharded by FullyShardedDataParallel: what this "
    "process holds was read",
}


def held(module: nn.Module) -> str | None:
    """The name of the attribute that a wrapper holds its module by; `None` for any other."""
    for kind in type(module).__mro__:
        name = _HOLDERS.get(kind.__name__)
        if name is not None and kind.__module__.startswith("torch."):
            return name if isinstance(getattr(module, name, None), nn.Module) else None
    return None


def unwrap(model: nn.Module) -> nn.Module:
    """The module inside any wrappers around it."""
    name = held(model)
    while name is not None:
        model = getattr(model, name)
        name = held(model)
    return model


def wrapping(model: nn.Module) -> tuple[str, ...]:
    """A sentence for each kind of wrapper around a model or its parts."""
    kinds = {
        kind.__name__: None
        for module in model.modules()
        if held(module) is not None
        for kind in type(module).__mro__
    }
    return tuple(said for kind, said in _SAID.items() if kind in kinds)
