"""A lowered file held against its module: outputs on two inputs, and multiply-adds op by op."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import numpy as np
import torch
from onnx import ModelProto
from torch import nn
from torch.utils import _pytree as pytree

from talaria_widget.frontends.onnx import capture
from talaria_widget.frontends.torch import Recording, record
from talaria_widget.frontends.torch.trace.structure import tensors
from talaria_widget.graph import Graph
from talaria_widget.rewrite.child import Arrays, run
from talaria_widget.rewrite.lower import lower
from talaria_widget.rewrite.source import Source
from talaria_widget.rewrite.verify import vary
from talaria_widget.work import count


def lowered(model: nn.Module, inputs: Any = None) -> tuple[Recording, Source]:
    """A module's recording and its file, without the exporter."""
    recording = record(model, inputs)
    return recording, lower(recording, model)


def feeds(recording: Recording) -> list[Arrays]:
    """The inputs of the run by name, and others of the same shapes."""
    first = {
        value.name: value.tensor.detach().cpu().numpy()
        for value in recording.trace.values
        if value.role == "input" and value.name is not None and value.tensor is not None
    }
    return [first, vary(first)]


def outputs(model: nn.Module, recording: Recording, feed: Arrays) -> list[np.ndarray]:
    """What a copy of the module gives for a feed, in the order of the trace's outputs."""
    named = {
        id(value.tensor): value.name
        for value in recording.trace.values
        if value.role == "input" and value.name is not None
    }

    def change(leaf: Any) -> Any:
        name = named.get(id(leaf))
        return leaf if name is None else torch.from_numpy(np.array(feed[name]))

    args, kwargs = pytree.tree_map(change, (recording.args, dict(recording.kwargs)))
    with torch.no_grad(), torch.random.fork_rng():
        made = copy.deepcopy(model)(*args, **kwargs)
    return [tensor.detach().numpy() for _, tensor in tensors(made)]


def difference(model: nn.Module, recording: Recording, proto: ModelProto) -> float:
    """The largest difference of file and module on two inputs, relative to each output's size."""
    given = feeds(recording)
    results = run(proto, given, recording.graph.name)
    worst = 0.0
    for feed, got in zip(given, results, strict=True):
        expected = outputs(model, recording, feed)
        assert len(expected) == len(got)
        for wanted, (name, value) in zip(expected, got.items(), strict=True):
            assert wanted.shape == value.shape, name
            assert wanted.dtype == value.dtype, name
            worst = max(worst, _relative(wanted, value))
    return worst


def _relative(wanted: np.ndarray, value: np.ndarray) -> float:
    if not wanted.size:
        return 0.0
    a, b = wanted.astype(np.float64), value.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b)
    if not (same | finite).all():
        return float("inf")
    scale = float(np.abs(a[finite]).max(initial=0.0)) or 1.0
    return float(np.abs(a[~same] - b[~same]).max(initial=0.0)) / scale


def macs(graph: Graph) -> Counter[str]:
    """Multiply-adds of each op of a graph, where it has any."""
    found: Counter[str] = Counter()
    for op in graph.ops:
        found[op.name] += count(graph, op).macs or 0
    return +found


def macs_read_back(source: Source, feed: Arrays) -> Counter[str]:
    """Multiply-adds of each op of the module, as the file read by the ONNX front end has them."""
    graph = capture(source.fill(), feed)
    found: Counter[str] = Counter()
    for op in graph.ops:
        found[source.op_of[op.outputs[0]]] += count(graph, op).macs or 0
    return +found


def disagreements(recording: Recording, source: Source) -> dict[str, tuple[int, int]]:
    """The ops whose multiply-adds differ: in the trace, and in the file."""
    ours = macs(recording.graph)
    theirs = macs_read_back(source, feeds(recording)[0])
    return {
        name: (ours[name], theirs[name]) for name in {*ours, *theirs} if ours[name] != theirs[name]
    }
