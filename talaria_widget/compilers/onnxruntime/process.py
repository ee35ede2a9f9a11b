"""The measuring process with one model in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from talaria_widget.compilers.onnxruntime.child import Child, ChildRefused
from talaria_widget.compilers.onnxruntime.payloads import Loading
from talaria_widget.compilers.onnxruntime.standin import node_name
from talaria_widget.graph import UnsupportedModelError

NODE = re.compile(rf"\b{re.escape(node_name(0)[:-1])}(\d+)")
CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")


class Process:
    """A process of its own that holds a model; started, or started anew, when it is asked."""

    def __init__(
        self,
        skeleton: ModelProto,
        inputs: Mapping[str, tuple[tuple[int, ...], str]],
        threads: int,
        given: Mapping[str, NDArray[np.generic]] | None = None,
    ) -> None:
        """No process is started yet.

        Args:
            skeleton: the model without its large weights.
            inputs: the shape and dtype of each.
            threads: how many the runtime may use.
            given: inputs that are not made up; one that does not fit is left out.
        """
        data = skeleton.SerializeToString(deterministic=True)
        kept = {
            name: array.tobytes()
            for name, array in (given or {}).items()
            if inputs.get(name) == (array.shape, array.dtype.name)
        }
        told = repr((sorted(inputs.items()), sorted(kept.items()))).encode()
        self.digest = hashlib.sha256(data + told).hexdigest()
        self._nodes = [node.name for node in skeleton.graph.node]
        self._loading = Loading(data, dict(inputs), kept)
        self._child = Child(threads=threads)
        self._loaded = 0

    def ask(self, command: str, payload: Any) -> Any:
        """What the process says to a command (`commands.py`), the model in it.

        Raises:
            UnsupportedModelError: the runtime cannot run the model.
            ChildRefused: it can, and not what is asked.
            ChildDied: the process ended.
            Stopped: `stop` was called.
        """
        self._child.ask("ping")
        present = self._child.started
        if self._loaded != present:
            try:
                self._child.ask("load", self._loading, process=present)
            except ChildRefused as error:
                raise self.unsupported(error) from error
            self._loaded = present
        return self._child.ask(command, payload, process=present)

    def unsupported(self, error: ChildRefused) -> UnsupportedModelError:
        """The runtime's own line, with the names that nodes have in the file."""
        if error.kind == UnsupportedModelError.__name__:
            return UnsupportedModelError(str(error))
        said = NODE.sub(lambda found: self._nodes[int(found[1])] or found[0], str(error))
        return UnsupportedModelError(f"ONNX Runtime cannot run this model: {CODE.sub('', said)}")

    def stop(self) -> None:
        """Break off what it does; from any thread."""
        self._child.stop()

    def close(self) -> None:
        """Let the process go; another is started when it is needed."""
        self._child.close()
