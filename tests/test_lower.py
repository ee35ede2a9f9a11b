"""A module lowered from its trace: names, traps of writing in place, and what is refused."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from lowered import difference, disagreements, feeds, lowered, macs
from nets import small_net
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.lower import mode, source_of_module
from talaria_widget.rewrite.source import LARGEST_KEPT_BYTES
from zoo import ZOO
from zoo_traps import TRAPS

TOLERANCE = 1e-3
REFUSED = {
    "autocast": "runs under autocast in bfloat16",
    "eager-quantized": "quantized.linear_dynamic",
}


def agree(model: nn.Module, inputs: Any) -> None:
    """Lowered, run on two inputs, and compared."""
    recording, source = lowered(model, inputs)
    proto = source.fill()
    onnx.checker.check_model(proto)
    assert difference(model, recording, proto) < TOLERANCE


# The others are run by benchmarks/accuracy_lowering.py.
SPECIMENS = ("bert", "t5", "mamba", "mobilenet-v3-small", *TRAPS)


@pytest.mark.parametrize("name", SPECIMENS)
def test_the_zoo_comes_out_or_is_refused_by_name(name: str, tmp_path: Path) -> None:
    model, inputs = ZOO[name].load(tmp_path)
    if name in REFUSED:
        with pytest.raises(UnsupportedModelError, match=REFUSED[name]):
            lowered(model, inputs)
        return
    recording, source = lowered(model, inputs)
    assert difference(model, recording, source.fill()) < TOLERANCE
    assert disagreements(recording, source) == {}


class Function(nn.Module):
    """A module of one function, with a layer and a buffer at hand."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.register_buffer("table", torch.arange(16.0).view(4, 4))
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def written_later(_: Function, x: Tensor) -> Any:
    mask = torch.zeros(4, 4)
    row = mask[1]
    mask[:, 3] = x[0]
    return mask + 1, row * 2


def known_then_written(_: Function, x: Tensor) -> Any:
    count = torch.arange(4.0)
    count += 1
    before = x * count
    count[1] = 7
    return before, x * count


def parts_of_a_new_tensor(_: Function, x: Tensor) -> Any:
    made = x.new_empty(4, 6)
    made[:, :4].copy_(x)
    made[:, 4:] = x[:, :2] * 2
    return made


def through_views(_: Function, x: Tensor) -> Any:
    y = x * 2
    turned = y.t()
    flat = y.view(-1)
    turned[0] = 5
    flat[3:6].add_(1)
    y[:, ::2].mul_(3)
    return y, turned, flat, y.diagonal()


def write_then_view(_: Function, x: Tensor) -> Any:
    y = x.clone()
    first, second = y.chunk(2, 1)
    second.sigmoid_()
    first[0, 0] = 0
    return y, first + second


def buffer_written(self: Function, x: Tensor) -> Any:
    self.table[0] += 1
    return x + self.table, self.table * 1


def same_memory(_: Function, x: Tensor) -> Any:
    y = x * 2
    z = y.data
    y.add_(1)
    return z * 1, torch.zeros_like(y) + y.detach()


def nothing_done(self: Function, x: Tensor) -> Any:
    return self.layer(x.float().contiguous().to(torch.float32)), x.view(4, 4)


def lists_and_masks(_: Function, x: Tensor) -> Any:
    keep = torch.tensor([True, False, True, True])
    y = x.clone()
    y[keep] = x[[0, 1, 2]] * 2
    y[:, torch.tensor([False, True, False, True])] = 1
    return y, x[keep][:, torch.tensor(2)], x[-1, [1, 1]]


def mask_of_data(_: Function, x: Tensor) -> Any:
    y = x.clone()
    y[y > 0.5] = 0.5
    return y.masked_fill_(y < 0, 0)


def strided(_: Function, x: Tensor) -> Any:
    return x.t().contiguous().t().as_strided((3, 2), (4, 1), 1)


def twice(_: Function, x: Tensor) -> Any:
    y = x + 1
    return y, y, x


def integers(_: Function, x: Tensor) -> Any:
    count = torch.zeros(4, dtype=torch.int64)
    count += (x > 0).sum(0)
    return count, count.new_full((2,), 3)


WRITES = (
    written_later,
    known_then_written,
    parts_of_a_new_tensor,
    through_views,
    write_then_view,
    buffer_written,
    same_memory,
    nothing_done,
    lists_and_masks,
    mask_of_data,
    strided,
    integers,
)


