"""An `ExportedProgram` is read as it is: names, shapes, lines and counts of the live module."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import nets
import torchvision_cpu
from talaria_widget import analyze, apply, show
from talaria_widget.frontends.torch import capture
from talaria_widget.graph import Graph, UnsupportedModelError
from talaria_widget.work import count


def export(model: nn.Module, args: tuple[Any, ...], **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(model, args, **settings)


def macs(graph: Graph) -> int:
    found = [count(graph, op).macs for op in graph.ops]
    assert None not in found
    return sum(work or 0 for work in found)


def transformer(name: str, **settings: Any) -> nn.Module:
    torchvision_cpu.models()
    kind = getattr(pytest.importorskip("transformers"), name)
    model: nn.Module = kind(kind.config_class(**settings)).eval()
    return model


TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 99,
    "use_cache": False,
}
MODELS: dict[str, Callable[[], tuple[nn.Module, tuple[Any, ...]]]] = {
    "resnet18": lambda: (
        torchvision_cpu.models().resnet18().eval(),
        (torch.randn(1, 3, 64, 64),),
    ),
    "vit": lambda: (
        transformer(
            "ViTForImageClassification",
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            image_size=32,
            patch_size=8,
        ),
        (torch.randn(1, 3, 32, 32),),
    ),
    "bert": lambda: (transformer("BertModel", **TEXT), (torch.arange(24)[None],)),
    "llama": lambda: (
        transformer("LlamaForCausalLM", **TEXT, num_key_value_heads=2),
        (torch.arange(24)[None],),
    ),
    "lstm": lambda: (nn.LSTM(4, 6, 2, bidirectional=True).eval(), (torch.randn(5, 1, 4),)),
    "attention": lambda: (nets.Attention().eval(), (torch.randn(1, 5, 32),)),
}


@pytest.mark.parametrize("name", MODELS)
def test_counts_and_weights_are_the_live_module_s(name: str) -> None:
    model, args = MODELS[name]()
    live, read = capture(model, args), capture(export(model, args))
    assert macs(read) == macs(live)
    assert read.parameters == live.parameters
    assert {op.name for op in read.ops if op.weights} == {op.name for op in live.ops if op.weights}
    assert {t.name for t in read.tensors.values() if t.role == "weight"} == {
        t.name for t in live.tensors.values() if t.role == "weight"
    }


@pytest.mark.parametrize("name", ["resnet18", "llama"])
def test_decomposed_to_core_operators_it_counts_the_same(name: str) -> None:
    model, args = MODELS[name]()
    core = capture(export(model, args).run_decompositions())
    assert macs(core) == macs(capture(model, args))


def test_a_small_net_reads_the_same_to_the_last_name() -> None:
    x = torch.randn(1, 3, 32, 32)
    live, read = capture(nets.small_net(), x), capture(export(nets.small_net(), (x,)))
    assert read.fingerprint == live.fingerprint
    assert [(op.name, op.path, op.source) for op in read.ops] == [
        (op.name, op.path, op.source) for op in live.ops
    ]
    assert (read.name, read.inputs, read.outputs) == (live.name, live.inputs, live.outputs)
    assert read.modules["blocks.0"] == "Residual"
    assert read.assumed == ("the inputs are the examples that the program was exported with",)


def test_tied_weights_are_one_tensor_by_its_first_name() -> None:
    graph = capture(export(nets.Tied().eval(), (torch.randint(0, 100, (1, 7)),)))
    assert [op.name for op in graph.ops] == ["embed", "mid", "tanh", "head"]
    assert graph.ops[0].weights == graph.ops[3].weights == ("embed.weight",)
    assert graph.parameters == 100 * 32 + 32 * 32 + 32


class Branches(nn.Module):
    """A condition on data, a counter, and two regions of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: dict[str, torch.Tensor], *, scale: torch.Tensor) -> Any:
        self.calls.add_(1)
        y = torch.cond(x["a"].sum() > 0, lambda t: self.fc(t), lambda t: t * 2, (x["a"],))
        with torch.no_grad():
            y = y + 1
        with torch.autocast("cpu"):
            y = self.fc(y)
        return {"out": y * scale.item()}


def test_graphs_inside_are_read_and_a_branch_not_taken_is_said() -> None:
    model = Branches()
    program = export(model, ({"a": torch.ones(3, 4)},), kwargs={"scale": torch.tensor(3.0)})
    before = {name: tensor.clone() for name, tensor in program.state_dict.items()}
    graph = capture(program)
    assert graph.inputs == ("x_a", "scale")
    assert [(op.name, op.times) for op in graph.ops if op.kind == "linear"] == [
        ("fc", 1),
        ("fc#2", 1),
    ]
    assert [op.times for op in graph.ops if op.word == "mul"] == [0, 1]
    assert any("torch.cond took its first branch" in note for note in graph.notes)
    work = [count(graph, op).macs for op in graph.ops if op.kind == "linear"]
    assert work == [3 * 4 * 4, 3 * 4 * 4]
    assert all(
        op.source and op.source.file == "tests/" + __name__.split(".")[-1] + ".py"
        for op in graph.ops
    )
    assert all(torch.equal(before[name], program.state_dict[name]) for name in before)


