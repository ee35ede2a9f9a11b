"""Runs the quickstart notebook without a browser, and prints what its tagged cells printed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
TAGS = {"totals", "applied"}
CELL_S = 300


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs; it runs in `folder`, and is saved there, failed or not."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_S,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        client.execute()
    finally:
        nbformat.write(notebook, folder / f"{path.stem}.executed.ipynb")
    return notebook


def printed(cell: dict[str, Any]) -> str:
    """What a cell wrote to its standard output."""
    return "".join(
        out["text"]
        for out in cell.get("outputs", ())
        if out["output_type"] == "stream" and out["name"] == "stdout"
    )


def main() -> None:
    """Execute, save beside the notebook, and say what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=HERE, help="where the notebook runs")
    folder: Path = parser.parse_args().folder
    notebook = execute(HERE / "quickstart.ipynb", folder)
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            heading = cell.source.splitlines()[0].removeprefix("## ")
        if TAGS & set(cell.metadata.get("tags", ())):
            sys.stdout.write(f"{heading}\n{printed(cell)}\n")


if __name__ == "__main__":
    main()
