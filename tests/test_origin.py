"""The way back to a model: which thread runs it, and what if it was changed."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import talaria_widget as talaria
from measured import quickly, this_machine
from talaria_widget import pipeline
from talaria_widget.choice import index
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.hardware import device
from talaria_widget.measuring import Measurement
from talaria_widget.origin import Origin
from talaria_widget.rewrite import onnx_source
from talaria_widget.widget.behind import Behind

INPUTS = torch.zeros(1, 8)


class Watched(nn.Module):
    """Remembers which threads ran it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        RAN.append(threading.get_ident())
        result: torch.Tensor = self.head(x)
        return result


RAN: list[int] = []


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    RAN.clear()


def apart(origin: Origin) -> None:
    thread = threading.Thread(target=origin.source)
    thread.start()
    thread.join()


def test_a_model_that_was_let_go_runs_in_the_thread_that_asks_to_measure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Watched().eval()
    graph, origin = pipeline.read(model, INPUTS)
    behind = Behind(graph, index(graph), origin, lambda _event: None)
    behind.turn_to(device("onnxruntime-cpu"))
    behind.let_go()
    RAN.clear()
    monkeypatch.setattr(Measurement, "start", lambda _self: apart(origin))
    behind.start(asked=True)
    assert set(RAN) == {threading.get_ident()}


def test_of_a_device_whose_file_was_changed_the_old_measurement_ends() -> None:
    graph, origin = pipeline.read(Watched().eval(), INPUTS)
    behind = Behind(graph, index(graph), origin, lambda _event: None)
    on, closed = device("onnxruntime-cpu"), []
    behind.turn_to(on)
    old = behind._now
    assert old is not None
    old.close = lambda: closed.append(True)  # type: ignore[method-assign]
    behind.turn_to(replace(on, power_w=3.0))
    assert behind._now is not old
    assert closed == [True]


def test_a_model_that_was_changed_is_measured_as_no_other() -> None:
    model = Watched().eval()
    _, origin = pipeline.read(model, INPUTS)
    origin.forget()
    model.head = nn.Linear(8, 5)
    with pytest.raises(UnsupportedModelError, match="changed since it was shown"):
        origin.source()


def test_a_model_that_cannot_be_recorded_again_says_so_when_it_is_measured() -> None:
    model = Watched().eval()
    _, origin = pipeline.read(model, INPUTS)
    origin.forget()
    model.head = nn.Linear(9, 5)
    origin.recall()
    with pytest.raises(UnsupportedModelError, match="check them"):
        origin.source()


def test_a_model_that_is_refused_is_held_by_no_error() -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4)).train()
    _, origin = pipeline.read(model, torch.zeros(2, 8))
    alive = weakref.ref(model)
    gc.collect()
    gc.disable()
    try:
        del model
        with contextlib.suppress(UnsupportedModelError):
            origin.source()
        assert alive() is None
    finally:
        gc.enable()


def written(path: Path, seed: int) -> Path:
    """A linear layer as a file, with weights of its own."""
    weight = np.random.default_rng(seed).standard_normal((8, 4)).astype(np.float32)
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
        for name, size in (("x", 8), ("y", 4))
    )
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    stored = [numpy_helper.from_array(weight, "w")]
    onnx.save(helper.make_model(helper.make_graph([node], "m", [x], [y], stored)), path)
    return path


def test_a_file_that_is_written_over_is_not_measured_for_the_one_shown(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", 1)
    _, origin = pipeline.read(path)
    origin.source()
    os.utime(written(path, 2), ns=(0, 0))
    with pytest.raises(UnsupportedModelError, match=r"m\.onnx' was changed since it was read"):
        origin.source()


def test_a_file_that_is_written_over_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "m.onnx", 1)
    _, origin = pipeline.read(path)
    read = onnx_source.source_of_file

    def meanwhile(*given: Any) -> Any:
        os.utime(path, ns=(0, 0))
        return read(*given)

    monkeypatch.setattr(onnx_source, "source_of_file", meanwhile)
    with pytest.raises(UnsupportedModelError, match="was changed since it was read"):
        origin.source()


