"""The quickstart notebook runs from top to bottom in a real kernel, and says what it should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

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
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]
    assert len(shown) == 2
    for data in shown:
        assert "<table" in data["text/html"]
        assert "latency" in data["text/plain"].lower()
    errors = [
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream" and output["name"] == "stderr"
    ]
    assert errors == []
