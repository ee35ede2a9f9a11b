"""Real tensors held for a while: at most so many bytes, those quickest to make again go first."""

from __future__ import annotations

from collections.abc import Callable

import torch

LIMIT_BYTES = 512 * 2**20
ROOM = 0.75
"""The share of the limit that making room goes down to, so that it is rarely called for."""


class _Memory:
    """One piece of memory: its size, the values that lie in it, and the time that they took."""

    __slots__ = ("nbytes", "seconds", "values")

    def __init__(self, nbytes: int) -> None:
        self.nbytes, self.seconds = nbytes, 0.0
        self.values: set[int] = set()


class Held:
    """Tensors by value. `nbytes` is what they occupy, `most_bytes` the most they ever did."""

    def __init__(self) -> None:
        self._tensors: dict[int, torch.Tensor] = {}
        self._memories: dict[int, _Memory] = {}
        self._order: dict[int, None] = {}
        self.nbytes = 0
        self.most_bytes = 0

    def __contains__(self, value: int) -> bool:
        return value in self._tensors

    def get(self, value: int) -> torch.Tensor | None:
        """A tensor, which is now the most recently used; `None` where it is not held."""
        tensor = self._tensors.get(value)
        if tensor is not None:
            self._touch(_key(tensor))
        return tensor

    def put(self, value: int, tensor: torch.Tensor, seconds: float = 0.0) -> None:
        """Hold a tensor that took so many seconds to make."""
        self.drop(value)
        key = _key(tensor)
        memory = self._memories.get(key)
        if memory is None:
            memory = self._memories[key] = _Memory(_nbytes(tensor))
            self.nbytes += memory.nbytes
        memory.values.add(value)
        memory.seconds += seconds
        self._tensors[value] = tensor
        self._touch(key)
        self.most_bytes = max(self.most_bytes, self.nbytes)

    def drop(self, value: int) -> None:
        """Hold a tensor no longer."""
        tensor = self._tensors.pop(value, None)
        if tensor is None:
            return
        key = _key(tensor)
        memory = self._memories[key]
        memory.values.discard(value)
        if not memory.values:
            self.nbytes -= memory.nbytes
            del self._memories[key], self._order[key]

    def cheapest(self, may_go: Callable[[int], bool]) -> list[tuple[frozenset[int], int]]:
        """The values and bytes of each piece of memory all of whose values may go.

        Those come first that take the fewest seconds per byte to make again, and among equals
        the least recently used.
        """
        memories = [self._memories[key] for key in self._order]
        memories.sort(key=lambda memory: memory.seconds / max(1, memory.nbytes))
        return [
            (frozenset(memory.values), memory.nbytes)
            for memory in memories
            if all(map(may_go, memory.values))
        ]

    def _touch(self, key: int) -> None:
        self._order.pop(key, None)
        self._order[key] = None


def _key(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse and nested tensors have no one storage
        return id(tensor)


def _nbytes(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage().nbytes()
    except (NotImplementedError, RuntimeError):
        return tensor.numel() * tensor.element_size()
