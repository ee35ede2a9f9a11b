"""What share of a run each node takes, from the runtime's own profile.

Profiling itself adds 3-5 µs to every node, and 30-80 % to small models: so only shares are taken
from it, with the profiler's part off, and totals from runs without it.
"""

from __future__ import annotations

import gc
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from talaria_widget.compilers.onnxruntime.sessions import open_session, session_options
from talaria_widget.compilers.onnxruntime.timing import kernel_s, quantile, undisturbed

CHAIN = 100
"""Nodes of the chain that the profiler's cost is learnt from."""
BODIES = ("If", "Loop", "Scan")
_KERNEL = "_kernel_time"


@dataclass(frozen=True, slots=True)
class ProfilerCost:
    """What profiling adds to a node.

    `inside_s` is the part that the node's own time shows, `whole_s` also what lies around it,
    which the time of a loop shows that the node is in. No node takes less than `smallest_s`.
    """

    inside_s: float
    whole_s: float
    smallest_s: float


@dataclass(frozen=True, slots=True)
class NodeTime:
    """A node as the profile lists it: its seconds in one run of the model.

    `within` is the node whose branch or loop body it runs in, or empty; that node's own seconds
    hold these.
    """

    name: str
    op_type: str
    index: int
    within: str
    seconds: float


def profiler_cost(rounds: int = 30) -> ProfilerCost:
    """Learn on this machine what the profiler costs, from a chain of nodes that do nothing much.

    Its nodes take, profiled, so much more than their share of a run that is not.
    """
    model = _chain(CHAIN)
    feed = {"x0": np.ones(1, np.float32)}
    plain = open_session(model)
    smallest = kernel_s(lambda: plain.run(None, feed)) / CHAIN
    with tempfile.TemporaryDirectory(prefix="talaria-") as folder:
        session = open_session(model, session_options(profile=Path(folder) / "chain"))
        with undisturbed():
            for _ in range(rounds):
                session.run(None, feed)
        events = read_events(Path(session.end_profiling()))
    nodes = [e for e in events if e.get("cat") == "Node"][2 * CHAIN :]
    shown = 1e-6 * middle([e["dur"] for e in nodes])
    apart = 1e-6 * middle([b["ts"] - a["ts"] for a, b in pairwise(nodes)])
    inside = max(0.0, shown - smallest)
    return ProfilerCost(inside, max(inside, apart - smallest), smallest)


def node_times(
    events: Sequence[Mapping[str, Any]], cost: ProfilerCost, skip: int = 2
) -> list[NodeTime]:
    """The nodes of a profile in the order of their first run.

    Args:
        events: what `read_events` read of it.
        cost: what `profiler_cost` found on this machine.
        skip: how many runs come first that only warmed up.
    """
    runs = sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e["name"] == "model_run")
    nodes = sorted(
        (e for e in events if e.get("cat") == "Node" and e["name"].endswith(_KERNEL)),
        key=lambda e: (e["ts"], -e["dur"]),
    )
    return _node_times(_by_run(nodes, runs[skip:], cost), cost)


def middle(times: Sequence[float]) -> float:
    """The mean between the 10th and the 50th percentile.

    It stands for the 25th percentile where times are whole microseconds.
    """
    low, high = quantile(times, 0.1), quantile(times, 0.5)
    kept = [t for t in times if low <= t <= high]
    return sum(kept) / len(kept) if kept else quantile(times)


def calm(times: Sequence[float]) -> float:
    """The mean of the lowest quarter, two of them at least.

    The profile's clock goes on while others have the processor, and a node of 3 ms seldom runs
    undisturbed where they want it too.
    """
    lowest = sorted(times)[: max(2, len(times) // 4)]
    return sum(lowest) / len(lowest)


_Key = tuple[str, str, int, str]
_Run = dict[_Key, list[list[float]]]


def _by_run(
    nodes: Sequence[Mapping[str, Any]], runs: Sequence[tuple[float, float]], cost: ProfilerCost
) -> list[_Run]:
    """Per run and node a cell of seconds for each time that it ran, the profiler's part off."""
    found: list[_Run] = [defaultdict(list) for _ in runs]
    at = 0
    around: list[tuple[float, str, list[float]]] = []
    for event in nodes:
        start, end = event["ts"], event["ts"] + event["dur"]
        while at < len(runs) and start > runs[at][1]:
            at += 1
        if at == len(runs) or start < runs[at][0]:
            continue
        while around and end > around[-1][0]:
            around.pop()
        for _, _, cell in around:
            cell[0] -= cost.whole_s
        name = event["name"].removesuffix(_KERNEL)
        arguments = event.get("args", {})
        op_type = arguments.get("op_name", "")
        index = int(arguments.get("node_index", -1))
        cell = [1e-6 * event["dur"] - cost.inside_s]
        found[at][name, op_type, index, around[-1][1] if around else ""].append(cell)
        if op_type in BODIES:
            around.append((end, name, cell))
    return found


def _node_times(runs: Sequence[_Run], cost: ProfilerCost) -> list[NodeTime]:
    found = []
    for key in dict.fromkeys(key for run in runs for key in run):
        times = [
            sum(max(cell[0], cost.smallest_s) for cell in run[key]) for run in runs if key in run
        ]
        # A branch that some runs do not take costs nothing in those.
        found.append(NodeTime(*key, seconds=len(times) / len(runs) * calm(times)))
    return found


def read_events(path: Path) -> list[dict[str, Any]]:
    """What a profile lists, all of it.

    A million objects are made that nothing refers back to: no search for cycles meanwhile.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        events: list[dict[str, Any]] = json.loads(
            path.read_text(encoding="utf-8", errors="replace")
        )
    finally:
        if enabled:
            gc.enable()
    return events


def _chain(count: int) -> bytes:
    nodes = [
        helper.make_node(("Abs", "Neg")[i % 2], [f"x{i}"], [f"x{i + 1}"]) for i in range(count)
    ]
    ends = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, [1]) for i in (0, count)]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    data: bytes = model.SerializeToString()
    return data