def test_apply_refuses_a_file_that_changes_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "m.onnx", 1)
    read = onnx_source._filled

    def meanwhile(*given: Any) -> Any:
        os.utime(path, ns=(0, 0))
        return read(*given)

    monkeypatch.setattr(onnx_source, "_filled", meanwhile)
    with pytest.raises(UnsupportedModelError, match=r"m\.onnx' was changed since it was read"):
        talaria.apply(path, {})


def test_a_path_means_the_same_file_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "m.onnx", 1)
    monkeypatch.chdir(tmp_path)
    _, origin = pipeline.read("m.onnx")
    monkeypatch.chdir(tmp_path.parent)
    assert origin.source().skeleton.graph.node


def test_what_is_shown_of_a_file_written_over_stays_modelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quickly(tmp_path, monkeypatch):
        path = written(tmp_path / "m.onnx", 1)
        w = talaria.show(path, device=this_machine(), measure=False)
        os.utime(written(path, 2), ns=(0, 0))
        w.measure()
        assert w.wait(60)
        assert "m.onnx' was changed since it was read" in w.report.notes[0]
        assert w.report.provenance == "modelled"


def forked(folder: Path) -> Path:
    """A file that multiplies large matrices at a rate of 16,000, and does next to nothing else."""

    def body(name: str, *nodes: onnx.NodeProto) -> onnx.GraphProto:
        made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [256, 256])]
        return helper.make_graph(list(nodes), name, [], made)

    def product(read: str, made: str) -> onnx.NodeProto:
        return helper.make_node("MatMul", [read, "w"], [made])

    heavy = body("a", product("x", "b"), product("b", "c"), product("c", "d"), product("d", "a"))
    light = body("z", helper.make_node("Neg", ["x"], ["z"]))
    nodes = [
        helper.make_node("Equal", ["rate", "high"], ["same"]),
        helper.make_node("If", ["same"], ["y"], then_branch=heavy, else_branch=light),
    ]
    values = {"x": [256, 256], "y": [256, 256]}
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in values.items()
    )
    rate = helper.make_tensor_value_info("rate", TensorProto.INT64, [])
    weight = np.zeros((256, 256), np.float32)
    stored = [numpy_helper.from_array(weight, "w")]
    stored.append(numpy_helper.from_array(np.array(16000), "high"))
    graph = helper.make_graph(nodes, "forked", [x, rate], [y], stored)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "forked.onnx")
    return folder / "forked.onnx"


def test_whole_numbers_that_were_given_decide_what_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quickly(tmp_path, monkeypatch):
        path, x = forked(tmp_path), np.zeros((256, 256), np.float32)
        taken = {}
        for rate in (16000, 8000):
            given = {"x": x, "rate": np.array(rate)}
            report = talaria.analyze(path, given, device=this_machine())
            assert report.provenance == "measured"
            taken[rate] = report.totals["latency_s"]
    assert taken[16000] > 5 * taken[8000]  # 4 * 256**3 MACs beside 256**2 negations


class Looked(nn.Module):
    """A table, and inputs of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.where(mask, self.table(ids), x)


def test_only_whole_numbers_of_the_user_are_kept_and_only_small_ones() -> None:
    ids, mask = torch.tensor([[1, 8, 3]]), torch.tensor([[[True], [False], [True]]])
    inputs = {"ids": ids, "mask": mask, "x": torch.ones(1, 3, 4)}
    _, origin = pipeline.read(Looked().eval(), inputs)
    given = origin.source().given
    assert set(given) == {"ids", "mask"}
    assert (given["ids"] == ids.numpy()).all()
    assert (given["mask"] == mask.numpy()).all()
    many = {"ids": ids.repeat(1, 4096), "mask": mask.repeat(1, 4096, 1)}
    _, origin = pipeline.read(Looked().eval(), {**many, "x": torch.ones(1, 3 * 4096, 4)})
    assert set(origin.source().given) == {"mask"}  # 8 * 3 * 4096 bytes of ids are too many
    _, origin = pipeline.read(nn.Embedding(9, 4))
    assert not origin.source().given
