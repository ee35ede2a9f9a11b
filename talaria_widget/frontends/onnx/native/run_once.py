"""Fill the holes that shape inference leaves by running what leads to them once, in the child.

Only shapes, conditions and trip counts come back. Inputs are the user's arrays, else noise for
floats and zeros for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from talaria_widget.frontends.onnx.inputs import Bound
from talaria_widget.frontends.onnx.layout.external import fault, tensors
from talaria_widget.frontends.onnx.layout.flat import Flat, label_of
from talaria_widget.frontends.onnx.layout.names import quoted
from talaria_widget.frontends.onnx.layout.order import reads
from talaria_widget.frontends.onnx.layout.relabel import relabelled
from talaria_widget.frontends.onnx.layout.steps import Choice, Loop, Step
from talaria_widget.frontends.onnx.native import worker
from talaria_widget.frontends.onnx.native.skeleton import opsets
from talaria_widget.frontends.onnx.shapes.follow import decide
from talaria_widget.frontends.onnx.shapes.known import Known, is_hole
from talaria_widget.frontends.onnx.types import dtype_name
from talaria_widget.graph import DTYPE_BITS

LARGEST_BYTES = 500_000_000
"""Stored bytes above which nothing is run."""
_RUNNABLE = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_FEEDABLE = frozenset(name for name, bits in DTYPE_BITS.items() if bits >= 8) - {
    "bfloat16",
    "float8",
}
_COUNTER = "talaria:run"


@dataclass(slots=True)
class _Plan:
    """What is run, and what is asked of it: shapes, conditions of Ifs, lengths of Loops."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    conditions: dict[str, None] = field(default_factory=dict)
    lengths: dict[str, Loop] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)


def run_once(
    model: onnx.ModelProto, flat: Flat, known: Known, bound: Bound, folder: str | None
) -> bool:
    """Run what leads to the holes once, and learn from it.

    Returns:
        Whether another run may teach more.
    """
    plan = _plan(flat, known, decides=set(bound.shapes) <= set(bound.arrays))
    _prune(plan, bound)
    if not plan.wanted:
        return False
    proto = _assemble(model, flat, bound, plan)
    feeds = _feeds(proto, bound)
    if feeds is None:
        return False
    stored = [flat.stored[tensor.name] for tensor in proto.graph.initializer]
    why = _refusal([*stored, *tensors(proto)], folder)
    if why is not None:
        known.note(f"not run to fill {len(plan.wanted)} holes: {why}")
        return False
    _fill(proto, flat)
    answer = worker.ask(
        "run",
        [proto.SerializeToString(), *(array.tobytes() for array in feeds.values())],
        folder=folder or "",
        wanted=plan.wanted,
        feeds=[
            {"name": name, "dtype": str(array.dtype), "shape": array.shape}
            for name, array in feeds.items()
        ],
    )
    if "error" in answer:
        known.note(f"running it once to fill holes failed: {answer['error']}")
        return False
    invented = [name for name in feeds if name not in bound.arrays]
    return _learn(known, plan, answer, invented)


def _plan(flat: Flat, known: Known, decides: bool) -> _Plan:
    """All that stands outside loops, loops whole; and what is not known of it.

    On inputs that were all given (`decides`) an If whose branch is not known runs whole too.
    """
    plan = _Plan()
    for step in flat.steps:
        if step.context.in_loop or step.context.times != 1:
            continue
        detail = step.detail
        if isinstance(detail, Choice):
            _plan_choice(plan, known, step, detail, decides)
        elif isinstance(detail, Loop):
            if step.role == "enter":
                _plan_loop(plan, known, step, detail)
        else:
            plan.nodes.append(step.node)
            _ask(plan, known, step.node.output)
    if plan.conditions:
        # Once the branches are known most shapes can be inferred.
        plan.wanted = [*plan.conditions, *plan.lengths]
    return plan


def _ask(plan: _Plan, known: Known, names: Any) -> None:
    plan.wanted += [name for name in names if is_hole(known, name)]


def _plan_choice(plan: _Plan, known: Known, step: Step, choice: Choice, decides: bool) -> None:
    if choice.taken is None and decides:
        plan.conditions[choice.condition] = None
        plan.nodes.append(relabelled(choice.original, step.context))
        return
    if choice.taken is None:
        plan.missing.update(step.node.output)
        return
    pairs = zip(step.node.output, choice.taken.outputs, strict=False)
    plan.nodes += [
        onnx.NodeProto(op_type="Identity", input=[source], output=[output])
        for output, source in pairs
        if output
    ]


def _plan_loop(plan: _Plan, known: Known, step: Step, loop: Loop) -> None:
    """The node as it was, with one output more: a number per run of its body."""
    node = relabelled(loop.original, step.context)
    _ask(plan, known, node.output)
    if loop.repeat.count is None and node.op_type == "Loop":
        body = next(a.g for a in node.attribute if a.name == "body")
        counter = f"{label_of(loop.original)}/{_COUNTER}"
        body.node.add(op_type="Identity", input=[body.input[0].name], output=[f"{counter}:body"])
        body.output.add(name=f"{counter}:body").type.tensor_type.elem_type = onnx.TensorProto.INT64
        missing = len(body.output) - 2 - len(node.output)
        node.output.extend(f"{counter}:{i}" for i in range(missing))
        node.output.append(counter)
        plan.lengths[counter] = loop
        plan.wanted.append(counter)
    plan.nodes.append(node)


