"""The history of a recipe, and what a new rule does to earlier ones."""

from __future__ import annotations

from talaria_widget.history import LONGEST, History, with_rule
from talaria_widget.recipe import Cast, Quantize, Recipe, Rule

A, B = Rule("a", Quantize(8)), Rule("b", Cast("float16"))
ALL = Rule("*", Quantize(8))


def test_undo_and_redo_walk_the_steps() -> None:
    history = History().do(Recipe([A])).do(Recipe([A, B]))
    assert history.undo().now == Recipe([A])
    assert history.undo().undo().undo().now == Recipe()
    assert history.undo().redo().now == Recipe([A, B])
    assert history.redo() == history


def test_a_step_after_undo_forgets_what_was_undone() -> None:
    history = History().do(Recipe([A])).undo().do(Recipe([B]))
    assert not history.can_redo
    assert history.undo().now == Recipe()


def test_an_equal_recipe_is_no_step() -> None:
    history = History().do(Recipe([A]))
    assert history.do(Recipe([A])) is history


def test_the_history_is_bounded() -> None:
    history = History()
    for bits in range(LONGEST + 10):
        history = history.do(Recipe([Rule(f"r{bits}", Quantize(8))]))
    assert len(history.steps) == LONGEST
    assert history.now.rules[0].match == f"r{LONGEST + 9}"


def test_a_new_rule_drops_those_it_covers() -> None:
    recipe = with_rule(Recipe([A, B]), ALL, [frozenset({0}), frozenset({1}), frozenset({0, 1})])
    assert recipe == Recipe([ALL])
    kept = with_rule(Recipe([ALL]), A, [frozenset({0, 1}), frozenset({0})])
    assert kept == Recipe([ALL, A])


def test_a_rule_switched_off_is_not_dropped() -> None:
    off = Rule("a", Quantize(8), enabled=False)
    recipe = with_rule(Recipe([off]), ALL, [frozenset({0}), frozenset({0, 1})])
    assert recipe == Recipe([off, ALL])


def test_back_to_the_default_leaves_no_idle_rule() -> None:
    none = Rule("a", None)
    assert with_rule(Recipe([A]), none, [frozenset({0}), frozenset({0})]) == Recipe()
    both = with_rule(Recipe([ALL]), none, [frozenset({0, 1}), frozenset({0})])
    assert both == Recipe([ALL, none])
