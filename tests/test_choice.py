"""Who gets which option: strictness, refusals, shared weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nets import Tied, small_net
from talaria_widget import pipeline
from talaria_widget.choice import Choice, index, resolve
from talaria_widget.hardware import device
from talaria_widget.recipe import Activations, Cast, Option, Quantize, Recipe, Rule

IMAGE = torch.zeros(1, 3, 32, 32)
INT8 = Quantize(8)


def choose(recipe: Recipe, model: nn.Module | None = None, on: str = "cpu-avx2") -> Choice:
    model = model or small_net()
    inputs = IMAGE if not isinstance(model, Tied) else torch.zeros(1, 4, dtype=torch.int64)
    return resolve(index(pipeline.capture(model.eval(), inputs)), recipe, device(on))


def test_the_last_match_wins() -> None:
    rules = {"*": INT8, "blocks.*": Cast("float16"), "blocks.1.conv": None}
    assert dict(choose(Recipe(rules)).options) == {
        "stem.weight": INT8,
        "blocks.0.conv.weight": Cast("float16"),
        "fc.weight": INT8,
    }


def test_a_rule_switched_off_does_nothing() -> None:
    recipe = Recipe([Rule("*", INT8, enabled=False), Rule("no such layer", INT8, enabled=False)])
    choice = choose(recipe)
    assert not choice.options
    assert len(choice.hits[0]) == 4


@pytest.mark.parametrize(
    ("match", "says"),
    [
        ("stmm", "did you mean 'stem'?"),
        ("blocks.0", "write 'blocks.0.*'"),
        ("type:pool", "only operations without weights"),
        ("blocks.0/add", "only operations without weights"),
        ("type:attention", "matches no layer"),
    ],
)
def test_a_rule_that_hits_no_layer_raises(match: str, says: str) -> None:
    with pytest.raises(ValueError, match="rule ") as caught:
        choose(Recipe({match: INT8}))
    assert says in str(caught.value)
    lenient = choose(Recipe({match: INT8}, strict=False))
    assert len(lenient.notes) == 1
    assert not lenient.options


def test_a_layer_that_does_not_run_has_its_own_sentence() -> None:
    model = small_net()
    model.spare = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="exists and does not run"):
        choose(Recipe({"spare": INT8}), model)


@pytest.mark.parametrize(
    ("on", "option", "reason"),
    [
        ("stm32-h7", Cast("float32"), "int8 only"),
        ("apple-a17-pro-ane", Cast("float32"), "computes in fp16"),
        ("cpu-avx2", Quantize(4, granularity="block", block_size=32), "linear"),
        ("cpu-avx2", Quantize(3), "not on this device's menu"),
        ("nvidia-h100", INT8, "linear"),
    ],
)
def test_what_a_device_cannot_do_is_refused_with_a_reason(
    on: str, option: Option, reason: str
) -> None:
    choice = choose(Recipe({"stem": option}), on=on)
    assert not choice.options
    assert [r.name for r in choice.refused] == ["stem"]
    assert reason in choice.refused[0].reason


def test_asking_for_what_happens_anyway_is_no_choice() -> None:
    assert not choose(Recipe({"*": Cast("float32")})).options
    assert not choose(Recipe({"*": Cast("float16")}), on="apple-a17-pro-ane").options
    int8 = Quantize(8, activations=Activations(8))
    choice = choose(Recipe({"*": int8}), on="stm32-h7")
    assert not choice.options
    assert not choice.refused


def test_a_shared_weight_takes_the_last_rule_of_any_user() -> None:
    choice = choose(Recipe({"embed": INT8}), Tied())
    assert list(choice.options) == ["embed.weight"]


def test_rules_that_disagree_on_a_shared_weight_are_noted() -> None:
    model = Tied()
    graph = pipeline.capture(model.eval(), torch.zeros(1, 4, dtype=torch.int64))
    users = [op.name for op in graph.ops if "embed.weight" in op.weights]
    assert len(users) == 2
    recipe = Recipe({users[0]: INT8, users[1]: Cast("float16")})
    choice = resolve(index(graph), recipe, device("cpu-avx2"))
    assert choice.options["embed.weight"] == Cast("float16")
    assert "shared" in choice.notes[0]


def test_a_recipe_of_another_model_is_noted() -> None:
    assert not choose(Recipe({"fc": INT8})).notes
    foreign = choose(Recipe({"fc": INT8}, fingerprint="0123456789abcdef"))
    assert "other names or shapes" in foreign.notes[0]
    assert foreign.options


def test_class_rules_hit_what_the_module_holds() -> None:
    choice = choose(Recipe({"class:Residual": INT8}))
    assert set(choice.options) == {"blocks.0.conv.weight", "blocks.1.conv.weight"}
