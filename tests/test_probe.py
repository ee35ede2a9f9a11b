"""The probe: a device's constants become this machine's, and nothing else of it changes."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest

from talaria_widget.compilers.cache import Cache
from talaria_widget.compilers.onnxruntime import probe, probing
from talaria_widget.compilers.onnxruntime.child import Child, ChildDied
from talaria_widget.hardware import device

DEVICE = device("cpu-avx2")
KEPT = (
    "name", "title", "runtime", "container", "threads", "baseline", "latency_band",
    "energy_factor", "power_w", "glue", "menu",
)  # fmt: skip
RATES = {
    "conv": 60e9, "pointwise": 80e9, "depthwise": 20e9, "linear": 40e9,
    "conv_int8": 150e9, "linear_int8": 100e9, "dram": 10e9, "chip": 30e9, "nodes": 5e5,
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_this_machine_is_probed_once(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.monotonic()
    fitted = probe.fit(DEVICE, cache)
    assert time.monotonic() - start < 30
    assert fitted.ops_per_s != DEVICE.ops_per_s
    assert fitted.dispatch_s != DEVICE.dispatch_s
    assert "measured here by the probe" in fitted.sources["compute.float32"]
    for name in KEPT:
        assert getattr(fitted, name) == getattr(DEVICE, name), name
    rates = [
        *fitted.ops_per_s.values(),
        fitted.bandwidth_bytes_per_s,
        fitted.on_chip_bytes_per_s,
        fitted.on_chip_bytes,
    ]
    assert all(math.isfinite(rate) and rate > 1e6 for rate in rates), rates
    assert 0 < fitted.dispatch_s < 1e-3
    assert set(fitted.efficiency) == set(DEVICE.efficiency)
    assert all(0 < share <= 1 for share in fitted.efficiency.values())

    def started(*arguments: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(Child, "ask", started)
    assert probe.fit(DEVICE, cache) == fitted


def test_every_graph_runs_and_gives_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "BUDGET_S", 60.0)
    found = probing.probe(probing.State(), 2**24)
    made = [make() for make in probing.GRAPHS]
    assert {name: len(rates) for name, rates in found.items()} == {
        "dram": 1,
        **{g.figure: sum(other.figure == g.figure for other in made) for g in made},
    }
    assert set(found) == set(RATES)


def test_what_a_graph_does_is_counted() -> None:
    amounts = {(g.figure, g.shape): g.amount for g in (make() for make in probing.GRAPHS)}
    assert amounts["conv", (1, 64, 40, 40)] == 2 * 2 * (64 * 64 * 3 * 3) * (40 * 40)
    assert amounts["depthwise", (1, 192, 28, 28)] == 3 * 2 * (192 * 3 * 3) * (28 * 28)
    assert amounts["linear", (128, 768)] == 2 * 128 * 768 * 768
    assert amounts["conv_int8", (1, 128, 20, 20)] == 2 * (128 * 128 * 3 * 3) * (20 * 20)
    assert amounts["chip", (2**18,)] == 4 * 3 * (4 * 2**18)


def test_rates_become_a_peak_and_shares_of_it() -> None:
    fitted = probe.fitted(DEVICE, RATES, 8_000_000)
    assert fitted.ops_per_s["float32"] == pytest.approx(80e9)
    assert fitted.ops_per_s["float16"] == pytest.approx(
        DEVICE.ops_per_s["float16"] * 80e9 / DEVICE.ops_per_s["float32"]
    )
    shares = {"conv": 60 / 80, "pointwise": 1, "depthwise": 20 / 80, "linear": 40 / 80}
    assert {name: fitted.efficiency[name] for name in shares} == pytest.approx(shares)
    assert fitted.efficiency["attention"] == DEVICE.efficiency["attention"]
    at_conv, at_linear = 150e9 / (60 / 80), 100e9 / (40 / 80)
    assert fitted.ops_per_s["int8"] == pytest.approx(math.sqrt(at_conv * at_linear))
    assert fitted.bandwidth_bytes_per_s == 10e9
    assert fitted.on_chip_bytes_per_s == 30e9
    assert fitted.on_chip_bytes == 8_000_000
    assert fitted.dispatch_s == pytest.approx(1 / 5e5)


def test_what_was_not_measured_stays() -> None:
    assert probe.fitted(DEVICE, {}, None) == DEVICE
    fitted = probe.fitted(DEVICE, {"conv": 60e9}, None)
    assert fitted.ops_per_s["int8"] == DEVICE.ops_per_s["int8"]
    assert fitted.bandwidth_bytes_per_s == DEVICE.bandwidth_bytes_per_s
    assert fitted.efficiency["linear"] == DEVICE.efficiency["linear"]


def test_a_probe_that_fails_leaves_the_device_and_says_why(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*arguments: object, **named: object) -> None:
        raise ChildDied("the measuring process ended with SIGILL.")

    with monkeypatch.context() as patch:
        patch.setattr(Child, "ask", ask)
        left = probe.fit(DEVICE, cache)
    assert left.sources["probe"].endswith("SIGILL.")
    assert left.ops_per_s == DEVICE.ops_per_s
    assert "compute.float32" in probe.fit(DEVICE, cache).sources


@pytest.mark.parametrize("kept", [b"", b"[1]", b'{"conv": [0, NaN]}', b'{"conv": "x"}', b"\xff"])
def test_figures_that_make_no_sense_are_measured_anew(
    cache: Cache, kept: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(child: Child, command: str, payload: object, timeout_s: float) -> object:
        asked.append(command)
        return {name: [rate] for name, rate in RATES.items()}

    monkeypatch.setattr(Child, "ask", ask)
    probe.fit(DEVICE, cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cache, "get", lambda self, key: kept)
        assert probe.fit(DEVICE, cache).ops_per_s["float32"] == pytest.approx(80e9)
    assert asked == ["probe", "probe"]
    assert probe.fit(DEVICE, cache).ops_per_s["float32"] == pytest.approx(80e9)
    assert len(asked) == 2


def test_the_last_cache_is_read_from_the_system(tmp_path: Path) -> None:
    assert probe.last_level_bytes(tmp_path) is None
    for i, size in enumerate(("32K", "1M", "nonsense", "30720K\n")):
        (tmp_path / f"index{i}").mkdir()
        (tmp_path / f"index{i}" / "size").write_text(size)
    assert probe.last_level_bytes(tmp_path) == 30720 * 1024


def test_main_memory_is_not_read_where_the_cache_is_too_large(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads: list[object] = []

    def ask(child: Child, command: str, payload: object, timeout_s: float) -> object:
        payloads.append(payload)
        return {}

    monkeypatch.setattr(Child, "ask", ask)
    for size in ("1M", "40M", "256M"):
        (tmp_path / "index0").mkdir(exist_ok=True)
        (tmp_path / "index0" / "size").write_text(size)
        assert probe.fit(DEVICE, cache, tmp_path).ops_per_s == DEVICE.ops_per_s
    assert payloads == [32 * 2**20, 2 * 40 * 2**20, None]


def test_what_is_kept_is_json(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[bytes] = []
    monkeypatch.setattr(Cache, "put", lambda self, key, value: put.append(value))
    monkeypatch.setattr(Child, "ask", lambda *a, **k: {"conv": [1e9, 4e9]})
    fitted = probe.fit(DEVICE, cache)
    assert json.loads(put[0]) == {"conv": [1e9, 4e9]}
    assert fitted.ops_per_s["float32"] == pytest.approx(math.sqrt(1e9 * 4e9))
