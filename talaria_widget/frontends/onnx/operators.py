"""The table of ONNX operators: our kind for each, the inputs that are data, and its attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from talaria_widget.frontends.onnx import settings
from talaria_widget.frontends.onnx.settings import Builder
from talaria_widget.frontends.onnx.types import Shape
from talaria_widget.graph import Kind


@dataclass(frozen=True, slots=True)
class Operator:
    """How one ONNX operator reads.

    `data` lists the input slots that hold data, in our order; the others are settings
    (`None`: all are data). `weights` maps a slot to the output axis of the weight in it;
    `buffers` are slots of stored numbers that are not trained. `attributes` builds ours from
    theirs, given the shapes of all inputs and outputs.
    """

    kind: Kind
    attributes: Builder = settings.nothing
    data: tuple[int, ...] | None = None
    weights: Mapping[int, int] = field(default_factory=dict)
    buffers: frozenset[int] = frozenset()


def _all(kind: Kind, names: str, attributes: Builder = settings.nothing) -> dict[str, Operator]:
    return {name: Operator(kind, attributes) for name in names.split()}


def _first(kind: Kind, names: str, attributes: Builder = settings.nothing) -> dict[str, Operator]:
    return {name: Operator(kind, attributes, data=(0,)) for name in names.split()}


_SCALES = frozenset({1, 2, 4, 5, 6, 7})

OPERATORS: Mapping[str, Operator] = {
    "Conv": Operator("conv", settings.convolution(1), weights={1: 0}),
    "ConvTranspose": Operator("conv_transpose", settings.convolution(1), weights={1: 1}),
    "ConvInteger": Operator("conv", settings.convolution(1), (0, 1), {1: 0}),
    "QLinearConv": Operator(
        "conv", settings.convolution(3), (0, 3, 8, 1, 2, 4, 5, 6, 7), {3: 0}, _SCALES
    ),
    # Of these the right operand decides the kind: see `specialise`.
    "MatMul": Operator("matmul", weights={1: -1, 0: -2}),
    "Gemm": Operator("matmul", settings.gemm, weights={1: -1}),
    "Einsum": Operator("matmul", settings.einsum),
    "MatMulInteger": Operator("matmul", data=(0, 1), weights={1: -1}),
    "QLinearMatMul": Operator(
        "matmul", data=(0, 3, 1, 2, 4, 5, 6, 7), weights={3: -1}, buffers=_SCALES
    ),
    "Gather": Operator("movement", settings.copy, (1, 0), {0: 0}),
    "LSTM": Operator("recurrent", settings.recurrent("lstm"), (0, 5, 6, 1, 2, 3, 7), {1: 1, 2: 1}),
    "GRU": Operator("recurrent", settings.recurrent("gru"), (0, 5, 1, 2, 3), {1: 1, 2: 1}),
    "RNN": Operator("recurrent", settings.recurrent("rnn"), (0, 5, 1, 2, 3), {1: 1, 2: 1}),
    "Attention": Operator("attention", settings.past(4), (0, 1, 2, 3)),
    "BatchNormalization": Operator("norm", settings.batch_norm, buffers=frozenset({3, 4})),
    "LRN": Operator("norm", settings.size),
    **_all(
        "norm",
        "LayerNormalization GroupNormalization InstanceNormalization RMSNormalization "
        "MeanVarianceNormalization LpNormalization SimplifiedLayerNormalization",
        settings.statistics,
    ),
    **_first("pool", "MaxPool GlobalMaxPool", settings.pool("max")),
    **_first("pool", "AveragePool GlobalAveragePool", settings.pool("avg")),
    **_first("pool", "LpPool GlobalLpPool", settings.pool("lp")),
    **_all("softmax", "Softmax LogSoftmax Hardmax", settings.axis(-1)),
    **_all(
        "activation",
        "Relu LeakyRelu ThresholdedRelu PRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh "
        "Softplus Softsign Mish Swish Shrink",
    ),
    "Gelu": Operator("activation", settings.gelu),
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
    **_first("reduction", "ArgMax ArgMin", settings.axis(0)),
    **_first("reduction", "TopK", settings.axis(-1)),
    **_first("resize", "Resize Upsample GridSample", settings.resize),
    **_first("movement", "Reshape Flatten Squeeze Unsqueeze", settings.free),
    **_first(
        "movement",
        "Transpose Slice Split Expand Tile DepthToSpace SpaceToDepth Trilu CenterCropPad "
        "Compress NonZero EyeLike ReverseSequence",
        settings.copy,
    ),
    **_first("movement", "Pad", settings.pad),
    **_first("movement", "Shape Size", settings.free),
    **_first("movement", "ConstantOfShape Range", settings.copy),
    **_all(
        "movement",
        "Concat GatherElements GatherND ScatterElements ScatterND Scatter OneHot TensorScatter",
        settings.copy,
    ),
    **_all("cast", "Cast CastLike QuantizeLinear DequantizeLinear DynamicQuantizeLinear"),
    **_all("control", "If Loop Scan"),
    "com.microsoft.FusedConv": Operator("conv", settings.convolution(1), weights={1: 0}),
    "com.microsoft.FusedGemm": Operator("matmul", settings.fused_gemm, weights={1: -1}),
    "com.microsoft.FusedMatMul": Operator("matmul", settings.gemm, weights={1: -1}),
    "com.microsoft.DynamicQuantizeMatMul": Operator(
        "matmul", data=(0, 1, 4, 2, 3), weights={1: -1}, buffers=frozenset({2, 3})
    ),
    "com.microsoft.MatMulIntegerToFloat": Operator(
        "matmul", data=(0, 1, 6, 2, 3, 4, 5), weights={1: -1}, buffers=frozenset({2, 3, 4, 5})
    ),
    "com.microsoft.MatMulNBits": Operator(
        "linear", settings.blocks, (0, 1, 5, 2, 3), {1: 0}, frozenset({2, 3, 4})
    ),
    "com.microsoft.Attention": Operator(
        "attention", settings.attention, (0, 0, 0, 5, 1, 2), weights={1: 1}
    ),
    # Its weights are transposed: (directions, inputs, 4 hidden).
    "com.microsoft.DynamicQuantizeLSTM": Operator(
        "recurrent",
        settings.recurrent("lstm"),
        (0, 5, 6, 1, 2, 3, 7, 8, 9, 10, 11),
        {1: 2, 2: 2},
        frozenset({8, 9, 10, 11}),
    ),
    "com.microsoft.MultiHeadAttention": Operator("attention", settings.past(6), (0, 1, 2, 5)),
    "com.microsoft.GroupQueryAttention": Operator("attention", settings.causal_past(3), (0, 1, 2)),
    "com.microsoft.RotaryEmbedding": Operator("elementwise", data=(0, 2, 3)),
    **{
        f"com.microsoft.{name}": Operator("norm", settings.statistics)
        for name in ("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
    },
    **{
        f"com.microsoft.{name}": Operator("activation", settings.gelu)
        for name in ("Gelu", "BiasGelu", "FastGelu", "QuickGelu")
    },
    "com.microsoft.BiasSoftmax": Operator("softmax", settings.axis(-1)),
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
