"""torch's exporter beside a cell that runs: what belongs to the process is left alone."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from talaria_widget.rewrite.export import export


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
