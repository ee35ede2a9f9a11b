"""What the formula of a task's latency is made of, part by part (`compilers.pricing` has it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.compilers import as_stored
from talaria_widget.compilers.menu import menu
from talaria_widget.compilers.rates import floats, moving_seconds
from talaria_widget.graph import DTYPE_BITS, Graph, Op
from talaria_widget.hardware import MenuOption
from talaria_widget.prices import Prices
from talaria_widget.program import Program, Task

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Of one run: a row per signature, a column per line of the menu (or one for all).

    `compute` are `products` (multiply-adds) at `product_rate` and `rest` (other operations) at
    `rest_rate`, per second. `memory` moves `activations` at `activation_rate`, and the `exposed`
    share of the `streamed` bytes of weights at `weight_rate`. `times` is how often it runs.
    """

    times: Array
    flops: Array
    products: Array
    product_rate: Array
    rest: Array
    rest_rate: Array
    activations: Array
    activation_rate: Array
    streamed: Array
    exposed: Array
    weight_rate: float
    resident: bool
    compute: Array
    memory: Array
    unpacking: Array
    seconds: Array


def parts_of(program: Program, prices: Prices) -> Parts:
    """The parts of every signature in every column of a program's prices."""
    _, first, counts = np.unique(prices.row_signature, return_index=True, return_counts=True)
    stored = np.zeros((1, prices.weight_bytes.shape[1]))
    sums = np.concatenate([stored, np.cumsum(prices.weight_bytes[prices.row_weight], axis=0)])
    row_bytes = sums[prices.row_weight_start[1:]] - sums[prices.row_weight_start[:-1]]
    lines = menu(program, prices.options[1:])
    whole = float(prices.weight_bytes[:, 0].sum())
    return latency_parts(program, first.tolist(), counts[:, None], row_bytes, whole, lines)


def latency_parts(
    program: Program,
    first: Sequence[int],
    counts: Array,
    row_bytes: Array,
    whole_bytes: float,
    lines: Sequence[MenuOption],
) -> Parts:
    """The parts of every signature in every line.

    Args:
        program: whose tasks they are.
        first: the first row of each signature.
        counts: how many rows each has, as a column.
        row_bytes: what every row has stored in every line.
        whole_bytes: what all rows have stored, as the device does it.
        lines: of the menu.
    """
    device, graph = program.device, program.graph
    tasks = [program.tasks[r] for r in first]
    ops = {op.name: op for op in graph.ops}
    times = floats([ops[t.ops[0]].times if t.ops else 1 for t in tasks])[:, None]
    runs = np.maximum(times, 1)
    macs = floats([t.work.macs for t in tasks])[:, None] / runs
    flops = floats([t.work.flops for t in tasks])[:, None] / runs
    moved = floats([_both(t.work.read_bytes, t.work.write_bytes) for t in tasks])[:, None] / runs
    classes = [_class(graph, ops, t) for t in tasks]
    share = floats([device.efficiency[c] for c in classes])[:, None]
    slower = np.array([[m.slower.get(c, 1.0) for m in lines] for c in classes])
    slower = slower.reshape(len(tasks), len(lines))
    decoding = as_stored.decoding(device, graph, tasks)
    slower *= np.array([d.slower.get(c, 1.0) for d, c in zip(decoding, classes, strict=True)])[
        :, None
    ]

    peak = as_stored.rates(device.ops_per_s, tasks, lines)
    scale = np.array([DTYPE_BITS[m.activations] for m in lines]) / DTYPE_BITS[program.written]
    free = floats([t.free_flops for t in tasks])[:, None]
    rest, rest_rate = flops - 2 * macs - free, peak * device.efficiency["other"]
    compute = slower * 2 * macs / (peak * share) + rest / rest_rate
    floating = floats([as_stored.floating(graph, t) for t in tasks])[:, None]
    activations = moved * (floating * scale[None, :] + 1 - floating)
    streamed = row_bytes[first] * _used(graph, tasks, runs[:, 0])[:, None]

    resident = bool(whole_bytes <= device.on_chip_bytes)
    weight_rate = device.on_chip_bytes_per_s if resident else device.bandwidth_bytes_per_s
    loading = streamed / weight_rate
    decode_s = np.array([m.decode_s for m in lines])[None, :]
    unpacking = decode_s * streamed[:, :1] * 8 / DTYPE_BITS[program.baseline]
    unpacking = unpacking + floats([d.seconds for d in decoding])[:, None]
    moving = moving_seconds(device, activations)
    exposed = np.ones(len(lines))
    if device.prefetch:
        exposed = _exposed(np.maximum(compute, moving), loading, counts)
    memory = moving + exposed * loading
    fits = activations <= device.on_chip_bytes
    return Parts(
        times=times,
        flops=flops,
        products=macs,
        product_rate=peak * share / slower / 2,
        rest=rest,
        rest_rate=rest_rate,
        activations=activations,
        activation_rate=np.where(fits, device.on_chip_bytes_per_s, device.bandwidth_bytes_per_s),
        streamed=streamed,
        exposed=exposed,
        weight_rate=weight_rate,
        resident=resident,
        compute=compute,
        memory=memory,
        unpacking=unpacking,
        seconds=np.maximum(compute, memory) + unpacking + device.dispatch_s,
    )


def signatures(tasks: Sequence[Task]) -> tuple[Array, list[int]]:
    """The signature of each row, and the first row of each signature."""
    seen: dict[str, int] = {}
    first: list[int] = []
    rows = np.zeros(len(tasks), np.int32)
    for r, task in enumerate(tasks):
        if task.signature not in seen:
            seen[task.signature] = len(first)
            first.append(r)
        rows[r] = seen[task.signature]
    return rows, first


def _exposed(busy: Array, loading: Array, counts: Array) -> Array:
    """The share of the loading of weights that earlier tasks' work does not hide.

    All weights of a column stream in while all its tasks are busy, so that the whole takes the
    longer of the two; every task bears its share of what is left over.
    """
    working, waiting = np.nansum(busy * counts, 0), np.nansum(loading * counts, 0)
    hidden = np.divide(working, waiting, out=np.ones_like(waiting), where=waiting > 0)
    exposed: Array = np.maximum(0.0, 1 - hidden)
    return exposed


def _used(graph: Graph, tasks: Sequence[Task], runs: Array) -> Array:
    """The share of its weights that a run of a task reads: some rows of an embedding, else all."""
    whole = [sum(graph.tensors[w].nbytes or 0 for w in t.weights) for t in tasks]
    read = [(t.work.weight_bytes or 0) / n for t, n in zip(tasks, runs, strict=True)]
    shares = [min(1.0, r / w) if r and w else 1.0 for r, w in zip(read, whole, strict=True)]
    return floats(shares)


def _both(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def _class(graph: Graph, ops: dict[str, Op], task: Task) -> str:
    """The class of efficiency that a task falls in."""
    if task.kind in ("linear", "matmul", "attention", "recurrent"):
        return task.kind
    if task.kind in ("conv", "conv_transpose"):
        op = next(ops[name] for name in task.ops if ops[name].kind == task.kind)
        groups, kernel = op.attrs.get("groups", 1), op.attrs.get("kernel", ())
        shape = graph.tensors[op.inputs[0]].shape if op.inputs else None
        if groups > 1 and shape is not None and len(shape) > 1 and groups == shape[1]:
            return "depthwise"
        return "pointwise" if kernel and set(kernel) == {1} else "conv"
    return "other"
