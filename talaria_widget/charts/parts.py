"""The rows of a program put together: by type, or by module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from talaria_widget.report import Report

Parts = list[tuple[str, list[int]]]

MOST_LINES = 12
"""As many types or modules are drawn; beyond, the cheapest are one line."""


def types(report: Report) -> Parts:
    """The rows of each type, by its label."""
    found: dict[str, list[int]] = {}
    for row, task in enumerate(report.program.tasks):
        found.setdefault(task.label, []).append(row)
    return list(found.items())


def modules(report: Report, most: int = MOST_LINES) -> Parts:
    """The rows of each module; the one of most rows gives way to its own while there is room.

    A row that stands in no module of several rows stands for itself.
    """
    root = _Module("")
    for row, path in enumerate(report.column("module").values.tolist()):
        _insert(root, [part for part in path.split(".") if part], row)
    groups, own = _inner(root)
    while True:
        opened = {group.path: _inner(group) for group in groups if len(group.children)}
        wide = [group for group in groups if opened.get(group.path, ([], []))[0]]
        widest = max(wide, key=lambda group: len(group.rows), default=None)
        if widest is None:
            break
        inside, alone = opened[widest.path]
        if len(groups) - 1 + len(inside) + len(own) + len(alone) > most:
            break
        groups = [group for group in groups if group is not widest] + inside
        own = own + alone
    found = {group.path: sorted(group.rows) for group in groups}
    for row in own:  # a task may be named as a module is
        found.setdefault(report.program.tasks[row].name, []).append(row)
    return list(found.items())


@dataclass(slots=True)
class _Module:
    path: str
    rows: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    children: dict[str, _Module] = field(default_factory=dict)


def _insert(root: _Module, path: Sequence[str], row: int) -> None:
    at = root
    for part in path:
        inside = f"{at.path}.{part}" if at.path else part
        at = at.children.setdefault(part, _Module(inside))
        at.rows.append(row)
    at.own.append(row)


def _inner(module: _Module) -> tuple[list[_Module], list[int]]:
    """The modules of several rows in one, and the rows in none of them."""
    groups: list[_Module] = []
    own = list(module.own)
    for child in module.children.values():
        while len(child.children) == 1 and not child.own:
            (child,) = child.children.values()
        if len(child.rows) < 2:
            own += child.rows
        else:
            groups.append(child)
    return groups, own
