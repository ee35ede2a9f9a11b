"""The walk that docs/walk.md writes down: from nothing to what int8 saves on five layers.

`WALK_PICTURES=docs/pictures python -m pytest tests/browser/test_walk.py` draws its pictures anew.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import FloatRect, Locator, expect

from browser.conftest import SCREENSHOTS, OpenNotebook
from browser.pages import NotebookPage, Widget, number

DOCS = Path(__file__).parents[2] / "docs"
WRITTEN = DOCS / "walk.md"
QUICKSTART = DOCS.parent / "notebooks" / "quickstart.ipynb"
# `git clone` and `make lab`: what this test stands on.
TYPED_IN_A_TERMINAL = 2
MOST_ACTIONS = 10
MOST_BYTES = 60_000
COLOURS = 96
FRAME = (216, 27, 96)
ROUNDING = 0.006
TOTALS = ("size_bytes", "latency_s", "energy_j", "peak_memory_bytes")
OPTIONS = {
    "int8": "talaria.Quantize(8)",
    "int8 w+a": "talaria.Quantize(8, activations=talaria.Activations(8))",
}


def written_actions() -> list[str]:
    return re.findall(r"^\d+\. .*", WRITTEN.read_text(encoding="utf-8"), re.MULTILINE)


class Walk:
    """Counts what the user does, and keeps a picture of what it led to."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.page = notebook.page
        self.actions = TYPED_IN_A_TERMINAL
        self.folder = Path(os.environ.get("WALK_PICTURES", SCREENSHOTS))

    def acted(self, shown: Locator, clicked: FloatRect | None = None) -> None:
        """After an action: what it led to, and around what stood where it was clicked, a frame."""
        self.actions += 1
        self.page.wait_for_timeout(400)
        box = shown.bounding_box()
        assert box is not None
        image = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
        if clicked:
            x, y = clicked["x"] - box["x"], clicked["y"] - box["y"]
            frame = (x - 4, y - 4, x + clicked["width"] + 3, y + clicked["height"] + 3)
            ImageDraw.Draw(image).rounded_rectangle(frame, 5, outline=FRAME, width=3)
        self.folder.mkdir(parents=True, exist_ok=True)
        small = image.quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(self.folder / f"walk-{self.actions:02}.png", optimize=True)

    def click(self, part: Locator, shown: Locator, shift: bool = False) -> None:
        box = part.bounding_box()
        part.click(modifiers=["Shift"] if shift else [])
        self.acted(shown, box if part.is_visible() else None)


def type_device(notebook: NotebookPage, cell: int, device: str) -> None:
    """Behind `model` in the call of `show`."""
    line = notebook.cell(cell).locator(".cm-line", has_text="talaria.show(model)")
    line.click()
    notebook.page.keyboard.press("End")
    notebook.page.keyboard.press("ArrowLeft")
    notebook.page.keyboard.insert_text(f', device="{device}"')


def offered(widget: Widget, option: str) -> list[str]:
    """What the menu says that an option changes of size, energy and latency."""
    texts = widget.part(f"option-{option}").locator(".number").all_inner_texts()
    return [text.strip() for text in texts]


@pytest.mark.browser
def test_five_layers_and_what_int8_saves_on_them(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(QUICKSTART)
    walk = Walk(notebook)
    notebook.run_cell(1)
    expect(notebook.cell(1)).to_contain_text("raspberry-pi-5", timeout=60_000)
    walk.acted(notebook.cell(1))

    type_device(notebook, 3, "raspberry-pi-5")
    notebook.page.keyboard.press("Shift+Enter")
    widget = notebook.widget().wait()
    expect(widget.part("row").first).to_be_visible()
    widget.scroll_to()
    walk.acted(widget.root)

    walk.click(widget.part("total-energy_j").get_by_test_id("largest"), widget.root)
    expect(widget.root.get_by_role("columnheader", name="Energy")).to_be_visible()
    largest = notebook.kernel.value("list(w.report.to_frame().nlargest(5, 'energy_j')['name'])")
    assert widget.names()[:5] == largest

    first, fifth = widget.part("row").nth(0), widget.part("row").nth(4)
    walk.click(first.locator(".c-name"), widget.root)
    walk.click(fifth.locator(".c-name"), widget.root, shift=True)
    notebook.wait_for_value("sorted(w.selection)", sorted(largest))
    of_all = notebook.kernel.value(
        "(lambda f: float(f.nlargest(5, 'energy_j')['energy_j'].sum() / f['energy_j'].sum()))"
        "(w.report.to_frame())"
    )

    walk.click(widget.part("option-button"), widget.root)
    changes = {}
    for option, code in OPTIONS.items():
        after = (
            'talaria.analyze(model, device="raspberry-pi-5", '
            f"recipe=dict.fromkeys({largest!r}, {code}))"
        )
        changes[option] = notebook.kernel.value(
            f"(lambda r: r.totals['energy_j'] / r.baseline['energy_j'] - 1)({after})"
        )
        before = notebook.kernel.value("w.report.baseline['energy_j']")
        said = offered(widget, option)[1]
        assert abs(number(said)) == pytest.approx(abs(changes[option]) * before * 1e3, abs=0.06)
        assert said.startswith("−" if changes[option] < 0 else "+")

    walk.click(widget.part("option-int8 w+a"), widget.root)
    widget.wait()
    totals = notebook.kernel.value("dict(w.report.totals)")
    for total in TOTALS:
        assert widget.total(total) == pytest.approx(totals[total], rel=ROUNDING), total
    saved = totals["energy_j"] / notebook.kernel.value("w.report.baseline['energy_j']") - 1
    assert saved == pytest.approx(changes["int8 w+a"])
    assert f"{saved * 100:.1f}".replace("-", "−") in widget.part("total-energy_j").inner_text()
    assert notebook.errors == []

    assert walk.actions == len(written_actions())
    prose = WRITTEN.read_text(encoding="utf-8")
    for figure in (*changes.values(), of_all):
        assert f"{abs(figure) * 100:.1f} %" in prose
    for name in largest:
        assert f"`{name}`" in prose


def test_the_walk_is_written_down_in_order_and_with_its_pictures() -> None:
    prose = WRITTEN.read_text(encoding="utf-8")
    actions = written_actions()
    assert [int(action.split(".")[0]) for action in actions] == list(range(1, len(actions) + 1))
    assert len(actions) <= MOST_ACTIONS
    linked = re.findall(r"!\[[^\]]+\]\((pictures/walk-\d\d\.png)\)", prose)
    wanted = range(TYPED_IN_A_TERMINAL + 1, len(actions) + 1)
    assert linked == [f"pictures/walk-{at:02}.png" for at in wanted]
    kept = sorted(f"pictures/{path.name}" for path in (DOCS / "pictures").glob("walk-*.png"))
    assert kept == linked
    for name in linked:
        assert (DOCS / name).stat().st_size <= MOST_BYTES, name
