"""The measuring process's commands on a machine that has next to no memory free."""

from __future__ import annotations

from typing import Any

from talaria_widget.compilers.onnxruntime import commands, standin
from talaria_widget.compilers.onnxruntime.commands import State

__all__ = ["COMMANDS", "State"]

FREE_BYTES = 10_000


def load(state: State, payload: Any) -> None:
    """Load a model where hardly any memory is left; set here, in the process that is asked."""
    standin.free_bytes = lambda: FREE_BYTES
    commands.load(state, payload)


COMMANDS = {**commands.COMMANDS, "load": load}
