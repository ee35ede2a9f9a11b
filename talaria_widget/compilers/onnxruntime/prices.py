"""Prices from what was measured: shares of the baseline, times the ratio of each kernel.

Column 0 is the measured whole, shared out over the rows as its profile says. Another column is
that times the measured ratio of the kernel; where there is none, times the ratio of the
formulas, which is said and has their wide band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.compilers.onnxruntime.casts import Passes
from talaria_widget.compilers.onnxruntime.kernels import Kernel, Key
from talaria_widget.compilers.onnxruntime.rows import Measured
from talaria_widget.compilers.onnxruntime.unchanged import Unchanged
from talaria_widget.prices import PROVENANCE, Band, Prices
from talaria_widget.recipe import Option

Array = NDArray[Any]
MEASURED = PROVENANCE.index("measured")
INTEGERS = "int8"

BASE_BAND = 0.02
"""Two timings of one session lie 2.3 % apart in the median."""
ONE_SWEEP, MANY_SWEEPS = 0.10, 0.05
"""Half-widths of a kernel's ratio after one sweep, and after many: put together, kernels were off
by 3 to 5 % at the median and 11 % at worst over 44 recipes of 9 models."""


def measured_prices(
    measured: Measured,
    whole_s: float,
    noise: float,
    energy_j: float | None,
    kernels: Mapping[Key, Kernel],
    passes: Passes,
    asked: Sequence[Option],
    unchanged: Unchanged | None = None,
) -> Prices:
    """Prices of the measured program; nothing is measured here.

    Args:
        measured: the program, with the seconds of each row by the profile.
        whole_s: the baseline's seconds, un-profiled.
        noise: how far two such figures lie apart.
        energy_j: the baseline's energy where it was measured.
        kernels: what is known of each signature in each option.
        passes: what conversions cost.
        asked: options beside the menu.
        unchanged: what was found when this program was priced before.
    """
    program = measured.program
    unchanged = unchanged or Unchanged()
    prices = unchanged.modelled(program, asked)
    seconds = _shares(measured, prices) * whole_s
    latency = _Grid(prices)
    latency.column(0, seconds, min(max(noise, BASE_BAND), ONE_SWEEP))
    first = _first_rows(prices)
    signatures = [program.tasks[row].signature for row in first]
    weighted = [bool(program.tasks[row].weights) for row in first]
    gives, refusal = prices.gives.copy(), prices.refusal.copy()
    reasons = list(prices.reasons)
    weight_refusal = prices.weight_refusal.copy()
    integer = prices.precisions.index(INTEGERS) if INTEGERS in prices.precisions else -1
    for column, option in enumerate(prices.options[1:], 1):
        static = prices.column_precision[column] == integer
        for s, signature in enumerate(signatures):
            if program.tasks[first[s]].kind == "layout":
                latency.vanish(s, column)
                continue
            kernel = kernels.get((signature, option))
            if kernel is None:
                continue
            if kernel.reason:
                code = _code(reasons, kernel.reason)
                refusal[s, column] = code
                _refuse(prices, weight_refusal, s, column, code)
            if not kernel.ratios:
                continue
            if static and not kernel.integers:
                gives[s, column] = 0
                if not weighted[s]:
                    refusal[s, column] = _code(reasons, "ONNX Runtime keeps it in float32")
            elif static:
                gives[s, column] = integer
                refusal[s, column] = 0
            latency.set(s, column, kernel)
    casts = _casts(measured, prices, passes, integer)
    total = latency.band()
    energy = _energy(prices, total, energy_j, whole_s)
    watts = (program.device.power_w or 0.0) if energy_j is None else energy_j / whole_s
    rules = unchanged.corrections(measured, prices, passes, integer)
    return replace(
        prices,
        corrections=tuple(replace(rule, energy_j=watts * rule.latency_s) for rule in rules),
        reasons=tuple(reasons),
        latency=total,
        energy=energy,
        provenance=latency.provenance,
        gives=gives,
        refusal=refusal,
        weight_refusal=weight_refusal,
        **casts,
    )


def _shares(measured: Measured, prices: Prices) -> Array:
    """The share of each signature's one row: equal tasks take the mean of their times."""
    rows = np.array(measured.seconds, np.float64)
    count = np.bincount(prices.row_signature)
    shares: Array = np.bincount(prices.row_signature, weights=rows) / count
    shares /= rows.sum()
    return shares


def _first_rows(prices: Prices) -> list[int]:
    found: dict[int, int] = {}
    for row, signature in enumerate(prices.row_signature.tolist()):
        found.setdefault(signature, row)
    return [found[s] for s in range(len(found))]


def _refuse(prices: Prices, weight_refusal: Array, s: int, column: int, code: int) -> None:
    """No weight of these rows may take this column."""
    for row in np.flatnonzero(prices.row_signature == s).tolist():
        start, end = prices.row_weight_start[row : row + 2]
        for weight in prices.row_weight[start:end].tolist():
            if prices.weight_leader[weight] == weight:
                weight_refusal[weight, column] = code


