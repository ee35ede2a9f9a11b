"""A word on every model that is not plain: read with a note, or refused in one sentence."""

from __future__ import annotations

import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as distributed
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map

import nets
import talaria_widget as talaria
from talaria_widget.frontends.torch import capture
from talaria_widget.graph import Graph
from talaria_widget.work import count

IMAGE = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)


def plain() -> Graph:
    return capture(nets.small_net(), IMAGE)


class Packed(torch.Tensor):
    """Weights as int8 with a scale per row, as torchao keeps them; a matrix of floats to torch."""

    data8: torch.Tensor
    scale: torch.Tensor

    @staticmethod
    def __new__(cls, data8: torch.Tensor, scale: torch.Tensor) -> Packed:
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined,no-any-return]
            cls, data8.shape, dtype=scale.dtype, device=data8.device
        )

    def __init__(self, data8: torch.Tensor, scale: torch.Tensor) -> None:
        self.data8, self.scale = data8, scale

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["data8", "scale"], None

    @classmethod
    def __tensor_unflatten__(cls, inner: Any, _meta: Any, _size: Any, _stride: Any) -> Packed:
        return cls(inner["data8"], inner["scale"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def unpack(item: Any) -> Any:
            return item.data8 * item.scale if isinstance(item, cls) else item

        if func is torch.ops.aten.detach.default:
            return cls(args[0].data8, args[0].scale)
        return func(*tree_map(unpack, args), **tree_map(unpack, kwargs or {}))


def packed_net() -> nn.Module:
    model = nn.Sequential(nn.Linear(8, 16, bias=False), nn.ReLU()).eval()
    data = torch.randint(-127, 127, (16, 8), dtype=torch.int8)
    model[0].weight = nn.Parameter(Packed(data, torch.full((16, 1), 0.01)), requires_grad=False)
    return model


def test_a_weight_of_a_packed_class_is_read_and_shown_as_it_is_stored() -> None:
    graph = capture(packed_net(), torch.ones(1, 8))
    assert [op.kind for op in graph.ops] == ["linear", "activation"]
    assert count(graph, graph.ops[0]).macs == 8 * 16
    assert "1 tensor is of the class Packed, kept as float32 and int8" in graph.notes
    assert graph.tensors["0.weight"].nbytes == 8 * 16 * 1 + 16 * 4


class FourBits(nn.Module):
    """Two weights to a byte, unpacked in the forward, as bitsandbytes keeps them."""

    def __init__(self) -> None:
        super().__init__()
        packed = torch.randint(0, 255, (16, 4), dtype=torch.uint8)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.register_buffer("scale", torch.ones(16, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low, high = self.weight & 15, self.weight >> 4
        weight = (torch.stack((low, high), -1).reshape(16, 8).float() - 8) * self.scale
        return nn.functional.linear(x, weight)


def test_weights_of_whole_numbers_are_said_to_be_quantized_already() -> None:
    graph = capture(FourBits(), torch.ones(1, 8))
    assert any("1 parameter holds whole numbers (uint8)" in note for note in graph.notes)
    assert sum(count(graph, op).macs or 0 for op in graph.ops) == 8 * 16
    assert graph.tensors["weight"].nbytes == 16 * 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gets_inputs_of_its_own(dtype: torch.dtype) -> None:
    graph = capture(nets.small_net().to(dtype))
    name = str(dtype).removeprefix("torch.")
    assert graph.tensors["x"].dtype == graph.tensors["stem:0"].dtype == name
    assert graph.tensors["stem.weight"].nbytes == 2 * 16 * 3 * 3 * 3
    assert f"the model's weights are {name}: it was read as it is" in graph.notes


def wrapped() -> dict[str, nn.Module]:
    inner = nets.small_net()
    inner.blocks[0] = torch.compile(inner.blocks[0])
    return {
        "compiled": torch.compile(nets.small_net()),
        "parallel": nn.DataParallel(nets.small_net()),
        "both": nn.DataParallel(torch.compile(nets.small_net())),
        "a part compiled": inner,
    }


@pytest.mark.parametrize("name", ["compiled", "parallel", "both", "a part compiled"])
def test_wrappers_leave_no_trace_in_the_names(name: str) -> None:
    graph, expected = capture(wrapped()[name], IMAGE), plain()
    assert graph.fingerprint == expected.fingerprint
    assert graph.tensors == expected.tensors
    assert graph.modules == expected.modules
    assert graph.name == expected.name
    assert graph.notes


def test_a_wrapped_model_is_applied_as_the_one_inside() -> None:
    applied = talaria.apply(nn.DataParallel(nets.small_net()), {"fc": talaria.Quantize(8)}, IMAGE)
    names = {tensor.name for tensor in applied.model.graph.initializer}
    assert any(name.startswith("stem.weight") for name in names)
    assert not any(name.startswith("module.") for name in names)


def test_a_replica_of_distributed_training_is_read_by_the_author_s_names() -> None:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(nets.small_net())
        graph = capture(model, IMAGE)
    finally:
        distributed.destroy_process_group()
    assert graph.fingerprint == plain().fingerprint
    assert any("one replica was read" in note for note in graph.notes)


def test_lora_keeps_its_own_prefix_and_counts_its_own_layers() -> None:
    peft = pytest.importorskip("peft")
    model = nets.Attention().eval()
    before = sum(
        count(g, op).macs or 0 for g in [capture(model, torch.ones(1, 5, 32))] for op in g.ops
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["qkv"])).eval()
    graph = capture(adapted)
    named = {op.name for op in graph.ops if op.kind == "linear"}
    prefix = "base_model.model"
    assert named == {
        f"{prefix}.qkv.base_layer",
        f"{prefix}.qkv.lora_A.default",
        f"{prefix}.qkv.lora_B.default",
        f"{prefix}.out",
    }
    graph = capture(adapted, torch.ones(1, 5, 32))
    after = sum(count(graph, op).macs or 0 for op in graph.ops)
    assert after - before == 5 * (32 * 4 + 4 * 3 * 32)


class Elsewhere(Packed):
    """A tensor that says it lives on a GPU that this machine has not."""

    @staticmethod
    def __new__(cls, data8: torch.Tensor, scale: torch.Tensor) -> Elsewhere:
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined,no-any-return]
            cls, data8.shape, dtype=scale.dtype, device="cuda:0"
        )


class Asks(nn.Module):
    """Asks where it is, and moves its input there."""

    def __init__(self) -> None:
        super().__init__()
        weight = Elsewhere(torch.ones(4, 8, dtype=torch.int8), torch.ones(4, 1))
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.device == self.weight.device == torch.device("cuda:0")
        return nn.functional.linear(x.cuda().to(self.weight.device), self.weight)


def test_a_model_on_a_gpu_is_told_that_all_is_there() -> None:
    graph = capture(Asks(), torch.ones(2, 8))
    assert [op.kind for op in graph.ops] == ["linear"]
    assert graph.tensors[graph.outputs[0]].shape == (2, 4)


@pytest.mark.parametrize("kind", ["meta", "fake"])
def test_weights_without_values_are_said(kind: str) -> None:
    model = nets.small_net()
    if kind == "meta":
        model = model.to("meta")
    else:
        with FakeTensorMode() as mode:
            for part in model.modules():
                for group in (part._parameters, part._buffers):
                    group.update(
                        {
                            name: None if tensor is None else mode.from_tensor(tensor)
                            for name, tensor in group.items()
                        }
                    )
    graph = capture(model, IMAGE)
    assert graph.fingerprint == plain().fingerprint
    assert any("16 tensors have no values" in note for note in graph.notes)


def test_a_sparse_weight_is_read_on_a_copy() -> None:
    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.eye(6).to_sparse(), requires_grad=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sparse.mm(self.weight, x)

    graph = capture(Sparse(), torch.ones(6, 3))
    assert graph.ops[-1].weights == ("weight",)
    assert graph.tensors[graph.outputs[0]].shape == (6, 3)


def refused(model: Any, inputs: Any = None) -> str:
    """The one sentence, the same through every door."""
    with pytest.raises((TypeError, ValueError)) as error:
        talaria.capture(model, inputs)
    for door in (talaria.analyze, talaria.show):
        with pytest.raises(type(error.value)) as again:
            door(model, inputs)
        assert str(again.value) == str(error.value)
    said = str(error.value)
    assert "\n" not in said and 20 < len(said) < 320
    return said


def function(x: torch.Tensor) -> torch.Tensor:
    return x + 1


def stranger(module: str) -> Any:
    """An instance of a class of another framework, made without it."""
    made = types.new_class("Model")
    made.__module__ = module
    return made()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (None, "the model is None: pass a torch.nn.Module"),
        (nets.SmallNet, "SmallNet is a class: pass an instance, SmallNet(...)"),
        (nets.small_net().state_dict(), "state dict, weights without the code that uses them"),
        ({"a": 1}, "a dict is no model"),
        (function, "function is a function: pass an nn.Module whose forward calls it"),
        (torch.ones(3), "a Tensor is no model"),
        (np.ones(3), "a ndarray is no model"),
        (3, "a int is no model"),
        (types.SimpleNamespace(model=nets.small_net()), "but holds one: pass its .model"),
        (stranger("keras.src.models"), "a Keras model: convert it to ONNX"),
        (stranger("sklearn.ensemble"), "a scikit-learn model: convert it to ONNX (skl2onnx"),
        ("model.pt", "model.pt is no ONNX file: pickles are never loaded here"),
        (Path("run/last.CKPT"), "pickles are never loaded here"),
        ("scripted.pth", "model.load_state_dict(torch.load(path, weights_only=True))"),
        ("program.pt2", "load it with torch.export.load(path)"),
        ("weights.safetensors", "weights without the code that uses them"),
        ("net.tflite", "convert it to ONNX"),
    ],
    ids=lambda item: None if not isinstance(item, str) else item[:24],
)
def test_what_is_no_model_is_said_in_one_sentence(model: Any, said: str) -> None:
    assert said in refused(model)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Sequential(nn.LazyLinear(3)), "0 is a LazyLinear without weights yet; call the model"),
        (nn.ModuleDict({"a": nn.ReLU(), "b": nn.ReLU()}), "pass one of its parts: a, b"),
        (nn.MultiheadAttention(4, 2), "pass inputs=(query, key, value)"),
        (nn.ReLU(), "pass inputs=(input,)"),
    ],
    ids=["lazy", "no forward", "several arguments", "no layer"],
)
def test_a_module_that_cannot_be_read_yet(model: nn.Module, said: str) -> None:
    assert said in refused(model)


