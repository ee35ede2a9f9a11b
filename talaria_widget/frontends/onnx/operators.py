"""The table of ONNX operators: our kind for each, the inputs that are data, and its attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from talaria_widget.frontends.onnx.types import Shape
from talaria_widget.graph import Kind

Attributes = dict[str, Any]
Shapes = Sequence[Shape | None]
Builder = Callable[[Mapping[str, Any], Shapes, Shapes], Attributes]


def _no_attributes(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {}


@dataclass(frozen=True, slots=True)
class Operator:
    """How one ONNX operator reads.

    `data` lists the input slots that hold data, in our order; the others are settings
    (`None`: all are data). `weights` maps a slot to the output axis of the weight in it;
    `buffers` are slots of stored numbers that are not trained. `attributes` builds ours from
    theirs, given the shapes of all inputs and outputs.
    """

    kind: Kind
    attributes: Builder = _no_attributes
    data: tuple[int, ...] | None = None
    weights: Mapping[int, int] = field(default_factory=dict)
    buffers: frozenset[int] = frozenset()


def _shape(shapes: Shapes, slot: int) -> Shape:
    return (shapes[slot] if slot < len(shapes) else None) or ()


def _fused(given: Mapping[str, Any]) -> Attributes:
    return {"activation": given["activation"].lower()} if given.get("activation") else {}


def _convolution(slot: int) -> Builder:
    def build(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
        kernel = tuple(given.get("kernel_shape") or _shape(inputs, slot)[2:])
        return {
            "kernel": kernel,
            "stride": tuple(given.get("strides") or (1,) * len(kernel)),
            "padding": _padding(given, kernel),
            "dilation": tuple(given.get("dilations") or (1,) * len(kernel)),
            "groups": given.get("group", 1),
            **_fused(given),
        }

    return build


def _padding(given: Mapping[str, Any], kernel: Shape) -> Shape:
    """Zeros added at both ends of each axis where they agree, else all begins and then all ends."""
    if given.get("auto_pad", "NOTSET").startswith("SAME"):
        dilation = given.get("dilations") or (1,) * len(kernel)
        return tuple((k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True))
    pads = tuple(given.get("pads") or (0,) * 2 * len(kernel))
    begins, ends = pads[: len(kernel)], pads[len(kernel) :]
    return begins if begins == ends else pads


def _pool(mode: str) -> Builder:
    def build(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
        if "kernel_shape" not in given:
            return {"mode": mode}
        kernel = tuple(given["kernel_shape"])
        return {
            "kernel": kernel,
            "mode": mode,
            "stride": tuple(given.get("strides") or (1,) * len(kernel)),
            "padding": _padding(given, kernel),
        }

    return build


def _free(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"free": True}


def _copy(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"free": False}


def _statistics(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"statistics": True}


def _batch_norm(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"statistics": bool(given.get("training_mode", 0))}


def _size(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"size": given["size"], "statistics": True}


def _axis(default: int) -> Builder:
    return lambda given, inputs, outputs: {"axis": given.get("axis", default)}


def _resize(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"mode": given.get("mode", "nearest")}


def _einsum(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"equation": given["equation"]}


def _gemm(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"transpose_a": True} if given.get("transA") else {}


def _fused_gemm(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {**_gemm(given, inputs, outputs), **_fused(given)}


def _gelu(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {"approximate": given.get("approximate", "none")}


def _recurrent(mode: str) -> Builder:
    def build(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
        attrs: Attributes = {
            "mode": mode,
            "hidden": given["hidden_size"],
            "layers": 1,
            "directions": 2 if given.get("direction") == "bidirectional" else 1,
        }
        known = _shape(inputs, 0)
        if len(known) == 3:
            steps, batch = reversed(known[:2]) if given.get("layout") else known[:2]
            attrs.update(steps=steps, batch=batch)
        return attrs

    return build


def _attention(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """Attention over heads that are an axis, or merged into the width and then counted here."""
    heads = given.get("num_heads") or given.get("q_num_heads")
    causal = bool(given.get("is_causal") or given.get("unidirectional"))
    attrs: Attributes = {"causal": causal, "query_first": False}
    if heads:
        attrs["heads"] = heads
    return attrs


def _past(slot: int) -> Builder:
    """Attention whose keys include those of a cache, (batch, heads, length, width)."""

    def build(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
        attrs = _attention(given, inputs, outputs)
        past, keys = _shape(inputs, slot), _shape(inputs, 1)
        if len(past) == 4 and len(keys) >= 3:
            attrs["keys"] = past[2] + keys[-2]
        return attrs

    return build


def _causal_past(slot: int) -> Builder:
    build = _past(slot)
    return lambda given, inputs, outputs: {**build(given, inputs, outputs), "causal": True}


def _blocks(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    return {
        "contraction": given["K"],
        "bits": given.get("bits", 4),
        "block_size": given["block_size"],
    }


def _all(kind: Kind, names: str, attributes: Builder = _no_attributes) -> dict[str, Operator]:
    return {name: Operator(kind, attributes) for name in names.split()}


def _first(kind: Kind, names: str, attributes: Builder = _no_attributes) -> dict[str, Operator]:
    return {name: Operator(kind, attributes, data=(0,)) for name in names.split()}


_SCALES = frozenset({1, 2, 4, 5, 6, 7})

OPERATORS: Mapping[str, Operator] = {
    "Conv": Operator("conv", _convolution(1), weights={1: 0}),
    "ConvTranspose": Operator("conv_transpose", _convolution(1), weights={1: 1}),
    "ConvInteger": Operator("conv", _convolution(1), (0, 1), {1: 0}),
    "QLinearConv": Operator("conv", _convolution(3), (0, 3, 8, 1, 2, 4, 5, 6, 7), {3: 0}, _SCALES),
    # Of these the right operand decides the kind: see `specialise`.
    "MatMul": Operator("matmul", weights={1: -1, 0: -2}),
    "Gemm": Operator("matmul", _gemm, weights={1: -1}),
    "Einsum": Operator("matmul", _einsum),
    "MatMulInteger": Operator("matmul", data=(0, 1), weights={1: -1}),
    "QLinearMatMul": Operator(
        "matmul", data=(0, 3, 1, 2, 4, 5, 6, 7), weights={3: -1}, buffers=_SCALES
    ),
    "Gather": Operator("movement", _copy, (1, 0), {0: 0}),
    "LSTM": Operator("recurrent", _recurrent("lstm"), (0, 5, 6, 1, 2, 3, 7), {1: 1, 2: 1}),
    "GRU": Operator("recurrent", _recurrent("gru"), (0, 5, 1, 2, 3), {1: 1, 2: 1}),
    "RNN": Operator("recurrent", _recurrent("rnn"), (0, 5, 1, 2, 3), {1: 1, 2: 1}),
    "Attention": Operator("attention", _past(4), (0, 1, 2, 3)),
    "BatchNormalization": Operator("norm", _batch_norm, buffers=frozenset({3, 4})),
    "LRN": Operator("norm", _size),
    **_all(
        "norm",
        "LayerNormalization GroupNormalization InstanceNormalization RMSNormalization "
        "MeanVarianceNormalization LpNormalization SimplifiedLayerNormalization",
        _statistics,
    ),
    **_first("pool", "MaxPool GlobalMaxPool", _pool("max")),
    **_first("pool", "AveragePool GlobalAveragePool", _pool("avg")),
    **_first("pool", "LpPool GlobalLpPool", _pool("lp")),
    **_all("softmax", "Softmax LogSoftmax Hardmax", _axis(-1)),
    **_all(
        "activation",
        "Relu LeakyRelu ThresholdedRelu PRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh "
        "Softplus Softsign Mish Swish Shrink",
    ),
    "Gelu": Operator("activation", _gelu),
    "Dropout": Operator("activation", data=(0,)),
    **_first("activation", "Clip"),
    **_all(
        "elementwise",
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr "
        "BitwiseXor Ceil Cos Cosh Div Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less "
        "LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal RotaryEmbedding Round Sign "
        "Sin Sinh Sqrt Sub Sum Tan Where Xor",
    ),
    **_first(
        "reduction",
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
        "ReduceSum ReduceSumSquare CumSum CumProd",
    ),
    **_first("reduction", "ArgMax ArgMin", _axis(0)),
    **_first("reduction", "TopK", _axis(-1)),
    **_first("resize", "Resize Upsample GridSample", _resize),
    **_first("movement", "Reshape Flatten Squeeze Unsqueeze", _free),
    **_first(
        "movement",
        "Transpose Slice Split Expand Tile Pad DepthToSpace SpaceToDepth Trilu CenterCropPad "
        "Compress NonZero EyeLike ReverseSequence",
        _copy,
    ),
    **_first("movement", "Shape Size", _free),
    **_first("movement", "ConstantOfShape Range", _copy),
    **_all(
        "movement",
        "Concat GatherElements GatherND ScatterElements ScatterND Scatter OneHot TensorScatter",
        _copy,
    ),
    **_all("cast", "Cast CastLike QuantizeLinear DequantizeLinear DynamicQuantizeLinear"),
    **_all("control", "If Loop Scan"),
    "com.microsoft.FusedConv": Operator("conv", _convolution(1), weights={1: 0}),
    "com.microsoft.FusedGemm": Operator("matmul", _fused_gemm, weights={1: -1}),
    "com.microsoft.FusedMatMul": Operator("matmul", _gemm, weights={1: -1}),
    "com.microsoft.DynamicQuantizeMatMul": Operator(
        "matmul", data=(0, 1, 4, 2, 3), weights={1: -1}, buffers=frozenset({2, 3})
    ),
    "com.microsoft.MatMulIntegerToFloat": Operator(
        "matmul", data=(0, 1, 6, 2, 3, 4, 5), weights={1: -1}, buffers=frozenset({2, 3, 4, 5})
    ),
    "com.microsoft.MatMulNBits": Operator(
        "linear", _blocks, (0, 1, 5, 2, 3), {1: 0}, frozenset({2, 3, 4})
    ),
    "com.microsoft.Attention": Operator(
        "attention", _attention, (0, 0, 0, 5, 1, 2), weights={1: 1}
    ),
    "com.microsoft.MultiHeadAttention": Operator("attention", _past(6), (0, 1, 2, 5)),
    "com.microsoft.GroupQueryAttention": Operator("attention", _causal_past(3), (0, 1, 2)),
    "com.microsoft.RotaryEmbedding": Operator("elementwise", data=(0, 2, 3)),
    **{
        f"com.microsoft.{name}": Operator("norm", _statistics)
        for name in ("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
    },
    **{
        f"com.microsoft.{name}": Operator("activation", _gelu)
        for name in ("Gelu", "BiasGelu", "FastGelu", "QuickGelu")
    },
    "com.microsoft.BiasSoftmax": Operator("softmax", _axis(-1)),
    "com.microsoft.QLinearAdd": Operator("unknown", data=(0, 3)),
}
UNKNOWN = Operator("unknown")


def specialise(
    word: str, operator: Operator, given: Mapping[str, Any], stored: Mapping[int, Shape]
) -> Operator:
    """The operator once it is known which of its inputs are stored, and in what shape.

    A product with a stored operand is `linear`; rows gathered from a stored table are an
    `embedding`. Without one neither owns a weight.
    """
    if operator.kind == "matmul":
        held = [slot for slot in operator.weights if len(stored.get(slot, ())) >= 2]
        if not held:
            return Operator("matmul", operator.attributes, operator.data, {}, operator.buffers)
        axis = operator.weights[held[0]]
        if given.get("transB"):
            axis = -2
        return Operator(
            "linear", operator.attributes, operator.data, {held[0]: axis}, operator.buffers
        )
    if word == "Gather" and len(stored.get(0, ())) >= 2 and given.get("axis", 0) == 0:
        return Operator("embedding", data=(1, 0), weights={0: 0})
    return operator
