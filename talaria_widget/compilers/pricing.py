"""Prices of a program by formula: a roofline per task, the container's rules per weight.

    latency = max(compute, memory) + unpacking + dispatch
    compute = 2 x MACs / (peak x efficiency of the class) + other FLOPs / (peak x "other"),
              without those that a kernel does on the way (`Task.free_flops`)
    memory  = bytes / rate of the memory that holds them; weights that a device prefetches
              count only for what the whole's work does not hide
    all of it as often as the task runs in one forward
    energy  = mean power x latency where a power is known, else
              MACs x energy per MAC + bits x energy per bit

(Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009; energy bottom-up after
Horowitz, ISSCC 2014.) What is not known is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.compilers import as_stored, stored
from talaria_widget.compilers.menu import menu
from talaria_widget.compilers.rates import (
    ON_CHIP_ENERGY,
    energy_band,
    floats,
    latency_band,
    moving_seconds,
)
from talaria_widget.compilers.tensors import price_casts, tensor_arrays
from talaria_widget.graph import DTYPE_BITS, Graph, Op
from talaria_widget.hardware import MenuOption
from talaria_widget.prices import BOUNDS, PROVENANCE, Band, Prices
from talaria_widget.program import Program, Task
from talaria_widget.recipe import Option

Array = NDArray[Any]


def price(program: Program, asked: Sequence[Option] = ()) -> Prices:
    """Every line of the menu, and the options `asked` for, priced for every row."""
    lines = menu(program, asked)
    weights = stored.table(program, lines)
    precisions = tuple(dict.fromkeys([program.baseline, *(m.activations for m in lines)]))
    signature, first = _signatures(program.tasks)
    counts = np.bincount(signature, minlength=len(first)).astype(np.float64)[:, None]
    rows = _price_rows(program, first, counts, weights, lines)
    latency, energy, bound, least_s = rows
    reasons = list(weights.reasons)
    refusal = _refusals(program, [program.tasks[r] for r in first], lines, reasons)
    # On a device that is measured, what is modelled is not.
    source = PROVENANCE.index("vendor" if program.device.provenance == "vendor" else "modelled")
    column_precision = np.array([precisions.index(m.activations) for m in lines], np.int32)
    tensors, sizes = tensor_arrays(program)
    cast_latency, cast_energy = price_casts(program.device, sizes, precisions)
    return Prices(
        options=tuple(line.option for line in lines),
        labels=tuple(line.label for line in lines),
        precisions=precisions,
        precision_bytes=np.array([DTYPE_BITS[p] / 8 for p in precisions]),
        column_precision=column_precision,
        reasons=tuple(reasons),
        row_signature=signature,
        latency=latency,
        energy=energy,
        provenance=np.full(refusal.shape, source, np.uint8),
        gives=np.broadcast_to(column_precision, refusal.shape).copy(),
        refusal=refusal,
        bound=bound,
        least_s=least_s,
        row_weight_start=weights.row_start,
        row_weight=weights.row_weight,
        weight_leader=weights.leader,
        weight_bytes=weights.bytes,
        weight_refusal=weights.refusal,
        cast_latency=cast_latency,
        cast_energy=cast_energy,
        cast_provenance=np.full(cast_latency.point.shape, source, np.uint8),
        **tensors,  # type: ignore[arg-type]  # the arrays of tensors and edges, by name
    )


def _signatures(tasks: Sequence[Task]) -> tuple[Array, list[int]]:
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


def _price_rows(
    program: Program,
    first: Sequence[int],
    counts: Array,
    weights: stored.Table,
    lines: Sequence[MenuOption],
) -> tuple[Band, Band, Array, Array]:
    """Latency, energy and what bounds them: one row per signature, one column per line.

    The last is the time of moving the bytes alone, for what has no known work.
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
    rest = (flops - 2 * macs - free) / (peak * device.efficiency["other"])
    compute = slower * 2 * macs / (peak * share) + rest
    floating = floats([as_stored.floating(graph, t) for t in tasks])[:, None]
    activations = moved * (floating * scale[None, :] + 1 - floating)
    streamed = weights.row_bytes[first] * _used(graph, tasks, runs[:, 0])[:, None]

    resident = weights.bytes[:, 0].sum() <= device.on_chip_bytes
    weight_rate = device.on_chip_bytes_per_s if resident else device.bandwidth_bytes_per_s
    loading = streamed / weight_rate
    decode_s = np.array([m.decode_s for m in lines])[None, :]
    unpacking = decode_s * streamed[:, :1] * 8 / DTYPE_BITS[program.baseline]
    unpacking = unpacking + floats([d.seconds for d in decoding])[:, None]
    memory = moving_seconds(device, activations)
    if device.prefetch:
        memory = memory + _exposed(np.maximum(compute, memory), loading, counts) * loading
    else:
        memory = memory + loading

    seconds = np.maximum(compute, memory) + unpacking + device.dispatch_s
    bound = np.where(compute >= memory, BOUNDS.index("compute"), BOUNDS.index("memory"))
    bound[np.maximum(compute, memory) < device.dispatch_s] = BOUNDS.index("dispatch")
    bound[np.isnan(seconds)] = BOUNDS.index("unknown")

    if device.power_w is not None:
        joules = device.power_w * seconds
    else:
        mac_j = as_stored.rates(device.mac_j, tasks, lines)
        chip = np.where(activations <= device.on_chip_bytes, ON_CHIP_ENERGY, 1.0)
        weight_share = ON_CHIP_ENERGY if resident else 1.0
        bits = 8 * (activations * chip + streamed * weight_share)
        joules = flops / 2 * mac_j + bits * device.dram_bit_j
    # What never runs costs nothing, whether or not its sizes are known.
    seconds, joules = (np.where(times == 0, 0.0, times * each) for each in (seconds, joules))
    least = np.where(times == 0, 0.0, times * (memory + device.dispatch_s))[:, 0]
    cannot = np.array([bool(m.reason) for m in lines])
    seconds[:, cannot] = np.nan
    joules[:, cannot] = np.nan
    return latency_band(device, seconds), energy_band(device, joules), bound.astype(np.uint8), least


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


def _refusals(
    program: Program, tasks: Sequence[Task], lines: Sequence[MenuOption], reasons: list[str]
) -> Array:
    """Whether a row without weights follows its inputs into a line's precision."""
    codes = np.zeros((len(tasks), len(lines)), np.uint8)
    kinds = {op.name: op.kind for op in program.graph.ops}
    for column, line in enumerate(lines):
        if column == 0:
            continue
        follows = program.device.glue.get(line.activations, frozenset())
        code = _code(reasons, line.reason or f"this kind of operation stays {program.baseline}")
        for s, task in enumerate(tasks):
            inside = {kinds[name] for name in task.ops} - line.kinds
            if line.reason or (line.activations != program.baseline and not inside <= follows):
                codes[s, column] = code
    return codes


def _code(reasons: list[str], reason: str) -> int:
    if reason not in reasons:
        reasons.append(reason)
    return reasons.index(reason)
