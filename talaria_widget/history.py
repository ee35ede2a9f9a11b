"""The history of a recipe: one line of steps, for clicks and code alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from talaria_widget.recipe import Recipe, Rule

LONGEST = 1000


@dataclass(frozen=True, slots=True)
class History:
    """Recipes in the order they were made, and the place of the present one."""

    steps: tuple[Recipe, ...] = (Recipe(),)
    at: int = 0

    @property
    def now(self) -> Recipe:
        """The present recipe."""
        return self.steps[self.at]

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier step."""
        return self.at > 0

    @property
    def can_redo(self) -> bool:
        """Whether a step was undone and nothing was done since."""
        return self.at + 1 < len(self.steps)

    def do(self, recipe: Recipe) -> History:
        """A new step; what had been undone is forgotten. An equal recipe is no step."""
        if recipe == self.now:
            return self
        steps = (*self.steps[: self.at + 1], recipe)[-LONGEST:]
        return History(steps, len(steps) - 1)

    def undo(self) -> History:
        """One step back, or the same history at its start."""
        return History(self.steps, max(0, self.at - 1))

    def redo(self) -> History:
        """One step forward, or the same history at its end."""
        return History(self.steps, min(len(self.steps) - 1, self.at + 1))


def with_rule(recipe: Recipe, rule: Rule, hits: Sequence[frozenset[int]]) -> Recipe:
    """The recipe with `rule` at its end.

    Args:
        recipe: the rules so far.
        rule: the new one.
        hits: the ops that each rule so far matches, then those of the new one.

    Returns:
        Without the rules that are switched on and that the new one covers wholly. A rule that
        says "as the device does it" is not added where no rule is left for it to undo.
    """
    new = hits[-1]
    kept = [
        (old, found)
        for old, found in zip(recipe.rules, hits[:-1], strict=True)
        if not (old.enabled and found <= new)
    ]
    idle = rule.option is None and not any(old.enabled and found & new for old, found in kept)
    rules = [old for old, _ in kept] + ([] if idle else [rule])
    return recipe.replace(rules)
