"""The change of a whole: latency after over before, with a band of its own.

What a choice leaves alone cancels in a ratio, so only the share of time that changed is in doubt,
each part by where its price comes from.
"""

from __future__ import annotations

import numpy as np

from talaria_widget.prices.casts import Casts
from talaria_widget.prices.table import CHANGE_BAND, PROVENANCE, Band, Ints, Prices


def before(prices: Prices) -> tuple[float, tuple[int, ...]]:
    """The baseline's known seconds in all, and the corrections that hold in it."""
    column = np.zeros(prices.rows, np.int32)
    held = tuple(i for i, c in enumerate(prices.corrections) if c.holds(column))
    rows = np.nansum(prices.latency.point[prices.row_signature, 0].astype(np.float64))
    return float(rows) + sum(prices.corrections[i].latency_s for i in held), held


def change(
    prices: Prices, column: Ints, latency: Band, casts: Casts, held: tuple[int, ...], after_s: float
) -> tuple[float, float, float]:
    """After over before, its low and its high; NaN where a row is known on one side alone.

    With d the seconds in doubt (those of changed rows, of casts and of corrections that come or
    go, each times its `CHANGE_BAND`), the band is the ratio times 1 -+ the larger of d's share of
    the time before and of the time after.
    """
    before_s, held_before = before(prices)
    changed = np.flatnonzero(column)
    altered = set(held) ^ set(held_before)
    if not len(changed) and not altered:
        return 1.0, 1.0, 1.0
    signature = prices.row_signature[changed]
    was = prices.latency.point[signature, 0].astype(np.float64)
    now = latency.point[changed]
    if before_s <= 0 or after_s <= 0 or (np.isnan(was) != np.isnan(now)).any():
        return (float("nan"),) * 3
    width = np.array([CHANGE_BAND[name] for name in PROVENANCE])
    of_row = np.maximum(
        width[prices.provenance[signature, 0]], width[prices.provenance[signature, column[changed]]]
    )
    corrections = [prices.corrections[i] for i in altered]
    rules = sum(c.width * abs(c.latency_s) for c in corrections)
    added = float(np.nansum(width[casts.provenance] * casts.latency.point)) + rules
    doubt_before = float(np.nansum(of_row * was)) / before_s
    doubt_after = (float(np.nansum(of_row * now)) + added) / after_s
    share = min(max(doubt_before, doubt_after), 1.0)
    ratio = after_s / before_s
    return ratio, ratio * (1 - share), ratio * (1 + share)
