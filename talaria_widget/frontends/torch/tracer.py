"""The trace of one forward: a mode that handles each torch function call, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from types import CodeType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from talaria_widget.frontends.torch import autocast, moves
from talaria_widget.frontends.torch.functions import Function, describe
from talaria_widget.frontends.torch.places import Places, find_source
from talaria_widget.frontends.torch.recording import Call, Ref, Trace, Value
from talaria_widget.frontends.torch.replay import Replay
from talaria_widget.frontends.torch.shapes import IN_PLACE, MEMO, META, build, by_rule
from talaria_widget.frontends.torch.structure import fill, refer, replace, tensors
from talaria_widget.graph import Role

SMALL = 65_000
_WRITERS_UNSEEN: Mapping[str, tuple[tuple[int, str], ...]] = {
    "torch.nn.functional.batch_norm": ((1, "running_mean"), (2, "running_var")),
    "torch.nn.functional.instance_norm": ((1, "running_mean"), (2, "running_var")),
}


class Incomplete(Exception):
    """The trace on meta tensors lost sight of a tensor."""


class _Storage:
    """What is known of the memory that a tensor and its views share."""

    __slots__ = ("copy", "depends", "index", "known", "trained", "writers")

    def __init__(self, index: int, *, known: bool, depends: bool, trained: bool) -> None:
        self.index, self.known, self.depends, self.trained = index, known, depends, trained
        self.writers: list[int] = []
        self.copy: torch.UntypedStorage | None = None


class _Slot:
    """One tensor object: the model's own, its meta twin, and the real one calls may write."""

    __slots__ = ("index", "object", "private", "role", "storage", "twin")

    def __init__(self, index: int, tensor: torch.Tensor, role: Role, storage: _Storage) -> None:
        self.index, self.object, self.role, self.storage = index, tensor, role, storage
        self.twin: torch.Tensor | None = None
        self.private: torch.Tensor | None = None


