"""The energy that this machine's processor really took, where Linux lets it be read (RAPL).

Source: Linux, Documentation/power/powercap/powercap.rst; Intel SDM volume 3B, "RAPL domains": a
package's counter holds its cores and its graphics, DRAM has a counter of its own, and `psys` is
the platform with the packages in it. Whatever else runs on the machine is in the figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path("/sys/class/powercap")
SECONDS = 0.5
"""How long is measured at least: the counters move about every millisecond."""
# Not intel-rapl-mmio: the same package by another door.
_DOMAIN = re.compile(r"intel-rapl:(\d+)(:\d+)?")


@dataclass(frozen=True, slots=True)
class Domain:
    """A counter of microjoules that starts again at 0 after `range_uj`."""

    name: str
    path: Path
    range_uj: int


def domains(root: Path = ROOT) -> tuple[Domain, ...]:
    """The counters that add up to processors and memory; empty where they may not be read."""
    found = []
    for folder in sorted(root.glob("intel-rapl:*")):
        match = _DOMAIN.fullmatch(folder.name)
        if match is None:
            continue
        try:
            name = (folder / "name").read_text(encoding="ascii").strip()
            if not (name == "dram" if match[2] else name.startswith("package")):
                continue
            domain = Domain(f"{name}:{match[1]}", folder / "energy_uj", _number(folder))
        except (OSError, ValueError):
            return ()
        found.append(domain)
    packages = any(d.name.startswith("package") for d in found)
    return tuple(found) if packages and read(found) is not None else ()


def read(counters: Sequence[Domain]) -> tuple[int, ...] | None:
    """The counters' microjoules now; `None` where one cannot be read (often only root may)."""
    try:
        return tuple(int(domain.path.read_text(encoding="ascii")) for domain in counters)
    except (OSError, ValueError):
        return None


def joules(counters: Sequence[Domain], before: Sequence[int], after: Sequence[int]) -> float:
    """What was taken between two readings, fewer than one turn of the counter apart."""
    total = 0
    for domain, first, last in zip(counters, before, after, strict=True):
        total += last - first if last >= first else last - first + domain.range_uj
    return 1e-6 * total


def energy_j(
    run: Callable[[], object], seconds: float = SECONDS, root: Path = ROOT
) -> float | None:
    """Joules of one run, from as many as fit into `seconds`.

    Returns:
        `None` where there is no such counter, it may not be read, or it stands still, as on
        virtual machines.
    """
    counters = domains(root)
    before = read(counters) if counters else None
    if before is None:
        return None
    runs, end = 0, perf_counter() + seconds
    while runs == 0 or perf_counter() < end:
        run()
        runs += 1
    after = read(counters)
    taken = 0.0 if after is None else joules(counters, before, after)
    return taken / runs if taken > 0 else None


def _number(folder: Path) -> int:
    return int((folder / "max_energy_range_uj").read_text(encoding="ascii"))
