"""The totals: sums over rows, and what was measured of the whole in their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np

from talaria_widget.compilers.observed import Baseline, Whole
from talaria_widget.hardware import Device
from talaria_widget.prices import Evaluation
from talaria_widget.program import Program

Totals = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Run:
    """A model that was run as a whole: seconds, their band, joules where those were measured."""

    seconds: float
    low: float
    high: float
    joules: float | None
    rounds: int


def run_of_whole(whole: Whole) -> Run:
    """A recipe really built and timed."""
    return Run(
        whole.latency_s, whole.latency_s_low, whole.latency_s_high, whole.energy_j, whole.rounds
    )


def run_of_baseline(baseline: Baseline) -> Run:
    """The model as it is, timed; what two such timings differ by is its band."""
    timing = baseline.timing
    low = timing.seconds * max(1 - timing.noise, 0.0)
    high = timing.seconds * (1 + timing.noise)
    return Run(timing.seconds, low, high, baseline.energy_j, timing.rounds)


def summed(program: Program, evaluation: Evaluation) -> Totals:
    """The sums of rows, casts and corrections, and the model's own counts; `None` is unknown."""
    tasks = program.tasks
    totals: Totals = {k: None if isnan(v) else v for k, v in evaluation.totals.items()}
    if evaluation.unknown_rows == len(tasks) > 0:
        totals |= dict.fromkeys([k for k in totals if k.startswith(("latency", "energy"))])
    elif np.isnan(evaluation.energy.point).all() and len(tasks):
        totals |= dict.fromkeys([k for k in totals if k.startswith("energy")])
    for name in ("macs", "flops"):
        known = [getattr(t.work, name) for t in tasks]
        counted = [v for v in known if v is not None]
        totals[name] = float(sum(counted)) if counted or not known else None
    totals["parameters"] = float(program.graph.parameters)
    return totals


def with_run(totals: Totals, run: Run | None, device: Device, before: Run | None) -> Totals:
    """The same with latency and energy as they were measured.

    Energy that was not measured is mean power times the measured latency: the power of the run
    `before` where that was measured, else the device's; without either, it stays the sum of rows.
    """
    if run is None:
        return totals
    measured = {"latency_s": run.seconds, "latency_s_low": run.low, "latency_s_high": run.high}
    joules, low, high = run.joules, run.low / run.seconds, run.high / run.seconds
    if joules is None and before is not None and before.joules is not None:
        joules = before.joules / before.seconds * run.seconds
    elif joules is None and device.power_w is not None:
        joules = device.power_w * run.seconds
        low, high = 1 / device.energy_factor, device.energy_factor
    if joules is not None:
        ends = {"energy_j": joules, "energy_j_low": joules * low, "energy_j_high": joules * high}
        measured |= ends
    return totals | measured


def with_change(totals: Totals, run: Run, before: Mapping[str, float | None]) -> Totals:
    """The same with the change as it was measured, in turns with the baseline."""
    was = before["latency_s"]
    found = [x / was if was else None for x in (run.seconds, run.low, run.high)]
    names = (f"latency_s_change{end}" for end in ("", "_low", "_high"))
    return totals | dict(zip(names, found, strict=True))
