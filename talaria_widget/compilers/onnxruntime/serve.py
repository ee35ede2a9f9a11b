"""The measuring process's own program: it obeys one command after the other, on one thread.

It knows nothing of torch. It ends by itself when its parent is gone, also amid a command.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import shutil
import signal
import sys
import threading
import time
from typing import IO, Any, NoReturn

from talaria_widget.compilers.onnxruntime.frames import pack, receive, unpack

FIRST_LINE = 300
PARENT_GONE_S = 2.0


def serve(requests: IO[bytes], answers: IO[bytes], module: str, folder: str = "") -> None:
    """Obey until there are no more requests. An answer is (done, result or (kind, sentence)).

    At the end `folder` is removed, with what a command that is broken off left there.
    """
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # While a command runs, only this thread sees that the parent is gone.
    threading.Thread(target=_listen, args=(requests, waiting, folder), daemon=True).start()
    commands = importlib.import_module(module)
    state = commands.State()
    while True:
        command, payload = unpack(waiting.get())
        answer: tuple[bool, Any]
        try:
            answer = (True, commands.COMMANDS[command](state, payload))
            frame = pack(answer)
        except Exception as error:  # the runtime's, on whatever model; the parent raises it
            frame = pack((False, (type(error).__name__, _first_line(error))))
        answers.write(frame)
        answers.flush()


def _listen(requests: IO[bytes], waiting: queue.SimpleQueue[bytes], folder: str) -> None:
    while (body := receive(requests)) is not None:
        waiting.put(body)
    _leave(folder)


def _watch_parent(parent: int, folder: str) -> None:
    """End when the parent has ended: a fork of it may hold the pipe open."""
    while os.getppid() == parent:
        time.sleep(PARENT_GONE_S)
    _leave(folder)


def _leave(folder: str) -> NoReturn:
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _first_line(error: Exception) -> str:
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)[:FIRST_LINE]


def _own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output for frames alone; what native code prints joins the errors."""
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (requests, answers):
            msvcrt.setmode(descriptor, os.O_BINARY)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _leave_no_core() -> None:
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(OSError, ValueError):
            hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
            resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _quieten() -> None:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    onnxruntime.disable_telemetry_events()


def main(module: str, parent: int, folder: str) -> None:
    """Serve the parent process with the commands of a module; temporary files are in `folder`."""
    requests, answers = _own_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _leave_no_core()
    if os.name == "posix":
        threading.Thread(target=_watch_parent, args=(parent, folder), daemon=True).start()
    _quieten()
    serve(requests, answers, module, folder)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
