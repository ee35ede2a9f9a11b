"""Axes in one unit each: data stay in SI units, labels are written with the prefix that fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

import altair as alt

from talaria_widget.tables import PREFIXES

WHOLE = ("B", "MAC", "FLOP", "")
"""Units of things that are counted: there is no thousandth of one."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit with its prefix; `factor` of the bare unit make one of it."""

    factor: float
    name: str

    def titled(self, title: str) -> str:
        """What an axis of it says."""
        return f"{title} ({self.name})" if self.name else title

    @property
    def label(self) -> str:
        """The expression that writes a tick's label."""
        return f"format(datum.value / {self.factor!r}, '.6~g')"


def unit_of(values: Iterable[float], unit: str) -> Unit:
    """The unit in which the largest of some values reads as 1 to 999.

    Example:
        >>> unit_of([0.0002, 0.0031], "s"), unit_of([0.5], "B"), unit_of([], "J")
        (Unit(factor=0.001, name='ms'), Unit(factor=1.0, name='B'), Unit(factor=1.0, name='J'))
    """
    largest = max((value for value in values if isfinite(value)), default=0.0)
    if not largest > 0:
        return Unit(1.0, unit)
    least = 1.0 if unit in WHOLE else 0.0
    scale, prefix = next(
        ((s, p) for s, p in PREFIXES if largest >= s * 0.9995 or s <= least), PREFIXES[-1]
    )
    return Unit(scale, prefix + unit)


def axis(unit: Unit, title: str, *, grid: bool = True) -> alt.Axis:
    """A linear axis in a unit."""
    return alt.Axis(title=unit.titled(title), labelExpr=unit.label, tickCount=6, grid=grid)


def log_axis(unit: Unit, title: str, low: float, high: float) -> alt.Axis:
    """A logarithmic axis in a unit, with ticks at powers of ten."""
    powers = range(ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9) + 1)
    ticks = [10.0**power for power in powers]
    return alt.Axis(title=unit.titled(title), labelExpr=unit.label, values=ticks)
