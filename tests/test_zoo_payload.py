"""What a file of the zoo stores, counted by onnx alone, is what the graph holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import numpy_helper

import talaria_widget as talaria
from zoo import ZOO

FILES = [name for name, entry in ZOO.items() if entry.framework == "onnx"]
NUMBERS = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "uint8",
}
Kept = Counter[tuple[str, tuple[int, ...]]]
CODE: Mapping[str, Kept] = {
    # A window and a table of six sizes that shape inference works out before anything runs.
    "silero-without-if": Counter({("float32", (258,)): 1, ("float32", (130,)): 1}),
    "ppocr-detect": Counter({("float32", (4,)): 6}),
}
"""Numbers in a file that no operation reads once what is known before the run is folded."""
ATTRIBUTES = {"sklearn-forest": 558 + 2 * 352, "sklearn-perceptron": 2 * 4}
"""Floats in attributes: 558 class weights, 352 thresholds and hit rates; a scaler's of 4 axes."""


def payload(graph: onnx.GraphProto, outer: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
    """Type and shape of every tensor of a graph and of the graphs inside it."""
    known = {**outer, **{tensor.name: tensor for tensor in graph.initializer}}
    for tensor in graph.initializer:
        yield tensor.data_type, tuple(tensor.dims)
    for node in graph.node:
        if node.op_type == "ConstantOfShape" and node.input[0] in known:
            shape = numpy_helper.to_array(known[node.input[0]]).tolist()
            yield onnx.TensorProto.FLOAT, tuple(shape)
            continue
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t.data_type, tuple(attribute.t.dims)
            inside = [attribute.g] if attribute.HasField("g") else attribute.graphs
            for part in inside:
                yield from payload(part, known)


@pytest.mark.parametrize("name", FILES)
def test_every_number_of_the_file_is_found_once_wherever_it_hides(
    name: str, tmp_path: Path
) -> None:
    path, inputs = ZOO[name].load(tmp_path)
    proto = onnx.load(path, load_external_data=False)
    stored: Kept = Counter(
        (NUMBERS[dtype], shape)
        for dtype, shape in payload(proto.graph, {})
        if dtype in NUMBERS and math.prod(shape) > 1
    )
    graph = talaria.capture(path, inputs)
    found: Kept = Counter()
    trained: Kept = Counter()
    for tensor in graph.tensors.values():
        if tensor.shape is not None and tensor.role in ("weight", "parameter", "buffer"):
            trained[tensor.dtype, tensor.shape] += 1
        if tensor.shape is not None and tensor.role not in ("input", "activation"):
            found[tensor.dtype, tensor.shape] += 1
    assert stored - found == CODE.get(name, Counter())
    invented = {shape for _, shape in trained - stored if math.prod(shape) > 1}
    assert not invented or name in ATTRIBUTES


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_numbers_in_attributes_are_parameters(name: str, tmp_path: Path) -> None:
    path, inputs = ZOO[name].load(tmp_path)
    stored = payload(onnx.load(path).graph, {})
    tensors = sum(math.prod(shape) for dtype, shape in stored if dtype in NUMBERS)
    assert talaria.capture(path, inputs).parameters == tensors + ATTRIBUTES[name]
