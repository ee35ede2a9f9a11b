"""The measuring process: it may die in every way, and be stopped at any moment."""

from __future__ import annotations

import math
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from talaria_widget.compilers.observed import Node, Timing
from talaria_widget.compilers.onnxruntime.child import Child, ChildDied, ChildRefused, Stopped
from talaria_widget.compilers.onnxruntime.frames import Unreadable, unpack
from talaria_widget.compilers.onnxruntime.payloads import Building, Loading, Seen
from talaria_widget.recipe import Activations, Cast, Quantize

LONG_S = 600.0
WAIT_S = 60.0
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture(scope="module")
def shared() -> Iterator[Child]:
    child = Child("faulty_commands")
    yield child
    child.close()


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child("faulty_commands")
    yield child
    child.close()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def gone(pid: int) -> bool:
    return soon(lambda: is_gone(pid))


def test_it_answers_and_remembers() -> None:
    with_own_commands = Child()
    payload = {"a": [1, None, 2.5], "b": b"\x00" * 3_000_000}
    assert with_own_commands.ask("ping", payload) == payload
    assert with_own_commands.started == 1
    with_own_commands.close()


def test_it_has_no_torch_and_one_thread(shared: Child) -> None:
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]
    facts = shared.ask("facts", names)
    assert "onnxruntime" in facts["modules"]
    assert not {"torch", "onnxscript", "anywidget", "altair"} & set(facts["modules"])
    assert facts["threads"] == dict.fromkeys(names, "1")


def test_a_file_beside_the_notebook_shadows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: Child
) -> None:
    for name in ("numpy", "random", "onnxruntime"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert child.ask("keep", 1) == [1]


def test_it_finds_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path(__file__).parents[1]
    others = [entry for entry in sys.path if Path(entry).resolve() != here]
    monkeypatch.setattr(sys, "path", ["", *others])
    child = Child()
    assert child.ask("ping", 1) == 1
    child.close()


@posix
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("abort", "SIGABRT.*: terminate called after throwing an instance of 'std::bad_alloc'"),
        ("segfault", "SIGSEGV"),
        ("killed", "SIGKILL.*short of memory"),
        ("leave", "status 7"),
        ("exit_politely", "status 7"),
    ],
)
def test_its_death_is_a_sentence_and_the_next_question_is_answered(
    shared: Child, command: str, sentence: str
) -> None:
    shared.ask("keep", "before")
    started = shared.started
    with pytest.raises(ChildDied, match=f"{sentence}.*{command}"):
        shared.ask(command, 7)
    assert shared.ask("keep", 1) == [1]
    assert shared.started == started + 1


@posix
def test_it_may_die_between_two_questions(child: Child) -> None:
    pid = child.ask("facts", [])["pid"]
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    time.sleep(0.3)  # its other threads
    assert child.ask("keep", 1) == [1]
    assert child.started == 2


def test_what_a_command_raises_is_the_runtimes_first_line(shared: Child) -> None:
    with pytest.raises(ChildRefused, match=r"^\[Error\] : the model is bad$") as caught:
        shared.ask("refuse")
    assert caught.value.kind == "ValueError"
    with pytest.raises(ChildRefused, match="^MemoryError$"):
        shared.ask("silent")
    with pytest.raises(ChildRefused, match="a lock cannot be sent"):
        shared.ask("unsendable")
    with pytest.raises(ChildRefused, match="no such command"):
        shared.ask("no such command")
    started = shared.started
    shared.ask("keep", 1)
    assert shared.started == started


def test_what_travels_comes_out_as_it_was(shared: Child) -> None:
    node = Node("a", "Conv", "", ("x", "w"), ("y",), math.inf, 3, "float")
    option = Quantize(8, activations=Activations(8, dynamic=True))
    sent = [
        Loading(b"\x00" * 1000, {"x": ((1, 3), "float32"), "#Node": ((), "int64")}),
        Building({"#bytes": option, "w": Cast("float16"), "v": None}, {"w": "b"}, 0.5),
        Seen(1.0, 2.0, 0.1, (node, node), (), (node,)),
        {"timing": Timing(1.5, 0.1, 3), "text": "\udc80\u2028", "data": b""},
    ]
    assert shared.ask("keep", sent)[-1] == sent


