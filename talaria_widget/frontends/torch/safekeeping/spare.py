"""A copy of a model that a run may write."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


def spare(model: nn.Module) -> nn.Module:
    """A deep copy, also of what `copy.deepcopy` does not know how to copy.

    That is sparse tensors, generators, and tensors that a layer computed from its parameters
    and keeps (weight norm's weight).
    """
    known: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.layout is torch.strided:
            continue
        made = tensor.detach().clone()
        if isinstance(tensor, nn.Parameter):
            made = nn.Parameter(made, requires_grad=tensor.requires_grad)
        known[id(tensor)] = made
    for module in model.modules():
        for item in vars(module).values():
            if isinstance(item, torch.Tensor) and not item.is_leaf:
                known[id(item)] = item.detach().clone()
            elif isinstance(item, torch.Generator):
                known[id(item)] = item.clone_state()
    return copy.deepcopy(model, known)
