"""The operators of the standard domain."""

from __future__ import annotations

from talaria_widget.frontends.onnx.operators import attention, ensembles, settings, transforms
from talaria_widget.frontends.onnx.operators.entries import Operator, Table, every, first

SCALES = frozenset({1, 2, 4, 5, 6, 7})

STANDARD: Table = {
    "Conv": Operator("conv", settings.convolution(1), weights={1: 0}),
    "ConvTranspose": Operator("conv_transpose", settings.convolution(1), weights={1: 1}),
    "ConvInteger": Operator(
        "conv",
        settings.integer_layer(settings.convolution(1), None),
        weights={1: 0},
        buffers=frozenset({2, 3}),
    ),
    "QLinearConv": Operator(
        "conv",
        settings.integer_layer(settings.convolution(3), 8),
        (0, 3, 8, 1, 2, 4, 5, 6, 7),
        {3: 0},
        SCALES,
    ),
    "DeformConv": Operator("conv", settings.deformable, (0, 1, 3, 2, 4), {1: 0}),
    "CausalConvWithState": Operator("conv", settings.causal_convolution, weights={1: 0}),
    # Of these the right operand decides the kind: see `operators.specialise`.
    "MatMul": Operator("matmul", weights={1: -1, 0: -2}),
    "Gemm": Operator("matmul", settings.gemm, weights={1: -1}),
    "Einsum": Operator("matmul", settings.einsum),
    "MatMulInteger": Operator(
        "matmul",
        settings.integer_layer(settings.nothing, None),
        weights={1: -1},
        buffers=frozenset({2, 3}),
    ),
    "QLinearMatMul": Operator(
        "matmul",
        settings.integer_layer(settings.nothing, None),
        (0, 3, 1, 2, 4, 5, 6, 7),
        weights={3: -1},
        buffers=SCALES,
    ),
    "Det": Operator("matmul"),
    "Gather": Operator("movement", settings.copy, (1, 0), {0: 0}),
    "LSTM": Operator("recurrent", settings.recurrent("lstm"), (0, 5, 6, 1, 2, 3, 7), {1: 1, 2: 1}),
    "GRU": Operator("recurrent", settings.recurrent("gru"), (0, 5, 1, 2, 3), {1: 1, 2: 1}),
    "RNN": Operator("recurrent", settings.recurrent("rnn"), (0, 5, 1, 2, 3), {1: 1, 2: 1}),
    "Attention": Operator("attention", settings.past(4), (0, 1, 2, 3)),
    "LinearAttention": Operator("attention", attention.recurrent_state, (0, 1, 2, 3, 4, 5)),
    "BatchNormalization": Operator("norm", settings.batch_norm, buffers=frozenset({3, 4})),
    "LRN": Operator("norm", settings.size),
    **every(
        "norm",
        "LayerNormalization GroupNormalization InstanceNormalization RMSNormalization "
        "MeanVarianceNormalization LpNormalization SimplifiedLayerNormalization",
        settings.statistics,
    ),
    **first("pool", "MaxPool GlobalMaxPool", settings.pool("max")),
    **first("pool", "AveragePool GlobalAveragePool", settings.pool("avg")),
    **first("pool", "LpPool GlobalLpPool", settings.pool("lp")),
    "MaxRoiPool": Operator(
        "pool",
        settings.regions,
        caveat="each region is taken to cover the whole map, an upper bound",
    ),
    "RoiAlign": Operator(
        "pool",
        settings.regions,
        caveat="where a region's size decides, 2 x 2 points are taken for each bin",
    ),
    **every("softmax", "Softmax LogSoftmax Hardmax", settings.axis(-1)),
    **every(
        "activation",
        "Relu LeakyRelu ThresholdedRelu PRelu Elu Selu Celu Sigmoid HardSigmoid HardSwish Tanh "
        "Softplus Softsign Mish SwiGLU Swish Shrink",
    ),
    "Gelu": Operator("activation", settings.gelu),
    "Dropout": Operator("activation", data=(0,)),
    **first("activation", "Clip"),
    **every(
        "elementwise",
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr "
        "BitwiseXor Ceil Cos Cosh Div Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less "
        "LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow Reciprocal Round Sign "
        "Sin Sinh Sqrt Sub Sum Tan Where Xor",
    ),
    "RotaryEmbedding": Operator("elementwise", attention.rotary),
    **first(
        "elementwise",
        "Bernoulli BlackmanWindow HammingWindow HannWindow MelWeightMatrix RandomNormal "
        "RandomNormalLike RandomUniform RandomUniformLike",
    ),
    **first(
        "reduction",
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
        "ReduceSum ReduceSumSquare CumSum CumProd Multinomial Unique",
    ),
    **first("reduction", "ArgMax ArgMin", settings.axis(0)),
    **first("reduction", "TopK", settings.axis(-1)),
    **first("reduction", "Col2Im"),
    **first("reduction", "TfIdfVectorizer", ensembles.word_counts),
    **every("reduction", "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss", settings.loss),
    "NonMaxSuppression": Operator(
        "reduction",
        settings.kept,
        (0, 1),
        values={2: "kept"},
        caveat="as many boxes are taken to be kept as may be, an upper bound",
    ),
    "DFT": Operator("reduction", transforms.fourier, (0,), values={1: "dft_length", 2: "axis"}),
    "STFT": Operator("reduction", transforms.short_time, (0, 2), values={3: "frame_length"}),
    **first("resize", "Resize Upsample", settings.resize),
    **every("resize", "GridSample", settings.resize),
    **first("resize", "AffineGrid"),
    **first("movement", "Reshape Flatten Squeeze Unsqueeze BitCast Identity", settings.free),
    **first(
        "movement",
        "Transpose Slice Split Expand Tile DepthToSpace SpaceToDepth Trilu CenterCropPad "
        "Compress NonZero EyeLike ReverseSequence",
        settings.copy,
    ),
    **first("movement", "Pad", settings.pad),
    **first("movement", "Shape Size Constant", settings.free),
    **first("movement", "ConstantOfShape Range", settings.copy),
    **every(
        "movement",
        "Concat GatherElements GatherND ScatterElements ScatterND Scatter OneHot TensorScatter "
        "MaxUnpool",
        settings.copy,
    ),
    # Lists of tensors and what may be absent: nothing is computed, the bytes are not known.
    **every(
        "movement",
        "ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase "
        "SequenceInsert SequenceLength SplitToSequence Optional OptionalGetElement "
        "OptionalHasElement",
        settings.copy,
    ),
    **every("cast", "Cast CastLike QuantizeLinear DequantizeLinear DynamicQuantizeLinear"),
    **every("control", "If Loop Scan SequenceMap"),
    # What these do depends on text and on files.
    **every("unknown", "ImageDecoder RegexFullMatch StringConcat StringNormalizer StringSplit"),
}
