"""The child process's own program: run native code on a file that nobody has validated.

It is started by path, imports nothing of the package, and answers requests on its standard
input until that closes. A request is a line of JSON and then the blobs whose sizes it names; an
answer is a line of JSON with shapes and small values, never data.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import IO, Any

MEMORY_BYTES = 4 * 2**30


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more."""
    while line := requests.readline():
        request = json.loads(line)
        blobs = [requests.read(size) for size in request["sizes"]]
        _limit_seconds(request["seconds"])
        try:
            answer = _TASKS[request["task"]](request, blobs)
        except Exception as error:  # a foreign parser's; the parent says it in a note
            answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        _limit_seconds(None)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _infer(request: Mapping[str, Any], blobs: list[bytes]) -> dict[str, Any]:
    """The element type and dimensions of each value; a dimension that is open is null."""
    import onnx

    model = onnx.load_model_from_string(blobs[0])
    inferred = onnx.shape_inference.infer_shapes(
        model, check_type=False, strict_mode=False, data_prop=True
    )
    found: dict[str, tuple[int, list[int] | None]] = {}
    others = []
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        if not value.type.HasField("tensor_type"):
            if value.type.WhichOneof("value") is not None:
                others.append(value.name)
            continue
        tensor = value.type.tensor_type
        dims = [d.dim_value if d.HasField("dim_value") else -1 for d in tensor.shape.dim]
        known = tensor.HasField("shape") and all(n >= 0 for n in dims)
        found[value.name] = (tensor.elem_type, dims if known else None)
    return {"shapes": found, "others": others}


def _run(request: Mapping[str, Any], blobs: list[bytes]) -> dict[str, Any]:
    """The dtype and shape of each tensor that one run makes, and the values of the tiny ones."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Fusing would only cost time: the model runs once.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if request["folder"]:
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", request["folder"]
        )
    session = onnxruntime.InferenceSession(blobs[0], options, providers=["CPUExecutionProvider"])
    feeds = {}
    for feed, blob in zip(request["feeds"], blobs[1:], strict=True):
        array = np.frombuffer(blob, feed["dtype"]).reshape(feed["shape"])
        feeds[feed["name"]] = array
    names = request["wanted"]
    shapes, values = {}, {}
    for name, result in zip(names, session.run(names, feeds), strict=True):
        if isinstance(result, np.ndarray):
            shapes[name] = (str(result.dtype), list(result.shape))
            if result.size == 1 and result.dtype.kind in "bi":
                values[name] = int(result.ravel()[0])
    return {"shapes": shapes, "values": values}


_TASKS: Mapping[str, Callable[[Mapping[str, Any], list[bytes]], dict[str, Any]]] = {
    "infer": _infer,
    "run": _run,
}


def _limit_seconds(seconds: float | None) -> None:
    """End by itself where the parent that should end it is gone."""
    if hasattr(signal, "alarm"):
        signal.alarm(0 if seconds is None else int(seconds) + 2)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit; the time limit holds there too.
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    # What native code prints must not end up among the answers.
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit_memory()
    # Ready before it is asked, while the parent still reads the file.
    import onnx  # noqa: F401 - only loaded

    serve(sys.stdin.buffer, own)
