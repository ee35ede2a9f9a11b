"""The forms of calls on packed weights: layers as they are, with what their objects hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from talaria_widget.frontends.torch.table.forms import Form, Operands, plain
from talaria_widget.frontends.torch.table.kinds import Entry
from talaria_widget.frontends.torch.trace.recording import Ref
from talaria_widget.graph import Kind


def _linear(kind: Kind, given: Operands) -> Form:
    """A linear layer; a dynamic one quantizes its input as it runs."""
    form = plain(kind, given)
    half = given.call.target.endswith("fp16")
    return _form(form, {} if half else {"precision": "int8"}, _matrices(given, form), given)


def _conv(kind: Kind, given: Operands) -> Form:
    """A convolution, transposed or not, as its packed object says."""
    form, packed = plain(kind, given), given.call.args[1]
    matrices = _matrices(given, form)
    kernel = given.shape(matrices[0])[2:]
    dims = len(kernel)
    attrs = {
        "kernel": kernel,
        "stride": tuple(packed.stride())[-dims:],
        "padding": tuple(packed.padding())[-dims:],
        "dilation": tuple(packed.dilation())[-dims:],
        "groups": packed.groups(),
        "precision": "int8",
    }
    return _form(form, attrs, matrices, given, axis=1 if packed.transpose() else 0)


def _recurrent(kind: Kind, given: Operands) -> Form:
    """A recurrent layer: as torch's own, its parameters packed by layer and direction."""
    form, args = plain(kind, given), given.call.args
    mode = given.call.target.rpartition("_")[2]
    packed_sequence = isinstance(args[3], list | tuple)
    at = 5 if packed_sequence else 4
    shape = given.shape(args[0])
    if packed_sequence:
        steps, batch = shape[0], 1
    else:
        steps, batch = (shape[1], shape[0]) if args[8] else (shape[0], shape[1])
    matrices = _matrices(given, form)
    integers = "int8" in str(given._values[matrices[0].value].dtype)
    attrs = {
        "mode": mode,
        "steps": steps,
        "batch": batch,
        "hidden": given.shape(matrices[0])[0] // {"lstm": 4, "gru": 3}[mode],
        "layers": args[at],
        "directions": 2 if args[at + 3] else 1,
        **({"precision": "int8"} if integers else {}),
    }
    return _form(form, attrs, matrices, given)


def _cell(kind: Kind, given: Operands) -> Form:
    """One step of a recurrent layer."""
    form = plain(kind, given)
    word = given.call.target.rpartition(".")[2].removeprefix("quantized_")
    matrices = _matrices(given, form)
    mode = word.split("_")[0]
    shape = given.shape(given.call.args[0])
    attrs = {
        "mode": mode,
        "steps": 1,
        "batch": shape[0] if len(shape) == 2 else 1,
        "hidden": given.shape(matrices[0])[0] // {"lstm": 4, "gru": 3}.get(mode, 1),
        "layers": 1,
        "directions": 1,
        "precision": "int8",
    }
    return _form(form, attrs, matrices, given)


def _embedding(kind: Kind, given: Operands) -> Form:
    """Rows of a table of integers."""
    form = plain(kind, given)
    return _form(form, {}, _matrices(given, form), given)


def _matrices(given: Operands, form: Form) -> list[Ref]:
    return [ref for ref in form.weights if given.trained(ref) and len(given.shape(ref)) > 1]


def _form(
    form: Form, attrs: Mapping[str, Any], matrices: list[Ref], given: Operands, axis: int = 0
) -> Form:
    """The form with its matrices as the main weights, and the activation it is fused with."""
    word = given.call.target.rpartition(".")[2]
    fused = {"activation": "relu"} if "_relu" in word else {}
    others = [ref for ref in form.weights if ref not in matrices]
    main = {ref.value: axis for ref in matrices}
    return Form(form.kind, form.inputs, (*matrices, *others), {**attrs, **fused}, main)


_LINEAR = (
    "linear linear_relu linear_dynamic linear_relu_dynamic linear_dynamic_fp16 "
    "linear_relu_dynamic_fp16 linear_leaky_relu linear_tanh"
)
_CONV = "conv1d conv2d conv3d"
_CELLS = "lstm gru rnn_tanh rnn_relu"
FORMS: dict[str, Entry] = {
    **{f"quantized.{word}": Entry("linear", _linear) for word in _LINEAR.split()},
    **{
        f"quantized.{word}{end}": Entry("conv", _conv)
        for word in _CONV.split()
        for end in ("", "_relu", "_dynamic")
    },
    **{
        f"quantized.conv_transpose{dims}d{end}": Entry("conv_transpose", _conv)
        for dims in (1, 2, 3)
        for end in ("", "_dynamic")
    },
    **{
        f"quantized.quantized_{word}_cell_dynamic": Entry("recurrent", _cell)
        for word in _CELLS.split()
    },
    "torch.quantized_lstm": Entry("recurrent", _recurrent),
    "torch.quantized_gru": Entry("recurrent", _recurrent),
    "quantized.embedding_byte": Entry("embedding", _embedding),
    "quantized.embedding_4bit": Entry("embedding", _embedding),
    "quantized.embedding_bag_byte": Entry("embedding", _embedding),
    "quantized.embedding_bag_4bit": Entry("embedding", _embedding),
}
