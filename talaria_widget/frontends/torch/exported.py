"""A user's `ExportedProgram`, read as it is: its graph is run node by node under the trace."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import OutputKind
from torch.overrides import _pop_mode_temporarily
from torch.utils import _pytree as pytree

from talaria_widget.frontends.torch.bodies import batched
from talaria_widget.frontends.torch.inputs.inputs import Prepared
from talaria_widget.frontends.torch.normalise import normalise
from talaria_widget.frontends.torch.origin import Origin, origin
from talaria_widget.frontends.torch.registry import Registry
from talaria_widget.frontends.torch.safekeeping.restore import preserve
from talaria_widget.frontends.torch.signature import State, bind, empty_like, read_state
from talaria_widget.frontends.torch.trace.complete import admit
from talaria_widget.frontends.torch.trace.places import Places
from talaria_widget.frontends.torch.trace.recording import Recording, Trace
from talaria_widget.frontends.torch.trace.structure import tensors
from talaria_widget.frontends.torch.trace.tracer import Tracer
from talaria_widget.graph import UnsupportedModelError

# Operators that run a graph once: where it stands among their arguments, and its operands after.
_INLINE = {
    "wrap_with_set_grad_enabled": 1,
    "wrap_with_autocast": 4,
    "wrap": 0,
    "tag_activation_checkpoint": 0,
    "invoke_subgraph": 0,
    "strict_mode": 0,
    "hints_wrapper": 0,
}
# Operators that stand for a public function, and are one call as it is.
_PUBLIC = {"flex_attention": "torch.nn.attention.flex_attention.flex_attention"}
_LOOPS = frozenset(("cond", "while_loop", "map_impl", "scan", "associative_scan"))
_CHECKS = ("_assert", "sym_constrain", "_guards")


def record(program: ExportedProgram, inputs: Any = None) -> Recording:
    """An exported program's graph, with the trace it was made from.

    Weights have the names that the user's module gave them, operations its module paths and
    source lines. The program is not changed.

    Args:
        program: what `torch.export.export` gave.
        inputs: as for a module; `None` for those it was exported with.

    Raises:
        ValueError: inputs that its signature does not take.
        UnsupportedModelError: it holds something that cannot be run.
    """
    state = read_state(program)
    prepared, leaves = bind(program, inputs, state.registry.device)
    try:
        trace = _trace(program, state, prepared, leaves, virtual=True)
    except Exception as first:
        if state.registry.on_meta:
            raise _failure(first) from first
        state = read_state(program, spare=True)
        try:
            trace = _trace(program, state, prepared, leaves, virtual=False)
        except Exception as error:
            raise _failure(error) from error
    name = state.registry.classes.get("") or "ExportedProgram"
    graph, names, calls = normalise(name, trace, state.registry, prepared)
    return admit(Recording(graph, trace, names, calls, prepared.args, prepared.kwargs))


def _failure(error: Exception) -> UnsupportedModelError:
    reason = str(error).strip().split("\n")[0].rstrip(".") or "no message"
    return UnsupportedModelError(
        f"the exported program cannot be run here: {type(error).__name__}: {reason}; pass the "
        "nn.Module that it was exported from"
    )


def _trace(
    program: ExportedProgram,
    state: State,
    prepared: Prepared,
    leaves: Sequence[Any],
    *,
    virtual: bool,
) -> Trace:
    registry: Registry = state.registry
    places = _Absolute({})
    tracer = Tracer(
        {**registry.named, **prepared.names},
        places,
        registry.device,
        _run.__code__,
        virtual=virtual,
        strict=not registry.on_meta,
    )
    with ExitStack() as stack:
        stack.enter_context(preserve(nn.Module(), spare=True))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        given = iter([tracer.start(leaf) for leaf in leaves])
        values = [
            next(given) if name is None else state.tensors[name] for name in state.placeholders
        ]
        return tracer.finish(_run(program, tracer, places, values))


def _run(program: ExportedProgram, tracer: Tracer, places: _Absolute, values: list[Any]) -> Any:
    made = _Interpreter(tracer, places).run(program.graph_module, values)
    kinds = [spec.kind for spec in program.graph_signature.output_specs]
    leaves = [
        item for item, kind in zip(made, kinds, strict=True) if kind is OutputKind.USER_OUTPUT
    ]
    try:
        return pytree.tree_unflatten(leaves, program.call_spec.out_spec)
    except (TypeError, ValueError):
        return leaves


class _Absolute(Places):
    """Places that a graph states itself: each is named from the root."""

    @contextmanager
    def below(self, module: str) -> Iterator[None]:
        """Stand in a module until the block ends."""
        self._stack.append(module)
        try:
            yield
        finally:
            self._stack.pop()


class _Interpreter:
    """Runs the nodes of a graph, each call handed to the tracer with the place it has."""

    def __init__(self, tracer: Tracer, places: Places) -> None:
        self._tracer, self._places = tracer, places

    def run(self, module: fx.GraphModule, values: Sequence[Any], inside: str = "") -> Any:
        """What a graph gives for the values of its placeholders."""
        made: dict[fx.Node, Any] = {}
        given = iter(values)
        nodes = list(module.graph.nodes)

        def find(node: fx.Node) -> Any:
            return made[node]

        for at, node in enumerate(nodes):
            if node in made:
                continue
            if node.op == "output":
                return fx.map_arg(node.args[0], find)
            together = batched.stretch(nodes, at)
            if together is not None:
                made.update(dict.fromkeys(together.nodes))
                made.update(self._together(together, [made[item] for item in together.entering]))
            elif node.op == "placeholder":
                made[node] = next(given)
            elif node.op == "get_attr":
                made[node] = _attribute(module, str(node.target))
            else:
                args, kwargs = fx.map_arg(node.args, find), fx.map_arg(node.kwargs, find)
                made[node] = self._call(node, tuple(args), dict(kwargs), inside)
        return ()

    def _together(self, found: batched.Stretch, entering: list[Any]) -> dict[fx.Node, Any]:
        """Nodes inside a `torch.vmap`, as one call."""
        place = origin(found.nodes[-1], "")
        with self._tracer.standing_at(place.file, place.line, place.path), self._active():
            made = self._tracer.opaque(batched.TARGET, batched.runner(found), tuple(entering), {})
        return dict(zip(found.leaving, made, strict=True))

    def _call(self, node: fx.Node, args: Any, kwargs: dict[str, Any], inside: str) -> Any:
        place = origin(node, inside)
        target: Any = node.target
        name = getattr(target, "__name__", str(target)).partition(".")[0]
        if node.op == "call_module" or name.startswith(_CHECKS):
            return None
        with self._tracer.standing_at(place.file, place.line, place.path):
            if isinstance(target, torch._ops.HigherOrderOperator):
                return self._higher(node, args, kwargs, place)
            if isinstance(target, torch._ops.OpOverload | torch._ops.OpOverloadPacket):
                return self._hand(target, args, kwargs)
            if any(isinstance(item, torch.Tensor) for item in args) and name != "getitem":
                return self._hand(target, args, kwargs)
            return target(*args, **kwargs)

    def _hand(self, target: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if not self._tracer.is_active():
            return self._tracer.__torch_function__(target, (), args, kwargs)
        with _pop_mode_temporarily():
            return self._tracer.__torch_function__(target, (), args, kwargs)

    def _higher(self, node: fx.Node, args: Any, kwargs: dict[str, Any], place: Origin) -> Any:
        """An operator that is given graphs: run in place, by the trace, or as one call."""
        target: Any = node.target
        name = target.__name__
        if name in _INLINE:
            return self._inline(name, args, place)
        if name in _LOOPS:
            bound = _in_order(target, args, kwargs)
            return self._hand(target, tuple([self._callable(item, place) for item in bound]), {})
        public = _PUBLIC.get(name, f"torch.ops.higher_order.{name}")
        with self._active():
            return self._tracer.opaque(public, _unseen(target, node), args, kwargs)

    def _inline(self, name: str, args: Any, place: Origin) -> Any:
        at = _INLINE[name]
        operands = [item for item in args[at + 1 :] if not isinstance(item, str)]
        if operands and isinstance(operands[0], tuple | list):
            operands = list(operands[0])
        if name != "wrap_with_autocast":
            return self.run(args[at], operands, place.path)
        device, dtype, enabled = args[0], args[1], args[2]
        with torch.autocast(device, dtype=dtype, enabled=enabled):
            return self.run(args[at], operands, place.path)

    def _callable(self, item: Any, place: Origin) -> Any:
        if not isinstance(item, fx.GraphModule):
            return item
        module = item

        def call(*operands: Any) -> Any:
            return self.run(module, operands, place.path)

        return call

    @contextmanager
    def _active(self) -> Iterator[None]:
        if self._tracer.is_active():
            yield
        else:
            with self._tracer:
                yield


def _unseen(target: Callable[..., Any], node: fx.Node) -> Callable[..., Any]:
    """An operator whose inside is not run on meta tensors: the graph knows what it gives."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if any(tensor.is_meta for _, tensor in tensors((args, kwargs))) and "val" in node.meta:
            return pytree.tree_map_only(torch.Tensor, empty_like, node.meta["val"])
        return target(*args, **kwargs)

    return call


def _in_order(target: Any, args: Any, kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    if not kwargs:
        return tuple(args)
    function: Callable[..., Any] = type(target).__call__
    return inspect.signature(function).bind(target, *args, **kwargs).args[1:]


def _attribute(module: Any, target: str) -> Any:
    for name in target.split("."):
        module = getattr(module, name)
    return module
