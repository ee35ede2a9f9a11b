"""What torch's exporter wrote as a source: which op of the graph each of its nodes belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from talaria_widget.graph import Graph
from talaria_widget.rewrite.draft import payload_bytes
from talaria_widget.rewrite.source import LARGEST_KEPT_BYTES, Source

_SCOPES = "pkg.torch.onnx.name_scopes"
_FLOATS = frozenset((TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16))


def module_paths(model: ModelProto) -> dict[str, str]:
    """The path of the module that makes each value, as the exporter noted it."""
    found = {}
    for node in model.graph.node:
        scopes = next((p.value for p in node.metadata_props if p.key == _SCOPES), "")
        names = [part.strip(" '\"") for part in scopes.strip("[]").split(",")]
        path = next((name for name in reversed(names[:-1]) if name), "")
        found.update(dict.fromkeys(node.output, path))
    return found


def source_of(
    model: ModelProto,
    paths: Mapping[str, str],
    graph: Graph,
    values: Callable[[str], NDArray[Any] | None],
    notes: tuple[str, ...],
) -> Source:
    """An exported model as a source.

    Args:
        model: the exporter's file, norms not folded.
        paths: the module of each value.
        graph: the graph of the same module.
        values: the module's own values of a stored tensor, `None` where it has none.
        notes: what is to be said of it.
    """
    skeleton = ModelProto()
    skeleton.CopyFrom(model)
    kept: dict[str, TensorProto] = {}
    left: set[str] = set()
    for stored in skeleton.graph.initializer:
        if stored.data_type in _FLOATS and payload_bytes(stored) > LARGEST_KEPT_BYTES:
            if values(stored.name) is None:
                kept[stored.name] = TensorProto()
                kept[stored.name].CopyFrom(stored)
            else:
                left.add(stored.name)
            stored.ClearField("raw_data")
            stored.ClearField("float_data")
    # What is cleared still takes memory, until the message is made anew.
    skeleton = ModelProto.FromString(skeleton.SerializeToString())

    def fill() -> ModelProto:
        """The whole file, with the module's values."""
        whole = ModelProto()
        whole.CopyFrom(skeleton)
        for stored in whole.graph.initializer:
            if stored.name in kept:
                stored.CopyFrom(kept[stored.name])
            elif stored.name in left:
                array = values(stored.name)
                assert array is not None
                stored.CopyFrom(numpy_helper.from_array(array, stored.name))
        return whole

    return Source(skeleton, _owners(skeleton, paths, graph), fill, notes=notes)


def _owners(model: ModelProto, paths: Mapping[str, str], graph: Graph) -> dict[str, str]:
    """The op of each value, where a weight or a module of one op says it."""
    by_weight: dict[str, list[str]] = defaultdict(list)
    by_path: dict[str, list[str]] = defaultdict(list)
    for op in graph.ops:
        if op.path:
            by_path[op.path].append(op.name)
        for weight in op.weights:
            by_weight[weight].append(op.name)
    carried = {stored.name: stored.name for stored in model.graph.initializer}
    owners: dict[str, str] = {}
    for node in model.graph.node:
        weights = [carried[name] for name in node.input if name in carried]
        if node.op_type in ("Transpose", "Identity", "Reshape", "Cast") and weights:
            carried[node.output[0]] = weights[0]
        named = {by_weight[name][0] for name in weights if len(by_weight.get(name, ())) == 1}
        here = by_path.get(paths.get(node.output[0], ""), [])
        owner = next(iter(named)) if len(named) == 1 else here[0] if len(here) == 1 else None
        if owner is not None:
            owners.update({name: owner for name in node.output if name})
    return owners
