"""Real values on demand hold a bounded number of bytes, and give the same answers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from talaria_widget.frontends.torch import capture
from talaria_widget.frontends.torch.trace import held, replay
from talaria_widget.frontends.torch.trace.held import Held
from test_frontend_torch import Written

MEBIBYTE = 2**20


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Held]:
    """Every holder of tensors that a capture made, under a cap of four mebibytes."""
    found: list[Held] = []

    def make() -> Held:
        found.append(Held())
        return found[-1]

    monkeypatch.setattr(replay, "Held", make)
    monkeypatch.setattr(held, "LIMIT_BYTES", 4 * MEBIBYTE)
    return found


def long(self: Any, x: torch.Tensor) -> torch.Tensor:
    """Sixty results of a mebibyte each, with a question at the end and one in the middle."""
    kept = []
    for _ in range(60):
        x = x * 1.01
        kept.append(x)
    self.answers.append(kept[-1].sum().item())
    self.answers.append(kept[20].sum().item())
    return x + kept[3]


def answers(x: torch.Tensor) -> tuple[list[float], list[float]]:
    model = Written(long)
    model.answers = []
    held_answers = model.answers
    captured: list[float] = []

    class Spy(list[float]):
        def append(self, value: float) -> None:
            captured.append(value)

    model.answers = Spy()
    graph = capture(model, x)
    assert sum(op.word == "mul" for op in graph.ops) == 60
    model.answers = held_answers
    model(x)
    return captured, held_answers


def test_a_long_chain_is_held_only_in_part(made: list[Held]) -> None:
    captured, real = answers(torch.ones(MEBIBYTE // 4))
    assert captured == real
    assert all(holder.most_bytes <= 5 * MEBIBYTE for holder in made)
    assert max(holder.most_bytes for holder in made) > 3 * MEBIBYTE


def test_without_a_cap_all_of_it_would_be_held(
    made: list[Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "LIMIT_BYTES", 512 * MEBIBYTE)
    captured, real = answers(torch.ones(MEBIBYTE // 4))
    assert captured == real
    assert made[-1].most_bytes >= 60 * MEBIBYTE


def test_weights_are_not_among_what_is_held(made: list[Held]) -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.fc(x)
            if bool(x.sum() > 1e9):
                return -x
        return x

    capture(Written(forward, fc=nn.Linear(2048, 2048)), torch.ones(1, 2048))
    assert made[-1].most_bytes < MEBIBYTE


def test_what_was_written_or_drawn_is_never_dropped(made: list[Held]) -> None:
    seen: list[float] = []

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        noisy = torch.nn.functional.dropout(x * 1.0, training=True)
        written = x * 3
        written[0] = 7
        seen.append(noisy.sum().item())
        for _ in range(12):
            x = x * 1.5
        seen.append(x.sum().item())
        seen.append(noisy.sum().item())
        seen.append(written[:2].sum().item())
        return x

    capture(Written(forward), torch.ones(MEBIBYTE // 4))
    assert seen[0] == seen[2]
    assert seen[3] == 7 + 3


def test_views_of_one_memory_count_once() -> None:
    holder = Held()
    base = torch.zeros(1000)
    holder.put(0, base)
    holder.put(1, base[:10])
    assert holder.nbytes == 4000
    holder.drop(0)
    assert holder.nbytes == 4000
    assert holder.cheapest(lambda value: True) == [(frozenset({1}), 4000)]
    holder.drop(1)
    assert holder.nbytes == 0
    assert 1 not in holder
