"""Wheel and sdist carry the bundle; it is built when it is stale, and never inside an sdist."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from hatch_build import OUTPUTS, stale

ROOT = Path(__file__).parents[1]
CARRIED = {f"talaria_widget/static/{name}" for name in OUTPUTS} | {
    "talaria_widget/__init__.py",
    "talaria_widget/py.typed",
    "talaria_widget/hardware/cpu-avx2.toml",
}


def make_tree(root: Path) -> None:
    """A source, a configuration and the outputs, a second apart, in this order."""
    paths = ["js/src/widget.ts", "js/vite.config.ts"]
    paths += [f"talaria_widget/static/{name}" for name in OUTPUTS]
    for age, path in enumerate(paths):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("")
        os.utime(target, (age, age))


def test_a_bundle_newer_than_its_sources_is_fresh(tmp_path: Path) -> None:
    make_tree(tmp_path)
    assert not stale(tmp_path)


@pytest.mark.parametrize("path", ["js/src/widget.ts", "js/vite.config.ts"])
def test_a_newer_source_makes_it_stale(tmp_path: Path, path: str) -> None:
    make_tree(tmp_path)
    os.utime(tmp_path / path, (100, 100))
    assert stale(tmp_path)


def test_a_missing_output_makes_it_stale_except_in_an_sdist(tmp_path: Path) -> None:
    make_tree(tmp_path)
    (tmp_path / "talaria_widget" / "static" / OUTPUTS[1]).unlink()
    assert stale(tmp_path)
    (tmp_path / "PKG-INFO").write_text("")
    assert not stale(tmp_path)


def build(target: str, source: Path, out: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return next(out.iterdir())


def test_wheel_and_sdist_carry_the_bundle(tmp_path: Path) -> None:
    assert not stale(ROOT), "build the bundle first: make setup"
    sdist = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert inside >= CARRIED | {"PKG-INFO", "LICENSE", "js/package-lock.json", "hatch_build.py"}
    assert not [name for name in inside if "node_modules" in name]

    # From the sdist the wheel is made with no Node and no network.
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    wheel = build("wheel", unpacked, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        bundle = archive.read("talaria_widget/static/widget.js")
    assert names >= CARRIED
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("js/", "tests/"))]
    assert bundle == (ROOT / "talaria_widget" / "static" / "widget.js").read_bytes()
