"""Counters of a user's own ops: by the op's target, before every built-in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from talaria_widget.graph import Graph, Op, Tensor

OwnCounter = Callable[[tuple[Tensor, ...], tuple[Tensor, ...], Mapping[str, Any]], Any]
"""Of an op's operands, results and attributes: MACs, or MACs and the FLOPs beside them."""

_COUNTERS: dict[str, OwnCounter] = {}


def register(target: str, counter: OwnCounter | None) -> None:
    """Count an op of one's own.

    Args:
        target: the op's name: `"mylib::fused_mlp"` of a torch custom op, `"com.mine.FusedMlp"`
            of an ONNX domain, `"torch.fft.rfft"` of a function. It comes before a built-in
            counter of the same op.
        counter: called with the op's operands (inputs, then weights), its results and its
            attributes; each tensor has `.shape`, `.size` and `.dtype`. It returns the
            multiply-adds, or a pair: those and the FLOPs beside them. `None` takes an earlier
            counter away.

    Raises:
        TypeError: `target` is no text, or `counter` cannot be called.

    Example:
        >>> register("mylib::fused_mlp", lambda inputs, outputs, attrs: 2 * inputs[1].size)
        >>> register("mylib::fused_mlp", None)
    """
    if not isinstance(target, str) or not target:
        raise TypeError(f'target={target!r}: pass the op\'s name, such as "mylib::fused_mlp".')
    name = target.replace("::", ".")
    if counter is None:
        _COUNTERS.pop(name, None)
        return
    if not callable(counter):
        raise TypeError(f"counter={counter!r}: pass a function of inputs, outputs and attributes.")
    _COUNTERS[name] = counter


def registered(graph: Graph, op: Op) -> tuple[int, int] | None:
    """What a user's counter says of an op; `None` where there is none for it.

    Raises:
        ValueError: it failed, or gave no count.
    """
    counter = _find(op.target) if _COUNTERS else None
    if counter is None:
        return None
    operands = tuple(graph.tensors[name] for name in (*op.inputs, *op.weights))
    results = tuple(graph.tensors[name] for name in op.outputs)
    try:
        given = counter(operands, results, op.attrs)
    except Exception as error:  # the user's own code
        raise ValueError(
            f"the counter registered for {op.target} raised {type(error).__name__}: {error}."
        ) from error
    macs, rest = given if isinstance(given, tuple) and len(given) == 2 else (given, 0)
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (macs, rest)):
        raise ValueError(
            f"the counter registered for {op.target} returned {given!r}: return the multiply-adds "
            "as an int, or a pair of multiply-adds and other FLOPs."
        )
    return macs, rest


def _find(target: str) -> OwnCounter | None:
    """The counter of a target, whatever stands before the name it was registered under."""
    plain = target.removesuffix(".default")
    return next(
        (c for name, c in _COUNTERS.items() if plain == name or plain.endswith(f".{name}")), None
    )
