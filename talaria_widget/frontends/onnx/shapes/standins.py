"""Standard nodes that have the shapes of ONNX Runtime's own, so that onnx can infer them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
from onnx import TensorProto, helper

from talaria_widget.frontends.onnx.shapes.caches import grouped, multi_head, projecting
from talaria_widget.frontends.onnx.shapes.stands import Stands, has, integers, make, wanted

_Builder = Callable[[onnx.NodeProto, Mapping[str, Any]], Stands]

_OWN = frozenset(
    [
        "activation",
        "activation_alpha",
        "activation_beta",
        "activation_gamma",
        "activation_params",
        "channels_last",
    ]
)
_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def stand_ins(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """Nodes whose outputs have the same shapes, and inputs that they need beside.

    What an output of theirs is called is what the node's own is called; those of its outputs
    whose shapes no standard node tells are left out.
    """
    builder = _STAND_INS.get((node.domain, node.op_type))
    return builder(node, given) if builder is not None else ([node], [])


def _like(slots: Mapping[int, int]) -> _Builder:
    """Outputs that each have the shape of an input."""

    def build(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
        pairs = [(o, i) for o, i in slots.items() if wanted(node, o) and has(node, i)]
        return [make("Identity", [node.input[i]], node.output[o]) for o, i in pairs], []

    return build


def _renamed(op_type: str, *slots: int, to: int | None = None) -> _Builder:
    """The same of a standard operator on some of the inputs, cast to another type behind it."""

    def build(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
        names = [node.input[i] for i in slots if i < len(node.input)]
        last = node.output[0]
        outputs = list(node.output) if to is None else [f"{last}:uncast"]
        stand = helper.make_node(op_type, names, outputs)
        stand.attribute.extend(a for a in node.attribute if a.name not in _OWN)
        casts = [] if to is None else [make("Cast", outputs, last, to=to)]
        return [stand, *casts], []

    return build


def _channels_last(op_type: str, slots: Sequence[int], turned: Sequence[int]) -> _Builder:
    """The same of an operator on images whose channels may come last."""

    def build(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
        always = node.domain.endswith("nhwc") or node.op_type.startswith("Nhwc")
        if not always and not given.get("channels_last"):
            return _renamed(op_type, *slots)(node, given)
        nodes, names = [], []
        for slot in slots:
            if not has(node, slot):
                continue
            name = node.input[slot]
            if slot in turned:
                first = f"{node.output[0]}:first:{slot}"
                nodes.append(make("Transpose", [name], first, perm=_TO_FIRST))
                name = first
            names.append(name)
        inner = f"{node.output[0]}:first"
        stand = make(op_type, names, inner)
        stand.attribute.extend(a for a in node.attribute if a.name not in _OWN)
        back = make("Transpose", [inner], node.output[0], perm=_TO_LAST)
        return [*nodes, stand, back], []

    return build


def _fused_matmul(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    left = "...ji" if given.get("transA") else "...ij"
    right = "...kj" if given.get("transB") else "...jk"
    equation = f"{left},{right}->...ik"
    return [make("Einsum", node.input[:2], node.output[0], equation=equation)], []


def _packed(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """A product with a matrix of K x N that the file keeps in another form."""
    unpacked = f"{node.output[0]}:unpacked"
    info = helper.make_tensor_value_info(unpacked, TensorProto.FLOAT, [given["K"], given["N"]])
    return [make("MatMul", [node.input[0], unpacked], node.output[0])], [info]


def _product(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """QGemm: what it gives is quantized only where it is told how."""
    to = None if has(node, 8) else TensorProto.FLOAT
    return _renamed("Gemm", 0, 3, to=to)(node, given)


def _concat(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    return [make("Concat", node.input[2::3], node.output[0], axis=given["axis"])], []


def _embedded(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """Rows of the table of words; how many words each sentence has."""
    out = node.output[0]
    nodes = [
        make("Cast", node.input[2:3], f"{out}:table", to=TensorProto.FLOAT),
        make("Gather", [f"{out}:table", node.input[0]], out),
    ]
    if wanted(node, 1):
        nodes.append(helper.make_node("Constant", [], [f"{out}:zero"], value_int=0))
        nodes.append(make("Gather", [node.input[0], f"{out}:zero"], node.output[1], axis=1))
    if wanted(node, 2):
        nodes.append(make("Identity", [out], node.output[2]))
    return nodes, []


def _rows(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """Rows of a table of few bits. A file that says how many packs them in bytes."""
    out, axis = node.output[0], given.get("gather_axis", 0)
    packed = 8 // given["bits"] if given.get("bits") else 1
    nodes = [
        make("Gather", node.input[:2], f"{out}:packed", axis=axis),
        make("Concat", [f"{out}:packed"] * packed, f"{out}:whole", axis=-1),
        make("Cast", [f"{out}:whole"], out, to=TensorProto.FLOAT),
    ]
    return nodes, []


def _halved(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    out = node.output[0]
    return [
        integers(f"{out}:shape", 0, 0, 2, -1),
        make("Reshape", [node.input[0], f"{out}:shape"], f"{out}:apart"),
        helper.make_node("Constant", [], [f"{out}:zero"], value_int=0),
        make("Gather", [f"{out}:apart", f"{out}:zero"], out, axis=2),
    ], []


def _onesided(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """STFT with what is its default said: onnx's inference takes another."""
    stand = onnx.NodeProto()
    stand.CopyFrom(node)
    if "onesided" not in given:
        stand.attribute.append(helper.make_attribute("onesided", 1))
    return [stand], []


