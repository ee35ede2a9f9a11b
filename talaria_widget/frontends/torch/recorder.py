"""From a live module to its graph and recording: one forward, the model left as it was."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from talaria_widget.frontends.torch.bodies.whole import whole
from talaria_widget.frontends.torch.inputs.guess import ask
from talaria_widget.frontends.torch.inputs.inputs import Prepared, check_model, describe, prepare
from talaria_widget.frontends.torch.normalise import normalise
from talaria_widget.frontends.torch.packed import find_packed
from talaria_widget.frontends.torch.registry import Registry, register
from talaria_widget.frontends.torch.safekeeping.restore import preserve
from talaria_widget.frontends.torch.safekeeping.spare import spare
from talaria_widget.frontends.torch.trace.complete import admit, faults
from talaria_widget.frontends.torch.trace.memory import Incomplete
from talaria_widget.frontends.torch.trace.places import Places
from talaria_widget.frontends.torch.trace.recording import Recording, Trace
from talaria_widget.frontends.torch.trace.tracer import Tracer
from talaria_widget.graph import UnsupportedModelError

# What torch says of a derivative where gradients are off.
_NO_GRADIENTS = "does not require grad"


def record(model: nn.Module, inputs: Any = None) -> Recording:
    """A module's graph, with the trace that it was made from and the inputs that were used.

    Takes and raises what `entry.capture` does.
    """
    model = check_model(model)
    registry = register(model)
    candidates = prepare(model, inputs, registry.device)
    failures: list[Exception] = []
    for candidate in candidates:
        try:
            alone = len(candidates) == 1
            trace = _trace(model, registry, candidate, recover=alone or candidate.likely)
        except Exception as error:
            failures.append(error)
        else:
            found = _finish(model, registry, candidate, trace)
            return found if not faults(found) else _checked(model, registry, candidate, found)
    first = failures[0]
    if isinstance(first, _Confirmed):
        raise _failure(model, candidates[0], first.error) from first.error
    return admit(_record_copy(model, registry, candidates[0], first))


class _Confirmed(Exception):
    """The forward failed on real tensors too, for the same reason."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _checked(
    model: nn.Module, registry: Registry, prepared: Prepared, found: Recording
) -> Recording:
    """The recording on real tensors where the one on meta is not complete, else it, saying so."""
    reason = Incomplete(faults(found)[0])
    try:
        real = _record_copy(model, registry, prepared, reason)
    except (UnsupportedModelError, ValueError):
        return admit(found)
    return admit(found if len(faults(real)) >= len(faults(found)) else real)


def _record_copy(
    model: nn.Module, registry: Registry, prepared: Prepared, first: Exception
) -> Recording:
    """The same recorder on a copy of the model with real tensors."""
    if registry.on_meta:
        raise _failure(model, prepared, first) from first
    try:
        copied = spare(model)
    except Exception as error:
        raise _failure(model, prepared, first) from error
    registry = register(copied)
    try:
        trace = _trace(copied, registry, prepared, virtual=False)
    except Exception as error:
        raise _failure(model, prepared, error) from error
    return _finish(model, registry, prepared, trace)


def _failure(model: nn.Module, prepared: Prepared, error: Exception) -> Exception:
    name = type(model).__name__
    reason = str(error).strip().split("\n")[0].rstrip(".") or "no message"
    said = f"the forward of {name} raised {type(error).__name__}: {reason}"
    given = describe(prepared)
    if prepared.inferred:
        return ValueError(
            f"no inputs were given and our guess ({given}) failed: {said}; {ask(model)}"
        )
    return UnsupportedModelError(f"{said}; the inputs were {given}: check them")


def _trace(
    model: nn.Module,
    registry: Registry,
    prepared: Prepared,
    *,
    virtual: bool = True,
    recover: bool = True,
) -> Trace:
    """One forward, without gradients unless it asks for some."""
    ways = {"virtual": virtual, "recover": recover}
    try:
        return _run(model, registry, prepared, gradients=False, **ways)
    except Exception as error:
        if _NO_GRADIENTS not in str(error):
            raise
        return _run(model, registry, prepared, gradients=True, **ways)


def _run(
    model: nn.Module,
    registry: Registry,
    prepared: Prepared,
    *,
    gradients: bool,
    virtual: bool,
    recover: bool,
) -> Trace:
    places = Places(registry.paths)
    tracer = Tracer(
        {**registry.named, **prepared.names},
        places,
        registry.device,
        _forward.__code__,
        virtual=virtual,
        strict=not registry.on_meta,
        recover=recover,
        packed=find_packed(model),
    )
    with ExitStack() as stack:
        stack.enter_context(preserve(model, spare=not virtual))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        args = tuple([tracer.start(item) for item in prepared.args])
        kwargs = {name: tracer.start(item) for name, item in prepared.kwargs.items()}
        try:
            outputs = _forward(model, args, kwargs, tracer, places)
        except Exception as error:
            if error is tracer.failure:
                raise _Confirmed(error) from error
            raise
        return tracer.finish(outputs)


def _forward(
    model: nn.Module, args: Any, kwargs: Mapping[str, Any], tracer: Tracer, places: Places
) -> Any:
    with places.watch(model), whole(tracer), tracer:
        return model(*args, **kwargs)


def _finish(model: nn.Module, registry: Registry, prepared: Prepared, trace: Trace) -> Recording:
    graph, names, calls = normalise(type(model).__name__, trace, registry, prepared)
    return Recording(graph, trace, names, calls, prepared.args, prepared.kwargs)
