"""The columns of the prices: a device's menu, made definite for one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from talaria_widget.hardware import MenuOption, requested
from talaria_widget.program import Program
from talaria_widget.recipe import SHORT, Cast, Option


def menu(program: Program, asked: Sequence[Option] = ()) -> tuple[MenuOption, ...]:
    """The device's menu, and options `asked` for beside it that it can price.

    Where the device runs a model as it is stored, the first line goes by the precision that
    the model has, and the cast to that precision is no line of its own.
    """
    device = program.device
    first = _definite(device.default, program.baseline)
    if device.baseline == "stored":
        first = replace(first, label=SHORT.get(program.baseline, "as stored"))
    lines = [m for m in device.menu[1:] if not _is_baseline(m.option, program)]
    offered = {m.option for m in lines}
    for option in dict.fromkeys(asked):
        line = None if option in offered else device.find(option)
        if line is None or line is device.default or _is_baseline(option, program):
            continue
        lines.append(requested(line, option))
    return (first, *(_definite(line, program.baseline) for line in lines))


def _is_baseline(option: Option, program: Program) -> bool:
    stored = program.device.baseline == "stored"
    return stored and isinstance(option, Cast) and option.dtype == program.baseline


def _definite(line: MenuOption, baseline: str) -> MenuOption:
    compute = baseline if line.compute == "stored" else line.compute
    activations = baseline if line.activations == "stored" else line.activations
    return replace(line, compute=compute, activations=activations)
