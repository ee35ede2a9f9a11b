"""Commands of a process that runs files: the program of `rewrite.child`, kept for many runs."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from talaria_widget.rewrite import child


@dataclass(frozen=True, slots=True)
class State:
    """Nothing is kept between two runs."""


def run(_state: State, payload: tuple[str, int]) -> Any:
    """The program's exit status and what it wrote to the errors."""
    folder, count = payload
    written = io.StringIO()
    with redirect_stderr(written):
        return child._main(Path(folder), count), written.getvalue()


COMMANDS = {"run": run}
