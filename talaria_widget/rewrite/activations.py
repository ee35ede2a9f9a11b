"""Static quantization of activations: which tensors, and the nodes that do it.

A convolution's input and output are quantized, after the Relu or Clip that ONNX Runtime folds
into the integer kernel; of a matrix product only the input, since that kernel returns floats.
What comes out integer stays so through the operators of `glue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto

from talaria_widget.rewrite.assumed import Range
from talaria_widget.rewrite.draft import Draft, linear_domain
from talaria_widget.rewrite.glue import BOUNDED, CONSTANTS, as_sum, integer_values, is_number
from talaria_widget.rewrite.integers import activation_scale
from talaria_widget.rewrite.links import Reader

CLIP_INPUTS_OPSET = 11
SHIELDED = frozenset({"MaxPool", "Softmax"})


@dataclass(frozen=True, slots=True)
class Plan:
    """Which values are quantized: `layers` read them so, and `integer` are so for every reader.

    `integer` has, for each, the value whose scale it shares.
    """

    layers: tuple[NodeProto, ...]
    integer: Mapping[str, str]

    @property
    def tensors(self) -> list[str]:
        """All of them."""
        return list(dict.fromkeys([n.input[0] for n in self.layers]) | dict.fromkeys(self.integer))

    @property
    def unknown(self) -> list[str]:
        """Those whose ranges have to be found: of the rest they follow."""
        return list(dict.fromkeys(self.integer.get(name, name) for name in self.tensors))


def plan(draft: Draft, layers: Iterable[NodeProto]) -> Plan:
    """What to quantize for these layers; operators between them get integer forms."""
    found = list({id(node): node for node in layers}.values())
    return Plan(tuple(found), integer_values(draft, found) if found else {})


@dataclass(frozen=True, slots=True)
class Stored:
    """Scale and zero point of a value, and the tensors that hold them to write and to read it."""

    scale: np.float32
    zero: np.uint8
    write: tuple[str, str]
    read: tuple[str, str]


def quantize_activations(
    draft: Draft, plan: Plan, ranges: Mapping[str, Range]
) -> dict[str, np.float32]:
    """Put quantize and dequantize nodes around the layers; returns the scale of each tensor."""
    producers = draft.producers()
    inside = {id(node) for node in plan.layers}
    computing = _computing(plan, producers)
    scales: dict[str, np.float32] = {}
    kept: dict[str, Stored] = {}
    for tensor in plan.tensors:
        whole, maker = tensor in plan.integer, producers.get(tensor)
        root = plan.integer.get(tensor, tensor)
        if root not in kept:
            kept[root] = _store_steps(draft, root, producers.get(root), plan, ranges)
        scales[tensor] = kept[root].scale
        readers = [
            (node, slot)
            for node, slot in draft.readers(tensor)
            if whole or (id(node) in inside and slot == 0)
        ]
        source = tensor
        if not whole and maker is not None and maker.op_type in SHIELDED:
            source = _shield(draft, tensor, maker.op_type, kept[root])
        _insert(draft, source, tensor, kept[root], readers, maker, whole)
    for node in computing:
        _store_numbers(draft, node)
    return scales


def _store_steps(
    draft: Draft, root: str, maker: NodeProto | None, plan: Plan, ranges: Mapping[str, Range]
) -> Stored:
    made = maker is not None and root in plan.integer
    bounds = BOUNDED.get(maker.op_type) if made and maker is not None else None
    scale, zero = activation_scale(*(bounds or ranges[root]))
    wide = None
    if made and maker is not None and maker.op_type == "HardSigmoid":
        wide = as_sum(draft, maker)
    zero_name = draft.store(f"{root}_zero_point", np.asarray(zero))
    if wide is None:
        pair = (draft.store(f"{root}_scale", np.asarray(scale)), zero_name)
        return Stored(scale, zero, pair, pair)
    write = draft.store(f"{root}_wide_scale", np.asarray(wide[0]))
    read = draft.store(f"{root}_scale", np.asarray(wide[1]))
    return Stored(wide[1], zero, (write, zero_name), (read, zero_name))


def _computing(plan: Plan, producers: Mapping[str, NodeProto]) -> list[NodeProto]:
    """The nodes without weights that compute in integers and may take numbers."""
    makers = [producers[name] for name in plan.integer if name in producers]
    before = [producers.get(n.input[0]) for n in makers if n.op_type in ("Relu", "Clip")]
    found = {id(n): n for n in (*makers, *before) if n is not None}
    return [n for n in found.values() if n.op_type in CONSTANTS or n.op_type == "HardSigmoid"]


def _store_numbers(draft: Draft, node: NodeProto) -> None:
    """The number beside an integer: an integer too, else the kernel computes in floats."""
    if node.op_type not in CONSTANTS:
        return
    for slot, name in enumerate(node.input):
        if not is_number(draft, name):
            continue
        value = draft.array(name).astype(np.float32)
        scale, zero = activation_scale(float(value.min()), float(value.max()))
        integer = np.clip(np.rint(value / scale) + zero, 0, 255).astype(np.uint8)
        steps = [
            draft.store(f"{name}_quantized", integer),
            draft.store(f"{name}_scale", np.asarray(scale)),
            draft.store(f"{name}_zero_point", np.asarray(zero)),
        ]
        draft.rewire(node, slot, draft.fresh(f"{name}_dequantized"))
        draft.add("DequantizeLinear", steps, node.input[slot], domain=linear_domain(draft))


def _shield(draft: Draft, tensor: str, maker: str, steps: Stored) -> str:
    """A node that changes nothing, between an operator on floats and the quantization behind it.

    ONNX Runtime moves a QuantizeLinear up through MaxPool, whose integer kernel for planes of
    channels takes tens of times as long (4.8 ms for 0.1 on 64x112x112): a limit holds it up,
    and is dropped later. Softmax between integers becomes QLinearSoftmax, which takes seven
    times as long: the absolute value of what is positive prevents it.
    """
    name = draft.fresh(f"{tensor}_limited")
    if maker == "Softmax":
        return draft.add("Abs", [tensor], name)
    if steps.zero == 0:
        return draft.add("Relu", [tensor], name)
    if draft.opset < CLIP_INPUTS_OPSET:
        return tensor
    ends = [(end - float(steps.zero)) * float(steps.scale) for end in (0, 255)]
    limits = [
        draft.store(f"{name}_{what}", np.asarray(end, np.float32))
        for what, end in zip(("low", "high"), ends, strict=True)
    ]
    return draft.add("Clip", [tensor, *limits], name)


def _insert(
    draft: Draft,
    source: str,
    tensor: str,
    steps: Stored,
    readers: list[Reader],
    producer: NodeProto | None,
    whole: bool,
) -> None:
    result = draft.fresh(f"{tensor}_dequantized")
    if whole and tensor in draft.outputs and producer is not None:
        source, result = draft.fresh(f"{tensor}_unquantized"), tensor
        draft.rename(producer, tensor, source)
    elif producer is not None and _implied(draft, producer, steps.zero, len(readers)):
        source = producer.input[0]
        draft.remove([producer])
    for node, slot in readers:
        draft.rewire(node, slot, result)
    quantized = draft.fresh(f"{tensor}_quantized")
    domain = linear_domain(draft)
    draft.add("QuantizeLinear", [source, *steps.write], quantized, domain=domain)
    draft.add("DequantizeLinear", [quantized, *steps.read], result, domain=domain)


def _implied(draft: Draft, producer: NodeProto, zero: np.uint8, readers: int) -> bool:
    """Whether a Relu does nothing more: below its zero point 0 no value can be stored.

    ONNX Runtime takes an addition for an integer one only without a Relu behind it.
    """
    before, after = producer.input[0], producer.output[0]
    return (
        producer.op_type == "Relu"
        and zero == 0
        and len(draft.readers(before)) == 1
        and len(draft.readers(after)) == readers
        and not {before, after} & draft.lasting
    )
