"""Screenshots to look at beside the design, and what must hold of how the widget looks."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.conftest import SCREENSHOTS, OpenNotebook
from browser.models import MOBILE

pytestmark = pytest.mark.browser

SHOW = """
recipe = {"mobilenet_v2.layer.[10-15].*": talaria.Quantize(8), "classifier": talaria.Quantize(8)}
w = talaria.show(model, device="apple-a17-pro-ane", recipe=recipe)
w.targets = {"size_bytes": 5e6, "latency_s": 0.0004}
w
"""
LOOKS = {
    "light": (1280, "JupyterLab Light"),
    "dark": (1280, "JupyterLab Dark"),
    "narrow": (720, "JupyterLab Light"),
}
OVERFLOW = """root => {
    const edge = root.getBoundingClientRect();
    return edge.width - root.parentElement.getBoundingClientRect().width;
}"""


@pytest.mark.parametrize("look", LOOKS)
def test_pictures(open_notebook: OpenNotebook, look: str) -> None:
    width, theme = LOOKS[look]
    notebook = open_notebook([MOBILE, SHOW], width=width, theme=theme)
    notebook.run_all()
    widget = notebook.widget().wait()
    notebook.wait_idle()
    expect(widget.part("row").first).to_be_visible()
    rows = widget.part("row")
    rows.nth(1).click()
    rows.nth(3).click(modifiers=["Shift"])
    notebook.page.wait_for_timeout(600)
    SCREENSHOTS.mkdir(exist_ok=True)
    widget.root.screenshot(path=SCREENSHOTS / f"{look}.png")
    notebook.page.screenshot(path=SCREENSHOTS / f"{look}-page.png")
    widget.part("option-button").click()
    notebook.page.wait_for_timeout(300)
    notebook.page.screenshot(path=SCREENSHOTS / f"{look}-menu.png")
    # It really is a table with styles: rows as high as drawn, and nothing wider than the cell.
    box = rows.first.bounding_box()
    assert box is not None
    assert 16 <= box["height"] <= 40
    assert widget.root.evaluate(OVERFLOW) <= 1
    background = notebook.page.evaluate("getComputedStyle(document.body).colorScheme")
    assert isinstance(background, str)
