"""A program: what a device's toolchain makes of a graph, as an ordered list of tasks.

Its tasks are the rows of every view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from talaria_widget.graph import Graph, Op, Work
from talaria_widget.hardware import Device


@dataclass(frozen=True, slots=True)
class Task:
    """One or more ops that the device runs as one. Named after its first op with weights.

    `inputs` and `outputs` are the tensors that enter and leave the fusion, views resolved
    to the tensor that holds the bytes. Tasks of one `signature` cost the same. `free_flops`
    of its work cost no time: norms folded into weights, and biases and limits that a kernel
    applies to what it is about to write. `precision` is what it computes in where the model
    itself says so ("int8" in a quantized file), whatever option is chosen.
    """

    name: str
    kind: str
    label: str
    ops: tuple[str, ...]
    work: Work
    signature: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[str, ...]
    free_flops: int = 0
    precision: str = ""


@dataclass(frozen=True, slots=True)
class StoredWeight:
    """A tensor as the device's container keeps it, after folding.

    `leader` is the weight whose option it follows: itself for the weights that options may
    compress, its layer's weight for a bias, `None` for what stays as it is. `nbytes` is its
    size in the file, where its elements are packed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: str
    channel_axis: int
    leader: str | None
    nbytes: int | None = None


@dataclass(frozen=True)
class Program:
    """Tasks in order of execution, and the weights they keep.

    `baseline` is the precision of rows without a mark, `written` that of the graph's tensors.
    `aliases` maps a tensor to the one that holds its bytes, where they differ. `removed` counts
    the ops that the toolchain drops. Of `operations` ops those in `uncounted` (by target) have
    no known work. `unsized` names stored tensors of unknown size, which `weights` lacks.
    """

    device: Device
    graph: Graph
    tasks: tuple[Task, ...]
    weights: tuple[StoredWeight, ...]
    unsized: tuple[str, ...] = ()
    baseline: str = "float32"
    written: str = "float32"
    aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    removed: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    operations: int = 0
    uncounted: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def output_shapes(self) -> list[tuple[int, ...] | None]:
        """The shape that each row gives; empty for a row that gives nothing."""
        tensors = self.graph.tensors
        return [tensors[t.outputs[0]].shape if t.outputs else () for t in self.tasks]

    @cached_property
    def row_of_op(self) -> Mapping[str, int]:
        """The row of every op that runs, by name."""
        return {name: row for row, task in enumerate(self.tasks) for name in task.ops}

    @cached_property
    def leading_ops(self) -> tuple[Op | None, ...]:
        """The op that each row is named after; of a row without ops, what made its input."""
        named = {op.name: op for op in self.graph.ops}
        makers = {name: op for op in self.graph.ops for name in op.outputs}
        return tuple(
            named[task.name] if task.ops else next((makers.get(t) for t in task.inputs), None)
            for task in self.tasks
        )
