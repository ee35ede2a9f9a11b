"""Predicted sizes beside the tensors of the files that `apply` really writes, and their outputs.

The files are counted here, by onnx alone. Writes a section of `docs/accuracy.md`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import GraphProto, ModelProto, TensorProto

import talaria_widget as talaria
from benchmarks.latency_models import MODELS, Loader
from benchmarks.sections import write_section

DEVICE = "onnxruntime-cpu"
LIMIT = 0.01
TARGET = Path(__file__).parents[1] / "docs" / "accuracy.md"
DYNAMIC = talaria.Activations(8, dynamic=True)
RECIPES: dict[str, dict[str, Any]] = {
    "as stored": {},
    "fp16": {"*": talaria.Cast("float16")},
    "int8 weights": {"*": talaria.Quantize(8)},
    "static int8": {"*": talaria.Quantize(8, activations=talaria.Activations(8))},
    "dynamic int8": {"*": talaria.Quantize(8, activations=DYNAMIC)},
    "4-bit blocks": {"*": talaria.Quantize(4, granularity="block", block_size=32)},
}
FOUR_BITS = (TensorProto.INT4, TensorProto.UINT4)
HEADING = """Made by `benchmarks/accuracy_size.py`. `predicted` is `size_bytes` of the report on
`onnxruntime-cpu` (tensor payload in ONNX Runtime's container); `real` is the payload of every
tensor in the file that `talaria.apply` wrote for the same recipe, counted by onnx alone. `SQNR` is
the worst signal-to-noise ratio of an output against the model's own, on two inputs, both run in
ONNX Runtime. Random weights, save for the ONNX files; calibrated on one random input.

| model | recipe | layers | predicted | real | error | SQNR |
|---|---|---:|---:|---:|---:|---:|
"""


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every stored tensor, in initializers, Constant nodes and sub-graphs."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type == onnx.AttributeProto.GRAPH:
                yield from tensors(attribute.g)


def payload(model: ModelProto) -> int:
    """Bytes of the tensors' elements."""
    total = 0
    for tensor in tensors(model.graph):
        size = 1
        for dim in tensor.dims:
            size *= dim
        width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize * 8
        total += (size * (4 if tensor.data_type in FOUR_BITS else width) + 7) // 8
    return total


def measure(load: Loader, recipe: dict[str, Any]) -> tuple[talaria.Applied, float, int]:
    """What was written, the bytes predicted by the report, and the real ones."""
    torch.manual_seed(0)
    model, inputs = load()
    view = talaria.show(model, inputs, device=DEVICE, recipe=recipe, measure=False)
    predicted = view.report.totals["size_bytes"]
    view.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the invented inputs calibrate
        applied = talaria.apply(model, recipe, inputs)
    if predicted is None or not isinstance(applied.model, ModelProto):
        raise ValueError("a size with unknown parts, or a file too big to hold: compare it apart")
    return applied, predicted, payload(applied.model)


def main() -> int:
    rows, worst = [], 0.0
    for name, load in MODELS.items():
        for label, recipe in RECIPES.items():
            applied, predicted, real = measure(load, recipe)
            if recipe and not applied.statement.layers:
                continue  # nothing in it takes this option
            error = predicted / real - 1
            worst = max(worst, abs(error))
            noise = min(applied.statement.output_sqnr_db.values(), default=float("nan"))
            rows.append(
                f"| {name} | {label} | {applied.statement.layers} | {predicted / 1e6:.4f} MB "
                f"| {real / 1e6:.4f} MB | {error:+.3%} | {noise:.0f} dB |"
            )
            print(rows[-1], flush=True)
    text = f"{HEADING}{chr(10).join(rows)}\n\nWorst error {worst:.3%}; the limit is {LIMIT:.0%}."
    write_section(TARGET, "## Sizes", text)
    print(f"worst {worst:.3%}, limit {LIMIT:.0%}; written to docs/{TARGET.name}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