def test_inputs_are_bound_by_position_and_by_name_and_checked() -> None:
    program = export(nets.small_net(), (torch.randn(1, 3, 32, 32),))
    x = torch.ones(1, 3, 32, 32)
    graphs = [capture(program, given) for given in (x, (x,), {"x": x})]
    assert len({graph.fingerprint for graph in graphs}) == 1
    assert all(graph.assumed == () for graph in graphs)
    with pytest.raises(ValueError, match=r"exported for x: 1x3x32x32, and the input is 1x3x8x8"):
        capture(program, torch.ones(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"takes x: 2 values were given"):
        capture(program, (x, x))


def test_a_free_size_is_taken_as_exported_and_as_given() -> None:
    batch = torch.export.Dim("batch", min=2, max=64)
    program = export(
        nets.small_net(), (torch.randn(4, 3, 32, 32),), dynamic_shapes={"x": {0: batch}}
    )
    assert capture(program).tensors["fc:0"].shape == (4, 10)
    assert capture(program, torch.ones(7, 3, 32, 32)).tensors["fc:0"].shape == (7, 10)


def test_a_program_from_a_file_keeps_its_names() -> None:
    file = io.BytesIO()
    torch.export.save(export(nets.small_net(), (torch.randn(1, 3, 32, 32),)), file)
    file.seek(0)
    graph = capture(torch.export.load(file))
    assert graph.fingerprint == capture(nets.small_net(), torch.ones(1, 3, 32, 32)).fingerprint


def test_a_program_exported_without_weights_is_read_from_its_shapes() -> None:
    with torch.device("meta"):
        model = nets.SmallNet().eval()
        program = export(model, (torch.empty(1, 3, 32, 32),))
    graph = capture(program)
    assert macs(graph) == macs(capture(nets.small_net(), torch.ones(1, 3, 32, 32)))


def test_the_same_door_for_analyze_and_show_and_a_sentence_from_apply() -> None:
    program = export(nets.small_net(), (torch.randn(1, 3, 32, 32),))
    report = analyze(program, device="cpu-avx2")
    assert report.coverage == 1.0
    assert report.totals["macs"] == macs(capture(program))
    assert "stem" in [
        row["name"] for row in show(program, device="cpu-avx2").report.to_frame().to_dict("records")
    ]
    with pytest.raises(UnsupportedModelError, match=r"pass apply the nn\.Module"):
        apply(program, {})


class Loops(nn.Module):
    """A layer three times, in torch's own loop."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> Any:
        def goes_on(step: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            return step < 3

        def body(step: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return step + 1, self.fc(y)

        loop = torch._higher_order_ops.while_loop
        return loop(goes_on, body, (torch.tensor(0), x))[1]


class Flexible(nn.Module):
    """Attention with a score of its own, whose mask is built under `torch.vmap`."""

    def forward(self, x: torch.Tensor) -> Any:
        from torch.nn.attention.flex_attention import flex_attention

        return flex_attention(x, x, x, score_mod=lambda score, b, h, i, j: score + (i - j))


class Mapped(nn.Module):
    """A layer over the rows of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.vmap(self.fc)(x) * 2


def test_a_loop_is_counted_as_often_as_it_runs() -> None:
    graph = capture(export(Loops(), (torch.ones(2, 4),)))
    assert macs(graph) == 3 * 2 * 4 * 4
    assert any("ran 3 times" in note for note in graph.notes)


def test_flexible_attention_is_one_operation() -> None:
    graph = capture(export(Flexible(), (torch.randn(1, 2, 16, 8),)))
    assert [op.kind for op in graph.ops if op.kind != "movement"] == ["attention"]
    assert macs(graph) == 2 * (2 * 16 * 16 * 8)
    assert torch._C._functorch.get_dynamic_layer_stack_depth() == 0


def test_what_runs_under_vmap_is_listed_as_one_call_and_leaves_nothing_behind() -> None:
    program = export(Mapped(), (torch.ones(5, 4),))
    report = analyze(program, device="cpu-avx2")
    assert report.uncounted == {"torch.vmap.exported": 1}
    assert torch._C._functorch.get_dynamic_layer_stack_depth() == 0


def test_lines_of_packages_elsewhere_are_named_from_the_package() -> None:
    program = export(nets.small_net(), (torch.randn(1, 3, 32, 32),))
    below = "/opt/other/lib/python3.12/site-packages"
    for node in program.graph.nodes:
        if node.meta.get("stack_trace"):
            node.meta["stack_trace"] = (
                f'  File "{below}/nets/small.py", line 12, in forward\n    y = f(x)\n'
                f'  File "{below}/torch/nn/modules/conv.py", line 5, in forward\n    return x\n'
            )
    assert {str(op.source) for op in capture(program).ops} == {"nets/small.py:12"}
