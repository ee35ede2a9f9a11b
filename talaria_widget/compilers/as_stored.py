"""What a model that is quantized already fixes about its rows, whatever option they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.graph import Graph
from talaria_widget.hardware import Device, MenuOption
from talaria_widget.program import Task
from talaria_widget.recipe import Quantize

_BYTES = frozenset({"int8", "uint8"})


def rates(
    table: Mapping[str, float], tasks: Sequence[Task], lines: Sequence[MenuOption]
) -> NDArray[Any]:
    """The rate of each line's precision; of its own for a task that the model says it of."""
    of_lines = [table.get(line.compute, np.nan) for line in lines]
    found = [[table.get(task.precision, rate) for rate in of_lines] for task in tasks]
    return np.array(found).reshape(len(tasks), len(lines))


def floating(graph: Graph, task: Task) -> float:
    """The share of the bytes in and out that change with the precision; integers do not."""
    held = [graph.tensors[name] for name in (*task.inputs, *task.outputs)]
    sizes = [(tensor.floating, tensor.nbytes or 0) for tensor in held]
    total = sum(size for _, size in sizes)
    return sum(size for is_floating, size in sizes if is_floating) / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Decoding:
    """What a row's weights cost beside: seconds to unpack them, and by class how much slower."""

    seconds: float = 0.0
    slower: Mapping[str, float] = field(default_factory=dict)


def decoding(device: Device, graph: Graph, tasks: Sequence[Task]) -> list[Decoding]:
    """The cost of weights that are stored in 8 bits and compute as floats, row by row.

    It is that of the menu's line for 8-bit weights: such a file is what that option makes.
    """
    line = device.find(Quantize(8))
    decoded = {op.name for op in graph.ops if op.attrs.get("decoded")}
    if line is None or not decoded:
        return [Decoding()] * len(tasks)
    return [
        Decoding(line.decode_s * _elements(graph, task), line.slower)
        if not task.precision and decoded.intersection(task.ops)
        else Decoding()
        for task in tasks
    ]


def _elements(graph: Graph, task: Task) -> int:
    held = [graph.tensors[name] for name in task.weights]
    return sum(t.size or 0 for t in held if t.role == "weight" and t.dtype in _BYTES)
