"""Weights computed from parameters in every run belong to the layer that uses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, parametrize

import talaria_widget as talaria
from talaria_widget.frontends.torch import capture
from talaria_widget.work import count
from test_frontend_torch import Written, op

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


class Symmetric(nn.Module):
    """A parametrization that a user wrote."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.triu() + x.triu(1).transpose(-1, -2)


def symmetric(layer: nn.Module) -> nn.Module:
    parametrize.register_parametrization(layer, "weight", Symmetric())
    return layer


WAYS: dict[str, tuple[Callable[[nn.Module], Any], str]] = {
    "weight norm, old": (nn.utils.weight_norm, "weight_v"),
    "weight norm": (parametrizations.weight_norm, "parametrizations.weight.original1"),
    "spectral norm, old": (nn.utils.spectral_norm, "weight_orig"),
    "spectral norm": (parametrizations.spectral_norm, "parametrizations.weight.original"),
    "orthogonal": (parametrizations.orthogonal, "parametrizations.weight.original"),
    "a user's own": (symmetric, "parametrizations.weight.original"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("training", [False, True])
def test_a_linear_layer_owns_the_parameter_behind_its_weight(way: str, training: bool) -> None:
    wrap, parameter = WAYS[way]
    net = nn.Sequential(nn.Linear(4, 6), wrap(nn.Linear(6, 6))).train(training)
    graph = capture(net, torch.randn(3, 4))
    layer = op(graph, "1")
    assert layer.kind == "linear"
    assert layer.weights == (f"1.{parameter}", "1.bias")
    assert graph.tensors[f"1.{parameter}"].role == "weight"
    assert graph.tensors[f"1.{parameter}"].channel_axis == 0
    assert count(graph, layer).macs == 3 * 6 * 6
    made = {name for op in graph.ops for name in op.outputs}
    assert len(layer.inputs) == 2
    assert set(layer.inputs) <= made
    assert graph.parameters == sum(p.numel() for p in net.parameters())
    assert any("the weight of 1 is computed from parameters" in note for note in graph.notes)


@pytest.mark.parametrize("wrap", [nn.utils.spectral_norm, parametrizations.spectral_norm])
def test_the_power_iteration_of_spectral_norm_is_counted(wrap: Callable[..., nn.Module]) -> None:
    net = nn.Sequential(wrap(nn.Linear(3, 4))).train()
    graph = capture(net, torch.randn(2, 3))
    products = [count(graph, op).macs for op in graph.ops if op.word in ("mv", "vdot", "dot")]
    assert sorted(products) == [4, 4 * 3, 4 * 3, 4 * 3]
    assert all(count(graph, op).flops is not None for op in graph.ops)


def test_an_option_can_be_chosen_for_a_layer_with_weight_norm() -> None:
    net = nn.Sequential(nn.utils.weight_norm(nn.Linear(256, 512))).eval()
    report = talaria.analyze(
        net, torch.randn(1, 256), recipe={"0": talaria.Quantize(8)}, device="cpu-avx2"
    )
    assert report.refused == ()
    whole = talaria.analyze(net, torch.randn(1, 256), device="cpu-avx2").totals["size_bytes"]
    assert whole >= 4 * 256 * 512
    assert report.totals["size_bytes"] < whole / 3


def test_convolutions_are_named_after_their_modules() -> None:
    net = nn.Sequential(
        nn.utils.weight_norm(nn.Conv1d(4, 8, 3)),
        nn.ReLU(),
        parametrizations.weight_norm(nn.ConvTranspose1d(8, 4, 2, stride=2), dim=1),
    )
    graph = capture(net.eval(), torch.randn(1, 4, 10))
    assert [(op.name, op.kind) for op in graph.ops if op.kind.startswith("conv")] == [
        ("0", "conv"),
        ("2", "conv_transpose"),
    ]
    assert count(graph, op(graph, "0")).macs == 8 * 8 * 4 * 3
    assert count(graph, op(graph, "2")).macs == (8 * 8) * 4 * 2
    assert any("the weights of 2 layers (0 to 2)" in note for note in graph.notes)


def test_a_standardized_weight_is_its_layer_s() -> None:
    class Standardized(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            w = self.weight
            flat = functional.batch_norm(w.reshape(1, len(w), -1), None, None, training=True)
            return functional.conv2d(x, flat.reshape_as(w), self.bias)

    graph = capture(nn.Sequential(Standardized(3, 8, 3)).eval(), torch.randn(1, 3, 8, 8))
    assert op(graph, "0").weights == ("0.weight", "0.bias")


def test_a_layer_called_with_other_parameters_keeps_its_name() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        doubled = {name: value * 2 for name, value in self.fc.named_parameters()}
        return torch.func.functional_call(self.fc, doubled, (x,))

    graph = capture(Written(forward, fc=nn.Linear(4, 4)).eval(), torch.randn(2, 4))
    assert op(graph, "fc").kind == "linear"
    assert op(graph, "fc").weights == ("fc.weight",)
    assert count(graph, op(graph, "fc")).macs == 2 * 4 * 4


def test_a_weight_that_an_input_changes_is_no_parameter() -> None:
    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.fc.weight * x.mean(), self.fc.bias)

    graph = capture(Written(forward, fc=nn.Linear(4, 4)).eval(), torch.randn(2, 4))
    assert graph.ops[-1].kind == "matmul"
    assert not any("computed from parameters" in note for note in graph.notes)
