"""What a sweep builds: each option throughout, where its kernels are not known well enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from talaria_widget.compilers import stored
from talaria_widget.compilers.menu import menu
from talaria_widget.compilers.onnxruntime.kernels import Kernel, Table
from talaria_widget.hardware import MenuOption
from talaria_widget.program import Program
from talaria_widget.recipe import Activations, Option, Quantize, option_label


@dataclass(frozen=True, slots=True)
class Unit:
    """One build of a sweep: these weights in this option, or every second of them."""

    option: Option
    weights: tuple[str, ...]
    every: int = 1

    @property
    def label(self) -> str:
        """What is built, in words."""
        return option_label(self.option) + (", every other layer" if self.every > 1 else "")


def builds(program: Program, asked: Sequence[Option], table: Table, *, mixed: bool) -> list[Unit]:
    """The builds of the next sweep; none where all kernels were measured often enough.

    Args:
        program: of measured rows.
        asked: options beside the menu.
        table: the kernels known.
        mixed: whether to build a model of integers and floats in turn, too, for what lies
            between the two.
    """
    lines = menu(program, asked)
    fetch(table, program, lines)
    weights = stored.table(program, lines)
    signatures = _signatures(program)
    units = []
    for column, line in enumerate(lines):
        if column == 0 or line.reason:
            continue
        kernels = {
            weight.name: [
                table.known.get((signature, line.option), Kernel())
                for signature in signatures.get(weight.name, ())
            ]
            for i, weight in enumerate(program.weights)
            if weights.leader[i] == i and not weights.refusal[i, column]
        }
        if all(kernel.done for each in kernels.values() for kernel in each):
            continue
        able = tuple(name for name, each in kernels.items() if not any(k.reason for k in each))
        units.append(Unit(line.option, able))
        if mixed and is_static(line.option):
            units.append(Unit(line.option, able, every=2))
    return units


def fetch(table: Table, program: Program, lines: Sequence[MenuOption]) -> None:
    """Read what the cache knows of a program in these columns."""
    signatures = dict.fromkeys(task.signature for task in program.tasks)
    table.fetch((signature, line.option) for signature in signatures for line in lines[1:])


def is_static(option: Option) -> bool:
    """Whether activations are quantized by scales that are known before a run."""
    return isinstance(option, Quantize) and option.activations == Activations(8)


def _signatures(program: Program) -> dict[str, list[str]]:
    """Those of the rows that each weight is in."""
    found: dict[str, list[str]] = {}
    for task in program.tasks:
        for name in dict.fromkeys(task.weights):
            found.setdefault(name, []).append(task.signature)
    return found
