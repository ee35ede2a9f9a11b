"""Measuring behind a widget: its steps, Stop at any moment, faults, and the recipe that rests."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from talaria_widget import measuring
from talaria_widget.compilers.observed import Baseline, Timing, Whole
from talaria_widget.compilers.onnxruntime.child import ChildDied, Stopped
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.measuring import Measurement
from talaria_widget.recipe import Option, Quantize

INT8 = {"a.weight": Quantize(8)}
INT4 = {"a.weight": Quantize(4, granularity="block", block_size=32)}


class FakeBench:
    """A bench that takes its time, kernel by kernel, and can be stopped anywhere."""

    def __init__(self, *, sweeps: int = 2, kernels: int = 5, step_s: float = 0.004) -> None:
        self.sweeps, self.kernels, self.step_s = sweeps, kernels, step_s
        self.left = [sweeps] * kernels
        self.wholes: list[Mapping[str, Option]] = []
        self.compiled = self.closed = 0
        self.stopped = threading.Event()
        self.fault: Exception | None = None
        self.whole_fault: Exception | None = None
        self.observed = Baseline(Timing(0.002, 0.01, 20), (), None, "a runtime")

    def _work(self) -> None:
        if self.stopped.wait(self.step_s):
            self.stopped.clear()
            raise Stopped("measuring was stopped.")

    def compile(self) -> Any:
        self._work()
        if self.fault is not None:
            raise self.fault
        self.compiled += 1
        return "program"

    def price(self, program: Any, asked: Sequence[Option]) -> Any:
        return sum(self.left)

    def sweep(self, program: Any, asked: Sequence[Option]) -> Iterator[tuple[int, int, str]]:
        waiting = [i for i, n in enumerate(self.left) if n == max(self.left) > 0]
        for done, i in enumerate(waiting):
            self._work()
            self.left[i] -= 1
            yield done + 1, len(waiting), f"option {i}"

    def whole(self, options: Mapping[str, Option]) -> Whole:
        self._work()
        if self.whole_fault is not None:
            raise self.whole_fault
        self.wholes.append(options)
        return Whole(0.001, 0.0009, 0.0011, None, 20, 0.002)

    def stop(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.closed += 1


class Heard:
    """What the measuring thread told, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def __call__(self, event: str) -> None:
        self.events.append(event)


@contextmanager
def no_turn(_waits: Any) -> Iterator[None]:
    yield


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "PAUSE_S", 0.02)


def measurement(bench: FakeBench, heard: Any = None, turn: Any = no_turn) -> Measurement:
    return Measurement(lambda: bench, heard or Heard(), turn)


def test_the_baseline_comes_first_then_every_sweep_and_then_it_is_done() -> None:
    bench, heard = FakeBench(), Heard()
    under = measurement(bench, heard)
    assert under.state is None
    under.start()
    assert under.wait(10)
    assert under.state is not None
    assert under.state["state"] == "done"
    assert under.program == "program"
    assert bench.compiled == 1
    assert bench.left == [0] * bench.kernels
    assert heard.events.count("program") >= 1 + bench.sweeps


def test_what_is_being_built_is_said() -> None:
    said: list[str] = []

    def listen(_event: str) -> None:
        assert found.state is not None
        said.append(found.state["text"])

    found = measurement(FakeBench(sweeps=1, kernels=2), listen)
    found.start()
    assert found.wait(20.0)
    built = [text for text in dict.fromkeys(said) if text.startswith("building")]
    assert built == ["building and timing all in option 0", "building and timing all in option 1"]
    found.close()


