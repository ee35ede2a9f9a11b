"""Nodes and stored tensors as rules write them down, with one name each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from talaria_widget.rewrite.lower.dtypes import ONNX_TYPES

Input = torch.Tensor | str | None


class CannotLower(Exception):
    """Why something cannot be written as ONNX, as the end of a sentence."""


@dataclass(slots=True)
class Node:
    """A node being written; `op` is the op of the graph that it belongs to, if one is known."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attributes: Mapping[str, Any]
    domain: str
    op: str | None


class Emit:
    """What rules write with.

    `read` gives the present name of a meta tensor, `known` its real values where they do not
    depend on inputs or parameters, `root` the tensor that one is a view of.
    """

    def __init__(
        self,
        read: Callable[[torch.Tensor], str],
        known: Callable[[torch.Tensor], torch.Tensor | None],
        root: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        self.nodes: list[Node] = []
        self.stored: dict[str, torch.Tensor] = {}
        self.renamed: dict[str, str] = {}
        self.notes: dict[str, None] = {}
        self.value, self.known, self.root = read, known, root
        self._op: str | None = None
        self._prefix = ""
        self._taken: dict[str, int] = {}
        self._constants: dict[Any, str] = {}

    def begin(self, op: str | None, prefix: str) -> int:
        """Say whose nodes come next; returns how many there are already."""
        self._op, self._prefix = op, prefix
        return len(self.nodes)

    def fresh(self, name: str) -> str:
        """This name, or the first of `name#2`, `name#3` ... that is free."""
        count = self._taken.get(name, 0) + 1
        self._taken[name] = count
        if count == 1:
            return name
        return self.fresh(f"{name}#{count}")

    def is_taken(self, name: str) -> bool:
        """Whether a value has this name."""
        return name in self._taken

    def op(
        self, kind: str, *inputs: Input, domain: str = "", prefix: str = "", **attributes: Any
    ) -> str:
        """Write a node of one output; returns the output's name."""
        return self.ops(kind, 1, *inputs, domain=domain, prefix=prefix, **attributes)[0]

    def ops(
        self,
        kind: str,
        count: int,
        *inputs: Input,
        domain: str = "",
        prefix: str = "",
        **attributes: Any,
    ) -> tuple[str, ...]:
        """Write a node of several outputs; returns their names."""
        names = [self.name(given) for given in inputs]
        while names and not names[-1]:
            names.pop()
        base = f"{prefix or self._prefix}/{kind}"
        outputs = [self.fresh(base) for _ in range(count)]
        self.nodes.append(Node(kind, names, outputs, attributes, domain, self._op))
        return tuple(outputs)

    def name(self, given: Input) -> str:
        """The name of an operand; of nothing, the empty one."""
        if given is None:
            return ""
        return given if isinstance(given, str) else self.value(given)

    def store(self, tensor: torch.Tensor, name: str) -> str:
        """Keep a tensor under a name, or one like it; returns the name it got."""
        name = self.fresh(name)
        self.stored[name] = tensor
        return name

    def constant(self, values: NDArray[Any] | torch.Tensor) -> str:
        """A stored tensor of these values; equal small ones are stored once."""
        tensor = torch.from_numpy(np.array(values)) if isinstance(values, np.ndarray) else values
        tensor = tensor.detach().cpu().contiguous()
        if tensor.numel() > 64:
            return self.store(tensor, "constant")
        key = (tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes())
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.store(tensor, "constant")
        return found

    def ints(self, values: Sequence[int]) -> str:
        """A stored vector of int64."""
        key = tuple(values)
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.constant(np.array(key, np.int64))
        return found

    def scalar(self, value: float | bool, dtype: torch.dtype) -> str:
        """A stored number."""
        key = (dtype, type(value), value)
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.constant(torch.tensor(value, dtype=dtype))
        return found

    def cast(self, given: torch.Tensor, dtype: torch.dtype) -> str:
        """A tensor as another type."""
        return self.name(given) if given.dtype is dtype else self.as_type(given, dtype)

    def as_type(self, given: Input, dtype: torch.dtype) -> str:
        """A value as another type, whatever it is."""
        return self.op("Cast", given, to=onnx_type(dtype))

    def operand(self, given: torch.Tensor | float, dtype: torch.dtype) -> str:
        """A tensor or a number, as this type."""
        if isinstance(given, torch.Tensor):
            return self.cast(given, dtype)
        return self.scalar(given, dtype)

    def reshape(self, given: Input, shape: Sequence[int]) -> str:
        """A value in another shape."""
        zero: dict[str, Any] = {"allowzero": 1} if 0 in shape else {}
        return self.op("Reshape", given, self.ints(shape), **zero)

    def note(self, sentence: str) -> None:
        """Keep a sentence about what was written; each once."""
        self.notes[sentence] = None

    def rename(self, name: str, wanted: str, since: int) -> None:
        """Let a value that a node since `since` made bear a name, if that is free."""
        if wanted == name or wanted in self._taken or name in self.renamed:
            return
        for node in reversed(self.nodes[since:]):
            if name in node.outputs:
                self._taken[wanted] = 1
                self.renamed[name] = wanted
                return


def onnx_type(dtype: torch.dtype) -> int:
    """ONNX's number for a type.

    Raises:
        CannotLower: ONNX Runtime computes nothing in it.
    """
    found = ONNX_TYPES.get(dtype)
    if found is None:
        raise CannotLower(f"ONNX Runtime does not compute in {str(dtype).removeprefix('torch.')}")
    return found
