"""A copy of a model that a run may write."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


def spare(model: nn.Module) -> nn.Module:
    """A deep copy, also of tensors that `copy.deepcopy` does not know how to copy (sparse ones)."""
    known: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.layout is torch.strided:
            continue
        made = tensor.detach().clone()
        if isinstance(tensor, nn.Parameter):
            made = nn.Parameter(made, requires_grad=tensor.requires_grad)
        known[id(tensor)] = made
    return copy.deepcopy(model, known)
