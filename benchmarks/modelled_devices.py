"""How far the modelled devices are from what was measured.

`cpu-avx2`: whole models against ONNX Runtime on this machine, one thread, 25th percentile of
interleaved rounds (meaningful where this machine is such a CPU). `apple-a17-pro-ane`: against
the latencies that coremltools' guide publishes for the iPhone 15 Pro
(docs-guides/source/opt-quantization-perf.md at e0e2f42, iOS 17).

    PYTHONPATH=tests python -m benchmarks.modelled_devices [--write docs/devices.md]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import transformers

import talaria_widget as talaria
import torchvision_cpu
from talaria_widget.frontends.torch import record
from talaria_widget.rewrite.export import export
from talaria_widget.rewrite.inputs import feed

ROUNDS = 12
INT8 = talaria.Quantize(8)
STATIC = talaria.Quantize(8, activations=talaria.Activations(8))
PUBLISHED_MS = {
    ("mobilenet_v2", "fp16"): 0.49,
    ("mobilenet_v2", "int8"): 0.44,
    ("mobilenet_v2", "int8 w+a"): 0.20,
    ("resnet50", "fp16"): 1.38,
    ("resnet50", "int8"): 1.50,
    ("resnet50", "int8 w+a"): 0.77,
}


def _vision(name: str) -> Any:
    return getattr(torchvision_cpu.models(), name)(weights=None).eval()


def _bert() -> Any:
    return transformers.BertModel(transformers.BertConfig(num_hidden_layers=4)).eval()


MODELS: dict[str, Callable[[], Any]] = {
    name: partial(_vision, name)
    for name in (
        "resnet18",
        "resnet50",
        "vgg11",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "squeezenet1_1",
        "convnext_tiny",
        "vit_b_16",
    )
} | {"bert (4 layers, 128)": _bert}


def _sessions(model: Any, recipes: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    recording = record(model, None)
    args, kwargs = recording.args, dict(recording.kwargs)
    proto = export(model, args, kwargs)
    arrays = feed(model, args, kwargs, proto)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    found: dict[str, Callable[[], Any]] = {}
    for label, recipe in recipes.items():
        applied = None if recipe is None else talaria.apply(model, recipe, calibration=[None])
        written: Any = proto if applied is None else applied.model
        session = onnxruntime.InferenceSession(written.SerializeToString(), options)
        found[label] = partial(session.run, None, arrays)
    return found


def _time(runs: dict[str, Callable[[], Any]]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(ROUNDS):
        for label, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[label].append(time.perf_counter() - start)
    return {label: float(np.percentile(s[2:], 25)) for label, s in seconds.items()}


def cpu() -> list[list[str]]:
    """Model, option, measured and modelled milliseconds, error of time and of speed-up."""
    recipes = {"fp32": None, "int8": {"*": INT8}, "int8 w+a": {"*": STATIC}}
    rows = []
    for name, make in MODELS.items():
        model = make()
        measured = _time(_sessions(model, recipes))
        for label, recipe in recipes.items():
            report = talaria.analyze(model, device="cpu-avx2", recipe=recipe)
            modelled = report.totals["latency_s"] or float("nan")
            gain = (report.baseline["latency_s"] or float("nan")) / modelled
            real = measured["fp32"] / measured[label]
            rows.append(_row(name, label, measured[label], modelled, gain / real - 1))
    return rows


def apple() -> list[list[str]]:
    """The same against published tables."""
    rows = []
    for (name, label), published in PUBLISHED_MS.items():
        recipe = {"fp16": None, "int8": {"*": INT8}, "int8 w+a": {"*": STATIC}}[label]
        report = talaria.analyze(_vision(name), device="apple-a17-pro-ane", recipe=recipe)
        modelled = report.totals["latency_s"] or float("nan")
        gain = (report.baseline["latency_s"] or float("nan")) / modelled
        real = PUBLISHED_MS[name, "fp16"] / published
        rows.append(_row(name, label, published / 1e3, modelled, gain / real - 1))
    return rows


def _row(name: str, label: str, measured: float, modelled: float, gain: float) -> list[str]:
    error = modelled / measured - 1
    return [
        name,
        label,
        f"{1e3 * measured:.2f}",
        f"{1e3 * modelled:.2f}",
        f"{100 * error:+.0f} %",
        "" if label in ("fp32", "fp16") else f"{100 * gain:+.0f} %",
    ]


def _table(rows: list[list[str]], measured: str) -> str:
    head = ["model", "option", f"{measured}, ms", "modelled, ms", "error", "error of speed-up"]
    lines = ["| " + " | ".join(r) + " |" for r in (head, ["---"] * len(head), *rows)]
    errors = [abs(float(r[4].split()[0])) for r in rows]
    base = [abs(float(r[4].split()[0])) for r in rows if r[1] in ("fp32", "fp16")]
    return "\n".join(lines) + (
        f"\n\nMedian error {statistics.median(errors):.0f} %, largest {max(errors):.0f} %; "
        f"baselines alone {statistics.median(base):.0f} % and {max(base):.0f} %.\n"
    )


def main() -> None:
    """Print both tables, and write them where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path)
    parser.add_argument("--only", choices=("cpu", "apple"))
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    parts = ["# Modelled devices against measurements\n"]
    if arguments.only != "cpu":
        parts += ["## apple-a17-pro-ane\n", _table(apple(), "published")]
    if arguments.only != "apple":
        parts += ["## cpu-avx2\n", _table(cpu(), "measured")]
    text = "\n".join(parts)
    print(text)
    if arguments.write:
        arguments.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
