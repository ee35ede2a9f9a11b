"""The neutral graph in the middle: what a model computes, with no framework in it.

Front ends make a `Graph`; everything else reads it. It is flat: hierarchy is the paths of
its ops, repetition its blocks.

What a front end promises, per kind (the counters in `work/` read exactly this):

=============== =========================== =====================================================
kind            inputs, then weights        attrs
=============== =========================== =====================================================
conv            x; weight, bias?            kernel, stride, padding, dilation: tuples; groups: int
conv_transpose  x; weight, bias?            the same; the weight is (C_in, C_out / groups, *kernel)
linear          x; weight, bias?            the weight's `channel_axis` is its output axis
matmul          a, b (or all operands)      equation: str for an einsum, absent for a product a @ b;
                                            operands: every operand, weights among them, in order
attention       q, k, v, mask?; weights     causal: bool; heads: int, query_first: bool when it
                                            also projects (its weights are those projections);
                                            operands: q, k, v, mask where one of them is stored
recurrent       x, states...; weights       mode: "lstm" | "gru" | "rnn"; steps, batch, hidden,
                                            layers, directions: int; projection: int where the
                                            state is projected
embedding       indices; weight             -
norm            x; scale?, bias?, mean?...  statistics: bool (computed here, or stored)
pool            x                           kernel: tuple; mode: "max" | "avg"
movement        tensors                     free: bool (an alias: no byte moves);
                                            zeros: True where it puts zeros around its input
control         condition, tensors it hands inlined: True where the ops of its bodies stand in the
                on; weights it holds        graph too; else what it runs is not known
everything else tensors                     whatever helps a reader
=============== =========================== =====================================================

Any op may have `times`: how often it runs in one forward. The body of a loop stands in the graph
once; 0 is a branch not taken, `None` what nobody knows, and 1 is left out. Any op may have
`precision`: what it computes in where its file says so ("int8" in a file quantized already), or
`decoded`: its weight is kept in integers that are turned to floats on every run. A layer has
`biases`, how many, where what stands beside its weight is scales. `body` is True of what stands
in a branch or loop of a file, `inside` has the weights of an op that lie there or in a function.

`word` is the last word of the op's target in lower case ("relu", "layer_norm", "max_pool2d");
elementwise work is looked up by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import Any, Literal, get_args

Kind = Literal[
    "conv",
    "conv_transpose",
    "linear",
    "matmul",
    "attention",
    "recurrent",
    "embedding",
    "norm",
    "activation",
    "elementwise",
    "reduction",
    "softmax",
    "pool",
    "resize",
    "movement",
    "cast",
    "layout",
    "control",
    "unknown",
]
KINDS: tuple[str, ...] = get_args(Kind)

Role = Literal["input", "activation", "constant", "weight", "parameter", "buffer"]

DTYPE_BITS: Mapping[str, int] = MappingProxyType(
    {
        "complex128": 128,
        "complex64": 64,
        "float64": 64,
        "int64": 64,
        "uint64": 64,
        "float32": 32,
        "int32": 32,
        "uint32": 32,
        "float16": 16,
        "bfloat16": 16,
        "int16": 16,
        "uint16": 16,
        "float8": 8,
        "int8": 8,
        "uint8": 8,
        "bool": 8,
        "float6": 6,
        "float4": 4,
        "int4": 4,
        "uint4": 4,
        "int2": 2,
        "uint2": 2,
    }
)
FLOATING = frozenset({"float64", "float32", "float16", "bfloat16"})
"""Formats that options change; floats of 8 bits and fewer are quantized already."""
OWN_ATTRIBUTES = frozenset(
    {
        *("activation", "body", "decoded", "free", "inlined", "inside", "node", "part"),
        *("precision", "times"),
    }
)
"""Attributes that mean something here: one of a custom op's own gets an underscore, `times_`."""
_EMPTY: Mapping[str, Any] = MappingProxyType({})


def _empty() -> Mapping[str, Any]:
    return _EMPTY