def _unblocked(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """ReorderOutput: without the channels that filled up the last block."""
    out = node.output[0]
    kept = f"{out}:kept" if given.get("channels_last") else out
    ends = [f"{out}:start", f"{out}:end", f"{out}:axis"]
    nodes = [
        *(integers(name, n) for name, n in zip(ends, (0, given["channels"], 1), strict=True)),
        make("Slice", [node.input[0], *ends], kept),
    ]
    if given.get("channels_last"):
        nodes.append(make("Transpose", [kept], out, perm=_TO_LAST))
    return nodes, []


def _blocked(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    """ReorderInput: what it adds to fill up the last block is not known from the node."""
    turned = given.get("channels_last")
    if turned:
        return [make("Transpose", node.input[:1], node.output[0], perm=_TO_FIRST)], []
    return _SAME(node, given)


def _distances(node: onnx.NodeProto, given: Mapping[str, Any]) -> Stands:
    return [make("Einsum", node.input[:2], node.output[0], equation="ij,kj->ik")], []


_SAME = _like({0: 0})
_AS_FIRST = """
BiasAdd BiasDropout BiasGelu BiasSoftmax BitmaskBiasDropout BitmaskDropout CausalConvWithState
ComplexMul ComplexMulConj DecoderMaskedMultiHeadAttention FastGelu GatedRMSNorm Gelu GroupNorm
Inverse LinearAttention MoE QLinearLeakyRelu QLinearSigmoid QLinearSoftmax QMoE QuickGelu
RotaryEmbedding ScaledSiLU
"""
_MICROSOFT: Mapping[str, _Builder] = {
    **dict.fromkeys(_AS_FIRST.split(), _SAME),
    "SwiGLU": _like({0: 1}),
    "SkipGroupNorm": _like({0: 0, 1: 0}),
    "SkipLayerNormalization": _like({0: 0, 3: 0}),
    "SkipSimplifiedLayerNormalization": _like({0: 0, 3: 0}),
    "Attention": projecting,
    "BiasSplitGelu": _halved,
    "CDist": _distances,
    "DequantizeLinear": _renamed("DequantizeLinear", 0, 1, 2),
    "DynamicQuantizeLSTM": _renamed("LSTM", 0, 1, 2),
    "DynamicQuantizeMatMul": _renamed("MatMul", 0, 1),
    "EmbedLayerNormalization": _embedded,
    "FusedConv": _renamed("Conv", 0, 1, 2),
    "FusedGemm": _renamed("Gemm", 0, 1, 2),
    "FusedMatMul": _fused_matmul,
    "FusedMatMulActivation": _fused_matmul,
    "GatherBlockQuantized": _rows,
    "GatherND": _renamed("GatherND", 0, 1),
    "GemmFastGelu": _renamed("MatMul", 0, 1),
    "GridSample": _renamed("GridSample", 0, 1),
    "GroupQueryAttention": grouped,
    "MatMulBnb4": _packed,
    "MatMulIntegerToFloat": _renamed("MatMul", 0, 1, to=TensorProto.FLOAT),
    "MatMulInteger16": _renamed("MatMul", 0, 1, to=TensorProto.INT32),
    "MatMulNBits": _packed,
    "MultiHeadAttention": multi_head,
    "NhwcConv": _channels_last("Conv", (0, 1, 2), (0, 1)),
    "NhwcFusedConv": _channels_last("Conv", (0, 1, 2), (0, 1)),
    "NhwcMaxPool": _channels_last("MaxPool", (0,), (0,)),
    "PackedAttention": projecting,
    "PackedMultiHeadAttention": multi_head,
    "Pad": _renamed("Pad", 0, 1, 2),
    "QAttention": projecting,
    "QEmbedLayerNormalization": _embedded,
    "QGemm": _product,
    "QLinearAdd": _renamed("Add", 0, 3),
    "QLinearAveragePool": _channels_last("AveragePool", (0,), (0,)),
    "QLinearConcat": _concat,
    "QLinearConv": _channels_last("QLinearConv", range(9), (0,)),
    "QLinearGlobalAveragePool": _channels_last("GlobalAveragePool", (0,), (0,)),
    "QLinearMul": _renamed("Mul", 0, 3),
    "QLinearWhere": _renamed("Where", 0, 1, 4),
    "QuantizeLinear": _renamed("QuantizeLinear", 0, 1, 2),
    "Range": _renamed("Range", 0, 1, 2),
    "TransposeMatMul": _fused_matmul,
    "Trilu": _renamed("Trilu", 0, 1),
}
_POOLS = "AveragePool GlobalAveragePool GlobalMaxPool MaxPool LpPool GlobalLpPool"
_STAND_INS: Mapping[tuple[str, str], _Builder] = {
    ("", "SimplifiedLayerNormalization"): _SAME,
    ("", "STFT"): _onesided,
    **{("com.microsoft", name): builder for name, builder in _MICROSOFT.items()},
    **{("com.ms.internal.nhwc", name): _channels_last(name, (0,), (0,)) for name in _POOLS.split()},
    ("com.ms.internal.nhwc", "Conv"): _channels_last("Conv", (0, 1, 2), (0,)),
    ("com.ms.internal.nhwc", "QLinearConv"): _channels_last("QLinearConv", range(9), (0,)),
    **{
        ("com.microsoft.nchwc", name): _renamed(name, 0, 1, 2)
        for name in ("AveragePool", "Conv", "GlobalAveragePool", "GlobalMaxPool", "MaxPool")
    },
    ("com.microsoft.nchwc", "ReorderInput"): _blocked,
    ("com.microsoft.nchwc", "ReorderOutput"): _unblocked,
}
