"""Memory over time: the bytes of activations alive while each row runs."""

from __future__ import annotations

import numpy as np

from talaria_widget.prices.table import Floats, Ints, Prices


def alive(prices: Prices, precision: Ints) -> Floats:
    """What each row reads and makes, and what later rows need.

    A tensor that takes over a buffer counts once with it in the row that makes it, where both
    have as many bytes in the precisions they are in. The copies that casts make are left out.
    """
    held = np.nan_to_num(
        np.where(
            np.isnan(prices.tensor_bytes),
            prices.tensor_size * prices.precision_bytes[precision],
            prices.tensor_bytes,
        )
    )
    made = np.maximum(prices.tensor_row, 0)
    change = np.zeros(prices.rows + 2)
    np.add.at(change, made, held)
    np.add.at(change, prices.tensor_last + 1, -held)
    reused = np.flatnonzero(prices.tensor_reuse >= 0)
    reused = reused[held[reused] == held[prices.tensor_reuse[reused]]]
    np.add.at(change, made[reused], -held[reused])
    np.add.at(change, made[reused] + 1, held[reused])
    bytes_alive: Floats = np.cumsum(change)[: prices.rows]
    return bytes_alive
