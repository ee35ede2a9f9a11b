"""Batch normalisation folded into the layer before it, as every toolchain does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from talaria_widget.rewrite.draft import Draft, attribute
from talaria_widget.rewrite.uses import is_plain

EPSILON = 1e-5


def fold_norms(draft: Draft) -> None:
    """Take out the BatchNormalization nodes that follow a convolution or a Gemm.

    The layer keeps its weight's name and gets a bias `<weight's stem>.bias` where it
    had none; its output takes the norm's name. With per-channel gain
    `g = scale / sqrt(variance + epsilon)`: weight x g, and (bias - mean) x g + shift.
    Left alone: norms in training mode, weights used twice, layers read by others too.
    """
    producers = draft.producers()
    for norm in [node for node in draft.nodes if node.op_type == "BatchNormalization"]:
        conv = producers.get(norm.input[0])
        if conv is not None and _foldable(draft, conv, norm):
            _fold(draft, conv, norm)
            producers[conv.output[0]] = conv


def _foldable(draft: Draft, conv: NodeProto, norm: NodeProto) -> bool:
    if conv.op_type not in ("Conv", "ConvTranspose", "Gemm") or attribute(norm, "training_mode", 0):
        return False
    if conv.op_type == "Gemm" and not _is_layer(draft, conv):
        return False
    made, weight = conv.output[0], conv.input[1]
    constants = [*norm.input[1:5], *(name for name in conv.input[1:] if name)]
    return (
        all(name in draft.stored for name in constants)
        and len([name for name in norm.output if name]) == 1
        and made not in draft.lasting
        and len(draft.readers(made)) == 1
        and len(draft.readers(weight)) == 1
        and weight not in draft.lasting
    )


def _is_layer(draft: Draft, gemm: NodeProto) -> bool:
    """Whether a Gemm adds no more than a vector to its product."""
    added = gemm.input[2] if len(gemm.input) > 2 else ""
    vector = not added or (added in draft.stored and len(draft.stored[added].dims) == 1)
    return is_plain(gemm) and vector


def _fold(draft: Draft, conv: NodeProto, norm: NodeProto) -> None:
    scale, shift, mean, variance = (_wide(draft, name) for name in norm.input[1:5])
    gain = scale / np.sqrt(variance + attribute(norm, "epsilon", EPSILON))
    name = conv.input[1]
    weight = _wide(draft, name)
    dtype = draft.array(name).dtype
    draft.replace(name, (weight * _spread(conv, gain, weight.shape)).astype(dtype))
    old = conv.input[2] if len(conv.input) > 2 else ""
    bias = ((_wide(draft, old) if old else 0.0) - mean) * gain + shift
    if old and len(draft.readers(old)) == 1 and old not in draft.lasting:
        draft.replace(old, bias.astype(dtype))
        new = old
    else:
        stem = name.removesuffix(".weight")
        new = draft.store(f"{stem}.bias", bias.astype(dtype))
    del conv.input[2:]
    draft.rewire(conv, 2, new)
    draft.remove([norm])
    draft.rename(conv, conv.output[0], norm.output[0])


def _spread(
    conv: NodeProto, gain: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Gains per output channel, as a weight of this shape takes them.

    That of a transposed convolution is (C_in, C_out / groups, ...), group below group.
    """
    ones = [1] * (len(shape) - 2)
    if conv.op_type == "ConvTranspose":
        groups = int(attribute(conv, "group", 1))
        by_group = gain.reshape(groups, -1)
        return np.repeat(by_group, shape[0] // groups, axis=0).reshape(*shape[:2], *ones)
    if conv.op_type == "Conv" or attribute(conv, "transB", 0):
        return gain.reshape(-1, 1, *ones)
    return gain.reshape(1, -1)


def _wide(draft: Draft, name: str) -> NDArray[np.float64]:
    return draft.array(name).astype(np.float64)
