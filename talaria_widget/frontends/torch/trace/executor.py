"""How one call of a trace runs: on meta twins, on known data, or on real tensors."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch

from talaria_widget.frontends.torch.trace import autocast, moves
from talaria_widget.frontends.torch.trace.assume import assumed
from talaria_widget.frontends.torch.trace.functions import Function
from talaria_widget.frontends.torch.trace.log import Log
from talaria_widget.frontends.torch.trace.memory import (
    SMALL,
    Incomplete,
    Memory,
    Slot,
    meta_like,
    version,
)
from talaria_widget.frontends.torch.trace.recording import Call, Ref, place
from talaria_widget.frontends.torch.trace.replay import Replay, Unknown
from talaria_widget.frontends.torch.trace.shapes import IN_PLACE, MEMO, META, build, by_rule
from talaria_widget.frontends.torch.trace.structure import fill, replace, tensors

_FROM_DATA = frozenset(("tensor", "as_tensor", "from_numpy", "asarray", "frombuffer", "new_tensor"))
_TO_PYTHON = frozenset(("numpy", "array", "tolist"))
# Where the statistics that a norm in training writes stand, and the flag that says so.
_STATISTICS = {
    "torch.nn.functional.batch_norm": (1, 2, 5, "training"),
    "torch.nn.functional.instance_norm": (1, 2, 5, "use_input_stats"),
    "torch.batch_norm": (3, 4, 5, "training"),
    "torch.instance_norm": (3, 4, 5, "use_input_stats"),
}
# What a call on meta tensors raises where its kernel needs data, or there is none.
_META_FAILURES = (RuntimeError, TypeError, ValueError, IndexError, AssertionError, Incomplete)
# What torch says where a kernel for meta tensors wants a number out of one.
_NO_DATA = "cannot be called on meta tensors"


class Executor:
    """Runs calls, and has them logged.

    `failure` is what a call on real tensors raised, where it would raise so anywhere. While
    `strict`, nothing is assumed of data that nobody has.

    Args:
        log: where calls are kept.
        memory: the tensors met so far.
        device: where the model believes its tensors are.
        virtual: whether calls compute on meta twins.
        strict: whether a question about data that is not there is a fault.
        recover: whether a call that fails on meta is tried on real tensors.
    """

    def __init__(
        self,
        log: Log,
        memory: Memory,
        device: torch.device,
        *,
        virtual: bool,
        strict: bool,
        recover: bool,
    ) -> None:
        self.failure: Exception | None = None
        self.strict = strict
        self._log, self._memory, self._device = log, memory, device
        self._virtual, self._recover = virtual, recover
        self._replay = Replay(log.calls, memory.values, memory.creators, memory.writers, device)

    def run(self, call: Call, function: Function, slots: list[Slot]) -> Any:
        """What the model gets for a call."""
        known = all(slot.storage.known for slot in slots[1 if call.shape_only else 0 :])
        if function.treatment == "read":
            return self._read(call, function, known=known)
        if not self._virtual:
            return self.run_real(call, slots)
        if known and self._is_small(call, function):
            return self.run_known(call, function, slots)
        if function.treatment == "select" or moves.selects(call, self._memory.values):
            return self._run_replayed(call, slots, None)
        return self._run_virtual(call, function, slots)

    def _read(self, call: Call, function: Function, *, known: bool) -> Any:
        """Data that leaves torch: from what is known, or from a replay."""
        self._log.queries[function.word] += 1
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
            answer = None if self.strict else self._assume(call, function.word)
            if answer is not None:
                return answer
            raise Incomplete(
                f"{function.word} at {place(call)} asks for data, but {unknown}"
            ) from unknown

    def _assume(self, call: Call, word: str) -> Any:
        """An answer for a model without values, noted."""
        memory = self._memory
        asked = call.reads[0].value if call.reads else None
        creator = None if asked is None else memory.creators[asked]
        made_by = "" if creator is None else self._log.calls[creator].target.rsplit(".", 1)[-1]
        truth = asked is not None and memory.values[asked].dtype is torch.bool
        answer = assumed(word, made_by.strip("_"), truth=truth)
        if answer is not None:
            self._note(f"the model has no values: {answer} is assumed where it asks for data", call)
        return answer

    def run_real(self, call: Call, slots: list[Slot]) -> Any:
        """Run a call on the model's own tensors."""
        find = self._memory.object_of
        before = [version(slot.object) for slot in slots]
        result = call.function(*fill(call.args, find), **fill(call.kwargs, find))
        written = [s for s, v in zip(slots, before, strict=True) if version(s.object) != v]
        self._log.record(call, result, written or self._written_unseen(call))
        return result

    def run_known(self, call: Call, function: Function, slots: list[Slot]) -> Any:
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
        return self._log.record(call, result, written, known=True, leaf=leaf)

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
            return self._log.record(call, slots[0].twin, slots[:1])
        if spec is not None:
            return self._log.record(call, build(spec), unseen)
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
        return self._log.record(call, result, written + unseen)

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
            if cause is not None and _NO_DATA not in str(cause):
                raise cause from unknown
            said = f"{call.target} at {place(call)} asks for data, but {unknown}"
            raise Incomplete(said) from unknown
        except Exception as error:
            if not torch.is_grad_enabled():  # a replay takes no gradients
                self.failure = error
            raise

        def virtual(tensor: torch.Tensor) -> torch.Tensor:
            index = known.get(id(tensor))
            return meta_like(tensor) if index is None else self._memory.twin_of(Ref(index, 0))

        mutated = [slot for slot in slots if slot.index in written]
        answer = self._log.record(call, replace(real, virtual), mutated)
        self._replay.keep(self._log.calls[-1], real)
        return answer

    def _written_unseen(self, call: Call) -> list[Slot]:
        """What a call writes without the version counters of meta tensors showing it."""
        if call.target == "torch.Tensor.set_data":
            return [self._memory.slots[call.args[0].value]]
        mean, var, at, word = _STATISTICS.get(call.target, (0, 0, 0, ""))
        if not word or not _argument(call, at, word):
            return []
        found = (_argument(call, mean, "running_mean"), _argument(call, var, "running_var"))
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
        self._log.note(what, place(call))


def _argument(call: Call, position: int, name: str) -> Any:
    return call.args[position] if len(call.args) > position else call.kwargs.get(name)


def _differentiates(*arguments: Any) -> bool:
    return any(tensor.requires_grad for _, tensor in tensors(arguments))


def _on_meta(call: Call, function: Function) -> Mapping[str, Any]:
    """A call's keyword arguments with its results on the meta device."""
    if "device" in call.kwargs or (function.treatment == "factory" and not call.reads):
        return {**call.kwargs, "device": META}
    return call.kwargs
