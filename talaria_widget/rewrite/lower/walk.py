"""The recorded calls one after another: constants computed, everything else written as nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import torch

from talaria_widget.frontends.torch.trace.recording import Call, Recording, Ref, Value, place
from talaria_widget.frontends.torch.trace.shapes import Spec
from talaria_widget.frontends.torch.trace.structure import fill
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.lower.emit import CannotLower
from talaria_widget.rewrite.lower.memory import META
from talaria_widget.rewrite.lower.mode import LARGEST_FOLDED, Lowering
from talaria_widget.rewrite.lower.tail import is_known, tail

_INDEXED = frozenset(("torch.Tensor.__getitem__", "torch.Tensor.__setitem__"))


class Walk:
    """Lowers a recording, call by call."""

    def __init__(self, recording: Recording) -> None:
        self.lowering = Lowering(tail, is_known)
        self.memory, self.emit = self.lowering.memory, self.lowering.emit
        self._recording, self._values = recording, recording.trace.values
        self._names = recording.names
        self._ops = {index: name for name, index in recording.calls.items()}
        self._held: dict[int, torch.Tensor] = {}
        self._labels: dict[int, str] = {}
        self._storages: dict[int, torch.UntypedStorage] = {}
        self._leaves: dict[int, int] = {}
        self._written = {
            self._values[ref.value].storage
            for call in recording.trace.calls
            for ref in call.mutated
        }

    def run(self) -> None:
        """Write every call.

        Raises:
            UnsupportedModelError: one that cannot be written, by its name and place.
        """
        for value in self._values:
            if value.role == "input" and value.name:
                self._held[value.index] = self._input(value)
        with self.lowering.active():
            for call in self._recording.trace.calls:
                if call.times == 0:
                    continue
                try:
                    self._call(call)
                except CannotLower as reason:
                    raise self._refusal(call, str(reason)) from reason
                except (RuntimeError, TypeError, ValueError, LookupError) as error:
                    raise self._refusal(call, _first_line(error)) from error

    def result(self, ref: Ref) -> str:
        """The name of a tensor as it is at the end.

        Raises:
            CannotLower: it has none.
        """
        tensor = self._find(ref)
        name = self.memory.read(self._stand_in(ref, tensor))
        return name

    def _refusal(self, call: Call, reason: str) -> UnsupportedModelError:
        what = self._ops.get(call.index) or call.target
        return UnsupportedModelError(
            f"{what} ({call.target}, at {place(call)}) cannot be written as ONNX: {reason}"
        )

    def _call(self, call: Call) -> None:
        if call.times != 1:
            often = "nobody knows how often" if call.times is None else f"{call.times} times"
            raise CannotLower(f"it was read once and runs {often} (vmap, or a loop)")
        self._check_autocast(call)
        if call.constant and self._is_real(call):
            self._compute(call)
        else:
            self._write(call)

    def _check_autocast(self, call: Call) -> None:
        lower = call.autocast
        if lower is None:
            return
        if any(self._values[ref.value].dtype is lower for ref in call.writes):
            name = str(lower).removeprefix("torch.")
            raise CannotLower(
                f"it runs under autocast in {name}; call the model without autocast, or in that "
                "precision as a whole"
            )

    def _is_real(self, call: Call) -> bool:
        """Whether a constant call can be computed here, and makes nothing large."""
        reads = call.reads[1:] if call.shape_only else call.reads
        for ref in reads:
            tensor = self._find(ref)
            if tensor.is_meta or self.memory.is_symbolic(tensor):
                return False
        shared = {self._values[ref.value].storage for ref in call.reads}
        made = [self._values[ref.value] for ref in call.writes]
        return sum(prod(v.shape) for v in made if v.storage not in shared) <= LARGEST_FOLDED

    def _compute(self, call: Call) -> None:
        kept = [self._values[ref.value].tensor for ref in call.writes]
        if kept and all(t is not None and not t.is_meta for t in kept) and not call.mutated:
            for ref in call.writes:
                self._held.setdefault(ref.value, self._leaf(ref))
            return
        blank = call.reads[:1] if call.shape_only else ()

        def find(ref: Ref) -> torch.Tensor:
            if ref in blank:
                value = self._values[ref.value]
                return torch.empty_strided(value.shape, value.stride, dtype=value.dtype)
            return self._find(ref)

        result = call.function(*fill(call.args, find), **fill(call.kwargs, find))
        for ref in call.mutated:
            self.memory.touch(self._find(ref))
        for ref, tensor in _pairs(call.results, result):
            self._check(ref, tensor)
            self._held[ref.value] = tensor

    def _write(self, call: Call) -> None:
        root = call.index if call.repeats is None else call.repeats
        op = self._ops.get(root)
        since = self.emit.begin(op, op or call.target.rpartition(".")[2])

        def find(ref: Ref) -> torch.Tensor:
            return self._stand_in(ref, self._find(ref))

        self.lowering.unknown_shape = lambda: next(
            (self._values[ref.value].shape for ref in call.writes), None
        )
        self.lowering.expected = self._expected(call)
        given = self._indices(call) if call.target in _INDEXED else call.args
        args, kwargs = fill(given, find), fill(call.kwargs, find)
        before = [self.memory.version(find(ref)) for ref in call.mutated]
        result = self.lowering.call(call.function, args, kwargs)
        for ref, version in zip(call.mutated, before, strict=True):
            if self.memory.version(find(ref)) == version:
                raise CannotLower("it writes in place where it was not seen to")
        for ref, tensor in _pairs(call.results, result):
            self._check(ref, tensor)
            self._held.setdefault(ref.value, tensor)
        for ref in (*call.writes, *call.mutated):
            self._name(ref, since)

    def _name(self, ref: Ref, since: int) -> None:
        """Give a result the name that it has in the graph."""
        wanted = self._names.get(ref)
        tensor = self._held.get(ref.value)
        cell = None if tensor is None or not tensor.is_meta else self.memory.find(tensor)
        if wanted is None or cell is None or cell.name is None:
            return
        if cell.version == cell.store.version:
            self.emit.rename(cell.name, wanted, since)

    def _expected(self, call: Call) -> tuple[str, Spec] | None:
        """The one new tensor that a call gives, for the operator of the call's own name.

        Kernels for meta tensors are slow, and some bring torch's compiler in.
        """
        if call.mutated or not isinstance(call.results, Ref):
            return None
        value = self._values[call.results.value]
        if any(self._values[ref.value].storage == value.storage for ref in call.reads):
            return None
        word = call.target.rpartition(".")[2]
        return word, Spec(value.shape, value.stride, value.dtype)

    def _check(self, ref: Ref, tensor: torch.Tensor) -> None:
        value = self._values[ref.value]
        known = self._held.get(ref.value)
        if known is not None and not known.is_meta and tensor.is_meta:
            known = self._stand_in(ref, known)
        if known is not None and known is not tensor and not self._is_same(known, tensor):
            raise CannotLower("it gives another tensor than it gave when it was recorded")
        if known is None and (value.shape != tuple(tensor.shape) or value.dtype != tensor.dtype):
            raise CannotLower(
                f"it gives {tuple(tensor.shape)} {tensor.dtype} here, and gave {value.shape} "
                f"{value.dtype} when it was recorded"
            )

    def _is_same(self, known: torch.Tensor, tensor: torch.Tensor) -> bool:
        """Whether two objects are one value: a call that does nothing may return a new one."""
        if not (known.is_meta and tensor.is_meta):
            return False
        cells = self.memory.find(known), self.memory.find(tensor)
        return all(cells) and cells[0].name == cells[1].name  # type: ignore[union-attr]

    def _indices(self, call: Call) -> tuple[Any, ...]:
        """Indices as torch would read them: lists as tensors, single known numbers as numbers."""
        first, index, *rest = call.args

        def change(item: Any) -> Any:
            if type(item) is list:
                return torch.tensor(item)
            if type(item) is Ref:
                value, tensor = self._values[item.value], self._find(item)
                whole = value.shape == () and not value.dtype.is_floating_point
                if whole and value.dtype is not torch.bool:
                    if tensor.is_meta or self.memory.is_symbolic(tensor):
                        raise CannotLower("a single index that depends on data")
                    return int(tensor)
            return item

        if type(index) is tuple:
            return (first, tuple([change(item) for item in index]), *rest)
        return (first, change(index), *rest)

    def _find(self, ref: Ref) -> torch.Tensor:
        tensor = self._held.get(ref.value)
        if tensor is None:
            tensor = self._held[ref.value] = self._leaf(ref)
        return tensor

    def _stand_in(self, ref: Ref, tensor: torch.Tensor) -> torch.Tensor:
        """A meta tensor for whatever is held."""
        if tensor.is_meta:
            return tensor
        label = self._labels.get(ref.value) or self._names.get(ref)
        return self.memory.twin_of(tensor, label)

    def _input(self, value: Value) -> torch.Tensor:
        twin = _blank(value)
        assert value.name is not None
        self.memory.enter(twin, self.emit.fresh(value.name))
        return twin

    def _leaf(self, ref: Ref) -> torch.Tensor:
        value = self._values[ref.value]
        tensor = value.tensor
        if tensor is None:
            raise CannotLower("it reads a tensor that no call made")
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise CannotLower(f"{value.name or 'a tensor'} is not stored as plain numbers")
        label = self._names.get(Ref(value.index, 0)) or value.name
        if value.storage in self._leaves and value.storage in self._written:
            raise CannotLower(f"{label or 'a tensor'} shares memory that is written in place")
        if value.role == "parameter" or tensor.is_meta:
            self._leaves[value.storage] = value.index
            twin = _blank(value)
            self.memory.enter(twin, self.emit.store(tensor, label or "constant"))
            return twin
        if value.name is not None and label is not None:
            self._labels[value.index] = label
        if value.storage not in self._written:
            self.memory.trust(tensor)
            return tensor.detach()
        storage = self._storages.get(value.storage)
        if storage is None:
            storage = self._storages[value.storage] = tensor.detach().untyped_storage().clone()
        self._labels.pop(value.index, None)
        empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        return empty.set_(storage, tensor.storage_offset(), tensor.shape, tensor.stride())


def _blank(value: Value) -> torch.Tensor:
    return torch.empty_strided(value.shape, value.stride, dtype=value.dtype, device=META)


def _pairs(results: Any, actual: Any) -> Iterator[tuple[Ref, torch.Tensor]]:
    """Each recorded result with the one of now."""
    if isinstance(results, Ref):
        if not isinstance(actual, torch.Tensor):
            raise CannotLower("it gave a tensor when it was recorded, and gives none")
        yield results, actual
    elif isinstance(results, tuple | list):
        if len(results) != len(actual):
            raise CannotLower(f"it gave {len(results)} results, and gives {len(actual)}")
        for result, item in zip(results, actual, strict=True):
            yield from _pairs(result, item)
    elif isinstance(results, Mapping):
        for name, result in results.items():
            yield from _pairs(result, actual[name])


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
