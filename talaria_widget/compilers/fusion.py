"""Which ops a toolchain runs as one: removal of no-ops, folding of constants, fusion.

The patterns are those that ONNX Runtime, Core ML and TensorRT document in common: a
convolution takes the zeros put around its input; a convolution or matrix product takes the
normalisation, bias and activation behind it; matrix product, softmax, matrix product become
one attention; chains of elementwise ops become one pass over the data. Nothing fuses across a
value that someone else reads, nor into or out of a loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from talaria_widget.compilers.groups import LONGEST_CHAIN, Group, State, resolve, single_reader
from talaria_widget.compilers.integers import (
    integer_group,
    is_integer_product,
    is_plain,
    read_as_integers,
)
from talaria_widget.graph import Graph, Op
from talaria_widget.work.formulas import FORMULAS
from talaria_widget.work.words import WORDS

ANCHORS = frozenset({"conv", "conv_transpose", "linear", "matmul"})
POINTWISE = frozenset({"elementwise", "activation", "cast"})
CHAIN = POINTWISE | {"reduction"}
RANDOM = frozenset({"rand", "randn", "randint", "bernoulli", "dropout", "multinomial", "normal"})


@dataclass(frozen=True, slots=True)
class Fusion:
    """The groups in order of execution, and what was removed.

    `aliases` maps a tensor that is only a view to the tensor that holds its bytes;
    `constants` are the tensors known before the model runs.
    """

    groups: tuple[Group, ...]
    aliases: Mapping[str, str]
    constants: frozenset[str]
    removed: Mapping[str, int]


def fuse(graph: Graph) -> Fusion:
    """Group the ops of a graph into the tasks that a toolchain makes of them."""
    aliases, constants, removed, kept = settle(graph)
    readers = _readers(graph, kept, aliases)
    taken: set[int] = set()
    groups: list[Group] = []
    users = Counter(name for op in graph.ops for name in set(op.weights))
    outputs = set(resolve(graph.outputs, aliases)) | _leave_a_loop(graph, aliases)
    makers = {name: i for i, op in enumerate(graph.ops) for name in op.outputs}
    state = State(graph, aliases, constants, readers, outputs, users, makers)
    # An integer product takes what turns its sums back before anything else can.
    for i in sorted(kept, key=lambda k: not is_integer_product(graph.ops[k])):
        if i in taken:
            continue
        group = _grow(state, i, taken)
        taken.update(group.ops)
        groups.append(group)
    groups.sort(key=lambda g: g.ops[-1])
    return Fusion(tuple(groups), aliases, frozenset(constants), removed)


def _leave_a_loop(graph: Graph, aliases: Mapping[str, str]) -> set[str]:
    """Values that an op reads more or less often than they are made: nothing fuses across."""
    made = {name: op.times for op in graph.ops for name in op.outputs}
    return {
        name
        for op in graph.ops
        for name in resolve(op.inputs, aliases)
        if made.get(name, op.times) != op.times
    }


def settle(graph: Graph) -> tuple[dict[str, str], set[str], Counter[str], list[int]]:
    """Views become aliases; what depends on no input is computed before the model runs.

    Returns:
        The aliases, the constants, how many ops were removed by reason, and the ops kept.
    """
    aliases: dict[str, str] = {}
    constants = {n for n, t in graph.tensors.items() if t.role not in ("input", "activation")}
    removed: Counter[str] = Counter()
    kept: list[int] = []
    integer = read_as_integers(graph)
    scales: dict[str, tuple[str, ...]] = {}
    for i, op in enumerate(graph.ops):
        known = all(aliases.get(t, t) in constants for t in op.inputs)
        if known and op.kind not in ("control", "unknown", "embedding") and op.word not in RANDOM:
            constants.update(op.outputs)
            removed["constant"] += 1
        elif op.outputs and op.outputs[0] in integer:
            aliases[op.outputs[0]] = aliases.get(op.inputs[0], op.inputs[0])
            scales[aliases[op.outputs[0]]] = (*op.inputs[1:], *op.weights)
            removed[op.kind] += 1
        elif is_plain(op, aliases, scales) or (
            (op.is_view or _same_dtype_cast(graph, op)) and op.inputs
        ):
            for out in op.outputs:
                aliases[out] = aliases.get(op.inputs[0], op.inputs[0])
            removed[op.kind] += 1
        else:
            kept.append(i)
    return aliases, constants, removed, kept


def _same_dtype_cast(graph: Graph, op: Op) -> bool:
    if op.kind != "cast" or not op.inputs or not op.outputs:
        return False
    return graph.tensors[op.inputs[0]].dtype == graph.tensors[op.outputs[0]].dtype


def _readers(
    graph: Graph, kept: Sequence[int], aliases: Mapping[str, str]
) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for i in kept:
        for tensor in set(resolve(graph.ops[i].inputs, aliases)):
            found.setdefault(tensor, []).append(i)
    return {tensor: tuple(ops) for tensor, ops in found.items()}


def _grow(state: State, i: int, taken: set[int]) -> Group:
    op = state.graph.ops[i]
    if len(op.outputs) != 1:
        return Group((i,), op.kind)
    if op.attrs.get("precision"):
        return integer_group(state, i, taken)
    if op.kind == "matmul":
        attention = _attention(state, i, taken)
        if attention:
            return attention
    if op.attrs.get("zeros"):
        layer = single_reader(state, state.result(i), taken)
        if layer is not None and state.graph.ops[layer].kind == "conv":
            group = _grow(state, layer, taken)
            return Group((i, *group.ops), group.kind, group.folded, padded=True)
    if op.kind in ANCHORS:
        return _anchor(state, i, taken)
    if op.kind in CHAIN and not _stands_alone(op):
        ops, _ = _pointwise(state, [i], taken, CHAIN, external=True)
        kinds = {state.graph.ops[k].kind for k in ops}
        if len(ops) == 1:
            return Group((i,), op.kind)
        if kinds <= {"cast"}:
            return Group(tuple(ops), "cast")
        if "reduction" not in kinds:
            return Group(tuple(ops), "elementwise")
        return Group(tuple(ops), "norm" if _reads_twice(state, ops) else "reduction")
    return Group((i,), op.kind)


def _stands_alone(op: Op) -> bool:
    """Whether it has an algorithm of its own (a sort, a transform) rather than one pass."""
    return op.kind == "reduction" and (op.word in WORDS or op.target in FORMULAS)


def _reads_twice(state: State, ops: Sequence[int]) -> bool:
    """Whether a value is both reduced and used again, as every normalisation does."""
    seen = Counter(t for k in ops for t in set(state.inputs(state.graph.ops[k])))
    return any(n > 1 for n in seen.values())


def _anchor(state: State, i: int, taken: set[int]) -> Group:
    ops, folded = [i], []
    kind = state.graph.ops[i].kind
    after = single_reader(state, state.result(i), taken)
    if after is not None and _takes_norm(state, state.graph.ops[i]):
        norm = state.graph.ops[after]
        stored = norm.kind == "norm" and not norm.attrs.get("statistics", True)
        if stored and len(norm.outputs) == 1 and state.inputs(norm) == [state.result(i)]:
            ops.append(after)
            folded.append(after)
    ops, _ = _pointwise(state, ops, taken, POINTWISE - {"cast"}, external=False)
    return Group(tuple(ops), kind, tuple(folded))


def _takes_norm(state: State, op: Op) -> bool:
    """Whether a norm can vanish into an op's weight: the op's own, channel by channel.

    Behind a linear layer of three axes a norm runs over another axis than the layer's outputs.
    """
    tensors = state.graph.tensors
    mains = [name for name in op.weights if tensors[name].role == "weight"]
    if op.kind == "linear" and len(tensors[op.outputs[0]].shape or ()) != 2:
        return False
    return op.kind != "matmul" and len(mains) == 1 and state.users[mains[0]] == 1


def _pointwise(
    state: State, start: list[int], taken: set[int], kinds: frozenset[str], *, external: bool
) -> tuple[list[int], str]:
    """Extend a group by ops over its one live value, as long as one value leaves it.

    With `external`, an op may also read values from elsewhere (a residual).
    """
    graph = state.graph
    ops, live = list(start), {state.result(start[-1])}
    best, leaving = list(start), state.result(start[-1])
    while len(ops) < LONGEST_CHAIN + len(start):
        waiting = {r for t in live for r in state.readers.get(t, ()) if r not in ops}
        if not waiting or any(t in state.outputs for t in live):
            break
        step = min(waiting)
        op = graph.ops[step]
        if op.kind not in kinds or step in taken or len(op.outputs) != 1:
            break
        if op.attrs.get("precision") or _stands_alone(op):
            break
        inside = live | {state.result(k) for k in ops[len(start) :]}
        if not external and any(t not in inside for t in state.inputs(op)):
            break
        ops.append(step)
        live.add(state.result(step))
        live = {
            t
            for t in live
            if t in state.outputs or any(r not in ops for r in state.readers.get(t, ()))
        } or {state.result(step)}
        if live == {state.result(step)}:
            best, leaving = list(ops), state.result(step)
    return best, leaving


def _attention(state: State, i: int, taken: set[int]) -> Group | None:
    """Matrix product, scale and mask, softmax, matrix product: one attention."""
    graph, ops = state.graph, [i]
    for _ in range(6):
        after = single_reader(state, state.result(ops[-1]), taken)
        if after is None or len(graph.ops[after].outputs) != 1:
            return None
        ops.append(after)
        kind = graph.ops[after].kind
        if kind == "softmax":
            break
        if kind not in POINTWISE:
            return None
    else:
        return None
    for _ in range(3):
        after = single_reader(state, state.result(ops[-1]), taken)
        if after is None or len(graph.ops[after].outputs) != 1:
            return None
        ops.append(after)
        if graph.ops[after].kind == "matmul":
            first = state.inputs(graph.ops[after])
            return Group(tuple(ops), "attention") if first else None
        if graph.ops[after].kind not in POINTWISE:
            return None
    return None
