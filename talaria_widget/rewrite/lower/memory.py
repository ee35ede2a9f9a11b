"""Meta tensors by storage: what each is called now, and what a write in place makes of it.

Views share a storage. A write to one makes the names of the others stale; whoever reads one
then gets it anew from the storage's first tensor, by the steps that led to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from talaria_widget.rewrite.lower.emit import CannotLower, Emit

META = torch.device("meta")


@dataclass(frozen=True, slots=True)
class Step:
    """How a view came from its parent; `index` where the call gave several."""

    function: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    index: int | None = None


class Store:
    """A storage: how often it was written, and whether what was written depends on inputs."""

    __slots__ = ("base", "symbolic", "version")

    def __init__(self, *, symbolic: bool) -> None:
        self.symbolic, self.version = symbolic, 0
        self.base: Cell | None = None


class Cell:
    """A meta tensor: its name as of a version of its storage, or its real values."""

    __slots__ = ("label", "name", "parent", "real", "step", "store", "twin", "version")

    def __init__(self, twin: torch.Tensor, store: Store, parent: Cell | None = None) -> None:
        self.twin, self.store, self.parent = twin, store, parent
        self.step: Step | None = None
        self.name: str | None = None
        self.real: torch.Tensor | None = None
        self.label: str | None = None
        self.version = -1


Replay = Callable[[Step, torch.Tensor], str]
Inverse = Callable[[Emit, Step, Cell, Callable[[], str], str], str]


class Memory:
    """Every meta tensor of a lowering.

    Args:
        replay: makes a view anew from its parent; returns its name.
        inverse: makes the parent's value of a view's new one.
    """

    def __init__(self, replay: Replay, inverse: Inverse) -> None:
        self.emit = Emit(self.read, self.known, self.root)
        self._replay, self._inverse = replay, inverse
        self._cells: dict[int, Cell] = {}
        self._stores: dict[int, Store] = {}
        self._real_stores: dict[int, Store] = {}
        self._by_real: dict[int, Cell] = {}
        self._unwritten: set[int] = set()
        self._held: list[torch.Tensor] = []

    def find(self, twin: torch.Tensor) -> Cell | None:
        """The cell of a meta tensor, also of one that shares the memory of another.

        `.data` gives a new object that no operator made.
        """
        cell = self._cells.get(id(twin))
        if cell is not None:
            return cell
        store = self._stores.get(storage_key(twin))
        if store is None or store.base is None:
            return None
        cell = self._enter(twin, store, store.base)
        cell.step = Step(torch.ops.aten.as_strided.default, _geometry(twin), {})
        if store.base.real is not None:
            cell.real = store.base.real.as_strided(*_geometry(twin))
        return cell

    def cell(self, twin: torch.Tensor) -> Cell:
        """The cell of a meta tensor.

        Raises:
            CannotLower: no operator that was seen made it.
        """
        cell = self.find(twin)
        if cell is None:
            raise CannotLower("it reads a tensor that no operator made")
        return cell

    def read(self, twin: torch.Tensor) -> str:
        """The present name of a meta tensor."""
        if not twin.is_meta:
            twin = self.twin_of(twin)
        return self._name(self.cell(twin))

    def known(self, twin: torch.Tensor) -> torch.Tensor | None:
        """The real values of a tensor that depends on no input and no parameter."""
        if not twin.is_meta:
            return twin
        cell = self.cell(twin)
        return None if cell.store.symbolic else cell.real

    def root(self, twin: torch.Tensor) -> torch.Tensor:
        """The first tensor on the memory of another."""
        base = self.cell(twin).store.base
        return twin if base is None else base.twin

    def enter(self, twin: torch.Tensor, name: str) -> Cell:
        """A new tensor on memory of its own, of this name."""
        cell = self._enter(twin, self._store(twin, symbolic=True))
        cell.name, cell.version = name, 0
        return cell

    def view(self, twin: torch.Tensor, parent: Cell, step: Step, name: str | None) -> Cell:
        """A new view of a tensor; without a name, it gets one when it is read."""
        cell = self._enter(twin, parent.store, parent)
        cell.step = step
        if name is not None:
            cell.name, cell.version = name, parent.store.version
        return cell

    def fold(self, twin: torch.Tensor, real: torch.Tensor) -> Cell:
        """A new tensor on memory of its own with real values."""
        store = self._store(twin, symbolic=False)
        cell = self._enter(twin, store)
        cell.real = real
        self._real_stores[storage_key(real)] = store
        self._by_real[id(real)] = cell
        return cell

    def twin_of(self, real: torch.Tensor, label: str | None = None) -> torch.Tensor:
        """The meta tensor that stands for a real one; `label` is what to store it as."""
        cell = self._by_real.get(id(real))
        if cell is None:
            key = storage_key(real)
            store = self._real_stores.get(key)
            if store is None:
                store = self._found(real, key)
            base = store.base
            assert base is not None
            cell = self._by_real.get(id(real))
            if cell is None:
                cell = self._enter(base.twin.as_strided(*_geometry(real)), store, base)
                cell.step = Step(torch.ops.aten.as_strided.default, _geometry(real), {})
                cell.real = real
                self._by_real[id(real)] = cell
        cell.label = label or cell.label
        return cell.twin

    def trust(self, real: torch.Tensor) -> None:
        """Take a real tensor for one that nothing writes, so that it need not be copied."""
        self._unwritten.add(storage_key(real))

    def is_symbolic(self, real: torch.Tensor) -> bool:
        """Whether what depends on inputs was written to a real tensor's memory."""
        store = self._real_stores.get(storage_key(real))
        return store is not None and store.symbolic

    def touch(self, real: torch.Tensor) -> None:
        """Note that a real tensor was written."""
        store = self._real_stores.get(storage_key(real))
        if store is not None:
            store.version += 1

    def write(self, twin: torch.Tensor, name: str) -> None:
        """Let a meta tensor have a new value, and all that share its memory."""
        cell = self.cell(twin)
        found = self._up(cell, name)
        store = cell.store
        store.symbolic = True
        store.version += 1
        for changed, value in found:
            changed.name, changed.version = value, store.version

    def version(self, twin: torch.Tensor) -> int:
        """How often the memory of a tensor was written."""
        if twin.is_meta:
            return self.cell(twin).store.version
        store = self._real_stores.get(storage_key(twin))
        return -1 if store is None else store.version

    def _up(self, cell: Cell, name: str) -> list[tuple[Cell, str]]:
        """The new names of a cell and of those that it is a view of."""
        found = [(cell, name)]
        while cell.parent is not None:
            parent = cell.parent
            assert cell.step is not None

            def old(parent: Cell = parent) -> str:
                return self._name(parent)

            name = self._inverse(self.emit, cell.step, parent, old, name)
            found.append((parent, name))
            cell = parent
        return found

    def _name(self, cell: Cell) -> str:
        if cell.name is not None and cell.version == cell.store.version:
            return cell.name
        if not cell.store.symbolic and cell.real is not None:
            cell.name = self._snapshot(cell)
        elif cell.parent is not None and cell.step is not None:
            cell.name = self._replay(cell.step, cell.parent.twin)
        else:
            raise CannotLower("it reads memory that nothing wrote")
        cell.version = cell.store.version
        return cell.name

    def _snapshot(self, cell: Cell) -> str:
        """A stored tensor of a cell's real values, a copy unless nothing writes them."""
        assert cell.real is not None
        if cell.label is None and cell.real.numel() <= 64:
            return self.emit.constant(cell.real.clone())
        kept = storage_key(cell.real) in self._unwritten
        real = cell.real if kept else cell.real.detach().clone()
        return self.emit.store(real, cell.label or "constant")

    def _found(self, real: torch.Tensor, key: int) -> Store:
        """The storage of a real tensor, with a meta tensor over all of it."""
        whole = real.untyped_storage().nbytes() == real.numel() * real.element_size()
        if whole and real.is_contiguous():
            base, flat = (
                torch.empty_strided(*_geometry(real)[:2], dtype=real.dtype, device=META),
                real,
            )
        else:
            size = real.untyped_storage().nbytes() // real.element_size()
            flat = real.detach().as_strided((size,), (1,), 0)
            base = torch.empty(size, dtype=real.dtype, device=META)
        store = self._store(base, symbolic=False)
        cell = self._enter(base, store)
        cell.real = flat
        self._real_stores[key] = store
        self._by_real[id(flat)] = cell
        self._held.append(flat)
        return store

    def _store(self, twin: torch.Tensor, *, symbolic: bool) -> Store:
        store = self._stores[storage_key(twin)] = Store(symbolic=symbolic)
        return store

    def _enter(self, twin: torch.Tensor, store: Store, parent: Cell | None = None) -> Cell:
        cell = self._cells[id(twin)] = Cell(twin, store, parent)
        if store.base is None:
            store.base = cell
        return cell


def storage_key(tensor: torch.Tensor) -> int:
    """The identity of a tensor's memory."""
    return int(tensor.untyped_storage()._cdata)


def _geometry(tensor: torch.Tensor) -> tuple[Any, Any, int]:
    return tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset())
