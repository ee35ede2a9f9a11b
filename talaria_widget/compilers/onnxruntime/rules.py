"""The runtime's own rules, as corrections: what a mixture of columns costs beside its rows.

Seen in the optimised graphs of ONNX Runtime 1.32, where integer layers stand among float ones:

- **Blocked no more.** Convolutions in float run in a blocked layout (NCHWc), and so does an
  addition or a concatenation if all it reads is in it. One that reads a value that was
  dequantized runs in the plain layout: the others it reads are put back in order, and what it
  makes is put into blocks again.
- **In and out of blocks.** A convolution whose weight is made on every run, or that is quantized
  as it runs, is in the plain layout: what passes between it and one in blocks is reordered.
- **A residual is free no more.** An addition, and the Relu behind it, live inside a float
  convolution in the blocked layout; not where one of the two is an integer layer.

A pooling between a float and an integer layer stays in floats, as `rewrite` writes it: quantized
in front of it, as the runtime would have it, it was seen a hundred times slower.

Without them random mixtures of ResNet-18 and SqueezeNet were estimated 4-8 % too fast.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from talaria_widget.compilers.onnxruntime.casts import Passes
from talaria_widget.compilers.onnxruntime.rows import LAYERS, Measured
from talaria_widget.graph import Op
from talaria_widget.prices import PROVENANCE, Correction, Prices
from talaria_widget.recipe import Quantize

MODELLED = PROVENANCE.index("modelled")
JOINING = frozenset({"add", "sub", "mul", "concat", "cat", "sum"})
ADD, LIMIT, INTEGER_ADD = (2e-6, 0.5e-9), (1e-6, 0.25e-9), (2e-6, 0.2e-9)
"""Seconds, and seconds per element, of an addition and of a Relu on their own, and of an addition
of integers: of one thread of AMD Zen 3 under ONNX Runtime 1.32."""
MOST_BEFORE = 4
"""A concatenation of many goes by the nearest of them."""
NOTE = {
    "blocked": "reads a dequantized value: it leaves the runtime's blocked layout",
    "plain": "passes between the runtime's blocked layout and the plain one",
    "residual": "its residual is no longer added inside the convolution",
}


@dataclass(frozen=True, slots=True)
class _Flow:
    """Who makes and who reads what, by row; -1 makes the model's inputs."""

    makers: Mapping[int, tuple[tuple[int, float], ...]]
    readers: Mapping[int, tuple[int, ...]]
    made: Mapping[int, float]


def corrections(
    measured: Measured, prices: Prices, passes: Passes, integer: int
) -> tuple[Correction, ...]:
    """The corrections of a program.

    Args:
        measured: its rows.
        prices: its prices.
        passes: what a pass over a tensor costs.
        integer: the precision of integers; -1 where no column has it.
    """
    columns = range(len(prices.options))
    integers = tuple(c for c in columns if integer >= 0 and prices.column_precision[c] == integer)
    floats = tuple(c for c in columns if c not in integers)
    plain = tuple(c for c in floats if isinstance(prices.options[c], Quantize))
    flow = _flow(prices)
    found = _reorderings(measured, flow, passes, tuple(c for c in floats if c not in plain), plain)
    if integers:
        found += _joins(measured, flow, passes, integers, floats)
    return tuple(c for c in found if c.latency_s)


_Columns = tuple[int, ...]


def _reorderings(
    measured: Measured, flow: _Flow, passes: Passes, blocked: _Columns, plain: _Columns
) -> list[Correction]:
    """Between layers of which one is in blocks; what lies between them follows the first."""
    found = []
    for row, task in enumerate(measured.program.tasks):
        if task.kind not in LAYERS or not measured.blocked[row]:
            continue
        for maker, elements in flow.makers.get(row, ()):
            before = _layers_before(measured, flow, maker)
            for layer in before[:MOST_BEFORE]:
                seconds = passes.seconds("reorder", elements) / min(len(before), MOST_BEFORE)
                found += [
                    Correction((layer, row), allowed, seconds, 0.0, NOTE["plain"], MODELLED)
                    for allowed in ((blocked, plain), (plain, blocked))
                ]
    return found if plain else []


def _layers_before(measured: Measured, flow: _Flow, row: int) -> list[int]:
    """The nearest layers in blocks that lead to a row, through what has no weights."""
    found: dict[int, None] = {}
    waiting, seen = [row], set[int]()
    while waiting:
        here = waiting.pop()
        if here < 0 or here in seen or not measured.blocked[here]:
            continue
        seen.add(here)
        if measured.program.tasks[here].kind in LAYERS:
            found[here] = None
        else:
            waiting += [maker for maker, _ in flow.makers.get(here, ())]
    return list(found)


