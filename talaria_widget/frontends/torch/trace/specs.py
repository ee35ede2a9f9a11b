"""What a fresh tensor is like: shape, stride and dtype, on which memory is never spent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

META = torch.device("meta")


@dataclass(frozen=True, slots=True)
class Spec:
    """A fresh tensor's shape, stride and dtype."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def build(self) -> torch.Tensor:
        """A meta tensor of this kind."""
        return torch.empty_strided(self.shape, self.stride, dtype=self.dtype, device=META)


class _InPlace(Enum):
    FIRST = 1


IN_PLACE = _InPlace.FIRST


def specify(result: Any) -> Any:
    """A result with a `Spec` in place of each tensor, or `None` where it holds anything else."""
    if type(result) is torch.Tensor:
        return Spec(tuple(result.shape), result.stride(), result.dtype)
    if type(result) in (tuple, list):
        specs = [None if item is None else specify(item) for item in result]
        if all(spec is not None or item is None for spec, item in zip(specs, result, strict=True)):
            return type(result)(specs)
    return None


def build(spec: Any) -> Any:
    """Fresh meta tensors for a specification."""
    if type(spec) is Spec:
        return spec.build()
    return None if spec is None else type(spec)([build(item) for item in spec])


def contiguous(shape: tuple[int, ...], dtype: torch.dtype) -> Spec:
    """A contiguous tensor's specification."""
    stride, step = [], 1
    for size in reversed(shape):
        stride.append(step)
        step *= max(size, 1)
    return Spec(shape, tuple(reversed(stride)), dtype)
