"""Our attributes of an op, built from those of an ONNX node and the shapes around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from talaria_widget.frontends.onnx.types import Shape

Attributes = dict[str, Any]
Shapes = Sequence[Shape | None]
Builder = Callable[[Mapping[str, Any], Shapes, Shapes], Attributes]


def nothing(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """No attributes."""
    return {}


def _shape(shapes: Shapes, slot: int) -> Shape:
    return (shapes[slot] if slot < len(shapes) else None) or ()


def _fused(given: Mapping[str, Any]) -> Attributes:
    return {"activation": given["activation"].lower()} if given.get("activation") else {}


def integer(builder: Builder) -> Builder:
    """The same of an operator that computes in 8-bit integers."""
    return lambda given, inputs, outputs: {
        **builder(given, inputs, outputs),
        "precision": "int8",
    }


def integer_layer(builder: Builder, bias: int | None) -> Builder:
    """The same of a layer whose bias is in this slot; all else beside it is scales."""

    def build(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
        biased = bias is not None and bias < len(inputs) and inputs[bias] is not None
        return {**builder(given, inputs, outputs), "precision": "int8", "biases": int(biased)}

    return build


def convolution(slot: int, *, last: bool = False) -> Builder:
    """Attributes of a convolution whose kernel is in this slot; `last`: channels come last."""

    def build(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
        weight = _shape(inputs, slot)
        kernel = tuple(given.get("kernel_shape") or (weight[1:-1] if last else weight[2:]))
        channels_last = {"channels_last": True} if last or given.get("channels_last") else {}
        return {
            **channels_last,
            "kernel": kernel,
            "stride": tuple(given.get("strides") or (1,) * len(kernel)),
            "padding": _padding(given, kernel),
            "dilation": tuple(given.get("dilations") or (1,) * len(kernel)),
            "groups": given.get("group", 1),
            **_fused(given),
        }

    return build


def causal_convolution(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """A depthwise convolution over what came before."""
    weight = _shape(inputs, 1)
    activation = given.get("activation", "none").lower()
    return {
        "kernel": weight[2:],
        "stride": (1,) * len(weight[2:]),
        "padding": tuple(n - 1 for n in weight[2:]),
        "dilation": (given.get("dilation", 1),) * len(weight[2:]),
        "groups": weight[0],
        "causal": True,
        **({} if activation == "none" else {"activation": activation}),
    }


def deformable(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """A convolution that samples where offsets tell it to, each sample weighed by a mask or not."""
    masked = len(inputs) > 4 and inputs[4] is not None
    return {**convolution(1)(given, inputs, outputs), "masked": masked}


def _padding(given: Mapping[str, Any], kernel: Shape) -> Shape:
    """Zeros added at both ends of each axis where they agree, else all begins and then all ends."""
    if given.get("auto_pad", "NOTSET").startswith("SAME"):
        dilation = given.get("dilations") or (1,) * len(kernel)
        return tuple((k - 1) * d // 2 for k, d in zip(kernel, dilation, strict=True))
    pads = tuple(given.get("pads") or (0,) * 2 * len(kernel))
    begins, ends = pads[: len(kernel)], pads[len(kernel) :]
    return begins if begins == ends else pads


def pool(mode: str) -> Builder:
    """Attributes of pooling; a global one has no kernel."""

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


def free(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """An alias: no byte moves."""
    return {"free": True}


def copy(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """Data movement that copies."""
    return {"free": False}


def pad(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """A border; of zeros where no other value is given, attribute or third input."""
    plain = given.get("mode", "constant") in ("constant", b"constant") and not given.get("value")
    return {"free": False, "zeros": plain and (len(inputs) < 3 or inputs[2] is None)}


def statistics(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """A norm that computes its statistics."""
    return {"statistics": True}


def batch_norm(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """A norm with stored statistics, save in training."""
    return {"statistics": bool(given.get("training_mode", 0))}


def size(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """The width of a local response norm."""
    return {"size": given["size"], "statistics": True}


def axis(default: int) -> Builder:
    """The axis, and what it is unless said."""
    return lambda given, inputs, outputs: {"axis": given.get("axis", default)}


def resize(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """The interpolation."""
    return {"mode": given.get("mode", "nearest")}


def einsum(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """The equation."""
    return {"equation": given["equation"]}


def gemm(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """Whether the first operand is transposed."""
    return {"transpose_a": True} if given.get("transA") else {}


def fused_gemm(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """The same, with the activation that the runtime fused."""
    return {**gemm(given, inputs, outputs), **_fused(given)}


def gelu(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """Which form of GELU."""
    return {"approximate": given.get("approximate", "none")}


def recurrent(mode: str) -> Builder:
    """Attributes of a recurrent layer: all its steps, one layer."""

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


def attention(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """Attention over heads that are an axis, or merged into the width and then counted here."""
    heads = given.get("num_heads") or given.get("q_num_heads")
    causal = bool(given.get("is_causal") or given.get("unidirectional"))
    attrs: Attributes = {"causal": causal, "query_first": False}
    if heads:
        attrs["heads"] = heads
    return attrs


def past(slot: int) -> Builder:
    """Attention whose keys include those of a cache, (batch, heads, length, width)."""

    def build(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
        attrs = attention(given, inputs, outputs)
        past, keys = _shape(inputs, slot), _shape(inputs, 1)
        if len(past) == 4 and len(keys) >= 3:
            attrs["keys"] = past[2] + keys[-2]
        return attrs

    return build


def fast_gelu(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """A product with the activation that the runtime fused."""
    return {"activation": "fastgelu"}


def regions(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """Points to a side of each bin; 0 where the region's size decides."""
    return {"mode": given.get("mode", "avg"), "sampling_ratio": given.get("sampling_ratio", 0)}


def loss(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """How a loss adds up, and whether its classes have weights."""
    weighted = len(inputs) > 2 and inputs[2] is not None
    return {"weighted": weighted, "reduction": given.get("reduction", "mean")}


def kept(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """How many boxes are kept at most, where that is known before the run."""
    return {"kept": int(given["kept"])} if given.get("kept") is not None else {}


def states(count: int) -> Builder:
    """How many running averages a training step keeps of each number."""
    return lambda given, inputs, outputs: {"states": count}


def tables(slot: int) -> Builder:
    """How many tables an embedding adds up: that of segments may be absent."""
    return lambda given, inputs, outputs: {"tables": 2 + bool(_shape(inputs, slot))}


def blocks(given: Mapping[str, Any], inputs: Shapes, outputs: Shapes) -> Attributes:
    """Attributes of a weight packed in blocks of few bits."""
    return {
        "contraction": given["K"],
        "bits": given.get("bits", 4),
        "block_size": given["block_size"],
    }