def test_an_answer_that_nobody_can_read_is_a_sentence(child: Child) -> None:
    with pytest.raises(ChildDied, match=r"gave an answer that cannot be read .*command 'garble'"):
        child.ask("garble")
    assert child.ask("keep", 1) == [1]


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"[true", b"\xff", b'{"#Node": [1]}', b'{"#Node": 1}', b'{"#pairs": [1]}'),
        *(b'{"#bytes": ["a"]}', b'{"#Quantize": [3, "no", 1, 1, 1]}', b"[" * 100_000),
    ],
)
def test_no_frame_makes_more_than_plain_data(text: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(struct.pack("<QQ", len(text), len(text)) + text)


def test_what_cannot_be_sent_is_the_askers_fault(shared: Child) -> None:
    with pytest.raises(TypeError, match="a lock cannot be sent"):
        shared.ask("keep", threading.Lock())
    assert shared.ask("keep", 1)


def test_what_native_code_prints_mixes_with_no_answer(shared: Child) -> None:
    assert shared.ask("chatter") == ""
    assert shared.ask("keep", 2)[-1] == 2


@pytest.mark.parametrize("command", ["sleep", "work"])
def test_past_its_time_it_is_killed(shared: Child, command: str) -> None:
    pid = shared.ask("facts", [])["pid"]
    start = time.monotonic()
    with pytest.raises(ChildDied, match=r"took more than 0\.2 s"):
        shared.ask(command, LONG_S, timeout_s=0.2)
    assert time.monotonic() - start < WAIT_S
    assert gone(pid)
    assert shared.ask("keep", 1) == [1]


def ask_apart(child: Child, command: str, payload: Any) -> tuple[threading.Thread, list[Any]]:
    ended: list[Any] = []

    def ask() -> None:
        try:
            ended.append(child.ask(command, payload))
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, ended


def test_stopped_at_any_moment_it_raises_and_can_be_asked_again(child: Child) -> None:
    chance = random.Random(5)
    for i in range(20):
        if i % 3 == 0:
            child.ask("keep", 0)
        thread, ended = ask_apart(child, ("sleep", "work")[i % 2], LONG_S)
        # From before there is a process to amid the command.
        time.sleep(chance.choice((0, 0.001, 0.02, 0.1, 0.3)) * chance.random())
        end = time.monotonic() + WAIT_S
        while thread.is_alive() and time.monotonic() < end:
            child.stop()
            thread.join(0.5)
        assert [type(e) for e in ended] == [Stopped]
    assert child.ask("keep", 1) == [1]


def test_stopped_while_it_answers_quickly_nothing_is_mixed_up(child: Child) -> None:
    stopping = threading.Event()

    def stop() -> None:
        while not stopping.wait(0.15):
            child.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    answers = stops = 0
    end = time.monotonic() + 1.0
    i = 0
    while time.monotonic() < end or not stops:
        i += 1
        try:
            assert child.ask("keep", i)[-1] == i
            answers += 1
        except Stopped:
            stops += 1
    stopping.set()
    thread.join()
    assert child.ask("keep", -1)[-1] == -1


def test_stop_without_a_question_is_nothing(child: Child) -> None:
    child.stop()
    assert child.ask("keep", 1) == [1]
    child.stop()
    child.stop()
    assert child.ask("keep", 1) == [1]


@posix
def test_a_command_may_want_the_process_that_was_told_the_rest(child: Child) -> None:
    child.ask("keep", "model")
    assert child.ask("keep", 1, process=child.started) == ["model", 1]
    loaded = child.started
    child.stop()
    with pytest.raises(Stopped):
        child.ask("keep", 2, process=loaded)
    assert child.ask("keep", "model") == ["model"]
    with pytest.raises(ChildDied, match="between two commands"):
        child.ask("keep", 2, process=loaded)
    assert child.ask("keep", 2, process=child.started) == ["model", 2]
    with pytest.raises(ChildDied):
        child.ask("killed")
    with pytest.raises(ChildDied, match="between two commands"):
        child.ask("keep", 2, process=child.started)


def test_two_threads_ask_one_after_the_other(child: Child) -> None:
    started = [ask_apart(child, "keep", i) for i in range(8)]
    for thread, _ in started:
        thread.join(WAIT_S)
    assert sorted(len(ended[0]) for _, ended in started) == [1, 2, 3, 4, 5, 6, 7, 8]


@posix
def test_ctrl_c_interrupts_the_waiting_and_not_the_process() -> None:
    code = """
import os, sys, time
from talaria_widget.compilers.onnxruntime.child import Child
child = Child("faulty_commands")
print(child.ask("facts", [])["pid"], flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    print(child.ask("keep", 1), child.started, flush=True)
try:
    child.ask("sleep", 600)
except KeyboardInterrupt:
    print(child.ask("keep", 2), child.started, flush=True)
"""
    process = start(code)
    assert process.stdout is not None
    assert int(process.stdout.readline())
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout.readline() == "[1] 1\n"
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    # Its late answer must not be taken for another question's.
    assert process.stdout.readline() == "[2] 2\n"
    assert process.wait(WAIT_S) == 0


@posix
@pytest.mark.parametrize("command", ["keep", "sleep"])
@pytest.mark.parametrize("forked", [False, True], ids=["alone", "with a fork"])
def test_when_its_parent_is_killed_it_ends(command: str, forked: bool) -> None:
    code = f"""
import os, time, threading
from talaria_widget.compilers.onnxruntime.child import Child
child = Child("faulty_commands")
pid = child.ask("facts", [])["pid"]
if {forked} and os.fork() == 0:  # holds the pipes open
    os.close(1)
    time.sleep(600)
threading.Thread(target=child.ask, args=({command!r}, 600), daemon=True).start()
time.sleep(0.1)
print(pid, flush=True)
time.sleep(600)
"""
    process = start(code)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        assert gone(pid)
    finally:
        if forked:
            os.killpg(process.pid, signal.SIGKILL)


@posix
@pytest.mark.parametrize("end", ["", "del child\nimport gc\ngc.collect()\ntime.sleep(600)"])
def test_dropped_or_left_at_exit_it_ends(end: str) -> None:
    code = f"""
import time
from talaria_widget.compilers.onnxruntime.child import Child
child = Child("faulty_commands")
print(child.ask("facts", [])["pid"], flush=True)
{end}
"""
    process = start(code)
    assert process.stdout is not None
    assert gone(int(process.stdout.readline()))
    process.kill()
    process.wait()


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def test_broken_off_it_leaves_no_file(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    thread, _ = ask_apart(child, "litter", LONG_S)
    assert soon(lambda: any(tmp_path.rglob("model")))
    child.stop()
    thread.join(WAIT_S)
    assert soon(lambda: not list(tmp_path.iterdir()))


@posix
def test_killed_with_its_parent_it_leaves_no_file(tmp_path: Path) -> None:
    code = f"""
import tempfile
from talaria_widget.compilers.onnxruntime.child import Child
tempfile.tempdir = {str(tmp_path)!r}
Child("faulty_commands").ask("litter", 600)
"""
    process = start(code)
    assert soon(lambda: any(tmp_path.rglob("model")))
    process.kill()
    process.wait()
    assert soon(lambda: not list(tmp_path.iterdir()))


def test_where_no_process_can_be_started_it_is_said(
    child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ChildDied, match="no measuring process could be started"):
        child.ask("keep", 1)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    assert child.ask("keep", 1) == [1]


def test_what_it_cannot_import_is_the_sentence() -> None:
    with pytest.raises(ChildDied, match="status 1: ModuleNotFoundError: No module named 'nowhere'"):
        Child("nowhere").ask("keep", 1)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_runtime_computes_on_as_many_threads_as_the_device_says(threads: int) -> None:
    child = Child("faulty_commands", threads)
    try:
        facts = child.ask("facts", ["OMP_NUM_THREADS"])
    finally:
        child.close()
    assert facts["session"] == threads
    assert facts["threads"] == {"OMP_NUM_THREADS": str(threads)}
    # The thread's own clock does not see what its helpers do.
    assert threads == 1 or not facts["own clock"]
