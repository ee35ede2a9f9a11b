"""Zeros put around a convolution's input, as the convolution's own padding."""

from __future__ import annotations

from typing import cast

import numpy as np
from onnx import NodeProto, helper

from talaria_widget.rewrite.draft import Draft, attribute

SIDES_AS_INPUT = 11
"""The operator set since which a Pad reads its sides from an input."""


def fold_pads(draft: Draft) -> None:
    """Take out each Pad of zeros whose readers are all convolutions.

    ONNX Runtime does so by itself, but not where a quantization stands in between: then it pads
    in floats, and converts there and back.
    """
    if draft.opset < SIDES_AS_INPUT:
        return
    for pad in [node for node in draft.nodes if node.op_type == "Pad" and node.domain == ""]:
        made = pad.output[0]
        sides = _sides(draft, pad)
        readers = draft.readers(made)
        if sides is None or not readers or made in draft.lasting:
            continue
        if all(slot == 0 and _takes(node, sides) for node, slot in readers):
            for node, _ in readers:
                _add(node, sides)
                draft.rewire(node, 0, pad.input[0])
            draft.remove([pad])


def _sides(draft: Draft, pad: NodeProto) -> list[int] | None:
    """Zeros before and after each axis behind the channels; `None` where it does anything else."""
    names = [*pad.input, "", ""][1:4]
    if attribute(pad, "mode", b"constant") != b"constant":
        return None
    if names[0] not in draft.stored or names[2] or (names[1] and names[1] not in draft.stored):
        return None
    if names[1] and np.any(draft.array(names[1])):
        return None
    counts = [int(n) for n in draft.array(names[0]).reshape(-1)]
    rank = len(counts) // 2
    before, after = counts[:rank], counts[rank:]
    if min(counts, default=-1) < 0 or any((*before[:2], *after[:2])):
        return None
    return [*before[2:], *after[2:]]


def _takes(node: NodeProto, sides: list[int]) -> bool:
    """Whether it is a convolution over as many axes, which says itself how it pads."""
    own = cast("list[int]", attribute(node, "pads", [0] * len(sides)))
    said = attribute(node, "auto_pad", b"NOTSET") in (b"NOTSET", b"")
    return node.op_type == "Conv" and node.domain == "" and said and len(own) == len(sides)


def _add(node: NodeProto, sides: list[int]) -> None:
    own = cast("list[int]", attribute(node, "pads", [0] * len(sides)))
    kept = [a for a in node.attribute if a.name != "pads"]
    del node.attribute[:]
    node.attribute.extend(kept)
    sums = [a + b for a, b in zip(own, sides, strict=True)]
    node.attribute.append(helper.make_attribute("pads", sums))
