"""A call as the graph's contract wants it: kind, operands in order, attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from talaria_widget.frontends.torch.recording import Call, Ref, Value, references
from talaria_widget.graph import Kind


@dataclass(frozen=True, slots=True)
class Form:
    """What an op will be. `main` are the weights an option may compress, with output axes."""

    kind: Kind
    inputs: tuple[Ref, ...]
    weights: tuple[Ref, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    main: Mapping[int, int] = field(default_factory=dict)


class Operands:
    """A call's arguments by name."""

    def __init__(
        self,
        call: Call,
        values: Sequence[Value],
        names: str,
        transposed: Mapping[int, Ref] | None = None,
    ) -> None:
        self.call, self._values = call, values
        self._transposed = transposed or {}
        self._bound = {**dict(zip(names.split(), call.args, strict=False)), **call.kwargs}

    def __getitem__(self, name: str) -> Any:
        return self._bound.get(name)

    def get(self, name: str, default: Any) -> Any:
        """An argument, or a default where it is absent."""
        value = self._bound.get(name)
        return default if value is None else value

    def shape(self, item: Any) -> tuple[int, ...]:
        """The shape of a referred tensor; empty where the argument is none."""
        return self._values[item.value].shape if isinstance(item, Ref) else ()

    def stored(self, item: Any) -> bool:
        """Whether an argument is a parameter or a buffer of the model."""
        return isinstance(item, Ref) and self._values[item.value].role in ("parameter", "buffer")

    def trained(self, item: Any) -> bool:
        """Whether an argument is a parameter of the model."""
        return isinstance(item, Ref) and self._values[item.value].role == "parameter"

    def transposed(self, item: Any) -> Ref | None:
        """The parameter of two dimensions that an argument is the transpose of."""
        return self._transposed.get(item.value) if isinstance(item, Ref) else None

    def split(self, refs: Any) -> tuple[tuple[Ref, ...], tuple[Ref, ...]]:
        """References as inputs and weights, each in order."""
        found = list(references(refs))
        return (
            tuple(ref for ref in found if not self.stored(ref)),
            tuple(ref for ref in found if self.stored(ref)),
        )

    def layer(self, x: Any, *held: Any) -> tuple[tuple[Ref, ...], tuple[Ref, ...]]:
        """Inputs and weights of a layer: its own weights come first, even if `x` is stored too."""
        inputs, _ = self.split((x, *held))
        _, weights = self.split((*held, x))
        return inputs, weights

    def result(self, at: int = 0) -> tuple[int, ...]:
        """The shape of a result."""
        return self.shape(self.call.writes[at]) if len(self.call.writes) > at else ()


Builder = Callable[[Kind, Operands], Form]


def plain(kind: Kind, given: Operands) -> Form:
    """All tensors in order, no attributes."""
    inputs, weights = given.split(given.call.reads)
    return Form(kind, inputs, weights)


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


def movement(kind: Kind, given: Operands) -> Form:
    """Data that moves, or does not: free where the result is a view of the first tensor."""
    call = given.call
    inputs, weights = given.split(call.reads)
    values = given._values
    storages = {values[ref.value].storage for ref in call.reads[:1]}
    written = {ref.value for ref in call.mutated}
    free = not written and all(values[ref.value].storage in storages for ref in call.writes)
    return Form(kind, inputs, weights, {"free": free and bool(call.writes)})


def pad(kind: Kind, given: Operands) -> Form:
    """A border around a tensor: free where it is nothing wide."""
    form = movement(kind, given)
    if all(width == 0 for width in given.get("pad", (1,))):
        return replace(form, attrs={"free": True})
    zeros = given.get("mode", "constant") == "constant" and not given.get("value", 0)
    return replace(form, attrs={**form.attrs, "zeros": zeros})


def cast(kind: Kind, given: Operands) -> Form:
    """A change of dtype; a copy where only the memory format changes."""
    call = given.call
    values = given._values
    if call.reads and call.writes:
        before, after = values[call.reads[0].value].dtype, values[call.writes[0].value].dtype
        if before == after:
            return movement("movement", given)
    return plain(kind, given)


def extreme(kind: Kind, given: Operands) -> Form:
    """`max` and `min`: of two tensors elementwise, else a reduction."""
    return plain("elementwise" if isinstance(given["other"], Ref) else kind, given)


def main_weights(given: Operands, axes: Mapping[Any, int]) -> dict[int, int]:
    """Of these arguments the parameters, each with its output axis."""
    return {ref.value: axis for ref, axis in axes.items() if given.trained(ref)}


def operands(given: Operands, refs: Sequence[Ref], equation: str | None) -> dict[str, Any]:
    """The attributes of a product: its equation, and its operands' order where one is stored."""
    attrs: dict[str, Any] = {} if equation is None else {"equation": equation}
    if any(given.stored(ref) for ref in refs):
        attrs["operands"] = tuple(refs)
    return attrs


def _tuple(value: Any, dims: int) -> tuple[int, ...]:
    if isinstance(value, list | tuple):
        items = tuple(int(item) for item in value)
        return items if len(items) == dims else items * dims
    return (int(value),) * dims
