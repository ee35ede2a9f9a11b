"""What clicks ask: the commands of the page, each carried out or refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from talaria_widget.patterns import fold_names
from talaria_widget.pipeline import Compiled
from talaria_widget.recipe import Recipe, Rule

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
    option = compiled.prices.options[int(content["option"])]
    widget.mark(patterns[0] if len(patterns) == 1 else patterns, option)


def _edit_rule(widget: Talaria, content: Mapping[str, Any]) -> None:
    if content["recipe"] != widget._revisions["recipe"]:
        raise ValueError("the recipe changed meanwhile; look again and repeat the edit.")
    recipe = widget._history.now
    rules = list(recipe.rules)
    place, action = int(content["index"]), content["action"]
    rule = rules.pop(place)
    if action == "move":
        rules.insert(int(content["to"]), rule)
    elif action in ("enable", "disable"):
        rules.insert(place, Rule(rule.match, rule.option, action == "enable"))
    elif action != "delete":
        raise ValueError(f"there is no edit {action!r} of a rule.")
    widget._turn(widget._history.do(recipe.replace(rules)))


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
