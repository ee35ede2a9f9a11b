"""An ONNX model being rewritten: what it stores, who reads it, and what is put in or taken out.

The model it starts from is never changed. Tensors that nobody touches are copied once, when
the result is assembled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)

from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.links import Links, Reader

HALF_BYTE = {TensorProto.INT4, TensorProto.UINT4}
LARGEST_BYTES = 2**31 - 2**20
MICROSOFT = "com.microsoft"
INPUTS_APART = 4
"""The IR version before which a file lists every stored tensor as an input, too (onnx/docs/IR.md);
ONNX Runtime takes those as fixed, and from here on as what a caller may replace."""
LINEAR_OPSET, PER_AXIS_OPSET, HALF_SCALE_OPSET = 10, 13, 19


def payload_bytes(tensor: TensorProto) -> int:
    """Bytes of a stored tensor's elements, without its name and framing."""
    if tensor.data_type == TensorProto.STRING:
        return sum(len(text) for text in tensor.string_data)
    size: int = prod(tensor.dims)
    if tensor.data_type in HALF_BYTE:
        return (size + 1) // 2
    return size * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def given_inputs(model: ModelProto) -> list[str]:
    """The values that are given from outside, and may be other ones on every run."""
    names = [value.name for value in model.graph.input]
    if model.ir_version >= INPUTS_APART:
        return names
    fixed = {tensor.name for tensor in model.graph.initializer}
    return [name for name in names if name not in fixed]


def stored_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor a graph stores: initialisers and Constant nodes, those of its branches too."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            for branch in _branches(attribute):
                yield from stored_tensors(branch)


def tensor_bytes(model: ModelProto) -> int:
    """Payload bytes of all tensors that a file stores."""
    return sum(map(payload_bytes, stored_tensors(model.graph)))


