"""Networks and files that the tests of rewriting compress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from talaria_widget.rewrite.verify import compare, verify


class Block(nn.Module):
    """Two convolutions with norms, and a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class SmallResNet(nn.Module):
    """A stem without bias or norm, a pool, two blocks, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self.layer1 = nn.Sequential(Block(32), Block(32))
        self.fc = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.max_pool2d(functional.relu(self.stem(x)), 2)
        logits: torch.Tensor = self.fc(self.layer1(y).mean((2, 3)))
        return logits


class TiedModel(nn.Module):
    """An embedding whose table is also the last layer's weight, and a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 32)
        self.up = nn.ConvTranspose1d(32, 32, 2, stride=2)
        self.head = nn.Linear(32, 50, bias=False)
        self.head.weight = self.table.weight

    def forward(
        self, ids: torch.Tensor, *, gain: torch.Tensor, shift: torch.Tensor
    ) -> torch.Tensor:
        x = self.up(self.table(ids).transpose(1, 2)).transpose(1, 2)
        scores: torch.Tensor = self.head(x * gain + shift)
        return scores


def small_resnet() -> SmallResNet:
    """The net with norms that are not trivial, in eval mode."""
    torch.manual_seed(0)
    net = SmallResNet()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            for name, value in module.named_buffers():
                if name == "running_mean":
                    nn.init.normal_(value)
                elif name == "running_var":
                    nn.init.uniform_(value, 0.5, 2.0)
    return net.eval()


def constants_model() -> ModelProto:
    """Opset 12, no initialisers: convolution, norm, Relu, and a product, from Constant nodes."""
    random = np.random.default_rng(0)
    values = {
        "kernel": random.normal(size=(8, 3, 3, 3)),
        "scale": random.uniform(0.5, 1.5, 8),
        "shift": random.normal(size=8),
        "mean": random.normal(size=8),
        "variance": random.uniform(0.5, 2.0, 8),
        "matrix": random.normal(size=(6, 16)),
        "bias": random.normal(size=16),
    }
    nodes = [
        helper.make_node(
            "Constant", [], [name], value=numpy_helper.from_array(value.astype(np.float32))
        )
        for name, value in values.items()
    ]
    nodes += [
        helper.make_node("Conv", ["x", "kernel"], ["conv"]),
        helper.make_node(
            "BatchNormalization", ["conv", "scale", "shift", "mean", "variance"], ["norm"]
        ),
        helper.make_node("Relu", ["norm"], ["relu"]),
        helper.make_node("MatMul", ["relu", "matrix"], ["product"], name="product"),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "constants",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 6, 16])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)


def linear_model(inputs: int, shape: tuple[int, ...]) -> ModelProto:
    """A linear layer of 24 outputs as exporters write it: Gemm on two axes, else a product."""
    random = np.random.default_rng(0)
    tensors = [
        numpy_helper.from_array(random.normal(size=size).astype(np.float32), name)
        for name, size in (("weight", (24, inputs)), ("bias", (24,)))
    ]
    nodes = [
        helper.make_node("Transpose", ["weight"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "turned"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["y"]),
    ]
    if len(shape) == 1:
        nodes = [helper.make_node("Gemm", ["x", "weight", "bias"], ["y"], transB=1)]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [*shape, inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [*shape, 24])],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def packaged(package: str, path: str) -> Path:
    """A model file that comes inside an installed package; skips where it is not."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0]) / path


def kernels(model: ModelProto, tmp_path: Path) -> Counter[str]:
    """What ONNX Runtime really runs, after all its fusions."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def apart(before: ModelProto, after: ModelProto, given: Mapping[str, Any]) -> float:
    """The largest relative difference between two files."""
    return compare(before, after, given).largest


def apart_from(
    net: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], proto: ModelProto
) -> float:
    """The largest relative difference between a module and a file."""
    return verify(net, args, kwargs, proto).largest
