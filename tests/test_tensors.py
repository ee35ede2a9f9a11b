"""The tensors of a program: whose buffer each takes over, and what that does to memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from talaria_widget import pipeline
from talaria_widget.compilers.tensors import tensor_arrays
from talaria_widget.graph import Graph, Op, Tensor, Work
from talaria_widget.hardware import device
from talaria_widget.prices import evaluate
from talaria_widget.program import Program, Task
from talaria_widget.recipe import Cast, Recipe

SHAPE = (1, 4, 8, 8)


def program(added: str = "a", outputs: tuple[str, ...] = ("o",), times: int = 1) -> Program:
    """Two convolutions, a third that adds on its way, an activation, a pool: x a b y z o."""
    ops = (
        Op("first", "conv", "conv2d", inputs=("x",), outputs=("a",)),
        Op("second", "conv", "conv2d", inputs=("a",), outputs=("b",)),
        Op("third", "conv", "conv2d", inputs=("b",), outputs=("c",)),
        Op("add", "elementwise", "add", inputs=("c", added), outputs=("y",)),
        Op("relu", "activation", "relu", inputs=("y",), outputs=("z",), attrs={"times": times}),
        Op("gelu", "activation", "gelu", inputs=("z",), outputs=("o",)),
    )
    tensors = {name: Tensor(name, SHAPE) for name in "xabcyzo"}
    rows = (
        ("first", ("first",), ("x",), "a"),
        ("second", ("second",), ("a",), "b"),
        ("third", ("third", "add"), tuple(dict.fromkeys(("b", added))), "y"),
        ("relu", ("relu",), ("y",), "z"),
        ("gelu", ("gelu",), ("z",), "o"),
    )
    tasks = tuple(
        Task(name, "conv", name, ops, Work(), name, reads, (makes,), ())
        for name, ops, reads, makes in rows
    )
    graph = Graph("made up", "torch", ops, tensors, ("x",), outputs)
    return Program(device("cpu-avx2"), graph, tasks, ())


def reused(made: Program) -> dict[str, str]:
    """The names of tensors, and of those whose buffers they take over."""
    arrays, _ = tensor_arrays(made)
    names = list(dict.fromkeys(t for task in made.tasks for t in (*task.inputs, *task.outputs)))
    reuse = arrays["tensor_reuse"].tolist()
    return {names[t]: names[u] for t, u in enumerate(reuse) if u >= 0}


def test_activations_and_sums_in_convolutions_write_over_what_nothing_else_needs() -> None:
    assert reused(program()) == {"y": "a", "z": "y"}


def test_what_the_convolution_itself_reads_is_not_written_over() -> None:
    assert reused(program(added="b")) == {"z": "y"}


def test_inputs_and_outputs_of_the_model_keep_their_buffers() -> None:
    assert reused(program(added="x")) == {"z": "y"}
    assert reused(program(outputs=("a", "o"))) == {"z": "y"}
    assert reused(program(outputs=("y", "o"))) == {}
    assert reused(program(outputs=("z", "o"))) == {"y": "a"}


def test_what_runs_in_rounds_keeps_its_input() -> None:
    assert reused(program(times=3)) == {"y": "a"}


def test_a_softmax_in_place_lowers_memory_and_nothing_raises_it() -> None:
    net = nn.Sequential(nn.Linear(64, 256), nn.Softmax(-1), nn.Linear(256, 8))
    graph = pipeline.capture(net.eval(), torch.zeros(16, 64))
    compiled = pipeline.compile_for(graph, device("cpu-avx2"), Recipe({}))
    prices = compiled.prices
    plain = replace(prices, tensor_reuse=np.full_like(prices.tensor_reuse, -1))
    (row,) = [r for r, task in enumerate(compiled.program.tasks) if task.kind == "softmax"]
    held = 4 * 16 * 256  # bytes x rows x columns
    for option in (None, Cast("float16")):
        column = prices.options.index(option)
        choice = np.full(len(prices.weight_leader), column, np.int32)
        now, was = evaluate(prices, choice), evaluate(plain, choice)
        assert (now.memory_bytes <= was.memory_bytes).all()
        width = prices.precision_bytes[prices.gives[prices.row_signature[row], now.column[row]]]
        assert was.memory_bytes[row] - now.memory_bytes[row] == held * width / 4
