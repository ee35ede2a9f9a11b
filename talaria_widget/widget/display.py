"""How a widget stands in a cell's output: the live view, and what is there without it."""

from __future__ import annotations

import os
import sys
from typing import Any

from IPython.display import display

from talaria_widget.report import Report


def static(report: Report) -> dict[str, str]:
    """The table and the text for where no page can run the live view."""
    html = f'<div class="talaria-static">{report._repr_html_()}</div>'
    return {"text/html": html, "text/plain": repr(report)}


def show(data: dict[str, Any], metadata: dict[str, Any], report: Report, text: str) -> None:
    """Display a widget's bundle; in Jupyter with the static table as an output of its own.

    Jupyter shows nothing else of an output that has a live view, even where the kernel that
    could bring it to life is gone. So the static table stands beside it, and the page hides it
    as long as it lives.
    """
    if _one_output_is_enough():
        display(data, metadata=metadata, raw=True)
        return
    live = {k: v for k, v in data.items() if k != "text/html"}
    display({**live, "text/plain": text}, metadata=metadata, raw=True)
    display(static(report), raw=True)


def _one_output_is_enough() -> bool:
    """Whether the page is of a kind that falls back by itself, or cannot hide a second output."""
    return "VSCODE_PID" in os.environ or "google.colab" in sys.modules or "marimo" in sys.modules
