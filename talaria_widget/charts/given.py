"""What a chart is asked for, checked."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from talaria_widget.report import Report


def check_report(value: object, function: str) -> Report:
    """The same report, if it is one.

    Raises:
        TypeError: something else.
    """
    if isinstance(value, Report):
        return value
    raise TypeError(
        f"charts.{function}() got a {type(value).__name__}: pass a Report, such as "
        "talaria.analyze(model) returns and a widget has in .report."
    )


def check_word(value: object, known: Iterable[str], argument: str, function: str) -> str:
    """The same word, if it is one of those known.

    Raises:
        TypeError: no text.
        ValueError: another word; names those known.
    """
    words = list(known)
    listed = ", ".join(map(repr, words))
    if not isinstance(value, str):
        raise TypeError(f"charts.{function}({argument}={value!r}): pass one of {listed}.")
    if value not in words:
        close = get_close_matches(value, words, 1)
        hint = f"did you mean {close[0]!r}? Known are" if close else "known are"
        raise ValueError(f"charts.{function}({argument}={value!r}): {hint} {listed}.")
    return value
