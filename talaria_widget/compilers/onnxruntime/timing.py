"""How long a run takes: the mean of the fastest tenth of runs that took turns, three at least.

A rented core has two paces, of seconds each: its own, and a slower one while another's work runs
beside it on the same silicon, which integers suffer from more than floats (ResNet-18: 1.17 times
as long in float32, 1.4 times in dynamic int8). What is meant is the machine's own pace, so runs
go on until it was seen. Of 23 rounds the ratio of two models was then off by at most 3 % in nine
of ten, and by 15 % where it was taken of the 25th percentiles. Not the minimum, which picks luck;
and never times of two processes. The clock is the thread's own, which stands while others have
the processor: with three times as many programs as cores ResNet-18 took 186-205 ms by the wall's
clock, and 46-49 ms by this one (47 ms alone).
"""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import get_clock_info, perf_counter, thread_time

from talaria_widget.compilers.observed import Timing
from talaria_widget.compilers.onnxruntime.sessions import threads

QUANTILE = 0.25
FASTEST, LEAST_RUNS = 0.1, 3
PACE, PACE_ROUNDS = 0.04, 4
"""So many rounds within this share of the fastest one, and the machine's own pace was seen."""
PATIENCE = 4
"""It is waited for no longer than so many times the seconds that were meant."""
BURST_S = 5e-3
LONGEST_BURST = 50
WARM_UPS = 2

# Windows says 100 ns of a clock that moves at its scheduler's pace, every 16 ms.
OWN_CLOCK = (
    sys.platform != "win32" and get_clock_info("thread_time").resolution < 1e-5 and threads() == 1
)
"""Whether the thread's own clock is fine enough; sessions run in the thread that asks them."""

Run = Callable[[], object]


def interleave(runs: Sequence[Run], seconds: float, rounds: int) -> list[Timing]:
    """Time runs against each other: each has its turn in every round.

    Whatever slows the machine for a while slows all of them, so that ratios hold. The order
    turns about from round to round. What takes less than 5 ms runs several times in its turn,
    the first time only to warm its memory after the others.

    Args:
        runs: what to time, two warm-ups each.
        seconds: how long to go on; up to four times as long while the machine is at a pace
            that is not its own.
        rounds: at least so many rounds (2 or more), however long they take.

    Returns:
        One timing per run: the mean of its fastest runs, and as `noise` how far the figures of
        one half of the rounds lie from those of the other.
    """
    return [_timing(rows) for rows in _take_turns(runs, seconds, rounds)]


def against(base: Run, other: Run, seconds: float, rounds: int) -> tuple[Timing, Timing, float]:
    """As `interleave` for two runs, and how far two ratios of them lie apart, as a share.

    What slows both at once is noise of each and none of their ratio.
    """
    first, second = _take_turns([base, other], seconds, rounds)
    return _timing(first), _timing(second), noise(second, first)


def _take_turns(runs: Sequence[Run], seconds: float, rounds: int) -> list[list[list[float]]]:
    """Seconds by run and round."""
    with undisturbed():
        bursts = [_burst(_warm(run)) for run in runs]
        taken: list[list[list[float]]] = [[] for _ in runs]
        start = perf_counter()
        while runs and (
            len(taken[0]) < max(2, rounds)
            or (spent := perf_counter() - start) < seconds
            or (spent < PATIENCE * seconds and not all(map(_is_at_pace, taken)))
        ):
            order = range(len(runs))
            for i in order if len(taken[0]) % 2 == 0 else reversed(order):
                times = _times(runs[i], bursts[i])
                taken[i].append(times[1:] or times)
    return taken


def _is_at_pace(rounds: Sequence[Sequence[float]]) -> bool:
    """Whether the fastest times lie near each other, as they do where nobody is beside."""
    times = sorted(min(each) for each in rounds)
    return len(times) >= PACE_ROUNDS and times[PACE_ROUNDS - 1] <= (1 + PACE) * times[0]


def kernel_s(run: Run, seconds: float = 8e-3) -> float:
    """Seconds of a small run that is alone in its turn: two warm-ups, then for `seconds`."""
    with undisturbed():
        _warm(run)
        times = _times(run, 1)
        end = perf_counter() + seconds - times[0]
        while perf_counter() < end:
            times += _times(run, 1)
    return fastest(times)


def fastest(times: Sequence[float]) -> float:
    """The mean of the lowest tenth, three of them at least.

    Example:
        >>> fastest([4.0, 1.0, 2.0, 3.0, 50.0])
        2.0
    """
    lowest = sorted(times)[: max(LEAST_RUNS, round(FASTEST * len(times)))]
    return sum(lowest) / len(lowest)


def quantile(times: Sequence[float], share: float = QUANTILE) -> float:
    """The value below which that share of the times lies, between neighbours in proportion.

    Example:
        >>> quantile([4.0, 1.0, 2.0, 3.0, 5.0])
        2.0
    """
    ordered = sorted(times)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def noise(rounds: Sequence[Sequence[float]], base: Sequence[Sequence[float]] = ()) -> float:
    """How far two figures of the same thing lie apart, as a share of it.

    The rounds are halved in several ways that take turns at different paces, and by first and
    last half, which sees drift; the root mean square of the differences. A half's figure
    wanders more than the whole's, about twice as far: it is left on the safe side.

    Args:
        rounds: the times of each round.
        base: those of another run in the same rounds; then the figure is the ratio to it.
    """
    count = len(rounds)
    if count < 2:
        return math.nan
    halves = [[(i >> bit) & 1 for i in range(count)] for bit in range(count.bit_length() - 1)]
    halves.append([int(2 * i >= count) for i in range(count)])
    differences = []
    for half in halves:
        first, second = (
            _figure(rounds, half, side) / (_figure(base, half, side) if base else 1.0)
            for side in (0, 1)
        )
        differences.append(2 * (first - second) / (first + second))
    return math.sqrt(sum(d * d for d in differences) / len(differences))


def _figure(rounds: Sequence[Sequence[float]], half: Sequence[int], side: int) -> float:
    return fastest([t for times, s in zip(rounds, half, strict=True) if s == side for t in times])


@contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage is collected within."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _warm(run: Run) -> float:
    return min(_times(run, WARM_UPS))


def _times(run: Run, count: int) -> list[float]:
    times = []
    for _ in range(count):
        start = _now()
        run()
        times.append(_now() - start)
    return times


def _now() -> float:
    return thread_time() if OWN_CLOCK else perf_counter()


def _burst(seconds: float) -> int:
    return max(1, min(LONGEST_BURST, math.ceil(BURST_S / max(seconds, 1e-7))))


def _timing(rounds: Sequence[Sequence[float]]) -> Timing:
    return Timing(fastest([t for times in rounds for t in times]), noise(rounds), len(rounds))
