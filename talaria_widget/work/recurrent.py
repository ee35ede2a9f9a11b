"""Multiply-adds of recurrent layers, over all steps, layers and directions."""

from __future__ import annotations

from talaria_widget.graph import Graph, Op
from talaria_widget.work.pointwise import ACTIVATION
from talaria_widget.work.shapes import shape, size, tensor

GATES = {"lstm": 4, "gru": 3, "rnn": 1}

_SIGMOID, _TANH = ACTIVATION["sigmoid"], ACTIVATION["tanh"]

# FLOPs per hidden unit and step beside the products and biases: each gate adds the product
# with the input to the product with the state, then
_REST = {
    # i, f, o sigmoid, g tanh; c = f c + i g; h = o tanh(c)
    "lstm": 4 + 3 * _SIGMOID + _TANH + 3 + _TANH + 1,
    # r, z sigmoid; n = tanh(. + r .); h = (1 - z) n + z h
    "gru": 3 + 2 * _SIGMOID + 1 + _TANH + 4,
    # h = tanh(.) or relu(.)
    "rnn": 1 + _TANH,
}


def count_recurrent(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = steps x batch x directions x gates x hidden x (input + state), summed over layers.

    Layers after the first read the state of every direction. `attrs["projection"]` is the
    width of a projected state (LSTM with `proj_size`), hidden where absent. What the weights
    hold beyond these matrices are biases: one add per element, step and row of the batch.
    `attrs["bias"]` says it where the weights are computed and so are no weights of the op.
    """
    attrs = op.attrs
    hidden, layers, directions = attrs["hidden"], attrs["layers"], attrs["directions"]
    projection = attrs.get("projection") or 0
    state = projection or hidden
    widths = layer_widths(graph, op)
    gates = GATES[attrs["mode"]]
    matrices = directions * sum(
        gates * hidden * (width + state) + hidden * projection for width in widths
    )
    # Buffers are scales and zero points of what is stored as integers.
    stored = [name for name in op.weights if tensor(graph, name).role != "buffer"]
    biases = max(0, sum(size(graph, name) for name in stored) - matrices)
    if "bias" in attrs:
        biases = layers * directions * 2 * gates * hidden * bool(attrs["bias"])
    rows = attrs["steps"] * attrs["batch"]
    units = layers * directions * hidden
    return rows * matrices, rows * (units * _REST[attrs["mode"]] + biases)


def layer_widths(graph: Graph, op: Op) -> list[int]:
    """What each layer reads: the first its input, the others the state of every direction."""
    attrs = op.attrs
    state = attrs.get("projection") or attrs["hidden"]
    others = attrs["layers"] - 1
    return [shape(graph, op.inputs[0])[-1], *[state * attrs["directions"]] * others]
