"""Multiply-adds of convolutions.

Positions in the padding are counted like any other, as every published figure does
(ResNet-50: 4,089,184,256). Dilation changes which inputs are read, not how many. A complex
multiply-add is four real ones (torch saves one of them by Gauss's trick, and adds instead).
"""

from __future__ import annotations

from math import prod

from talaria_widget.graph import Graph, Op
from talaria_widget.work.matmul import in_reals
from talaria_widget.work.shapes import output_size, shape, size, tensor


def count_conv(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = outputs x (C_in / groups) x kernel positions; a bias adds one FLOP per output.

    The weight is (C_out, C_in / groups, *kernel), so its shape without the first axis is the
    cost of one output, whatever the groups.
    """
    kernel, biased = kernel_of(graph, op), _biased(graph, op)
    outputs = output_size(graph, op)
    return in_reals(graph, op, outputs * prod(kernel[1:]), outputs * biased)


def count_conv_transpose(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = inputs x (C_out / groups) x kernel positions; a bias adds one FLOP per output.

    Each input element is spread over the kernel; the weight is (C_in, C_out / groups, *kernel).
    """
    kernel, biased = kernel_of(graph, op), _biased(graph, op)
    image = op.inputs[0] if op.inputs else op.weights[-1]
    macs = size(graph, image) * prod(kernel[1:])
    return in_reals(graph, op, macs, output_size(graph, op) * biased)


def kernel_of(graph: Graph, op: Op) -> tuple[int, ...]:
    """The kernel's shape; it may be computed and so an input.

    Raises:
        LookupError: there is none.
    """
    known = (shape(graph, name) for name in _operands(op))
    kernel = next((each for each in known if len(each) > 1), None)
    if kernel is None:
        raise LookupError(f"{op.name} has no kernel")
    return kernel


def _biased(graph: Graph, op: Op) -> bool:
    """Whether there is a bias, stored or computed.

    A fixed kernel is a buffer (a blur), and so are the scales and zero points of what is stored
    as integers, which have one axis and are no bias.
    """
    if "biases" in op.attrs:
        return bool(op.attrs["biases"])
    held = (tensor(graph, name) for name in _operands(op))
    return any(len(t.shape or ()) == 1 for t in held if t.role != "buffer")


def _operands(op: Op) -> tuple[str, ...]:
    return (*op.weights, *op.inputs[1:])
