"""Which nodes of a file each node of the runtime's optimised graph computes.

A node of the optimised graph tells by its name or its outputs where it comes from: a fused
node has the name of its first node or the name of its last output, one in a blocked layout is
called `<first fused output>_nchwc`, one that the runtime splits begins with the node's name.
From there everything back to what others compute is its own; what is left over was fused
behind the last of those it reads (a residual's addition behind a convolution). What computes
nothing of the file only moves data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from talaria_widget.compilers.observed import Node

BLOCKED = "_nchwc"
VIEWS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
LAYOUT = frozenset({"ReorderInput", "ReorderOutput", "Transpose"})


@dataclass(frozen=True, slots=True)
class Region:
    """Nodes of the optimised graph that run as one, and the nodes of the file they compute.

    `run` are indices of optimised nodes, `file` of nodes in the file, both in order. A region
    without nodes of the file moves data that `tensor` names, if anything of it is known.
    """

    run: tuple[int, ...]
    file: tuple[int, ...]
    tensor: str = ""


def regions(file: Sequence[Node], run: Sequence[Node], inputs: Iterable[str]) -> tuple[Region, ...]:
    """The regions of an optimised graph in order; a node of the file is in at most one.

    Args:
        file: the nodes of the file, each with a name of its own, in an order that runs.
        run: the nodes that ran, in order.
        inputs: the values that are given from outside.
    """
    maker = {name: i for i, node in enumerate(file) for name in node.outputs if name}
    named = {node.name: i for i, node in enumerate(file)}
    claims = [_claim(node, maker, named) for node in run]
    known = constants(file, inputs)
    owner: dict[int, int] = {}
    begun = _look_back(file, claims, maker, owner)
    hidden = {k for k, node in enumerate(run) if not all(name in maker for name in node.outputs)}
    _look_ahead(file, maker, owner, known, hidden)
    for index, nodes in enumerate(begun):
        _walk(file, maker, owner, index, _before(file, maker, nodes))
    _look_ahead(file, maker, owner, known, set(range(len(run))))
    together = _join(run, owner, claims, maker)
    parts: dict[int, list[int]] = defaultdict(list)
    for index in range(len(run)):
        parts[_root(together, index)].append(index)
    computed: dict[int, list[int]] = defaultdict(list)
    for index in sorted(owner):
        computed[_root(together, owner[index])].append(index)
    return tuple(
        Region(tuple(nodes), tuple(computed[root]), _tensor([run[i] for i in nodes], maker))
        for root, nodes in sorted(parts.items())
    )


def constants(file: Sequence[Node], inputs: Iterable[str]) -> set[str]:
    """The values that are stored, or follow from stored ones alone."""
    given = set(inputs)
    varying = set(given)
    for node in file:
        if any(name in varying for name in node.inputs):
            varying.update(node.outputs)
    return {name for node in file for name in (*node.inputs, *node.outputs)} - varying


@dataclass(frozen=True, slots=True)
class _Claim:
    """What an optimised node says of itself: the node it began as, and those whose results it has.

    `main` is the operator that a node in a blocked layout is.
    """

    origin: int | None = None
    ends: tuple[int, ...] = ()
    main: str = ""

    @property
    def nodes(self) -> tuple[int, ...]:
        return self.ends if self.origin is None else (self.origin, *self.ends)


def _claim(node: Node, maker: Mapping[str, int], named: Mapping[str, int]) -> _Claim:
    if node.op_type in LAYOUT - {"Transpose"}:
        return _Claim()
    name = node.name.removesuffix(BLOCKED)
    if name != node.name:
        return _Claim(ends=(maker[name],) if name in maker else (), main=node.op_type)
    origin = _origin(node.name, named)
    if origin is None and node.op_type in LAYOUT:
        return _Claim()
    return _Claim(origin, tuple(maker[each] for each in node.outputs if each in maker))


def _origin(name: str, named: Mapping[str, int]) -> int | None:
    """The node of the file that a name begins with: as it is, before a `/` or a `_token_`."""
    while name not in named:
        cut = max(name.rfind("/"), name.rfind("_token_"))
        if cut < 0:
            return None
        name = name[:cut]
    return named[name]


def _look_back(
    file: Sequence[Node],
    claims: Sequence[_Claim],
    maker: Mapping[str, int],
    owner: dict[int, int],
) -> list[list[int]]:
    """Give each optimised node what lies behind its results, up to the node it began as.

    Returns:
        For each the nodes to go on from, once it is known what those before it did on top.
    """
    claimed = {node for claim in claims for node in claim.nodes}
    begun: list[list[int]] = []
    for index, claim in enumerate(claims):
        first = [] if claim.origin is None or claim.origin in owner else [claim.origin]
        owner.update((node, index) for node in first)
        ends = [node for node in claim.ends if node not in owner]
        begun.append(first + _walk(file, maker, owner, index, ends, claimed, claim.main))
    return begun


def _walk(
    file: Sequence[Node],
    maker: Mapping[str, int],
    owner: dict[int, int],
    index: int,
    start: Iterable[int],
    claimed: Collection[int] = (),
    main: str = "",
) -> list[int]:
    """Own these nodes and all before them that nobody owns or claims, not past a `main`."""
    waiting, reached = list(start), []
    while waiting:
        node = waiting.pop()
        if node in owner:
            continue
        owner[node] = index
        if main and file[node].op_type == main:
            reached.append(node)
        else:
            waiting += [i for i in _before(file, maker, [node]) if i not in claimed]
    return reached


def _before(file: Sequence[Node], maker: Mapping[str, int], nodes: Iterable[int]) -> list[int]:
    return [maker[name] for i in nodes for name in file[i].inputs if name in maker]


def _look_ahead(
    file: Sequence[Node],
    maker: Mapping[str, int],
    owner: dict[int, int],
    known: set[str],
    able: set[int],
) -> None:
    """What is nobody's was fused behind the last of those it reads, if that is able to.

    One whose result the file knows by name has nothing fused behind it.
    """
    for index, node in enumerate(file):
        if index in owner or all(name in known for name in node.outputs):
            continue
        before = [owner[maker[n]] for n in node.inputs if n in maker and maker[n] in owner]
        if before and max(before) in able:
            owner[index] = max(before)


def _join(
    run: Sequence[Node],
    owner: Mapping[int, int],
    claims: Sequence[_Claim],
    file: Mapping[str, int],
) -> list[int]:
    """Nodes of one origin are one; a view goes to what makes its input.

    One that gives what no file knows was put in for whoever reads that.
    """
    parent = list(range(len(run)))
    first: dict[int, int] = {}
    for index, claim in enumerate(claims):
        for origin in claim.nodes[:1]:
            _unite(parent, first.setdefault(origin, index), index)
    made = {name: i for i, node in enumerate(run) for name in node.outputs if name}
    read: dict[str, int] = {}
    for i, node in enumerate(run):
        for name in node.inputs:
            read.setdefault(name, i)
    computing = set(owner.values())
    for index, node in enumerate(run):
        if node.op_type not in VIEWS:
            continue
        after = [read[name] for name in node.outputs if name in read]
        before = [made[name] for name in node.inputs[:1] if name in made]
        forward = index not in computing and not any(name in file for name in node.outputs)
        near = [*after, *before] if forward else [*before, *after]
        for neighbour in near[:1]:
            _unite(parent, neighbour, index)
    return parent


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _unite(parent: list[int], one: int, other: int) -> None:
    low, high = sorted((_root(parent, one), _root(parent, other)))
    parent[high] = low


def _tensor(nodes: Sequence[Node], known: Mapping[str, int]) -> str:
    """A value of the file that a conversion gives or takes."""
    names = [name for node in nodes for name in (*node.outputs, *node.inputs[:1])]
    return next((name for name in names if name in known), names[0] if names else "")
