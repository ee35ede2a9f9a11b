"""What the measuring process can be asked to do, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class State:
    """What the process keeps between two commands, by name."""

    kept: dict[str, Any] = field(default_factory=dict)


def ping(state: State, payload: Any) -> Any:
    """The payload, unchanged: the process is there."""
    return payload


COMMANDS: Mapping[str, Callable[[State, Any], Any]] = {"ping": ping}
