"""The page's commands for the recipe: rules edited, added or refused, groups marked as one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import talaria_widget as talaria
from nets import Residual, Tied, small_net
from talaria_widget.widget import Talaria

IMAGE = torch.zeros(1, 3, 32, 32)
INT8, INT4 = talaria.Quantize(8), talaria.Quantize(4, granularity="block")
FP16 = talaria.Cast("float16")
NOWHERE = talaria.Quantize(3)


@pytest.fixture
def widget() -> Talaria:
    return talaria.show(small_net(), IMAGE, device="cpu-avx2", recipe={})


@pytest.fixture
def deep() -> Talaria:
    """Five blocks alike between a stem and a classifier."""
    net = nn.Sequential()
    net.stem = nn.Conv2d(3, 16, 3, padding=1)
    net.blocks = nn.Sequential(*(Residual(16) for _ in range(5)))
    net.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net.fc = nn.Linear(16, 10)
    return talaria.show(net.eval(), IMAGE, device="cpu-avx2", recipe={})


def send(widget: Talaria, kind: str, sequence: int = 1, **content: Any) -> None:
    widget._handle_custom_msg({"kind": kind, "sequence": sequence, **content}, [])


def edit(widget: Talaria, action: str, **content: Any) -> str:
    """An edit of a rule against the present recipe; what is said of it."""
    revision = widget._recipe["revision"]
    send(widget, "rule", action=action, recipe=revision, **content)
    return str(widget._status["error"])


def ask(widget: Talaria, *match: str) -> dict[str, Any]:
    """What the page hears when it asks what a rule would hit."""
    heard: list[Any] = []
    widget.send = lambda content, buffers=None: heard.append(content)
    send(widget, "hits", 5, match=list(match))
    [answer] = heard
    return dict(answer)


def rules(given: dict[str, Any]) -> talaria.Recipe:
    return talaria.Recipe(given)


def column_of(widget: Talaria, option: talaria.Quantize | talaria.Cast) -> int:
    return widget.report.prices.options.index(option)


# --------------------------------------------------------------------------------- rules edited


def test_a_rule_gets_another_match(widget: Talaria) -> None:
    widget.recipe = {"stem": INT8, "fc": FP16}
    assert not edit(widget, "match", index=0, match=["blocks.*"])
    assert widget.recipe == rules({"blocks.*": INT8, "fc": FP16})
    assert not edit(widget, "match", index=0, match=["stem", "blocks.0.*"])
    assert widget.recipe.rules[0].match == ("stem", "blocks.0.*")
    widget.undo()
    widget.undo()
    assert widget.recipe == rules({"stem": INT8, "fc": FP16})


def test_a_rule_gets_another_option(widget: Talaria) -> None:
    widget.recipe = {"stem": INT8}
    assert not edit(widget, "option", index=0, option=column_of(widget, FP16))
    assert widget.recipe == talaria.Recipe({"stem": FP16})
    assert dict(widget.report.choice.options) == {"stem.weight": FP16}
    assert not edit(widget, "option", index=0, option=0)
    assert widget.recipe == talaria.Recipe({"stem": None})
    widget.undo()
    assert widget.recipe == talaria.Recipe({"stem": FP16})


def test_a_rule_that_is_off_stays_off_when_it_is_edited(widget: Talaria) -> None:
    widget.recipe = talaria.Recipe([talaria.Rule("stem", INT8, False)])
    assert not edit(widget, "match", index=0, match=["fc"])
    assert not edit(widget, "option", index=0, option=column_of(widget, FP16))
    assert widget.recipe.rules == (talaria.Rule("fc", FP16, False),)


def test_a_rule_is_added_at_the_end_and_takes_none_away(widget: Talaria) -> None:
    widget.recipe = {"stem": INT8}
    assert not edit(widget, "add", match=["*"], option=column_of(widget, FP16))
    assert widget.recipe == rules({"stem": INT8, "*": FP16})
    widget.undo()
    assert widget.recipe == talaria.Recipe({"stem": INT8})


@pytest.mark.parametrize(
    ("action", "content", "says"),
    [
        ("match", {"index": 0, "match": ["layer9.*"]}, "'layer9.*' matches no layer"),
        ("match", {"index": 0, "match": ["sten"]}, "did you mean 'stem'?"),
        ("match", {"index": 0, "match": ["adaptive_avg_pool2d"]}, "operations without weights"),
        ("match", {"index": 0, "match": ["re:("]}, "is no regular expression"),
        ("match", {"index": 0, "match": ["blocks.[3-1].conv"]}, "empty or endless range"),
        ("match", {"index": 0, "match": []}, "at least one name or pattern"),
        ("match", {"index": 0, "match": [""]}, "cannot match an empty name"),
        ("match", {"index": 2, "match": ["fc"]}, "no rule at place 2; the recipe has 1"),
        ("match", {"index": -1, "match": ["fc"]}, "no rule at place -1"),
        ("option", {"index": 0, "option": 99}, "no option at place 99"),
        ("option", {"index": 0, "option": -1}, "no option at place -1"),
        ("add", {"match": ["layer9.*"], "option": 1}, "matches no layer"),
        ("add", {"match": ["fc"], "option": 99}, "no option at place 99"),
        ("move", {"index": 0, "to": 3}, "no rule at place 3"),
        ("paint", {"index": 0}, "there is no edit 'paint' of a rule"),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_an_edit_that_cannot_be_is_said_in_a_sentence(
    widget: Talaria, action: str, content: dict[str, Any], says: str, enabled: bool
) -> None:
    widget.recipe = before = talaria.Recipe([talaria.Rule("stem", INT8, enabled)])
    said = edit(widget, action, **content)
    assert says in said
    assert said.endswith((".", "?"))
    assert widget.recipe == before


@pytest.mark.parametrize("action", ["match", "option", "add", "move", "delete", "enable"])
def test_an_edit_of_a_recipe_that_has_changed_is_refused(widget: Talaria, action: str) -> None:
    widget.recipe = {"stem": INT8}
    revision = widget._recipe["revision"]
    widget.mark("fc", INT8)
    before = widget.recipe
    content = {"index": 0, "to": 0, "match": ["fc"], "option": 1, "recipe": revision}
    send(widget, "rule", action=action, **content)
    assert "the recipe changed meanwhile" in widget._status["error"]
    assert widget.recipe == before


# ------------------------------------------------------------------------- what a rule would hit


@pytest.mark.parametrize(
    "match",
    [
        ("*",),
        ("stem",),
        ("blocks.*",),
        ("blocks.[0-1].conv",),
        ("blocks.?.conv", "fc"),
        ("type:conv",),
        ("class:Residual",),
        ("re:(stem|fc)",),
        ("*c*",),
    ],
)
def test_what_is_counted_while_typing_is_what_the_rule_then_hits(
    widget: Talaria, match: tuple[str, ...]
) -> None:
    before = widget.recipe, dict(widget._status)
    answer = ask(widget, *match)
    assert (widget.recipe, widget._status) == before
    assert answer["sequence"] == 5
    assert answer["error"] == ""
    widget.recipe = {match: INT8}
    assert answer["rows"] == widget._recipe["rules"][0]["rows"]
    assert answer["rows"]


@pytest.mark.parametrize("match", [("nothing",), ("re:[",), (), ("stem", "")])
def test_why_nothing_would_be_hit_is_said(widget: Talaria, match: tuple[str, ...]) -> None:
    answer = ask(widget, *match)
    assert answer["rows"] == []
    assert answer["error"].endswith((".", "?"))
    assert not widget._status["error"]


@pytest.mark.parametrize("tied", [False, True])
def test_the_last_rule_that_names_a_weight_decides_it(tied: bool) -> None:
    net, example = (Tied(), torch.zeros(1, 4, dtype=torch.long)) if tied else (small_net(), IMAGE)
    widget = talaria.show(net.eval(), example, device="cpu-avx2", recipe={})
    owners = list(widget._names.owners.values())
    widget.recipe = talaria.Recipe(
        [
            talaria.Rule("*", INT8),
            talaria.Rule(owners[-1], INT4),
            talaria.Rule(owners[0], NOWHERE),
            talaria.Rule(owners[2], FP16),
            talaria.Rule("*", FP16, enabled=False),
            talaria.Rule(owners[1], None),
        ]
    )
    prices = widget.report.prices
    chosen = np.zeros(len(prices.weight_leader), np.int32)
    for rule, info in zip(widget.recipe.rules, widget._recipe["rules"], strict=True):
        if rule.enabled:
            # What the device's menu does not have runs as the default.
            column = prices.options.index(rule.option) if rule.option in prices.options else 0
            for weight in info["weights"]:
                chosen[weight] = 0 if prices.weight_refusal[weight, column] else column
    np.testing.assert_array_equal(chosen, widget.report.chosen)
    assert chosen.any()


# ------------------------------------------------------------------------- groups are one rule


def rows_where(widget: Talaria, wanted: Any) -> list[str]:
    return [task.name for task in widget.report.program.tasks if wanted(task)]


def marked(widget: Talaria, rows: list[str]) -> tuple[str | tuple[str, ...], ...]:
    """The matches of the recipe after these rows were marked."""
    send(widget, "mark", rows=rows, option=column_of(widget, INT8))
    assert not widget._status["error"]
    return tuple(rule.match for rule in widget.recipe.rules)


def test_a_module_is_marked_as_one_rule(deep: Talaria) -> None:
    rows = rows_where(deep, lambda task: task.name.startswith("blocks"))
    assert len(rows) > 5  # with those that own no weights
    assert marked(deep, rows) == ("blocks.[0-4].conv",)


def test_a_type_is_marked_as_one_rule(deep: Talaria) -> None:
    rows = rows_where(deep, lambda task: task.kind == "conv")
    assert marked(deep, rows) == (("stem", "blocks.[0-4].conv"),)
    assert len(deep._recipe["rules"][0]["rows"]) == len(rows) == 6


def test_repeats_are_marked_as_one_rule_with_or_without_the_ends(deep: Talaria) -> None:
    rows = [f"blocks.{n}.conv" for n in range(5)]
    assert marked(deep, rows) == ("blocks.[0-4].conv",)
    deep.undo()
    assert marked(deep, rows[1:-1]) == ("blocks.[1-3].conv",)
    deep.undo()
    assert marked(deep, [*rows[1:-1], "fc"]) == (("blocks.[1-3].conv", "fc"),)


def test_all_rows_are_marked_as_one_pattern(deep: Talaria) -> None:
    assert marked(deep, rows_where(deep, lambda _task: True)) == ("*",)
