"""The tensors of a trace by identity: their twins, their storages, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from talaria_widget.frontends.torch.trace.recording import Call, Ref, Value
from talaria_widget.frontends.torch.trace.shapes import META
from talaria_widget.frontends.torch.trace.structure import replace
from talaria_widget.graph import Role

SMALL = 65_000


class Incomplete(Exception):
    """The trace on meta tensors lost sight of a tensor."""


class Storage:
    """What is known of the memory that a tensor and its views share.

    `known` means that its data is at hand without a replay, `depends` that an input entered
    it, `trained` that a parameter did.
    """

    __slots__ = ("copy", "depends", "index", "known", "trained", "writers")

    def __init__(self, index: int, *, known: bool, depends: bool, trained: bool) -> None:
        self.index, self.known, self.depends, self.trained = index, known, depends, trained
        self.writers: list[int] = []
        self.copy: torch.UntypedStorage | None = None


class Slot:
    """One tensor object: the model's own, its meta twin, and the real one calls may write."""

    __slots__ = ("index", "object", "private", "role", "storage", "twin")

    def __init__(self, index: int, tensor: torch.Tensor, role: Role, storage: Storage) -> None:
        self.index, self.object, self.role, self.storage = index, tensor, role, storage
        self.twin: torch.Tensor | None = None
        self.private: torch.Tensor | None = None


