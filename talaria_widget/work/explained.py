"""The count of an op as a sum of products that a reader can follow, in an explicit table.

What is said is held against what `count` says of the op: where the two differ, or where there
is no row for the kind, nothing is said, and the number stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType

from talaria_widget.graph import Graph, Op, Work
from talaria_widget.work import count
from talaria_widget.work.attention import operands_of, parts_of, per_score
from talaria_widget.work.conv import kernel_of
from talaria_widget.work.recurrent import GATES, layer_widths
from talaria_widget.work.reduction import REDUCTION
from talaria_widget.work.shapes import input_size, is_complex, output_size, shape

TIMES = " × "


@dataclass(frozen=True, slots=True)
class Factor:
    """Sizes that are multiplied, and what they are: the three numbers of `outputs`."""

    label: str
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        shown = [size for size in self.sizes if size != 1] or [1]
        return TIMES.join(map(str, shown))


@dataclass(frozen=True, slots=True)
class Term:
    """A product of factors, divided by `groups` where those share the channels."""

    factors: tuple[Factor, ...]
    groups: int = 1
    minus: bool = False

    @property
    def value(self) -> int:
        """The number that it comes to."""
        whole = prod(prod(factor.sizes) for factor in self.factors) // self.groups
        return -whole if self.minus else whole

    @property
    def words(self) -> str:
        """What its factors are."""
        divided = " / groups" if self.groups > 1 else ""
        return TIMES.join(factor.label for factor in self.factors) + divided

    def __str__(self) -> str:
        divided = f" / {self.groups}" if self.groups > 1 else ""
        return TIMES.join(map(str, self.factors)) + divided


@dataclass(frozen=True, slots=True)
class Formula:
    """A sum of products."""

    terms: tuple[Term, ...]

    @property
    def value(self) -> int:
        """The number that it comes to."""
        return sum(term.value for term in self.terms)

    @property
    def words(self) -> str:
        """What is multiplied and added; terms of the same words are said once."""
        return self._joined([term.words for term in self.terms], once=True)

    def __str__(self) -> str:
        return self._joined([str(term) for term in self.terms])

    def _joined(self, said: list[str], once: bool = False) -> str:
        signs = [" − " if term.minus else " + " for term in self.terms]
        text, seen = "", set()
        for sign, part in zip(signs, said, strict=True):
            if not (once and part in seen):
                text += (sign if text else "") + part
            seen.add(part)
        return text


@dataclass(frozen=True, slots=True)
class Explained:
    """What an op counts for: `macs`, and the FLOPs `beside` two of each; `None` is not said."""

    work: Work
    macs: Formula | None
    beside: Formula | None


Terms = tuple[Term, ...]
Explain = Callable[[Graph, Op], Terms]


def _term(*factors: tuple[str, tuple[int, ...]], groups: int = 1, minus: bool = False) -> Term:
    return Term(tuple(Factor(*factor) for factor in factors), groups, minus)


def _outputs(graph: Graph, op: Op) -> tuple[str, tuple[int, ...]]:
    return "outputs", shape(graph, op.outputs[0])


# --------------------------------------------------------------------------- multiply-adds


def _conv(graph: Graph, op: Op) -> Terms:
    """The weight is (C_out, C_in / groups, *kernel)."""
    kernel, groups = kernel_of(graph, op), op.attrs.get("groups", 1)
    channels = ("input channels", (kernel[1] * groups,))
    return (_term(_outputs(graph, op), channels, ("kernel", kernel[2:]), groups=groups),)


def _conv_transpose(graph: Graph, op: Op) -> Terms:
    """The weight is (C_in, C_out / groups, *kernel)."""
    kernel, groups = kernel_of(graph, op), op.attrs.get("groups", 1)
    image = shape(graph, op.inputs[0] if op.inputs else op.weights[-1])
    channels = ("output channels", (kernel[1] * groups,))
    return (_term(("inputs", image), channels, ("kernel", kernel[2:]), groups=groups),)


def _contracted(graph: Graph, op: Op) -> Terms:
    """Every output of a product is a sum of as many; how many follows from the count."""
    outputs = output_size(graph, op)
    reals = 4 if is_complex(graph, op.outputs) else 1
    length, left = divmod(_once(graph, op).macs or 0, outputs * reals)
    if left or not length:
        raise LookupError(f"the outputs of {op.name} are not sums of equal length")
    label = "input features" if op.kind == "linear" else "summed length"
    return (_term(_outputs(graph, op), (label, (length,))),)


def _attention(graph: Graph, op: Op) -> Terms:
    if op.weights and "query_first" in op.attrs:
        tokens, widths, inner, pairs, out = parts_of(graph, op)
        projected = [
            _term(("tokens", (n,)), ("width", (width,)), ("inner width", (inner,)))
            for n, width in zip(tokens, widths, strict=True)
        ]
        products = _term(("both products", (2,)), ("queries × keys", pairs), ("width", (inner,)))
        last = [_term(("tokens", (tokens[0],)), ("output projection", out))] if out else []
        return (*projected, products, *last)
    q, k = (shape(graph, name) for name in operands_of(op)[:2])
    result = shape(graph, op.outputs[0])
    queries = result[:-1] if len(result) == len(q) else q[:-1]
    keys = op.attrs.get("keys") or k[-2]
    width = ("width of query and value", (q[-1] + result[-1],))
    return (_term(("queries", queries), ("keys", (keys,)), width),)


def _recurrent(graph: Graph, op: Op) -> Terms:
    attrs = op.attrs
    steps = ("steps", (attrs["steps"],))
    rows = (steps, ("batch", (attrs["batch"],)), ("directions", (attrs["directions"],)))
    hidden, projection = ("hidden", (attrs["hidden"],)), attrs.get("projection") or 0
    state = projection or attrs["hidden"]
    gates = ("gates", (GATES[attrs["mode"]],))
    terms = [
        _term(*rows, gates, hidden, ("input and state", (width + state,)))
        for width in layer_widths(graph, op)
    ]
    if projection:
        terms += [_term(*rows, hidden, ("projection", (projection,)))] * attrs["layers"]
    return tuple(terms)


MACS: Mapping[str, Explain] = MappingProxyType(
    {
        "conv": _conv,
        "conv_transpose": _conv_transpose,
        "linear": _contracted,
        "matmul": _contracted,
        "attention": _attention,
        "recurrent": _recurrent,
    }
)
"""The multiply-adds of one run, by kind."""


# --------------------------------------------------------------------- operations beside them


def _each(graph: Graph, op: Op) -> Terms:
    """As many operations for every output; how many follows from the count."""
    rate, left = divmod(_beside(_once(graph, op)), output_size(graph, op))
    if left or not rate:
        raise LookupError(f"the outputs of {op.name} do not cost the same")
    return (_term(_outputs(graph, op), ("operations each", (rate,))),)


def _pool(graph: Graph, op: Op) -> Terms:
    kernel, mode = op.attrs.get("kernel"), op.attrs["mode"]
    outputs, inputs = _outputs(graph, op), ("inputs", shape(graph, op.inputs[0]))
    if not kernel or op.word.startswith("adaptive"):
        used = _term(inputs)
        return (used, replace(_term(outputs), minus=True)) if mode == "max" else (used,)
    window = prod(kernel)
    if mode == "max":
        return (_term(outputs, ("window less one", (window - 1,))),)
    return (_term(outputs, ("window", tuple(kernel))),)


def _reduction(graph: Graph, op: Op) -> Terms:
    per_input, per_output = REDUCTION[op.word]
    read = _term(("inputs", (input_size(graph, op),)), ("operations each", (per_input,)))
    if not per_output:
        return (read,)
    given = (_outputs(graph, op), ("operations each", (abs(per_output),)))
    return (read, _term(*given, minus=per_output < 0))


def _scores(graph: Graph, op: Op) -> Terms:
    if op.weights and "query_first" in op.attrs:
        return _each(graph, op)
    q, k = (shape(graph, name) for name in operands_of(op)[:2])
    result = shape(graph, op.outputs[0])
    queries = result[:-1] if len(result) == len(q) else q[:-1]
    heads = op.attrs.get("heads", 1) if len(q) < 4 else 1
    keys = ("keys", (op.attrs.get("keys") or k[-2],))
    return (
        _term(("queries", (*queries, heads)), keys, ("operations per score", (per_score(op),))),
    )


def _steps(graph: Graph, op: Op) -> Terms:
    """Biases and what the gates do: as many operations in every step."""
    rows = op.attrs["steps"] * op.attrs["batch"]
    each, left = divmod(_beside(_once(graph, op)), rows)
    if left:
        raise LookupError(f"the steps of {op.name} do not cost the same")
    counted = (("steps", (op.attrs["steps"],)), ("batch", (op.attrs["batch"],)))
    return (_term(*counted, ("operations each", (each,))),)


def _biases(graph: Graph, op: Op) -> Terms:
    rate, left = divmod(_beside(_once(graph, op)), output_size(graph, op))
    if left or not rate:
        raise LookupError(f"{op.name} adds nothing to every output")
    added = "operations each" if "activation" in op.attrs else "biases"
    return (_term(_outputs(graph, op), (added, (rate,))),)


BESIDE: Mapping[str, Explain] = MappingProxyType(
    {
        **dict.fromkeys(("conv", "conv_transpose", "linear", "matmul"), _biases),
        **dict.fromkeys(("norm", "activation", "elementwise", "softmax", "cast", "resize"), _each),
        "attention": _scores,
        "recurrent": _steps,
        "pool": _pool,
        "reduction": _reduction,
    }
)
"""The FLOPs beside two per multiply-add of one run, by kind."""


def explain(graph: Graph, op: Op) -> Explained:
    """What an op counts for, and how that comes about.

    Example:
        >>> from talaria_widget.graph import Tensor
        >>> tensors = {"x": Tensor("x", (1, 4)), "w": Tensor("w", (3, 4)), "y": Tensor("y", (1, 3))}
        >>> op = Op("fc", "linear", "linear", inputs=("x",), outputs=("y",), weights=("w",))
        >>> found = explain(Graph("g", "torch", (op,), tensors, ("x",), ("y",)), op)
        >>> found.macs.words, str(found.macs), found.macs.value
        ('outputs × input features', '3 × 4', 12)
    """
    work = count(graph, op)
    if work.macs is None or work.flops is None:
        return Explained(work, None, None)
    macs = _checked(MACS, graph, op, work.macs)
    return Explained(work, macs, _checked(BESIDE, graph, op, _beside(work)))


def _checked(table: Mapping[str, Explain], graph: Graph, op: Op, wanted: int) -> Formula | None:
    """The formula of a table, as often as the op runs, if it comes to what was counted."""
    if not wanted or op.kind not in table:
        return None
    try:
        terms = table[op.kind](graph, op)
    except LookupError:
        return None
    more = [Factor("runs", (op.times,))] if op.times and op.times > 1 else []
    if is_complex(graph, op.outputs) and table is MACS:
        more.append(Factor("real products", (4,)))
    found = Formula(tuple(replace(t, factors=(*more, *t.factors)) for t in terms))
    return found if found.value == wanted else None


def _beside(work: Work) -> int:
    return (work.flops or 0) - 2 * (work.macs or 0)


def _once(graph: Graph, op: Op) -> Work:
    """The work of one run."""
    if op.times in (1, None):
        return count(graph, op)
    return count(graph, replace(op, attrs={**op.attrs, "times": 1}))
