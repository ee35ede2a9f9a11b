"""Commands for the measuring process that go wrong in every way."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from talaria_widget.compilers.onnxruntime.sessions import session_options
from talaria_widget.compilers.onnxruntime.timing import OWN_CLOCK


@dataclass(frozen=True, slots=True)
class State:
    kept: list[Any] = field(default_factory=list)


def keep(state: State, payload: Any) -> Any:
    state.kept.append(payload)
    return list(state.kept)


def sleep(state: State, payload: Any) -> Any:
    time.sleep(payload)


def litter(state: State, payload: Any) -> Any:
    """A file that is left behind where this is broken off."""
    (Path(tempfile.mkdtemp()) / "model").write_bytes(b"as large as a model")
    time.sleep(payload)


def work(state: State, payload: Any) -> Any:
    """Never gives its interpreter away, as a kernel that holds on to it."""
    ctypes.PyDLL(None).usleep(int(payload * 1e6))


def abort(state: State, payload: Any) -> Any:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n\n")
    os.abort()


def segfault(state: State, payload: Any) -> Any:
    ctypes.string_at(0)


def killed(state: State, payload: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def leave(state: State, payload: Any) -> Any:
    os._exit(payload)


def exit_politely(state: State, payload: Any) -> Any:
    sys.exit(payload)


def refuse(state: State, payload: Any) -> Any:
    raise ValueError("\n  [Error] : the model\tis bad\nand a second line")


def silent(state: State, payload: Any) -> Any:
    raise MemoryError


def unsendable(state: State, payload: Any) -> Any:
    return threading.Lock()


def garble(state: State, payload: Any) -> Any:
    """Something that is no frame's text, where the answer should come."""
    vars(sys.modules["__main__"])["pack"] = lambda _message: struct.pack("<QQ", 3, 3) + b"nay"


def chatter(state: State, payload: Any) -> Any:
    print("printed", flush=True)
    os.write(1, b"written by native code\n" * 10_000)
    sys.stderr.write("and an error\n")
    return sys.stdin.read()


def facts(state: State, payload: Any) -> Any:
    return {
        "modules": sorted({name.partition(".")[0] for name in sys.modules}),
        "threads": {name: os.environ.get(name) for name in payload},
        "pid": os.getpid(),
        "path": sys.path[0],
        "session": session_options().intra_op_num_threads,
        "own clock": OWN_CLOCK,
    }


COMMANDS: Mapping[str, Callable[[State, Any], Any]] = {
    function.__name__: function
    for function in (
        keep, sleep, litter, work, abort, segfault, killed, leave, exit_politely, refuse, silent,
        unsendable, garble, chatter, facts,
    )
}  # fmt: skip
