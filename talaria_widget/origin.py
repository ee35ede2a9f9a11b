"""Where a graph came from: the way back to a file that a runtime can read."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talaria_widget.graph import Graph, UnsupportedModelError

if TYPE_CHECKING:
    from talaria_widget.frontends.torch.trace.recording import Recording
    from talaria_widget.rewrite.source import Source

Stamp = tuple[int, int]
"""Size and time of the last change."""


class Origin:
    """The model behind a graph, held until its file was read once: nobody else may hold it.

    Then, or where nothing is measured, it is held no longer than its user holds it. The recording
    of a module goes too: it keeps the module's weights.
    """

    def __init__(
        self,
        model: Any,
        inputs: Any,
        graph: Graph,
        recording: Recording | None = None,
        stamp: Stamp | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            model: what the user passed.
            inputs: as they were passed.
            graph: what was captured of it.
            recording: of a module, the recording that the graph was made from.
            stamp: of a file, what `stamp_of` said before it was captured.
        """
        if isinstance(model, str | Path):  # the working folder may be another by then
            model = Path(model).expanduser().absolute()
        self._model, self._held = _weakly(model), model
        self._inputs, self._graph, self._recording = inputs, graph, recording
        self._is_torch, self._stamp = recording is not None, stamp

    def forget(self) -> None:
        """Let go of the model and its recording; a later `source` records anew."""
        self._recording = self._held = None

    def recall(self) -> None:
        """Record a module again, in the thread that asks, where its recording was let go.

        What a forward changes is put back after it: done beside a cell that runs, that would take
        back what the cell changes meanwhile. What cannot be recorded, `source` says.
        """
        model = self._model()
        if not self._is_torch or self._recording is not None or model is None:
            return
        from talaria_widget.frontends.torch import record

        with contextlib.suppress(UnsupportedModelError, TypeError, ValueError):
            self._recording, self._held = record(model, self._inputs), model

    def check_file(self) -> None:
        """Refuse a file that is not the one that was captured; what is no file passes.

        Raises:
            UnsupportedModelError: it was written anew.
        """
        path = self._model()
        now = stamp_of(path)
        if None not in (now, self._stamp) and now != self._stamp:
            raise UnsupportedModelError(
                f"the file {str(path)!r} was changed since it was read: show it again."
            )

    def source(self) -> Source:
        """The model as a file for ONNX Runtime.

        Raises:
            UnsupportedModelError: it can be lowered by no route, it is gone, or no longer the
                model that the graph was captured of.
        """
        recording, held = self._recording, self._held
        self.forget()
        model = self._model() if held is None else held
        if model is None:
            raise UnsupportedModelError(
                "the model that this widget shows is gone: show it again to measure it."
            )
        if not self._is_torch:
            from talaria_widget.rewrite.given import given_to_file
            from talaria_widget.rewrite.onnx_source import source_of_file

            self.check_file()
            source = source_of_file(model, self._graph)
            self.check_file()
            return replace(source, given=given_to_file(source.skeleton, self._inputs))
        from talaria_widget.frontends.torch import record
        from talaria_widget.rewrite.given import given_to_module
        from talaria_widget.rewrite.lower import source_of_recording

        recording = record(model, self._inputs) if recording is None else recording
        if recording.graph.fingerprint != self._graph.fingerprint:
            raise UnsupportedModelError(
                "the model was changed since it was shown: show it again to measure it."
            )
        source = source_of_recording(recording, model)
        if self._inputs is None:
            return source
        args, kwargs = recording.args, recording.kwargs
        return replace(source, given=given_to_module(model, args, kwargs, source.skeleton))


def stamp_of(model: Any) -> Stamp | None:
    """What tells a file from the one that is written over it; `None` where there is no file."""
    if not isinstance(model, str | Path):
        return None
    with contextlib.suppress(OSError, ValueError):
        found = Path(model).expanduser().stat()
        return found.st_size, found.st_mtime_ns
    return None


def _weakly(model: Any) -> Callable[[], Any]:
    """The model as long as its user holds it; a path or a message, of which there is a copy
    on disk or no weak reference, for good.
    """
    if isinstance(model, str | Path):
        return lambda: model
    try:
        return weakref.ref(model)
    except TypeError:
        return lambda: model
