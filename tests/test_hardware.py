"""Devices: names, files of one's own, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

import talaria_widget as talaria
from talaria_widget.hardware import HERE, device, devices


def test_devices_are_the_files_and_go_by_their_names() -> None:
    assert {"apple-a17-pro-ane", "cpu-avx2", "raspberry-pi-5", "nvidia-h100", "stm32-h7"} <= set(
        devices()
    )
    assert [device(name).name for name in devices()] == devices()


def test_a_device_file_of_ones_own(tmp_path: Path) -> None:
    text = (HERE / "cpu-avx2.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('name = "cpu-avx2"', 'name = "mine"'), encoding="utf-8")
    assert device(path).name == "mine"
    assert device(str(path)).menu == device("cpu-avx2").menu
    assert device(device("cpu-avx2")) is device("cpu-avx2")


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("rasberry-pi-5", ValueError, "did you mean 'raspberry-pi-5'"),
        ("zzz", ValueError, "known are"),
        (3, TypeError, "a name from talaria.devices"),
        ("nowhere.toml", FileNotFoundError, "no device file"),
    ],
)
def test_a_device_that_is_not_there(name: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        talaria.device(name)  # type: ignore[arg-type]


def test_a_file_that_lacks_a_key_or_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('name = "x"\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad\.toml lacks the key"):
        device(path)
    path.write_text("= 3", encoding="utf-8")
    with pytest.raises(ValueError, match="no TOML"):
        device(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("linear = 0.8\n", "", "lacks the key 'linear'"),
        ("ops_per_s = 103.8e9", "ops_per_s = 0", r"compute\.float32\.ops_per_s is 0: .* more than"),
        ("ops_per_s = 103.8e9", 'ops_per_s = "fast"', "is 'fast': write a number"),
        ("seconds = 3e-6", "seconds = -1", "zero or more"),
        ('compute = "int8"', 'compute = "int9"', "compute: 'int9' is none of"),
        ('activations = "int8"', 'activations = "int9"', "activations: 'int9' is none of"),
        ('baseline = "stored"', 'baseline = "float17"', "baseline: 'float17' is none of"),
        ("[compute.float16]", "[compute.float17]", "compute: 'float17' is none of"),
        ('kinds = ["linear"]', 'kinds = ["lineer"]', "kinds: 'lineer' is none of"),
        ('dtype = "float16"', 'dtyp = "float16"', "Cast does not take"),
        ("threads = 1", 'threads = 1\ncompiler = "gcc"', "compiler: 'gcc' is none of"),
        ("[band]", "band = 3\n[other]", "'other' is none of"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (HERE / "cpu-avx2.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"bad\.toml:? .*{says}"):
        device(path)


def test_a_runtime_or_a_formula_makes_the_rows() -> None:
    assert device("cpu-avx2").compiler == "analytic"
    here = device("onnxruntime-cpu")
    assert (here.compiler, here.threads, here.provenance) == ("onnxruntime", 1, "measured")
    assert here.find(talaria.Quantize(8, activations=talaria.Activations(8, dynamic=True)))


def test_a_menu_line_stands_for_its_family() -> None:
    on = device("cpu-avx2")
    wide = talaria.Quantize(4, granularity="block", block_size=128)
    assert on.find(wide) is on.find(talaria.Quantize(4, granularity="block"))
    assert on.find(talaria.Quantize(3)) is None
    assert on.find(None) is on.default
    apple = device("apple-a17-pro-ane")
    assert apple.find(talaria.Cast("float16")) is apple.default


@pytest.mark.parametrize(
    ("key", "slip"),
    [("power_w", "powr_w"), ("decode_s", "decod_s"), ("on_chip_bytes ", "on_chip_byte ")],
)
def test_a_slip_of_the_pen_is_named(tmp_path: Path, key: str, slip: str) -> None:
    text = (HERE / "cpu-avx2.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(f"\n{key}", f"\n{slip}"), encoding="utf-8")
    with pytest.raises(ValueError, match=slip.strip()):
        device(path)
