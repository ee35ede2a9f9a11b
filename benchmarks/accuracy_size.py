"""Predicted sizes beside the tensors of the files that `apply` really writes.

The files are counted here, by onnx alone. Writes `docs/accuracy.md`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import GraphProto, ModelProto, TensorProto
from transformers import BertConfig, BertModel, MobileNetV2Config, MobileNetV2ForImageClassification

import talaria_widget as talaria
from torchvision_cpu import models

DEVICE = "cpu-avx2"
LIMIT = 0.01
TARGET = Path(__file__).parents[1] / "docs" / "accuracy.md"
RECIPES: dict[str, dict[str, Any]] = {
    "as stored": {},
    "int8 weights": {"*": talaria.Quantize(8)},
    "int8 weights and activations": {"*": talaria.Quantize(8, activations=talaria.Activations(8))},
}
FOUR_BITS = (TensorProto.INT4, TensorProto.UINT4)
HEADING = """# Predicted and real sizes

Made by `make accuracy`. `predicted` is `size_bytes` of the report on `cpu-avx2` (tensor payload in
ONNX Runtime's container); `real` is the payload of every tensor in the file that `talaria.apply`
wrote for the same recipe, counted by onnx alone. Random weights, save for the ONNX files.

| model | recipe | predicted | real | error |
|---|---|---:|---:|---:|
"""


def resnet50() -> tuple[Any, Any]:
    return models().resnet50(weights=None).eval(), torch.randn(1, 3, 224, 224)


def mobilenet_v2() -> tuple[Any, Any]:
    model = MobileNetV2ForImageClassification(MobileNetV2Config())
    return model.eval(), torch.randn(1, 3, 224, 224)


def bert() -> tuple[Any, Any]:
    return BertModel(BertConfig(num_hidden_layers=4)).eval(), torch.randint(0, 30_000, (1, 64))


def packaged(package: str, path: str, inputs: Any = None) -> Callable[[], tuple[Any, Any]]:
    """An ONNX file that comes inside a package, which is not imported."""

    def find() -> tuple[Any, Any]:
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"{package} is not installed: make setup")
        return Path(spec.submodule_search_locations[0]) / path, inputs

    return find


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "ResNet-50": resnet50,
    "MobileNetV2": mobilenet_v2,
    "BERT, 4 layers": bert,
    "Magika (ONNX)": packaged("magika", "models/standard_v3_3/model.onnx"),
    "PP-OCR classifier (ONNX)": packaged(
        "rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", {"x": (1, 3, 48, 192)}
    ),
}


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


def measure(make: Callable[[], tuple[Any, Any]], recipe: dict[str, Any]) -> tuple[float, int]:
    """Predicted bytes, and the real bytes of the file that was written."""
    torch.manual_seed(0)
    model, inputs = make()
    predicted = talaria.analyze(model, inputs, device=DEVICE, recipe=recipe).totals["size_bytes"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the invented inputs calibrate
        applied = talaria.apply(model, recipe, inputs)
    if predicted is None or not isinstance(applied.model, ModelProto):
        raise ValueError("a size with unknown parts, or a file too big to hold: compare it apart")
    return predicted, payload(applied.model)


def main() -> int:
    rows, worst = [], 0.0
    for name, make in MODELS.items():
        for label, recipe in RECIPES.items():
            predicted, real = measure(make, recipe)
            error = predicted / real - 1
            worst = max(worst, abs(error))
            rows.append(
                f"| {name} | {label} | {predicted / 1e6:.4f} MB | {real / 1e6:.4f} MB "
                f"| {error:+.3%} |"
            )
            print(rows[-1])
    TARGET.write_text(HEADING + "\n".join(rows) + "\n", encoding="utf-8")
    print(f"worst {worst:.3%}, limit {LIMIT:.0%}; written to docs/{TARGET.name}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
