"""Widgets by the notebook cell that made them: what a cell made goes when it is run again.

A notebook keeps every widget for good, so that none ever ends by itself.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    from talaria_widget.widget.talaria import Talaria

_made: dict[str, tuple[str, list[weakref.ref[Talaria]]]] = {}
"""By cell: its last run that made widgets, and these."""


def replaced_by(widget: Talaria) -> list[Talaria]:
    """The widgets of earlier runs of the cell that makes this one; none where cells are unknown."""
    cell, run = running()
    if not cell:
        return []
    last, made = _made.get(cell, (run, []))
    before = [] if last == run else made
    _made[cell] = (run, [*([] if before else made), weakref.ref(widget)])
    return [found for each in before if (found := each()) is not None]


def running() -> tuple[str, str]:
    """The cell that is run and which run it is; empty where the page names no cells.

    JupyterLab, Notebook and VS Code send the cell's id with what is to be run.
    """
    parent: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)() or {}
    cell = (parent.get("metadata") or {}).get("cellId", "")
    return str(cell), str((parent.get("header") or {}).get("msg_id", ""))