@dataclass(frozen=True, slots=True)
class Storage:
    """How a tensor's elements are kept, where that is not what its dtype says."""

    bits: float
    density: float = 1.0
    overhead_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Tensor:
    """One value of the graph. `shape` is `None` where nothing is known of it.

    Roles: `weight` is a matrix or kernel that an option may compress, `parameter` any other
    trained tensor (bias, norm scale), `buffer` a stored tensor that is not trained (running
    statistics), `constant` a value fixed by the code.
    """

    name: str
    shape: tuple[int, ...] | None
    dtype: str = "float32"
    role: Role = "activation"
    channel_axis: int | None = None
    storage: Storage | None = None

    @property
    def size(self) -> int | None:
        """Elements, or `None` where the shape is unknown."""
        return None if self.shape is None else prod(self.shape)

    @property
    def nbytes(self) -> int | None:
        """Bytes as stored, or `None` where shape or dtype is unknown."""
        if self.size is None:
            return None
        if self.storage is not None:
            kept = self.size * self.storage.density * self.storage.bits / 8
            return int(kept) + self.storage.overhead_bytes
        bits = DTYPE_BITS.get(self.dtype)
        return None if bits is None else (self.size * bits + 7) // 8

    @property
    def floating(self) -> bool:
        """Whether its elements are floating-point numbers that may change precision."""
        return self.dtype in FLOATING


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the model's code. `file` is for the reader (never an absolute path).

    `place` says which file that is to `frontends.excerpts`, in this process alone.
    """

    file: str
    line: int
    place: int | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Op:
    """One operation. `kind` is ours, `target` is the framework's own name for it."""

    name: str
    kind: Kind
    target: str
    path: str = ""
    source: Source | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=_empty)

    @property
    def word(self) -> str:
        """The last word of the target: `add` of `torch.Tensor.add_` and `torch.Tensor.__add__`."""
        return self.target.rsplit(".", 1)[-1].strip("_").lower()

    @property
    def times(self) -> int | None:
        """How often it runs in one forward; `None` where that is unknown."""
        times: int | None = self.attrs.get("times", 1)
        return times

    @property
    def is_view(self) -> bool:
        """Whether it only looks at its input in another way, and no byte moves."""
        return self.kind == "movement" and bool(self.attrs.get("free"))


@dataclass(frozen=True, slots=True)
class Work:
    """What an op computes and moves; `None` is unknown, and stays unknown in a sum."""

    macs: int | None = 0
    flops: int | None = 0
    weight_bytes: int | None = 0
    read_bytes: int | None = 0
    write_bytes: int | None = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            _add(self.macs, other.macs),
            _add(self.flops, other.flops),
            _add(self.weight_bytes, other.weight_bytes),
            _add(self.read_bytes, other.read_bytes),
            _add(self.write_bytes, other.write_bytes),
        )

    def __mul__(self, times: int | None) -> Work:
        if times == 1:
            return self
        if times == 0:
            return Work()
        return Work(
            _times(self.macs, times),
            _times(self.flops, times),
            _times(self.weight_bytes, times),
            _times(self.read_bytes, times),
            _times(self.write_bytes, times),
        )


def _add(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b


def _times(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a * b


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the graph that repeats.

    `instances` are the paths of its repeats in order of execution, and `name` is all of them as
    one pattern (`encoder.layer.[0-11]`) where there is such a pattern. `ops` are the names of
    each instance's ops; the same place in two instances is the same operation, and costs the same.
    """

    name: str
    instances: tuple[str, ...]
    ops: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Graph:
    """A model as a list of ops in order of execution.

    `modules` maps a module path to its class name. `assumed` says in a sentence each thing
    about the inputs that was invented. `noise` counts the recorded calls that compute
    nothing, by name, so that calls in = ops + noise. `unused` names weights that exist and
    that this run never touched.
    """

    name: str
    framework: Literal["torch", "onnx"]
    ops: tuple[Op, ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    modules: Mapping[str, str] = field(default_factory=_empty)
    assumed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    noise: Mapping[str, int] = field(default_factory=_empty)
    unused: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """A short digest of names and shapes: the same model, whatever its weights' values."""
        digest = hashlib.sha256()
        for op in self.ops:
            shapes = [self.tensors[t].shape for t in (*op.inputs, *op.weights, *op.outputs)]
            digest.update(repr((op.name, op.kind, shapes)).encode())
        return digest.hexdigest()[:16]

    @cached_property
    def parameters(self) -> int:
        """Elements of the trained tensors that the model uses, each shared one once."""
        used = {name for op in self.ops for name in op.weights}
        sizes = (self.tensors[n].size for n in used if self.tensors[n].role != "buffer")
        return sum(size or 0 for size in sizes)


class UnsupportedModelError(ValueError):
    """The model or file cannot be read; the message says why and what to do."""
