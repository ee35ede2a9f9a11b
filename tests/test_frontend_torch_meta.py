"""Models on the meta device: 8 billion parameters in no time, and questions about data answered."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import torchvision_cpu
from talaria_widget.frontends.torch import capture
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.work import count

LAYERS, WIDTH, HIDDEN, TOKENS, WORDS = 32, 4096, 14336, 128, 128256


def memory_bytes() -> int:
    """What this process holds now; the test is skipped where it cannot be read."""
    file = Path("/proc/self/statm")
    if not file.exists():
        pytest.skip("no /proc here")
    return int(file.read_text().split()[1]) * 4096


def llama(**settings: Any) -> nn.Module:
    torchvision_cpu.models()
    transformers = pytest.importorskip("transformers")
    with torch.device("meta"):
        model: nn.Module = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings))
    return model.eval()


def test_eight_billion_parameters_come_in_within_two_seconds_and_200_megabytes() -> None:
    model = llama(
        vocab_size=WORDS,
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
    )
    capture(llama(num_hidden_layers=1))
    held, began = memory_bytes(), time.process_time()
    graph = capture(model)
    assert time.process_time() - began < 2.0
    assert memory_bytes() - held < 200e6
    keys = WIDTH // 4
    layer = 2 * WIDTH * WIDTH + 2 * WIDTH * keys + 3 * WIDTH * HIDDEN
    attention = 2 * TOKENS * TOKENS * WIDTH
    expected = TOKENS * (LAYERS * layer + WIDTH * WORDS) + LAYERS * attention
    assert sum(count(graph, op).macs or 0 for op in graph.ops) == expected
    assert graph.parameters == LAYERS * (layer + 2 * WIDTH) + WIDTH + 2 * WIDTH * WORDS
    assert "293 tensors have no values (on meta, or fake)" in graph.notes


def test_a_mixture_of_experts_reads_as_it_does_with_values() -> None:
    torchvision_cpu.models()
    transformers = pytest.importorskip("transformers")
    config = transformers.MixtralConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=4,
        vocab_size=99,
    )
    model = transformers.MixtralForCausalLM(config).eval()
    real = capture(model)
    assert capture(model.to("meta")).fingerprint == real.fingerprint


class Asks(nn.Module):
    """Asks its weights about data."""

    def __init__(self, question: Any) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.question = question

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x)
        return y + 1 if self.question(y) else y - 1


@pytest.mark.parametrize(
    ("question", "word"),
    [
        (lambda y: (y > 0).any(), "sub"),
        (lambda y: torch.isnan(y).any(), "sub"),
        (lambda y: y.isfinite().all(), "add"),
        (lambda y: torch.equal(y, y * 2), "add"),
        (lambda y: y.isfinite()._is_all_true().item(), "add"),
        (lambda y: int(y.argmax()) == 1, "add"),
    ],
    ids=["any", "nan", "all", "equal", "checked", "number"],
)
def test_a_question_about_data_is_answered_by_a_policy_that_is_said(
    question: Any, word: str
) -> None:
    graph = capture(Asks(question).to("meta"), torch.ones(2, 4))
    assert graph.ops[-1].word == word
    said = [note for note in graph.notes if "the model has no values" in note]
    assert len(said) == 1
    assert f"{Path(__file__).name}:" in said[0]


def test_what_no_policy_can_answer_is_refused_in_a_sentence() -> None:
    with pytest.raises(UnsupportedModelError, match="no values, being on the meta device"):
        capture(Asks(lambda y: y.tolist()).to("meta"), torch.ones(2, 4))


def test_inputs_that_do_not_fit_are_said_as_they_are_with_values() -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"must have same reduction dim.*\[3, 5\] X \[4, 4\]"
    ):
        capture(nn.Sequential(nn.Linear(4, 4)).to("meta"), torch.ones(3, 5))
