"""Arithmetic of normalisations."""

from __future__ import annotations

from talaria_widget.graph import Graph, Op
from talaria_widget.work.shapes import output_size, tensor

# FLOPs per element where the statistics are computed here, without scale and shift:
_CENTRED = 5  # mean: 1 add; variance: subtract, square, add; 1 product with 1/std
_ROOT_MEAN_SQUARE = 3  # square, add, 1 product with 1/rms
_STORED = 2  # scale and shift folded per channel: x a + b

_BY_WORD: dict[str, int] = {
    "layer_norm": _CENTRED,
    "group_norm": _CENTRED,
    "instance_norm": _CENTRED,
    "batch_norm": _CENTRED,
    "layernormalization": _CENTRED,
    "groupnormalization": _CENTRED,
    "groupnorm": _CENTRED,
    "instancenormalization": _CENTRED,
    "batchnormalization": _CENTRED,
    "meanvariancenormalization": _CENTRED,
    "rms_norm": _ROOT_MEAN_SQUARE,
    "rmsnormalization": _ROOT_MEAN_SQUARE,
    "simplifiedlayernormalization": _ROOT_MEAN_SQUARE,
    "fused_rms_norm": _ROOT_MEAN_SQUARE,
    "renorm": _ROOT_MEAN_SQUARE,
    "normalize": _ROOT_MEAN_SQUARE,  # square, add, divide
    "lpnormalization": _ROOT_MEAN_SQUARE,
    "skiplayernormalization": _CENTRED + 1,  # the residual's add
    "skipgroupnorm": _CENTRED + 1,
    "skipsimplifiedlayernormalization": _ROOT_MEAN_SQUARE + 1,
}
# w = g v / |v|: square, add, product, and nothing more for g, which is a number per row.
_WEIGHT_NORM = frozenset({"weight_norm", "weight_norm_interface"})
_LOCAL_RESPONSE = frozenset({"local_response_norm", "lrn"})


def count_norm(graph: Graph, op: Op) -> tuple[int, int]:
    """FLOPs per element: the statistics and the scaling, plus one each for scale and shift.

    With stored statistics everything folds into one multiply and one add per element. Per
    group work (a root, a division) is left out: it is one in thousands.
    """
    elements = output_size(graph, op)
    if op.word in _LOCAL_RESPONSE:
        # square, (size - 1) adds, x alpha, + k, power, divide
        return 0, elements * (int(op.attrs["size"]) + 4)
    if op.word in _WEIGHT_NORM:
        return 0, elements * _ROOT_MEAN_SQUARE
    per_element = _BY_WORD[op.word]
    if not op.attrs.get("statistics", True):
        return 0, elements * _STORED
    trained = [name for name in op.weights if tensor(graph, name).role != "buffer"]
    return 0, elements * (per_element + len(trained))
