"""The trace on meta twins against a plain recording of a real run, call by call."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import nets
from talaria_widget.frontends.torch import capture, record
from talaria_widget.frontends.torch.trace.structure import tensors
from talaria_widget.work import count

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

Made = tuple[nn.Module, Any]
Log = list[tuple[str, list[tuple[tuple[int, ...], torch.dtype]]]]


class Plain(TorchFunctionMode):
    """Notes the name, result shapes and dtypes of each call that makes a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.log: Log = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {id(tensor) for _, tensor in tensors((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        made = [t for _, t in tensors(result) if id(t) not in before]
        if made and isinstance(result, torch.Tensor | tuple | list):
            name = getattr(func, "__name__", "")
            name = func.__self__.__name__ if name == "__get__" else name
            self.log.append((name, [(tuple(t.shape), t.dtype) for t in made]))
        return result


def vision(name: str, side: int) -> Callable[[], Made]:
    def make() -> Made:
        import torchvision_cpu

        torch.manual_seed(0)
        model = getattr(torchvision_cpu.models(), name)(weights=None)
        return model, torch.randn(1, 3, side, side)

    return make


def language(kind: str, **sizes: Any) -> Callable[[], Made]:
    def make() -> Made:
        import torchvision_cpu

        torchvision_cpu.models()
        import transformers

        configuration = getattr(transformers, kind.split("For")[0].split("LMHead")[0] + "Config")
        model = getattr(transformers, kind)(configuration(vocab_size=1000, **sizes))
        return model, {"input_ids": torch.randint(3, 900, (1, 16)), "use_cache": False}

    return make


SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
MODELS: dict[str, Callable[[], Made]] = {
    "small": lambda: (nets.small_net(), torch.randn(1, 3, 32, 32)),
    "attention": lambda: (nets.Attention(), torch.randn(1, 5, 32)),
    "lstm": lambda: (nn.LSTM(8, 4, 2), torch.randn(6, 1, 8)),
    "resnet50": vision("resnet50", 64),
    "mobilenet_v2": vision("mobilenet_v2", 64),
    "mobilenet_v3_small": vision("mobilenet_v3_small", 64),
    "convnext_tiny": vision("convnext_tiny", 64),
    "swin_t": vision("swin_t", 64),
    "vit_b_16": vision("vit_b_16", 224),
    "bert": language("BertForMaskedLM", intermediate_size=128, **SMALL),
    "gpt2": language("GPT2LMHeadModel", n_embd=64, n_layer=2, n_head=4),
    "llama": language("LlamaForCausalLM", intermediate_size=128, num_key_value_heads=2, **SMALL),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_trace_is_the_eager_run_call_by_call(name: str) -> None:
    model, inputs = MODELS[name]()
    model.eval()
    recording = record(model, inputs)
    plain = Plain()
    with torch.no_grad(), plain:
        model(*recording.args, **recording.kwargs)
    values = recording.trace.values
    traced: Log = []
    for call in recording.trace.calls:
        read = {ref.value for ref in call.reads}
        made = [values[ref.value] for ref in call.writes if ref.value not in read]
        if made:
            name_of = call.target.rsplit(".", 1)[-1]
            traced.append((name_of, [(value.shape, value.dtype) for value in made]))
    assert [shapes for _, shapes in traced] == [shapes for _, shapes in plain.log]
    ours = [name.strip("_") for name, _ in traced]
    theirs = [name.strip("_").removeprefix("r") for name, _ in plain.log]
    assert [name.removeprefix("r") for name in ours] == theirs
    assert not any(op.kind == "unknown" for op in recording.graph.ops)


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_has_one_producer_before_its_readers(name: str) -> None:
    model, inputs = MODELS[name]()
    graph = capture(model.eval(), inputs)
    known = {n for n, t in graph.tensors.items() if t.role != "activation"}
    for op in graph.ops:
        assert known.issuperset((*op.inputs, *op.weights)), op
        assert not known.intersection(op.outputs), op
        known.update(op.outputs)
    assert known.issuperset(graph.outputs)
    assert len({op.name for op in graph.ops}) == len(graph.ops)
    stored = {n for n, _ in (*model.named_parameters(), *model.named_buffers())}
    assert {w for op in graph.ops for w in op.weights} <= stored


@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("alexnet", 714_188_480),
        ("resnet18", 1_814_073_344),
        ("resnet50", 4_089_184_256),
        ("vgg16", 15_470_264_320),
        ("vit_b_16", 17_563_828_224),
    ],
)
def test_multiply_adds_are_those_worked_out_by_hand(name: str, macs: int) -> None:
    with torch.device("meta"):
        model, _ = vision(name, 224)()
    graph = capture(model.eval())
    assert sum(count(graph, op).macs or 0 for op in graph.ops) == macs
    assert "224x224 are our guess" in graph.assumed[0]


def test_a_language_model_is_asked_what_its_configuration_says() -> None:
    with torch.device("meta"):
        model, _ = MODELS["llama"]()
    graph = capture(model.eval())
    assert graph.inputs == ("input_ids",)
    assert graph.tensors["input_ids"].shape == (1, 128)
    assert graph.assumed == (
        "batch 1 and 128 token ids below 1000 are our guess",
        "no key-value cache is kept (use_cache=False)",
    )
    assert [op.name for op in graph.ops if op.kind == "embedding"] == ["model.embed_tokens"]


def test_a_cache_that_the_model_returns_is_among_its_outputs() -> None:
    model, inputs = MODELS["gpt2"]()
    graph = capture(model.eval(), {"input_ids": inputs["input_ids"], "use_cache": True})
    assert len(graph.outputs) == 1 + 2 * 2
