"""Recipes: matching, order, validation, and the way to JSON and back."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talaria_widget.patterns import compile_pattern, fold_names
from talaria_widget.recipe import (
    Activations,
    Cast,
    Option,
    Quantize,
    Recipe,
    Rule,
    option_from_json,
    option_label,
    option_to_json,
)

OPTIONS: list[Option] = [
    None,
    Cast("float16"),
    Quantize(8),
    Quantize(8, activations=Activations(8)),
    Quantize(8, activations=Activations(8, dynamic=True)),
    Quantize(4, granularity="block", block_size=64, symmetric=False),
]


@pytest.mark.parametrize(
    ("pattern", "hit", "miss"),
    [
        ("layer1.*", "layer1.0.conv1", "layer10"),
        ("*conv?", "layer1.0/conv2", "layer1.0.conv"),
        ("a.[1-3].b", "a.2.b", "a.4.b"),
        ("a.[0,2,4-6]", "a.5", "a.1"),
        ("a.[1-3].b", "a.1.b#2", "a.12.b"),
        ("conv", "conv#3", "conv2"),
        ("a[b]c", "a[b]c", "abc"),
        ("x.[1-2]y", "x.[1-2]y", "x.1y"),
        ("re:layer[12].*", "layer2.x", "layer3.x"),
        ("a+b", "a+b", "aab"),
    ],
)
def test_patterns(pattern: str, hit: str, miss: str) -> None:
    matches = compile_pattern(pattern)
    assert matches(hit, "conv", ())
    assert not matches(miss, "conv", ())


def test_type_and_class_patterns_see_kind_and_modules() -> None:
    assert compile_pattern("type:conv")("anything", "conv", ())
    assert not compile_pattern("type:conv")("conv", "linear", ())
    assert compile_pattern("class:Bottleneck")("x", "conv", ("ResNet", "Bottleneck"))
    assert not compile_pattern("class:Bottle")("x", "conv", ("Bottleneck",))


@pytest.mark.parametrize("option", OPTIONS)
def test_options_survive_json_and_repr(option: Option) -> None:
    assert option_from_json(option_to_json(option)) == option
    names = {"Quantize": Quantize, "Cast": Cast, "Activations": Activations}
    assert eval(repr(option), names) == option


def test_labels_tell_the_menu_apart() -> None:
    labels = [option_label(option, "fp32") for option in OPTIONS]
    assert labels == ["fp32", "fp16", "int8", "int8 w+a", "int8 dynamic", "int4 b64 asym"]


def test_a_recipe_survives_a_file(tmp_path: Path) -> None:
    recipe = Recipe(
        [Rule("*", Quantize(8)), Rule(("a", "b"), None), Rule("c", Cast("float16"), enabled=False)],
        fingerprint="abc",
    )
    loaded = Recipe.load(recipe.save(tmp_path / "recipe.json"))
    assert loaded == recipe
    assert loaded.fingerprint == "abc"
    assert not loaded.rules[2].enabled
    assert hash(loaded) == hash(recipe)


def test_a_recipe_is_the_code_it_prints() -> None:
    import talaria_widget as talaria

    recipe = Recipe({"*": Quantize(8, activations=Activations(8)), ("a", "b.[1-2]"): None})
    assert eval(recipe.to_python(), {"talaria": talaria}) == recipe
    twice = Recipe([Rule("a", Quantize(8)), Rule("b", None), Rule("a", None)])
    assert eval(twice.to_python(), {"talaria": talaria}) == twice
    assert eval(Recipe().to_python(), {"talaria": talaria}) == Recipe()
    odd = Recipe(dict.fromkeys(("é🙂", 'a"b', "a\\nb", "a\nb", "[0]*", "it's")))
    assert eval(odd.to_python(), {"talaria": talaria}) == odd
    assert Recipe.from_json(odd.to_json()) == odd


def test_rules_switched_off_are_left_out_of_code() -> None:
    recipe = Recipe([Rule("a", Quantize(8), enabled=False)])
    assert recipe.to_python() == "talaria.Recipe({})"


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Quantize(9), ValueError, "bits must be one of"),
        (lambda: Quantize(8, granularity="row"), ValueError, '"tensor", "channel" or "block"'),
        (lambda: Quantize(4, block_size=32), ValueError, 'needs granularity="block"'),
        (lambda: Quantize(4, granularity="block", block_size=33), ValueError, "power of two"),
        (lambda: Quantize(8, activations=8), TypeError, "talaria.Activations(8)"),
        (lambda: Activations(7), ValueError, "pass 8 or 16"),
        (lambda: Cast("int8"), ValueError, "'float32', 'float16', 'bfloat16'"),
        (lambda: Rule("re:(", None), ValueError, "no regular expression"),
        (lambda: Rule("", None), ValueError, "empty name"),
        (lambda: Rule((), None), ValueError, "at least one"),
        (lambda: Rule("a.[3-1].b", None), ValueError, "empty or endless range"),
        (lambda: Rule("a", "int8"), TypeError, "is no option"),
        (lambda: Recipe("conv1"), TypeError, "pass a mapping"),
        (lambda: Recipe(["conv1"]), TypeError, "no talaria.Rule"),
        (lambda: Recipe({}, edits=("batch",)), ValueError, "not supported yet"),
        (lambda: Recipe.from_json("{}"), ValueError, "no recipe"),
        (lambda: Recipe.from_json('{"version": 99, "rules": []}'), ValueError, "version 99"),
        (lambda: Recipe.from_json('{"version": 1, "rules": [3]}'), ValueError, "lacks"),
        (
            lambda: Recipe.from_json(
                '{"version": 1, "rules": [{"match": "a", "option": {"type": "Prune"}}]}'
            ),
            ValueError,
            "'Prune' is not known",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make, error, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error) as caught:
        make()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        (["fc"], ["fc"]),
        ([f"l.{i}" for i in range(5000)], ["l.[0-4999]"]),
        (["a.0.q", "a.0.k", "a.1.q", "a.1.k"], ["a.[0-1].q", "a.[0-1].k"]),
        (["x.0.0", "x.0.1", "x.1.0", "x.1.1"], ["x.[0-1].[0-1]"]),
        (["x.0.0", "x.1.1"], ["x.0.0", "x.1.1"]),
        (["a.01", "a.1"], ["a.01", "a.1"]),
        (["a.²", "a.1", "a.٣"], ["a.²", "a.1", "a.٣"]),
    ],
)
def test_names_fold_into_ranges(names: list[str], patterns: list[str]) -> None:
    assert fold_names(names) == patterns


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3), min_size=1, max_size=20))
def test_folded_names_match_exactly_themselves(numbers: list[list[int]]) -> None:
    names = {"m." + ".".join(map(str, n)) for n in numbers}
    matches = [compile_pattern(pattern) for pattern in fold_names(sorted(names))]
    every = {"m." + ".".join(map(str, n)) for r in (1, 2, 3) for n in product(range(4), repeat=r)}
    assert {name for name in every if any(m(name, "", ()) for m in matches)} == names