class All(nn.Module):
    """Each function in a module of its own, so that one does not see what another wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Function(function) for function in WRITES])

    def forward(self, x: Tensor) -> Any:
        return {part.function.__name__: part(x) for part in self.parts}


def test_writing_in_place_is_followed() -> None:
    torch.manual_seed(0)
    agree(All().eval(), torch.randn(4, 4))


def test_outputs_may_be_the_same_or_an_input() -> None:
    agree(Function(twice).eval(), torch.randn(4, 4))


def test_every_weight_keeps_its_name_and_every_node_its_op() -> None:
    model = small_net().eval()
    recording, source = lowered(model, torch.rand(1, 3, 32, 32))
    stored = {tensor.name: tensor for tensor in source.fill().graph.initializer}
    for name, tensor in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert np.array_equal(onnx.numpy_helper.to_array(stored[name]), tensor.numpy())
    ops = {op.name for op in recording.graph.ops}
    made = [name for node in source.skeleton.graph.node for name in node.output]
    assert set(made) == set(source.op_of)
    assert set(source.op_of.values()) <= ops
    assert {name for op in recording.graph.ops for name in op.outputs} <= {
        *made,
        *(value.name for value in source.skeleton.graph.input),
    }


def test_inputs_are_named_like_the_arguments() -> None:
    class Two(nn.Module):
        def forward(self, image: Tensor, *, scale: Tensor) -> Tensor:
            return image * scale

    inputs = {"image": torch.ones(2), "scale": torch.ones(1)}
    _, source = lowered(Two(), inputs)
    assert [value.name for value in source.skeleton.graph.input] == ["image", "scale"]


def test_a_linear_layer_is_what_the_runtime_runs_best() -> None:
    layer = nn.Linear(6, 5)
    kinds = {
        rank: [
            n.op_type for n in lowered(layer, torch.randn(*[2] * rank, 6))[1].skeleton.graph.node
        ]
        for rank in (1, 2)
    }
    assert kinds == {1: ["Gemm"], 2: ["Transpose", "MatMul", "Add"]}


def test_hard_swish_keeps_its_name() -> None:
    _, source = lowered(nn.Sequential(nn.Hardswish()), torch.randn(2, 3))
    assert [n.op_type for n in source.skeleton.graph.node] == ["HardSigmoid", "Mul"]
    assert set(source.op_of.values()) == {"0/hardswish"}


def test_the_skeleton_holds_no_large_floats() -> None:
    model = nn.Sequential(nn.Embedding(300, 64), nn.Linear(64, 512), nn.Linear(512, 8, bias=False))
    _, source = lowered(model, torch.arange(4))
    sizes = {t.name: len(t.raw_data) for t in source.skeleton.graph.initializer}
    assert sizes["0.weight"] == sizes["1.weight"] == 0
    assert sizes["2.weight"] == 4 * 512 * 8 <= LARGEST_KEPT_BYTES
    assert source.skeleton.ByteSize() < 512 * 64 * 4


def test_the_module_is_left_alone() -> None:
    model, image = small_net().eval(), torch.rand(1, 3, 32, 32)
    before = {name: (t.clone(), t.data_ptr(), t._version) for name, t in model.state_dict().items()}
    state = torch.random.get_rng_state()
    _, source = lowered(model, image)
    source.fill()
    for name, tensor in model.state_dict().items():
        value, address, version = before[name]
        assert torch.equal(tensor, value)
        assert (tensor.data_ptr(), tensor._version) == (address, version)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_values_that_changed_since_are_not_written() -> None:
    model = nn.Linear(200, 200)
    _, source = lowered(model, torch.randn(2, 200))
    with torch.no_grad():
        model.weight.add_(1)
    with pytest.raises(UnsupportedModelError, match="weight was changed since"):
        source.fill()


def test_a_model_without_values_has_a_skeleton() -> None:
    model = nn.Sequential(nn.Linear(200, 200), nn.ReLU()).to("meta")
    recording, source = lowered(model, torch.randn(2, 200))
    assert macs(recording.graph) == {"0": 2 * 200 * 200}
    assert [n.op_type for n in source.skeleton.graph.node] == ["Gemm", "Relu"]
    with pytest.raises(UnsupportedModelError, match="meta device"):
        source.fill()


def quantile(_: Function, x: Tensor) -> Any:
    return torch.linalg.svdvals(x)


def mapped(_: Function, x: Tensor) -> Any:
    return torch.vmap(lambda row: row * 2)(x)


def packed(_: Function, x: Tensor) -> Any:
    sequence = nn.utils.rnn.pack_padded_sequence(x[None], torch.tensor([3]), batch_first=True)
    return nn.LSTM(4, 4, batch_first=True)(sequence)[0].data


def out_given(_: Function, x: Tensor) -> Any:
    made = torch.empty(4, 4)
    return torch.add(x, 1, out=made)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (nn.Dropout().train(), "training mode"),
        (nn.Sequential(nn.BatchNorm1d(4)).train(), "training mode"),
        (nn.LSTM(4, 4, 2, dropout=0.5).train(), "at random"),
        (nn.LSTM(4, 8, proj_size=2).eval(), "projection"),
        (Function(quantile), "svdvals"),
        (Function(mapped), r"runs 4 times \(vmap"),
        (Function(out_given), r"out|in place"),
        (Function(packed), "pack_padded_sequence"),
        (nn.Linear(4, 4).bfloat16(), "bfloat16"),
    ],
    ids=["dropout", "norm", "lstm", "projection", "svd", "vmap", "out", "packed", "bfloat16"],
)
def test_what_cannot_be_right_is_refused_by_name(model: nn.Module, says: str) -> None:
    inputs = torch.randn(4, 4)
    if isinstance(model, nn.Linear):
        inputs = inputs.bfloat16()
    with pytest.raises(UnsupportedModelError, match=says) as caught:
        lowered(model, inputs)
    assert "\n" not in str(caught.value)


def test_what_is_fixed_or_depends_on_data_is_noted() -> None:
    def fixed(self: Function, x: Tensor) -> Any:
        rows, columns = torch.where(x > 9)
        return x[x > 0], rows + columns, torch.arange(3)

    agree(Function(fixed), torch.randn(4, 4).abs())
    _, source = lowered(Function(fixed), torch.randn(4, 4))
    said = " ".join(source.notes)
    assert "depends on data" in said
    assert "does not depend on the inputs" in said


class Outside(nn.Module):
    """Something that the exporter can write and we cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(lambda row: row * 2)(self.layer(x))


