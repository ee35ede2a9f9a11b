"""The operators of ONNX Runtime's own domains, which optimised and quantized files use."""

from __future__ import annotations

from talaria_widget.frontends.onnx.operators import attention, experts, packed, settings, transforms
from talaria_widget.frontends.onnx.operators.entries import Operator, Table, every, first
from talaria_widget.frontends.onnx.operators.standard import STANDARD
from talaria_widget.graph import Kind

_integer = settings.integer
_TABLES = frozenset({8, 9, 10, 11})


def _scaled(kind: Kind, attributes: settings.Builder, slots: int, *data: int) -> Operator:
    """An operator in 8-bit integers whose inputs are data, and scales and zero points of it."""
    scales = tuple(slot for slot in range(slots) if slot not in data)
    return Operator(kind, _integer(attributes), (*data, *scales), {}, frozenset(scales))


_LAYERS: Table = {
    "FusedConv": Operator("conv", settings.convolution(1), weights={1: 0}),
    "NhwcConv": Operator("conv", settings.convolution(1, last=True), weights={1: 0}),
    "NhwcFusedConv": Operator("conv", settings.convolution(1, last=True), weights={1: 0}),
    "QLinearConv": STANDARD["QLinearConv"],
    "CausalConvWithState": Operator(
        "conv", settings.causal_convolution, (0, 1, 2, 3), weights={1: 0}
    ),
    "ConvTransposeWithDynamicPads": Operator(
        "conv_transpose", settings.convolution(1), (0, 1, 3), {1: 1}
    ),
    "FusedGemm": Operator("matmul", settings.fused_gemm, weights={1: -1}),
    "FusedMatMul": Operator("matmul", settings.gemm, weights={1: -1}),
    "FusedMatMulActivation": Operator("matmul", settings.fused_gemm, weights={1: -1}),
    "TransposeMatMul": Operator("matmul", settings.gemm, weights={1: -1}),
    "SparseToDenseMatMul": Operator("unknown"),
    "GemmFastGelu": Operator("matmul", settings.fast_gelu, weights={1: -1}),
    "GemmFloat8": Operator("matmul", settings.fused_gemm, (0, 1, 2), {1: -1}, frozenset({3, 4, 5})),
    "QGemm": Operator(
        "matmul",
        settings.integer_layer(settings.gemm, 6),
        (0, 3, 6, 1, 2, 4, 5, 7, 8),
        {3: -1},
        frozenset({1, 2, 4, 5, 7, 8}),
    ),
    "DynamicQuantizeMatMul": Operator(
        "matmul",
        settings.integer_layer(settings.nothing, 4),
        (0, 1, 4, 2, 3),
        {1: -1},
        frozenset({2, 3}),
    ),
    "MatMulInteger16": Operator("matmul", weights={1: -1}),
    "MatMulIntegerToFloat": Operator(
        "matmul",
        settings.integer_layer(settings.nothing, 6),
        (0, 1, 6, 2, 3, 4, 5),
        {1: -1},
        frozenset({2, 3, 4, 5}),
    ),
    "MatMulNBits": Operator(
        "linear",
        settings.blocks,
        (0, 1, 5, 2, 3, 4),
        {1: 0},
        frozenset({2, 3, 4}),
        unpack=packed.blocks,
    ),
    "MatMulBnb4": Operator(
        "linear", settings.blocks, (0, 1, 2), {1: 0}, frozenset({2}), unpack=packed.blocks
    ),
    "MatMulFpQ4": Operator("unknown"),
    # Its weights are transposed: (directions, inputs, 4 hidden).
    "DynamicQuantizeLSTM": Operator(
        "recurrent",
        _integer(settings.recurrent("lstm")),
        (0, 5, 6, 1, 2, 3, 7, 8, 9, 10, 11),
        {1: 2, 2: 2},
        _TABLES,
    ),
    "MoE": Operator("linear", experts.mixture, weights={2: 1, 4: 1, 6: 1}),
    "QMoE": Operator(
        "linear",
        experts.quantized_mixture,
        (0, 1, 2, 5, 8, 4, 7, 10, 3, 6, 9, 11, 12, 13, 14, 15, 16, 17, 18),
        {2: 1, 5: 1, 8: 1},
        frozenset({3, 6, 9, 11, 12, 13, 15, 16, 17, 18}),
        unpack=packed.rows,
    ),
}
_LONGEST = "each sequence counts as the longest, an upper bound"
_ATTENTION: Table = {
    "Attention": Operator(
        "attention", attention.projecting(5, 4), (0, 0, 0, 5, 1, 2), weights={1: 1}
    ),
    "DecoderMaskedSelfAttention": Operator(
        "attention", attention.projecting(5, 4), (0, 4, 5, 1, 2), weights={1: 1}
    ),
    "QAttention": Operator(
        "attention",
        _integer(attention.projecting(99, 8)),
        (0, 8, 1, 2, 3, 4, 6, 7),
        {1: 1},
        frozenset({3, 4, 6, 7}),
    ),
    "PackedAttention": Operator(
        "attention", attention.packed, (0, 5, 1, 2), weights={1: 1}, caveat=_LONGEST
    ),
    "MultiHeadAttention": Operator("attention", attention.multi_head, (0, 1, 2, 3, 5, 6, 7)),
    "PackedMultiHeadAttention": Operator(
        "attention", attention.packed_heads, (0, 1, 2, 3, 6), caveat=_LONGEST
    ),
    "DecoderMaskedMultiHeadAttention": Operator(
        "attention", attention.one_step, (0, 1, 2, 4, 5, 6), values={7: "past"}
    ),
    "GroupQueryAttention": Operator(
        "attention",
        attention.grouped,
        (0, 1, 2, 3, 4, 7, 8, 10),
        values={6: "total"},
        caveat="where the length is not known before a run, its cache counts as full",
    ),
    "LinearAttention": STANDARD["LinearAttention"],
}
_REST: Table = {
    **every("activation", "Gelu BiasGelu FastGelu QuickGelu", settings.gelu),
    **every("activation", "BiasSplitGelu ScaledSiLU SwiGLU"),
    "BiasSoftmax": Operator("softmax", settings.axis(-1)),
    "QLinearAdd": _scaled("elementwise", settings.nothing, 8, 0, 3),
    "QLinearMul": _scaled("elementwise", settings.nothing, 8, 0, 3),
    "QLinearWhere": _scaled("elementwise", settings.nothing, 9, 0, 1, 4),
    "MulInteger": _scaled("elementwise", settings.nothing, 4, 0, 2),
    "QLinearConcat": _scaled("elementwise", settings.nothing, 3_000, *range(2, 3_000, 3)),
    "QLinearLeakyRelu": _scaled("activation", settings.nothing, 5, 0),
    "QLinearSigmoid": _scaled("activation", settings.nothing, 5, 0),
    "QLinearSoftmax": _scaled("softmax", settings.axis(-1), 5, 0),
    "QLinearAveragePool": _scaled("pool", settings.pool("avg"), 5, 0),
    "QLinearGlobalAveragePool": _scaled("pool", settings.pool("avg"), 5, 0),
    "QLinearReduceMean": _scaled("reduction", settings.nothing, 5, 0),
    **every(
        "elementwise",
        "BiasAdd BiasDropout BitmaskBiasDropout BitmaskDropout ComplexMul ComplexMulConj",
    ),
    "RotaryEmbedding": Operator("elementwise", attention.rotary, (0, 2, 3)),
    **first("pool", "NhwcMaxPool MaxpoolWithMask", settings.pool("max")),
    **first("reduction", "IsAllFinite ReduceSumInteger Unique"),
    **first("reduction", "Rfft Irfft", transforms.real_fourier),
    **every(
        "norm",
        "SkipLayerNormalization SkipSimplifiedLayerNormalization SkipGroupNorm GroupNorm "
        "GatedRMSNorm",
        settings.statistics,
    ),
    "EmbedLayerNormalization": Operator(
        "embedding", settings.tables(1), (0, 1, 8, 2, 3, 4, 5, 6), {2: 0, 3: 0, 4: 0}
    ),
    "QEmbedLayerNormalization": Operator(
        "embedding",
        _integer(settings.tables(1)),
        (0, 1, 2, 3, 4, 5, 6, *range(8, 18)),
        {2: 0, 3: 0, 4: 0},
        frozenset(range(8, 18)),
    ),
    "GatherBlockQuantized": Operator(
        "embedding",
        data=(1, 0, 2, 3),
        weights={0: 0},
        buffers=frozenset({2, 3}),
        unpack=packed.rows,
    ),
    "TorchEmbedding": Operator("embedding", data=(1, 0), weights={0: 0}),
    "CDist": Operator("matmul"),
    "Inverse": Operator("matmul"),
    "CropAndResize": Operator("resize", settings.resize, (0, 1)),
    "GridSample": Operator("resize", settings.resize),
    "Pad": Operator("movement", settings.pad, (0,)),
    **first("movement", "ExpandDims", settings.free),
    **first("movement", "Range RemovePadding RestorePadding Trilu UnfoldTensor", settings.copy),
    **every("movement", "GatherND", settings.copy),
    **every("cast", "QuantizeLinear DequantizeLinear"),
}
# The runtime's own layouts: as the standard ones, channels elsewhere.
_NHWC: Table = {
    **first("pool", "AveragePool GlobalAveragePool", settings.pool("avg")),
    **first("pool", "MaxPool GlobalMaxPool", settings.pool("max")),
    **first("pool", "LpPool GlobalLpPool", settings.pool("lp")),
    **first("movement", "DepthToSpace SpaceToDepth", settings.copy),
    **{
        name: STANDARD[name]
        for name, row in STANDARD.items()
        if row.kind in ("conv", "conv_transpose", "norm", "resize") or name == "MaxUnpool"
    },
}
_NCHWC: Table = {
    **{name: row for name, row in _NHWC.items() if row.kind == "pool"},
    "Conv": STANDARD["Conv"],
    "Upsample": STANDARD["Upsample"],
    "ReorderInput": Operator("layout"),
    "ReorderOutput": Operator("layout"),
}

MICROSOFT: Table = {
    **{f"com.microsoft.{name}": row for name, row in {**_LAYERS, **_ATTENTION, **_REST}.items()},
    **{f"com.ms.internal.nhwc.{name}": row for name, row in _NHWC.items()},
    **{f"com.microsoft.nchwc.{name}": row for name, row in _NCHWC.items()},
}
