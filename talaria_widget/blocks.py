"""Find the parts of a graph that repeat: the twelve equal layers of an encoder.

Two parts are equal if their ops are, one by one: kind, word, attributes, shapes and dtypes, and
which of the part's own results each one reads. Names, values and what lies outside do not
matter, so that a row of one costs what the same row of another costs.

Parts are the modules whose ops stand under one path (siblings that differ in a number: `h.0`,
`h.1`, `denselayer1`), and where there are no paths, or one module is called again and again,
stretches of ops that follow each other. Each op is looked at once per level of its path, so that
the time grows with the operations.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise

from talaria_widget.graph import Block, Graph, Op
from talaria_widget.patterns import fold_names

FEWEST_OPS = 2
"""Of a module that repeats; a single op is no block."""
SHORTEST_STRETCH = 4
"""Ops of a repeated stretch that no module encloses."""
PERIODS = 12
"""Lengths of a stretch that are tried, the likeliest first."""
_UNTOLD = frozenset({"node", "operands"})
_WHOLE_PATH = 1000
_NUMBER = re.compile(r"\d+")

Part = list[int]


def find_blocks(graph: Graph) -> tuple[Block, ...]:
    """The repeated parts of a graph, outermost first, then in order of execution.

    Example:
        >>> from torch import nn
        >>> from talaria_widget import capture
        >>> layer = lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU())
        >>> [(b.name, len(b.instances)) for b in capture(nn.Sequential(layer(), layer())).blocks]
        [('[0-1]', 2)]
    """
    return tuple(_Finder(graph).blocks([list(range(len(graph.ops)))]))


class _Finder:
    """A graph with what tells its ops apart, looked up once."""

    def __init__(self, graph: Graph) -> None:
        self._ops = graph.ops
        self._made = {name: i for i, op in enumerate(graph.ops) for name in op.outputs}
        self._steps = [tuple(filter(None, op.path.split("."))) for op in graph.ops]
        numbers: dict[Hashable, int] = {}
        self._own = [numbers.setdefault(_signature(graph, op), len(numbers)) for op in graph.ops]

    def blocks(self, parts: list[Part]) -> Iterator[Block]:
        """The blocks inside equal parts: found in the first one, and the same in all."""
        first = parts[0]
        place = {i: k for k, i in enumerate(first)}
        groups: list[tuple[int, list[Part]]] = list(self._modules(first, 0))
        inside = {i for _, group in groups for part in group for i in part}
        rest = [i for i in first if i not in inside]
        groups += [(_WHOLE_PATH, group) for group in self._stretches(rest)]
        groups.sort(key=lambda group: group[1][0][0])
        for depth, group in groups:
            found = [[whole[place[i]] for i in part] for whole in parts for part in group]
            yield self._block(found, depth)
            yield from self.blocks(found)

    def _modules(self, ops: Part, level: int) -> Iterator[tuple[int, list[Part]]]:
        """Groups of equal sibling modules among ops under one path, and their paths' length."""
        children: dict[str, Part] = defaultdict(list)
        for i in ops:
            if len(self._steps[i]) > level:
                children[self._steps[i][level]].append(i)
        stems = Counter(_NUMBER.sub("#", name) for name in children)
        equal: dict[Hashable, list[Part]] = defaultdict(list)
        for name, part in children.items():
            stem = _NUMBER.sub("#", name)
            repeats = stem != name and stems[stem] > 1 and len(part) >= FEWEST_OPS
            equal[(stem, self._digest(part)) if repeats else name].append(part)
        for group in equal.values():
            if len(group) > 1:
                yield level + 1, group
            else:
                yield from self._modules(group[0], level + 1)

    def _stretches(self, ops: Part) -> Iterator[list[Part]]:
        """Groups of equal stretches that follow each other, longest first, none overlapping."""
        own = [self._own[i] for i in ops]
        runs = [run for period in _periods(own) for run in _runs(own, period)]
        runs.sort(key=lambda run: (run[0] - run[1], run[2]))
        taken: set[int] = set()
        for start, stop, period in runs:
            while start < stop and start in taken:
                start += 1
            cuts = range(start, stop - period + 1, period)
            parts = [ops[cut : cut + period] for cut in cuts]
            for group in self._alike(parts):
                if not taken.intersection(place for part in group for place in part):
                    taken.update(place for part in group for place in part)
                    yield group

    def _alike(self, parts: list[Part]) -> Iterator[list[Part]]:
        """Stretches that follow each other and are wired alike."""
        group: list[Part] = []
        last: Hashable = None
        for part in parts:
            digest = self._digest(part)
            if group and digest != last:
                if len(group) > 1:
                    yield group
                group = []
            group.append(part)
            last = digest
        if len(group) > 1:
            yield group

    def _digest(self, part: Part) -> Hashable:
        place = {i: k for k, i in enumerate(part)}
        return tuple(
            (self._own[i], *[place.get(self._made.get(t, -1), -1) for t in self._ops[i].inputs])
            for i in part
        )

    def _block(self, parts: list[Part], depth: int) -> Block:
        instances = _numbered([self._name(part, depth) for part in parts])
        folded = fold_names(instances)
        name = folded[0] if len(folded) == 1 else f"{instances[0]} … {instances[-1]}"
        return Block(
            name, tuple(instances), tuple(tuple(self._ops[i].name for i in p) for p in parts)
        )

    def _name(self, part: Part, depth: int) -> str:
        """The path that a part's ops share, else the name of the first op."""
        shared = self._steps[part[0]][:depth]
        for i in part:
            steps = self._steps[i]
            same = (a == b for a, b in zip(shared, steps, strict=False))
            length = next((k for k, equal in enumerate(same) if not equal), len(steps))
            shared = shared[:length]
        return ".".join(shared) or self._ops[part[0]].name


def _signature(graph: Graph, op: Op) -> Hashable:
    tensors = graph.tensors
    shapes = [
        (tensors[name].shape, tensors[name].dtype)
        for name in (*op.inputs, *op.weights, *op.outputs)
    ]
    told = [(k, str(v)) for k, v in op.attrs.items() if k not in _UNTOLD]
    return (op.kind, op.word, len(op.inputs), tuple(shapes), tuple(told))


def _periods(own: Sequence[int]) -> list[int]:
    """Distances at which the same ops come again, those that most of them have first."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, number in enumerate(own):
        places[number].append(place)
    votes: Counter[int] = Counter()
    for found in places.values():
        for gap in (1, 2, 3, 4):
            votes.update(b - a for a, b in zip(found, found[gap:], strict=False))
    return [p for p, _ in votes.most_common() if p >= SHORTEST_STRETCH][:PERIODS]


def _runs(own: Sequence[int], period: int) -> Iterator[tuple[int, int, int]]:
    """Maximal stretches (start, stop, period) that equal themselves one period later."""
    differs = [-1]
    differs += [i for i in range(len(own) - period) if own[i] != own[i + period]]
    differs.append(len(own) - period)
    for before, after in pairwise(differs):
        if after - before - 1 >= period:
            yield before + 1, after + period, period


def _numbered(names: list[str]) -> list[str]:
    """A second call of the same module adds `#2`, as in the names of ops."""
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return out
