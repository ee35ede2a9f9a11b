"""Timing by turns on a clock of our own, and profiles read without the profiler's cost."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from talaria_widget.compilers.onnxruntime import timing
from talaria_widget.compilers.onnxruntime.profiling import (
    NodeTime,
    ProfilerCost,
    calm,
    middle,
    node_times,
    profiler_cost,
    read_events,
)
from talaria_widget.compilers.onnxruntime.sessions import open_session, session_options
from talaria_widget.compilers.onnxruntime.timing import (
    against,
    fastest,
    interleave,
    kernel_s,
    noise,
    quantile,
)


class Clock:
    """Time passes only where something runs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.ran: list[str] = []

    def run(self, name: str, seconds: Callable[[], float]) -> Callable[[], None]:
        def run() -> None:
            self.ran.append(name)
            self.now += seconds()

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for name in ("perf_counter", "thread_time"):
        monkeypatch.setattr(timing, name, lambda: made.now)
    return made


def test_runs_take_turns_and_turn_about(clock: Clock) -> None:
    runs = [clock.run("a", lambda: 0.1), clock.run("b", lambda: 0.2)]
    timings = interleave(runs, seconds=0.0, rounds=4)
    assert "".join(clock.ran) == "aabb" + "ab" + "ba" + "ab" + "ba"
    assert [t.seconds for t in timings] == pytest.approx([0.1, 0.2])
    assert [t.rounds for t in timings] == [4, 4]
    assert [t.noise for t in timings] == pytest.approx([0, 0], abs=1e-9)


def test_it_goes_on_for_the_time_given(clock: Clock) -> None:
    [timed] = interleave([clock.run("a", lambda: 0.1)], seconds=2.0, rounds=3)
    assert 20 <= timed.rounds <= 21
    assert interleave([], seconds=1.0, rounds=3) == []


def test_what_is_short_runs_several_times_in_its_turn_and_warms_up_first(clock: Clock) -> None:
    times = {"first": 0.004, "later": 0.001}
    since = {"other": True}

    def short() -> float:
        cold, since["other"] = since["other"], False
        return times["first" if cold else "later"]

    def other() -> float:
        since["other"] = True
        return 0.5

    timed, _ = interleave([clock.run("s", short), clock.run("o", other)], 0.0, 3)
    assert timed.seconds == pytest.approx(0.001)
    assert clock.ran.count("s") == 2 + 3 * round(0.005 / 0.001)
    assert clock.ran.count("o") == 2 + 3


def test_what_slows_the_machine_for_a_while_leaves_ratios(clock: Clock) -> None:
    chance = random.Random(3)

    def pace() -> float:
        return 3.0 if 104 < clock.now < 108 else 1.0 + 0.05 * chance.random()

    timings = interleave(
        [clock.run("a", lambda: 0.1 * pace()), clock.run("b", lambda: 0.2 * pace())], 20.0, 20
    )
    assert timings[1].seconds / timings[0].seconds == pytest.approx(2.0, rel=0.05)
    assert timings[0].seconds == pytest.approx(0.1, rel=0.05)


def test_the_machines_own_pace_is_waited_for_but_not_for_ever(clock: Clock) -> None:
    def beside(until: float, times: float) -> Callable[[], float]:
        return lambda: 0.1 * (times if clock.now < until else 1.0)

    start = clock.now
    own, shared = interleave(
        [clock.run("a", beside(104.0, 1.2)), clock.run("b", beside(104.0, 1.4))], 5.0, 3
    )
    assert (own.seconds, shared.seconds) == pytest.approx((0.1, 0.1))
    spread = iter(range(1, 1000))
    clock.now = start
    [never] = interleave([clock.run("c", lambda: 0.1 * 1.05 ** next(spread))], 1.0, 3)
    assert clock.now - start < 4.0 * 1.0 + 2 * 0.1 * 1.05**never.rounds


def test_noise_is_about_what_two_figures_of_the_same_differ_by() -> None:
    chance = random.Random(1)

    def rounds() -> list[list[float]]:
        return [[1.0 + chance.gammavariate(1.0, 0.2)] for _ in range(30)]

    told = [noise(rounds()) for _ in range(200)]
    figures = [fastest([t for row in rounds() for t in row]) for _ in range(400)]
    real = [abs(a - b) for a, b in zip(figures[::2], figures[1::2], strict=True)]
    root = [float(np.sqrt(np.mean(np.square(values)))) for values in (told, real)]
    # Of halves, so about twice as large; see its docstring.
    assert 1.0 < root[0] / root[1] < 2.5


def test_what_slows_both_is_no_noise_of_their_ratio(clock: Clock) -> None:
    runs = [
        clock.run(name, lambda s=s: s * (1 + 0.01 * (clock.now - 100)))  # type: ignore[misc]
        for name, s in (("a", 0.1), ("b", 0.2))
    ]
    first, second, ratio = against(runs[0], runs[1], 20.0, 20)
    assert second.seconds / first.seconds == pytest.approx(2.0, rel=0.02)
    assert ratio < 0.01 < min(first.noise, second.noise)


def test_drift_is_noise() -> None:
    assert noise([[1.0 + 0.01 * i] for i in range(30)]) > 0.05
    assert noise([[1.0]] * 30) == 0


def test_a_quantile_lies_between_its_neighbours() -> None:
    assert quantile([1.0, 2.0]) == pytest.approx(1.0 + 0.25 * (2.0 - 1.0))
    assert quantile([7.0]) == 7.0
    assert quantile([3.0, 1.0, 2.0], 1.0) == 3.0
    values = random.Random(0).sample(range(1000), 37)
    assert quantile(values, 0.4) == pytest.approx(np.quantile(values, 0.4))


