"""What a device file must hold: each fault a sentence that names the key and the value."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from talaria_widget.graph import DTYPE_BITS, KINDS

CLASSES = (
    "conv",
    "pointwise",
    "depthwise",
    "linear",
    "matmul",
    "attention",
    "recurrent",
    "other",
)
"""Classes of op that each have an efficiency."""

COMPILERS = ("analytic", "onnxruntime")
"""Who makes a device's rows: formulas (unless the file says otherwise), or a runtime."""

KEYS: Mapping[str, frozenset[str]] = {
    "the file": frozenset(
        [
            "name",
            "title",
            "runtime",
            "container",
            "compiler",
            "provenance",
            "confidence",
            "threads",
            "baseline",
            "band",
            "compute",
            "efficiency",
            "memory",
            "dispatch",
            "energy",
            "glue",
            "option",
        ]
    ),
    "band": frozenset({"latency", "energy_factor", "source"}),
    "efficiency": frozenset({*CLASSES, "source"}),
    "memory": frozenset(
        ["bandwidth_bytes_per_s", "on_chip_bytes", "on_chip_bytes_per_s", "prefetch", "source"]
    ),
    "dispatch": frozenset({"seconds", "source"}),
    "energy": frozenset({"power_w", "mac_j", "dram_bit_j", "source"}),
}
OPTION_KEYS = frozenset(
    [
        "option",
        "means",
        "label",
        "title",
        "compute",
        "activations",
        "kinds",
        "kinds_reason",
        "reason",
        "decode_s",
        "slower",
        "source",
    ]
)
"""The keys that mean something: another is a slip of the pen, and would be a number unread."""


def check(data: Mapping[str, Any]) -> None:
    """Hold the tables of a device file against what pricing reads.

    Raises:
        ValueError: a number that is none or out of range, or a name that means nothing.
        KeyError: a key that is missing.
    """
    for where, keys in KEYS.items():
        _known(where, set(data if where == "the file" else data.get(where, ())), keys)
    _known("compiler", {data.get("compiler", COMPILERS[0])}, COMPILERS)
    precisions = {name for name in data["compute"] if name != "source"}
    _known("compute", precisions, DTYPE_BITS)
    for name in precisions:
        _number(data["compute"][name], f"compute.{name}", "ops_per_s")
    for name in CLASSES:
        _number(data["efficiency"], "efficiency", name)
    for name in ("bandwidth_bytes_per_s", "on_chip_bytes_per_s"):
        _number(data["memory"], "memory", name)
    _number(data["memory"], "memory", "on_chip_bytes", zero=True)
    _number(data["dispatch"], "dispatch", "seconds", zero=True)
    _number(data["band"], "band", "latency", zero=True)
    _number(data["band"], "band", "energy_factor")
    if data["baseline"] != "stored":
        _known("baseline", {data["baseline"]}, precisions)
    for precision, kinds in data.get("glue", {}).items():
        _known(f"glue.{precision}", set(kinds), KINDS)
    for row in data["option"]:
        where = f"option {row['title']!r}"
        _known(where, set(row), OPTION_KEYS)
        _known(f"{where}: kinds", set(row.get("kinds", ())), KINDS)
        if not row.get("reason"):
            _known(f"{where}: compute", {row.get("compute", "stored")}, {"stored", *precisions})
        activations = {row.get("activations", "stored")}
        _known(f"{where}: activations", activations, {"stored", *DTYPE_BITS})


def _number(table: Mapping[str, Any], where: str, key: str, *, zero: bool = False) -> None:
    value = table[key]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        raise ValueError(f"{where}.{key} is {value!r}: write a number, {least}.")


def _known(where: str, names: set[str], known: Any) -> None:
    strange = sorted(names - set(known))
    if strange:
        raise ValueError(f"{where}: {strange[0]!r} is none of {', '.join(sorted(known))}.")
