"""The forms of layers: products, convolutions, attention, recurrence, norms and pools."""

from __future__ import annotations

from math import ceil
from typing import Any

from talaria_widget.frontends.torch.table.forms import Form, Operands, main_weights, operands
from talaria_widget.frontends.torch.trace.recording import Ref, references
from talaria_widget.graph import Kind


def conv(kind: Kind, given: Operands) -> Form:
    """A convolution, transposed or not."""
    weight = given["weight"]
    dims = len(given.shape(weight)) - 2
    padding = given.get("padding", 0)
    kernel = given.shape(weight)[2:]
    dilation = _tuple(given.get("dilation", 1), dims)
    if padding == "valid":
        padding = 0
    elif padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    attrs = {
        "kernel": kernel,
        "stride": _tuple(given.get("stride", 1), dims),
        "padding": _tuple(padding, dims),
        "dilation": dilation,
        "groups": given.get("groups", 1),
    }
    inputs, weights = given.layer(given["input"], weight, given["bias"])
    axis = 1 if kind == "conv_transpose" else 0
    return Form(kind, inputs, weights, attrs, main_weights(given, {weight: axis}))


def linear(kind: Kind, given: Operands) -> Form:
    """`F.linear`: the weight's output axis is its first."""
    x, weight, bias = given["input"], given["weight"], given["bias"]
    inputs, weights = given.layer(x, weight, bias)
    if not given.trained(weight):
        refs = [ref for ref in (x, weight, bias) if isinstance(ref, Ref)]
        return Form("matmul", inputs, weights, operands(given, refs, None))
    return Form(kind, inputs, weights, {}, main_weights(given, {weight: 0}))


def matmul(kind: Kind, given: Operands) -> Form:
    """A product; a linear layer where one side is a parameter of two dimensions."""
    a, b = given["input"], given["other"]
    refs = list(given.call.reads)
    inputs, weights = given.split(refs)
    source = given.transposed(b)
    if source is not None and not given.stored(a):
        inputs = (a, *[ref for ref in inputs if ref not in (a, b)])
        return Form("linear", inputs, (source, *weights), {}, {source.value: 0})
    if given.trained(b) and not given.stored(a) and len(given.shape(b)) == 2:
        matrix, other, axis = b, a, 1
    elif given.trained(a) and not given.stored(b) and len(given.shape(a)) == 2:
        matrix, other, axis = a, b, 0
        if len(given.shape(b)) > 2:
            return Form(kind, inputs, weights, operands(given, refs, None))
    else:
        return Form(kind, inputs, weights, operands(given, refs, None))
    inputs = (other, *[ref for ref in inputs if ref != other])
    weights = (matrix, *[ref for ref in weights if ref != matrix])
    return Form("linear", inputs, weights, {}, {matrix.value: axis})


def bilinear(kind: Kind, given: Operands) -> Form:
    """A product of two inputs and a weight of three dimensions."""
    weight = given["weight"]
    inputs, weights = given.split((given["input1"], given["input2"], weight, given["bias"]))
    return Form(kind, inputs, weights, {}, main_weights(given, {weight: 0}))


def einsum(kind: Kind, given: Operands) -> Form:
    """A product written as an equation."""
    equation, *parts = given.call.args
    found = list(references(parts))
    inputs, weights = given.split(found)
    if not isinstance(equation, str):
        return Form(kind, inputs, weights)
    return Form(kind, inputs, weights, operands(given, found, equation.replace(" ", "")))


def chain(kind: Kind, given: Operands) -> Form:
    """A product of several matrices, in order."""
    refs = list(given.call.reads)
    inputs, weights = given.split(refs)
    return Form(kind, inputs, weights, operands(given, refs, None))


def attention(kind: Kind, given: Operands) -> Form:
    """`scaled_dot_product_attention`, and the kernels that it chooses from."""
    mask = given["attn_mask"] if given["attn_mask"] is not None else given["attn_bias"]
    refs = (given["query"], given["key"], given["value"], mask)
    inputs, weights = given.split(refs)
    attrs = {"causal": bool(given["is_causal"]), **operands(given, list(references(refs)), None)}
    return Form(kind, inputs, weights, attrs)


def native_multi_head(kind: Kind, given: Operands) -> Form:
    """The fast path of `MultiheadAttention`: projections and attention in one operator."""
    main = {given["qkv_weight"]: 0, given["proj_weight"]: 0}
    inputs, _ = given.split((given["query"], given["key"], given["value"], given["mask"]))
    _, weights = given.split(([*main], given["qkv_bias"], given["proj_bias"]))
    attrs = {"causal": False, "heads": given["num_head"], "query_first": False}
    return Form(kind, inputs, weights, attrs, main_weights(given, main))


