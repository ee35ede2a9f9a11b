"""Patterns over layer names: what a rule matches, and the fewest patterns for given names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial

_SIGNS = frozenset("*?[:")
Matcher = Callable[[str, str, tuple[str, ...]], bool]
_COMPONENT = re.compile(r"(?:(?<=[./])|^)\[([0-9,\- ]+)\](?=[./#]|$)")


def compile_pattern(pattern: str) -> Matcher:
    """A predicate over (op name, kind, class names of the enclosing modules).

    A name; a glob (`*` crosses dots, `?` is one character, a whole component `[1-5]` or
    `[0,2,4-6]` is a range of numbers); `"re:..."`; `"type:conv"`; `"class:Bottleneck"`.

    Raises:
        ValueError: a regular expression that does not compile, or an empty range.
    """
    if not _SIGNS.intersection(pattern):
        return partial(_is_name, pattern)
    if pattern.startswith("type:"):
        kind = pattern.removeprefix("type:")
        return lambda _name, op_kind, _classes: op_kind == kind
    if pattern.startswith("class:"):
        wanted = pattern.removeprefix("class:")
        return lambda _name, _kind, classes: wanted in classes
    if pattern.startswith("re:"):
        try:
            regex = re.compile(pattern.removeprefix("re:"))
        except re.error as error:
            raise ValueError(f"rule {pattern!r} is no regular expression: {error}.") from error
    else:
        regex = re.compile(_glob_to_regex(pattern), re.DOTALL)
    return lambda name, _kind, _classes: regex.fullmatch(name) is not None


def _is_name(wanted: str, name: str, _kind: str, _classes: tuple[str, ...]) -> bool:
    base, _, number = name.rpartition("#")
    return name == wanted or (base == wanted and number.isdigit())


def _glob_to_regex(pattern: str) -> str:
    """`#n` of a repeated name may follow: a rule for a base name hits all its repeats."""
    out: list[str] = []
    at = 0
    for found in _COMPONENT.finditer(pattern):
        out += [_glob_text(pattern[at : found.start()]), _range_regex(found.group(1), pattern)]
        at = found.end()
    out.append(_glob_text(pattern[at:]))
    return "".join(out) + r"(?:#\d+)?"


def _glob_text(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def _range_regex(text: str, pattern: str) -> str:
    numbers: set[int] = set()
    for part in text.replace(" ", "").split(","):
        low, _, high = part.partition("-")
        if not low.isdigit() or (high and not high.isdigit()):
            raise ValueError(f"rule {pattern!r}: [{text}] is no range of numbers.")
        span = range(int(low), int(high or low) + 1)
        if not span or len(span) > 100_000:
            raise ValueError(f"rule {pattern!r}: [{text}] is an empty or endless range.")
        numbers.update(span)
    return "(?:" + "|".join(map(str, sorted(numbers))) + ")"


# ---------------------------------------------------------------- names folded into patterns

_SPLIT = re.compile(r"([./])")
_Part = str | frozenset[int]


def fold_names(names: Iterable[str]) -> list[str]:
    """The fewest patterns of ranges that match exactly these names, in order of appearance.

    Example:
        >>> fold_names(["a.0.x", "a.1.x", "a.3.x", "b"])
        ['a.[0-1,3].x', 'b']
    """
    folded = [
        (name,) if _SIGNS.intersection(name) else tuple(map(_part, _SPLIT.split(name)))
        for name in dict.fromkeys(names)
    ]
    longest = max(map(len, folded), default=0)
    for place in range(longest):
        folded = _merge(folded, place)
    return ["".join(map(_part_text, parts)) for parts in folded]


def _part(text: str) -> _Part:
    return frozenset({int(text)}) if text.isdecimal() and str(int(text)) == text else text


def _merge(folded: Sequence[tuple[_Part, ...]], place: int) -> list[tuple[_Part, ...]]:
    """Join those that differ in one number alone."""
    found: dict[tuple[object, ...], frozenset[int] | None] = {}
    for parts in folded:
        part = parts[place] if place < len(parts) else None
        if isinstance(part, frozenset):
            key = (*parts[:place], None, *parts[place + 1 :])
            found[key] = (found.get(key) or frozenset()) | part
        else:
            found[parts] = None
    return [
        tuple(numbers if part is None else part for part in key)  # type: ignore[misc]
        if numbers is not None
        else key
        for key, numbers in found.items()
    ]


def _part_text(part: _Part) -> str:
    if isinstance(part, str):
        return part
    if len(part) == 1:
        return str(next(iter(part)))
    spans: list[list[int]] = []
    for number in sorted(part):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return "[" + ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans) + "]"
