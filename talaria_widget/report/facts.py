"""What is known of rows beside their costs: where they stand, and what they read and give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from talaria_widget.graph import Op
from talaria_widget.program import Program
from talaria_widget.tables import shape_text

SETTINGS = (("kernel", ""), ("stride", "stride "), ("dilation", "dilation "), ("groups", "groups "))
"""What is said of a kernel; of all but its own size only where it is not 1."""


def modules(program: Program) -> list[str]:
    """The module of each row, as a path."""
    return [op.path if op else "" for op in program.leading_ops]


def sources(program: Program) -> list[str]:
    """The line of the user's code that each row comes from; empty where it is not known."""
    rows = zip(program.tasks, program.leading_ops, strict=True)
    return [str(op.source or "") if op and task.ops else "" for task, op in rows]


def output_shapes(program: Program) -> list[str]:
    """The shape that each row gives."""
    return list(map(shape_text, program.output_shapes))


def input_shapes(program: Program) -> list[str]:
    """The shapes that each row reads, without those of its weights."""
    tensors = program.graph.tensors
    return [
        ", ".join(shape_text(tensors[name].shape) for name in task.inputs if name in tensors)
        for task in program.tasks
    ]


def dtypes(program: Program) -> list[str]:
    """What the elements are that each row gives, as the model has them."""
    tensors = program.graph.tensors
    return [tensors[task.outputs[0]].dtype if task.outputs else "" for task in program.tasks]


def settings(program: Program) -> list[str]:
    """Kernel, stride, dilation and groups of each row."""
    rows = zip(program.tasks, program.leading_ops, strict=True)
    return [settings_text(op) if op and task.ops else "" for task, op in rows]


def settings_text(op: Op) -> str:
    """The settings of one op.

    Example:
        >>> attrs = {"kernel": (3, 3), "stride": (2, 2), "groups": 8}
        >>> settings_text(Op("conv", "conv", "Conv", attrs=attrs))
        '3×3, stride 2, groups 8'
    """
    said = []
    for name, title in SETTINGS:
        value = op.attrs.get(name)
        values = _numbers(value)
        if values and (not title or any(v != 1 for v in values)):
            same = title and len(set(values)) == 1
            said.append(title + (str(values[0]) if same else shape_text(values)))
    return ", ".join(said)


def _numbers(value: Any) -> Sequence[int]:
    values = value if isinstance(value, tuple | list) else [value]
    return [v for v in values if isinstance(v, int)]
