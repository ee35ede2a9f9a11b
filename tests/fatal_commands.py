"""The measuring process's commands with a runtime that dies of one weight when it is rewritten."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from talaria_widget.compilers.onnxruntime import commands
from talaria_widget.compilers.onnxruntime.commands import State

if TYPE_CHECKING:
    import pytest

__all__ = ["COMMANDS", "State", "dies_of"]

FATAL = "TALARIA_TEST_FATAL"


def dies_of(weight: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that are started from now on die of this weight; of none where it is empty."""
    from talaria_widget.compilers.onnxruntime import process
    from talaria_widget.compilers.onnxruntime.child import Child

    monkeypatch.setenv(FATAL, weight)
    monkeypatch.setattr(process, "Child", lambda threads: Child("fatal_commands", threads))


def _fatal(command: Callable[[State, Any], Any]) -> Callable[[State, Any], Any]:
    def run(state: State, payload: Any) -> Any:
        if os.environ[FATAL] in payload.options:
            os.abort()
        return command(state, payload)

    return run


BUILDING = ("sweep", "attempt", "whole")
COMMANDS = {**commands.COMMANDS, **{name: _fatal(commands.COMMANDS[name]) for name in BUILDING}}
