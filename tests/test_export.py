"""torch's exporter beside a cell that runs: what belongs to the process, and its memory."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from talaria_widget import capture
from talaria_widget.rewrite.export import export
from talaria_widget.rewrite.exported import source_of

MEMORY = Path("/proc/self/statm")


class Looking(nn.Module):
    """Looks around, and draws a number, when the exporter copies it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x)

    def __deepcopy__(self, _memo: Any) -> Looking:
        SEEN.extend(around())
        torch.rand(1)
        return Looking().eval()


SEEN: list[object] = []


def around() -> list[object]:
    return [sys.stdout, sys.stderr, warnings.filters, logging.root.manager.disable]


def apart(run: Callable[[], object]) -> None:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.filterwarnings("ignore")
def test_in_another_thread_it_takes_nothing_of_the_process() -> None:
    SEEN.clear()
    before, drawn = around(), torch.get_rng_state()
    apart(lambda: export(Looking().eval(), (torch.zeros(2),)))
    assert all(seen is was for seen, was in zip(SEEN, before, strict=True))
    assert around() == before
    assert not torch.equal(torch.get_rng_state(), drawn), "what others drew was taken back"


@pytest.mark.skipif(not MEMORY.exists(), reason="the system does not say what memory is held")
def test_the_values_of_what_was_exported_are_not_kept() -> None:
    wide = 5000
    values = numpy_helper.from_array(np.ones((wide, wide), np.float32), "w")
    end = helper.make_tensor_value_info("y", TensorProto.FLOAT, [wide, wide])
    node = helper.make_node("Identity", ["w"], ["y"])
    model = helper.make_model(helper.make_graph([node], "g", [], [end], [values]))
    graph = capture(nn.ReLU(), torch.zeros(1))
    gc.collect()
    before = _resident_bytes()
    source = source_of(model, {}, graph, lambda _name: np.zeros(1), ())
    assert _resident_bytes() - before < 0.5 * 4 * wide * wide
    assert not source.skeleton.graph.initializer[0].raw_data


def _resident_bytes() -> int:
    return int(MEMORY.read_text(encoding="ascii").split()[1]) * 4096
