"""The tensors of a program: who makes and reads each, and what converting them costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.compilers.rates import (
    ON_CHIP_ENERGY,
    energy_band,
    floats,
    latency_band,
    moving_seconds,
)
from talaria_widget.compilers.reuse import find_reuse
from talaria_widget.graph import DTYPE_BITS
from talaria_widget.hardware import Device
from talaria_widget.prices import Band
from talaria_widget.program import Program

Array = NDArray[Any]


def tensor_arrays(program: Program) -> tuple[dict[str, Array], Array]:
    """The arrays of tensors and edges that `Prices` has, by name; and the sizes to cast.

    A branch that is not taken reads nothing, and what it makes has no size.
    """
    graph, tasks = program.graph, program.tasks
    idle = {op.name for op in graph.ops if op.times == 0}
    names: dict[str, int] = {}
    for tensor in (*graph.inputs, *(t for task in tasks for t in (*task.inputs, *task.outputs))):
        names.setdefault(tensor, len(names))
    made = np.full(len(names), -1, np.int32)
    edges: list[tuple[int, int]] = []
    for row, task in enumerate(tasks):
        edges += [(row, names[t]) for t in task.inputs if idle.isdisjoint(task.ops[:1])]
        made[[names[t] for t in task.outputs]] = row
    ends = dict.fromkeys(program.aliases.get(t, t) for t in graph.outputs)
    edges += [(len(tasks), names[t]) for t in ends if t in names]
    edge_row = np.array([r for r, _ in edges], np.int32)
    edge_tensor = np.array([t for _, t in edges], np.int32)
    last = np.maximum(made, 0)
    np.maximum.at(last, edge_tensor, np.minimum(edge_row, max(len(tasks) - 1, 0)))

    tensors = [graph.tensors[name] for name in names]
    size = floats([t.size for t in tensors])
    nbytes = np.array([np.nan if t.floating or t.nbytes is None else t.nbytes for t in tensors])
    never = [names[t] for task in tasks if not idle.isdisjoint(task.ops[:1]) for t in task.outputs]
    size[never] = 0
    nbytes[never] *= 0  # what is unknown stays so
    sizes, cast = np.unique(np.nan_to_num(size), return_inverse=True)
    return {
        "tensor_row": made,
        "tensor_last": last.astype(np.int32),
        "tensor_size": size,
        "tensor_bytes": nbytes,
        "tensor_cast": cast.astype(np.int32),
        "tensor_reuse": find_reuse(program, names, made, last),
        "edge_row": edge_row,
        "edge_tensor": edge_tensor,
    }, sizes


def price_casts(device: Device, sizes: Array, precisions: Sequence[str]) -> tuple[Band, Band]:
    """Latency and energy of converting tensors of these sizes, from each precision to each."""
    width = np.array([DTYPE_BITS[p] / 8 for p in precisions])
    moved = sizes[:, None, None] * (width[None, :, None] + width[None, None, :])
    seconds = moving_seconds(device, moved) + device.dispatch_s
    if device.power_w is not None:
        joules = device.power_w * seconds
    else:
        chip = np.where(moved <= device.on_chip_bytes, ON_CHIP_ENERGY, 1.0)
        joules = 8 * moved * chip * device.dram_bit_j
    return latency_band(device, seconds), energy_band(device, joules)
