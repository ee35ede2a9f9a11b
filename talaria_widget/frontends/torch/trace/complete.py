"""Whether a recording accounts for every call, and every tensor that is read has a maker."""

from __future__ import annotations

from dataclasses import replace

from talaria_widget.frontends.torch.trace.recording import Recording


def faults(recording: Recording) -> list[str]:
    """What is amiss, a sentence each; nothing for a recording that is complete.

    Calls in = operations + noise + further rounds of operations that stand already. What an
    operation reads was made by an earlier one, or is an input, stored, or a constant.
    """
    found = []
    trace, graph = recording.trace, recording.graph
    standing = set(recording.calls.values())
    rounds = sum(call.repeats in standing for call in trace.calls if call.repeats is not None)
    made = len(trace.calls) + sum(trace.queries.values())
    kept = len(graph.ops) + sum(graph.noise.values()) + rounds
    if made != kept:
        found.append(f"{made} calls were recorded and {kept} are accounted for")
    return found + _orphans(recording)


def admit(recording: Recording) -> Recording:
    """A recording whose graph says in its notes what is amiss."""
    found = faults(recording)
    if not found:
        return recording
    notes = tuple(f"the reading is not complete: {fault}" for fault in found)
    graph = replace(recording.graph, notes=(*recording.graph.notes, *notes))
    return replace(recording, graph=graph)


def _orphans(recording: Recording) -> list[str]:
    graph = recording.graph
    known = {name for name, tensor in graph.tensors.items() if tensor.role != "activation"}
    known.update(graph.inputs)
    lost: dict[str, str] = {}
    for op in graph.ops:
        for name in (*op.inputs, *op.weights):
            if name not in known:
                lost.setdefault(name, f"{name}, which {op.name} reads, was made by no operation")
        known.update(op.outputs)
    for name in graph.outputs:
        if name not in known:
            lost.setdefault(name, f"{name}, an output, was made by no operation")
    return list(lost.values())
