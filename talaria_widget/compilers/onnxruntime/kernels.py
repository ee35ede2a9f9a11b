"""The table of kernels: how long each signature takes in each option's form, against its own."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from talaria_widget.compilers.cache import Cache, machine
from talaria_widget.compilers.observed import KernelTime
from talaria_widget.recipe import Option

SWEEPS = 3
"""Sweeps after which a kernel is measured: one pass lies 3.4 % from the others in the median."""
MOST = 12
"""Sweeps that are kept of one kernel."""

Key = tuple[str, Option]


_PACKAGE = Path(__file__).parents[2]
_DECIDING = ("rewrite", "storage", "compilers/observed.py", "compilers/onnxruntime")


@cache
def revision(package: Path = _PACKAGE) -> str:
    """A digest of what writes, times and reads a model: another's figures are no longer ours."""
    digest = hashlib.sha256()
    for place in _DECIDING:
        found = package / place
        for path in sorted(found.rglob("*.py")) if found.is_dir() else [found]:
            digest.update(path.relative_to(package).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A signature in an option's form.

    `ratios` to its present form, one per sweep. `integers`: it gives them. `reason` says why
    the runtime cannot run it.
    """

    ratios: tuple[float, ...] = ()
    integers: bool = False
    reason: str = ""

    @property
    def done(self) -> bool:
        """Whether it was measured often enough."""
        return bool(self.reason) or len(self.ratios) >= SWEEPS

    @property
    def time(self) -> KernelTime:
        """The geometric mean of its ratios, and how far they spread about it."""
        logs = [math.log(ratio) for ratio in self.ratios]
        mean = sum(logs) / len(logs)
        spread = math.sqrt(sum((each - mean) ** 2 for each in logs) / len(logs))
        return KernelTime(math.exp(mean), len(logs), spread)


@dataclass(slots=True)
class Table:
    """All kernels known on this machine, read from the cache when they are first wanted."""

    store: Cache
    threads: int = 1
    known: dict[Key, Kernel] = field(default_factory=dict)
    asked: set[Key] = field(default_factory=set)

    def fetch(self, keys: Iterable[Key]) -> None:
        """Read what the cache has of these."""
        wanted = {self._text(key): key for key in keys if key not in self.asked}
        self.asked.update(wanted.values())
        for text, data in self.store.get_many(wanted).items():
            kernel = _read(data)
            if kernel is not None:
                self.known[wanted[text]] = kernel

    def add(self, seen: Mapping[Key, Kernel]) -> None:
        """Keep one sweep's kernels, and write them, all at once.

        One that stayed in floats and now follows into integers has other times: those that are
        kept are of the last form seen.
        """
        for key, kernel in seen.items():
            before = self.known.get(key, Kernel())
            other = bool(kernel.ratios) and kernel.integers != before.integers
            ratios = (*(() if other else before.ratios), *kernel.ratios)[-MOST:]
            self.known[key] = replace(kernel, ratios=ratios)
            self.asked.add(key)
        self.store.put_many({self._text(key): _write(self.known[key]) for key in seen})

    def _text(self, key: Key) -> str:
        signature, option = key
        digest = hashlib.sha256(f"{signature}|{option!r}".encode()).hexdigest()
        return f"{machine(self.threads)}|{revision()}|kernel|{digest}"


def _write(kernel: Kernel) -> bytes:
    return json.dumps([list(kernel.ratios), kernel.integers, kernel.reason]).encode()


def _read(data: bytes) -> Kernel | None:
    try:
        ratios, integers, reason = json.loads(data)
        return Kernel(tuple(float(ratio) for ratio in ratios), bool(integers), str(reason))
    except (ValueError, TypeError):
        return None
