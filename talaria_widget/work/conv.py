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
    kernel, biased = _kernel(graph, op)
    outputs = output_size(graph, op)
    return in_reals(graph, op, outputs * prod(kernel[1:]), outputs * biased)


def count_conv_transpose(graph: Graph, op: Op) -> tuple[int, int]:
    """MACs = inputs x (C_out / groups) x kernel positions; a bias adds one FLOP per output.

    Each input element is spread over the kernel; the weight is (C_in, C_out / groups, *kernel).
    """
    kernel, biased = _kernel(graph, op)
    image = op.inputs[0] if op.inputs else op.weights[-1]
    macs = size(graph, image) * prod(kernel[1:])
    return in_reals(graph, op, macs, output_size(graph, op) * biased)


def _kernel(graph: Graph, op: Op) -> tuple[tuple[int, ...], bool]:
    """The kernel's shape and whether there is a bias; either may be computed and so an input.

    A fixed kernel is a buffer (a blur), and so are the scales and zero points of what is stored
    as integers, which have one axis and are no bias.
    """
    names = (*op.weights, *op.inputs[1:])
    kernel = next((known for known in (shape(graph, n) for n in names) if len(known) > 1), None)
    if kernel is None:
        raise LookupError(f"{op.name} has no kernel")
    if "biases" in op.attrs:
        return kernel, bool(op.attrs["biases"])
    held = (tensor(graph, name) for name in names)
    return kernel, any(len(t.shape or ()) == 1 for t in held if t.role != "buffer")
