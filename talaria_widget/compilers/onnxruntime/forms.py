"""What rows take in another form: a built file's nodes, led back to the rows of the baseline.

A kernel is timed where it stands, in the model built with that option throughout, beside the
baseline in the same runs. Small graphs of a kernel alone were found to mislead: they compile to
other kernels at their edges, and run 4-14 % faster (Add, DequantizeLinear and Transpose up to
1.9 times) on activations that are warm. What stands between rows is a conversion, and is kept
apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from talaria_widget.compilers.observed import Node
from talaria_widget.compilers.onnxruntime.regions import Region, constants, regions

INTEGERS = frozenset({"int8", "uint8"})
CONVERSIONS = frozenset({"QuantizeLinear", "DequantizeLinear"})
LAYOUTS = frozenset({"ReorderInput", "ReorderOutput", "Transpose"})


@dataclass(slots=True)
class Form:
    """How a row ran: seconds in all, its operators, and whether it gave integers."""

    seconds: float = 0.0
    operators: list[str] = field(default_factory=list)
    integers: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """A node between rows: it quantizes, dequantizes, or changes the layout."""

    operator: str
    elements: int
    seconds: float


def forms(
    file: Sequence[Node],
    run: Sequence[Node],
    inputs: Iterable[str],
    row_of: Mapping[str, int],
    weight_of_row: Mapping[int, float] | None = None,
) -> tuple[dict[int, Form], list[Edge]]:
    """The form of each row that ran, and what ran between them; no node is left out.

    Args:
        file: the nodes of the file as built.
        run: the nodes that ran.
        inputs: the file's inputs.
        row_of: rows by the names of the baseline's nodes, and of the values that they make.
        weight_of_row: how long each row takes in the baseline: a node that does the work of
            several rows goes to the longest.
    """
    inputs = list(inputs)
    found = regions(file, run, inputs)
    fixed = constants(file, inputs)
    rows = [_row(file, run, region, row_of, weight_of_row or {}) for region in found]
    between = [
        row is None and _converts([run[i] for i in region.run], fixed)
        for row, region in zip(rows, found, strict=True)
    ]
    _follow(found, run, rows, between)
    edges: list[Edge] = []
    result: dict[int, Form] = defaultdict(Form)
    for region, row in zip(found, rows, strict=True):
        nodes = [run[i] for i in region.run]
        if row is None:
            edges += [Edge(n.op_type, n.elements, n.seconds) for n in nodes]
            continue
        form = result[row]
        form.seconds += sum(node.seconds for node in nodes)
        form.operators += [node.op_type for node in nodes]
        form.integers = nodes[-1].dtype in INTEGERS
    return dict(result), edges


def _converts(nodes: Sequence[Node], fixed: set[str]) -> bool:
    """Whether these only quantize, dequantize or turn about what is no constant."""
    varies = any(name not in fixed for node in nodes for name in node.outputs)
    return varies and any(node.op_type in CONVERSIONS | LAYOUTS for node in nodes)


def _follow(
    found: Sequence[Region],
    run: Sequence[Node],
    rows: list[int | None],
    between: Sequence[bool],
) -> None:
    """What is no row's own goes to the row that reads it, or else to the one it reads."""
    read: dict[str, int] = {}
    made: dict[str, int] = {}
    for k, region in enumerate(found):
        for i in region.run:
            made.update((name, k) for name in run[i].outputs)
            for name in run[i].inputs:
                read.setdefault(name, k)
    order = range(len(found))
    for ks, links, ends in ((reversed(order), read, "outputs"), (iter(order), made, "inputs")):
        for k in ks:
            if rows[k] is not None or between[k]:
                continue
            names = (name for i in found[k].run for name in getattr(run[i], ends))
            near = (rows[links[name]] for name in names if name in links)
            rows[k] = next((row for row in near if row is not None), None)


def _row(
    file: Sequence[Node],
    run: Sequence[Node],
    region: Region,
    row_of: Mapping[str, int],
    weight_of_row: Mapping[int, float],
) -> int | None:
    """The row by the nodes that a region computes; by their values where all are new."""
    names = [file[i].name for i in region.file]
    if not any(name in row_of for name in names):
        if all(run[i].op_type in CONVERSIONS | LAYOUTS for i in region.run):
            return None
        names = [name for i in region.file for name in file[i].outputs]
    rows = dict.fromkeys(row_of[name] for name in names if name in row_of)
    return max(rows, key=lambda row: weight_of_row.get(row, 0.0), default=None)
