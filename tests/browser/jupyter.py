"""A real notebook server on loopback in a folder of its own, and a client of its kernels."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient

START_S = 60
MARK = "talaria-answer:"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Kernel:
    """A second client of a kernel that a page has started.

    Its calls run on a thread, because Playwright keeps an event loop on this one.
    """

    def __init__(self, connection_file: Path) -> None:
        self._file = connection_file
        self._pool = ThreadPoolExecutor(1)

    def _execute(self, code: str, timeout: float) -> str:
        client = BlockingKernelClient(connection_file=str(self._file))
        client.load_connection_file()
        client.start_channels()
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        try:
            client.wait_for_ready(timeout=timeout)
            reply = client.execute_interactive(
                code, timeout=timeout, output_hook=hear, store_history=False
            )
        finally:
            client.stop_channels()
        content = reply["content"]
        if content["status"] != "ok":
            raise AssertionError("\n".join(content.get("traceback", [content["status"]])))
        return "".join(printed)

    def run(self, code: str, timeout: float = 60) -> str:
        """Run code in the page's kernel; what it prints."""
        return self._pool.submit(self._execute, code, timeout).result()

    def value(self, expression: str, timeout: float = 60) -> Any:
        """The value of an expression, by JSON."""
        out = self.run(f"import json; print({MARK!r} + json.dumps({expression}))", timeout)
        return json.loads(out.rpartition(MARK)[2])


class JupyterServer:
    """One running server. `root` is the folder it serves."""

    def __init__(self, root: Path, url: str, token: str, runtime: Path) -> None:
        self.root = root
        self.url = url
        self.token = token
        self._runtime = runtime

    def _get(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(
            f"{self.url}{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            body = response.read()
        return json.loads(body) if body else None

    def kernel_id(self, notebook: str) -> str:
        """The kernel that runs this notebook."""
        for session in self._get("/api/sessions"):
            if session["path"] == notebook:
                return str(session["kernel"]["id"])
        raise LookupError(f"no session runs {notebook}")

    def kernel(self, notebook: str) -> Kernel:
        return Kernel(self._runtime / f"kernel-{self.kernel_id(notebook)}.json")

    def shut_down_kernels(self) -> None:
        for session in self._get("/api/sessions"):
            self._get(f"/api/sessions/{session['id']}", "DELETE")


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[JupyterServer]:
    """Run a server until the block ends. Everything it writes lies under `folder`."""
    root, runtime = folder / "notebooks", folder / "runtime"
    root.mkdir(parents=True)
    port, token = free_port(), secrets.token_hex(16)
    env = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "IPYTHONDIR": str(folder / "ipython"),
        "HF_HUB_OFFLINE": "1",
    }
    command = [
        *(sys.executable, "-m", "notebook", "--no-browser", "--allow-root"),
        *(f"--ServerApp.root_dir={root}", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        f"--IdentityProvider.token={token}",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        server = JupyterServer(root, f"http://127.0.0.1:{port}", token, runtime)
        try:
            _wait_until_up(server, process, folder / "server.log")
            yield server
            with contextlib.suppress(OSError, urllib.error.URLError):
                server.shut_down_kernels()
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(server: JupyterServer, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError, urllib.error.URLError):
            server._get("/api/status")
            return
        time.sleep(0.1)
    raise RuntimeError(f"the notebook server did not start:\n{log.read_text()[-2000:]}")
