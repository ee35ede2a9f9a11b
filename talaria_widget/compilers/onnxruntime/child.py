"""The measuring process as the notebook sees it: asked, stopped, and replaced when it dies.

The runtime may crash on a kernel, and measuring must not hold the notebook's interpreter: so no
model is ever built or run in the notebook's own process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path
from typing import IO, Any

from talaria_widget.compilers.onnxruntime.frames import Unreadable, pack, receive, unpack
from talaria_widget.compilers.onnxruntime.sessions import THREADS

COMMANDS = "talaria_widget.compilers.onnxruntime.commands"
_PROGRAM = "talaria_widget.compilers.onnxruntime.serve"
_THREADS = (THREADS, "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_FOLDERS = ("TMPDIR", "TEMP", "TMP")
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[3])
_LAST_LINE = 300
ENDING_S = 2.0


class ChildDied(Exception):
    """The measuring process ended, or ran past its time; the next `ask` starts another."""


class ChildRefused(Exception):
    """A command failed and the process lives; the text is the runtime's own first line.

    `kind` is the name of the exception's class there.
    """

    def __init__(self, sentence: str, kind: str = "Exception") -> None:
        super().__init__(sentence)
        self.kind = kind


class Stopped(Exception):
    """The process was stopped on request while it was asked."""


class Child:
    """A process that measures: started when it is first asked, and again after it ended.

    One thread at a time asks, others wait. `stop` and `close` may come from any thread.
    `started` counts the processes: what one was told is gone when it grows. `commands` names
    the module that holds `COMMANDS` and `State`; the runtime computes on `threads` threads.
    """

    def __init__(self, commands: str = COMMANDS, threads: int = 1) -> None:
        self.started = 0
        self._commands, self._threads = commands, threads
        self._asking = threading.Lock()
        self._changing = threading.RLock()
        self._stops = self._stops_before = 0
        self._process: _Process | None = None

    def ask(
        self,
        command: str,
        payload: Any = None,
        *,
        timeout_s: float = 600.0,
        process: int | None = None,
    ) -> Any:
        """What the process answers to a command.

        Args:
            command: its name.
            payload: what `frames` can send.
            timeout_s: how long it may take.
            process: what `started` was when the process was told what this command needs.

        Raises:
            ChildDied: it ended amid the command, ran past `timeout_s` (it is then killed),
                could not be started, or is no longer the `process` asked for.
            ChildRefused: the command raised.
            Stopped: `stop` was called meanwhile, or since that `process` was started.
        """
        frame = pack((command, payload))
        stops = self._stops
        with self._asking:
            asked = self._alive(stops, process)
            expired = threading.Event()
            timer = threading.Timer(timeout_s, _expire, (asked, expired))
            timer.daemon = True
            body = None
            try:
                timer.start()
                body = asked.exchange(frame)
            finally:
                timer.cancel()
                # Interrupted, it would give this answer to the next question.
                if body is None:
                    self._forget(asked)
        if self._stops != stops:
            raise Stopped("measuring was stopped.")
        if body is None:
            late = f"took more than {timeout_s:g} s" if expired.is_set() else asked.ending()
            raise ChildDied(f"the measuring process {late} (command {command!r}).")
        try:
            done, result = unpack(body)
        except Unreadable as error:
            self._forget(asked)
            raise ChildDied(
                f"the measuring process gave {error} to command {command!r}."
            ) from error
        if not done:
            kind, sentence = result
            raise ChildRefused(sentence, kind)
        return result

    def stop(self) -> None:
        """Kill the process, if there is one; an `ask` that waits for it raises `Stopped`.

        It returns at once: a large process takes a while to go.
        """
        process = self._take()
        if process is not None:
            process.kill()
            threading.Thread(target=process.end, daemon=True).start()

    def close(self) -> None:
        """As `stop`, and wait until the process is gone. The object may still be used."""
        process = self._take()
        if process is not None:
            process.end()

    def _take(self) -> _Process | None:
        with self._changing:
            self._stops += 1
            process, self._process = self._process, None
            return process

    def _alive(self, stops: int, wanted: int | None) -> _Process:
        with self._changing:
            if self._stops != stops:
                raise Stopped("measuring was stopped.")
            runs = self._process is not None and self._process.runs()
            if wanted is not None and not (runs and self.started == wanted):
                if self._stops != self._stops_before:
                    raise Stopped("measuring was stopped.")
                raise ChildDied("the measuring process ended between two commands.")
            if self._process is not None and runs:
                return self._process
            if self._process is not None:
                self._forget(self._process)
            try:
                process = _Process(self._commands, self._threads)
            except OSError as error:
                raise ChildDied(f"no measuring process could be started ({error}).") from error
            # Dropped without `close`, and at the interpreter's end, the process ends too.
            process.finalizer = weakref.finalize(self, process.end)
            self._process = process
            self._stops_before = self._stops
            self.started += 1
            return process

    def _forget(self, process: _Process) -> None:
        with self._changing:
            if self._process is process:
                self._process = None
        process.end()


class _Process:
    """One process, its pipes and what it said last."""

    finalizer: weakref.finalize[Any, Any] | None = None

    def __init__(self, commands: str, threads: int) -> None:
        # The working folder is left out of the path, so the package says where it is itself.
        paths = [str(Path(entry).resolve()) for entry in (*sys.path, _PACKAGE_PARENT) if entry]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        environment.update(dict.fromkeys(_THREADS, str(threads)))
        self._errors = _scratch()
        # What it writes is as large as the model, and killed it can remove nothing itself.
        self._folder, self._owner = _folder(), os.getpid()
        environment.update(dict.fromkeys(_FOLDERS, self._folder) if self._folder else {})
        # -P: a file in the working folder must not shadow a package. A group of its own: Ctrl-C
        # in the notebook interrupts the waiting, not the work.
        try:
            self._popen = subprocess.Popen(
                [
                    *(sys.executable or "python", "-P", "-m", _PROGRAM),
                    *(commands, str(os.getpid()), self._folder),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if self._errors is None else self._errors,
                env=environment,
                start_new_session=os.name == "posix",
                creationflags=_windows_flags(),
            )
        except OSError:
            self._clear()
            raise

    def runs(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        self._popen.kill()

    def exchange(self, frame: bytes) -> bytes | None:
        """The answer's frame; `None` where the process is gone."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        try:
            self._popen.stdin.write(frame)
            self._popen.stdin.flush()
            body = receive(self._popen.stdout)
        except (OSError, ValueError):  # broken, or closed by `stop`
            body = None
        if body is None:
            # Its pipes close a little before it ends, and how it ends is wanted.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(ENDING_S)
        return body

    def end(self) -> None:
        """Kill and reap it, and remove its files. A thread that waits for its answer sees the pipe
        end.
        """
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._clear()
        if self.finalizer is not None:
            self.finalizer.detach()

    def _clear(self) -> None:
        # What came through a fork is the other process's to remove.
        if self._folder and self._owner == os.getpid():
            shutil.rmtree(self._folder, ignore_errors=True)

    def ending(self) -> str:
        """How it ended, and the last line it wrote."""
        code = self._popen.wait()
        line = self._last_line()
        return f"ended with {_status(code)}{f': {line}' if line else ''}"

    def _last_line(self) -> str:
        if self._errors is None:
            return ""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 4096))
        lines = self._errors.read().decode(errors="replace").splitlines()
        said = [" ".join(line.split()) for line in lines]
        return next(filter(None, reversed(said)), "")[:_LAST_LINE]


def _expire(process: _Process, expired: threading.Event) -> None:
    expired.set()
    process.kill()


def _scratch() -> IO[bytes] | None:
    with contextlib.suppress(OSError):
        return tempfile.TemporaryFile(prefix="talaria-")
    return None


def _folder() -> str:
    """A folder for temporary files; empty where there is no place for one."""
    with contextlib.suppress(OSError):
        return tempfile.mkdtemp(prefix="talaria-")
    return ""


def _windows_flags() -> int:
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return 0


def _status(code: int) -> str:
    if code >= 0:
        return f"status {code}" if code < 256 else f"status {code:#x}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name}, as a system short of memory does" if name == "SIGKILL" else name
