"""Prices and `evaluate`: worked sums, and the golden vectors that the front end reads."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import golden_vectors
from golden_vectors import synthetic
from talaria_widget.prices import PROVENANCE, Band, Correction, Prices, evaluate


def test_golden_vectors_are_fresh() -> None:
    written = json.loads(golden_vectors.PATH.read_text(encoding="utf-8"))
    made = json.loads(golden_vectors.text())
    assert len(written["cases"]) == len(made["cases"])
    for old, new in zip(written["cases"], made["cases"], strict=True):
        assert old["choice"] == new["choice"]
        assert old["expected"]["totals"].keys() == new["expected"]["totals"].keys()
        for name, value in new["expected"]["totals"].items():
            known = value if value is None else pytest.approx(value, rel=1e-12)
            assert old["expected"]["totals"][name] == known, name
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
        for name in ("latency_s", "energy_j", "latency_s_change"):
            point = found.totals[name]
            if not np.isnan(point):
                assert found.totals[f"{name}_low"] <= point <= found.totals[f"{name}_high"]
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
        gives=np.tile(prices.column_precision, (len(prices.gives), 1)),
        provenance=np.zeros_like(prices.provenance),
        refusal=np.zeros_like(prices.refusal),
        tensor_row=np.array([-1, 0, 1, 2], np.int32),
        tensor_last=np.array([0, 1, 2, 2], np.int32),
        tensor_size=np.array([10.0, 20.0, 30.0, 40.0]),
        tensor_bytes=np.full(4, np.nan),
        tensor_cast=np.zeros(4, np.int32),
        tensor_reuse=np.full(4, -1, np.int32),
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


def test_a_row_may_take_integers_and_give_floats() -> None:
    prices = chain(synthetic(0).prices)
    gives = prices.gives.copy()
    gives[0, 3] = 0  # row 0 takes int8 in column 3, and gives float32
    found = evaluate(replace(prices, gives=gives), np.array([3, 3]))
    assert found.column.tolist() == [3, 0, 3]  # row 1 follows what enters: floats
    assert list(zip(found.casts.tensor, found.casts.row, strict=True)) == [(0, 0), (2, 2), (3, 2)]
    assert found.memory_bytes.tolist() == [4 * (10 + 20), 4 * (20 + 30), 4 * 30 + 1 * 40]


def test_a_buffer_that_is_taken_over_counts_once() -> None:
    prices = replace(
        chain(synthetic(0).prices),
        tensor_size=np.array([10.0, 30.0, 30.0, 40.0]),
        tensor_reuse=np.array([-1, -1, 1, -1], np.int32),
    )
    found = evaluate(prices, np.array([0, 0]))
    assert found.memory_bytes.tolist() == [4 * (10 + 30), 4 * 30, 4 * (30 + 40)]
    plain = replace(prices, tensor_reuse=np.full(4, -1, np.int32))
    assert evaluate(plain, np.array([0, 0])).memory_bytes.tolist()[1] == 4 * (30 + 30)


def test_a_buffer_of_another_precision_is_not_taken_over() -> None:
    prices = replace(
        chain(synthetic(0).prices),
        tensor_size=np.array([10.0, 30.0, 30.0, 40.0]),
        tensor_reuse=np.array([-1, -1, 1, -1], np.int32),
    )
    gives = prices.gives.copy()
    gives[1, 3] = 0  # row 1 takes int8 and gives float32: four times the bytes
    found = evaluate(replace(prices, gives=gives), np.array([3, 3]))
    assert found.column.tolist() == [3, 3, 3]
    assert found.memory_bytes[1] == 1 * 30 + 4 * 30


def test_reuse_only_lowers_the_peak() -> None:
    for seed in range(6):
        prices = synthetic(seed).prices
        plain = replace(prices, tensor_reuse=np.full_like(prices.tensor_reuse, -1))
        choice = np.full(len(prices.weight_leader), 3)
        with_reuse, without = evaluate(prices, choice), evaluate(plain, choice)
        assert (with_reuse.memory_bytes <= without.memory_bytes + 1e-6).all()
        assert (prices.tensor_reuse >= 0).any()


def worked(provenance: str = "modelled") -> Prices:
    """The chain with whole seconds: 2, 3 and 5 before; 1, 3 and 5 in column 2."""
    prices = chain(synthetic(0).prices)
    point = prices.latency.point.copy()
    point[:3, 0] = [2, 3, 5]
    point[:3, 2] = [1, 3, 5]
    codes = np.full_like(prices.provenance, PROVENANCE.index(provenance))
    return replace(prices, latency=Band(point, point, point), provenance=codes)


def test_nothing_changed_is_exactly_one() -> None:
    for prices in (worked(), synthetic(1).prices, synthetic(4).prices):
        totals = evaluate(prices, np.zeros(len(prices.weight_leader), np.int32)).totals
        assert [totals[f"latency_s_change{end}"] for end in ("", "_low", "_high")] == [1, 1, 1]


@pytest.mark.parametrize(("provenance", "width"), [("modelled", 0.40), ("measured", 0.10)])
def test_a_change_has_the_band_of_what_changed(provenance: str, width: float) -> None:
    totals = evaluate(worked(provenance), np.array([2, 0])).totals
    ratio, share = (1 + 3 + 5) / (2 + 3 + 5), 2 / (2 + 3 + 5)  # of the time before
    assert totals["latency_s_change"] == pytest.approx(ratio)
    assert totals["latency_s_change_low"] == pytest.approx(ratio * (1 - width * share))
    assert totals["latency_s_change_high"] == pytest.approx(ratio * (1 + width * share))


def test_what_grows_is_in_doubt_by_its_share_afterwards() -> None:
    prices = worked()
    point = prices.latency.point.copy()
    point[0, 2] = 12
    totals = evaluate(replace(prices, latency=Band(point, point, point)), np.array([2, 0])).totals
    ratio, share = (12 + 3 + 5) / 10, 12 / (12 + 3 + 5)
    assert totals["latency_s_change_high"] == pytest.approx(ratio * (1 + 0.40 * share))


def test_each_changed_row_brings_its_own_doubt() -> None:
    prices = worked("measured")
    codes = prices.provenance.copy()
    codes[0, 2] = PROVENANCE.index("modelled")
    totals = evaluate(replace(prices, provenance=codes), np.array([2, 2])).totals
    share = (0.40 * 2 + 0.10 * 5) / 10
    assert totals["latency_s_change_low"] == pytest.approx(0.9 * (1 - share))


def test_corrections_and_casts_are_in_doubt_too() -> None:
    rule = Correction((0,), ((2,),), 0.5, 0.25, "a fusion is lost", PROVENANCE.index("measured"))
    totals = evaluate(replace(worked("measured"), corrections=(rule,)), np.array([2, 0])).totals
    ratio = (1 + 0.5 + 3 + 5) / 10
    share = max(0.10 * 2 / 10, 0.10 * (1 + 0.5) / (1 + 0.5 + 3 + 5))
    assert totals["latency_s_change_high"] == pytest.approx(ratio * (1 + share))
    prices = worked("measured")
    cast = np.full_like(prices.cast_provenance, PROVENANCE.index("measured"))
    found = evaluate(replace(prices, cast_provenance=cast), np.array([0, 3]))
    added = found.casts.latency.point.sum()
    row = float(prices.latency.point[2, 3])
    share = max(0.10 * 5 / 10, 0.10 * (row + added) / (2 + 3 + row + added))
    ratio = (2 + 3 + row + added) / 10
    assert found.totals["latency_s_change_low"] == pytest.approx(ratio * (1 - share))


def test_corrections_have_a_band() -> None:
    rules = (
        Correction((0,), ((2,),), 0.5, 0.25, "a fusion is lost", PROVENANCE.index("measured")),
        Correction((0,), ((2,),), -0.25, -0.125, "a cast is saved"),
    )
    totals = evaluate(replace(worked(), corrections=rules), np.array([2, 0])).totals
    rows = 1 + 3 + 5
    assert totals["latency_s"] == pytest.approx(rows + 0.5 - 0.25)
    doubt = 0.10 * 0.5 + 0.40 * 0.25
    assert totals["latency_s_low"] == pytest.approx(rows + 0.5 - 0.25 - doubt)
    assert totals["latency_s_high"] == pytest.approx(rows + 0.5 - 0.25 + doubt)


def test_a_change_to_an_unknown_price_is_unknown() -> None:
    prices = worked()
    point = prices.latency.point.copy()
    point[0, 2] = np.nan
    totals = evaluate(replace(prices, latency=Band(point, point, point)), np.array([2, 0])).totals
    assert np.isnan(totals["latency_s_change"])
    point[0, :] = np.nan  # as before: left out of both
    totals = evaluate(replace(prices, latency=Band(point, point, point)), np.array([2, 2])).totals
    assert totals["latency_s_change"] == pytest.approx((3 + 5) / (3 + 5))


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