def test_what_is_refused_goes_to_the_exporter() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Outside().eval()
        recording, source = source_of_module(model, torch.randn(3, 4))
    assert "exporter" in source.notes[0]
    assert "vmap" in source.notes[0]
    assert "layer" in source.op_of.values()
    assert difference(model, recording, source.fill()) < TOLERANCE


def test_where_nothing_works_both_reasons_are_given() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnsupportedModelError, match=r"svdvals.*exporter was tried too, and"):
            source_of_module(Function(quantile).eval(), torch.randn(4, 4))


def test_autocast_is_refused_by_both() -> None:
    model, inputs = ZOO["autocast"].load(Path())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnsupportedModelError, match=r"under autocast in bfloat16.*tried too"):
            source_of_module(model, inputs)


def test_the_private_torch_that_this_relies_on_is_there() -> None:
    admitted = inspect.getsource(mode._set_mode_pre_dispatch)
    assert "SchemaCheckMode" in admitted
    assert issubclass(mode.Lowering, mode.SchemaCheckMode)
    assert "_should_skip_dynamo" in inspect.getsource(mode.TorchDispatchMode)
    assert list(inspect.signature(mode.unset_mode_pre_dispatch).parameters) == [
        "mode_key",
        "schema_check",
    ]
    from torch.onnx._internal.exporter import _building, _registration, _tensors

    registry = _registration.ONNXRegistry.from_torchlib(18)
    known = registry.get_decomps(torch.ops.aten.im2col.default)
    assert [item.is_complex for item in known] == [False]
    assert {"nodes", "functions"} <= set(_building.OpRecorder(None, {}).__dict__)
    assert {"shape", "type"} <= set(inspect.signature(_tensors.SymbolicTensor).parameters)


def test_inputs_of_the_file_are_those_of_the_run() -> None:
    recording, source = lowered(small_net().eval(), torch.rand(1, 3, 32, 32))
    assert [value.name for value in source.skeleton.graph.input] == list(feeds(recording)[0])
