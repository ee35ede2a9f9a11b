"""What no rule of ours knows."""

from __future__ import annotations

from typing import Any

from talaria_widget.rewrite.lower.emit import CannotLower, Emit


def tail(emit: Emit, function: Any, out: Any, args: Any, kwargs: Any) -> Any:
    """The names of what was written for a call that no rule knows."""
    raise CannotLower(f"no rule knows {function}")
