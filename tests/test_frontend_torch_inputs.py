"""Inputs given and inputs inferred: what is assumed is said, what is wrong is explained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import nets
from talaria_widget.frontends.torch import capture, prepare_inputs
from talaria_widget.graph import UnsupportedModelError


@pytest.mark.parametrize(
    ("model", "shape", "said"),
    [
        (nets.SmallNet(), (1, 3, 224, 224), "3 channels from stem; batch 1 and 224x224"),
        (nn.Sequential(nn.Linear(7, 2)), (1, 7), "7 features from 0; batch 1"),
        (nn.Conv1d(5, 2, 3), (1, 5, 128), "5 channels from the model; batch 1 and length 128"),
        (nn.Conv3d(3, 2, 3), (1, 3, 16, 112, 112), "3 channels from the model"),
        (nn.Conv2d(1, 2, 3), (1, 1, 28, 28), "1 channel from the model"),
        (nets.Tied(), (1, 128), "ids below 100 from embed; batch 1 and 128 ids"),
        (nn.GRU(6, 3, batch_first=True), (1, 16, 6), "6 features from the model"),
    ],
    ids=["image", "linear", "conv1d", "conv3d", "grey", "embedding", "recurrent"],
)
def test_inputs_are_inferred_from_the_first_layer(
    model: nn.Module, shape: tuple[int, ...], said: str
) -> None:
    prepared = prepare_inputs(model)
    assert tuple(prepared.args[0].shape) == shape
    assert said in prepared.assumed[0]
    graph = capture(model.eval())
    assert graph.tensors[graph.inputs[0]].shape == shape
    assert graph.assumed == prepared.assumed


def test_another_size_is_tried_where_the_guess_fails() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 30 * 30, 10))
    graph = capture(net.eval())
    assert graph.tensors["input"].shape == (1, 3, 32, 32)
    assert "32x32 are our guess" in graph.assumed[0]


def test_given_inputs_assume_nothing() -> None:
    assert capture(nets.small_net(), torch.randn(2, 3, 32, 32)).assumed == ()


def test_a_guess_that_fails_says_what_to_pass() -> None:
    class Picky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x.reshape(3, 5, 4))

    with pytest.raises(ValueError, match=r"our guess \(x: 1x4 float32\) failed.*pass inputs=") as e:
        capture(Picky())
    assert isinstance(e.value.__cause__, RuntimeError)


@pytest.mark.parametrize("model", [nn.ReLU(), nn.MultiheadAttention(4, 2)])
def test_nothing_to_infer_from(model: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"inputs cannot be inferred.*pass inputs="):
        capture(model)


def test_a_wrong_shape_is_one_sentence_with_the_user_s_error_behind_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(UnsupportedModelError, match=r"x: 1x1x28x28 float32") as e:
        capture(nets.small_net(), torch.randn(1, 1, 28, 28))
    assert isinstance(e.value.__cause__, RuntimeError)
    assert "\n" not in str(e.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("inputs", [3, "x", object()])
def test_inputs_of_a_wrong_type(inputs: Any) -> None:
    with pytest.raises(TypeError, match="pass a tensor, a tuple"):
        capture(nets.small_net(), inputs)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nets.small_net().state_dict(), "state dict"),
        (nets.SmallNet, "an instance"),
        ("model.pt", "str"),
    ],
)
def test_no_module(model: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        capture(model)


def test_arguments_by_position_and_by_name_are_the_same_graph() -> None:
    x = torch.randn(1, 3, 32, 32)
    graphs = [capture(nets.small_net(), given) for given in (x, (x,), [x], {"x": x})]
    assert len({graph.fingerprint for graph in graphs}) == 1


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (nn.Linear(3, 4).half(), torch.ones(2, 3)),
        (nn.Linear(3, 4), torch.ones(2, 3, dtype=torch.int64)),
        (nn.Conv1d(3, 4, 3, bias=False).half(), torch.ones(1, 3, 8)),
        (nn.Linear(3, 4, device="meta").half(), torch.ones(2, 3)),
    ],
    ids=["linear", "integers", "convolution", "meta"],
)
def test_inputs_of_another_dtype_are_refused_as_torch_refuses_them(
    model: nn.Module, x: torch.Tensor
) -> None:
    with pytest.raises(UnsupportedModelError, match="dtype|scalar type"):
        capture(model, x)


def test_a_lazy_module_asks_for_a_first_call() -> None:
    with pytest.raises(ValueError, match="LazyLinear"):
        capture(nn.Sequential(nn.LazyLinear(3)), torch.ones(1, 2))


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.Sequential(nn.Linear(7, 2), nn.ReLU()), (1, 7)),
        (nn.Sequential(nn.Conv2d(3, 2, 3)), (1, 3, 224, 224)),
        (nn.Embedding(9, 3), (1, 128)),
    ],
    ids=["linear", "image", "embedding"],
)
def test_a_scripted_model_s_inputs_are_those_of_its_first_layer(
    model: nn.Module, shape: tuple[int, ...]
) -> None:
    prepared = prepare_inputs(torch.jit.script(model.eval()))
    assert tuple(prepared.args[0].shape) == shape
