"""ONNX Runtime in a process of its own: it may crash without taking the notebook with it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.draft import check_writable

Arrays = dict[str, NDArray[np.generic]]
FAILED = 3
PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def run(
    model: ModelProto, feeds: Iterable[Mapping[str, NDArray[np.generic]]], what: str
) -> list[Arrays]:
    """The outputs of a model for each feed, by name. `what` names the model in errors.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot load or run it, or crashed.
    """
    check_writable(model)
    with tempfile.TemporaryDirectory(prefix="talaria-") as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        count = 0
        for feed in feeds:
            arrays = {f"{i}": array for i, array in enumerate(feed.values())}
            np.savez(folder / f"in-{count}.npz", names=np.array(list(feed)), **arrays)  # type: ignore[arg-type]
            count += 1
        path = os.pathsep.join([str(PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(folder), str(count)],
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        if done.returncode:
            raise UnsupportedModelError(_reason(done, what))
        return [_load(folder / f"out-{i}.npz") for i in range(count)]


def _reason(done: subprocess.CompletedProcess[str], what: str) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode == FAILED and lines:
        return f"ONNX Runtime cannot run {what}: {lines[-1][:300]}"
    return f"ONNX Runtime crashed on {what} (exit status {done.returncode})."


def _load(path: Path) -> Arrays:
    with np.load(path) as file:
        return {str(name): file[f"{i}"] for i, name in enumerate(file["names"])}


def _main(folder: Path, count: int) -> int:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        names = [output.name for output in session.get_outputs()]
        for i in range(count):
            results = session.run(names, _load(folder / f"in-{i}.npz"))
            kept = {f"{j}": np.asarray(r) for j, r in enumerate(results)}
            np.savez(folder / f"out-{i}.npz", names=np.array(names), **kept)  # type: ignore[arg-type]
    except Exception as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), int(sys.argv[2])))
