"""The columns of the prices: a device's menu, made definite for one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from talaria_widget.hardware import MenuOption, requested
from talaria_widget.program import Program
from talaria_widget.recipe import SHORT, Cast, Option, Precision


def menu(program: Program, asked: Sequence[Option] = ()) -> tuple[MenuOption, ...]:
    """The device's menu, and options `asked` for beside it that it can price.

    Where the device runs a model as it is stored, and every weight is stored in the baseline's
    precision, the first line goes by that precision, and the cast to it is no line of its own.
    """
    device = program.device
    first = _definite(device.default, program.baseline)
    plain = Cast(cast("Precision", program.baseline)) if _is_uniform(program) else None
    if plain is not None:
        first = replace(first, label=SHORT[plain.dtype])
    lines = [m for m in device.menu[1:] if m.option != plain]
    offered = {m.option for m in lines}
    for option in dict.fromkeys(asked):
        line = None if option in offered else device.find(option)
        if line is None or line is device.default or option == plain:
            continue
        lines.append(requested(line, option))
    return (first, *(_definite(line, program.baseline) for line in lines))


def _is_uniform(program: Program) -> bool:
    """Whether the device runs a model as stored, and all its layers' weights are its baseline."""
    return program.device.baseline == "stored" and all(
        weight.dtype == program.baseline
        for weight in program.weights
        if weight.leader == weight.name
    )


def _definite(line: MenuOption, baseline: str) -> MenuOption:
    compute = baseline if line.compute == "stored" else line.compute
    activations = baseline if line.activations == "stored" else line.activations
    return replace(line, compute=compute, activations=activations)
