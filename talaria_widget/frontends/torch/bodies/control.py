"""Control flow that torch knows as operators: its branches and bodies, run under the trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch.utils import _pytree as pytree


class Runner(Protocol):
    """What a trace offers to control flow."""

    def inside(self, times: int | None = 1) -> AbstractContextManager[None]:
        """Record the calls of a block, each as running so many times."""

    def here(self) -> int:
        """The index of the next call."""

    def ask(self, condition: Any) -> bool | None:
        """Whether a condition holds; `None` where nobody knows, and nothing is assumed."""

    def fold(self, starts: Sequence[int]) -> None:
        """Say that a round began at each of these calls, and the last one ends here."""

    def note(self, what: str) -> None:
        """Keep a sentence, with the place it is about."""


def run(runner: Runner, name: str, args: tuple[Any, ...]) -> Any:
    """What a control-flow operator gives, its bodies recorded."""
    return HANDLERS[name](runner, *args)


def _cond(
    runner: Runner,
    pred: Any,
    true_fn: Callable[..., Any],
    false_fn: Callable[..., Any],
    operands: Sequence[Any] = (),
) -> Any:
    chosen = runner.ask(pred)
    if chosen is None:
        chosen = True
        runner.note("torch.cond is assumed to take its first branch, for its condition is unknown")
    else:
        runner.note(f"torch.cond took its {'first' if chosen else 'second'} branch")
    taken, other = (true_fn, false_fn) if chosen else (false_fn, true_fn)
    with runner.inside():
        result = taken(*operands)
    with runner.inside(0), torch.random.fork_rng(devices=()):
        try:
            other(*operands)
        except Exception as error:  # the user's own code, which this run would not reach
            runner.note(f"the branch not taken cannot be read ({type(error).__name__})")
    return result


def _while_loop(
    runner: Runner,
    cond_fn: Callable[..., Any],
    body_fn: Callable[..., Any],
    carried: Sequence[Any],
    additional: Sequence[Any] = (),
    *_: Any,
) -> Any:
    carried, starts, rounds = tuple(carried), [], 0
    with runner.inside():
        while True:
            starts.append(runner.here())
            goes_on = runner.ask(cond_fn(*carried, *additional))
            if goes_on is None:
                runner.note("nobody knows how often torch.while_loop runs; its body is read once")
                with runner.inside(None):
                    return _tuple(body_fn(*carried, *additional))
            starts.append(runner.here())
            if not goes_on:
                break
            carried, rounds = _tuple(body_fn(*carried, *additional)), rounds + 1
    runner.note(f"torch.while_loop ran {rounds} times")
    runner.fold(starts)
    return carried


def _tuple(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, tuple | list) else (given,)


def _map(runner: Runner, body: Callable[..., Any], xs: Sequence[Any], rest: Sequence[Any]) -> Any:
    made, starts = [], []
    with runner.inside():
        for at in range(xs[0].shape[0]):
            starts.append(runner.here())
            made.append(body(*[x[at] for x in xs], *rest))
        runner.fold(starts)
        return _stack(made)


def _scan(
    runner: Runner,
    combine: Callable[..., Any],
    init: Sequence[Any],
    xs: Sequence[Any],
    additional: Sequence[Any] = (),
) -> Any:
    carry, made, starts = list(init), [], []
    with runner.inside():
        for at in range(xs[0].shape[0]):
            starts.append(runner.here())
            given = combine(*carry, *[x[at] for x in xs], *additional)
            carry, rest = list(given[: len(init)]), given[len(init) :]
            made.append(list(rest))
        runner.fold(starts)
        return [*carry, *_stack(made)]


def _associative_scan(
    runner: Runner, combine: Callable[..., Any], xs: Sequence[Any], additional: Sequence[Any] = ()
) -> Any:
    """As torch runs it outside a compiler: log2(n) levels of pairs."""
    from torch._higher_order_ops.associative_scan import generic_associative_scan

    with runner.inside():
        return generic_associative_scan(lambda *pair: combine(*pair, *additional), list(xs))


def _stack(made: list[Any]) -> Any:
    """The results of all rounds, each stacked on a new first axis."""
    flat = [pytree.tree_flatten(item) for item in made]
    columns = zip(*[leaves for leaves, _ in flat], strict=True)
    stacked = [torch.stack(column) for column in columns]
    return pytree.tree_unflatten(stacked, flat[0][1])


HANDLERS: dict[str, Callable[..., Any]] = {
    "cond": _cond,
    "while_loop": _while_loop,
    "map_impl": _map,
    "scan": _scan,
    "associative_scan": _associative_scan,
}