def test_a_kernel_is_warmed_up_and_timed_for_a_while(clock: Clock) -> None:
    slow = iter([5.0, 5.0])
    seconds = kernel_s(clock.run("k", lambda: next(slow, 0.001)), 8e-3)
    assert seconds == pytest.approx(0.001)
    assert 8 <= len(clock.ran) - 2 <= 9
    clock.ran.clear()
    assert kernel_s(clock.run("k", lambda: 1.0), 8e-3) == pytest.approx(1.0)
    assert len(clock.ran) == 2 + 1


def test_no_garbage_is_collected_while_timing() -> None:
    seen = []
    assert gc.isenabled()
    interleave([lambda: seen.append(gc.isenabled())], 0.0, 2)
    assert set(seen) == {False}
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        kernel_s(lambda: 1 // 0)
    assert gc.isenabled()


def event(name: str, ts: float, dur: float, op_type: str = "", index: int = 0) -> dict[str, Any]:
    if name == "model_run":
        return {"cat": "Session", "name": name, "ts": ts, "dur": dur, "args": {}}
    arguments = {"op_name": op_type, "node_index": str(index)}
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur, "args": arguments}


COST = ProfilerCost(inside_s=2e-6, whole_s=5e-6, smallest_s=5e-7)


def written(folder: Path, events: list[dict[str, Any]]) -> Path:
    path = folder / "profile.json"
    path.write_text(json.dumps([event("session_initialization", 0, 9), *events]))
    return path


def test_a_profile_gives_each_node_without_the_profilers_part(tmp_path: Path) -> None:
    events = []
    for i, (conv, relu) in enumerate([(900, 90), (800, 80), (100, 2), (110, 1), (100, 2)]):
        start = 10_000 * (i + 1)
        events += [
            event("conv", start + 10, conv, "Conv", 3),
            event("relu", start + 2_000, relu, "Relu", 7),
            event("model_run", start, 5_000),
        ]
    path = written(tmp_path, events)
    conv, relu = node_times(read_events(path), COST)
    # Two runs warm up; of the others the mean between the 10th and the 50th percentile.
    assert conv == NodeTime("conv", "Conv", 3, "", pytest.approx(100e-6 - 2e-6))
    # Shorter than the profiler's own part: the least that a node takes.
    assert (relu.name, relu.seconds) == ("relu", pytest.approx(5e-7))


def test_a_loops_body_stands_within_it_and_costs_it_the_profiling() -> None:
    body = [event("add", 120 + 30 * i, 10, "Add", 1) for i in range(3)]
    events = [
        event("before", 50, 20, "Relu", 0),
        event("loop", 100, 200, "Loop", 1),
        *body,
        event("after", 301, 20, "Relu", 2),
        event("model_run", 40, 300),
    ]
    times = {t.name: t for t in node_times(events, COST, skip=0)}
    assert list(times) == ["before", "loop", "add", "after"]
    assert [times[n].within for n in times] == ["", "", "loop", ""]
    assert times["add"].seconds == pytest.approx(3 * (10e-6 - 2e-6))
    assert times["loop"].seconds == pytest.approx(200e-6 - 2e-6 - 3 * 5e-6)


def test_a_branch_that_some_runs_do_not_take_costs_its_share() -> None:
    events = []
    for i in range(4):
        start = 1_000 * (i + 1)
        events += [event("model_run", start, 500), event("always", start + 1, 22, "Add", 0)]
        if i % 2:
            events.append(event("sometimes", start + 100, 22, "Mul", 1))
    always, sometimes = node_times(events, COST, skip=0)
    assert always.seconds == pytest.approx(22e-6 - 2e-6)
    assert sometimes.seconds == pytest.approx((22e-6 - 2e-6) / 2)


def test_whole_microseconds_average_below_one() -> None:
    assert middle([4, 4, 4, 5, 5, 5, 5, 9, 9, 30]) == pytest.approx((4 + 4 + 4 + 5 * 4) / 7)
    assert middle([3]) == 3


def test_calm_times_are_the_lowest_quarter() -> None:
    assert calm([9, 9, 5, 9, 3, 9, 9, 9]) == pytest.approx((3 + 5) / 2)
    assert calm([1, 2, 3, *[8] * 9]) == pytest.approx((1 + 2 + 3) / 3)
    assert calm([7]) == 7


def test_the_profilers_cost_is_learnt_here() -> None:
    cost = profiler_cost()
    assert 0 < cost.smallest_s < 1e-3
    assert 0 <= cost.inside_s <= cost.whole_s < 1e-2


def test_a_real_profile_adds_up_to_the_run(tmp_path: Path) -> None:
    matrix = helper.make_tensor(
        "w", TensorProto.FLOAT, [512, 512], np.full(512 * 512, 1e-3, np.float32)
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="product"),
        helper.make_node("Softmax", ["y"], ["z"], name="share"),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [256, 512]) for n in "xz"]
    graph = helper.make_graph(nodes, "two", ends[:1], ends[1:], [matrix])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    optimised = tmp_path / "optimised.onnx"
    session = open_session(model, session_options(profile=tmp_path / "p", optimised=optimised))
    plain = open_session(model)
    feed = {"x": np.ones((256, 512), np.float32)}
    timed, _ = interleave([lambda: plain.run(None, feed), lambda: session.run(None, feed)], 0.3, 10)
    times = node_times(read_events(Path(session.end_profiling())), profiler_cost())
    assert [(t.name, t.op_type, t.within) for t in times] == [
        ("product", "MatMul", ""),
        ("share", "Softmax", ""),
    ]
    assert sum(t.seconds for t in times) == pytest.approx(timed.seconds, rel=0.5)
    assert times[0].seconds > times[1].seconds
    assert optimised.exists()
