"""Where a file keeps data outside itself, and whether that may be read."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx


def fault(tensor: onnx.TensorProto, folder: Path, wanted_bytes: int | None) -> str | None:
    """Why the data of a tensor may not be read; `None` where it may.

    It must be a plain file inside the model's folder, reached through no link, and hold what
    the tensor says.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if not isinstance(location, str) or not location or "\0" in location:
        return "names no file"
    parts = PurePosixPath(location.replace("\\", "/")).parts
    if PurePosixPath(location).is_absolute() or PureWindowsPath(location).is_absolute():
        return "lies outside the model's folder"
    if ".." in parts or PureWindowsPath(location).drive:
        return "lies outside the model's folder"
    path = folder
    try:
        for part in parts:
            path = path / part
            if path.is_symlink():
                return "lies behind a link"
        about = path.stat()
    except (OSError, ValueError):
        return "is missing"
    if not stat.S_ISREG(about.st_mode):
        return "is no plain file"
    offset, length = _number(entries.get("offset", "0")), _number(entries.get("length", ""))
    if offset is None or (length is None and entries.get("length")):
        return "has an offset or a length that is no number"
    length = wanted_bytes if length is None else length
    if length is not None and offset + length > about.st_size:
        return "is cut short"
    if length is not None and wanted_bytes is not None and length != wanted_bytes:
        return "has another length than its shape"
    return None


def _number(text: str) -> int | None:
    """A size as decimal digits, or `None`: a sign, a letter or an endless row of digits is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model, in attributes, bodies and functions too."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            sparse = (attribute.sparse_tensor, *attribute.sparse_tensors)
            yield from (part for one in sparse for part in (one.values, one.indices))
            for graph in (attribute.g, *attribute.graphs):
                yield from _of_graph(graph)


def leaves_folder(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor's data is said to lie outside the model's folder; nothing is looked at."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = str(entries.get("location", ""))
    windows = PureWindowsPath(location)
    return ".." in windows.parts or bool(windows.drive) or bool(windows.root)