def multi_head(kind: Kind, given: Operands) -> Form:
    """`multi_head_attention_forward`: in projection, attention, out projection."""
    projections = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
    used = projections[1:] if given["use_separate_proj_weight"] else projections[:1]
    main = {given[name]: 0 for name in (*used, "out_proj_weight")}
    refs = (given["query"], given["key"], given["value"], given["attn_mask"])
    inputs, stored = given.split(refs)
    others = ("in_proj_bias", "out_proj_bias", "bias_k", "bias_v")
    _, weights = given.split(([*main], [given[name] for name in others]))
    attrs = {
        **operands(given, list(references(refs)), None),
        "causal": bool(given["is_causal"]),
        "heads": given["num_heads"],
        "query_first": True,
    }
    return Form(kind, inputs, (*weights, *stored), attrs, main_weights(given, main))


def recurrent(kind: Kind, given: Operands) -> Form:
    """A recurrent layer over all its steps.

    Packed sequences are one row per element of their data, whatever the lengths.
    """
    call = given.call
    mode = call.target.rsplit(".", 1)[-1].split("_")[0]
    inputs, weights = given.split(call.reads)
    packed = isinstance(call.args[3], list | tuple)
    at = 5 if packed else 4
    shape, directions = given.shape(call.args[0]), 2 if call.args[at + 3] else 1
    if packed:
        steps, batch = shape[0], 1
    else:
        steps, batch = (shape[1], shape[0]) if call.args[8] else (shape[0], shape[1])
    matrices = [ref for ref in references(call.args[at - 2]) if len(given.shape(ref)) == 2]
    gates = {"lstm": 4, "gru": 3}.get(mode, 1)
    hidden, state = given.shape(matrices[0])[0] // gates, given.shape(matrices[1])[1]
    attrs = {
        "mode": mode,
        "steps": steps,
        "batch": batch,
        "hidden": hidden,
        "layers": call.args[at],
        "directions": directions,
    }
    if state != hidden:
        attrs["projection"] = state
    if not all(given.stored(ref) for ref in matrices):
        attrs["bias"] = bool(call.args[at - 1])
    return Form(kind, inputs, weights, attrs, main_weights(given, dict.fromkeys(matrices, 0)))


def cell(kind: Kind, given: Operands) -> Form:
    """One step of a recurrent layer."""
    word = given.call.target.rsplit(".", 1)[-1]
    mode = word.split("_")[0]
    inputs, weights = given.split(given.call.reads)
    shape = given.shape(given["input"])
    matrices = [given["w_ih"], given["w_hh"]]
    attrs = {
        "mode": mode,
        "steps": 1,
        "batch": shape[0] if len(shape) == 2 else 1,
        "hidden": given.shape(given["w_hh"])[1],
        "layers": 1,
        "directions": 1,
    }
    if not all(given.stored(ref) for ref in matrices):
        attrs["bias"] = given["b_ih"] is not None
    return Form(kind, inputs, weights, attrs, main_weights(given, dict.fromkeys(matrices, 0)))


def embedding(kind: Kind, given: Operands) -> Form:
    """Rows of a table; `embedding` and `embedding_bag`."""
    inputs, weights = given.split((given["input"], given["offsets"], given["weight"]))
    return Form(kind, inputs, weights, {}, main_weights(given, {given["weight"]: 0}))


def norm(kind: Kind, given: Operands) -> Form:
    """A normalization with statistics computed here, over the last axes or groups."""
    inputs, _ = given.split((given["input"],))
    stored = [given["weight"], given["bias"], given["running_mean"], given["running_var"]]
    computed, weights = given.split(stored)
    return Form(kind, inputs + computed, weights, {"statistics": True})


def batch_norm(kind: Kind, given: Operands) -> Form:
    """Batch and instance normalization: statistics stored, or computed in training."""
    form = norm(kind, given)
    flag = given["training"] if given["training"] is not None else given["use_input_stats"]
    instance = given.call.target.endswith("instance_norm") and flag is None
    return Form(kind, form.inputs, form.weights, {"statistics": bool(flag) or instance})


def pool(kind: Kind, given: Operands) -> Form:
    """A pool with a kernel; an adaptive one has the kernel that its sizes imply."""
    inputs, weights = given.split((given["input"],))
    word = given.call.target.rsplit(".", 1)[-1]
    dims = next((int(c) for c in word.replace("_with_indices", "") if c in "123"), 2)
    if "adaptive" in word or "fractional" in word:
        shape, result = given.shape(given["input"])[-dims:], given.result()[-dims:]
        kernel = tuple(ceil(a / b) if b else 1 for a, b in zip(shape, result, strict=True))
    else:
        kernel = _tuple(given.get("kernel_size", 1), dims)
    mode = "max" if "max" in word else "lp" if "lp" in word else "avg"
    return Form(kind, inputs, weights, {"kernel": kernel, "mode": mode})


def _tuple(value: Any, dims: int) -> tuple[int, ...]:
    if isinstance(value, list | tuple):
        items = tuple(int(item) for item in value)
        return items if len(items) == dims else items * dims
    return (int(value),) * dims
