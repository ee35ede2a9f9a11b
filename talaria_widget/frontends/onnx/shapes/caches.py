"""Standard nodes in place of the runtime's attention: its output, and the caches it grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from onnx import TensorProto, helper

from talaria_widget.frontends.onnx.shapes.stands import Stands, has, integers, make, wanted


def projecting(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """Attention that projects: a third of the product's width; its cache holds k and v."""
    out, heads = node.output[0], given["num_heads"]
    sizes = given.get("qkv_hidden_sizes")
    if sizes:
        info = helper.make_tensor_value_info(f"{out}:v", TensorProto.FLOAT, [sizes[2]])
        return [
            make("Cast", node.input[:1], f"{out}:x", to=TensorProto.FLOAT),
            make("Einsum", [f"{out}:x", f"{out}:v"], out, equation="...a,b->...b"),
        ], [info]
    leading = [0] if node.op_type == "PackedAttention" else [0, 0]
    nodes = [
        make("Cast", node.input[:1], f"{out}:x", to=TensorProto.FLOAT),
        make("Cast", node.input[1:2], f"{out}:w", to=TensorProto.FLOAT),
        make("MatMul", [f"{out}:x", f"{out}:w"], f"{out}:qkv"),
        integers(f"{out}:three", *leading, 3, -1),
        make("Reshape", [f"{out}:qkv", f"{out}:three"], f"{out}:apart"),
        helper.make_node("Constant", [], [f"{out}:zero"], value_int=0),
        make("Gather", [f"{out}:apart", f"{out}:zero"], out, axis=len(leading)),
    ]
    past = 8 if node.op_type == "QAttention" else 4
    if wanted(node, 1) and len(leading) == 2:
        nodes += [
            integers(f"{out}:heads", 0, 0, 3, heads, -1),
            make("Reshape", [f"{out}:qkv", f"{out}:heads"], f"{out}:five"),
            integers(f"{out}:kv", 1, 2),
            make("Gather", [f"{out}:five", f"{out}:kv"], f"{out}:both", axis=2),
            make("Transpose", [f"{out}:both"], f"{out}:new", perm=[2, 0, 3, 1, 4]),
            _appended(node, past, f"{out}:new", 1, axis=3),
        ]
    return nodes, []


def _appended(node: onnx.NodeProto, past: int, new: str, output: int, axis: int) -> onnx.NodeProto:
    """A cache with what is new behind what it held."""
    if not has(node, past):
        return make("Identity", [new], node.output[output])
    return make("Concat", [node.input[past], new], node.output[output], axis=axis)


def _caches(
    node: onnx.NodeProto, given: Mapping[str, Any], heads: int, past: int
) -> list[onnx.NodeProto]:
    """The keys and values that a later step reads, (batch, heads, length, width)."""
    nodes = []
    for slot in (1, 2):
        if not wanted(node, slot) or not has(node, slot):
            continue
        apart, new, shape = (f"{node.output[slot]}:{part}" for part in ("apart", "new", "shape"))
        nodes += [
            integers(shape, 0, 0, heads, -1),
            make("Reshape", [node.input[slot], shape], apart),
            make("Transpose", [apart], new, perm=[0, 2, 1, 3]),
            _appended(node, past + slot - 1, new, slot, axis=2),
        ]
    return nodes


def multi_head(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """As wide as its query; one that packs q, k and v has them on an axis of their own."""
    out = node.output[0]
    if has(node, 1):
        return [
            make("Identity", node.input[:1], out),
            *_caches(node, given, given["num_heads"], 6),
        ], []
    axis = 2 if node.op_type.startswith("Packed") else 3
    return [
        helper.make_node("Constant", [], [f"{out}:zero"], value_int=0),
        make("Gather", [node.input[0], f"{out}:zero"], f"{out}:query", axis=axis),
        integers(f"{out}:shape", *[0] * (axis - 1), -1),
        make("Reshape", [f"{out}:query", f"{out}:shape"], out),
    ], []


def grouped(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """The same with fewer heads of keys and values, packed behind those of the query."""
    heads, groups = given["num_heads"], given["kv_num_heads"]
    out = node.output[0]
    if has(node, 1):
        return [make("Identity", node.input[:1], out), *_caches(node, given, groups, 3)], []
    parts = {0: range(heads), 1: range(heads, heads + groups)}
    parts[2] = range(heads + groups, heads + 2 * groups)
    nodes = [
        integers(f"{out}:shape", 0, 0, heads + 2 * groups, -1),
        make("Reshape", [node.input[0], f"{out}:shape"], f"{out}:apart"),
        integers(f"{out}:flat", 0, 0, -1),
    ]
    for slot, part in parts.items():
        if not wanted(node, slot):
            continue
        taken, which = f"{node.output[slot]}:taken", f"{node.output[slot]}:which"
        nodes += [integers(which, *part), make("Gather", [f"{out}:apart", which], taken, axis=2)]
        if slot == 0:
            nodes.append(make("Reshape", [taken, f"{out}:flat"], out))
            continue
        new = f"{node.output[slot]}:new"
        nodes.append(make("Transpose", [taken], new, perm=[0, 2, 1, 3]))
        nodes.append(_appended(node, 2 + slot, new, slot, axis=2))
    return nodes, []
