"""The probe's side in the measuring process: this CPU's peaks and bandwidths, in a moment.

Small graphs of the kinds that models are made of, each in the form that the runtime really runs.
Convolutions come in twos and threes, so that the blocked layout is entered and left once.
"""

from __future__ import annotations

import mmap
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from talaria_widget.compilers.onnxruntime.sessions import open_session
from talaria_widget.compilers.onnxruntime.timing import kernel_s

BUDGET_S = 0.4
"""No further graph is begun after so much of the processor's time: a slow one takes no longer."""
KERNEL_S = 5e-3
TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}
Array = NDArray[Any]


class State:
    """Nothing is kept between two commands."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A small model: the shape that goes in, its type, and what it does in one run.

    `amount` is operations (two per multiply-accumulate), bytes moved, or nodes.
    """

    figure: str
    amount: float
    shape: tuple[int, ...]
    nodes: tuple[NodeProto, ...]
    weights: Mapping[str, Array]
    dtype: str = "float32"


def convolutions(
    figure: str, channels: int, side: int, kernel: int, *, count: int, groups: int = 1
) -> Graph:
    """So many equal convolutions one after the other."""
    shape = (channels, channels // groups, kernel, kernel)
    names = [f"x{i}" for i in range(count + 1)]
    nodes = [
        helper.make_node(
            "Conv",
            [a, f"w{b}"],
            [b],
            kernel_shape=[kernel] * 2,
            pads=[kernel // 2] * 4,
            group=groups,
        )
        for a, b in pairwise(names)
    ]
    weights = {f"w{name}": _floats(shape) for name in names[1:]}
    amount = 2.0 * count * prod(shape) * side * side
    return Graph(figure, amount, (1, channels, side, side), tuple(nodes), weights)


def integer_convolution(figure: str, channels: int, side: int) -> Graph:
    """A convolution of 8-bit integers, weights per channel."""
    shape = (channels, channels, 3, 3)
    inputs = ["x0", "s", "z", "w", "ws", "wz", "s", "z"]
    node = helper.make_node(
        "QLinearConv", inputs, ["x1"], kernel_shape=[3, 3], pads=[1] * 4, group=1
    )
    weights = {**_scales(channels), "w": _integers(shape)}
    amount = 2.0 * prod(shape) * side * side
    return Graph(figure, amount, (1, channels, side, side), (node,), weights, "uint8")


def product(figure: str, rows: int, inner: int) -> Graph:
    """A linear layer as wide as it is deep."""
    node = helper.make_node("MatMul", ["x0", "w"], ["x1"])
    amount = 2.0 * rows * inner * inner
    return Graph(figure, amount, (rows, inner), (node,), {"w": _floats((inner, inner))})


def integer_product(figure: str, rows: int, inner: int) -> Graph:
    """A linear layer of 8-bit integers."""
    inputs = ["x0", "s", "z", "w", "ws", "wz", "s", "z"]
    node = helper.make_node("QLinearMatMul", inputs, ["x1"])
    weights = {**_scales(inner), "w": _integers((inner, inner))}
    amount = 2.0 * rows * inner * inner
    return Graph(figure, amount, (rows, inner), (node,), weights, "uint8")


def sums(figure: str, count: int, elements: int) -> Graph:
    """Elementwise work on what is in the last cache: each reads twice and writes once."""
    nodes = [helper.make_node("Add", [f"x{i}", "x0"], [f"x{i + 1}"]) for i in range(count)]
    return Graph(figure, 3.0 * 4 * count * elements, (elements,), tuple(nodes), {})


def trifles(figure: str, count: int) -> Graph:
    """Nodes of 64 elements, of kinds that models are full of."""
    kinds: Sequence[tuple[str, dict[str, Any]]] = (
        ("Sigmoid", {}),
        ("Transpose", {"perm": [1, 0]}),
        ("Add", {}),
        ("Softmax", {"axis": -1}),
    )
    nodes = []
    for i in range(count):
        op_type, attributes = kinds[i % len(kinds)]
        inputs = [f"x{i}", "w"] if op_type == "Add" else [f"x{i}"]
        nodes.append(helper.make_node(op_type, inputs, [f"x{i + 1}"], **attributes))
    return Graph(figure, float(count), (8, 8), tuple(nodes), {"w": _floats((1, 8))})


# What matters most comes first. `dram` stands apart: it needs memory larger than every cache.
GRAPHS: Sequence[Callable[[], Graph]] = (
    lambda: convolutions("conv", 64, 40, 3, count=2),
    lambda: product("linear", 128, 768),
    lambda: convolutions("pointwise", 192, 28, 1, count=3),
    lambda: convolutions("depthwise", 192, 28, 3, count=3, groups=192),
    lambda: integer_convolution("conv_int8", 128, 20),
    lambda: sums("chip", 4, 2**18),
    lambda: trifles("nodes", 40),
    lambda: convolutions("conv", 256, 10, 3, count=2),
    lambda: integer_product("linear_int8", 128, 768),
)


def probe(state: State, payload: Any) -> dict[str, list[float]]:
    """Rates by figure, per second: operations, bytes or nodes.

    `payload` is how many bytes must be read to come from main memory, or `None`.
    """
    found: dict[str, list[float]] = defaultdict(list)
    end = time.process_time() + BUDGET_S
    if payload is not None:
        found["dram"].append(_dram(payload))
    for make in GRAPHS:
        if time.process_time() > end:
            break
        graph = make()
        found[graph.figure].append(graph.amount / _seconds(graph))
    return dict(found)


def _seconds(graph: Graph) -> float:
    session = open_session(_model(graph))
    size = prod(graph.shape)
    data = (np.arange(size) % 7).astype(graph.dtype).reshape(graph.shape)
    return kernel_s(lambda: session.run(None, {"x0": data}), KERNEL_S)


def _model(graph: Graph) -> bytes:
    last = graph.nodes[-1].output[0]
    kind = TYPES[graph.dtype]
    made = helper.make_graph(
        graph.nodes,
        graph.figure,
        [helper.make_tensor_value_info("x0", kind, graph.shape)],
        [helper.make_tensor_value_info(last, kind, None)],
        [numpy_helper.from_array(array, name) for name, array in graph.weights.items()],
    )
    opset = helper.make_opsetid("", 17)
    data: bytes = helper.make_model(made, opset_imports=[opset], ir_version=8).SerializeToString()
    return data


def _dram(nbytes: int) -> float:
    """Bytes per second of a matrix-vector product whose matrix no cache holds."""
    columns = 1024
    rows = nbytes // (4 * columns)
    node = helper.make_node("MatMul", ["x0", "m"], ["x1"])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x0", [1, rows]), ("m", [rows, columns]), ("x1", [1, columns]))
    ]
    graph = helper.make_graph([node], "dram", ends[:2], ends[2:])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    session = open_session(model.SerializeToString())
    feed = {"x0": np.ones((1, rows), np.float32), "m": _pages(rows, columns)}
    return 4.0 * rows * columns / kernel_s(lambda: session.run(None, feed), KERNEL_S)


def _pages(rows: int, columns: int) -> Array:
    """Real memory, at the least cost of getting it."""
    if hasattr(mmap, "MAP_POPULATE"):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        memory = mmap.mmap(-1, 4 * rows * columns, flags=flags)
        return np.frombuffer(memory, np.float32).reshape(rows, columns)
    return np.ones((rows, columns), np.float32)


def _floats(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).standard_normal(shape, np.float32) * np.float32(0.05)


def _integers(shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(0).integers(-63, 64, shape, np.int8)


def _scales(channels: int) -> dict[str, Array]:
    return {
        "s": np.array(0.05, np.float32),
        "z": np.array(3, np.uint8),
        "ws": np.full(channels, 0.01, np.float32),
        "wz": np.zeros(channels, np.int8),
    }


COMMANDS: Mapping[str, Callable[[State, Any], Any]] = {"probe": probe}
