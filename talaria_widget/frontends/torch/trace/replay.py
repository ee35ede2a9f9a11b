"""Real values on demand: the recorded ancestors of a value, run again on real tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any

import torch

from talaria_widget.frontends.torch.trace import held
from talaria_widget.frontends.torch.trace.functions import draws
from talaria_widget.frontends.torch.trace.held import Held
from talaria_widget.frontends.torch.trace.recording import Call, Ref, Value, references
from talaria_widget.frontends.torch.trace.structure import fill


class Unknown(Exception):
    """The values of a tensor are not to be had: it has none, as on the meta device."""


class Replay:
    """Runs parts of a trace again, each call once, on copies of whatever is written in place.

    It holds `held.LIMIT_BYTES` of results beyond what must stay; what it drops, it runs again
    when asked, so that what is quick to run goes first. What was written in place, or
    drawn at random, is never dropped.

    `writers` gives, per storage, the calls that wrote to it in order: a reference with
    version n has seen the first n of them.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        values: Sequence[Value],
        creators: Sequence[int | None],
        writers: Sequence[Sequence[int]],
        device: torch.device,
    ) -> None:
        self._calls, self._values, self._device = calls, values, device
        self._creators, self._writers = creators, writers
        self._reset()

    def _reset(self) -> None:
        self.held = Held()
        self._seconds = 0.0
        self._limit = held.LIMIT_BYTES
        self._leaves: dict[int, torch.Tensor] = {}
        self._storages: dict[int, torch.UntypedStorage] = {}
        self._done: set[int] = set()
        self._written: dict[int, int] = {}
        self._direct: set[int] = set()

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What a function gives on the real values of its arguments, which it must not write."""
        self._prepare(references((args, kwargs)))
        return function(*fill(args, self._find), **fill(kwargs, self._find))

    def perform(self, call: Call) -> tuple[Any, set[int], dict[int, int]]:
        """Run a call that is not recorded yet; a parameter among its arguments is copied.

        Returns its result, the values it wrote in place, and each argument's value by identity.
        """
        self._prepare(call.reads)
        for ref in call.reads:
            if self._values[ref.value].storage in self._direct:
                self._leaves[ref.value] = self._find(ref).clone()
        arguments = {ref.value: self._find(ref) for ref in call.reads}
        before = {value: _version(tensor) for value, tensor in arguments.items()}
        start = perf_counter()
        result = self._execute(call)
        self._seconds = perf_counter() - start
        written = {v for v, tensor in arguments.items() if _version(tensor) != before[v]}
        return result, written, {id(tensor): value for value, tensor in arguments.items()}

    def keep(self, call: Call, result: Any) -> None:
        """Remember the results of a call that was performed."""
        _assign(call.results, result, self.held, self._seconds)
        self._count(call)
        self._make_room({}, call.index)

    def _prepare(self, refs: Iterable[Ref]) -> None:
        wanted = list(refs)
        needed = self._ancestors(wanted)
        if self._stale(needed, wanted):
            self._reset()
            needed = self._ancestors(wanted)
        order = sorted(needed)
        last = {ref.value: index for index in order for ref in self._calls[index].reads}
        last.update({ref.value: len(self._calls) for ref in wanted})
        for index in order:
            call = self._calls[index]
            start = perf_counter()
            result = self._execute(call)
            _assign(call.results, result, self.held, perf_counter() - start)
            self._count(call)
            self._make_room(last, index)

    def _make_room(self, last: Mapping[int, int], now: int) -> None:
        """Where too many bytes are held, drop what is quickest to make again.

        `last` has the call that needs each value last, and `now` is the call that just ran.
        """
        if self.held.nbytes <= self._limit:
            return

        found = self.held.cheapest(self._can_be_made_again)
        stays = self.held.nbytes - sum(nbytes for _, nbytes in found)
        self._limit = stays + held.LIMIT_BYTES
        for values, _ in found:
            if self.held.nbytes <= stays + held.ROOM * held.LIMIT_BYTES:
                return
            if any(last.get(value, -1) > now for value in values):
                continue
            for value in values:
                self.held.drop(value)
                creator = self._creators[value]
                assert creator is not None
                self._done.discard(creator)

    def _can_be_made_again(self, value: int) -> bool:
        creator = self._creators[value]
        if creator is None:
            return False
        call = self._calls[creator]
        if call.mutated or draws(call.target):
            return False
        return not any(self._writers[self._values[ref.value].storage] for ref in call.writes)

    def _count(self, call: Call) -> None:
        self._done.add(call.index)
        for ref in call.mutated:
            storage = self._values[ref.value].storage
            self._written[storage] = self._written.get(storage, 0) + 1

    def _ancestors(self, wanted: list[Ref]) -> set[int]:
        needed: set[int] = set()
        pending = list(wanted)
        while pending:
            value, version = pending.pop()
            creator = self._creators[value]
            indices = list(self._writers[self._values[value].storage][:version])
            if creator is not None and value not in self.held:
                indices.append(creator)
            for index in indices:
                if index not in needed and index not in self._done:
                    needed.add(index)
                    call = self._calls[index]
                    pending += call.reads[1:] if call.shape_only else call.reads
        return needed

    def _stale(self, needed: set[int], wanted: list[Ref]) -> bool:
        reads = [*wanted, *(ref for index in needed for ref in self._calls[index].reads)]
        return any(
            self._written.get(self._values[ref.value].storage, 0) > ref.version for ref in reads
        ) or any(
            self._values[ref.value].storage in self._direct
            for index in needed
            for ref in self._calls[index].mutated
        )

    def _execute(self, call: Call) -> Any:
        blank = call.reads[:1] if call.shape_only else ()

        def find(ref: Ref) -> torch.Tensor:
            return self._blank(ref) if ref in blank else self._find(ref)

        args, kwargs = fill(call.args, find), fill(call.kwargs, find)
        if call.autocast is None:
            return call.function(*args, **kwargs)
        with torch.autocast(self._device.type, dtype=call.autocast):
            return call.function(*args, **kwargs)

    def _blank(self, ref: Ref) -> torch.Tensor:
        value = self._values[ref.value]
        return torch.empty_strided(
            value.shape, value.stride, dtype=value.dtype, device=self._device
        )

    def _find(self, ref: Ref) -> torch.Tensor:
        tensor = self.held.get(ref.value)
        if tensor is None:
            tensor = self._leaves.get(ref.value)
        if tensor is None:
            tensor = self._leaves[ref.value] = self._leaf(self._values[ref.value])
        return tensor

    def _leaf(self, value: Value) -> torch.Tensor:
        tensor = value.tensor
        if tensor is None or tensor.is_meta:
            raise Unknown(f"{value.name or 'a tensor'} has no values, being on the meta device")
        if value.role == "parameter" and not self._writers[value.storage]:
            self._direct.add(value.storage)
            return tensor.detach()
        storage = self._storages.get(value.storage)
        if storage is None:
            storage = self._storages[value.storage] = tensor.detach().untyped_storage().clone()
        empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        return empty.set_(storage, tensor.storage_offset(), tensor.shape, tensor.stride())


def _assign(results: Any, actual: Any, tensors: Held, seconds: float) -> None:
    if isinstance(results, Ref):
        tensors.put(results.value, actual, seconds)
    elif isinstance(results, tuple | list):
        for result, item in zip(results, actual, strict=True):
            _assign(result, item, tensors, seconds)
    elif isinstance(results, dict):
        for name, result in results.items():
            _assign(result, actual[name], tensors, seconds)


def _version(tensor: torch.Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version
