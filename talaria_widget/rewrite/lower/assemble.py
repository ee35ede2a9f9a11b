"""The file of what was written: nodes that are read, what they store, and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from talaria_widget.frontends.torch.trace.recording import Recording
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.draft import LARGEST_BYTES
from talaria_widget.rewrite.lower.dtypes import REAL_OF
from talaria_widget.rewrite.lower.emit import CannotLower, Emit, Node, onnx_type
from talaria_widget.rewrite.source import LARGEST_KEPT_BYTES, Source

OPSET, IR_VERSION = 20, 10
_NO_VALUES = "the model has no values: zeros stand for the whole numbers that it stores"


def assemble(
    recording: Recording, emit: Emit, outputs: Mapping[str, torch.Tensor], notes: tuple[str, ...]
) -> Source:
    """The source of what was written.

    Args:
        recording: what it was written from.
        emit: the nodes and stored tensors.
        outputs: the final name of each output, with a tensor of its shape and type.
        notes: what was noticed.
    """
    final = emit.renamed
    nodes = _living(emit.nodes, {final.get(name, name) for name in outputs}, final)
    read = {name for node in nodes for name in node.inputs}
    owners = _owners(nodes, recording)
    model = ModelProto(ir_version=IR_VERSION, producer_name="talaria-widget")
    domains = {"": OPSET} | {node.domain: 1 for node in nodes if node.domain}
    model.opset_import.extend(helper.make_opsetid(d, v) for d, v in domains.items())
    graph = model.graph
    graph.name = recording.graph.name
    for value in recording.trace.values:
        if value.role == "input" and value.name:
            graph.input.append(_value(value.name, value.shape, value.dtype))
    graph.output.extend(_value(n, tuple(t.shape), t.dtype) for n, t in outputs.items())
    graph.node.extend(_proto(node) for node in nodes)
    left: dict[str, torch.Tensor] = {}
    extra: dict[str, None] = {}
    for name, tensor in emit.stored.items():
        if name not in read:
            continue
        stored = graph.initializer.add()
        if _describe(stored, name, tensor):
            left[name] = tensor
        elif tensor.is_meta and not tensor.dtype.is_floating_point:
            extra[_NO_VALUES] = None
    return Source(
        skeleton=model,
        op_of={
            name: owner for node, owner in zip(nodes, owners, strict=True) for name in node.outputs
        },
        fill=_filler(model, left, recording.graph.name),
        notes=(*notes, *emit.notes, *extra),
    )


def _living(nodes: list[Node], outputs: set[str], final: Mapping[str, str]) -> list[Node]:
    """The nodes that lead to an output, under their final names."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        made = [final.get(name, name) for name in node.outputs]
        if not wanted.isdisjoint(made):
            inputs = [final.get(name, name) for name in node.inputs]
            wanted.update(inputs)
            kept.append(Node(node.kind, inputs, made, node.attributes, node.domain, node.op))
    kept.reverse()
    return kept


def _owners(nodes: list[Node], recording: Recording) -> list[str]:
    """The op of each node; a node of no op belongs to the first that reads it."""
    made_by = {name: op.name for op in recording.graph.ops for name in op.outputs}
    reader: dict[str, str] = {}
    owners: list[str] = []
    for node in reversed(nodes):
        owner = node.op
        if owner is None:
            found = (made_by.get(name) or reader.get(name) for name in node.outputs)
            owner = next((name for name in found if name), None)
        if owner is None:
            owner = recording.graph.ops[-1].name if recording.graph.ops else ""
        for name in node.inputs:
            reader[name] = owner
        owners.append(owner)
    owners.reverse()
    return owners


def _proto(node: Node) -> NodeProto:
    proto = NodeProto(op_type=node.kind, name=node.outputs[0], domain=node.domain)
    proto.input.extend(node.inputs)
    proto.output.extend(node.outputs)
    for name, value in node.attributes.items():
        if value is not None:
            proto.attribute.append(helper.make_attribute(name, value))
    return proto


def _value(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> ValueInfoProto:
    if dtype in REAL_OF:
        raise CannotLower(f"{name} is complex, which ONNX has no form for")
    return helper.make_tensor_value_info(name, onnx_type(dtype), shape)


def _describe(stored: TensorProto, name: str, tensor: torch.Tensor) -> bool:
    """Write a tensor's name, shape and type, and its values; whether they are left out."""
    stored.name = name
    stored.data_type = onnx_type(REAL_OF.get(tensor.dtype, tensor.dtype))
    pair = (2,) if tensor.dtype in REAL_OF else ()
    stored.dims.extend((*tensor.shape, *pair))
    floating = tensor.dtype.is_floating_point or tensor.dtype.is_complex
    large = tensor.numel() * tensor.element_size() > LARGEST_KEPT_BYTES
    if floating and (large or tensor.is_meta):
        return True
    stored.raw_data = (
        b"\0" * (tensor.numel() * tensor.element_size()) if tensor.is_meta else (_bytes(tensor))
    )
    return False


def _bytes(tensor: torch.Tensor) -> bytes:
    plain = tensor.detach().cpu().resolve_conj().contiguous()
    if plain.is_complex():
        plain = torch.view_as_real(plain).contiguous()
    array: Any = plain.numpy()
    return bytes(np.ascontiguousarray(array).tobytes())


def _filler(
    skeleton: ModelProto, left: Mapping[str, torch.Tensor], name: str
) -> Callable[[], ModelProto]:
    versions = {key: _version(tensor) for key, tensor in left.items()}

    def fill() -> ModelProto:
        """The whole file.

        Raises:
            UnsupportedModelError: over 2 GiB, no values, or others than when it was read.
        """
        total = sum(tensor.numel() * tensor.element_size() for tensor in left.values())
        if total > LARGEST_BYTES:
            raise UnsupportedModelError(
                f"{name} stores {total:,} bytes; apply cannot write more than 2 GiB yet."
            )
        model = ModelProto()
        model.CopyFrom(skeleton)
        for stored in model.graph.initializer:
            tensor = left.get(stored.name)
            if tensor is None:
                continue
            if tensor.is_meta:
                raise UnsupportedModelError(
                    f"{stored.name} is on the meta device: a file needs a model with real weights."
                )
            if _version(tensor) != versions[stored.name]:
                raise UnsupportedModelError(
                    f"{stored.name} was changed since the model was read: read it again."
                )
            stored.raw_data = _bytes(tensor)
        return model

    return fill


def _version(tensor: torch.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
