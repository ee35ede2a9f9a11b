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
    row_of_node: Mapping[str, int],
    weight_of_row: Mapping[int, float] | None = None,
) -> tuple[dict[int, Form], list[Edge]]:
    """The form of each row that ran, and what ran between them.

    Args:
        file: the nodes of the file as built.
        run: the nodes that ran.
        inputs: the file's inputs.
        row_of_node: rows by the names of the baseline's nodes.
        weight_of_row: how long each row takes in the baseline: a node that does the work of
            several rows goes to the longest.
    """
    inputs = list(inputs)
    found = regions(file, run, inputs)
    fixed = constants(file, inputs)
    rows = [_row(file, region, row_of_node, weight_of_row or {}) for region in found]
    region_of = {
        name: k for k, each in enumerate(found) for i in each.run for name in run[i].inputs
    }
    edges: list[Edge] = []
    result: dict[int, Form] = defaultdict(Form)
    for k in reversed(range(len(found))):
        nodes = [run[i] for i in found[k].run]
        if rows[k] is None:
            loose = [node for node in nodes if node.op_type in CONVERSIONS | LAYOUTS]
            varies = any(name not in fixed for node in nodes for name in node.outputs)
            if loose and varies:
                edges += [Edge(n.op_type, n.elements, n.seconds) for n in nodes]
                continue
            readers = (region_of.get(name) for node in nodes for name in node.outputs)
            rows[k] = next((rows[r] for r in readers if r is not None), None)
        row = rows[k]
        if row is None:
            continue
        form = result[row]
        form.seconds += sum(node.seconds for node in nodes)
        form.operators[:0] = [node.op_type for node in nodes]
        form.integers |= not form.integers and any(node.dtype in INTEGERS for node in nodes[-1:])
    return dict(result), edges[::-1]


def _row(
    file: Sequence[Node],
    region: Region,
    row_of_node: Mapping[str, int],
    weight_of_row: Mapping[int, float],
) -> int | None:
    names = (file[i].name for i in region.file)
    rows = dict.fromkeys(row_of_node[name] for name in names if name in row_of_node)
    return max(rows, key=lambda row: weight_of_row.get(row, 0.0), default=None)
