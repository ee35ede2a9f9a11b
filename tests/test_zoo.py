"""Every model of the zoo comes in, is counted, is priced, and stays as it was."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import talaria_widget as talaria
from talaria_widget import pipeline
from talaria_widget.graph import Graph
from talaria_widget.hardware import device
from talaria_widget.recipe import Recipe
from talaria_widget.report import Report
from talaria_widget.work import count
from zoo import ZOO
from zoo_arithmetic import MACS
from zoo_files import BIG_LAYERS, BIG_WIDTH

DEVICES = ("cpu-avx2", "apple-a17-pro-ane")
LEAST_COVERAGE = 0.98
UNCOUNTED: Mapping[str, Mapping[str, int]] = {}
"""Operations that no formula counts, by model and target."""
NO_GUESS = frozenset(
    {
        "mtcnn-onet",
        "in-place-buffer",
        "fft-complex",
        "keywords-nested",
        "nonzero",
        "eager-quantized",
    }
)
"""Models whose inputs nobody can guess: sizes hidden in a flatten, no layer to read one from."""
MODULES = [name for name, entry in ZOO.items() if entry.framework == "torch"]


@dataclass(frozen=True, slots=True)
class Captured:
    """A model with its graph, its reports, and what it was like before and after."""

    model: Any
    graph: Graph
    reports: Mapping[str, Report]
    before: object
    after: object


Zoo = Callable[[str], Captured]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    folder = tmp_path_factory.mktemp("zoo")
    kept: dict[str, Captured] = {}

    def captured(name: str) -> Captured:
        if name not in kept:
            model, inputs = ZOO[name].load(folder)
            before = state(model)
            graph = talaria.capture(model, inputs)
            after = state(model)
            reports = {on: report(graph, on) for on in DEVICES}
            kept[name] = Captured(model, graph, reports, before, after)
        return kept[name]

    return captured


def report(graph: Graph, on: str) -> Report:
    recipe = Recipe({})
    return pipeline.report(pipeline.compile_for(graph, device(on), recipe), recipe)


def state(model: object) -> object:
    """What capture must leave alone: weights and buffers to the bit, modes, generators."""
    if not isinstance(model, nn.Module):
        return None
    digest = hashlib.sha256()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        digest.update(f"{name} {tensor.dtype} {tensor.requires_grad} {tensor.grad}".encode())
        digest.update(tensor.detach().reshape(-1).view(torch.uint8).numpy().tobytes())
    modes = [(name, part.training) for name, part in model.named_modules()]
    numbers = (torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state()))
    return digest.hexdigest(), modes, numbers


@pytest.mark.parametrize("name", ZOO)
def test_at_least_98_percent_of_the_operations_are_counted(zoo: Zoo, name: str) -> None:
    for found in zoo(name).reports.values():
        assert dict(found.uncounted) == UNCOUNTED.get(name, {})
        assert found.coverage >= LEAST_COVERAGE


@pytest.mark.parametrize("name", ZOO)
def test_what_multiplies_by_a_weight_is_never_counted_as_nothing(zoo: Zoo, name: str) -> None:
    graph = zoo(name).graph
    silent = [
        op.name
        for op in graph.ops
        if op.times != 0
        and op.kind not in ("embedding", "movement", "cast", "control")
        and any(graph.tensors[weight].role == "weight" for weight in op.weights)
        and count(graph, op).macs == 0
    ]
    assert silent == []


@pytest.mark.parametrize("name", ZOO)
def test_a_task_that_computes_takes_time(zoo: Zoo, name: str) -> None:
    for found in zoo(name).reports.values():
        latency = found.column("latency_s").values
        wrong = [
            (task.name, float(seconds))
            for task, seconds in zip(found.program.tasks, latency, strict=True)
            if task.work.flops != 0
            and not seconds > 0
            and not UNCOUNTED.get(name, {})  # a row of an uncounted operation has no time
        ]
        assert wrong == []
        assert found.totals["latency_s"] is not None or UNCOUNTED.get(name)


@pytest.mark.parametrize("name", MODULES)
def test_capture_leaves_the_module_as_it_was(zoo: Zoo, name: str) -> None:
    captured = zoo(name)
    assert captured.before == captured.after


@pytest.mark.parametrize("name", ZOO)
def test_it_comes_in_without_inputs_or_says_what_to_pass(zoo: Zoo, name: str) -> None:
    model = zoo(name).model
    if name in NO_GUESS:
        with pytest.raises(ValueError, match="pass inputs="):
            talaria.capture(model)
    else:
        graph = talaria.capture(model)
        assert graph.ops
        assert graph.assumed or ZOO[name].framework == "onnx"


@pytest.mark.parametrize("name", MACS)
def test_multiply_adds_are_those_worked_by_hand(zoo: Zoo, name: str) -> None:
    for found in zoo(name).reports.values():
        assert found.totals["macs"] == MACS[name]


def test_two_files_of_one_network_agree(zoo: Zoo) -> None:
    with_branches, without = zoo("silero-if").graph, zoo("silero-without-if").graph
    assert with_branches.parameters == without.parameters > 0
    macs = [
        zoo(name).reports["cpu-avx2"].totals["macs"] for name in ("silero-if", "silero-without-if")
    ]
    assert macs[0] == macs[1] > 0


def test_a_file_over_two_gibibytes_is_counted_and_not_loaded(zoo: Zoo) -> None:
    for found in zoo("big-external").reports.values():
        assert found.totals["parameters"] == BIG_LAYERS * BIG_WIDTH**2
    assert zoo("big-external").reports["cpu-avx2"].totals["size_bytes"] == 4 * BIG_LAYERS * (
        BIG_WIDTH**2
    )
