"""What the measuring process sees of a session: its nodes as optimised, and their seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import onnx

from talaria_widget.compilers.observed import Node
from talaria_widget.compilers.onnxruntime.profiling import ProfilerCost, node_times, read_events
from talaria_widget.compilers.onnxruntime.sessions import open_session, session_options
from talaria_widget.compilers.onnxruntime.standin import Feed
from talaria_widget.compilers.onnxruntime.timing import Run

WARM_UPS = 2
_KERNEL = "_kernel_time"


@dataclass(slots=True)
class Watched:
    """A session that is profiled until `nodes` is asked for."""

    session: Any
    feed: Feed
    optimised: Path

    @property
    def run(self) -> Run:
        """One run of it."""
        return lambda: self.session.run(None, self.feed)

    def nodes(self, cost: ProfilerCost) -> tuple[Node, ...]:
        """The nodes that ran, in order, and what each gave; the profile ends here."""
        path = Path(self.session.end_profiling())
        events = read_events(path)
        path.unlink(missing_ok=True)
        times = [each for each in node_times(events, cost, WARM_UPS) if not each.within]
        held = _held(self.optimised)
        results = _results(events)
        return tuple(
            Node(
                each.name,
                each.op_type,
                held[each.name].domain if each.name in held else "",
                tuple(held[each.name].input) if each.name in held else (),
                tuple(held[each.name].output) if each.name in held else (),
                each.seconds,
                *results.get(each.name, (0, "")),
            )
            for each in times
        )


def watch(model: bytes, feed: Feed, folder: Path, name: str) -> Watched:
    """Open a session that is profiled and tells how it was optimised; two runs warm it up."""
    optimised = folder / f"{name}-optimised.onnx"
    session = open_session(model, session_options(profile=folder / name, optimised=optimised))
    watched = Watched(session, feed, optimised)
    for _ in range(WARM_UPS):
        watched.run()
    return watched


def _held(path: Path) -> Mapping[str, onnx.NodeProto]:
    model = onnx.load(path, load_external_data=False)
    path.unlink()
    return {node.name: node for node in model.graph.node}


def _results(events: Sequence[Mapping[str, Any]]) -> dict[str, tuple[int, str]]:
    """Elements and type of the first output of each node."""
    found: dict[str, tuple[int, str]] = {}
    for event in events:
        shapes = event.get("args", {}).get("output_type_shape")
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL) and shapes:
            ((dtype, shape),) = shapes[0].items()
            found.setdefault(event["name"].removesuffix(_KERNEL), (prod(shape), dtype))
    return found
