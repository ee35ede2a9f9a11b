"""The price cache: what was measured on this machine, kept on disk for the next time.

It may be lost at any moment and costs only time to fill again: a damaged one is emptied, and one
that cannot be read or written is done without. Each is said once.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from talaria_widget.compilers import shelf
from talaria_widget.compilers.machine import machine

__all__ = ["Cache", "cache_dir", "clear_cache", "machine"]

LIMIT_BYTES = 200_000_000
# A new layout of the file takes a new name, so that two versions of the package live together.
_NAME = "prices-1.sqlite3"
_ALL = "prices-*.sqlite3"
_TRIES_BUSY = 3
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
_REMOVED = sqlite3.SQLITE_READONLY_DBMOVED
_said: set[tuple[str, str]] = set()
_aside: dict[tuple[Path, str], bytes] = {}
_T = TypeVar("_T")


def cache_dir() -> Path:
    """The folder where measured prices are kept.

    Returns:
        What the environment variable `TALARIA_CACHE` names, else `talaria-widget` in the
        system's folder for caches. It need not exist yet.

    Example:
        >>> cache_dir().is_absolute()
        True
    """
    if chosen := os.environ.get("TALARIA_CACHE"):
        return Path(chosen).expanduser().absolute()
    with contextlib.suppress(RuntimeError):  # nobody's home
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "talaria-widget"
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            return (Path(local) if local else Path.home()) / "talaria-widget" / "Cache"
        shared = os.environ.get("XDG_CACHE_HOME")
        return (Path(shared) if shared else Path.home() / ".cache") / "talaria-widget"
    return Path(tempfile.gettempdir()) / "talaria-widget"


def clear_cache() -> int:
    """Forget every price measured on this machine; the next `show` measures anew.

    Returns:
        How many bytes of disk were freed.

    Raises:
        OSError: the cache's file may not be changed.
    """
    _aside.clear()
    freed = 0
    for path in sorted(cache_dir().glob(_ALL)):
        before = path.stat().st_size
        # Through SQLite, so that processes which have it open forget too.
        try:
            connection = shelf.connect(path)
        except sqlite3.Error:
            _empty(path)
        else:
            with contextlib.closing(connection):
                try:
                    shelf.erase(connection)
                except sqlite3.Error as error:
                    raise OSError(f"{path} could not be emptied ({error}).") from error
        freed += before - path.stat().st_size
    return freed


class Cache:
    """Bytes by text, on disk, shared by threads and processes. Nothing here raises.

    What was used least lately goes where there is more than `limit_bytes`, which
    `TALARIA_CACHE_BYTES` sets (200 MB; 0 keeps nothing on disk). Where the disk cannot be used,
    values are kept as long as this process lives.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: int | None = None) -> None:
        self.path = (cache_dir() if folder is None else folder) / _NAME
        self._limit = _limit_bytes() if limit_bytes is None else limit_bytes
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        self._busy = 0
        self._reads = self._writes = self._limit > 0

    def get(self, key: str) -> bytes | None:
        """What was put under this key, or `None`."""
        return self.get_many([key]).get(key)

    def put(self, key: str, value: bytes) -> None:
        """Keep this under the key, in place of what was there."""
        self.put_many({key: value})

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """What was put under those of the keys that are known."""
        wanted = list(keys)
        found = {key: _aside[self.path, key] for key in wanted if (self.path, key) in _aside}
        missing = [key for key in wanted if key not in found]
        with self._lock:
            if missing and self._reads:
                kept, stale = self._try(lambda file: shelf.read(file, missing)) or ({}, [])
                found.update(kept)
                if stale and self._writes:
                    self._try(lambda file: shelf.touch(file, stale), writes=True)
        return found

    def put_many(self, values: Mapping[str, bytes]) -> None:
        """Keep all of these; if the process dies meanwhile, none."""
        with self._lock:
            if self._writes and values:
                self._try(lambda file: shelf.write(file, values, self._limit), writes=True)
            if not self._writes:
                _aside.update({(self.path, key): value for key, value in values.items()})

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        with self._lock:
            # A connection that came through a fork is the other process's to close.
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    def _try(
        self, action: Callable[[sqlite3.Connection], _T], *, writes: bool = False
    ) -> _T | None:
        """The action's result; `None` where the file did not let it."""
        for mended in (False, True):
            try:
                result = action(self._open())
            except (sqlite3.Error, OSError) as error:
                if _code(error) in _BUSY and self._busy < _TRIES_BUSY:
                    self._busy += 1
                    return None
                if mended or not self._mend(error):
                    self._do_without(error, writes)
                    return None
            else:
                self._busy = 0
                return result
        return None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None or self._owner != os.getpid():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection, self._owner = shelf.connect(self.path), os.getpid()
        return self._connection

    def _mend(self, error: Exception) -> bool:
        """Whether the file is usable now: emptied, or another process did that before."""
        if _code(error) not in _DAMAGED and not _is_removed(error):
            return False
        self.close()
        try:
            if shelf.sound(self._open()):
                return True
        except (sqlite3.Error, OSError) as still:
            if _code(still) not in _DAMAGED:
                return False
        self.close()
        try:
            _empty(self.path)
        except OSError:
            return False
        _say("damaged", self.path, "was damaged and has been emptied; prices are measured anew.")
        return True

    def _do_without(self, error: Exception, writes: bool) -> None:
        self._writes = False
        if not writes:
            self._reads = False
            self.close()
        do = "written" if writes else "used"
        _say("without", self.path, f"cannot be {do} ({error}); prices last until Python ends.")


def _code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _is_removed(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) == _REMOVED


def _empty(path: Path) -> None:
    # The journal first: it would be played back into the empty file. Not deleted but cut, so that
    # other processes keep the same file.
    path.with_name(path.name + "-journal").unlink(missing_ok=True)
    os.truncate(path, 0)


def _say(what: str, path: Path, text: str) -> None:
    if (what, str(path)) not in _said:
        _said.add((what, str(path)))
        warnings.warn(f"The price cache {path} {text}", stacklevel=2)


def _limit_bytes() -> int:
    text = os.environ.get("TALARIA_CACHE_BYTES", "")
    if not text:
        return LIMIT_BYTES
    try:
        return max(0, int(float(text)))
    except (ValueError, OverflowError):
        _say(
            "limit", cache_dir(), f"has its usual limit: TALARIA_CACHE_BYTES={text!r} is no number."
        )
        return LIMIT_BYTES
