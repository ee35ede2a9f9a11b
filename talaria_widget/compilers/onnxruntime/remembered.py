"""What was observed, as the price cache keeps it: JSON, read back or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from talaria_widget.compilers.observed import Baseline, Node, Timing, Whole
from talaria_widget.compilers.onnxruntime.forms import Edge

_T = TypeVar("_T")


def to_bytes(value: object) -> bytes:
    """Dataclasses and lists of them as JSON."""
    return json.dumps(value, default=_plain).encode()


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} is nothing to remember")


def _or_none(read: Callable[[Any], _T]) -> Callable[[bytes], _T | None]:
    """What does not read as it was written was written by another version, or is damaged."""

    def reader(data: bytes) -> _T | None:
        try:
            return read(json.loads(data))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    return reader


def _baseline(data: dict[str, Any]) -> Baseline:
    nodes = (
        Node(**{**node, "inputs": tuple(node["inputs"]), "outputs": tuple(node["outputs"])})
        for node in data["nodes"]
    )
    timing = Timing(**data["timing"])
    return Baseline(**{**data, "timing": timing, "nodes": tuple(nodes)})


baseline_from = _or_none(_baseline)
whole_from = _or_none(lambda data: Whole(**data))
edges_from = _or_none(lambda data: [Edge(**edge) for edge in data])
paces_from = _or_none(lambda data: [float(seconds) for seconds in data])
profiles_from = _or_none(lambda data: [tuple(map(float, row)) for row in data])