def _code(reasons: list[str], reason: str) -> int:
    if reason not in reasons:
        reasons.append(reason)
    return reasons.index(reason)


class _Grid:
    """Latencies of signatures and columns while they are put together, with how sure each is."""

    def __init__(self, prices: Prices) -> None:
        modelled = prices.latency.point.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.ratio = modelled / modelled[:, :1]
        self.ratio[modelled == 0] = 0.0
        self.ratio[:, 0] = 1.0
        point, low, high = (
            part.astype(np.float64)
            for part in (prices.latency.point, prices.latency.low, prices.latency.high)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            self.width = np.nan_to_num(np.maximum(high - point, point - low) / point)
        self.seconds = np.zeros(len(modelled))
        self.provenance = prices.provenance.copy()

    def column(self, number: int, seconds: Array, width: float) -> None:
        """The measured baseline."""
        self.seconds = seconds
        self.width[:, number] = width
        self.provenance[:, number] = MEASURED

    def vanish(self, s: int, column: int) -> None:
        """A layout that the column has no use for."""
        self.ratio[s, column] = 0.0
        self.width[s, column] = 0.0
        self.provenance[s, column] = MEASURED

    def set(self, s: int, column: int, kernel: Kernel) -> None:
        """A measured kernel."""
        time = kernel.time
        self.ratio[s, column] = time.ratio
        narrowed = MANY_SWEEPS + (ONE_SWEEP - MANY_SWEEPS) / time.sweeps
        self.width[s, column] = max(narrowed, time.spread / np.sqrt(time.sweeps))
        self.provenance[s, column] = MEASURED

    def band(self) -> Band:
        """Points, lows and highs."""
        point = self.seconds[:, None] * self.ratio
        low, high = point * np.maximum(1 - self.width, 0), point * (1 + self.width)
        return Band(*(part.astype(np.float32) for part in (point, low, high)))


def _energy(prices: Prices, latency: Band, energy_j: float | None, whole_s: float) -> Band:
    """Energy goes with time: measured power, or the device's."""
    if energy_j is not None:
        watts = energy_j / whole_s
        return Band(latency.point * watts, latency.low * watts, latency.high * watts)
    with np.errstate(divide="ignore", invalid="ignore"):
        modelled = np.where(
            prices.latency.point > 0, prices.energy.point / prices.latency.point, 0.0
        )
        low = np.where(prices.energy.point > 0, prices.energy.low / prices.energy.point, 0.0)
        high = np.where(prices.energy.point > 0, prices.energy.high / prices.energy.point, 0.0)
    joules = (latency.point * modelled).astype(np.float32)
    return Band(joules, (joules * low).astype(np.float32), (joules * high).astype(np.float32))


def _casts(measured: Measured, prices: Prices, passes: Passes, integer: int) -> dict[str, Any]:
    """Conversions per kind of tensor: its size, and whether maker and reader run blocked."""
    if integer < 0:
        return {}
    blocked = np.array([*measured.blocked, False])
    maker = np.where(prices.tensor_row >= 0, blocked[prices.tensor_row], False)
    reader = np.zeros(len(prices.tensor_row), np.bool_)
    np.logical_or.at(reader, prices.edge_tensor, blocked[prices.edge_row])
    size = np.nan_to_num(prices.tensor_size)
    kinds = np.stack([size, maker, reader], axis=1)
    unique, first, cast = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
    old = prices.tensor_cast[first]
    latency = [part[old].astype(np.float64) for part in _parts(prices.cast_latency)]
    joules_per_s = _ratio(prices.cast_energy.point[old], prices.cast_latency.point[old])
    provenance = prices.cast_provenance[old].copy()
    for k, (elements, from_blocked, to_blocked) in enumerate(unique.tolist()):
        turned = passes.seconds("transpose", elements)
        ordered = passes.seconds("reorder", elements)
        to_integers = passes.seconds("quantize", elements)
        to_floats = passes.seconds("dequantize", elements)
        to_integers += from_blocked * ordered + to_blocked * turned
        to_floats += from_blocked * turned + to_blocked * ordered
        for at, seconds, kind in (
            ((k, 0, integer), to_integers, "quantize"),
            ((k, integer, 0), to_floats, "dequantize"),
        ):
            seen = kind in passes.seen
            width = ONE_SWEEP if seen else 0.4
            for part, scale in zip(latency, (1, 1 - width, 1 + width), strict=True):
                part[at] = seconds * scale
            provenance[at] = MEASURED if seen else provenance[at]
    point, low, high = (part.astype(np.float32) for part in latency)
    factor = _ratio(prices.cast_energy.high[old], prices.cast_energy.point[old])
    joules = (point * joules_per_s).astype(np.float32)
    return {
        "tensor_cast": cast.reshape(-1).astype(np.int32),
        "cast_latency": Band(point, low, high),
        "cast_energy": Band(
            joules,
            _ratio(joules, factor).astype(np.float32),
            (joules * factor).astype(np.float32),
        ),
        "cast_provenance": provenance,
    }


def _parts(band: Band) -> tuple[Array, Array, Array]:
    return band.point, band.low, band.high


def _ratio(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)
