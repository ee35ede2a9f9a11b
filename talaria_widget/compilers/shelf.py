"""The price cache's file: one SQLite table of bytes by text, each with its checksum.

Every function here may raise `sqlite3.Error`; `cache.py` decides what then happens. It keeps a
rollback journal, not a write-ahead log: that breaks on network folders.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

BUSY_S = 0.5
USED_S = 3600
"""How old a time of use may grow before reading writes a new one."""
_TABLE = """
    CREATE TABLE IF NOT EXISTS prices
    (key TEXT PRIMARY KEY, used INTEGER NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL)
"""
_INSERT = "INSERT OR REPLACE INTO prices (key, used, checksum, value) VALUES (?, ?, ?, ?)"
_EVICT = """
    DELETE FROM prices
    WHERE rowid IN (SELECT rowid FROM prices ORDER BY used, rowid LIMIT ?)
"""
_EVICTED_SHARE = 10


def connect(path: Path) -> sqlite3.Connection:
    """The file, made if there is none. Its folder must exist."""
    # Threads take turns in `cache.py`.
    shelf = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        shelf.execute("PRAGMA auto_vacuum = FULL")
        # Only a loss of power could now damage the file, and then it is emptied.
        shelf.execute("PRAGMA synchronous = OFF")
        columns = shelf.execute("SELECT * FROM pragma_table_info('prices')").fetchall()
        if not columns:
            shelf.execute(_TABLE)
        shelf.execute("SELECT key, used, checksum, value FROM prices LIMIT 1").fetchall()
    except sqlite3.Error:
        shelf.close()
        raise
    return shelf


def read(shelf: sqlite3.Connection, keys: Iterable[str]) -> tuple[dict[str, bytes], list[str]]:
    """The values of the keys that are there, and which of them were not used for an hour."""
    found, stale = {}, []
    now = int(time.time())
    for key in keys:
        row = shelf.execute(
            "SELECT value, checksum, used FROM prices WHERE key = ?", (key,)
        ).fetchone()
        if row is None or _checksum(key, bytes(row[0])) != row[1]:
            continue
        found[key] = bytes(row[0])
        if not now - USED_S < row[2] <= now:
            stale.append(key)
    return found, stale


def touch(shelf: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Note that these were used now."""
    now = int(time.time())
    shelf.execute("BEGIN IMMEDIATE")
    with shelf:
        shelf.executemany("UPDATE prices SET used = ? WHERE key = ?", [(now, key) for key in keys])


def write(shelf: sqlite3.Connection, values: Mapping[str, bytes], limit_bytes: int) -> None:
    """Put all of them, or none; what was used least lately makes room.

    What is larger than the limit alone is left out.
    """
    if sum(map(len, values.values())) > limit_bytes:
        return
    now = int(time.time())
    rows = [(key, now, _checksum(key, value), value) for key, value in values.items()]
    shelf.execute("BEGIN IMMEDIATE")
    with shelf:
        shelf.executemany(_INSERT, rows)
        while _used_bytes(shelf) > limit_bytes:
            count = shelf.execute("SELECT count(*) FROM prices").fetchone()[0]
            if not count:
                break
            shelf.execute(_EVICT, (max(1, count // _EVICTED_SHARE),))


def erase(shelf: sqlite3.Connection) -> None:
    """Forget everything; the file shrinks."""
    shelf.execute("DELETE FROM prices")


def sound(shelf: sqlite3.Connection) -> bool:
    """Whether the whole file can be read."""
    return bool(shelf.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")


def _used_bytes(shelf: sqlite3.Connection) -> int:
    pages, free, size = (
        int(shelf.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _checksum(key: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key.encode()))