def test_nothing_is_loaded_from_a_pickle(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    torch.save(nets.small_net(), file)
    loaded: list[Any] = []
    before = torch.load
    try:
        torch.load = lambda *a, **k: loaded.append(a)  # type: ignore[assignment]
        assert "pickles are never loaded" in refused(file)
    finally:
        torch.load = before
    assert not loaded


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("<ipython-input-3-1f2e>", "<ipython-input-3-1f2e>"),
        (str(Path("/tmp") / "ipykernel_4321" / "987.py"), "notebook"),
        (str(Path("/somewhere/else/net.py")), "net.py"),
    ],
)
def test_a_line_of_a_notebook_is_named_and_no_path_is_absolute(file: str, shown: str) -> None:
    code = """
from torch import nn
class Cell(nn.Module):
    def forward(self, x):
        y = x + 1
        return y * 2
"""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, file, "exec"), names)
    graph = capture(names["Cell"](), torch.ones(2))
    assert [str(op.source) for op in graph.ops] == [f"{shown}:5", f"{shown}:6"]


def test_a_line_of_a_library_is_named_from_its_package() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    graph = capture(transformers.BertModel(config).eval())
    sources = {op.source.file for op in graph.ops if op.source}
    assert "transformers/models/bert/modeling_bert.py" in sources
    assert not any(file.startswith(("/", sys.prefix)) for file in sources)
    query = next(op for op in graph.ops if op.name == "encoder.layer.0.attention.self.query")
    assert query.source is not None
    lines = Path(transformers.models.bert.modeling_bert.__file__).read_text().splitlines()
    assert "self.query(" in lines[query.source.line - 1]
