"""ATen calls as torch makes them, caught before any of them is decomposed, and written as nodes.

Private torch: the only mode that the pre-dispatch key admits beside its own two is
`SchemaCheckMode`, so this one says it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._ops import OpOverload, _set_mode_pre_dispatch, unset_mode_pre_dispatch
from torch._subclasses.schema_check_mode import SchemaCheckMode
from torch.utils._python_dispatch import TorchDispatchMode

from talaria_widget.frontends.torch.trace.shapes import Memo, Spec, build
from talaria_widget.rewrite.lower.emit import CannotLower, Emit
from talaria_widget.rewrite.lower.memory import META, Memory, Step, storage_key
from talaria_widget.rewrite.lower.plans import DATA_SHAPED, REFUSED_WRITES, Plan, tensors
from talaria_widget.rewrite.lower.rules import COMPLEX_RULES, RULES
from talaria_widget.rewrite.lower.views import inverse

Names = str | tuple[str | None, ...] | None
LARGEST_FOLDED = 2**20
"""Elements of a constant that is computed here; a larger one is left to the runtime."""
_RESULTS = Memo()
_NUMBERS = (int, float, bool)


class Lowering(SchemaCheckMode):
    """Writes each ATen call that happens under it, by a rule.

    Args:
        tail: what writes a call that no rule knows.
        known_to_tail: whether it knows an operator.
    """

    def __init__(
        self,
        tail: Callable[[Emit, Any, Any, Any, Any], Names],
        known_to_tail: Callable[[Any], bool],
    ) -> None:
        TorchDispatchMode.__init__(self, torch._C.DispatchKey.PreDispatch)
        self.memory = Memory(self._replay, inverse)
        self.emit = self.memory.emit
        self.unknown_shape: Callable[[], tuple[int, ...] | None] = lambda: None
        self.expected: tuple[str, Spec] | None = None
        self._plans: dict[OpOverload, Plan] = {}
        self._tail, self._known_to_tail = tail, known_to_tail

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Private torch: else each call goes through the compiler, which is not even imported."""
        return False

    @contextmanager
    def active(self) -> Iterator[None]:
        """Be ready to catch calls; entering is slow, and done once."""
        with torch.no_grad(), self:
            yield

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What a function gives, every operator that it calls written."""
        with enable_python_dispatcher():
            return function(*args, **kwargs)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Write one call."""
        plan = self._plans.get(func)
        if plan is None:
            plan = self._plans[func] = Plan(func)
        args, kwargs = self._on_meta(args, kwargs or {})
        if self._is_known(plan, args, kwargs):
            folded, result = self._fold(func, plan, args, kwargs)
            if folded:
                return result
        if plan.writes:
            return self._write(func, plan, args, kwargs)
        if self._rule(func, plan, args, kwargs) is None:
            if plan.composite:
                return self._decompose(func.decompose, args, kwargs)
            if plan.parts is not None and not self._known_to_tail(func):
                return self._decompose(plan.parts, args, kwargs)
        return self._new(func, plan, args, kwargs)

    def _decompose(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run what a call is made of, and catch that."""
        _set_mode_pre_dispatch(self)
        try:
            return function(*args, **kwargs)
        finally:
            unset_mode_pre_dispatch(None, schema_check=True)

    def _on_meta(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Arguments with a meta tensor for each real one."""

        def stand_in(item: Any) -> Any:
            if isinstance(item, torch.Tensor):
                return item if item.is_meta else self.memory.twin_of(item)
            if type(item) in (list, tuple):
                return type(item)([stand_in(part) for part in item])
            return META if isinstance(item, torch.device) else item

        return tuple([stand_in(item) for item in args]), {
            name: stand_in(item) for name, item in kwargs.items()
        }

    def _is_known(self, plan: Plan, args: Any, kwargs: Any) -> bool:
        if plan.random:
            return False
        if plan.factory:
            return True
        for tensor in tensors(args, kwargs):
            cell = self.memory.cell(tensor)
            if cell.store.symbolic or cell.real is None:
                return False
        return True

    def _fold(self, func: Any, plan: Plan, args: Any, kwargs: Any) -> tuple[bool, Any]:
        """Compute a call on known values; whether that was done, and the meta result."""
        memory = self.memory
        found = [memory.cell(tensor) for tensor in tensors(args, kwargs)]
        reals = {id(cell.twin): cell.real for cell in found}
        if plan.writes:
            for cell in found:
                if cell.label is not None:
                    return False, None
        twin = None
        if plan.factory or plan.may_alias or plan.writes:
            kwargs = {**kwargs, "device": META} if plan.factory else kwargs
            with torch._C._DisablePythonDispatcher():
                twin = func(*args, **kwargs)
            if sum(t.numel() for t in tensors((twin,), {})) > LARGEST_FOLDED and not plan.may_alias:
                return False, None
        elif sum(cell.twin.numel() for cell in found) > LARGEST_FOLDED:
            return False, None

        def real(item: Any) -> Any:
            if isinstance(item, torch.Tensor):
                return reals.get(id(item), item)
            if type(item) in (list, tuple):
                return type(item)([real(part) for part in item])
            return torch.device("cpu") if isinstance(item, torch.device) else item

        with torch._C._DisablePythonDispatcher():
            result = func(
                *[real(item) for item in args], **{name: real(v) for name, v in kwargs.items()}
            )
        if plan.writes:
            for cell in found[:1]:
                cell.store.version += 1
            return True, args[0]
        step = Step(func, args, kwargs)
        return True, self._pair(result, twin, found, step)

    def _pair(self, result: Any, twin: Any, found: Any, step: Step) -> Any:
        """The meta tensors of a folded result, each entered with its real one."""
        if not isinstance(result, torch.Tensor | list | tuple):
            return result
        if not isinstance(result, torch.Tensor):
            twins = [None] * len(result) if twin is None else twin
            paired = zip(result, twins, strict=True)
            return type(result)(
                [self._pair(r, t, found, replace(step, index=i)) for i, (r, t) in enumerate(paired)]
            )
        memory = self.memory
        if twin is None:
            twin = torch.empty_strided(
                result.shape, result.stride(), dtype=result.dtype, device=META
            )
        if id(twin) in memory._cells:
            return twin
        key = storage_key(twin)
        for cell in found:
            if storage_key(cell.twin) == key:
                memory.view(twin, cell, step, None).real = result
                return twin
        memory.fold(twin, result)
        return twin

    def _new(self, func: Any, plan: Plan, args: Any, kwargs: Any) -> Any:
        """Write a call that writes nothing in place."""
        twin = self._result(func, plan, args, kwargs)
        names = self._names(func, plan, twin, args, kwargs)
        if isinstance(twin, torch.Tensor):
            self._bind(twin, names, Step(func, args, kwargs), args)
        elif isinstance(twin, list | tuple):
            for i, (part, name) in enumerate(zip(twin, names or (), strict=True)):
                if part is not None:
                    self._bind(part, name, Step(func, args, kwargs, i), args)
        else:
            raise CannotLower(f"{func} asks for data")
        return twin

    def _rule(self, func: Any, plan: Plan, args: Any, kwargs: Any) -> Any:
        """The rule for a call: numbers and pairs of numbers have different ones."""
        if any(tensor.is_complex() for tensor in tensors(args, kwargs)):
            return COMPLEX_RULES.get(func)
        return plan.rule

    def _names(self, func: Any, plan: Plan, twin: Any, args: Any, kwargs: Any) -> Names:
        rule = self._rule(func, plan, args, kwargs)
        if rule is not None:
            found: Names = rule(self.emit, twin, *args, **kwargs)
            return found
        if plan.random:
            raise CannotLower(f"{func} draws random numbers")
        return self._tail(self.emit, func, twin, args, kwargs)

    def _bind(self, twin: torch.Tensor, name: Any, step: Step, args: Any) -> None:
        memory = self.memory
        if id(twin) in memory._cells:
            return
        if storage_key(twin) in memory._stores:
            key = storage_key(twin)
            parent = next(t for t in tensors(args, {}) if storage_key(t) == key)
            memory.view(twin, memory.cell(parent), step, name)
        elif name is not None:
            memory.enter(twin, name)

    def _result(self, func: Any, plan: Plan, args: Any, kwargs: Any) -> Any:
        """The meta result of a call; where only data tell its shape, as it was recorded."""
        if self.expected is not None and plan.word == self.expected[0] and not plan.may_alias:
            spec, self.expected = self.expected[1], None
            return spec.build()
        if plan.factory:
            kwargs = {**kwargs, "device": META}
        key = None if plan.may_alias else _RESULTS.key(func, args, kwargs)
        if key is not None and (spec := _RESULTS.get(key)) is not None:
            return build(spec)
        try:
            with torch._C._DisablePythonDispatcher():
                result = func(*args, **kwargs)
        except (RuntimeError, NotImplementedError) as error:
            shape = self.unknown_shape()
            extent, dtype = DATA_SHAPED.get(func, (None, None))
            if func is torch.ops.aten._local_scalar_dense.default:
                raise CannotLower("it asks for a number that depends on the inputs") from error
            if shape is None or extent is None or dtype is None:
                raise CannotLower(f"{func} cannot be had without data") from error
            return torch.empty(extent(shape, args), dtype=dtype(args), device=META)
        if key is not None:
            _RESULTS.put(key, result)
        return result

    def _write(self, func: Any, plan: Plan, args: Any, kwargs: Any) -> Any:
        """Write a call that writes its first argument."""
        if plan.functional is None or func in REFUSED_WRITES:
            raise CannotLower(f"{func} writes where it cannot be followed")
        target = args[0]
        shape, dtype = target.shape, target.dtype
        functional = self._plans.get(plan.functional)
        if functional is None:
            functional = self._plans[plan.functional] = Plan(plan.functional)
        if functional.composite and self._rule(plan.functional, functional, args, kwargs) is None:
            made = self._decompose(plan.functional.decompose, args, kwargs)
            name = self.memory.read(made)
        else:
            made = self._result(plan.functional, functional, args, kwargs)
            found = self._names(plan.functional, functional, made, args, kwargs)
            if not isinstance(found, str):
                raise CannotLower(f"{func} writes more than one tensor")
            name = found
        if made.dtype is not dtype:
            name = self.emit.as_type(name, dtype)
        if made.shape != shape:
            name = self.emit.op("Expand", name, self.emit.ints(shape))
        self.memory.write(target, name)
        return target

    def _replay(self, step: Step, parent: torch.Tensor) -> str:
        """A view made anew from what its parent is now."""
        args = (parent, *step.args) if _is_geometry(step) else step.args
        with torch._C._DisablePythonDispatcher():
            twin = step.function(*args, **step.kwargs)
        rule = (COMPLEX_RULES if parent.is_complex() else RULES).get(step.function)
        if rule is None:
            names = self._tail(self.emit, step.function, twin, args, step.kwargs)
        else:
            names = rule(self.emit, twin, *args, **step.kwargs)
        found = names if step.index is None else names[step.index]  # type: ignore[index]
        assert isinstance(found, str)
        return found


def _is_geometry(step: Step) -> bool:
    """Whether a step is the bare shape, stride and offset of a tensor that no call made."""
    return not any(isinstance(item, torch.Tensor) for item in step.args)
