"""The lines of the author's code around a call, read when they are asked for.

A graph has no path of this machine: it knows a file by its place in a list that this process
keeps, so that only what ran during a recording can be read.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from talaria_widget.graph import Source

AROUND = 6
"""Lines before and after a call."""
MOST = 40
"""Lines of one excerpt."""
LONGEST = 400
"""Letters of one line."""

Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a file from `first` on; `marked` are those of the calls, `note` what to say."""

    file: str
    first: int
    lines: tuple[str, ...]
    marked: tuple[int, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file as it was when something of it ran; no stamp where it is no file on disk."""

    path: str
    stamp: Stamp | None


_KEPT: list[_Kept] = []
_NUMBER: dict[_Kept, int] = {}


def keep(file: str) -> int:
    """The place of a file, as it is now."""
    kept = _Kept(file if file.startswith("<") else os.path.abspath(file), _stamp(file))
    if kept not in _NUMBER:
        _KEPT.append(kept)
        _NUMBER[kept] = len(_KEPT) - 1
    return _NUMBER[kept]


def is_loaded(file: str) -> bool:
    """Whether this process runs code of a file: a module's, or a cell's."""
    if file in linecache.cache:
        return True
    loaded = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return os.path.abspath(file) in {os.path.abspath(path) for path in loaded if path}


def excerpt(source: Source | None, others: Iterable[Source | None] = ()) -> Excerpt | None:
    """The lines around a call, and those of other calls of the same file close by.

    Args:
        source: where the call is made.
        others: where more calls of the same task are made.

    Returns:
        At most 40 lines; none, with a note, where the file cannot be read any more or is no
        longer what it was. `None` where no line is known, or not of which file.
    """
    if source is None or source.place is None or source.place >= len(_KEPT):
        return None
    kept = _KEPT[source.place]
    if kept.stamp is not None and _stamp(kept.path) is None:
        return Excerpt(source.file, source.line, (), (), f"{source.file} is gone.")
    linecache.checkcache(kept.path)
    text = linecache.getlines(kept.path)
    if not 1 <= source.line <= len(text):
        return Excerpt(
            source.file, source.line, (), (), f"{source.file} has no line {source.line}."
        )
    here = {s.line for s in others if s is not None and s.place == source.place}
    first, last = _window(source.line, sorted(here), len(text))
    lines = tuple(line.rstrip("\r\n")[:LONGEST] for line in text[first - 1 : last])
    marked = sorted(line for line in {source.line, *here} if first <= line <= last)
    changed = _stamp(kept.path) != kept.stamp
    note = f"{source.file} was changed since the model was read: these may be other lines."
    return Excerpt(source.file, first, lines, tuple(marked), note if changed else "")


def _window(line: int, others: list[int], end: int) -> tuple[int, int]:
    """From the first to the last line shown: as many of the other calls as there is room for."""
    low = high = line
    for other in sorted(others, key=lambda each: abs(each - line)):
        least, most = min(low, other), max(high, other)
        if most - least + 1 + 2 * AROUND <= MOST:
            low, high = least, most
    return max(1, low - AROUND), min(end, high + AROUND)


def _stamp(path: str) -> Stamp | None:
    """What tells a file from the one that is written over it; `None` where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns
