"""What one sweep teaches: the ratio of each kernel, of a model built with one option throughout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from talaria_widget.compilers.observed import Node
from talaria_widget.compilers.onnxruntime.forms import Edge, Form, forms
from talaria_widget.compilers.onnxruntime.kernels import Kernel, Key
from talaria_widget.compilers.onnxruntime.payloads import Seen
from talaria_widget.compilers.onnxruntime.profiling import calm
from talaria_widget.compilers.onnxruntime.rows import Measured
from talaria_widget.program import Program
from talaria_widget.recipe import Option

LEAST_S = 1e-9
LARGEST_SHIFT = 2.0
"""What a build changes beside its own rows may double or halve what these take, no more."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A baseline and a build in the same runs: their rows, and what ran between these.

    `drift` is by how much more the whole changed, un-profiled, than the profile says. The
    seconds of `edges` are on the clock of the measured baseline; `beside_s` is by how much more
    they take than those before, on the profile's.
    """

    before: Mapping[int, Form]
    after: Mapping[int, Form]
    edges_before: Sequence[Edge]
    edges: Sequence[Edge]
    drift: float
    beside_s: float


def calmest(profiles: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The seconds of each row over several profiles, by those that were disturbed least."""
    return tuple(calm(times) for times in zip(*profiles, strict=True))


def compare(
    measured: Measured, plain: Sequence[Node], seen: Seen, inputs: Sequence[str], whole_s: float
) -> Pair:
    """Lead what ran back to the rows.

    Args:
        measured: the rows.
        plain: the nodes of the baseline's file.
        seen: what ran.
        inputs: the file's inputs.
        whole_s: the baseline's seconds.
    """
    long = dict(enumerate(measured.seconds))
    before, edges_before = forms(plain, seen.base, inputs, measured.row_of)
    after, edges = forms(seen.file, seen.built, inputs, measured.row_of, long)
    profiled_s = sum(node.seconds for node in seen.base)
    profiled = sum(node.seconds for node in seen.built) / profiled_s
    drift = seen.built_s / seen.base_s / profiled
    drift = min(max(drift, 1 / LARGEST_SHIFT), LARGEST_SHIFT)
    scale = drift * whole_s / profiled_s
    scaled = [replace(edge, seconds=edge.seconds * scale) for edge in edges]
    beside = sum(edge.seconds for edge in edges) - sum(edge.seconds for edge in edges_before)
    return Pair(before, after, edges_before, scaled, drift, beside)


def kernels_of(
    program: Program, pair: Pair, chosen: Collection[str], option: Option, static: bool
) -> dict[Key, Kernel]:
    """A kernel per signature that took the option, or follows its neighbours into integers.

    Rows of one signature are taken together. A row that runs the same operators as before has
    the ratio 1, whatever its clock said. The whole's change is better known without the profile,
    whose clock goes on while others have the processor: all that changed is scaled to it.
    """
    times: dict[Key, list[float]] = {}
    integers: Counter[Key] = Counter()
    chosen = frozenset(chosen)
    shift = _shift(program, pair, chosen, static)
    for row, task in enumerate(program.tasks):
        own = not chosen.isdisjoint(task.weights)
        if row not in pair.before or not (own or (static and not task.weights)):
            continue
        key = (task.signature, option)
        old, new = pair.before[row], pair.after.get(row, Form())
        is_same = new.operators == old.operators
        sums = times.setdefault(key, [0.0, 0.0])
        sums[0] += old.seconds
        sums[1] += old.seconds if is_same else new.seconds * shift * pair.drift
        integers[key] += new.integers
    return {
        key: Kernel((max(new, LEAST_S) / max(old, LEAST_S),), integers[key] > 0)
        for key, (old, new) in times.items()
    }


def refused(program: Program, reasons: Mapping[str, str], option: Option) -> dict[Key, Kernel]:
    """A kernel per signature of the rows whose weight cannot have the option, and why."""
    return {
        (task.signature, option): Kernel(reason=reasons[weight])
        for task in program.tasks
        for weight in task.weights
        if weight in reasons
    }


def _shift(program: Program, pair: Pair, chosen: frozenset[str], static: bool) -> float:
    """What a build changes in rows that it does not name, borne by those it names.

    A weight that is no constant keeps its convolution, and the pool behind it, out of the
    runtime's blocked layout. Rows that follow into integers, and the conversions around these,
    have prices of their own.
    """
    beside = taken = 0.0
    for row, task in enumerate(program.tasks):
        if row not in pair.before:
            continue
        old, new = pair.before[row], pair.after.get(row, Form())
        if not chosen.isdisjoint(task.weights):
            taken += new.seconds
        elif new.operators != old.operators and not (static and new.integers):
            beside += new.seconds - old.seconds
    kinds = [Counter(edge.operator for edge in each) for each in (pair.edges_before, pair.edges)]
    if not static and kinds[0] != kinds[1]:
        beside += pair.beside_s
    if taken <= 0:
        return 1.0
    return min(max((taken + beside) / taken, 1 / LARGEST_SHIFT), LARGEST_SHIFT)
