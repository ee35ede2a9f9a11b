"""Prices and `evaluate`: worked sums, and the golden vectors that the front end reads."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import golden_vectors
from golden_vectors import synthetic
from talaria_widget.prices import Prices, evaluate


def test_golden_vectors_are_fresh() -> None:
    written = json.loads(golden_vectors.PATH.read_text(encoding="utf-8"))
    made = json.loads(golden_vectors.text())
    assert len(written["cases"]) == len(made["cases"])
    for old, new in zip(written["cases"], made["cases"], strict=True):
        assert old["choice"] == new["choice"]
        for name, value in new["expected"]["totals"].items():
            assert math.isclose(old["expected"]["totals"][name], value, rel_tol=1e-12), name
        for name in ("column", "cast_row", "cast_tensor", "corrections", "mixed"):
            assert old["expected"][name] == new["expected"][name]


@pytest.mark.parametrize("seed", range(6))
def test_a_whole_is_its_rows_casts_and_corrections(seed: int) -> None:
    prices = synthetic(seed).prices
    rng = np.random.default_rng(seed)
    for _ in range(5):
        choice = rng.integers(0, len(prices.options), len(prices.weight_leader))
        found = evaluate(prices, choice)
        extra = sum(prices.corrections[i].latency_s for i in found.corrections)
        rows = np.nansum(found.latency.point) + found.casts.latency.point.sum() + extra
        assert found.totals["latency_s"] == pytest.approx(rows, rel=1e-12)
        assert found.totals["size_bytes"] == found.weight_bytes.sum()
        assert found.totals["peak_memory_bytes"] == found.memory_bytes.max()
        assert found.totals["latency_s_low"] <= found.totals["latency_s"]
        assert found.unknown_rows == np.isnan(found.latency.point).sum()


def test_an_empty_choice_is_the_baseline() -> None:
    prices = synthetic(0).prices
    found = evaluate(prices, np.zeros(len(prices.weight_leader), np.int32))
    assert not found.column.any()
    assert not found.mixed.any()
    assert len(found.casts.tensor) == 0
    expected = prices.latency.point[prices.row_signature, 0].astype(float).sum()
    first = prices.corrections[0].latency_s  # holds for columns 0 and 1 of its row
    assert found.totals["latency_s"] == pytest.approx(expected + first, rel=1e-12)


def chain(prices: Prices) -> Prices:
    """The shape of a chain of three rows (weights, none, weights), from synthetic parts."""
    return replace(
        prices,
        row_signature=np.array([0, 1, 2], np.int32),
        row_weight_start=np.array([0, 1, 1, 2], np.int32),
        row_weight=np.array([0, 1], np.int32),
        weight_leader=np.array([0, 1], np.int32),
        weight_bytes=prices.weight_bytes[:2],
        weight_refusal=prices.weight_refusal[:2],
        refusal=np.zeros_like(prices.refusal),
        tensor_row=np.array([-1, 0, 1, 2], np.int32),
        tensor_last=np.array([0, 1, 2, 2], np.int32),
        tensor_size=np.array([10.0, 20.0, 30.0, 40.0]),
        tensor_bytes=np.full(4, np.nan),
        tensor_cast=np.zeros(4, np.int32),
        edge_row=np.array([0, 1, 2, 3], np.int32),
        edge_tensor=np.array([0, 1, 2, 3], np.int32),
        corrections=(),
    )


def test_a_row_without_weights_follows_what_enters() -> None:
    prices = chain(synthetic(0).prices)
    found = evaluate(prices, np.array([3, 3]))  # int8 activations on both sides
    assert found.column.tolist() == [3, 3, 3]
    assert found.casts.tensor.tolist() == [0, 3]  # the input, and the model's output
    assert found.casts.row.tolist() == [0, 2]


def test_a_cast_is_shown_under_the_row_that_is_marked() -> None:
    prices = chain(synthetic(0).prices)
    after = evaluate(prices, np.array([3, 0]))  # row 1 follows row 0, row 2 wants float32
    assert after.column.tolist() == [3, 3, 0]
    assert list(zip(after.casts.tensor, after.casts.row, strict=True)) == [(0, 0), (2, 1)]
    before = evaluate(prices, np.array([0, 1]))
    assert list(zip(before.casts.tensor, before.casts.row, strict=True)) == [(2, 2), (3, 2)]


def test_weight_only_options_leave_activations_alone() -> None:
    prices = chain(synthetic(0).prices)
    found = evaluate(prices, np.array([2, 0]))
    assert found.column.tolist() == [2, 0, 0]
    assert len(found.casts.tensor) == 0


def test_peak_memory_is_the_largest_sum_of_live_tensors() -> None:
    prices = chain(synthetic(0).prices)
    found = evaluate(prices, np.array([0, 0]))
    assert found.memory_bytes.tolist() == [4 * (10 + 20), 4 * (20 + 30), 4 * (30 + 40)]
    halved = evaluate(prices, np.array([1, 1]))  # float16 throughout, the input stays float32
    assert halved.memory_bytes.tolist() == [4 * 10 + 2 * 20, 2 * (20 + 30), 2 * (30 + 40)]


def test_weights_that_disagree_run_as_the_baseline_and_say_so() -> None:
    prices = replace(
        chain(synthetic(0).prices),
        row_weight_start=np.array([0, 2, 2, 2], np.int32),
    )
    found = evaluate(prices, np.array([3, 1]))
    assert found.mixed.tolist() == [True, False, False]
    assert found.column[0] == 0
    sizes = prices.weight_bytes[0, 3] + prices.weight_bytes[1, 1]
    assert found.totals["size_bytes"] == sizes
