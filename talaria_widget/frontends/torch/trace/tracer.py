"""The trace of one forward: a mode that handles each torch function call, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import CodeType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode, _pop_mode_temporarily

from talaria_widget.frontends.torch.bodies import control
from talaria_widget.frontends.torch.packed import Packed, is_packed, unpack
from talaria_widget.frontends.torch.table.aten import as_public
from talaria_widget.frontends.torch.trace import autocast, moves
from talaria_widget.frontends.torch.trace.executor import Executor
from talaria_widget.frontends.torch.trace.functions import Function, describe
from talaria_widget.frontends.torch.trace.log import Log
from talaria_widget.frontends.torch.trace.memory import Incomplete, Memory, Slot
from talaria_widget.frontends.torch.trace.places import Places, find_source, show
from talaria_widget.frontends.torch.trace.recording import Call, Ref, Trace, place
from talaria_widget.frontends.torch.trace.rounds import fold
from talaria_widget.frontends.torch.trace.structure import refer, replace
from talaria_widget.graph import Role, Source


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
        self._device, self._virtual = device, virtual
        self._places, self._boundary = places, boundary
        self._memory = Memory(registered, virtual=virtual, strict=strict)
        self._packed = dict(packed or {})
        self._held: list[Any] = []
        for held in (held for found in self._packed.values() for held in found):
            self._memory.adopt(held.tensor, held.name, held.role)
        self._log = Log(self._memory)
        self._executor = Executor(
            self._log, self._memory, device, virtual=virtual, strict=strict, recover=recover
        )
        self._times: int | None = 1
        self._source: Source | None = None

    @property
    def failure(self) -> Exception | None:
        """What a call on real tensors raised, where it would raise so anywhere."""
        return self._executor.failure

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
        strict, self._executor.strict = self._executor.strict, True
        try:
            with self.inside():
                return bool(condition)
        except Incomplete:
            return None
        finally:
            self._executor.strict = strict

    def here(self) -> int:
        """The index of the next call."""
        return len(self._log.calls)

    def fold(self, starts: Sequence[int]) -> None:
        """Say that a round of a loop began at each of these calls, and the last one ends here."""
        fold(self._log.calls, self._memory.values, starts)

    def note(self, what: str) -> None:
        """Keep a sentence, with the line that it is about."""
        source = self._source or find_source(self._boundary)
        self._log.note(what, str(source or self._places.path or "the model itself"))

    def compose(
        self, target: str, function: Callable[[Any], Any], given: Any, like: Callable[[], Any]
    ) -> Any:
        """Record one call of a function; `like` makes results of its shapes without data."""
        with _pop_mode_temporarily():
            slots: list[Slot] = []
            described = Function(target, target.rpartition(".")[2], "call")
            call = self._begin(function, described, (given,), {}, slots)
            if not self._virtual:
                return self._executor.run_real(call, slots)
            if all(slot.storage.known for slot in slots):
                return self._executor.run_known(call, described, slots)
            return self._log.record(call, like(), [])

    def opaque(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Record one call whose inside is not seen."""
        with _pop_mode_temporarily():
            slots: list[Slot] = []
            described = Function(name, name.rpartition(".")[2], "call")
            call = self._begin(function, described, args, kwargs, slots)
            return self._executor.run(call, described, slots)

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
        return self._log.trace(outputs)

    def _handle(self, func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        function = describe(func)
        treatment = function.treatment
        if treatment == "control":
            return control.run(self, function.word, args)
        if treatment == "aten":
            return self._handle(*as_public(func, args, kwargs))
        if treatment == "query":
            self._log.queries[function.word] += 1
            return func(*args, **kwargs)
        if treatment == "device":
            self._log.queries[function.word] += 1
            return moves.answer(function.word, self._device)
        if self._virtual and function.target.startswith("torch._ops.prims."):
            raise Incomplete("a scripted function ran on meta tensors as its decomposition")
        if function.target == "torch.Tensor.__iter__":
            return iter(self._handle(torch.Tensor.unbind, args, {}))
        if treatment == "move":
            args, kwargs = moves.without_device(function.word, args, kwargs)
            if len(args) == 1 and not kwargs:
                self._log.queries[function.word] += 1
                return args[0]
            func, function = torch.Tensor.to, describe(torch.Tensor.to)
        elif "device" in kwargs:
            kwargs = {**kwargs, "device": self._device}
        slots: list[Slot] = []
        call = self._begin(func, function, args, kwargs, slots)
        return self._executor.run(call, function, slots)

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
        if self._packed or "quantized" in function.target:
            slots += [memory.meet(held.tensor) for held in self._unpack((args, kwargs))]
        shape_only = function.treatment == "like" or (
            function.treatment == "random" and function.word.endswith("_like")
        )
        entering = [slot.storage for slot in (slots[1:] if shape_only else slots)]
        call = Call(
            index=len(self._log.calls),
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
            self._log.note("a tensor enters that no recorded call made", place(call))
        return call

    def _unpack(self, item: Any) -> Iterator[Packed]:
        """The tensors in the packed objects among a call's arguments."""
        if isinstance(item, torch.ScriptObject):
            yield from self._packed.get(id(item)) or self._meet_packed(item)
        elif isinstance(item, tuple | list):
            for part in item:
                yield from self._unpack(part)
        elif isinstance(item, dict):
            yield from self._unpack(tuple(item.values()))

    def _meet_packed(self, item: Any) -> tuple[Packed, ...]:
        """The tensors of a packed object that no module holds in sight: TorchScript's."""
        if not is_packed(item):
            return ()
        self._held.append(item)
        path = self._places.path
        found = unpack(item, f"{path}.packed_{len(self._held)}." if path else f"{len(self._held)}.")
        self._packed[id(item)] = found
        for held in found:
            self._memory.adopt(held.tensor, held.name, held.role)
        return found
