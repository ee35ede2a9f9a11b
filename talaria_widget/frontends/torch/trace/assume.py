"""What a model without values is told when it asks for data: a policy, and never in silence."""

from __future__ import annotations

from typing import Any

_TRUE_OF_ALL = frozenset(("all", "is_all_true", "equal", "allclose"))
_WHETHER = frozenset(("bool", "is_nonzero"))
_COMPARED = frozenset(("equal", "allclose"))
_NUMBERS = frozenset(("item", "int", "index", "_local_scalar_dense", "local_scalar_dense"))


def assumed(word: str, made_by: str, *, truth: bool) -> Any:
    """The answer to a question about data that is not there; `None` where there is none to give.

    Whether something holds for all is taken to be so, and whether anything else holds is not:
    checks pass, and rare branches are not taken. A number is 1.

    Args:
        word: what is asked ("bool", "item").
        made_by: the last word of the function that made the tensor.
        truth: whether the tensor holds truth values.
    """
    if word in _COMPARED:
        return True
    if word in _WHETHER or (truth and word in _NUMBERS):
        return made_by in _TRUE_OF_ALL
    if word == "float":
        return 1.0
    return 1 if word in _NUMBERS else None
