"""The way back to a model: which thread runs it, and what if it was changed."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from dataclasses import replace

import pytest
import torch
from torch import nn

from talaria_widget import pipeline
from talaria_widget.choice import index
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.hardware import device
from talaria_widget.measuring import Measurement
from talaria_widget.origin import Origin
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
