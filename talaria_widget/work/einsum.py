"""Multiply-adds of an einsum, from its equation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

Indices = dict[str, int]


def count_equation(
    equation: str, shapes: Sequence[tuple[int, ...]], outputs: int
) -> tuple[int, int]:
    """MACs and the rest of an einsum of these operands, contracted pairwise from left to right.

    A step that sums over an index costs the product of all its index sizes in MACs; a step
    that sums over none, or over sizes of 1, is a plain product (one FLOP per element). Left to
    right is the order that `torch.einsum` and ONNX Runtime take unless told otherwise. An index
    that one operand alone has, and the result has not, is summed before the product, as both
    do. One operand alone is a sum: one add per element that disappears; of an index that it has
    twice only the diagonal is read.

    Raises:
        LookupError: The equation does not fit the operands.

    Example:
        >>> count_equation("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)], 30)
        (120, 0)
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise LookupError(f"{equation!r} has not {len(shapes)} operands")
    operands = [_sizes(term, known) for term, known in zip(terms, shapes, strict=True)]
    wanted = set(right.replace("...", "")) if arrow else _implied(left)
    if len(operands) == 1:
        return 0, max(0, prod(operands[0].values()) - outputs)
    macs = rest = 0
    held = operands[0]
    for position, operand in enumerate(operands[1:], start=2):
        later = wanted.union(*operands[position:])
        for one, other in ((held, operand), (operand, held)):
            rest += _sum_alone(one, later.union(other))
        joined = _join(held, operand)
        held = {index: n for index, n in joined.items() if index in later or index.isdigit()}
        if any(size > 1 and index not in held for index, size in joined.items()):
            macs += prod(joined.values())
        else:
            rest += prod(joined.values())
    return macs, rest


def _sizes(term: str, known: tuple[int, ...]) -> Indices:
    """The size of each index; the axes of an ellipsis are numbered from the right."""
    before, dots, after = term.partition("...")
    hidden = len(known) - len(before) - len(after)
    if hidden < 0 or (hidden and not dots):
        raise LookupError(f"{term!r} does not fit {len(known)} axes")
    names = [*before, *(str(i) for i in reversed(range(hidden))), *after]
    return dict(zip(names, known, strict=True))


def _sum_alone(operand: Indices, kept: set[str]) -> int:
    """Take out of an operand the indices that nothing else has; the adds that this costs."""
    before = prod(operand.values())
    for index in [index for index in operand if index not in kept and not index.isdigit()]:
        del operand[index]
    return before - prod(operand.values())


def _join(a: Indices, b: Indices) -> Indices:
    """All indices of two operands; an axis of size 1 is broadcast."""
    return {index: max(a.get(index, 1), b.get(index, 1)) for index in {**a, **b}}


def _implied(left: str) -> set[str]:
    """Without an arrow the output has every index that occurs once."""
    letters = left.replace("...", "").replace(",", "")
    return {letter for letter in letters if letters.count(letter) == 1}
