"""`apply`: the file, its bytes against the prediction, and the model left as it was."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

import talaria_widget as talaria
from nets import SmallNet, Tied, small_net

IMAGE = torch.rand(1, 3, 32, 32)
INT8 = talaria.Quantize(8)
STATIC = talaria.Quantize(8, activations=talaria.Activations(8))
DYNAMIC = talaria.Quantize(8, activations=talaria.Activations(8, dynamic=True))
BLOCKS = talaria.Quantize(4, granularity="block")


class Wide(nn.Module):
    """Enough weights that tables and constants are under one percent."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(16, 256, 3, bias=False)
        self.norm = nn.BatchNorm2d(256)
        self.b = nn.Conv2d(256, 128, 3)
        self.fc = nn.Linear(128, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.norm(self.a(x)))
        return self.fc(torch.relu(self.b(y)).mean((2, 3)))


def magika() -> Path:
    spec = find_spec("magika")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "models" / "standard_v3_3" / "model.onnx"


@pytest.mark.parametrize("rules", [{}, {"*": INT8}, {"*": STATIC}, {"b": STATIC, "fc": INT8}])
def test_bytes_are_as_predicted(rules: dict[str, talaria.Quantize]) -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 16, 12, 12)
    applied = talaria.apply(Wide().eval(), rules, image, calibration=[image])
    statement = applied.statement
    assert abs(statement.size_error) < 0.01
    assert statement.layers == {0: 0, 1: 3, 2: 2}[len(rules)]
    assert statement.output_difference is not None
    assert statement.output_difference < (1e-4 if not rules else 0.1)
    onnxruntime.InferenceSession(applied.model.SerializeToString()).run(
        None, {applied.model.graph.input[0].name: image.numpy()}
    )


def test_a_trained_file_comes_out_smaller_and_runs(tmp_path: Path) -> None:
    path = tmp_path / "new" / "magika.onnx"
    applied = talaria.apply(magika(), {"*": INT8}, path=path)
    assert applied.model == path
    assert abs(applied.statement.size_error) < 0.01
    assert applied.statement.output_difference < 0.01
    assert path.stat().st_size < magika().stat().st_size / 3
    session = onnxruntime.InferenceSession(path)
    session.run(None, {"bytes": np.ones((1, 2048), np.int32)})


def test_what_is_added_after_a_convolution_is_no_bias_of_it() -> None:
    spec = find_spec("rapidocr_onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "models" / "ch_ppocr_mobile_v2.0_cls_infer.onnx"
    image = {"x": np.random.default_rng(0).random((1, 3, 48, 192), np.float32)}
    statement = talaria.apply(path, {"*": STATIC}, image, calibration=[image]).statement
    assert abs(statement.size_error) < 0.01


def test_only_the_named_layers_change() -> None:
    model = small_net()
    applied = talaria.apply(model, {"blocks.1.conv": INT8}, IMAGE)
    stored = {t.name: t for t in applied.model.graph.initializer}
    stem = onnx.numpy_helper.to_array(stored["stem.weight"])
    np.testing.assert_array_equal(stem, model.stem.weight.detach().numpy())
    int8 = [t for t in stored.values() if t.data_type == onnx.TensorProto.INT8 and t.dims[:]]
    assert [list(t.dims) for t in int8 if len(t.dims) == 4] == [[16, 16, 3, 3]]


def test_the_model_comes_back_as_it_was() -> None:
    model = small_net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    talaria.apply(model, {"*": STATIC}, IMAGE, calibration=[IMAGE])
    assert not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_tied_weight_is_written_once() -> None:
    ids = torch.randint(0, 100, (1, 6))
    applied = talaria.apply(Tied().eval(), {}, ids)
    assert applied.statement.real_bytes == pytest.approx(
        applied.statement.predicted_bytes, rel=0.01
    )


def test_one_input_for_calibration_is_said_once() -> None:
    with pytest.warns(UserWarning, match="calibration=") as caught:
        applied = talaria.apply(small_net(), {"*": STATIC}, IMAGE)
    assert len(caught) == 1
    assert any("one input" in note for note in applied.statement.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        talaria.apply(small_net(), {"*": STATIC}, IMAGE, calibration=[IMAGE, IMAGE * 2])


def test_the_statement_names_what_was_refused() -> None:
    blocks = talaria.Quantize(4, granularity="block")
    applied = talaria.apply(small_net(), {"stem": blocks}, IMAGE)
    assert [r.name for r in applied.statement.refused] == ["stem"]
    assert "refused: stem as int4 b32" in repr(applied)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"to": "coreml"}, ValueError, 'only "onnx"'),
        ({"recipe": {"nothing": INT8}}, ValueError, "matches no layer"),
        ({"model": {"fc.weight": 1}}, TypeError, "state dict"),
        ({"model": "nowhere.onnx"}, FileNotFoundError, "nowhere"),
        ({"recipe": {"*": STATIC}, "calibration": []}, ValueError, "calibration is empty"),
        ({"path": 5}, TypeError, r"apply\(path=5\): pass where to write"),
        ({"calibration": 5}, TypeError, "is a int: pass a list of inputs"),
        ({"calibration": IMAGE}, TypeError, "is a Tensor: pass a list of inputs"),
        ({"calibration": {"x": IMAGE}}, TypeError, "is a dict: pass a list of inputs"),
    ],
)
def test_what_cannot_be_written(
    change: dict[str, object], error: type[Exception], says: str
) -> None:
    arguments = {"model": small_net(), "recipe": {}, "inputs": IMAGE, **change}
    with pytest.raises(error, match=says):
        talaria.apply(**arguments)  # type: ignore[arg-type]


