"""What may be set of a widget, by code and by the page: the value taken, or why it is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from talaria_widget import here
from talaria_widget.hardware import device
from talaria_widget.pipeline import Compiled
from talaria_widget.report import check_targets

if TYPE_CHECKING:
    from talaria_widget.widget.talaria import Talaria


def _device(widget: Talaria, value: Any) -> str:
    """A device by name, by file or itself; a file that was changed is read again.

    `None` is this machine, as everywhere.
    """
    if isinstance(value, str) and value in widget._own_devices:
        return value
    found = here.fitted(device(value))
    present = widget._compiled.program.device
    if found.name == present.name and found != present:
        widget._switch(found)
    widget._own_devices[found.name] = found
    return found.name


def _offered(widget: Talaria, value: Any) -> str:
    """A device by the name that the page's menu has; a file is for code to name."""
    if isinstance(value, str) and value in widget._own_devices:
        return value
    if isinstance(value, str) and value.endswith(".toml"):
        raise ValueError(f"the page reads no files: set w.device = {value!r} in code.")
    return device(value).name


def _selection(widget: Talaria, value: Sequence[str]) -> list[str]:
    program = widget._compiled.program
    known = {task.name for task in program.tasks}
    missing = [name for name in value if name not in known]
    if missing:
        raise ValueError(f"selection: {program.device.name} has no row {missing[0]!r}.")
    return list(dict.fromkeys(value))


def seconds_to_wait(value: object) -> float | None:
    """The most seconds to wait; `None` is no end.

    Raises:
        TypeError: no number.
        ValueError: not a number of seconds.
    """
    if value is None:
        return None
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"wait(timeout_s={value!r}): pass a number of seconds, or None for no end.")
    if math.isnan(value):
        raise ValueError(
            f"wait(timeout_s={value!r}): pass a number of seconds, or None for no end."
        )
    return float(value)


def patterns(value: object) -> str | tuple[Any, ...]:
    """What a rule matches, by one text or several.

    Raises:
        TypeError: neither.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence | set | frozenset | Mapping) and not isinstance(value, bytes):
        return tuple(value)
    raise TypeError(f"mark(match={value!r}): pass a name or pattern like 'layer1.*', or several.")


def carried(selection: Sequence[str], before: Compiled, after: Compiled) -> list[str]:
    """The rows that hold, among other rows, the ops that the selected rows are named after."""
    row_of, tasks = after.program.row_of_op, after.program.tasks
    ops_of = {task.name: task.ops for task in before.program.tasks}
    found = []
    for name in selection:
        held = [op for op in (name, *ops_of.get(name, ())) if op in row_of]
        found += [tasks[row_of[held[0]]].name] if held else []
    return list(dict.fromkeys(found))


BY_CODE: Mapping[str, Callable[[Talaria, Any], Any]] = {
    "device": _device,
    "selection": _selection,
    "targets": lambda _widget, value: check_targets(value),
}
BY_PAGE = {**BY_CODE, "device": _offered}
