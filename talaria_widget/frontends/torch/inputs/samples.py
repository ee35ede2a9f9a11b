"""Made-up tensors: reproducible numbers, and ids that a table has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Guess:
    """Arguments that may fit a forward, with a sentence on each thing that was invented.

    `likely` says that they come from what the model says of itself, so that a failure is more
    probably the trace's than theirs.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    likely: bool = False


def numbers(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Normal random numbers, the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator).to(dtype)


def ids(shape: tuple[int, ...], below: int) -> torch.Tensor:
    """Whole numbers from 1 up, again and again, all below a limit."""
    steps = torch.arange(prod(shape)) % max(below - 1, 1)
    return (steps + min(1, below - 1)).reshape(shape)


def precision(module: nn.Module, recurse: bool = True) -> torch.dtype:
    """The dtype of a module's first parameter of floating point; float32 where it has none."""
    weights = (p.dtype for p in module.parameters(recurse=recurse) if p.is_floating_point())
    found = next(weights, torch.float32)
    return found if found.itemsize > 1 else torch.float32


def sizes(shape: tuple[int, ...]) -> str:
    """A shape for a reader: `1x3x224x224`."""
    return "x".join(map(str, shape))
