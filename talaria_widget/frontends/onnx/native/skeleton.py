"""Infer shapes: onnx's own inference on a skeleton of the model, in the child process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx

from talaria_widget.frontends.onnx.inputs import Bound
from talaria_widget.frontends.onnx.layout.lift import FIRST, lift
from talaria_widget.frontends.onnx.native import worker
from talaria_widget.frontends.onnx.shapes.fold import is_folded
from talaria_widget.frontends.onnx.shapes.known import Known
from talaria_widget.frontends.onnx.shapes.standins import stand_ins
from talaria_widget.frontends.onnx.types import DTYPES, Shape, dtype_name

_INFERRED = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training")
_CODE = {name: code for code, name in reversed(list(DTYPES.items()))}


def infer(model: onnx.ModelProto, known: Known, bound: Bound) -> bool:
    """One round of inference on the steps that remain; whether another may be asked for.

    A failure leaves shapes unknown and is noted.
    """
    skeleton = _skeleton(model, known, bound)
    answer = worker.ask("infer", [skeleton.SerializeToString()])
    if "error" in answer:
        known.note(f"shape inference stopped: {answer['error']}")
        return False
    for name, (code, dims) in answer["shapes"].items():
        if code:
            known.dtypes[name] = dtype_name(code)
        if dims is not None and name not in known.stored:
            known.shapes.setdefault(name, tuple(dims))
    known.not_tensors.update(answer["others"])
    return True


def _skeleton(model: onnx.ModelProto, known: Known, bound: Bound) -> onnx.ModelProto:
    """The nodes that remain, on inputs that have their shapes; no weight data."""
    # Before IR version 4 inference ignores initialisers that are no inputs.
    skeleton = onnx.ModelProto(ir_version=8)
    skeleton.opset_import.extend(opsets(model))
    is_old = _make_recent(skeleton.opset_import)
    graph = skeleton.graph
    graph.name = "skeleton"
    used: dict[str, None] = {}
    made: set[str] = set()
    for step in known.steps:
        if step.role not in ("node", "alias") or step.context.is_dead or is_folded(known, step):
            continue
        node = step.node
        if is_old:
            node, tensors = lift(node, step.given)
            graph.initializer.extend(tensors)
            made.update(tensor.name for tensor in tensors)
        stands, extra = stand_ins(node, step.given)
        if _is_told(known, stands):
            continue
        graph.node.extend(stands)
        graph.input.extend(extra)
        used.update(dict.fromkeys(name for stand in stands for name in stand.input))
        made.update(step.node.output, *(stand.output for stand in stands))
    imported = {entry.domain or "ai.onnx" for entry in skeleton.opset_import}
    for domain in {node.domain or "ai.onnx" for node in graph.node} - imported:
        skeleton.opset_import.add(domain=domain, version=1)  # a file that forgot to say so
    made.update(value.name for value in graph.input)
    for name in used:
        value = known.value(name)
        if value is not None:
            graph.initializer.append(onnx.numpy_helper.from_array(value, name))
        elif name in bound.types:
            graph.input.add(name=name).type.CopyFrom(bound.types[name])
        elif name and name not in made and (name in known.shapes or name in known.dtypes):
            dtype, shape = known.dtypes.get(name, "float32"), known.shapes.get(name)
            graph.input.append(_info(name, dtype, shape))
    for value in model.graph.output:
        if value.name not in made:
            continue
        output = graph.output.add(name=value.name)
        if value.type.HasField("tensor_type"):
            output.type.tensor_type.elem_type = value.type.tensor_type.elem_type
        else:
            output.type.CopyFrom(value.type)
    return skeleton


def _is_told(known: Known, stands: Sequence[onnx.NodeProto]) -> bool:
    """Whether a node is of a domain that inference knows nothing of, and the file has its shape."""
    return all(stand.domain not in _INFERRED for stand in stands) and any(
        name in known.shapes for stand in stands for name in stand.output
    )


def _make_recent(imports: Iterable[onnx.OperatorSetIdProto]) -> bool:
    """Ask for an operator set that can be inferred; whether that changed it."""
    old = [i for i in imports if i.domain in ("", "ai.onnx") and i.version < FIRST]
    for entry in old:
        entry.version = FIRST
    return bool(old)


def opsets(model: onnx.ModelProto) -> list[onnx.OperatorSetIdProto]:
    """What the model imports, and what only its functions do."""
    found = {entry.domain: entry for entry in model.opset_import}
    for function in model.functions:
        for entry in function.opset_import:
            found.setdefault(entry.domain, entry)
    return list(found.values())


def _info(name: str, dtype: str, shape: Shape | None) -> onnx.ValueInfoProto:
    code = _CODE.get(dtype, onnx.TensorProto.FLOAT)
    return onnx.helper.make_tensor_value_info(name, code, shape)


def believe(known: Known, types: Mapping[str, onnx.TypeProto], symbols: Mapping[str, int]) -> None:
    """Where inference has a hole, believe what the file says, if its dimensions are known."""
    for name, kind in types.items():
        tensor = kind.tensor_type
        if not kind.HasField("tensor_type"):
            if kind.WhichOneof("value") is not None:
                known.not_tensors.add(name)
            continue
        if name not in known.dtypes and tensor.elem_type:
            known.dtypes[name] = dtype_name(tensor.elem_type)
        if name in known.shapes or not tensor.HasField("shape"):
            continue
        dims = [
            d.dim_value if d.dim_value > 0 else symbols.get(d.dim_param) for d in tensor.shape.dim
        ]
        sizes = [n for n in dims if n is not None]
        if len(sizes) == len(dims):
            known.shapes[name] = tuple(sizes)
