"""What was observed of a model on a runtime: times, and the graph that really ran."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a run: the mean of the fastest of `rounds` rounds.

    `noise` is how far two such figures of the same thing lie apart, as a share.
    """

    seconds: float
    noise: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node that the runtime ran, in order, with its profiled seconds (profiler's cost off).

    `elements` and `dtype` are those of its first output; 0 and empty where nobody looked.
    """

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    seconds: float
    elements: int = 0
    dtype: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A model run as it is: the whole un-profiled, and its nodes' shares profiled.

    `energy_j` is measured, per run, or `None`.
    """

    timing: Timing
    nodes: tuple[Node, ...]
    energy_j: float | None
    runtime: str


@dataclass(frozen=True, slots=True)
class KernelTime:
    """A task in an option's form beside its present form, timed in the same sweeps."""

    ratio: float
    sweeps: int
    spread: float


@dataclass(frozen=True, slots=True)
class Whole:
    """A recipe really built, and timed against the baseline in the same rounds.

    What was measured is the change; the seconds are that of a baseline of `base_s`.
    """

    latency_s: float
    latency_s_low: float
    latency_s_high: float
    energy_j: float | None
    rounds: int
    base_s: float

    def to_baseline(self, base_s: float) -> Whole:
        """The same change of a baseline that is known better by now; its energy stays."""
        scale = base_s / self.base_s
        return replace(
            self,
            latency_s=scale * self.latency_s,
            latency_s_low=scale * self.latency_s_low,
            latency_s_high=scale * self.latency_s_high,
            base_s=base_s,
        )
