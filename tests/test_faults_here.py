"""What goes wrong while this machine is measured: crashes, interrupts, disks, turns."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import talaria_widget as talaria
from fatal_commands import dies_of
from measured import QUICK, STATIC_8, WEIGHTS_8, Asked, quickly, runs, this_machine, until
from nets import small_net
from talaria_widget.compilers import shelf
from talaria_widget.widget import Talaria

IMAGE = torch.zeros(1, 3, 64, 64)
HERE = this_machine()
TESTS = Path(__file__).parent
posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent")


@pytest.fixture(autouse=True)
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    with quickly(tmp_path, monkeypatch) as found:
        yield found


def show(**more: Any) -> Talaria:
    return talaria.show(small_net(), IMAGE, **{"device": HERE, "recipe": {}, **more})


def state(widget: Talaria) -> str:
    found = widget._behind.state
    return "" if found is None else str(found["state"])


def refusals(widget: Talaria) -> dict[str, str]:
    """By weight, why it cannot be measured in 8-bit weights."""
    prices, weights = widget.report.prices, widget.report.program.weights
    at = prices.options.index(WEIGHTS_8)
    codes = prices.weight_refusal[:, at]
    return {w.name: prices.reasons[c] for w, c in zip(weights, codes, strict=True) if c}


@posix
def test_a_process_that_is_killed_at_any_moment_is_replaced(asked: Asked) -> None:
    chance = random.Random(1)
    w = show(recipe={"fc": STATIC_8})
    killed = 0
    while killed < 10 and state(w) not in ("done", "failed"):
        time.sleep(chance.random() * 0.2)
        for pid in asked.alive:
            os.kill(pid, signal.SIGKILL)
            killed += 1
    assert killed > 0
    assert w.wait(60)
    w.mark("stem", WEIGHTS_8)
    assert "stem.weight" in w.report.choice.options
    if state(w) == "failed":  # it died under the baseline
        assert "SIGKILL" in w.report.notes[0] or "ended between" in w.report.notes[0]
        w.measure()
    assert w.wait(60)
    assert state(w) == "done"
    assert w.report.provenance in ("measured", "partly measured")
    for reason in refusals(w).values():
        assert reason.endswith(".")


def test_an_option_that_the_runtime_dies_of_is_marked_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dies_of("stem.weight", monkeypatch)
    w = show()
    assert w.wait(120)
    assert state(w) == "done"
    assert list(refusals(w)) == ["stem.weight"]
    assert "ended with SIGABRT" in refusals(w)["stem.weight"]
    w.mark("*", WEIGHTS_8)
    assert w.wait(60)
    assert state(w) == "done"
    prices = w.report.prices
    row = next(r for r, t in enumerate(w.report.program.tasks) if t.name == "blocks.0.conv")
    assert prices.provenance[prices.row_signature[row], prices.options.index(WEIGHTS_8)] == 1


@posix
def test_a_recipe_that_the_runtime_dies_of_is_said_and_the_widget_lives(
    monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    dies_of("", monkeypatch)
    w = show()
    assert w.wait(60)
    w._behind._now._bench.close()  # type: ignore[union-attr]
    dies_of("fc.weight", monkeypatch)
    w.mark("fc", WEIGHTS_8)
    assert w.wait(60)
    assert state(w) == "done"
    assert w.report.whole is None
    assert "could not be built and timed" in w.report.notes[0]
    assert "SIGABRT" in w.report.notes[0]
    w.undo()
    w.mark("stem", WEIGHTS_8)
    assert w.wait(60)
    assert w.report.whole is not None


def test_a_full_disk_is_said_once_and_measuring_goes_on(
    monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    import sqlite3

    def full(*_given: Any) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(shelf, "write", full)
    with pytest.warns(UserWarning, match="disk is full") as said:
        report = talaria.analyze(small_net(), IMAGE, device=HERE, recipe={"fc": STATIC_8})
    assert len([each for each in said if "price cache" in str(each.message)]) == 1
    assert report.whole is not None
    asked.take()
    again = talaria.analyze(small_net(), IMAGE, device=HERE, recipe={"fc": STATIC_8})
    assert asked.take() == []
    assert again.whole == report.whole


def test_a_damaged_cache_is_emptied_said_once_and_filled_again(
    tmp_path: Path, asked: Asked
) -> None:
    first = talaria.analyze(small_net(), IMAGE, device=HERE)
    for path in (tmp_path / "cache").glob("*.sqlite3"):
        path.write_bytes(b"no data base" * 1000)
    asked.take()
    with pytest.warns(UserWarning, match="damaged") as said:
        again = talaria.analyze(small_net(), IMAGE, device=HERE)
    assert len([each for each in said if "price cache" in str(each.message)]) == 1
    assert asked.take() == ["load", "baseline"]
    assert again.provenance == first.provenance == "measured"
    talaria.analyze(small_net(), IMAGE, device=HERE)
    assert asked.take() == []


SCRIPT = """
import sys
{quick}
import talaria_widget as talaria
from talaria_widget.compilers.onnxruntime.child import Child
from measured import this_machine
from runtime_nets import residual_net

