"""Static quantization of activations: which tensors, and the nodes that do it.

A convolution's input and output are quantized, after the Relu or Clip that ONNX Runtime folds
into the integer kernel; of a matrix product only the input, since that kernel returns floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from onnx import NodeProto

from talaria_widget.rewrite.assumed import Range
from talaria_widget.rewrite.draft import Draft, Reader, linear_domain
from talaria_widget.rewrite.integers import activation_scale
from talaria_widget.rewrite.uses import Use

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
PRODUCTS = CONVOLUTIONS | {"Gemm", "MatMul"}
GLUE = frozenset(
    {"Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Relu", "Reshape", "Flatten"}
)


def output_of(draft: Draft, node: NodeProto) -> str:
    """The value to quantize behind a convolution: its own, or that of a Relu or Clip after it."""
    made: str = node.output[0]
    readers = draft.readers(made)
    if len(readers) != 1 or made in draft.outputs | draft.captured:
        return made
    after = readers[0][0]
    limits = [name for name in after.input[1:] if name]
    if after.op_type == "Relu" or (
        after.op_type == "Clip" and all(name in draft.stored for name in limits)
    ):
        return str(after.output[0])
    return made


def bias_of(draft: Draft, use: Use, channels: int) -> Reader | None:
    """The node and input position of a layer's constant bias, a value per output channel."""
    node = use.node
    if node.op_type != "MatMul":
        place = (node, 2) if len(node.input) > 2 and node.input[2] else None
    else:
        made = node.output[0]
        readers = draft.readers(made)
        alone = len(readers) == 1 and made not in draft.outputs | draft.captured
        add = readers[0][0] if alone and readers[0][0].op_type == "Add" else None
        place = None if add is None else (add, 1 - readers[0][1])
    if place is None or (stored := draft.stored.get(place[0].input[place[1]])) is None:
        return None
    dims = list(stored.dims)
    return place if dims and dims[-1] == channels == np.prod(dims) else None


def quantize_activations(
    draft: Draft, layers: Iterable[NodeProto], ranges: Mapping[str, Range]
) -> dict[str, np.float32]:
    """Put quantize and dequantize nodes around the layers; returns the scale of each tensor."""
    layers = list(layers)
    inside = {id(node) for node in layers}
    made = {output_of(draft, node) for node in layers if node.op_type in CONVOLUTIONS}
    tensors = dict.fromkeys(node.input[0] for node in layers) | dict.fromkeys(made)
    glue = {
        id(node)
        for node in draft.nodes
        if node.op_type in GLUE
        and all(name in tensors or name in draft.stored for name in node.input if name)
    }
    producers = draft.producers()
    scales = {}
    for tensor in tensors:
        scale, zero = activation_scale(*ranges[tensor])
        scales[tensor] = scale
        readers = [
            (node, slot)
            for node, slot in draft.readers(tensor)
            if tensor in made or id(node) in glue or (id(node) in inside and slot == 0)
        ]
        _insert(draft, tensor, scale, zero, readers, producers.get(tensor), tensor in made)
    return scales


def _insert(
    draft: Draft,
    tensor: str,
    scale: np.float32,
    zero: np.uint8,
    readers: list[Reader],
    producer: NodeProto | None,
    whole: bool,
) -> None:
    steps = [
        draft.store(f"{tensor}_scale", np.asarray(scale)),
        draft.store(f"{tensor}_zero_point", np.asarray(zero)),
    ]
    source, result = tensor, draft.fresh(f"{tensor}_dequantized")
    if whole and tensor in draft.outputs and producer is not None:
        source, result = draft.fresh(f"{tensor}_unquantized"), tensor
        producer.output[list(producer.output).index(tensor)] = source
    else:
        if producer is not None and _implied(draft, producer, zero, len(readers)):
            source = producer.input[0]
            draft.remove([producer])
        for node, slot in readers:
            node.input[slot] = result
    quantized = draft.fresh(f"{tensor}_quantized")
    domain = linear_domain(draft)
    draft.add("QuantizeLinear", [source, *steps], quantized, domain=domain)
    draft.add("DequantizeLinear", [quantized, *steps], result, domain=domain)


def _implied(draft: Draft, producer: NodeProto, zero: np.uint8, readers: int) -> bool:
    """Whether a Relu does nothing more: below its zero point 0 no value can be stored.

    ONNX Runtime takes an addition for an integer one only without a Relu behind it.
    """
    before, after = producer.input[0], producer.output[0]
    return (
        producer.op_type == "Relu"
        and zero == 0
        and len(draft.readers(before)) == 1
        and len(draft.readers(after)) == readers
        and not {before, after} & (draft.outputs | draft.captured)
    )
