"""What clicks ask: the commands of the page, each carried out or refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from talaria_widget.choice import matched
from talaria_widget.messages import rows_of
from talaria_widget.patterns import fold_names
from talaria_widget.pipeline import Compiled
from talaria_widget.recipe import Recipe, Rule
from talaria_widget.report.details import details
from talaria_widget.widget.rule_edits import EDITS, matches, option_at
from talaria_widget.wire import DetailsAnswer, HitsAnswer, Nudge

if TYPE_CHECKING:
    from talaria_widget.widget.talaria import Talaria


def at_any_time(comm: Any) -> None:
    """Let the page's messages be handled while a cell runs, where the kernel can do so.

    ipykernel 7.4 hands them to the thread that last sent one, the cell's own as a rule, and not
    to the one that the page asks for. This is private to it; other kernels look at no such name.
    """
    if comm is not None:
        comm._reply_subshell_for = None


def _mark_rows(widget: Talaria, content: Mapping[str, Any]) -> None:
    compiled = widget._compiled
    names = _layers(compiled, content["rows"])
    if not names:
        raise ValueError("none of these rows has weights; options belong to weights.")
    patterns = ["*"] if len(names) == len(compiled.names.owners) else fold_names(names)
    option = option_at(compiled, content["option"])
    widget.mark(patterns[0] if len(patterns) == 1 else patterns, option)


def _edit_rule(widget: Talaria, content: Mapping[str, Any]) -> None:
    if content["recipe"] != widget._revisions["recipe"]:
        raise ValueError("the recipe changed meanwhile; look again and repeat the edit.")
    edit = EDITS.get(content["action"])
    if edit is None:
        raise ValueError(f"there is no edit {content['action']!r} of a rule.")
    recipe = widget._history.now
    rules = edit(widget._compiled, recipe.rules, content)
    widget._turn(widget._history.do(recipe.replace(rules)))


def _count_hits(widget: Talaria, content: Mapping[str, Any]) -> HitsAnswer:
    """What a rule would hit, while it is typed."""
    compiled, rows, error = widget._compiled, [], ""
    try:
        rule = Rule(matches(content), None)
        rows = rows_of(compiled.program, matched(compiled.names, rule))
    except (ValueError, TypeError) as refused:
        error = str(refused)
    return {
        "kind": "hits",
        "sequence": content["sequence"],
        "program": widget._revisions["program"],
        "rows": rows,
        "error": error,
    }


def _tell_details(widget: Talaria, content: Mapping[str, Any]) -> DetailsAnswer:
    """All that is known of a row; it travels when it is asked for, and is saved nowhere."""
    program, prices = widget._compiled.program, widget._compiled.prices
    found = details(program, prices, content["row"], widget._behind.timed(program.device))
    revision = widget._revisions["program"]
    return {**found, "sequence": content["sequence"], "program": revision}


def _reset(widget: Talaria, _content: Mapping[str, Any]) -> None:
    widget._turn(widget._history.do(Recipe()))


def _layers(compiled: Compiled, rows: Sequence[str]) -> list[str]:
    """The names of the ops with weights in these rows."""
    owners, wanted = set(compiled.names.owners.values()), set(rows)
    return [
        name
        for task in compiled.program.tasks
        if task.name in wanted
        for name in task.ops
        if name in owners
    ]


COMMANDS: Mapping[str, Callable[[Talaria, Mapping[str, Any]], None]] = {
    "mark": _mark_rows,
    "rule": _edit_rule,
    "undo": lambda widget, _content: widget.undo(),
    "redo": lambda widget, _content: widget.redo(),
    "reset": _reset,
    "measure": lambda widget, _content: widget.measure(),
    "stop": lambda widget, _content: widget.stop(),
}

QUESTIONS: Mapping[str, Callable[[Talaria, Mapping[str, Any]], HitsAnswer | DetailsAnswer]] = {
    "hits": _count_hits,
    "details": _tell_details,
}
"""What the page may ask beside: answered by a message of its own, and nothing changes."""

NUDGE: Nudge = {"kind": "nudge"}
"""Keeps the connection from holding an answer back; heard and let be."""
