"""What no test should wait for, set once for all of them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from measured import briefly
from talaria_widget.compilers.onnxruntime.child import Child, ChildDied
from talaria_widget.rewrite import child


def pytest_addoption(parser: pytest.Parser) -> None:
    """How references are written anew."""
    parser.addoption("--overwrite", action="store_true", help="write the pictures of states anew")


def pytest_configure() -> None:
    """A shell's job in the background ignores Ctrl-C, and so would all that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class OneProcess:
    """Stands where `rewrite.child` starts a process for each file: one that runs them all.

    A second of imports is saved with each, and one that dies is replaced as ever.
    """

    def __init__(self) -> None:
        self.process = Child("runtime_commands")

    def run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        folder, count = command[-2:]
        try:
            status, errors = self.process.ask("run", (folder, int(count)))
        except ChildDied as died:
            status, errors = -1, str(died)
        return subprocess.CompletedProcess(command, status, "", errors)


@pytest.fixture(scope="session", autouse=True)
def one_process() -> Iterator[None]:
    """Files run in a process that is kept. A test of `rewrite.child` itself puts it back."""
    kept = OneProcess()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "subprocess", kept)
        yield
    kept.process.close()


@pytest.fixture(scope="session", autouse=True)
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What measures this machine does so briefly; the user's prices and turns are not touched."""
    with pytest.MonkeyPatch.context() as patch:
        briefly(tmp_path_factory.mktemp("measured"), patch)
        yield