net, here = residual_net(), this_machine()  # without torch, which takes seconds to import
ask = Child.ask

def told(self, command, payload=None, **more):
    if command in ("baseline", "sweep"):
        print(command, self._process._popen.pid, flush=True)
    return ask(self, command, payload, **more)

Child.ask = told
"""


def script(folder: Path, body: str) -> subprocess.Popen[str]:
    """Another Python that measures."""
    text = SCRIPT.format(quick=QUICK.format(folder=str(folder))) + textwrap.dedent(body)
    paths = os.pathsep.join((str(TESTS), str(TESTS.parent)))
    return subprocess.Popen(
        [sys.executable, "-c", text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def line(process: subprocess.Popen[str], begins: str) -> str:
    assert process.stdout is not None
    for found in process.stdout:
        if found.startswith(begins):
            return found
    assert process.stderr is not None
    raise AssertionError(process.stderr.read()[-2000:])


@posix
def test_an_interrupt_ends_analyze_and_its_process(tmp_path: Path) -> None:
    body = """
    bench.BASELINE_S = 60.0
    try:
        talaria.analyze(net, device=here)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    bench.BASELINE_S = 0.02
    print("then", talaria.analyze(net, device=here).provenance, flush=True)
    """
    process = script(tmp_path, body)
    child = int(line(process, "baseline").split()[1])
    time.sleep(0.3)
    assert runs(child)
    process.send_signal(signal.SIGINT)
    line(process, "interrupted")
    until(lambda: not runs(child), 5)
    assert line(process, "then").split() == ["then", "measured"]
    assert process.wait(30) == 0


@posix
def test_an_interrupt_ends_waiting_and_not_the_measuring(tmp_path: Path) -> None:
    body = """
    w = talaria.show(net, device=here, recipe={})
    bench.SWEEP_S = 0.3
    try:
        w.wait()
    except KeyboardInterrupt:
        print("interrupted", w._behind.state["state"], flush=True)
    bench.SWEEP_S = 0.02
    print("then", w.wait(60), w.report.provenance, flush=True)
    """
    process = script(tmp_path, body)
    child = int(line(process, "sweep").split()[1])
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert line(process, "interrupted").split() == ["interrupted", "kernels"]
    assert runs(child)
    assert line(process, "then").split() == ["then", "True", "measured"]
    assert process.wait(30) == 0
    until(lambda: not runs(child), 5)


@posix
def test_the_measuring_process_goes_when_the_notebook_is_killed(tmp_path: Path) -> None:
    body = """
    bench.SWEEP_S = 60.0
    w = talaria.show(net, device=here, recipe={})
    w.wait()
    """
    process = script(tmp_path, body)
    child = int(line(process, "sweep").split()[1])
    process.kill()
    process.wait()
    until(lambda: not runs(child), 10)


def test_two_processes_take_turns_and_both_finish(tmp_path: Path) -> None:
    body = """
    states = []
    w = talaria.show(net, device=here, recipe={}, measure=False)
    w.observe(lambda change: states.append(change["new"]["measuring"]["state"]), "_status")
    print("ready", flush=True)
    sys.stdin.readline()
    w.measure()
    print("ended", w.wait(60), w.report.provenance, "waiting" in states, flush=True)
    """
    both = [script(tmp_path, body) for _ in range(2)]
    for process in both:
        line(process, "ready")
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [line(process, "ended").split() for process in both]
    assert [end[:3] for end in ends] == [["ended", "True", "measured"]] * 2
    assert "True" in (ends[0][3], ends[1][3]), "one of them waited, and said so"
    assert [process.wait(30) for process in both] == [0, 0]
