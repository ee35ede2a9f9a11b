"""Operators without weights that ONNX Runtime computes on integers, and forms that make it so.

A value behind an integer convolution stays integer along a chain of these: the runtime takes
DequantizeLinear, the operator and QuantizeLinear for one kernel (onnxruntime,
core/optimizer/qdq_transformer/selectors_actions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from onnx import NodeProto

from talaria_widget.rewrite.draft import Draft, attribute
from talaria_widget.rewrite.uses import CONVOLUTIONS

SAME = frozenset(
    {
        *("MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split"),
        *("Identity", "DepthToSpace"),
    }
)
"""Operators that only choose among the values of their first input, and keep its scale."""

OWN = frozenset(
    {
        *("Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu"),
        *("HardSigmoid", "Relu"),
    }
)
"""Operators whose result has a scale of its own."""

CONSTANTS = frozenset({"Add", "Mul"})
"""Operators that may take a stored number beside integers."""

BOUNDED: Mapping[str, tuple[float, float]] = {"Sigmoid": (0.0, 1.0), "HardSigmoid": (0.0, 1.0)}
"""Results whose range is known without a run."""

FIRST = SAME | {"ReduceMean", "Div"}
"""Operators whose other inputs are settings."""

RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "DepthToSpace"})

INTEGER_POOL_OPSET = 12
IMAGE_RANK = 4


def is_number(draft: Draft, name: str) -> bool:
    """Whether a stored value is one number."""
    stored = draft.stored.get(name)
    return stored is not None and int(np.prod(list(stored.dims))) == 1


def output_of(draft: Draft, node: NodeProto) -> str:
    """The value to quantize behind a node: its own, or that of a Relu or Clip after it."""
    made: str = node.output[0]
    readers = draft.readers(made)
    if len(readers) != 1 or made in draft.lasting:
        return made
    after = readers[0][0]
    limits = [name for name in after.input[1:] if name]
    if after.op_type == "Relu" or (
        after.op_type == "Clip" and all(name in draft.stored for name in limits)
    ):
        return str(after.output[0])
    return made


def weight_rank(draft: Draft, node: NodeProto) -> int:
    """Axes of a convolution's weight, and so of what it gives; 0 where it is not stored."""
    stored = draft.stored.get(node.input[1])
    return 0 if stored is None else len(stored.dims)


def integer_values(draft: Draft, layers: list[NodeProto]) -> dict[str, str]:
    """The values that are integers behind these layers, each with the one whose scale it has.

    Operators on the way are brought into a form that has an integer kernel.
    """
    inside = {id(node) for node in layers}
    found: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for node in list(draft.nodes):
        if id(node) in inside:
            if node.op_type in CONVOLUTIONS:
                made = output_of(draft, node)
                found[made] = made
                ranks[made] = weight_rank(draft, node)
            continue
        if node.domain in ("", "ai.onnx") and _enters(draft, node, found):
            form = FORMS.get(node.op_type)
            for value in [node] if form is None else form(draft, node, ranks):
                _follow(draft, value, found, ranks)
    return found


def _enters(draft: Draft, node: NodeProto, found: Mapping[str, str]) -> bool:
    """Whether all that a node computes with is integer; a number may stand beside it."""
    names = list(node.input[:1] if node.op_type in FIRST else node.input)
    beside = node.op_type in CONSTANTS
    return any(name in found for name in names) and all(
        name in found or (beside and is_number(draft, name)) for name in names
    )


def _follow(draft: Draft, node: NodeProto, found: dict[str, str], ranks: dict[str, int]) -> None:
    if node.op_type in SAME:
        old = draft.opset < INTEGER_POOL_OPSET
        if node.op_type == "MaxPool" and (old or len(node.output) > 1):
            return
        found.update((name, found[node.input[0]]) for name in node.output if name)
        made = node.output[0]
    elif node.op_type in OWN:
        made = node.output[0] if node.op_type == "Relu" else output_of(draft, node)
        found[made] = made
    else:
        return
    if node.op_type not in RESHAPING:
        ranks[made] = max(ranks.get(name, 0) for name in node.input)


def _hard_swish(draft: Draft, node: NodeProto, _ranks: Mapping[str, int]) -> list[NodeProto]:
    """As x HardSigmoid(x): a product has an integer kernel, and so has the limit (`as_sum`)."""
    source, output = node.input[0], node.output[0]
    share = draft.fresh(f"{output}_share")
    draft.remove([node])
    draft.add("HardSigmoid", [source], share, alpha=1 / 6, beta=0.5)
    draft.add("Mul", [source, share], output)
    return draft.newest(2)


def _mean(draft: Draft, node: NodeProto, ranks: Mapping[str, int]) -> list[NodeProto]:
    """The mean over an image is a pool."""
    axes = attribute(node, "axes", None)
    if len(node.input) > 1 and node.input[1] in draft.stored:
        axes = draft.array(node.input[1]).reshape(-1).tolist()
    image = ranks.get(node.input[0]) == IMAGE_RANK
    if not image or axes is None or sorted(int(a) % IMAGE_RANK for a in axes) != [2, 3]:
        return []
    output = node.output[0]
    draft.remove([node])
    if attribute(node, "keepdims", 1):
        draft.add("GlobalAveragePool", [node.input[0]], output)
        return draft.newest()
    pooled = draft.fresh(f"{output}_pooled")
    draft.add("GlobalAveragePool", [node.input[0]], pooled)
    shape = draft.store(f"{output}_shape", np.array([0, -1], np.int64))
    draft.add("Reshape", [pooled, shape], output)
    return draft.newest(2)


def _quotient(draft: Draft, node: NodeProto, _ranks: Mapping[str, int]) -> list[NodeProto]:
    """Division by a number is a product."""
    if not is_number(draft, node.input[1]) or not np.all(draft.array(node.input[1])):
        return []
    factor = 1 / draft.array(node.input[1]).astype(np.float64)
    node.op_type = "Mul"
    draft.rewire(node, 1, draft.store(f"{node.output[0]}_factor", factor.astype(np.float32)))
    return [node]


Form = Callable[[Draft, NodeProto, Mapping[str, int]], list[NodeProto]]
FORMS: Mapping[str, Form] = {"HardSwish": _hard_swish, "ReduceMean": _mean, "Div": _quotient}
"""The same in operators that have integer kernels, in the order they run; none where not."""


def as_sum(draft: Draft, node: NodeProto) -> tuple[np.float32, np.float32] | None:
    """Make an addition of a HardSigmoid on integers; its steps, and those to read it in.

    clip(a x + b, 0, 1) = a clip(x + b/a, 0, 1/a): the sum is rounded to steps of 1/(255 a)
    from 0 and read back in steps of 1/255. ONNX Runtime has integer additions, and no integer
    HardSigmoid; of MobileNetV3 this is the difference between slower and faster than floats.
    """
    alpha = float(attribute(node, "alpha", 0.2))
    beta = float(attribute(node, "beta", 0.5))
    if alpha <= 0 or beta <= 0:
        return None
    node.op_type = "Add"
    del node.attribute[:]
    shift = draft.store(f"{node.output[0]}_shift", np.asarray(beta / alpha, np.float32))
    draft.rewire(node, 1, shift)
    return np.float32(1 / (255 * alpha)), np.float32(1 / 255)
