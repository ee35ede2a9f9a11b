"""One measurement at a time on a machine: notebooks take turns.

The lock is a record lock on a file in the system's temporary folder: the system lets go of it when
its process dies, however that dies, and a fork does not inherit it. Threads of this process
take turns by the same rule.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

POLL_S = 0.05
# Whoever wants the turn first takes the gate and keeps it until the turn is theirs: so one who
# has just had a turn cannot take the next before another who waits.
_TURN, _GATE = 0, 1
_turn, _gate = threading.Lock(), threading.Lock()
_holder: int | None = None


@contextmanager
def turn(waits: Callable[[], object] = lambda: None, path: Path | None = None) -> Iterator[None]:
    """Hold the machine's turn to measure.

    A thread that has it may enter again. Where the system has no place for such a lock,
    everybody goes at once.

    Args:
        waits: called again and again while another measures, at least ten times a second;
            what it raises ends the waiting.
        path: the lock's file, which others must name too.
    """
    global _holder
    if _holder == threading.get_ident():
        yield
        return
    _poll(partial(_gate.acquire, timeout=POLL_S), waits)
    try:
        _poll(partial(_turn.acquire, timeout=POLL_S), waits)
    finally:
        _gate.release()
    descriptor = None
    try:
        _holder = threading.get_ident()
        descriptor = _open(_path() if path is None else path)
        if descriptor is not None:
            _poll(partial(_taken, descriptor, _GATE), waits)
            _poll(partial(_taken, descriptor, _TURN), waits)
            _unlock(descriptor, _GATE)
        yield
    finally:
        if descriptor is not None:
            _close(descriptor)
        _holder = None
        _turn.release()


def _path() -> Path:
    user = os.getuid() if sys.platform != "win32" else os.environ.get("USERNAME", "")
    return Path(tempfile.gettempdir()) / f"talaria-widget-{user}.lock"


def _poll(attempt: Callable[[], bool], waits: Callable[[], object]) -> None:
    while not attempt():
        waits()


def _open(path: Path) -> int | None:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(path, flags, 0o600)
    except OSError:
        return None


def _taken(descriptor: int, byte: int) -> bool:
    try:
        _lock(descriptor, byte)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            time.sleep(POLL_S)
            return False
        # No such locks here, as on some network folders.
    return True


def _close(descriptor: int) -> None:
    for byte in (_TURN, _GATE):
        with contextlib.suppress(OSError):
            _unlock(descriptor, byte)
    os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, byte: int) -> None:
        os.lseek(descriptor, byte, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int, byte: int) -> None:
        os.lseek(descriptor, byte, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int, byte: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)

    def _unlock(descriptor: int, byte: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, byte)
