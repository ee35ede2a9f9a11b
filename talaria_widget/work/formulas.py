"""Operators with a formula of their own, by target; all others go by their kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, log2, prod
from types import MappingProxyType

from talaria_widget.graph import Graph, Op
from talaria_widget.work import (
    ensembles,
    experts,
    inverse,
    losses,
    regions,
    scores,
    signal,
)
from talaria_widget.work.norm import count_norm
from talaria_widget.work.pointwise import CAST
from talaria_widget.work.reduction import count_pool
from talaria_widget.work.shapes import input_size, output_size, shape, size

Counter = Callable[[Graph, Op], tuple[int, int]]

_REQUANTIZE = CAST["quantizelinear"]
_DEQUANTIZE = CAST["dequantizelinear"]


def per_output(rate: int) -> Counter:
    """FLOPs = outputs x rate."""
    return lambda graph, op: (0, rate * output_size(graph, op))


def per_input(rate: int) -> Counter:
    """FLOPs = elements of the first input x rate."""
    return lambda graph, op: (0, rate * input_size(graph, op))


def per_step(rate: int) -> Counter:
    """FLOPs = trained numbers x rate.

    After the learning rate and the step count come the numbers, as many gradients, and as many
    of each of the `attrs["states"]`.
    """

    def counter(graph: Graph, op: Op) -> tuple[int, int]:
        numbers = sum(size(graph, name) for name in op.inputs[2:])
        return 0, rate * numbers // (2 + op.attrs["states"])

    return counter


def _sorted(graph: Graph, op: Op) -> tuple[int, int]:
    """Sorting takes n log2 n comparisons, and one with the neighbour each."""
    elements = input_size(graph, op)
    return 0, elements * (ceil(log2(max(2, elements))) + 1)


def _drawn(graph: Graph, op: Op) -> tuple[int, int]:
    """An exp and an add per class; per sample a draw and a search among the sums."""
    known = shape(graph, op.inputs[0])
    searching = output_size(graph, op) * (1 + ceil(log2(max(2, known[-1]))))
    return 0, 2 * prod(known) + searching


def _requantized(counter: Counter) -> Counter:
    """The same, each output quantized again."""

    def counted(graph: Graph, op: Op) -> tuple[int, int]:
        macs, rest = counter(graph, op)
        return macs, rest + _REQUANTIZE * output_size(graph, op)

    return counted


def _averaged(graph: Graph, op: Op) -> tuple[int, int]:
    return 0, input_size(graph, op)


def _embedded(graph: Graph, op: Op) -> tuple[int, int]:
    """Two or three rows added up, and their layer norm."""
    return 0, output_size(graph, op) * (op.attrs["tables"] - 1 + 7)


def _distances(graph: Graph, op: Op) -> tuple[int, int]:
    """|a - b|^2 between all rows: a subtraction and a multiply-add per feature, one root."""
    pairs, features = output_size(graph, op), shape(graph, op.inputs[0])[-1]
    return pairs * features, pairs * (features + 1)


def _normed(rate: int) -> Counter:
    """A norm with more per element than its kind has."""

    def counter(graph: Graph, op: Op) -> tuple[int, int]:
        macs, rest = count_norm(graph, op)
        return macs, rest + rate * output_size(graph, op)

    return counter


_MICROSOFT: Mapping[str, Counter] = {
    **dict.fromkeys(
        [
            "Attention",
            "DecoderMaskedMultiHeadAttention",
            "DecoderMaskedSelfAttention",
            "GroupQueryAttention",
            "MultiHeadAttention",
            "PackedAttention",
            "PackedMultiHeadAttention",
            "QAttention",
        ],
        scores.count_scores,
    ),
    "BiasAdd": lambda graph, op: (
        0,
        (len(op.inputs) + len(op.weights) - 1) * output_size(graph, op),
    ),
    "BiasDropout": per_output(4),  # add, mask, scale, add
    "BiasSplitGelu": per_output(2 + 5 + 1),  # an add on both halves, gelu of one, their product
    "BitmaskBiasDropout": per_output(4),
    "BitmaskDropout": per_output(2),
    "CDist": _distances,
    "ComplexMul": per_output(3),  # 4 products and 2 adds per pair of outputs
    "ComplexMulConj": per_output(3),
    "CropAndResize": regions.count_crop,
    "EmbedLayerNormalization": _embedded,
    "GatedRMSNorm": _normed(1 + 5),  # x silu(gate)
    "GatherBlockQuantized": per_output(_DEQUANTIZE),
    "GroupNorm": _normed(0),
    "Inverse": inverse.count_inverse,
    "Irfft": signal.count_transform,
    "IsAllFinite": per_input(2),
    "MoE": experts.count_experts,
    "MulInteger": per_output(3),  # two subtractions of zero points, a product
    "QEmbedLayerNormalization": _embedded,
    "QLinearAdd": per_output(2 * _DEQUANTIZE + 1 + _REQUANTIZE),
    "QLinearAveragePool": _requantized(count_pool),
    # These look each byte up in a table of 256.
    "QLinearConcat": per_output(1),
    "QLinearLeakyRelu": per_output(1),
    "QLinearSigmoid": per_output(1),
    "QLinearWhere": per_output(2),
    "QLinearGlobalAveragePool": _requantized(_averaged),
    "QLinearMul": per_output(2 * _DEQUANTIZE + 1 + _REQUANTIZE),
    "QLinearReduceMean": _requantized(_averaged),
    "QLinearSoftmax": per_output(4 + _REQUANTIZE),  # max, exp by table, add, divide
    "QMoE": experts.count_experts,
    "ReduceSumInteger": per_input(1),
    "Rfft": signal.count_transform,
    "ScaledSiLU": per_output(6),
    "LinearAttention": scores.count_linear_attention,
    "RotaryEmbedding": scores.count_rotation,
    "Unique": _sorted,
}

FORMULAS: Mapping[str, Counter] = MappingProxyType(
    {
        "AffineGrid": regions.count_affine_grid,
        "Bernoulli": per_output(2),  # a draw, a comparison
        "BlackmanWindow": per_output(8),  # 0.42 - 0.5 cos(a n) + 0.08 cos(b n)
        "Col2Im": per_input(1),  # each value is added where it belongs
        "DFT": signal.count_transform,
        "DeformConv": regions.count_deformable,
        "Det": inverse.count_determinant,
        "HammingWindow": per_output(4),  # a - b cos(c n)
        "HannWindow": per_output(4),
        "LinearAttention": scores.count_linear_attention,
        "MaxRoiPool": regions.count_region_pool,
        "MelWeightMatrix": signal.count_mel,
        "Multinomial": _drawn,
        "NegativeLogLikelihoodLoss": losses.count_likelihood,
        "NonMaxSuppression": regions.count_suppression,
        "RandomNormal": per_output(1),
        "RandomNormalLike": per_output(1),
        "RandomUniform": per_output(1),
        "RandomUniformLike": per_output(1),
        "RotaryEmbedding": scores.count_rotation,
        "RoiAlign": regions.count_region_samples,
        "STFT": signal.count_transform,
        "SoftmaxCrossEntropyLoss": losses.count_cross_entropy,
        "TfIdfVectorizer": ensembles.count_word_counts,
        "Unique": _sorted,
        "ai.onnx.ml.Binarizer": per_output(1),
        "ai.onnx.ml.CategoryMapper": per_output(1),
        "ai.onnx.ml.Imputer": per_output(2),  # compare, select
        "ai.onnx.ml.LabelEncoder": per_output(1),
        "ai.onnx.ml.LinearClassifier": ensembles.count_linear_model,
        "ai.onnx.ml.LinearRegressor": ensembles.count_linear_model,
        "ai.onnx.ml.Normalizer": per_output(3),  # square, add, divide
        "ai.onnx.ml.OneHotEncoder": per_output(1),
        "ai.onnx.ml.SVMClassifier": ensembles.count_support_vectors,
        "ai.onnx.ml.SVMRegressor": ensembles.count_support_vectors,
        "ai.onnx.ml.Scaler": per_output(2),
        "ai.onnx.ml.TreeEnsemble": ensembles.count_trees,
        "ai.onnx.ml.TreeEnsembleClassifier": ensembles.count_trees,
        "ai.onnx.ml.TreeEnsembleRegressor": ensembles.count_trees,
        "ai.onnx.preview.FlexAttention": scores.count_scores,
        # g + c x; h + g^2; x - r g / (root(h) + e)
        "ai.onnx.preview.training.Adagrad": per_step(2 + 2 + 5),
        # g + c x; two averages; x - r v / (root(h) + e); the last decay
        "ai.onnx.preview.training.Adam": per_step(2 + 3 + 4 + 5 + 1),
        # g + c x; a v + b g; x - r v
        "ai.onnx.preview.training.Momentum": per_step(2 + 3 + 2),
        **{f"com.microsoft.{name}": counter for name, counter in _MICROSOFT.items()},
    }
)