class Memory:
    """Every tensor that a trace has met; each is held, so that no identity is used twice.

    Args:
        registered: the name and role of each parameter, buffer and input, by identity.
        virtual: whether calls compute on meta twins.
        strict: whether an unknown meta tensor is a fault (it is none in a model on meta).
    """

    def __init__(
        self, registered: Mapping[int, tuple[str, Role]], *, virtual: bool, strict: bool
    ) -> None:
        self.slots: list[Slot] = []
        self.values: list[Value] = []
        self.creators: list[int | None] = []
        self.writers: list[list[int]] = []
        self._registered, self._virtual, self._strict = registered, virtual, strict
        self.unexplained = 0
        self._by_id: dict[int, Slot] = {}
        self._adopted: dict[int, tuple[torch.Tensor, tuple[str, Role]]] = {}
        self._by_storage: dict[int, Storage] = {}

    def find(self, tensor: torch.Tensor) -> Slot | None:
        """The slot of a tensor, its twin or its private copy."""
        return self._by_id.get(id(tensor))

    def meet(self, tensor: torch.Tensor) -> Slot:
        """The slot of a tensor, made where no call made it: parameter, buffer, constant."""
        return self._by_id.get(id(tensor)) or self._enter(tensor)

    def adopt(self, tensor: torch.Tensor, name: str, role: Role = "parameter") -> None:
        """Take a tensor that is met later for the model's own; it is held, so it keeps its name."""
        self._adopted[id(tensor)] = (tensor, (name, role))

    def ref(self, slot: Slot) -> Ref:
        """A slot as a call sees it now."""
        return Ref(slot.index, len(slot.storage.writers))

    def is_fresh(self, result: Any) -> bool:
        """Whether every tensor of a result is new, on memory of its own."""
        fresh = True

        def look(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal fresh
            fresh = fresh and id(tensor) not in self._by_id
            fresh = fresh and _storage_key(tensor) not in self._by_storage
            return tensor

        replace(result, look)
        return fresh

    def make(self, tensor: torch.Tensor, call: Call, *, known: bool, leaf: bool) -> Slot:
        """A slot for a tensor that a call made; a `leaf` is kept, never made again."""
        storage = self._storage(tensor, known=known, depends=call.depends, trained=call.trained)
        role: Role = "activation" if storage.depends or storage.trained else "constant"
        kept = tensor.detach().clone() if leaf else None
        slot = self._add(tensor, role, storage, None if leaf else call.index, None, kept)
        if known:
            slot.private = tensor
        elif self._virtual:
            slot.twin = tensor
        return slot

    def stand_in(self, tensor: torch.Tensor) -> torch.Tensor:
        """What the model is given for an input: its twin, or a copy that it may write."""
        slot = self.meet(tensor)
        if self._virtual:
            slot.object = self.twin(slot)
        elif slot.object is tensor:
            slot.object = tensor.clone()
            self._by_id[id(slot.object)] = slot
            self._by_storage[_storage_key(slot.object)] = slot.storage
        return slot.object

    def twin(self, slot: Slot) -> torch.Tensor:
        """A slot's meta twin."""
        if slot.twin is None:
            slot.twin = meta_like(slot.object)
            self._by_id[id(slot.twin)] = slot
            self._by_storage[_storage_key(slot.twin)] = slot.storage
        return slot.twin

    def twin_of(self, ref: Ref) -> torch.Tensor:
        """The meta twin of a reference."""
        slot = self.slots[ref.value]
        return slot.twin if slot.twin is not None else self.twin(slot)

    def object_of(self, ref: Ref) -> torch.Tensor:
        """The model's own tensor."""
        return self.slots[ref.value].object

    def private_of(self, ref: Ref) -> torch.Tensor:
        """A real tensor with a known reference's data, which calls may write."""
        slot = self.slots[ref.value]
        if slot.private is None:
            tensor, storage = slot.object, slot.storage
            if storage.copy is None:
                storage.copy = tensor.detach().untyped_storage().clone()
                self._by_storage[storage.copy._cdata] = storage
            empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
            slot.private = empty.set_(
                storage.copy, tensor.storage_offset(), tensor.shape, tensor.stride()
            )
            self._by_id[id(slot.private)] = slot
        return slot.private

    def blank_of(self, ref: Ref, device: torch.device = META) -> torch.Tensor:
        """A new tensor of a reference's shape and dtype."""
        value = self.values[ref.value]
        return torch.empty_strided(value.shape, value.stride, dtype=value.dtype, device=device)

    def write(self, slots: Sequence[Slot], call: Call, *, known: bool) -> list[Slot]:
        """Note that a call wrote some tensors; returns one slot per storage."""
        written = {slot.storage.index: slot for slot in reversed(slots)}
        for slot in written.values():
            storage = slot.storage
            storage.writers.append(call.index)
            storage.known = storage.known and known
            storage.depends |= call.depends
            storage.trained |= call.trained
        return list(written.values())

    def _enter(self, tensor: torch.Tensor) -> Slot:
        name: str | None
        role: Role
        name, role = self._registered.get(id(tensor), (None, "constant"))
        if name is None and id(tensor) in self._adopted:
            name, role = self._adopted[id(tensor)][1]
        if name is None and tensor.is_meta and self._virtual and self._strict:
            raise Incomplete("a tensor appeared that no recorded call made")
        self.unexplained += name is None and not self._virtual
        small = not tensor.is_meta and tensor.numel() <= SMALL
        storage = self._storage(
            tensor,
            known=small and role in ("buffer", "constant"),
            depends=role == "input",
            trained=role == "parameter",
        )
        kept = tensor.detach().clone() if name is None and small else tensor
        return self._add(tensor, role, storage, None, name, kept)

    def _storage(
        self, tensor: torch.Tensor, *, known: bool, depends: bool, trained: bool
    ) -> Storage:
        key = _storage_key(tensor)
        storage = self._by_storage.get(key)
        if storage is None:
            storage = Storage(len(self.writers), known=known, depends=depends, trained=trained)
            self._by_storage[key] = storage
            self.writers.append(storage.writers)
        return storage

    def _add(
        self,
        tensor: torch.Tensor,
        role: Role,
        storage: Storage,
        creator: int | None,
        name: str | None = None,
        kept: torch.Tensor | None = None,
    ) -> Slot:
        slot = Slot(len(self.slots), tensor, role, storage)
        self.slots.append(slot)
        self._by_id[id(tensor)] = slot
        self.creators.append(creator)
        shape, stride = _extent(tensor)
        self.values.append(
            Value(slot.index, role, name, shape, stride, tensor.dtype, storage.index, kept)
        )
        return slot


def version(tensor: torch.Tensor | None) -> int:
    """How often a tensor's storage was written."""
    return -1 if tensor is None or tensor.is_inference() else tensor._version


def meta_like(tensor: torch.Tensor) -> torch.Tensor:
    """A meta tensor of the same shape, stride and dtype.

    Raises:
        Incomplete: the tensor is sparse, quantized or nested.
    """
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        raise Incomplete(f"a tensor of layout {tensor.layout} has no meta twin")
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)


def _extent(tensor: torch.Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A tensor's shape and stride; a nested one's rows of all samples, one after another."""
    if not tensor.is_nested:
        stride = tensor.stride() if tensor.layout is torch.strided else ()
        return tuple(tensor.shape), stride
    if tensor.layout is torch.jagged:
        return tuple(tensor.values().shape), ()
    sizes = tensor._nested_tensor_size().tolist()
    rows, rest = sum(size[0] for size in sizes), sizes[0][1:] if sizes else []
    alike = all(size[1:] == rest for size in sizes)
    return (rows, *rest) if alike else (tensor.numel(),), ()


def _storage_key(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except NotImplementedError:
        return id(tensor)
