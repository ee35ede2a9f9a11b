"""The nodes of a draft, and who makes and reads each value: known without a search."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from onnx import NodeProto

Reader = tuple[NodeProto, int]


class Links:
    """Nodes in the order they came, linked by their values.

    Inputs and outputs that are changed elsewhere than here are found as they are, too, but for
    `drop_unread`, which looks again only at what was put in or lost a reader since the last time.
    """

    def __init__(self) -> None:
        """No nodes yet."""
        self._kept: dict[int, NodeProto] = {}
        self._reading: dict[str, dict[int, NodeProto]] = {}
        self._making: dict[str, NodeProto] = {}
        self._doubtful: dict[int, NodeProto] = {}

    @property
    def nodes(self) -> list[NodeProto]:
        """The nodes that there are now."""
        return list(self._kept.values())

    def put(self, node: NodeProto) -> None:
        """One more."""
        self._kept[id(node)] = self._doubtful[id(node)] = node
        for name in node.input:
            self._reading.setdefault(name, {})[id(node)] = node
        for name in node.output:
            self._making[name] = node

    def remove(self, node: NodeProto) -> None:
        """One less, if it is there."""
        if self._kept.pop(id(node), None) is None:
            return
        self._doubtful.pop(id(node), None)
        for name in node.input:
            self._part(node, name)

    def newest(self, count: int) -> list[NodeProto]:
        """The last nodes put in, in that order."""
        return list(islice(reversed(self._kept.values()), count))[::-1]

    def readers(self, name: str) -> list[Reader]:
        """Nodes that read a value, with the position of the input."""
        nodes = self._reading.get(name, {}).values()
        return [(node, i) for node in nodes for i, read in enumerate(node.input) if read == name]

    def newest_reader(self, name: str, op_type: str) -> NodeProto | None:
        """The last node of this operator that came to read a value."""
        found = reversed(self._reading.get(name, {}).values())
        return next((n for n in found if n.op_type == op_type and name in n.input), None)

    def rewire(self, node: NodeProto, slot: int, name: str) -> None:
        """Let a node read another value there, or one more."""
        old = node.input[slot] if slot < len(node.input) else name
        if slot == len(node.input):
            node.input.append(name)
        else:
            node.input[slot] = name
        if old not in node.input:
            self._part(node, old)
        self._reading.setdefault(name, {})[id(node)] = node

    def rename(self, node: NodeProto, old: str, new: str) -> None:
        """Let a node call what it gives otherwise."""
        node.output[list(node.output).index(old)] = new
        self._making[new] = node
        self._doubtful[id(node)] = node

    def give(self, node: NodeProto, names: Iterable[str]) -> None:
        """Let a node give these values, too."""
        for name in names:
            node.output.append(name)
            self._making[name] = node

    def drop_unread(self, lasting: frozenset[str]) -> None:
        """Take out nodes of which nobody reads anything and nothing is `lasting`.

        And then those that only they read.
        """
        while self._doubtful:
            _, node = self._doubtful.popitem()
            if not any(name in lasting or self._is_read(name) for name in node.output):
                self.remove(node)

    def _is_read(self, name: str) -> bool:
        return any(name in node.input for node in self._reading.get(name, {}).values())

    def _part(self, node: NodeProto, name: str) -> None:
        self._reading.get(name, {}).pop(id(node), None)
        maker = self._making.get(name)
        if maker is not None and id(maker) in self._kept:
            self._doubtful[id(maker)] = maker
