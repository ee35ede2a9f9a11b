"""The trace of one forward: a mode that handles each torch function call, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from types import CodeType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _pop_mode_temporarily

from talaria_widget.frontends.torch import autocast, control, moves
from talaria_widget.frontends.torch.assume import assumed
from talaria_widget.frontends.torch.aten import as_public
from talaria_widget.frontends.torch.functions import Function, describe
from talaria_widget.frontends.torch.memory import (
    SMALL,
    Incomplete,
    Memory,
    Slot,
    meta_like,
    version,
)
from talaria_widget.frontends.torch.packed import Packed
from talaria_widget.frontends.torch.places import Places, find_source, show
from talaria_widget.frontends.torch.recording import Call, Ref, Trace
from talaria_widget.frontends.torch.replay import Replay, Unknown
from talaria_widget.frontends.torch.rounds import fold
from talaria_widget.frontends.torch.shapes import IN_PLACE, MEMO, META, build, by_rule
from talaria_widget.frontends.torch.structure import fill, refer, replace, tensors
from talaria_widget.graph import Role, Source

_FROM_DATA = frozenset(("tensor", "as_tensor", "from_numpy", "asarray", "frombuffer", "new_tensor"))
_TO_PYTHON = frozenset(("numpy", "array", "tolist"))
_STATISTICS = {
    "torch.nn.functional.batch_norm": "training",
    "torch.nn.functional.instance_norm": "use_input_stats",
}


# What a call on meta tensors raises where its kernel needs data, or there is none.
_META_FAILURES = (RuntimeError, TypeError, ValueError, IndexError, AssertionError, Incomplete)


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
        strict: whether an unknown meta tensor is a fault.
        recover: whether a call that fails on meta is tried on real tensors.
        packed: the tensors inside each packed object of the model, by its identity.
    """

    def __init__(
        self,
        registered: Mapping[int, tuple[str, Role]],
        places: Places,
        device: torch.device,
        boundary: CodeType,
        *,
        virtual: bool = True,
        strict: bool = True,
        recover: bool = True,
        packed: Mapping[int, tuple[Packed, ...]] | None = None,
    ) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self._device, self._virtual, self._recover = device, virtual, recover
        self._strict = strict
        self._places, self._boundary = places, boundary
        self._memory = Memory(registered, virtual=virtual, strict=strict)
        self._packed = packed or {}
        for held in (held for found in self._packed.values() for held in found):
            self._memory.adopt(held.tensor, held.name, held.role)
        self._calls: list[Call] = []
        self._queries: Counter[str] = Counter()
        self._notes: dict[str, None] = {}
        self._times: int | None = 1
        self._source: Source | None = None
        memory = self._memory
        self._replay = Replay(self._calls, memory.values, memory.creators, memory.writers, device)

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

    def start(self, arguments: Any) -> Any:
        """What the model is given in place of its real inputs."""
        return replace(arguments, self._memory.stand_in)

    def is_active(self) -> bool:
        """Whether the next call would be recorded."""
        depth = torch._C._len_torch_function_stack()
        return depth > 0 and torch._C._get_function_stack_at(depth - 1) is self

    @contextmanager
    def inside(self, times: int | None = 1) -> Iterator[None]:
        """Record the calls of a block, each as running so many times."""
        outer = self._times
        if outer == 0 or times == 0:
            self._times = 0
        else:
            self._times = None if outer is None or times is None else outer * times
        try:
            if self.is_active():
                yield
            else:
                with self:
                    yield
        finally:
            self._times = outer

    def ask(self, condition: Any) -> bool | None:
        """Whether a condition holds; `None` where nobody knows, and nothing is assumed."""
        strict, self._strict = self._strict, True
        try:
            with self.inside():
                return bool(condition)
        except Incomplete:
            return None
        finally:
            self._strict = strict

    def here(self) -> int:
        """The index of the next call."""
        return len(self._calls)

    def fold(self, starts: Sequence[int]) -> None:
        """Say that a round of a loop began at each of these calls, and the last one ends here."""
        fold(self._calls, self._memory.values, starts)

    def note(self, what: str) -> None:
        """Keep a sentence, with the line that it is about."""
        source = self._source or find_source(self._boundary)
        self._notes[f"{what}, at {source or self._places.path or 'the model itself'}"] = None

    def compose(
        self, target: str, function: Callable[[Any], Any], given: Any, like: Callable[[], Any]
    ) -> Any:
        """Record one call of a function; `like` makes results of its shapes without data."""
        with _pop_mode_temporarily():
            slots: list[Slot] = []
            described = Function(target, target.rpartition(".")[2], "call")
            call = self._begin(function, described, (given,), {}, slots)
            if not self._virtual:
                return self._run_real(call, slots)
            if all(slot.storage.known for slot in slots):
                return self._run_known(call, described, slots)
            return self._record(call, like(), [])

    def opaque(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Record one call whose inside is not seen."""
        with _pop_mode_temporarily():
            slots: list[Slot] = []
            described = Function(name, name.rpartition(".")[2], "call")
            call = self._begin(function, described, args, kwargs, slots)
            return self._run(call, described, slots)

    def adopt(self, tensor: torch.Tensor, name: str) -> None:
        """Take a constant for a parameter of the module that is being called."""
        path = self._places.path
        self._memory.adopt(tensor, f"{path}.{name}" if path else name)

    @contextmanager
    def standing_at(self, file: str, line: int, module: str) -> Iterator[None]:
        """Say where the calls of a block stand: a line, and a module below the present one."""
        outer, self._source = self._source, show(file, line)
        with self._places.below(module):
            try:
                yield
            finally:
                self._source = outer

    def finish(self, outputs: Any) -> Trace:
        """The trace, given the structure of what the forward returned.

        Raises:
            Incomplete: a tensor of it was made by no recorded call.
        """
        memory = self._memory
        found: dict[str, Ref] = {}
        for name, tensor in tensors(outputs):
            slot = memory.find(tensor) or memory.meet(tensor)
            if memory.creators[slot.index] is None and slot.role == "constant":
                self._notes[f"no recorded call made the output {name or 'of the model'}"] = None
            found[name] = memory.ref(slot)
        return Trace(
            calls=tuple(self._calls),
            values=tuple(memory.values),
            queries=dict(self._queries),
            outputs=found,
            notes=tuple(self._notes),
        )

    def _handle(self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        function = describe(func)
        treatment = function.treatment
        if treatment == "control":
            return control.run(self, function.word, args)
        if treatment == "aten":
            return self._handle(*as_public(func, args, kwargs))
        if treatment == "query":
            self._queries[function.word] += 1
            return func(*args, **kwargs)
        if treatment == "device":
            self._queries[function.word] += 1
            return moves.answer(function.word, self._device)
        if self._virtual and function.target.startswith("torch._ops.prims."):
            raise Incomplete("a scripted function ran on meta tensors as its decomposition")
        if function.target == "torch.Tensor.__iter__":
            return iter(self._handle(torch.Tensor.unbind, args, {}))
        if treatment == "move":
            args, kwargs = moves.without_device(function.word, args, kwargs)
            if len(args) == 1 and not kwargs:
                self._queries[function.word] += 1
                return args[0]
            func, function = torch.Tensor.to, describe(torch.Tensor.to)
        elif "device" in kwargs:
            kwargs = {**kwargs, "device": self._device}
        slots: list[Slot] = []
        call = self._begin(func, function, args, kwargs, slots)
        return self._run(call, function, slots)

    def _begin(
        self,
        func: Callable[..., Any],
        function: Function,
        args: Any,
        kwargs: dict[str, Any],
        slots: list[Slot],
    ) -> Call:
        """A call before it ran; the slots of its tensors are added to `slots` in order."""
        memory = self._memory

        def mark(tensor: torch.Tensor) -> Ref:
            slots.append(memory.meet(tensor))
            return memory.ref(slots[-1])

        unexplained = memory.unexplained
        args, kwargs = refer(args, mark), refer(kwargs, mark)
        if self._packed:
            slots += [memory.meet(held.tensor) for held in self._unpack((args, kwargs))]
        shape_only = function.treatment == "like" or (
            function.treatment == "random" and function.word.endswith("_like")
        )
        entering = [slot.storage for slot in (slots[1:] if shape_only else slots)]
        call = Call(
            index=len(self._calls),
            function=func,
            target=function.target,
            args=args,
            kwargs=kwargs,
            results=None,
            reads=tuple(map(memory.ref, slots)),
            writes=(),
            mutated=(),
            depends=any(storage.depends for storage in entering),
            trained=any(storage.trained for storage in entering),
            shape_only=shape_only,
            path=self._places.path,
            source=self._source or find_source(self._boundary),
            autocast=autocast.active(self._device),
            times=self._times,
        )
        if memory.unexplained > unexplained:
            self._note("a tensor enters that no recorded call made", call)
        return call

    def _unpack(self, item: Any) -> Iterator[Packed]:
        """The tensors in the packed objects among a call's arguments."""
        if isinstance(item, torch.ScriptObject):
            yield from self._packed.get(id(item), ())
        elif isinstance(item, tuple | list):
            for part in item:
                yield from self._unpack(part)
        elif isinstance(item, dict):
            yield from self._unpack(tuple(item.values()))

    def _run(self, call: Call, function: Function, slots: list[Slot]) -> Any:
        known = all(slot.storage.known for slot in slots[1 if call.shape_only else 0 :])
        if function.treatment == "read":
            return self._read(call, function, known=known)
        if not self._virtual:
            return self._run_real(call, slots)
        if known and self._is_small(call, function):
            return self._run_known(call, function, slots)
        if function.treatment == "select" or moves.selects(call, self._memory.values):
            return self._run_replayed(call, slots, None)
        return self._run_virtual(call, function, slots)

    def _read(self, call: Call, function: Function, *, known: bool) -> Any:
        """Data that leaves torch: from what is known, or from a replay."""
        self._queries[function.word] += 1
        if known or not self._virtual:
            find = self._memory.private_of if self._virtual else self._memory.object_of
            return call.function(*fill(call.args, find), **fill(call.kwargs, find))
        if call.depends and function.word in _TO_PYTHON:
            self._note(f"values leave torch through {function.word}", call)
        elif call.depends:
            self._note("what runs depends on data", call)
        try:
            return self._replay.run(call.function, call.args, call.kwargs)
        except Unknown as unknown:
            answer = None if self._strict else self._assume(call, function.word)
            if answer is not None:
                return answer
            raise Incomplete(
                f"{function.word} at {_place(call)} asks for data, but {unknown}"
            ) from unknown

    def _assume(self, call: Call, word: str) -> Any:
        """An answer for a model without values, noted."""
        memory = self._memory
        asked = call.reads[0].value if call.reads else None
        creator = None if asked is None else memory.creators[asked]
        made_by = "" if creator is None else self._calls[creator].target.rsplit(".", 1)[-1]
        truth = asked is not None and memory.values[asked].dtype is torch.bool
        answer = assumed(word, made_by.strip("_"), truth=truth)
        if answer is not None:
            self._note(f"the model has no values: {answer} is assumed where it asks for data", call)
        return answer

    def _run_real(self, call: Call, slots: list[Slot]) -> Any:
        find = self._memory.object_of
        before = [version(slot.object) for slot in slots]
        result = call.function(*fill(call.args, find), **fill(call.kwargs, find))
        written = [s for s, v in zip(slots, before, strict=True) if version(s.object) != v]
        self._record(call, result, written or self._written_unseen(call))
        return result

    def _run_known(self, call: Call, function: Function, slots: list[Slot]) -> Any:
        """Run a call whose tensors are all known and small on copies of their data."""
        leaf = function.treatment == "random" or function.word in _FROM_DATA
        if function.treatment == "random":
            self._note("random numbers are drawn, and frozen here", call)
        blank = call.reads[:1] if call.shape_only else ()

        def find(ref: Ref) -> torch.Tensor:
            return self._blank(ref) if ref in blank else self._memory.private_of(ref)

        args, kwargs = fill(call.args, find), fill(call.kwargs, find)
        before = [version(slot.private) for slot in slots]
        result = call.function(*args, **kwargs)
        written = [s for s, v in zip(slots, before, strict=True) if version(s.private) != v]
        return self._record(call, result, written, known=True, leaf=leaf)

    def _blank(self, ref: Ref) -> torch.Tensor:
        return self._memory.blank_of(ref, self._device)

    def _is_small(self, call: Call, function: Function) -> bool:
        """Whether a call on known tensors makes nothing large."""
        if function.treatment in ("random", "select") or function.word in _FROM_DATA:
            return True
        kwargs = _on_meta(call, function)
        find = self._memory.blank_of
        args, kwargs = fill(call.args, find), fill(kwargs, find)
        key = MEMO.key(call.function, args, kwargs)
        spec = None if key is None else MEMO.get(key)
        if spec is IN_PLACE:
            return True
        try:
            result = call.function(*args, **kwargs) if spec is None else build(spec)
        except _META_FAILURES:
            return True
        sizes = [prod(tensor.shape) for _, tensor in tensors(result)]
        return sum(sizes) <= SMALL

    def _run_virtual(self, call: Call, function: Function, slots: list[Slot]) -> Any:
        find = self._memory.twin_of
        args, kwargs = fill(call.args, find), fill(_on_meta(call, function), find)
        if call.autocast is not None:
            args = autocast.cast(function.word, args, self._device, call.autocast)
            kwargs = autocast.cast(function.word, kwargs, self._device, call.autocast)
        unseen = self._written_unseen(call)
        differentiated = torch.is_grad_enabled() and _differentiates(args, kwargs)
        spec = None if differentiated else by_rule(call.target, args, kwargs)
        key = None
        if spec is None and not (unseen or differentiated):
            key = MEMO.key(call.function, args, kwargs)
            spec = None if key is None else MEMO.get(key)
        if spec is IN_PLACE:
            return self._record(call, slots[0].twin, slots[:1])
        if spec is not None:
            return self._record(call, build(spec), unseen)
        before = [version(slot.twin) for slot in slots]
        try:
            result = call.function(*args, **kwargs)
        except Exception as error:
            result, key = self._run_with_sizes(call, slots), None
            if result is None:
                if not self._recover:
                    raise
                return self._run_replayed(call, slots, error)
        written = [s for s, v in zip(slots, before, strict=True) if version(s.twin) != v]
        if key is not None and not written and self._memory.is_fresh(result):
            MEMO.put(key, result)
        elif key is not None and self._is_in_place(call, result, written, slots):
            MEMO.put_spec(key, IN_PLACE)
        return self._record(call, result, written + unseen)

    def _run_with_sizes(self, call: Call, slots: list[Slot]) -> Any:
        """The result of a call that is given sizes as tensors, which meta ones cannot tell."""
        sizes = {
            slot.index
            for slot in slots
            if slot.storage.known and slot.object.dim() == 0 and not slot.object.is_floating_point()
        }
        if not sizes:
            return None
        memory = self._memory

        def find(ref: Ref) -> torch.Tensor:
            return memory.private_of(ref) if ref.value in sizes else memory.twin_of(ref)

        try:
            return call.function(*fill(call.args, find), **fill(call.kwargs, find))
        except _META_FAILURES:
            return None

    def _run_replayed(self, call: Call, slots: list[Slot], cause: Exception | None) -> Any:
        """Run a call on real values, because its shapes depend on them or meta cannot run it."""
        if cause is None and call.depends:
            self._note("shapes depend on data", call)
        try:
            real, written, known = self._replay.perform(call)
        except Unknown as unknown:
            if cause is not None and self._strict:
                raise cause from unknown
            said = f"{call.target} at {_place(call)} asks for data, but {unknown}"
            raise Incomplete(said) from unknown
        except Exception as error:
            if not torch.is_grad_enabled():  # a replay takes no gradients
                self.failure = error
            raise

        def virtual(tensor: torch.Tensor) -> torch.Tensor:
            index = known.get(id(tensor))
            return meta_like(tensor) if index is None else self._memory.twin_of(Ref(index, 0))

        mutated = [slot for slot in slots if slot.index in written]
        answer = self._record(call, replace(real, virtual), mutated)
        self._replay.keep(self._calls[-1], real)
        return answer

    def _record(
        self,
        call: Call,
        result: Any,
        written: list[Slot],
        *,
        known: bool = False,
        leaf: bool = False,
    ) -> Any:
        """Keep a call with its results; returns what the model gets."""
        memory = self._memory
        mutated = memory.write(written, call, known=known)
        writes: list[Ref] = []
        objects: dict[int, torch.Tensor] = {}

        def mark(tensor: torch.Tensor) -> Ref:
            slot = memory.find(tensor) or memory.make(tensor, call, known=known, leaf=leaf)
            objects[id(tensor)] = slot.object
            writes.append(memory.ref(slot))
            return writes[-1]

        results = refer(result, mark)
        self._calls.append(
            call.ran(results, tuple(writes), tuple([memory.ref(slot) for slot in mutated]))
        )
        return replace(result, lambda tensor: objects[id(tensor)])

    def _written_unseen(self, call: Call) -> list[Slot]:
        """What a call writes without the version counters of meta tensors showing it."""
        if call.target == "torch.Tensor.set_data":
            return [self._memory.slots[call.args[0].value]]
        word = _STATISTICS.get(call.target)
        if word is None or not _argument(call, 5, word):
            return []
        found = (_argument(call, 1, "running_mean"), _argument(call, 2, "running_var"))
        return [self._memory.slots[ref.value] for ref in found if isinstance(ref, Ref)]

    def _is_in_place(self, call: Call, result: Any, written: list[Slot], slots: list[Slot]) -> bool:
        """Whether a call wrote its first argument, alone and of the same shape, and returned it."""
        first = call.args[0] if call.args else None
        if not isinstance(first, Ref) or not isinstance(result, torch.Tensor):
            return False
        if result is not slots[0].twin:
            return False
        alone = [slot for slot in slots if slot.storage is slots[0].storage] == slots[:1]
        value = self._memory.values[slots[0].index]
        return alone and written == slots[:1] and value.shape == tuple(result.shape)

    def _note(self, what: str, call: Call) -> None:
        self._notes[f"{what}, at {_place(call)}"] = None


def _argument(call: Call, position: int, name: str) -> Any:
    return call.args[position] if len(call.args) > position else call.kwargs.get(name)


def _differentiates(*arguments: Any) -> bool:
    return any(tensor.requires_grad for _, tensor in tensors(arguments))


def _on_meta(call: Call, function: Function) -> Mapping[str, Any]:
    """A call's keyword arguments with its results on the meta device."""
    if "device" in call.kwargs or (function.treatment == "factory" and not call.reads):
        return {**call.kwargs, "device": META}
    return call.kwargs


def _place(call: Call) -> str:
    return str(call.source) if call.source else call.path or "the model itself"
