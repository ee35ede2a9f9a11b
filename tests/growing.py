"""Steps instead of seconds: how what a function does grows with a model, the same on every run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
from onnx import ModelProto, helper

from runtime_nets import model

PACKAGE = "talaria_widget"
WIDTH = 4


def steps(function: Callable[[], object]) -> int:
    """The bytecode instructions that the package runs on the way."""
    count = 0

    def step(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return step

    def enter(frame: FrameType, _event: str, _argument: Any) -> Any:
        if PACKAGE not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return step

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def chain(blocks: int, *, fan: bool = False) -> ModelProto:
    """Products with a bias, a Relu and a number that all share; in a row, or of one input."""
    make = helper.make_node
    nodes, ends, last = [], [], "x"
    weights: dict[str, Any] = {"half": np.float32(0.5)}
    for i in range(blocks):
        width = WIDTH + 4 * (i % 3)
        weights[f"{i}.weight"] = np.full((WIDTH, width), 0.1, np.float32)
        weights[f"{i}.bias"] = np.full(width, 0.1, np.float32)
        weights[f"{i}.out"] = np.full((width, WIDTH), 0.1, np.float32)
        entry = "x" if fan else last
        nodes += [
            make("MatMul", [entry, f"{i}.weight"], [f"{i}/a"], f"{i}.a"),
            make("Add", [f"{i}/a", f"{i}.bias"], [f"{i}/b"], f"{i}.b"),
            make("Relu", [f"{i}/b"], [f"{i}/c"], f"{i}.c"),
            make("Mul", [f"{i}/c", "half"], [f"{i}/d"], f"{i}.d"),
            make("MatMul", [f"{i}/d", f"{i}.out"], [f"{i}/e"], f"{i}.e"),
        ]
        last = f"{i}/e"
        ends.append(last)
    if fan:
        nodes.append(make("Concat", ends, ["all"], "all", axis=-1))
        last = "all"
    return model(nodes, weights, {"x": [2, WIDTH]}, last)


def images(blocks: int) -> ModelProto:
    """Convolutions in a row, each with a Relu and the same number behind it."""
    make = helper.make_node
    nodes, last = [], "x"
    weights: dict[str, Any] = {"half": np.float32(0.5)}
    for i in range(blocks):
        weights[f"{i}.weight"] = np.full((WIDTH, WIDTH, 1, 1), 0.1, np.float32)
        nodes += [
            make("Conv", [last, f"{i}.weight"], [f"{i}/a"], f"{i}.a"),
            make("Relu", [f"{i}/a"], [f"{i}/b"], f"{i}.b"),
            make("Mul", [f"{i}/b", "half"], [f"{i}/c"], f"{i}.c"),
        ]
        last = f"{i}/c"
    return model(nodes, weights, {"x": [1, WIDTH, 4, 4]}, last)
