"""Ops in 8-bit integers as one task: with what quantizes around them and turns their sums back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from talaria_widget.compilers.groups import LONGEST_CHAIN, Group, State, single_reader
from talaria_widget.graph import Graph, Op

LIMITS = frozenset({"relu", "clip"})
# What turns an integer product's 32-bit sums back into numbers (MatMulInteger, Cast, Mul, Add).
RESCALING = frozenset({"cast", "mul", "add"})


def read_as_integers(graph: Graph) -> set[str]:
    """What a DequantizeLinear makes of bytes and only ops in 8-bit integers read: never made."""
    made = {op.outputs[0] for op in graph.ops if op.word == "dequantizelinear" and op.outputs}
    floats = {t for op in graph.ops if not op.attrs.get("precision") for t in op.inputs}
    return made - floats - set(graph.outputs)


def is_plain(op: Op, aliases: Mapping[str, str], scales: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether a QuantizeLinear gives back the bytes that a view has been taken of."""
    if op.word != "quantizelinear" or op.inputs[0] not in aliases:
        return False
    return scales.get(aliases[op.inputs[0]]) == (*op.inputs[1:], *op.weights)


def is_integer_product(op: Op) -> bool:
    """Whether an op is a matrix product in 8-bit integers."""
    return bool(op.attrs.get("precision")) and op.kind in ("linear", "matmul")


def integer_group(state: State, i: int, taken: set[int]) -> Group:
    """An op in 8-bit integers: its limits, what turns its sums back, its QuantizeLinear."""
    graph, ops = state.graph, [i]
    kind = graph.ops[i].kind
    for _ in range(LONGEST_CHAIN):
        step = single_reader(state, state.result(ops[-1]), taken)
        after = None if step is None else graph.ops[step]
        if step is None or after is None or len(after.outputs) != 1:
            break
        ending = after.word == "quantizelinear"
        rescales = is_integer_product(graph.ops[i]) and after.word in RESCALING
        others = [t for t in state.inputs(after) if t != state.result(ops[-1])]
        single = all(graph.tensors[t].size == 1 for t in others)
        if not ending and after.word not in LIMITS and not (rescales and single):
            break
        if "precision" in after.attrs:
            break
        ops += [m for t in others if (m := _lone_maker(state, t, taken)) is not None]
        ops.append(step)
        if ending:
            break
    before = state.makers.get(graph.ops[i].inputs[0]) if graph.ops[i].inputs else None
    if before is not None and _is_own_quantizer(state, before, ops, taken):
        ops.insert(1, before)
    return Group(tuple(ops), kind)


def _is_own_quantizer(state: State, i: int, ops: Sequence[int], taken: set[int]) -> bool:
    """Whether an op quantizes, as it runs, what only these ops read (DynamicQuantizeMatMul)."""
    op = state.graph.ops[i]
    if op.word != "dynamicquantizelinear" or i in taken or len(ops) < 2:
        return False
    readers = {r for name in op.outputs for r in state.readers.get(name, ())}
    return readers <= set(ops) and not state.outputs.intersection(op.outputs)


def _lone_maker(state: State, tensor: str, taken: set[int]) -> int | None:
    """The op that multiplies two scales for one reader."""
    found = state.makers.get(tensor)
    if found is None or found in taken or single_reader(state, tensor, taken) is None:
        return None
    return found if state.graph.ops[found].word == "mul" else None