def _joins(
    measured: Measured, flow: _Flow, passes: Passes, integers: _Columns, floats: _Columns
) -> list[Correction]:
    """Additions and concatenations of what is in integers and what is not."""
    words = {op.name: op for op in measured.program.graph.ops}
    found: list[Correction] = []
    for row, task in enumerate(measured.program.tasks):
        makers = flow.makers.get(row, ())
        joins = any(words[name].word in JOINING for name in task.ops)
        if len(makers) != 2 or not measured.blocked[row] or not joins:
            continue
        ends = _ends(flow, measured, row)
        if task.kind in LAYERS:
            found += _residual(
                row, _own_first(makers, measured, row, words), ends, passes, integers, floats
            )
            continue
        for (mine, elements), (other, others) in (makers, makers[::-1]):
            if mine < 0 or mine == other:
                continue
            seconds = passes.seconds("reorder", others) if _is_blocked(measured, other) else 0.0
            seconds -= passes.seconds("reorder", elements)
            rows: tuple[int, ...] = (row, mine) if other < 0 else (row, mine, other)
            allowed = (floats, integers, floats)[: len(rows)]
            found += _with_reader(
                rows, allowed, seconds, flow.made.get(row, 0.0), ends, passes, integers, floats
            )
    return found


def _with_reader(
    rows: tuple[int, ...],
    allowed: tuple[_Columns, ...],
    seconds: float,
    made: float,
    reader: int,
    passes: Passes,
    integers: _Columns,
    floats: _Columns,
) -> list[Correction]:
    """Put into blocks for a float reader; for an integer one it was in order already."""
    if reader < 0:
        return [Correction(rows, allowed, seconds, 0.0, NOTE["blocked"], MODELLED)]
    ordered = passes.seconds("reorder", made)
    return [
        Correction(
            (*rows, reader), (*allowed, columns), seconds + sign * ordered, 0.0, NOTE["blocked"]
        )
        for columns, sign in ((floats, 1), (integers, -1))
    ]


def _residual(
    row: int,
    makers: Sequence[tuple[int, float]],
    reader: int,
    passes: Passes,
    integers: _Columns,
    floats: _Columns,
) -> list[Correction]:
    """A convolution with an addition inside, and the maker of what is added to it."""
    other, elements = makers[1]
    if other < 0 or reader < 0:
        return []
    ordered, turned, quantized, dequantized = (
        passes.seconds(kind, elements)
        for kind in ("reorder", "transpose", "quantize", "dequantize")
    )
    apart = sum(constant + each * elements for constant, each in (ADD, LIMIT))
    summed = INTEGER_ADD[0] + INTEGER_ADD[1] * elements
    # Condition on the convolution, the maker of what it adds, and the reader; what really runs,
    # less what the rows and casts have already.
    found = (
        (floats, integers, floats, apart + ordered),
        (floats, integers, integers, apart - ordered),
        (integers, floats, integers, apart + turned + dequantized - summed),
        (integers, floats, floats, apart - quantized - turned - summed),
    )
    return [
        Correction((row, other, reader), tuple(allowed), seconds, 0.0, NOTE["residual"], MODELLED)
        for *allowed, seconds in found
    ]


def _own_first(
    makers: Sequence[tuple[int, float]], measured: Measured, row: int, ops: Mapping[str, Op]
) -> Sequence[tuple[int, float]]:
    """The maker of the layer's own input first, that of its residual behind it."""
    task = measured.program.tasks[row]
    layer = next(ops[name] for name in task.ops if ops[name].kind == task.kind)
    aliases = measured.program.aliases
    own = aliases.get(layer.inputs[0], layer.inputs[0])
    return makers if task.inputs and task.inputs[0] == own else makers[::-1]


def _is_blocked(measured: Measured, row: int) -> bool:
    return row >= 0 and measured.blocked[row]


def _ends(flow: _Flow, measured: Measured, row: int) -> int:
    """The first row that reads what a row makes, in the blocked layout; -1 where none does."""
    return next((r for r in flow.readers.get(row, ()) if _is_blocked(measured, r)), -1)


def _flow(prices: Prices) -> _Flow:
    makers: dict[int, list[tuple[int, float]]] = defaultdict(list)
    readers: dict[int, list[int]] = defaultdict(list)
    made: dict[int, float] = {}
    for row, tensor in zip(prices.edge_row.tolist(), prices.edge_tensor.tolist(), strict=True):
        maker, size = int(prices.tensor_row[tensor]), float(prices.tensor_size[tensor])
        made[maker] = size
        if row < prices.rows:
            makers[row].append((maker, size))
            readers[maker].append(row)
    return _Flow(
        {row: tuple(each) for row, each in makers.items()},
        {row: tuple(each) for row, each in readers.items()},
        made,
    )
