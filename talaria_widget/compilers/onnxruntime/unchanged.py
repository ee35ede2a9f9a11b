"""What stays as it is from one pricing of a program to the next, found once."""

from __future__ import annotations

from collections.abc import Sequence

from talaria_widget.compilers import pricing
from talaria_widget.compilers.onnxruntime.casts import Passes
from talaria_widget.compilers.onnxruntime.rows import Measured
from talaria_widget.compilers.onnxruntime.rules import corrections
from talaria_widget.prices import Correction, Prices
from talaria_widget.program import Program
from talaria_widget.recipe import Option


class Unchanged:
    """What formulas say of a program, and its corrections as long as conversions cost the same.

    Each is of the program that was priced last. Threads that price at once find it twice at worst.
    """

    def __init__(self) -> None:
        """Nothing was priced yet."""
        self._modelled: tuple[Program, tuple[Option, ...], Prices] | None = None
        self._corrections: tuple[Prices, Passes, tuple[Correction, ...]] | None = None

    def modelled(self, program: Program, asked: Sequence[Option]) -> Prices:
        """What formulas say (`compilers.pricing`)."""
        kept, wanted = self._modelled, tuple(asked)
        if kept is None or kept[0] is not program or kept[1] != wanted:
            kept = self._modelled = (program, wanted, pricing.price(program, wanted))
        return kept[2]

    def corrections(
        self, measured: Measured, prices: Prices, passes: Passes, integer: int
    ) -> tuple[Correction, ...]:
        """The runtime's own rules (`rules`), for prices that `modelled` gave."""
        kept = self._corrections
        if kept is None or kept[0] is not prices or kept[1] != passes:
            found = corrections(measured, prices, passes, integer)
            kept = self._corrections = (prices, passes, found)
        return kept[2]