class Tracer(TorchFunctionMode):
    """Records a forward.

    With `virtual` the forward computes on meta twins and reads data only when asked to;
    without, on the real tensors, which the caller must be able to spare.

    Args:
        registered: the name and role of each parameter, buffer and input, by identity.
        places: who is being called.
        device: where the model believes its tensors are.
        boundary: the code object at which the search for a source line ends.
        virtual: whether to compute on meta twins.
    """

    def __init__(
        self,
        registered: Mapping[int, tuple[str, Role]],
        places: Places,
        device: torch.device,
        boundary: CodeType,
        *,
        virtual: bool = True,
    ) -> None:
        super().__init__()
        self.device, self.virtual = device, virtual
        self.notes: dict[str, None] = {}
        self._registered, self._places, self._boundary = registered, places, boundary
        self._slots: list[_Slot] = []
        self._by_id: dict[int, _Slot] = {}
        self._by_storage: dict[int, _Storage] = {}
        self._calls: list[Call] = []
        self._values: list[Value] = []
        self._creators: list[int | None] = []
        self._writers: list[list[int]] = []
        self._queries: Counter[str] = Counter()
        self._replay = Replay(self._calls, self._values, self._creators, self._writers, device)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Handle one call."""
        if torch.is_inference_mode_enabled():
            with torch.inference_mode(False), torch.no_grad():
                return self._handle(func, args, kwargs or {})
        return self._handle(func, args, kwargs or {})

    def finish(self, outputs: Any) -> Trace:
        """The trace, given the structure of what the forward returned."""
        return Trace(
            calls=tuple(self._calls),
            values=tuple(self._values),
            queries=dict(self._queries),
            outputs={name: self._output(tensor) for name, tensor in tensors(outputs)},
            notes=tuple(self.notes),
        )

    def _output(self, tensor: torch.Tensor) -> Ref:
        slot = self._by_id.get(id(tensor))
        if slot is None and id(tensor) not in self._registered and tensor.is_meta:
            raise Incomplete("the model returned a tensor that no recorded call made")
        return self._ref(slot or self._enter(tensor))

    def enter_input(self, tensor: torch.Tensor) -> torch.Tensor:
        """What the model is given in place of a real input."""
        slot = self._by_id.get(id(tensor)) or self._enter(tensor)
        if not self.virtual:
            return tensor
        twin = self._twin(slot)
        slot.object = twin
        return twin

    def _handle(self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        function = describe(func)
        treatment = function.treatment
        if treatment == "query":
            self._queries[function.word] += 1
            return func(*args, **kwargs)
        if treatment == "device":
            self._queries[function.word] += 1
            return moves.answer(function.word, self.device)
        if function.word == "iter" and function.target == "torch.Tensor.__iter__":
            return iter(self._handle(torch.Tensor.unbind, args, {}))
        if treatment == "move":
            args, kwargs = moves.without_device(function.word, args, kwargs)
            if len(args) == 1 and not kwargs:
                self._queries[function.word] += 1
                return args[0]
            func, function = torch.Tensor.to, describe(torch.Tensor.to)
        elif "device" in kwargs:
            kwargs = {**kwargs, "device": self.device}
        return self._call(func, function, args, kwargs)

    def _call(
        self, func: Callable[..., Any], function: Function, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        slots: list[_Slot] = []

        def mark(tensor: torch.Tensor) -> Ref:
            slot = self._by_id.get(id(tensor))
            if slot is None:
                slot = self._enter(tensor)
            slots.append(slot)
            return self._ref(slot)

        args, kwargs = refer(args, mark), refer(kwargs, mark)
        shape_only = function.treatment == "like" or (
            function.treatment == "random" and function.word.endswith("_like")
        )
        reads = slots[1:] if shape_only else slots
        call = Call(
            index=len(self._calls),
            function=func,
            target=function.target,
            args=args,
            kwargs=kwargs,
            results=None,
            reads=tuple([self._ref(slot) for slot in slots]),
            writes=(),
            mutated=(),
            depends=any(slot.storage.depends for slot in reads),
            trained=any(slot.storage.trained for slot in reads),
            shape_only=shape_only,
            path=self._places.path,
            source=find_source(self._boundary),
            autocast=autocast.active(self.device),
        )
        if function.treatment == "read":
            return self._read(call, function, slots)
        if not self.virtual:
            return self._run_real(call, slots)
        if shape_only:
            return self._run_known(call, slots, function)
        if all(slot.storage.known for slot in slots):
            return self._run_known(call, slots, function)
        if function.treatment == "select" or moves.selects(call, self._values):
            return self._run_replayed(call, slots, None)
        return self._run_virtual(call, function, slots)

    def _read(self, call: Call, function: Function, slots: list[_Slot]) -> Any:
        self._queries[function.word] += 1
        if not self.virtual:
            return call.function(*fill(call.args, self._object), **fill(call.kwargs, self._object))
        if all(slot.storage.known for slot in slots):
            find = self._private_of
            return call.function(*fill(call.args, find), **fill(call.kwargs, find))
        answer = self._from_data(lambda: self._replay.run(call.function, call.args, call.kwargs))
        place = self._place(call)
        if call.depends and function.word in ("numpy", "array", "tolist"):
            self.notes[f"values leave torch through {function.word} at {place}"] = None
        elif call.depends:
            self.notes[f"what runs depends on data, at {place}"] = None
        return answer

    def _run_real(self, call: Call, slots: list[_Slot]) -> Any:
        before = [_version(slot.object) for slot in slots]
        result = call.function(*fill(call.args, self._object), **fill(call.kwargs, self._object))
        written = [s for s, v in zip(slots, before, strict=True) if _version(s.object) != v]
        self._record(call, result, self._unseen(call, written), known=False)
        return result

    def _run_known(self, call: Call, slots: list[_Slot], function: Function) -> Any:
        if not self._small(call, function):
            return self._run_virtual(call, function, slots)
        find = self._blank if call.shape_only else self._private_of
        before = [_version(slot.private) for slot in slots]
        arguments = fill(call.args, find), fill(call.kwargs, find)
        result = call.function(*arguments[0], **arguments[1])
        written = [s for s, v in zip(slots, before, strict=True) if _version(s.private) != v]
        leaf = function.treatment == "random" or function.word in _FROM_DATA
        return self._record(call, result, written, known=True, leaf=leaf)

    def _small(self, call: Call, function: Function) -> bool:
        """Whether a call on known tensors makes nothing large."""
        if function.treatment in ("random", "select") or function.word in _FROM_DATA:
            return True
        try:
            sized = self._infer(call, function)
        except Exception:
            return True
        sizes: list[int] = []
        replace(sized, lambda tensor: sizes.append(prod(tensor.shape)) or tensor)  # type: ignore[func-returns-value]
        return sum(sizes) <= SMALL

    def _infer(self, call: Call, function: Function) -> Any:
        kwargs = dict(call.kwargs)
        if "device" in kwargs or function.treatment == "factory":
            kwargs["device"] = META
        args, kwargs = fill(call.args, self._fresh_twin), fill(kwargs, self._fresh_twin)
        key = MEMO.key(call.function, args, kwargs)
        spec = None if key is None else MEMO.get(key)
        return build(spec) if spec is not None else call.function(*args, **kwargs)

    def _run_virtual(self, call: Call, function: Function, slots: list[_Slot]) -> Any:
        kwargs = call.kwargs
        if "device" in kwargs or (function.treatment == "factory" and not slots):
            kwargs = {**kwargs, "device": META}
        args, kwargs = fill(call.args, self._twin_of), fill(kwargs, self._twin_of)
        if call.autocast is not None:
            args = autocast.cast(function.word, args, self.device, call.autocast)
            kwargs = autocast.cast(function.word, kwargs, self.device, call.autocast)
        unseen = self._unseen(call, [])
        key = None if unseen else MEMO.key(call.function, args, kwargs)
        spec = None if key is None else MEMO.get(key)
        if spec is None:
            spec = by_rule(call.target, args, kwargs)
            if spec is not None and key is not None:
                MEMO.put_spec(key, spec)
        if spec is IN_PLACE:
            return self._record(call, slots[0].twin, slots[:1], known=False)
        if spec is not None:
            return self._record(call, build(spec), [], known=False)
        before = [_version(slot.twin) for slot in slots]
        try:
            result = call.function(*args, **kwargs)
        except Exception as error:
            return self._run_replayed(call, slots, error)
        written = [s for s, v in zip(slots, before, strict=True) if _version(s.twin) != v]
        if key is not None and not written and self._is_fresh(result):
            MEMO.put(key, result)
        elif key is not None and self._is_in_place(call, result, written, slots):
            MEMO.put_spec(key, IN_PLACE)
        return self._record(call, result, written + unseen, known=False)

    def _run_replayed(self, call: Call, slots: list[_Slot], cause: Exception | None) -> Any:
        """Run a call on real values, because its shapes depend on them or meta cannot run it."""
        real, written, known = self._from_data(lambda: self._replay.perform(call), cause)
        if cause is None and call.depends:
            self.notes[f"shapes depend on data, at {self._place(call)}"] = None
        mutated = [slot for slot in slots if slot.index in written]
        result = replace(real, lambda tensor: self._virtual_of(tensor, known))
        answer = self._record(call, result, mutated, known=False)
        self._replay.keep(self._calls[-1], real)
        return answer

    def _virtual_of(self, real: torch.Tensor, known: Mapping[int, int]) -> torch.Tensor:
        index = known.get(id(real))
        if index is not None:
            return self._twin(self._slots[index])
        return _meta_like(real)

    def _from_data(self, work: Callable[[], Any], cause: Exception | None = None) -> Any:
        try:
            return work()
        except LookupError as missing:
            raise cause or missing from missing

    def _record(
        self,
        call: Call,
        result: Any,
        written: list[_Slot],
        *,
        known: bool,
        leaf: bool = False,
    ) -> Any:
        """Keep a call with its results; returns what the model gets."""
        mutated = {slot.storage.index: slot for slot in written}
        for slot in mutated.values():
            storage = slot.storage
            storage.writers.append(call.index)
            storage.known = storage.known and known
            storage.depends |= call.depends
            storage.trained |= call.trained
        writes: list[Ref] = []

        def mark(tensor: torch.Tensor) -> Ref:
            slot = self._by_id.get(id(tensor))
            if slot is None:
                slot = self._make(tensor, call, known=known, leaf=leaf)
            writes.append(self._ref(slot))
            return writes[-1]

        results = refer(result, mark)
        self._calls.append(
            _finished(call, results, writes, [self._ref(slot) for slot in mutated.values()])
        )
        return replace(result, self._model_object)

    def _model_object(self, tensor: torch.Tensor) -> torch.Tensor:
        return self._by_id[id(tensor)].object

    def _make(self, tensor: torch.Tensor, call: Call, *, known: bool, leaf: bool) -> _Slot:
        """A slot for a tensor that a call made."""
        key = _storage_key(tensor)
        storage = self._by_storage.get(key)
        role: Role = "activation" if call.depends or call.trained else "constant"
        if storage is None:
            storage = self._new_storage(
                key, known=known, depends=call.depends, trained=call.trained
            )
        slot = self._new_slot(tensor, role, storage, None if leaf else call.index)
        if known:
            slot.private = tensor
            if leaf:
                self._set_value(slot, None, tensor.detach().clone())
        elif self.virtual:
            slot.twin = tensor
        return slot

    def _enter(self, tensor: torch.Tensor) -> _Slot:
        """A slot for a tensor that no call made: parameter, buffer, input or constant."""
        name, role = self._registered.get(id(tensor), (None, "constant"))
        if name is None and tensor.is_meta and self.virtual and self.device.type != "meta":
            raise Incomplete("a tensor appeared that no recorded call made")
        key = _storage_key(tensor)
        storage = self._by_storage.get(key)
        if storage is None:
            known = (
                role in ("buffer", "constant") and not tensor.is_meta and tensor.numel() <= SMALL
            )
            storage = self._new_storage(
                key, known=known, depends=role == "input", trained=role == "parameter"
            )
        slot = self._new_slot(tensor, role, storage, None)
        snapshot = name is None and not tensor.is_meta and tensor.numel() <= SMALL
        self._set_value(slot, name, tensor.detach().clone() if snapshot else tensor)
        return slot

    def _new_storage(self, key: int, *, known: bool, depends: bool, trained: bool) -> _Storage:
        storage = _Storage(len(self._writers), known=known, depends=depends, trained=trained)
        self._by_storage[key] = storage
        self._writers.append(storage.writers)
        return storage

    def _new_slot(
        self, tensor: torch.Tensor, role: Role, storage: _Storage, creator: int | None
    ) -> _Slot:
        slot = _Slot(len(self._slots), tensor, role, storage)
        self._slots.append(slot)
        self._by_id[id(tensor)] = slot
        self._creators.append(creator)
        self._values.append(
            Value(
                slot.index,
                role,
                None,
                tuple(tensor.shape),
                _stride(tensor),
                tensor.dtype,
                storage.index,
                None,
            )
        )
        return slot

    def _set_value(self, slot: _Slot, name: str | None, tensor: torch.Tensor) -> None:
        old = self._values[slot.index]
        self._values[slot.index] = Value(
            old.index, old.role, name, old.shape, old.stride, old.dtype, old.storage, tensor
        )

    def _ref(self, slot: _Slot) -> Ref:
        return Ref(slot.index, len(slot.storage.writers))

    def _object(self, ref: Ref) -> torch.Tensor:
        return self._slots[ref.value].object

    def _twin_of(self, ref: Ref) -> torch.Tensor:
        slot = self._slots[ref.value]
        return slot.twin if slot.twin is not None else self._twin(slot)

    def _fresh_twin(self, ref: Ref) -> torch.Tensor:
        value = self._values[ref.value]
        return torch.empty_strided(value.shape, value.stride, dtype=value.dtype, device=META)

    def _twin(self, slot: _Slot) -> torch.Tensor:
        if slot.twin is None:
            slot.twin = _meta_like(slot.object)
            self._by_id[id(slot.twin)] = slot
            self._by_storage[_storage_key(slot.twin)] = slot.storage
        return slot.twin

    def _blank(self, ref: Ref) -> torch.Tensor:
        value = self._values[ref.value]
        return torch.empty_strided(value.shape, value.stride, dtype=value.dtype)

    def _private_of(self, ref: Ref) -> torch.Tensor:
        slot = self._slots[ref.value]
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

    def _unseen(self, call: Call, written: list[_Slot]) -> list[_Slot]:
        """The statistics that a norm in training writes without meta tensors showing it."""
        names = _WRITERS_UNSEEN.get(call.target)
        if names is None or written:
            return written
        word = "training" if call.target.endswith("batch_norm") else "use_input_stats"
        training = call.args[5] if len(call.args) > 5 else call.kwargs.get(word)
        if not training:
            return written
        found = [
            call.args[at] if len(call.args) > at else call.kwargs.get(name) for at, name in names
        ]
        return [self._slots[ref.value] for ref in found if isinstance(ref, Ref)]

    def _is_fresh(self, result: Any) -> bool:
        fresh = True

        def look(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal fresh
            fresh = fresh and id(tensor) not in self._by_id
            fresh = fresh and _storage_key(tensor) not in self._by_storage
            return tensor

        replace(result, look)
        return fresh

    def _is_in_place(
        self, call: Call, result: Any, written: list[_Slot], slots: list[_Slot]
    ) -> bool:
        """Whether a call wrote its first argument, alone and of the same shape, and returned it."""
        if not call.args or not isinstance(call.args[0], Ref) or result is not slots[0].twin:
            return False
        alone = [slot for slot in slots if slot.storage is slots[0].storage] == slots[:1]
        value = self._values[slots[0].index]
        return alone and written == slots[:1] and value.shape == tuple(result.shape)

    def _place(self, call: Call) -> str:
        return str(call.source) if call.source else call.path or "the model"


_FROM_DATA = frozenset("tensor as_tensor from_numpy asarray frombuffer new_tensor".split())


def _finished(call: Call, results: Any, writes: list[Ref], mutated: list[Ref]) -> Call:
    object.__setattr__(call, "results", results)
    object.__setattr__(call, "writes", tuple(writes))
    object.__setattr__(call, "mutated", tuple(mutated))
    return call


def _storage_key(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except NotImplementedError:
        return id(tensor)


def _version(tensor: torch.Tensor | None) -> int:
    return -1 if tensor is None or tensor.is_inference() else tensor._version


def _stride(tensor: torch.Tensor) -> tuple[int, ...]:
    return tensor.stride() if tensor.layout is torch.strided else ()


def _meta_like(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        raise Incomplete(f"a tensor of layout {tensor.layout} has no meta twin")
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
