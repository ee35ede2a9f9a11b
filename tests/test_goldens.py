"""Golden figures of whole architectures, each beside an independent count.

`python tests/test_goldens.py` writes `golden/architectures.json` anew. The references are
torchvision's published multiply-adds (`Weights.meta["_ops"]`, in units of 10^9), the parameters
that torch itself counts, and formulas for the transformers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import transformers

import talaria_widget as talaria
import torchvision_cpu
from talaria_widget.report import Report

PATH = Path(__file__).parent / "golden" / "architectures.json"
VISION = (
    "resnet50",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
)
LLAMA = {
    "hidden_size": 512,
    "intermediate_size": 1376,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 4000,
}


def vision(name: str) -> Any:
    return getattr(torchvision_cpu.models(), name)(weights=None).eval()


MODELS: dict[str, Callable[[], Any]] = {
    **{name: (lambda name=name: vision(name)) for name in VISION},
    "bert-base": lambda: transformers.BertModel(transformers.BertConfig()).eval(),
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA)).eval(),
}


@cache
def analyzed(name: str) -> tuple[Report, int]:
    model = MODELS[name]()
    parameters = sum(p.numel() for p in model.parameters())
    return talaria.analyze(model, device="cpu-avx2"), parameters


def figures(report: Report) -> dict[str, Any]:
    kinds = Counter(task.kind for task in report.program.tasks)
    names = ("macs", "flops", "parameters", "size_bytes", "peak_memory_bytes")
    return {
        "operations": report.program.operations,
        "tasks": dict(sorted(kinds.items())),
        **{name: report.totals[name] for name in names},
    }


@pytest.mark.parametrize("name", MODELS)
def test_figures_are_those_written_down(name: str) -> None:
    report, _ = analyzed(name)
    assert figures(report) == json.loads(PATH.read_text(encoding="utf-8"))[name]
    assert report.coverage == 1.0
    assert not report.uncounted


@pytest.mark.parametrize("name", VISION)
def test_multiply_adds_are_those_that_torchvision_publishes(name: str) -> None:
    report, parameters = analyzed(name)
    published = torchvision_cpu.models().get_model_weights(name).DEFAULT.meta["_ops"]
    assert report.totals["macs"] / 1e9 == pytest.approx(published, abs=0.0006)
    assert report.totals["parameters"] == parameters


def test_bert_by_formula() -> None:
    report, parameters = analyzed("bert-base")
    length, width, inner = 128, 768, 3072
    attention = 4 * length * width**2 + 2 * length**2 * width
    layer = attention + 2 * length * width * inner
    assert report.totals["macs"] == 12 * layer + width**2  # and the pooler, on one token
    assert report.totals["parameters"] == parameters


def test_llama_by_formula() -> None:
    report, parameters = analyzed("llama")
    width, inner, vocabulary = 512, 1376, 4000
    length = report.program.graph.tensors[report.program.graph.inputs[0]].shape[1]
    keys = width * 2 // 8
    projections = length * (2 * width**2 + 2 * width * keys)
    layer = projections + 2 * length**2 * width + 3 * length * width * inner
    rotary = report.totals["macs"] - 4 * layer - length * width * vocabulary
    assert 0 <= rotary <= length * 64  # the angles: positions times inverse frequencies
    assert report.totals["parameters"] == parameters


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    found = {name: figures(analyzed(name)[0]) for name in MODELS}
    PATH.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