def check_writable(model: ModelProto) -> None:
    """Refuse what one ONNX file cannot hold.

    Raises:
        UnsupportedModelError: external data, or more than 2 GiB of tensors.
    """
    for tensor in stored_tensors(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            raise UnsupportedModelError(
                f"the weight {tensor.name!r} lies in an external data file, which apply cannot "
                "write yet: load the model with its data first."
            )
    total = tensor_bytes(model)
    if total > LARGEST_BYTES:
        raise UnsupportedModelError(
            f"the model stores {total:,} bytes; apply cannot write more than 2 GiB yet."
        )


class Draft:
    """A model under the knife, without the Constant nodes that hold a tensor.

    `outputs` and what branches have `captured` are `lasting`: read by others than nodes.
    """

    def __init__(self, model: ModelProto) -> None:
        """Begin with a model as it is."""
        check_writable(model)
        self.model = model
        self.opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
        self.outputs = frozenset(o.name for o in model.graph.output)
        self.captured = frozenset(_captured(model.graph))
        self.lasting = self.outputs | self.captured
        self.stored: dict[str, TensorProto] = {t.name: t for t in model.graph.initializer}
        self._links = Links()
        self._constants: list[NodeProto] = []
        for node in model.graph.node:
            if (tensor := _constant_tensor(node)) is not None:
                self.stored[node.output[0]] = tensor
                self._constants.append(node)
            else:
                copy = NodeProto()
                copy.CopyFrom(node)
                self._links.put(copy)
        self._original = dict(self.stored)
        self._names = {name for node in model.graph.node for name in (*node.input, *node.output)}
        self._names |= {*self.stored, *(i.name for i in model.graph.input), *self.captured}
        self._counts: dict[str, int] = {}
        self._node_names = {node.name for node in model.graph.node}
        self._domains = {o.domain for o in model.opset_import}

    @property
    def nodes(self) -> list[NodeProto]:
        """The nodes that there are now."""
        return self._links.nodes

    def newest(self, count: int = 1) -> list[NodeProto]:
        """The last nodes put in, in that order."""
        return self._links.newest(count)

    def readers(self, name: str) -> list[Reader]:
        """Nodes that read a value, with the position of the input."""
        return self._links.readers(name)

    def newest_reader(self, name: str, op_type: str) -> NodeProto | None:
        """The last node of this operator that came to read a value."""
        return self._links.newest_reader(name, op_type)

    def rewire(self, node: NodeProto, slot: int, name: str) -> None:
        """Let a node read another value there, or one more."""
        self._links.rewire(node, slot, name)

    def rename(self, node: NodeProto, old: str, new: str) -> None:
        """Let a node call what it gives otherwise."""
        self._links.rename(node, old, new)

    def producers(self) -> dict[str, NodeProto]:
        """The node that makes each value."""
        return {name: node for node in self.nodes for name in node.output if name}

    def array(self, name: str) -> NDArray[np.generic]:
        """A stored tensor's values."""
        return np.asarray(numpy_helper.to_array(self.stored[name]))

    def fresh(self, name: str) -> str:
        """This name, or the first of `name_2`, `name_3` ... that is free."""
        chosen, count = name, self._counts.get(name, 1)
        while chosen in self._names:
            count += 1
            chosen = f"{name}_{count}"
        self._names.add(chosen)
        self._counts[name] = count
        return chosen

    def store(self, name: str, values: NDArray[np.generic]) -> str:
        """Keep a new tensor in the file; returns the name it got."""
        name = self.fresh(name)
        self.stored[name] = numpy_helper.from_array(values, name)
        return name

    def replace(self, name: str, values: NDArray[np.generic]) -> None:
        """Give a stored tensor other values."""
        self.stored[name] = numpy_helper.from_array(values, name)

    def drop(self, name: str) -> None:
        """Stop storing a tensor."""
        del self.stored[name]

    def add(
        self, op_type: str, inputs: Iterable[str], output: str, *, domain: str = "", **attrs: Any
    ) -> str:
        """Put in a node of one output; returns the output's name."""
        name = f"{output}/{op_type}"
        while name in self._node_names:
            name += "_"
        self._node_names.add(name)
        self._domains.add(domain)
        node = helper.make_node(op_type, list(inputs), [output], name, domain=domain, **attrs)
        self._links.put(node)
        return output

    def remove(self, nodes: Iterable[NodeProto]) -> None:
        """Take nodes out."""
        for node in nodes:
            self._links.remove(node)

    def give(self, node: NodeProto, names: Iterable[str]) -> None:
        """Let a node give these values, too."""
        self._links.give(node, names)

    def remove_dead(self) -> None:
        """Take out nodes whose results nobody reads, and then those that only they read."""
        self._links.drop_unread(self.lasting)

    def finish(self) -> ModelProto:
        """The new model: unread tensors left out, nodes in an order that runs."""
        read = {name for node in self.nodes for name in node.input} | self.lasting
        result = ModelProto()
        source = self.model
        result.ir_version = max(source.ir_version, INPUTS_APART)
        result.producer_name = source.producer_name
        result.producer_version = source.producer_version
        result.domain, result.doc_string = source.domain, source.doc_string
        result.model_version = source.model_version
        result.opset_import.extend(source.opset_import)
        known = {"", "ai.onnx", *(o.domain for o in source.opset_import)}
        result.opset_import.extend(helper.make_opsetid(d, 1) for d in self._domains - known)
        result.metadata_props.extend(source.metadata_props)
        result.functions.extend(source.functions)
        graph = result.graph
        graph.name, graph.doc_string = source.graph.name, source.graph.doc_string
        listed = set() if source.ir_version < INPUTS_APART else self.stored.keys() & read
        dropped = self._original.keys() - listed
        graph.input.extend(i for i in source.graph.input if i.name not in dropped)
        graph.output.extend(source.graph.output)
        graph.value_info.extend(source.graph.value_info)
        graph.sparse_initializer.extend(source.graph.sparse_initializer)
        as_nodes = set()
        for node in self._constants:
            name = node.output[0]
            if self.stored.get(name) is self._original[name] and name in read:
                graph.node.add().CopyFrom(node)
                as_nodes.add(name)
        graph.initializer.extend(
            t for name, t in self.stored.items() if name in read and name not in as_nodes
        )
        made = {*self.stored, *(i.name for i in source.graph.input)}
        made |= {name for s in source.graph.sparse_initializer for name in (s.values.name,)}
        graph.node.extend(in_order(self.nodes, made))
        return result


def _constant_tensor(node: NodeProto) -> TensorProto | None:
    if node.op_type != "Constant":
        return None
    return next((a.t for a in node.attribute if a.type == AttributeProto.TENSOR), None)


def _branches(attribute: AttributeProto) -> list[GraphProto]:
    if attribute.type == AttributeProto.GRAPH:
        return [attribute.g]
    return list(attribute.graphs)


def _captured(graph: GraphProto) -> Iterator[str]:
    """Names that nodes inside branches read; more than the outer ones among them does no harm."""
    for node in graph.node:
        for attribute in node.attribute:
            for branch in _branches(attribute):
                yield from (name for inner in branch.node for name in inner.input)
                yield from (output.name for output in branch.output)
                yield from _captured(branch)


def _reads(node: NodeProto) -> Iterator[str]:
    yield from node.input
    for attribute in node.attribute:
        for branch in _branches(attribute):
            for inner in branch.node:
                yield from _reads(inner)


def in_order(nodes: list[NodeProto], known: set[str]) -> list[NodeProto]:
    """A stable order in which every value is made before it is read."""
    maker = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    done: set[int] = set()
    ordered: list[NodeProto] = []
    for first in range(len(nodes)):
        stack = [first]
        while stack:
            index = stack[-1]
            if index in done:
                stack.pop()
                continue
            reads = {maker[n] for n in _reads(nodes[index]) if n in maker and n not in known}
            waiting = [i for i in reads if i not in done and i != index]
            if waiting:
                stack.extend(sorted(waiting, reverse=True))
                continue
            done.add(index)
            ordered.append(nodes[index])
            stack.pop()
    return ordered


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """A node's attribute, or the default."""
    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default


def copied_attributes(node: NodeProto) -> list[AttributeProto]:
    """A node's attributes, for another node."""
    copies = [AttributeProto() for _ in node.attribute]
    for copy, item in zip(copies, node.attribute, strict=True):
        copy.CopyFrom(item)
    return copies


def linear_domain(draft: Draft, *, per_axis: bool = False, half: bool = False) -> str:
    """The domain of QuantizeLinear and DequantizeLinear.

    ONNX Runtime's own, where the model's opset has none that do this.
    """
    needed = HALF_SCALE_OPSET if half else PER_AXIS_OPSET if per_axis else LINEAR_OPSET
    return "" if draft.opset >= needed else MICROSOFT