def _prune(plan: _Plan, bound: Bound) -> None:
    """Only what leads to what is wanted; and want nothing that no runtime can run."""
    tainted = set(plan.missing)
    for node in plan.nodes:
        if node.domain not in _RUNNABLE or any(name in tainted for name in reads(node)):
            tainted.update(node.output)
    plan.wanted = [name for name in dict.fromkeys(plan.wanted) if name not in tainted]
    needed = set(plan.wanted)
    kept = []
    for node in reversed(plan.nodes):
        if any(name in needed for name in node.output):
            kept.append(node)
            needed.update(reads(node))
    plan.nodes = kept[::-1]
    made = {name for node in plan.nodes for name in node.output} | set(bound.shapes)
    plan.wanted = [name for name in plan.wanted if name in made]


def _assemble(model: onnx.ModelProto, flat: Flat, bound: Bound, plan: _Plan) -> onnx.ModelProto:
    """A model of the planned nodes; its stored tensors have names and no data yet."""
    proto = onnx.ModelProto(ir_version=min(max(8, model.ir_version), 10))
    proto.opset_import.extend(opsets(model))
    proto.functions.extend(model.functions)
    graph = proto.graph
    graph.name = "once"
    graph.node.extend(plan.nodes)
    used = {name for node in plan.nodes for name in reads(node)} | set(plan.wanted)
    for value in model.graph.input:
        if value.name in used and value.name in bound.shapes:
            graph.input.append(value)
    graph.initializer.extend(onnx.TensorProto(name=n) for n in flat.stored if n in used)
    graph.sparse_initializer.extend(s for n, s in flat.sparse.items() if n in used)
    inputs = {value.name for value in graph.input}
    graph.output.extend(onnx.ValueInfoProto(name=n) for n in plan.wanted if n not in inputs)
    plan.wanted = [name for name in plan.wanted if name not in inputs]
    return proto


def _fill(proto: onnx.ModelProto, flat: Flat) -> None:
    """Give the stored tensors their data."""
    for tensor in proto.graph.initializer:
        name = tensor.name
        tensor.CopyFrom(flat.stored[name])
        tensor.name = name


def _refusal(stored: list[onnx.TensorProto], folder: str | None) -> str | None:
    """Why the model may not be run; `None` where it may."""
    total = sum(_nbytes(tensor) or 0 for tensor in stored)
    if total > LARGEST_BYTES:
        return f"it stores {total:,} bytes"
    for tensor in stored:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        if folder is None:
            return "its data is not in the file"
        why = fault(tensor, Path(folder), _nbytes(tensor))
        if why is not None:
            return f"the data of {quoted(tensor.name)} {why}"
    return None


def _nbytes(tensor: onnx.TensorProto) -> int | None:
    bits = DTYPE_BITS.get(dtype_name(tensor.data_type))
    return None if bits is None else (prod(tensor.dims) * bits + 7) // 8


def _feeds(proto: onnx.ModelProto, bound: Bound) -> dict[str, np.ndarray[Any, Any]] | None:
    """An array for each input; `None` where one cannot be made up."""
    random = np.random.default_rng(0)
    feeds: dict[str, np.ndarray[Any, Any]] = {}
    for name in (value.name for value in proto.graph.input):
        shape, dtype = bound.shapes[name], bound.dtypes[name]
        if name in bound.arrays:
            feeds[name] = np.ascontiguousarray(bound.arrays[name]).reshape(shape or ())
        elif shape is None or dtype not in _FEEDABLE or prod(shape) > LARGEST_BYTES // 8:
            return None
        elif dtype.startswith("float"):
            feeds[name] = random.random(shape).astype(dtype)
        else:
            feeds[name] = np.zeros(shape, dtype)
    return feeds


def _learn(known: Known, plan: _Plan, answer: worker.Answer, invented: list[str]) -> bool:
    """Enter what the run taught, and say so."""
    before = len(known.shapes)
    for name, (dtype, shape) in answer["shapes"].items():
        if name in plan.lengths:
            if shape[0] or not invented:  # no round on invented inputs says nothing
                plan.lengths[name].repeat.count = shape[0]
            continue
        if name in plan.conditions and name in known.shapes:
            continue
        known.shapes.setdefault(name, tuple(shape))
        known.dtypes[name] = dtype
    filled = len(known.shapes) - before
    where = "on invented inputs" if invented else "on the inputs given"
    if filled:
        known.note(f"sizes that depend on data are those of one run {where} ({filled} tensors)")
    for loop in plan.lengths.values():
        if loop.repeat.count is not None:
            label = label_of(loop.original)
            known.note(f"Loop {quoted(label)} ran {loop.repeat.count} times in one run {where}")
    return not invented and _decide(known, answer)


def _decide(known: Known, answer: worker.Answer) -> bool:
    """Take the branches that were taken."""
    truths = {name: bool(truth) for name, truth in answer["values"].items()}
    steps: list[Step] = []
    decided = False
    for step in known.steps:
        choice = step.detail
        if isinstance(choice, Choice) and choice.taken is None and choice.condition in truths:
            steps += decide(known, step, choice, truths[choice.condition], "run")
            decided = True
        else:
            steps.append(step)
    known.steps = steps
    return decided
