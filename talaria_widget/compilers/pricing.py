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
from talaria_widget.compilers.parts import latency_parts, signatures
from talaria_widget.compilers.rates import ON_CHIP_ENERGY, energy_band, latency_band
from talaria_widget.compilers.tensors import price_casts, tensor_arrays
from talaria_widget.graph import DTYPE_BITS
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
    signature, first = signatures(program.tasks)
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
    device = program.device
    tasks = [program.tasks[r] for r in first]
    whole = float(weights.bytes[:, 0].sum())
    parts = latency_parts(program, first, counts, weights.row_bytes, whole, lines)
    times, seconds, busiest = parts.times, parts.seconds, np.maximum(parts.compute, parts.memory)
    bound = np.where(parts.compute >= parts.memory, BOUNDS.index("compute"), BOUNDS.index("memory"))
    bound[busiest < device.dispatch_s] = BOUNDS.index("dispatch")
    bound[np.isnan(seconds)] = BOUNDS.index("unknown")

    if device.power_w is not None:
        joules = device.power_w * seconds
    else:
        mac_j = as_stored.rates(device.mac_j, tasks, lines)
        chip = np.where(parts.activations <= device.on_chip_bytes, ON_CHIP_ENERGY, 1.0)
        weight_share = ON_CHIP_ENERGY if parts.resident else 1.0
        bits = 8 * (parts.activations * chip + parts.streamed * weight_share)
        joules = parts.flops / 2 * mac_j + bits * device.dram_bit_j
    # What never runs costs nothing, whether or not its sizes are known.
    seconds, joules = (np.where(times == 0, 0.0, times * each) for each in (seconds, joules))
    least = np.where(times == 0, 0.0, times * (parts.memory + device.dispatch_s))[:, 0]
    cannot = np.array([bool(m.reason) for m in lines])
    seconds[:, cannot] = np.nan
    joules[:, cannot] = np.nan
    return latency_band(device, seconds), energy_band(device, joules), bound.astype(np.uint8), least


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
