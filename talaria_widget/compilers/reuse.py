"""Which tensor takes over the buffer of which: results written over what nothing else needs.

What follows holds for ONNX Runtime and is taken for every device. Each case was seen there
(version 1.32, on a CPU) by the memory of a chain of four.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.graph import Op
from talaria_widget.program import Program, Task

Array = NDArray[Any]

IN_PLACE = frozenset(
    {
        *("relu", "relu6", "leaky_relu", "leakyrelu", "thresholdedrelu", "threshold"),
        *("elu", "celu", "selu", "softplus", "softsign", "sigmoid", "expit", "tanh"),
        *("hardsigmoid", "hardtanh", "clip", "clamp", "shrink", "softshrink", "hardshrink"),
        *("softmax", "safe_softmax", "log_softmax", "logsoftmax"),
    }
)
"""What writes over its input: kernels registered with `MayInplace(0, 0)`
(core/providers/cpu/activation/activations.cc, math/clip.cc, math/softmax.cc). Sums, products,
GELU and norms hold two buffers there."""

SUMS = frozenset({"add", "iadd", "sum"})
"""What a convolution may add on its way, over the tensor that it adds (`MayInplace(3, 0)`,
contrib_ops/cpu/nchwc_ops.cc)."""


def find_reuse(program: Program, names: Mapping[str, int], made: Array, last: Array) -> Array:
    """The tensor whose buffer each one takes over, -1 for none.

    It has the same shape and type, an earlier row made it, and nothing needs it later. The model's
    inputs and outputs keep buffers of their own (`PlannerImpl`, ONNX Runtime's
    core/framework/allocation_planner.cc), and so does what a loop's next round may read.

    Args:
        program: its tasks are the rows.
        names: the number of each tensor.
        made: the row that makes each, -1 for an input.
        last: the last row that needs each.
    """
    graph = program.graph
    ops = {op.name: op for op in graph.ops}
    kept = {program.aliases.get(t, t) for t in graph.outputs}
    found = np.full(len(names), -1, np.int32)
    for row, task in enumerate(program.tasks):
        if len(task.outputs) != 1 or task.outputs[0] in kept:
            continue
        output = graph.tensors[task.outputs[0]]
        for name in _written_over(program, task, [ops[op] for op in task.ops]):
            given = graph.tensors[name]
            alike = given.shape is not None and (given.shape, given.dtype) == (
                output.shape,
                output.dtype,
            )
            at = names[name]
            if alike and made[at] >= 0 and last[at] == row and name not in kept:
                found[names[task.outputs[0]]] = at
                break
    return found


def _written_over(program: Program, task: Task, ops: Sequence[Op]) -> Sequence[str]:
    """Those inputs of a row that its kernel may write its result over."""
    if any(op.times != 1 for op in ops):
        return ()
    if all(op.word in IN_PLACE for op in ops):
        return task.inputs
    if any(op.kind == "conv" for op in ops):
        added = _read(program, [op for op in ops if op.word in SUMS])
        others = _read(program, [op for op in ops if op.word not in SUMS])
        return [name for name in task.inputs if name in added - others]
    return ()


def _read(program: Program, ops: Sequence[Op]) -> set[str]:
    return {program.aliases.get(name, name) for op in ops for name in op.inputs}
