"""Where in the model a call is made: the module's path, and the line of the author's code."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any

import torch
from torch import nn

from talaria_widget.graph import Source

_TORCH = os.path.dirname(torch.__file__) + os.sep
_OURS = os.path.dirname(__file__) + os.sep
_LOCK = threading.RLock()


class Places:
    """The stack of modules being called, kept by wrapping `nn.Module.__call__` for one thread."""

    def __init__(self, paths: Mapping[int, str]) -> None:
        self._paths = paths
        self._stack = [""]

    @property
    def path(self) -> str:
        """The path of the innermost module being called."""
        return self._stack[-1]

    @contextmanager
    def below(self, module: str) -> Iterator[None]:
        """Stand in a module below the present one until the block ends."""
        if not module:
            yield
            return
        self._stack.append(f"{self.path}.{module}" if self.path else module)
        try:
            yield
        finally:
            self._stack.pop()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Follow module calls of this thread until the block ends."""
        thread, paths, stack = threading.get_ident(), self._paths, self._stack
        with _LOCK:
            original: Callable[..., Any] = nn.Module.__call__

            def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
                path = paths.get(id(module))
                if path is None or threading.get_ident() != thread:
                    return original(module, *args, **kwargs)
                stack.append(path)
                try:
                    return original(module, *args, **kwargs)
                finally:
                    stack.pop()

            nn.Module.__call__ = call  # type: ignore[method-assign]
            try:
                yield
            finally:
                nn.Module.__call__ = original  # type: ignore[method-assign]


def find_source(boundary: CodeType) -> Source | None:
    """The innermost line outside torch and this package, looking no further than `boundary`."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code is boundary:
            return None
        file = code.co_filename
        shown = _SHOWN.get(file)
        if shown is None:
            shown = _SHOWN[file] = _show(file)
        if shown:
            return Source(shown, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def show(file: str, line: int) -> Source | None:
    """A line of the author's code; `None` where it is torch's, ours, or of no file."""
    shown = _show(file) if file else ""
    return Source(shown, line) if shown else None


def _show(file: str) -> str:
    """A file's name for a reader, or "" where it is torch's or ours."""
    if file.startswith((_TORCH, _OURS)) or "importlib" in file or file == "<string>":
        return ""
    if file.startswith("<"):
        return file
    if f"{os.sep}ipykernel_" in file:
        return "notebook"
    path = os.path.abspath(file)
    root = _package_root(path)
    if root is None:
        root = os.getcwd()
        if not path.startswith(root + os.sep):
            return os.path.basename(path)
    return os.path.relpath(path, root).replace(os.sep, "/")


def _package_root(path: str) -> str | None:
    """The folder that holds the outermost package around a file, or its `sys.path` entry."""
    folder = os.path.dirname(path)
    if os.path.exists(os.path.join(folder, "__init__.py")):
        while os.path.exists(os.path.join(folder, "__init__.py")):
            folder = os.path.dirname(folder)
        return folder
    entries = [os.path.abspath(entry) for entry in sys.path if entry.endswith("site-packages")]
    inside = [entry for entry in entries if path.startswith(entry + os.sep)]
    return max(inside, key=len, default=None)


_SHOWN: dict[str, str] = {}
