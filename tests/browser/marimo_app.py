"""A real marimo server on loopback that runs one notebook in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from browser.jupyter import free_port

START_S = 60
HEAD = 'import marimo\n\napp = marimo.App(width="full")\n'
CELL = "\n\n@app.cell\ndef _():\n{body}\n    return\n"
FOOT = '\n\nif __name__ == "__main__":\n    app.run()\n'


def write_app(path: Path, cells: Sequence[str]) -> None:
    bodies = ("\n".join(f"    {line}" for line in cell.strip().splitlines()) for cell in cells)
    path.write_text(HEAD + "".join(CELL.format(body=body) for body in bodies) + FOOT)


@contextlib.contextmanager
def serve_app(notebook: Path) -> Iterator[str]:
    """The notebook's address until the block ends. All that marimo writes lies beside it."""
    home, port = notebook.parent, free_port()
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    env = os.environ | dict.fromkeys(names, str(home)) | {"HF_HUB_OFFLINE": "1"}
    command = [
        *(sys.executable, "-m", "marimo", "run", notebook.name, "--headless", "--no-token"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    log = home / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=home, env=env, stdout=out, stderr=out)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_up(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"{url}/health", timeout=2),
        ):
            return
        time.sleep(0.1)
    raise RuntimeError(f"marimo did not start:\n{log.read_text()[-2000:]}")