class BothWays(nn.Module):
    """One matrix transposed, another used both ways round."""

    def __init__(self) -> None:
        super().__init__()
        self.turned = nn.Parameter(torch.randn(64, 64))
        self.both = nn.Linear(64, 64, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(self.both(x) @ self.turned.T, self.both.weight.t())


def test_a_weight_that_is_turned_is_compressed_like_any_other() -> None:
    torch.manual_seed(0)
    model, inputs = BothWays().eval(), torch.randn(1, 64)
    statement = talaria.apply(model, {"*": INT8}, inputs).statement
    assert not statement.refused
    assert statement.real_bytes == statement.predicted_bytes == 2 * (64 * 64 + 5 * 64)
    assert statement.output_difference is not None
    assert statement.output_difference < 0.05


def test_blocks_cannot_be_read_both_ways_round() -> None:
    blocks = talaria.Quantize(4, granularity="block")
    with pytest.raises(ValueError, match=r"'both\.weight' in blocks: it is used by"):
        talaria.apply(BothWays().eval(), {"both": blocks}, torch.randn(1, 64))


@pytest.mark.parametrize(
    ("layer", "norm", "shape", "elements"),
    [
        (nn.Linear(32, 64), nn.BatchNorm1d(64), (1, 32), 33 * 64),
        (nn.ConvTranspose2d(8, 12, 3), nn.BatchNorm2d(12), (1, 8, 5, 5), 8 * 12 * 9 + 12),
        (nn.ConvTranspose2d(8, 12, 3, groups=4), nn.BatchNorm2d(12), (1, 8, 5, 5), 8 * 3 * 9 + 12),
    ],
)
def test_a_layer_takes_the_norm_behind_it(
    layer: nn.Module, norm: nn.BatchNorm2d, shape: tuple[int, ...], elements: int
) -> None:
    torch.manual_seed(0)
    channels = norm.num_features
    norm.running_mean, norm.running_var = torch.randn(channels), torch.rand(channels) + 0.5
    norm.weight.data = torch.rand(channels) + 0.5
    statement = talaria.apply(nn.Sequential(layer, norm).eval(), {}, torch.randn(shape)).statement
    assert statement.real_bytes == statement.predicted_bytes == 4 * elements
    assert statement.output_difference is not None
    assert statement.output_difference < 1e-5


@pytest.mark.parametrize(
    ("dtype", "option"),
    [
        ("float16", talaria.Cast("float32")),
        ("float16", STATIC),
        ("float64", talaria.Cast("float16")),
        ("float64", INT8),
        ("float64", DYNAMIC),
    ],
)
def test_what_is_not_in_float32_is_refused_by_the_prediction_too(
    dtype: str, option: talaria.Quantize
) -> None:
    kind = getattr(torch, dtype)
    model, x = nn.Linear(64, 64).to(kind).eval(), torch.randn(1, 64).to(kind)
    applied = talaria.apply(model, {"*": option}, x)
    report = talaria.analyze(model, x, device="onnxruntime-cpu", recipe={"*": option})
    reason = f"it is stored as {dtype}, and only float32 is converted"
    assert [r.reason for r in applied.statement.refused] == [reason]
    assert [r.reason for r in report.refused] == [reason]
    width = torch.finfo(kind).bits // 8
    assert applied.statement.real_bytes == width * (64 * 64 + 64)


class Speech(nn.Module):
    """A table, an LSTM of two directions, a GRU and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(400, 64)
        self.lstm = nn.LSTM(64, 80, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(160, 32, batch_first=True)
        self.head = nn.Linear(32, 100)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.gru(self.lstm(self.table(ids))[0])[0])


@pytest.mark.parametrize(
    ("option", "refused", "decibels"),
    [
        (None, set(), 100),
        (talaria.Cast("float16"), set(), 55),
        (INT8, {"lstm", "gru"}, 30),
        (STATIC, {"lstm", "gru", "table"}, 30),
        (DYNAMIC, {"gru"}, 25),
        (BLOCKS, {"lstm", "gru", "table"}, 15),
    ],
)
def test_every_option_of_this_machine_is_written_or_refused(
    option: talaria.Quantize, refused: set[str], decibels: float
) -> None:
    torch.manual_seed(0)
    ids = torch.randint(0, 400, (1, 9))
    model = Speech().eval()
    applied = talaria.apply(model, {"*": option}, ids, calibration=[ids])
    statement = applied.statement
    assert {r.name for r in statement.refused} == refused
    report = talaria.analyze(model, ids, device="onnxruntime-cpu", recipe={"*": option})
    assert {r.name for r in report.refused} == refused
    assert report.totals["size_bytes"] == statement.predicted_bytes
    assert abs(statement.size_error) < 0.01
    assert min(statement.output_sqnr_db.values()) > decibels
    assert "dB" in repr(statement) or option is None


class Masked(nn.Module):
    """A linear layer, and a table that the code makes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) * torch.tril(torch.ones(64, 64))


def test_constants_of_the_code_are_in_the_file_and_in_the_prediction() -> None:
    applied = talaria.apply(Masked().eval(), {"*": DYNAMIC}, torch.randn(64, 64))
    expected = 64 * 64 + 5 * 64 + 4 * 64 + 4 * 64 * 64
    assert applied.statement.predicted_bytes == applied.statement.real_bytes == expected
    on_paper = talaria.analyze(Masked().eval(), torch.randn(64, 64), device="cpu-avx2")
    assert on_paper.totals["size_bytes"] == 4 * (64 * 64 + 64)


def test_training_mode_is_refused() -> None:
    with pytest.raises(talaria.UnsupportedModelError, match="train"):
        talaria.apply(SmallNet().train(), {}, IMAGE)
