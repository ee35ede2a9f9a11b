"""Energy read from the processor's counters, on a tree like Linux's."""

from __future__ import annotations

from pathlib import Path

import pytest

from talaria_widget.compilers.onnxruntime import power

RANGE_UJ = 262_143_328_850


def counter(root: Path, folder: str, name: str, energy_uj: int, range_uj: int = RANGE_UJ) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return path / "energy_uj"


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """Two sockets with cores and memory, the platform, and the first socket by another door."""
    for socket in (0, 1):
        counter(tmp_path, f"intel-rapl:{socket}", f"package-{socket}", 1_000_000)
        counter(tmp_path, f"intel-rapl:{socket}:0", "core", 500_000)
        counter(tmp_path, f"intel-rapl:{socket}:1", "uncore", 100_000)
        counter(tmp_path, f"intel-rapl:{socket}:2", "dram", 300_000)
    counter(tmp_path, "intel-rapl:2", "psys", 9_000_000)
    counter(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def advance(root: Path, folder: str, microjoules: int, range_uj: int = RANGE_UJ) -> None:
    path = root / folder / "energy_uj"
    path.write_text(f"{(int(path.read_text()) + microjoules) % range_uj}\n")


def test_packages_and_memory_are_summed_and_their_parts_are_not(server: Path) -> None:
    counters = power.domains(server)
    assert [d.name for d in counters] == ["package-0:0", "dram:0", "package-1:1", "dram:1"]
    before = power.read(counters)
    for folder, microjoules in (
        ("intel-rapl:0", 4_000_000),
        ("intel-rapl:0:0", 3_000_000),
        ("intel-rapl:0:2", 500_000),
        ("intel-rapl:1", 2_000_000),
        ("intel-rapl:2", 8_000_000),
        ("intel-rapl-mmio:0", 4_000_000),
    ):
        advance(server, folder, microjoules)
    after = power.read(counters)
    assert before is not None
    assert after is not None
    assert power.joules(counters, before, after) == pytest.approx(4.0 + 0.5 + 2.0)


def test_a_counter_that_starts_again_loses_nothing(tmp_path: Path) -> None:
    path = counter(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 250_000)
    counters = power.domains(tmp_path)
    before = power.read(counters)
    path.write_text("750000\n")
    after = power.read(counters)
    assert before is not None
    assert after is not None
    assert power.joules(counters, before, after) == pytest.approx(0.25 + 0.75)


def test_energy_is_that_of_one_run(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 5)
    runs = []

    def run() -> None:
        runs.append(0)
        advance(tmp_path, "intel-rapl:0", 20_000)

    assert power.energy_j(run, 0.05, tmp_path) == pytest.approx(20_000e-6)
    assert len(runs) > 1


def test_without_counters_it_is_unknown(tmp_path: Path) -> None:
    assert power.domains(tmp_path / "none") == ()
    assert power.energy_j(lambda: None, 0.0, tmp_path / "none") is None
    counter(tmp_path, "intel-rapl:0", "psys", 5)
    assert power.energy_j(lambda: None, 0.0, tmp_path) is None


def test_a_counter_that_stands_still_is_unknown_and_not_nothing(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 5)
    assert power.energy_j(lambda: None, 0.01, tmp_path) is None


@pytest.mark.parametrize("text", ["", "none\n"])
def test_a_counter_that_is_no_number_is_unknown(tmp_path: Path, text: str) -> None:
    path = counter(tmp_path, "intel-rapl:0", "package-0", 5)
    path.write_text(text)
    assert power.domains(tmp_path) == ()
    assert power.energy_j(lambda: None, 0.0, tmp_path) is None


def test_a_counter_that_may_not_be_read_is_unknown(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.read_text

    def read_text(path: Path, *arguments: str, **named: str) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert power.domains(server) == ()
    assert power.energy_j(lambda: None, 0.0, server) is None
