"""The program that the runtime really runs: a row per node of its optimised graph.

Names are those of the ops; rows that only turn a tensor into another layout are called after
the op that makes it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from onnx import ModelProto, NodeProto

from talaria_widget.compilers.assembly import assemble
from talaria_widget.compilers.fusion import Fusion, settle
from talaria_widget.compilers.groups import Group
from talaria_widget.compilers.observed import Node
from talaria_widget.compilers.onnxruntime.regions import BLOCKED, LAYOUT, Region, regions
from talaria_widget.compilers.onnxruntime.standin import node_name
from talaria_widget.graph import Graph, Op, Work
from talaria_widget.hardware import Device
from talaria_widget.program import Program, Task
from talaria_widget.rewrite.draft import given_inputs
from talaria_widget.rewrite.onnx_source import bodies
from talaria_widget.rewrite.source import Source

KINDS = (
    *("recurrent", "conv", "conv_transpose", "attention", "linear", "matmul", "embedding"),
    *("norm", "softmax", "pool", "resize", "reduction"),
)
"""Of several ops in a row, what the row is: the first of these that it has."""
LAYERS = frozenset({"conv", "conv_transpose", "linear"})


@dataclass(frozen=True, slots=True)
class Measured:
    """A program of measured rows.

    `seconds` of each row by the profile, `forms` the operators it runs as, `blocked` whether in
    the runtime's blocked layout. `row_of` leads to their row from the nodes of the file, and from
    the values that these make; `row_of_run` has that of each node that ran, in order.
    """

    program: Program
    seconds: tuple[float, ...]
    forms: tuple[tuple[str, ...], ...]
    blocked: tuple[bool, ...]
    row_of: Mapping[str, int]
    row_of_run: tuple[int, ...]


def seconds_again(
    measured: Measured, run: Sequence[Node], again: Sequence[Node]
) -> tuple[float, ...]:
    """The seconds of each row by another profile, if the same nodes ran; else none."""
    if len(run) != len(again) or any(map(_differ, run, again)):
        return ()
    seconds = [0.0] * len(measured.seconds)
    for row, node in zip(measured.row_of_run, again, strict=True):
        seconds[row] += node.seconds
    return tuple(seconds)


def _differ(one: Node, other: Node) -> bool:
    return (one.name, one.op_type, one.inputs, one.outputs) != (
        *(other.name, other.op_type, other.inputs, other.outputs),
    )


def file_nodes(model: ModelProto) -> tuple[Node, ...]:
    """The nodes of a file as they are called while it is measured; bodies read for their owner."""
    return tuple(
        Node(
            node_name(i),
            node.op_type,
            node.domain,
            tuple(dict.fromkeys(_reads(node))),
            tuple(node.output),
            0.0,
        )
        for i, node in enumerate(model.graph.node)
    )


def measured_program(graph: Graph, device: Device, source: Source, run: Sequence[Node]) -> Measured:
    """The rows of a baseline: each op in exactly one, or removed."""
    file = file_nodes(source.skeleton)
    found = regions(file, run, given_inputs(source.skeleton))
    aliases, constants, removed, kept = settle(graph)
    held = _ops_of_regions(graph, source, found, set(kept))
    for i in set(kept) - {i for ops in held.values() for i in ops}:
        _remove(graph.ops[i], aliases, removed)
    drawn = _drawn(found, held, run)
    owners = sorted(set(drawn), key=lambda k: found[k].run[-1])
    groups = [_group(graph, held[k]) for k in owners if k in held]
    fusion = Fusion(tuple(groups), aliases, frozenset(constants), removed)
    program = assemble(graph, device, fusion)
    made = iter(program.tasks)
    taken = Counter(task.name for task in program.tasks)
    tasks, forms = [], []
    for k in owners:
        nodes = [run[i] for i in found[k].run]
        forms.append(tuple(node.op_type for node in nodes))
        task = next(made) if k in held else _layout(program, source, found[k], nodes, taken)
        tasks.append(replace(task, signature=f"{task.signature}|runs as {'+'.join(forms[-1])}"))
    row_of = {k: row for row, k in enumerate(owners)}
    seconds, row_of_run = [0.0] * len(tasks), [0] * len(run)
    nodes_of: dict[str, int] = {}
    for k, region in enumerate(found):
        row = row_of[drawn[k]]
        for i in region.run:
            seconds[row] += run[i].seconds
            row_of_run[i] = row
        for i in region.file:
            nodes_of.update((name, row) for name in (file[i].name, *file[i].outputs))
    assert sum(len(task.ops) for task in tasks) + sum(removed.values()) == len(graph.ops)
    return Measured(
        replace(program, tasks=tuple(_placed(tasks))),
        tuple(seconds),
        tuple(forms),
        tuple(any(run[i].name.endswith(BLOCKED) for i in found[k].run) for k in owners),
        MappingProxyType(nodes_of),
        tuple(row_of_run),
    )


def _placed(tasks: Sequence[Task]) -> Iterator[Task]:
    """Rows without weights, told apart by what stands around them.

    Whether the runtime runs an addition in integers is for its neighbours to decide, so that
    what was learnt of one holds for those among the same kinds of rows only.
    """
    makers = {name: task for task in tasks for name in task.outputs}
    readers: dict[str, set[str]] = defaultdict(set)
    for task in tasks:
        for name in task.inputs:
            readers[name].add(task.kind)
    for task in tasks:
        if task.weights:
            yield task
            continue
        before = sorted({makers[name].kind for name in task.inputs if name in makers})
        after = sorted({kind for name in task.outputs for kind in readers[name]})
        place = f"{'+'.join(before)}>{'+'.join(after)}"
        yield replace(task, signature=f"{task.signature}|between {place}")


def _reads(node: NodeProto) -> Iterator[str]:
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for body in bodies(attribute):
            for inner in body.node:
                yield from _reads(inner)
            yield from (value.name for value in body.output)


def _outputs(node: NodeProto) -> Iterator[str]:
    """What a node makes, in its bodies too."""
    yield from filter(None, node.output)
    for attribute in node.attribute:
        for body in bodies(attribute):
            for inner in body.node:
                yield from _outputs(inner)


def _ops_of_regions(
    graph: Graph, source: Source, found: Sequence[Region], kept: set[int]
) -> dict[int, list[int]]:
    """The ops of each region that has any; each op in the first that computes it."""
    number = {op.name: i for i, op in enumerate(graph.ops)}
    nodes = source.skeleton.graph.node
    taken: set[int] = set()
    held: dict[int, list[int]] = defaultdict(list)
    for k, region in enumerate(found):
        names = (source.op_of.get(name) for i in region.file for name in _outputs(nodes[i]))
        for name in names:
            op = number.get(name) if name is not None else None
            if op is not None and op in kept and op not in taken:
                taken.add(op)
                held[k].append(op)
    return dict(held)


def _remove(op: Op, aliases: dict[str, str], removed: Counter[str]) -> None:
    """The runtime runs nothing for it: what it makes is what it reads."""
    removed[op.kind] += 1
    for name in op.outputs if op.inputs else ():
        aliases[name] = aliases.get(op.inputs[0], op.inputs[0])


def _drawn(
    found: Sequence[Region], held: Mapping[int, Sequence[int]], run: Sequence[Node]
) -> list[int]:
    """For each region the one whose row bears it: itself, or what ran before it (else after).

    Sizes that the runtime computes on every run, and views, are rows of nobody.
    """
    rows = [
        k in held or (not region.file and {run[i].op_type for i in region.run} <= LAYOUT)
        for k, region in enumerate(found)
    ]
    first = next((k for k, is_row in enumerate(rows) if is_row), 0)
    bearer, result = first, []
    for k, is_row in enumerate(rows):
        bearer = k if is_row else bearer
        result.append(bearer)
    return result


def _group(graph: Graph, ops: Sequence[int]) -> Group:
    kinds = {graph.ops[i].kind for i in ops}
    order = {kind: place for place, kind in enumerate(KINDS)}
    anchor = min(ops, key=lambda i: (order.get(graph.ops[i].kind, len(order)), i))
    kind: str = graph.ops[anchor].kind
    if kind not in order and len(kinds) > 1:
        kind = "elementwise"
    if kind == "matmul" and "softmax" in kinds:
        kind = "attention"
    folded = tuple(
        i
        for i in ops
        if kind in LAYERS
        and graph.ops[i].kind == "norm"
        and not graph.ops[i].attrs.get("statistics", True)
    )
    return Group((anchor, *(i for i in sorted(ops) if i != anchor)), kind, folded)


def _layout(
    program: Program, source: Source, region: Region, nodes: Sequence[Node], taken: Counter[str]
) -> Task:
    """A row that moves a tensor into another layout, and computes nothing."""
    tensors = program.graph.tensors
    name = program.aliases.get(region.tensor, region.tensor)
    known = tensors.get(name)
    known = known if known is not None and known.role in ("input", "activation") else None
    word = "transpose" if any(node.op_type == "Transpose" for node in nodes) else "reorder"
    title = f"{source.op_of.get(region.tensor, region.tensor)}/{word}"
    taken[title] += 1
    title = title if taken[title] == 1 else f"{title}#{taken[title]}"
    nbytes = 4 * max((node.elements for node in nodes), default=0)
    return Task(
        name=title,
        kind="layout",
        label=word,
        ops=(),
        work=Work(read_bytes=nbytes, write_bytes=nbytes),
        signature=f"{word}|{nbytes}",
        inputs=() if known is None else (name,),
        outputs=(),
        weights=(),
    )
