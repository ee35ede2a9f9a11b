"""What must hold of the repository itself: tracked files, generated files, the bundle."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "talaria_widget" / "static"
TEXT = {".py", ".md", ".toml", ".json", ".ts", ".js", ".svelte", ".css", ".ipynb", ".html", ""}
# Written apart, so that this file is not its own finding.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:" + "|".join(["home", "Users", "root", "work"]) + r")/\w")
INDEX_HOST = re.compile(
    r"https?://[\w.-]*(?:" + "|".join(["registry", "artifact", "nexus", "pypi", "mirror"]) + r")",
    re.IGNORECASE,
)


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def texts() -> list[tuple[str, str]]:
    files = [path for path in tracked() if path.suffix in TEXT]
    return [(str(p.relative_to(ROOT)), p.read_text(encoding="utf-8")) for p in files]


@pytest.mark.parametrize("pattern", [MACHINE_PATH, INDEX_HOST], ids=["path", "host"])
def test_no_tracked_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    found = [
        f"{name}: {match.group()}" for name, text in texts() for match in pattern.finditer(text)
    ]
    assert not found


def test_the_product_has_no_hook_for_tests() -> None:
    product = [(name, text) for name, text in texts() if name.startswith("talaria_widget/")]
    assert product
    assert not [name for name, text in product if re.search(r"(?i)talaria_test|pytest", text)]


def test_nothing_built_is_tracked() -> None:
    names = [str(path.relative_to(ROOT)) for path in tracked()]
    built = ("talaria_widget/static/", "js/node_modules/", "tests/screenshots/", "dist/")
    assert not [name for name in names if name.startswith(built)]


def test_notebooks_are_stored_without_outputs() -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        if path.name.endswith(".executed.ipynb"):
            continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [], path.name
                assert cell["execution_count"] is None, path.name


def test_the_generated_types_are_fresh() -> None:
    script = ROOT / "js" / "dev" / "generate_wire.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_holds_no_address() -> None:
    lock = json.loads((ROOT / "js" / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]


def test_every_optional_platform_package_is_in_the_lock() -> None:
    packages = json.loads((ROOT / "js" / "package-lock.json").read_text())["packages"]
    for entry in packages.values():
        for name in entry.get("optionalDependencies", {}):
            assert any(key.endswith(f"node_modules/{name}") for key in packages), name


def bundle() -> str:
    path = STATIC / "widget.js"
    assert path.exists(), "build the bundle first: make setup"
    return path.read_text(encoding="utf-8") + (STATIC / "widget.css").read_text(encoding="utf-8")


def test_the_bundle_names_no_address_but_namespaces() -> None:
    """Svelte's error messages point at svelte.dev; they are text, never fetched."""
    addresses = set(re.findall(r"(?:https?|wss?)://[\w.-]+", bundle()))
    assert addresses <= {"http://www.w3.org", "https://svelte.dev"}


def test_the_bundle_has_no_way_to_make_a_request() -> None:
    calls = r"\bfetch\(|XMLHttpRequest|new WebSocket|EventSource|sendBeacon|importScripts|@import"
    assert not re.findall(calls, bundle())
    assert not re.findall(r"\bimport\(|\bfrom\s*[\"'][^\"']+[\"'];", bundle())


def test_the_bundle_is_small() -> None:
    assert (STATIC / "widget.js").stat().st_size <= 300_000


def test_the_page_has_no_state_that_is_watched_within() -> None:
    sources = (
        path for path in (ROOT / "js" / "src").rglob("*") if path.suffix in {".svelte", ".ts"}
    )
    deep = [path.name for path in sources if re.search(r"\$state[(<]", path.read_text())]
    assert not deep, "js/build/ leaves that out of the bundle: write $state.raw"
