"""`talaria.analyze` on a modelled device beside `torchinfo.summary`, same model and inputs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torchinfo
from transformers import BertConfig, BertModel

import talaria_widget as talaria
from torchvision_cpu import models

RUNS = 7
LIMIT = 0.5
DEVICE = "cpu-avx2"


def resnet50() -> tuple[torch.nn.Module, Any]:
    return models().resnet50(weights=None).eval(), torch.randn(1, 3, 224, 224)


def vit_b_16() -> tuple[torch.nn.Module, Any]:
    return models().vit_b_16(weights=None).eval(), torch.randn(1, 3, 224, 224)


def bert_base() -> tuple[torch.nn.Module, Any]:
    return BertModel(BertConfig()).eval(), torch.randint(0, 30_000, (1, 128))


MODELS: dict[str, Callable[[], tuple[torch.nn.Module, Any]]] = {
    "ResNet-50": resnet50,
    "ViT-B/16": vit_b_16,
    "BERT-base": bert_base,
}


def seconds(run: Callable[[], object]) -> float:
    """The median of RUNS, after one that warms up."""
    run()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, median of {RUNS}")
    print(f"{'model':12}{'analyze':>10}{'torchinfo':>11}{'ratio':>8}   limit {LIMIT}")
    for name, make in MODELS.items():
        torch.manual_seed(0)
        model, inputs = make()
        theirs = seconds(partial(torchinfo.summary, model, input_data=inputs, verbose=0))
        ours = seconds(partial(talaria.analyze, model, inputs, device=DEVICE))
        print(f"{name:12}{ours:8.3f} s{theirs:9.3f} s{ours / theirs:8.2f}")


if __name__ == "__main__":
    main()
