"""A model as the measuring process runs it: random weights, norms folded, inputs made up.

The runtime is as fast on random numbers as on the trained ones, as long as no value overflows
or becomes denormal: so weights keep the scale of what passes through, and norms do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from talaria_widget.graph import Graph, UnsupportedModelError
from talaria_widget.rewrite.draft import LARGEST_BYTES, payload_bytes
from talaria_widget.rewrite.folding import fold
from talaria_widget.rewrite.onnx_source import FLOATS, stored

Feed = dict[str, NDArray[Any]]

COPIES = 5
"""A model lies in memory as read, as the runtime's bytes, in its session, packed for its
kernels, and once more beside it in another format."""
_MEMORY = Path("/proc/meminfo")
_BLOCK = 1 << 20


def check_memory(skeleton: ModelProto) -> None:
    """Refuse what would take more than half the free memory, or what one file cannot hold.

    Raises:
        UnsupportedModelError: it would; both sizes are named.
    """
    total = sum(map(payload_bytes, stored(skeleton.graph)))
    if total > LARGEST_BYTES:
        raise UnsupportedModelError(
            f"the model stores {total:,} bytes, and more than 2 GiB cannot be measured yet."
        )
    free = free_bytes()
    if free is not None and COPIES * total > free / 2:
        raise UnsupportedModelError(
            f"measuring this model takes about {COPIES * total:,} bytes and {free:,} are free: "
            "more than half of them are not taken. Close other programs."
        )


def free_bytes() -> int | None:
    """Memory that is free or can be freed at once; `None` where the system does not say."""
    try:
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((1024 * int(number) for number in found), None)


def stand_in(skeleton: ModelProto) -> ModelProto:
    """The model with every number in place and its norms folded; nodes are `t#0`, `t#1` ..."""
    model = ModelProto()
    model.CopyFrom(skeleton)
    for i, node in enumerate(model.graph.node):
        node.name = node_name(i)
    _calm_norms(model)
    random = np.random.default_rng(0).standard_normal(_BLOCK, dtype=np.float32)
    for tensor in stored(model.graph):
        if tensor.data_type in FLOATS and not _has_data(tensor):
            _fill(tensor, random)
    return fold(model)


def node_name(index: int) -> str:
    """What the node of this index in the file is called while it is measured."""
    return f"t#{index}"


def inputs_of(graph: Graph, model: ModelProto) -> Iterator[tuple[str, tuple[tuple[int, ...], str]]]:
    """Shape and dtype of each input; the graph says what the file leaves open."""
    stored = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name in stored:
            continue
        kind = value.type.tensor_type
        shape: tuple[int, ...] | None = tuple(dim.dim_value for dim in kind.shape.dim)
        if value.name in graph.tensors:
            shape = graph.tensors[value.name].shape
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type or TensorProto.FLOAT)
        yield value.name, (shape or (), dtype.name)


def feeds(
    inputs: Mapping[str, tuple[tuple[int, ...], str]], given: Mapping[str, bytes]
) -> Iterator[Feed]:
    """Inputs made up, the likeliest first: noise, and zeros or else ones for integers.

    What was given stays as it is.
    """
    random = np.random.default_rng(0)
    kept = {
        name: np.frombuffer(data, inputs[name][1]).reshape(inputs[name][0]).copy()
        for name, data in given.items()
    }
    for number in (0, 1):
        yield {
            name: kept[name]
            if name in kept
            else random.random(shape).astype(dtype)
            if np.dtype(dtype).kind == "f"
            else np.full(shape, 1 if dtype == "bool" else number, dtype)
            for name, (shape, dtype) in inputs.items()
        }


def _has_data(tensor: TensorProto) -> bool:
    return bool(tensor.raw_data or tensor.float_data or tensor.int32_data or tensor.double_data)


def _fill(tensor: TensorProto, random: NDArray[np.float32]) -> None:
    """Numbers that keep the scale of what they multiply (He et al., ICCV 2015)."""
    size = prod(tensor.dims)
    fan = size // max(tensor.dims[0], 1) if len(tensor.dims) > 2 else min(tensor.dims, default=1)
    values = np.resize(random, size) * np.float32(sqrt(2 / max(fan, 1)))
    if tensor.data_type == TensorProto.BFLOAT16:
        tensor.raw_data = (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    else:
        tensor.raw_data = values.astype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).tobytes()


def _calm_norms(model: ModelProto) -> None:
    """Trained statistics do not fit random weights: a norm's output would grow layer by layer."""
    values = dict(zip(("scale", "shift", "mean", "variance"), (1, 0, 0, 1), strict=True))
    wanted = {
        name: value
        for node in model.graph.node
        if node.op_type == "BatchNormalization"
        for name, value in zip(node.input[1:5], values.values(), strict=False)
    }
    for tensor in model.graph.initializer:
        if tensor.name in wanted and tensor.data_type == TensorProto.FLOAT:
            tensor.ClearField("float_data")
            filled = np.full(prod(tensor.dims), wanted[tensor.name], np.float32)
            tensor.raw_data = filled.tobytes()
