"""How the page changes the list of rules: one small function for each edit, or a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from talaria_widget.choice import matched
from talaria_widget.pipeline import Compiled
from talaria_widget.recipe import Option, Rule

Rules = tuple[Rule, ...]


def _move(_compiled: Compiled, rules: Rules, content: Mapping[str, Any]) -> Rules:
    at, to = _place(rules, content["index"]), _place(rules, content["to"])
    others = (*rules[:at], *rules[at + 1 :])
    return (*others[:to], rules[at], *others[to:])


def _delete(_compiled: Compiled, rules: Rules, content: Mapping[str, Any]) -> Rules:
    at = _place(rules, content["index"])
    return (*rules[:at], *rules[at + 1 :])


def _switch(_compiled: Compiled, rules: Rules, content: Mapping[str, Any]) -> Rules:
    return _put(rules, content, enabled=content["action"] == "enable")


def _match(compiled: Compiled, rules: Rules, content: Mapping[str, Any]) -> Rules:
    changed = _put(rules, content, match=matches(content))
    matched(compiled.names, changed[int(content["index"])])
    return changed


def _give(compiled: Compiled, rules: Rules, content: Mapping[str, Any]) -> Rules:
    return _put(rules, content, option=option_at(compiled, content["option"]))


def _add(compiled: Compiled, rules: Rules, content: Mapping[str, Any]) -> Rules:
    rule = Rule(matches(content), option_at(compiled, content["option"]))
    matched(compiled.names, rule)
    return (*rules, rule)


EDITS: Mapping[str, Callable[[Compiled, Rules, Mapping[str, Any]], Rules]] = {
    "enable": _switch,
    "disable": _switch,
    "delete": _delete,
    "move": _move,
    "match": _match,
    "option": _give,
    "add": _add,
}


def _put(rules: Rules, content: Mapping[str, Any], **changes: Any) -> Rules:
    """The rules with one of them changed."""
    at = _place(rules, content["index"])
    return (*rules[:at], replace(rules[at], **changes), *rules[at + 1 :])


def _place(rules: Rules, index: object) -> int:
    if isinstance(index, int) and 0 <= index < len(rules):
        return index
    raise ValueError(f"there is no rule at place {index!r}; the recipe has {len(rules)}.")


def matches(content: Mapping[str, Any]) -> str | tuple[str, ...]:
    """What the page typed: one name or pattern, or several."""
    given = content["match"]
    return given[0] if len(given) == 1 else tuple(given)


def option_at(compiled: Compiled, column: object) -> Option:
    """The option of a column of the prices.

    Raises:
        ValueError: there is no such column.
    """
    options = compiled.prices.options
    if isinstance(column, int) and 0 <= column < len(options):
        return options[column]
    raise ValueError(f"there is no option at place {column!r}; the menu has {len(options)}.")
