"""The quickstart notebook runs from top to bottom in a real kernel, and says what it should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

VIEW = "application/vnd.jupyter.widget-view+json"
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.notebook
def test_the_quickstart_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(NOTEBOOKS / "run_quickstart.py"), "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    changes = re.findall(r"^size_bytes .* ([+-]?[\d.]+)%$", done.stdout, re.MULTILINE)
    assert len(changes) == 2
    assert all(float(change) < -60 for change in changes), done.stdout
    assert (tmp_path / "out" / "magika-int8.onnx").stat().st_size < 1_000_000
    notebook = nbformat.read(tmp_path / "quickstart.executed.ipynb", as_version=4)
    shown = [
        [output["data"] for output in cell.outputs if "data" in output]
        for cell in notebook.cells
        if any(VIEW in output.get("data", {}) for output in cell.get("outputs", ()))
    ]
    assert len(shown) == 2
    for live, static in shown:
        # A page without a kernel shows nothing of an output that has a live view.
        assert VIEW in live
        assert VIEW not in static
        assert "<table" in static["text/html"]
        assert "latency_s" in static["text/plain"]
    errors = [
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream" and output["name"] == "stderr"
    ]
    assert errors == []
