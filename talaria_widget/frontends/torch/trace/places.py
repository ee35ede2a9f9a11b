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

from talaria_widget.frontends import excerpts
from talaria_widget.graph import Source

_TORCH = os.path.dirname(torch.__file__) + os.sep
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_LOCK = threading.RLock()
_CALL = "_compiled_call_impl"


class Places:
    """The stack of modules being called, kept by standing in for their calls in one thread."""

    def __init__(self, paths: Mapping[int, str]) -> None:
        self._paths = paths
        self._stack = [""]
        _PLACES.clear()

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
    def watch(self, model: nn.Module) -> Iterator[None]:
        """Follow the calls of a model's modules until the block ends.

        Each module gets an attribute that torch calls in place of it, the one that
        `Module.compile` sets. Replacing `Module.__call__` makes Python forget what it has looked
        up in every class of modules there is: 3 ms where libraries define a thousand.
        """
        known = [module for module in model.modules() if id(module) in self._paths]
        with _LOCK:
            before = [module.__dict__.get(_CALL, self) for module in known]
            try:
                for module in known:
                    module.__dict__[_CALL] = self._follow(module, threading.get_ident())
                yield
            finally:
                for module, old in zip(known, before, strict=True):
                    if old is self:
                        module.__dict__.pop(_CALL, None)
                    else:
                        module.__dict__[_CALL] = old

    def _follow(self, module: nn.Module, thread: int) -> Callable[..., Any]:
        path, stack = self._paths[id(module)], self._stack

        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != thread:
                return module._call_impl(*args, **kwargs)
            stack.append(path)
            try:
                return module._call_impl(*args, **kwargs)
            finally:
                stack.pop()

        return call


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
            return Source(shown, frame.f_lineno, _place(file))
        frame = frame.f_back  # type: ignore[assignment]
    return None


def show(file: str, line: int) -> Source | None:
    """A line of the author's code; `None` where it is torch's, ours, or of no file.

    A trace may name any file: the lines of one that this process has not loaded are not kept.
    """
    shown = _show(file) if file else ""
    return Source(shown, line, _place(file, named=True)) if shown else None


def _place(file: str, named: bool = False) -> int | None:
    """Where the lines of a file are found again, as it is now: looked at once in a recording."""
    if file not in _PLACES:
        known = not named or excerpts.is_loaded(file)
        _PLACES[file] = excerpts.keep(file) if known else None
    return _PLACES[file]


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
_PLACES: dict[str, int | None] = {}
