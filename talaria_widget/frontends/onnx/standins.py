"""Standard nodes that have the shape of ONNX Runtime's own, so that onnx can infer them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx

Extra = list[onnx.ValueInfoProto]
_Builder = Callable[[onnx.NodeProto, Mapping[str, Any]], tuple[onnx.NodeProto, Extra]]

_FUSED = frozenset({"activation", "activation_alpha", "activation_beta", "activation_params"})


def stand_in(node: onnx.NodeProto, given: Mapping[str, Any]) -> tuple[onnx.NodeProto, Extra]:
    """A node whose first output has the same shape, and inputs that it needs beside."""
    builder = _STAND_INS.get((node.domain, node.op_type))
    return builder(node, given) if builder is not None else (node, [])


def _like_first(node: onnx.NodeProto, given: Mapping[str, Any]) -> tuple[onnx.NodeProto, Extra]:
    return onnx.helper.make_node("Identity", node.input[:1], node.output[:1]), []


def _renamed(op_type: str, *slots: int) -> _Builder:
    def build(node: onnx.NodeProto, given: Mapping[str, Any]) -> tuple[onnx.NodeProto, Extra]:
        names = [node.input[i] for i in slots if i < len(node.input)]
        stand = onnx.helper.make_node(op_type, names, node.output)
        stand.attribute.extend(a for a in node.attribute if a.name not in _FUSED)
        return stand, []

    return build


def _fused_matmul(node: onnx.NodeProto, given: Mapping[str, Any]) -> tuple[onnx.NodeProto, Extra]:
    left = "...ji" if given.get("transA") else "...ij"
    right = "...kj" if given.get("transB") else "...jk"
    equation = f"{left},{right}->...ik"
    return onnx.helper.make_node("Einsum", node.input[:2], node.output[:1], equation=equation), []


def _packed(node: onnx.NodeProto, given: Mapping[str, Any]) -> tuple[onnx.NodeProto, Extra]:
    unpacked = f"{node.output[0]}:unpacked"
    info = onnx.helper.make_tensor_value_info(
        unpacked, onnx.TensorProto.FLOAT, [given["K"], given["N"]]
    )
    stand = onnx.helper.make_node("MatMul", [node.input[0], unpacked], node.output[:1])
    return stand, [info]


_MICROSOFT = "com.microsoft"
_STAND_INS: Mapping[tuple[str, str], _Builder] = {
    **{
        (_MICROSOFT, op_type): _like_first
        for op_type in (
            "Attention",
            "BiasGelu",
            "BiasSoftmax",
            "FastGelu",
            "Gelu",
            "GroupQueryAttention",
            "MultiHeadAttention",
            "QLinearLeakyRelu",
            "QLinearSigmoid",
            "QuickGelu",
            "RotaryEmbedding",
            "SkipGroupNorm",
            "SkipLayerNormalization",
            "SkipSimplifiedLayerNormalization",
        )
    },
    ("", "SimplifiedLayerNormalization"): _like_first,
    (_MICROSOFT, "FusedConv"): _renamed("Conv", 0, 1, 2),
    (_MICROSOFT, "FusedGemm"): _renamed("Gemm", 0, 1, 2),
    (_MICROSOFT, "QLinearAdd"): _renamed("Add", 0, 3),
    (_MICROSOFT, "QLinearMul"): _renamed("Mul", 0, 3),
    (_MICROSOFT, "DynamicQuantizeMatMul"): _renamed("MatMul", 0, 1),
    (_MICROSOFT, "MatMulIntegerToFloat"): _renamed("MatMul", 0, 1),
    (_MICROSOFT, "DynamicQuantizeLSTM"): _renamed("LSTM", 0, 1, 2),
    (_MICROSOFT, "FusedMatMul"): _fused_matmul,
    (_MICROSOFT, "MatMulNBits"): _packed,
}
