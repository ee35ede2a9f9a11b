"""What tests of real measuring share: a quick bench, its process counted, and nothing left over."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ipywidgets.widgets.widget import _instances

from talaria_widget import here, measuring
from talaria_widget.compilers.cache import Cache
from talaria_widget.compilers.onnxruntime import bench, turns
from talaria_widget.compilers.onnxruntime.child import Child
from talaria_widget.compilers.onnxruntime.probe import fit
from talaria_widget.hardware import Device, device
from talaria_widget.recipe import Activations, Quantize
from talaria_widget.widget import Talaria, behind

WEIGHTS_8 = Quantize(8)
STATIC_8 = Quantize(8, activations=Activations(8))
MEASURES = ("load", "baseline", "sweep", "whole")
PATIENCE_S = 60.0

QUICK = """
from talaria_widget import measuring
from talaria_widget.compilers.onnxruntime import bench, turns
from pathlib import Path

for name in ("BASELINE_S", "SWEEP_S", "WHOLE_S"):
    setattr(bench, name, 0.004)
bench.ROUNDS = 2
measuring.PAUSE_S = 0.05
turns._path = lambda: Path({folder!r}) / "turn.lock"
"""
"""The same for another process: enough to see that it works, and turns of its own folder."""


def this_machine() -> Device:
    """The default device with three lines of its menu, which are priced sooner."""
    found = device(None)
    assert found.compiler == here.COMPILER
    few = [line for line in found.menu if line.option in (None, WEIGHTS_8, STATIC_8)]
    assert len(few) == 3
    return replace(found, menu=tuple(few))


_fitted: list[tuple[Device, Device]] = []


def _fit(found: Device, cache: Cache) -> Device:
    """Probe this machine once for all tests."""
    for asked, known in _fitted:
        if found in (asked, known):
            return known
    _fitted.append((found, fit(found, cache)))
    return _fitted[-1][1]


class Asked:
    """The commands that the measuring processes were asked, and the processes."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.pids: list[int] = []

    def take(self) -> list[str]:
        """What was measured since the last time; a recipe timed once more counts once."""
        found = [command for command in self.commands if command in MEASURES]
        self.commands.clear()
        twice = {at for at, pair in enumerate(pairwise(found)) if pair == ("whole", "whole")}
        return [command for at, command in enumerate(found) if at not in twice]

    @property
    def alive(self) -> list[int]:
        """The processes that run."""
        return [pid for pid in dict.fromkeys(self.pids) if runs(pid)]


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def until(true: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until it is true; it fails where that takes too long."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.005)


def briefly(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Measure enough to see that it works, with prices and turns in that folder."""
    patch.setenv("TALARIA_CACHE", str(folder / "cache"))
    patch.setattr(turns, "_path", lambda: folder / "turn.lock")
    for name in ("BASELINE_S", "SWEEP_S", "WHOLE_S"):
        patch.setattr(bench, name, 0.004)
    patch.setattr(bench, "ROUNDS", 2)
    patch.setattr(here, "fit", _fit)


@contextmanager
def quickly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """Measure briefly, with a cache and turns of one's own; then end all that was begun."""
    briefly(folder, monkeypatch)
    monkeypatch.setattr(measuring, "PAUSE_S", 0.05)
    monkeypatch.setitem(behind._kernel, "stopped", False)
    asked = Asked()
    ask = Child.ask

    def listed(self: Child, command: str, payload: Any = None, **more: Any) -> Any:
        asked.commands.append(command)
        found = ask(self, command, payload, **more)
        process = self._process
        if process is not None:
            asked.pids.append(process._popen.pid)
        return found

    monkeypatch.setattr(Child, "ask", listed)
    yield asked
    for widget in list(_instances.values()):
        if isinstance(widget, Talaria):
            widget.close()
    until(lambda: not asked.alive)
    assert os.getpid() not in asked.pids
