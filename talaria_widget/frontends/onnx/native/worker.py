"""The parent's side of the child process: start it, ask it, end it when it takes too long."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SECONDS = 6.0
"""How long one request may take."""

_PROGRAM = Path(__file__).with_name("child.py")
_LOCK = threading.RLock()
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Answer = Mapping[str, Any]
_process: subprocess.Popen[bytes] | None = None
_owner = 0


def start() -> None:
    """Start the child, so that it is ready by the time it is asked; it is kept and reused."""
    with _LOCK:
        try:
            _alive()
        except OSError:
            return


def ask(
    task: str,
    blobs: Sequence[bytes],
    seconds: float = SECONDS,
    **request: Any,
) -> Answer:
    """What the child answers.

    Returns:
        Its answer. The key `error` says in a sentence why there is none: the child failed,
        crashed, took too long (then `slow` is true), or could not be started.
    """
    with _LOCK:
        try:
            process = _alive()
        except OSError as error:
            return {"error": f"no child process could be started ({error})"}
        expired = threading.Event()
        timer = threading.Timer(seconds, _expire, (process, expired))
        timer.daemon = True
        timer.start()
        sizes = [len(blob) for blob in blobs]
        header = {"task": task, "sizes": sizes, "seconds": seconds, **request}
        line = b""
        try:
            line = _exchange(process, header, blobs)
        finally:
            timer.cancel()
            # Interrupted, it would answer this request when it is asked the next.
            if not line:
                stop()
        if line:
            answer: Answer = json.loads(line)
            return answer
        if expired.is_set():
            return {"error": f"it took more than {seconds:g} seconds", "slow": True}
        return {"error": f"the process ended (status {process.returncode})"}


def _expire(process: subprocess.Popen[bytes], expired: threading.Event) -> None:
    expired.set()
    process.kill()


def _exchange(
    process: subprocess.Popen[bytes], header: Mapping[str, Any], blobs: Sequence[bytes]
) -> bytes:
    """The child's line; empty where it is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(header).encode() + b"\n")
        for blob in blobs:
            process.stdin.write(blob)
        process.stdin.flush()
    except (BrokenPipeError, OSError):
        return b""
    line: bytes = process.stdout.readline()
    return line if line.endswith(b"\n") else b""


def _alive() -> subprocess.Popen[bytes]:
    """The child of this process, started where there is none."""
    global _process, _owner
    if _process is not None and _owner == os.getpid() and _process.poll() is None:
        return _process
    if _owner != os.getpid():
        _process, _owner = None, os.getpid()
        atexit.register(stop)
    stop()
    paths = [str(Path(entry).resolve()) for entry in sys.path if entry]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.update(dict.fromkeys(_ONE_THREAD, "1"))
    # -P: the folder of the program must not shadow the standard library.
    _process = subprocess.Popen(
        [sys.executable, "-P", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    return _process


def stop() -> None:
    """End the child, if there is one."""
    global _process
    process, _process = _process, None
    if process is None or _owner != os.getpid():
        return
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue
    process.wait()
