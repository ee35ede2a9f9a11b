"""One measurement at a time on a machine, whoever asks and however a holder ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from talaria_widget.compilers.onnxruntime.turns import turn

WAIT_S = 30.0
HOLD = """
import sys, time
from pathlib import Path
from talaria_widget.compilers.onnxruntime.turns import turn
path, seconds, rounds, log = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for _ in range(rounds):
    with turn(path=path):
        with open(log, "ab", buffering=0) as file:
            file.write(f"in {sys.argv[5]}\\n".encode())
            time.sleep(seconds)
            file.write(f"out {sys.argv[5]}\\n".encode())
"""


def hold(
    path: Path, log: Path, name: str, seconds: float, rounds: int = 1
) -> subprocess.Popen[bytes]:
    arguments = [str(path), str(seconds), str(rounds), str(log), name]
    return subprocess.Popen([sys.executable, "-c", HOLD, *arguments])


def until(log: Path, text: str) -> None:
    end = time.monotonic() + WAIT_S
    while not log.exists() or text not in log.read_text():
        assert time.monotonic() < end, f"{text!r} never came"
        time.sleep(0.01)


def in_time(start: float) -> None:
    assert time.monotonic() - start < WAIT_S, "the turn never came"


def test_two_processes_never_measure_at_once_and_alternate(tmp_path: Path) -> None:
    log = tmp_path / "log"
    both = [hold(tmp_path / "lock", log, name, 0.1, 5) for name in "ab"]
    assert [process.wait(WAIT_S) for process in both] == [0, 0]
    lines = log.read_text().split("\n")[:-1]
    assert len(lines) == 2 * 2 * 5
    for entered, left in zip(lines[::2], lines[1::2], strict=True):
        assert entered.split() == ["in", left.split()[1]]
    # Whoever waits comes next; a process that the machine held up may once have come too late.
    order = "".join(line.split()[1] for line in lines[::2])
    first = order.index("b" if order[0] == "a" else "a")
    last = min(order.rindex("a"), order.rindex("b"))
    together = order[first : last + 1]
    assert together.count("aa") + together.count("bb") <= 1, order


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = hold(tmp_path / "lock", log, "a", 600)
    until(log, "in a")
    waited = []

    def waits() -> None:
        if not waited:
            process.send_signal(signal.SIGKILL)
        waited.append(time.monotonic())
        in_time(waited[0])

    with turn(waits, tmp_path / "lock"):
        assert waited
    process.wait()


def test_waiting_can_be_left_and_holds_nobody_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = hold(tmp_path / "lock", log, "a", 600)
    try:
        until(log, "in a")

        class Enough(Exception):
            pass

        def waits() -> None:
            raise Enough

        for _ in range(2):
            with pytest.raises(Enough), turn(waits, tmp_path / "lock"):
                pytest.fail("two at once")
    finally:
        process.kill()
        process.wait()
    with turn(path=tmp_path / "lock"):
        pass


def test_threads_take_turns_and_one_may_enter_again(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with turn(path=tmp_path / "lock"), turn(path=tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert most == [1] * 15


def test_a_fork_inherits_no_turn(tmp_path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    code = """
import os, sys, time
from pathlib import Path
from talaria_widget.compilers.onnxruntime.turns import turn
with turn(path=Path(sys.argv[1])):
    if os.fork() == 0:
        os.close(1)
        time.sleep(600)
    print("ready", flush=True)
    os._exit(0)  # as a killed notebook, whose workers live on
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.wait(WAIT_S)
        start = time.monotonic()
        with turn(lambda: in_time(start), tmp_path / "lock"):
            pass
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_without_a_place_for_the_lock_everybody_goes(tmp_path: Path) -> None:
    with turn(path=tmp_path / "no" / "such" / "folder" / "lock"):
        pass
