"""The ops of If, Loop and Scan themselves, whose bodies stand beside them."""

from __future__ import annotations

from typing import Any

import onnx

from talaria_widget.frontends.onnx.built import Built, enter, enter_input, resolve
from talaria_widget.frontends.onnx.layout.flat import label_of
from talaria_widget.frontends.onnx.layout.names import module_path, scoped, source_line
from talaria_widget.frontends.onnx.layout.steps import Choice, Loop, Step
from talaria_widget.frontends.onnx.types import target
from talaria_widget.graph import Kind, Op, Tensor


def edge_of_body(built: Built, step: Step) -> None:
    """The op of an If, a Loop or a Scan, whose bodies stand beside it.

    What comes before a body hands it its slices; what comes after stacks what it made. A second
    op of one node says `part`.
    """
    known, node, loop = built.known, step.node, step.detail
    outputs = tuple(name for name in node.output if name)
    attrs: dict[str, Any] = {"node": label_of(node), "inlined": True}
    if isinstance(loop, Choice):
        assert loop.taken is not None
        attrs["taken"] = loop.taken.name
        inputs, outputs = [loop.condition], ()
    else:
        assert isinstance(loop, Loop)
        inputs = list(dict.fromkeys(name for name in node.input if name))
        attrs["node"] = label_of(loop.original)
        if step.role == "enter":
            for carry in loop.carries:
                if carry.start:
                    built.renamed[carry.body] = resolve(built, carry.start)
            attrs["inlined"] = loop.is_known
            kept = (name for name in outputs if name in known.read and name not in known.values)
            outputs = tuple(kept)
        else:
            outputs += tuple(c.output for c in loop.carries if c.output and not c.settled)
            inputs += [c.result for c in loop.carries if c.output and not c.settled]
            if not outputs:
                return
            attrs = {"node": label_of(loop.original), "part": True, "free": False}
    if step.context.times != 1:
        attrs["times"] = step.context.times
    kind: Kind = "movement" if "part" in attrs else "control"
    names = [enter_input(built, name, known.stored.get(name)) for name in inputs]
    for name in outputs:
        enter(built, Tensor(name, known.shapes.get(name), known.dtypes.get(name, "unknown")))
    written = metadata(node)
    built.ops.append(
        Op(
            name=node.name or attrs["node"],
            kind=kind,
            target=target(node),
            path=scoped(step.context.scope, module_path(node, written, None)),
            source=source_line(written),
            inputs=tuple(dict.fromkeys(names)),
            outputs=outputs,
            attrs=attrs,
        )
    )


def metadata(node: onnx.NodeProto) -> dict[str, str]:
    """What an exporter wrote beside a node."""
    texts = ((entry.key, entry.value) for entry in node.metadata_props)
    return {k: v for k, v in texts if isinstance(k, str) and isinstance(v, str)}
