"""The analytic compiler: a graph made into a program by `fusion`, for devices we only model."""

from __future__ import annotations

from talaria_widget.compilers.assembly import assemble
from talaria_widget.compilers.fusion import fuse
from talaria_widget.graph import Graph
from talaria_widget.hardware import Device
from talaria_widget.program import Program


def compile(graph: Graph, device: Device) -> Program:
    """Fuse a graph into the tasks that the device runs, with the weights they keep."""
    return assemble(graph, device, fuse(graph))