class Clock:
    """A clock that stands still unless it is put forward."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("publishing_s", "most"), [(0.01, 100 / 3), (2.0, 100 / 40)])
def test_telling_prices_takes_a_twentieth_of_the_time_at_most(
    publishing_s: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(measuring, "time", clock)
    told: list[float] = []

    class Slow(FakeBench):
        def _work(self) -> None:
            super()._work()
            clock.now += 1.0

    def listen(event: str) -> None:
        if event == "program":
            told.append(clock.now)
            clock.now += publishing_s

    found = measurement(Slow(sweeps=1, kernels=100, step_s=0.0), listen)
    found.start()
    assert found.wait()
    # One comes with the baseline, one at the end, and one before it is known how long they take.
    assert 1 + most / 2 <= len(told) <= 3 + most
    found.close()


def test_whoever_listens_is_told_that_the_baseline_is_being_measured() -> None:
    heard = Heard()
    under = measurement(FakeBench(), heard)
    under.start()
    assert under.wait(10)
    assert heard.events[0] == "state"


def test_the_recipe_is_built_once_it_rests_and_only_once() -> None:
    bench = FakeBench(sweeps=3, kernels=20)
    under = measurement(bench)
    under.want([Quantize(8)], INT8)
    under.start()
    for _ in range(5):  # clicks in a row
        under.want([Quantize(8)], INT8)
        under.want([], INT4)
    assert under.wait(10)
    assert bench.wholes == [INT4]
    assert under.whole(INT4) is not None
    assert under.whole(INT8) is None
    under.want([], INT8)
    assert under.wait(10)
    under.want([], INT4)
    assert under.wait(10)
    assert bench.wholes == [INT4, INT8]


def test_a_recipe_after_all_is_done_is_built_too() -> None:
    bench = FakeBench()
    under = measurement(bench)
    under.start()
    assert under.wait(10)
    under.want([], INT8)
    assert under.wait(10)
    assert under.whole(INT8) is not None


def test_nothing_is_built_for_an_empty_recipe() -> None:
    bench = FakeBench()
    under = measurement(bench)
    under.want([], {})
    under.start()
    assert under.wait(10)
    assert bench.wholes == []


def test_stop_at_any_moment_keeps_what_was_measured_and_goes_on_later() -> None:
    chance = random.Random(0)
    for _ in range(12):
        bench = FakeBench(step_s=0.002)
        under = measurement(bench)
        under.want([], INT8)
        under.start()
        time.sleep(chance.random() * 0.05)
        under.stop()
        assert under.wait(5)
        assert under.state is not None
        if under.state["state"] == "done":
            continue
        assert under.state["state"] == "stopped"
        time.sleep(0.01)
        left = list(bench.left)
        time.sleep(0.01)
        assert bench.left == left  # nothing goes on behind
        bench.stopped.clear()
        under.start()
        assert under.wait(10)
        assert under.state["state"] == "done"
        assert bench.left == [0] * bench.kernels
        assert under.whole(INT8) is not None


@pytest.mark.parametrize(
    "fault", [UnsupportedModelError("no kernel for X"), ChildDied("it died"), MemoryError("8 GB")]
)
def test_a_baseline_that_fails_is_said_and_may_be_tried_again(fault: Exception) -> None:
    bench, heard = FakeBench(), Heard()
    bench.fault = fault
    under = measurement(bench, heard)
    under.start()
    assert under.wait(5)
    assert under.state is not None
    assert under.state["state"] == "failed"
    assert str(fault) in under.remarks({})[0]
    bench.fault = None
    under.start()
    assert under.wait(5)
    assert under.state["state"] == "done"
    assert under.remarks({}) == ()


def test_a_recipe_that_cannot_be_built_is_said_and_the_kernels_go_on() -> None:
    bench = FakeBench()
    bench.whole_fault = ChildDied("the runtime died on it")
    under = measurement(bench)
    under.want([], INT8)
    under.start()
    assert under.wait(10)
    assert under.state is not None
    assert under.state["state"] == "done"
    assert bench.left == [0] * bench.kernels
    assert "the runtime died on it" in under.remarks(INT8)[0]


def test_waiting_ends_in_time_and_waiting_for_a_turn_is_said() -> None:
    bench, free, states = FakeBench(), threading.Event(), []

    @contextmanager
    def turn(waits: Any) -> Iterator[None]:
        if not free.is_set():
            waits()
            free.wait()
        yield

    under = measurement(bench, lambda _event: states.append(under.state["state"]), turn)  # type: ignore[index]
    under.start()
    assert not under.wait(0.05)
    assert "waiting" in states
    free.set()
    assert under.wait(10)


def test_closing_ends_the_thread() -> None:
    bench = FakeBench()
    under = measurement(bench)
    under.start()
    under.close()
    thread = under._thread
    if thread is not None:
        thread.join(5)
        assert not thread.is_alive()
    under.start()
    assert under._thread is None or not under._thread.is_alive()


def test_an_idle_bench_lets_its_process_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "IDLE_S", 0.02)
    bench = FakeBench()
    under = measurement(bench)
    under.start()
    assert under.wait(10)
    end = time.monotonic() + 5
    while not bench.closed and time.monotonic() < end:
        time.sleep(0.01)
    assert bench.closed
    under.want([], INT8)
    assert under.wait(10)
    assert under.whole(INT8) is not None
