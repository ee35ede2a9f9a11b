"""Multiply-adds of linear layers and matrix products."""

from __future__ import annotations

from math import isqrt, prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.einsum import count_equation
from talaria_widget.work.shapes import is_complex, output_size, shape, size, tensor

# These add a first operand to the product of the other two.
_ADDING = frozenset({"addmm", "baddbmm", "addmv"})
# (a + b i)(c + d i): four real multiply-adds.
_PER_COMPLEX = 4


def count_linear(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = outputs x contracted length; the rest is one add per output and bias.

    `attrs["contraction"]` overrides the length where the weight is packed (4-bit blocks). A
    complex multiply-add is four real ones.
    """
    return in_reals(graph, op, *_linear(graph, op))


def _linear(graph: Graph, op: Op) -> tuple[int, int]:
    outputs = output_size(graph, op)
    biases = _biases(graph, op)
    if op.word == "bilinear":
        # y_o = sum_i x1_i (sum_j W_oij x2_j): I x J for the inner sums, I for the outer one.
        _, first, second = shape(graph, op.weights[0])
        return outputs * (first * second + first), outputs * biases
    length = op.attrs.get("contraction") or _contraction(graph, op.weights[0])
    return outputs * length, outputs * biases


def _biases(graph: Graph, op: Op) -> int:
    """How many biases are added, stored or computed.

    Buffers among the weights are scales and zero points of what is stored as integers; where
    no input is left, the last parameter is one. `attrs["biases"]` says it where scales that
    are computed could be taken for one.
    """
    if "biases" in op.attrs:
        return int(op.attrs["biases"])
    stored = [name for name in op.weights[1:] if tensor(graph, name).role != "buffer"]
    if not op.inputs and op.weights and tensor(graph, op.weights[-1]).role != "buffer":
        stored = stored[:-1]
    channels = shape(graph, op.outputs[0])[-1:]
    return len(stored) + sum(shape(graph, name) == channels for name in op.inputs[1:])


def _contraction(graph: Graph, name: str) -> int:
    """The contracted axis: of the last two, the one that is not the output's."""
    known = shape(graph, name)
    if len(known) == 1:
        return known[0]
    channel = tensor(graph, name).channel_axis or 0
    return known[-1] if channel % len(known) == len(known) - 2 else known[-2]


def count_matmul(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = outputs x contracted length, or what the einsum's equation says.

    A complex multiply-add is four real ones.
    """
    return in_reals(graph, op, *_matmul(graph, op))


def count_grouped(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs of a mixture of experts' product: each row with the matrix of its own expert.

    The kernel computes the rows that were routed, so only the active experts count:
    (rows, K) x (experts, K, N) is rows x K x N. Where the offsets cut the contracted axis
    (both operands have two axes) each group contracts its share: M x K x N in all.
    """
    a, b = (shape(graph, name) for name in op.inputs[:2])
    if len(a) == len(b) == 2:
        return a[0] * a[1] * b[1], 0
    return output_size(graph, op) * a[-1], 0


def in_reals(graph: Graph, op: Op, macs: int, rest: int) -> tuple[int, int]:
    """Multiply-adds and additions of real numbers, where the op's may be of complex ones."""
    if is_complex(graph, op.outputs):
        return macs * _PER_COMPLEX, rest * 2
    return macs, rest


def _matmul(graph: Graph, op: Op) -> tuple[int, int]:
    operands: tuple[str, ...] = op.attrs.get("operands") or (*op.inputs, *op.weights)
    outputs = output_size(graph, op)
    equation = op.attrs.get("equation")
    if equation is not None:
        return count_equation(equation, [shape(graph, name) for name in operands], outputs)
    if op.word == "tensordot":
        # (I, K) . (K, J): the three sizes multiply to (I x J x K) squared.
        return isqrt(size(graph, operands[0]) * size(graph, operands[1]) * outputs), 0
    if op.word == "addbmm":
        return outputs * prod(shape(graph, operands[1])[::2]), outputs
    if op.word in _ADDING:
        return outputs * shape(graph, operands[1])[-1], outputs
    biases = op.attrs.get("biases", max(0, len(operands) - 2))
    if op.attrs.get("transpose_a"):
        return outputs * shape(graph, operands[0])[-2], outputs * biases
    return outputs * shape(graph, operands[0])[-1], outputs * biases
