"""All that is known of a task, in a real notebook: asked for when looked at, saved nowhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.conftest import OpenNotebook
from browser.pages import NotebookPage, Widget

MODEL = """
import torch
import talaria_widget as talaria

class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 64, 3)
        self.head = torch.nn.Linear(64, 100)

    def forward(self, x):
        y = torch.relu(self.stem(x))  # <img src=x onerror="document.title='pwned'">
        return self.head(y.mean((2, 3)))

model = Small().eval()
"""
SHOW = """
w = talaria.show(model, torch.randn(1, 3, 64, 64), device="cpu-avx2", recipe={})
w
"""

pytestmark = pytest.mark.browser


def shown(notebook: NotebookPage) -> Widget:
    notebook.run_all()
    widget = notebook.widget().wait()
    widget.scroll_to()
    return widget


def test_a_key_opens_formula_prices_and_the_lines_of_the_cell(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([MODEL, SHOW])
    widget = shown(notebook)
    state = "sorted(k for k in w.get_state())"
    before = notebook.kernel.value(state)
    widget.row("stem").click()
    notebook.page.keyboard.press("d")
    pane = widget.part("details")
    expect(pane).to_have_attribute("data-told", "true")
    formula = pane.get_by_test_id("formula").first
    expect(formula).to_contain_text("outputs × input channels × kernel")
    macs = 64 * 62 * 62 * 3 * 3 * 3
    expect(formula).to_contain_text(f"64 × 62 × 62 × 3 × 3 × 3 = {macs:,} MAC")
    called = pane.locator(".called code")
    expect(called).to_contain_text("y = torch.relu(self.stem(x))")
    # What is no text of the page would have made an image, and a title.
    expect(called).to_contain_text("<img src=x onerror")
    assert notebook.page.title() != "pwned"
    expect(pane.get_by_test_id("parts")).to_contain_text("compute")

    notebook.page.keyboard.press("ArrowDown")
    expect(pane).not_to_have_attribute("data-row", "stem")
    expect(pane).to_have_attribute("data-told", "true")
    widget.row("stem").click()
    expect(pane).to_have_attribute("data-row", "stem")
    assert notebook.kernel.value(state) == before
    saved = "any('self.stem(x)' in repr(v) for v in w.get_state().values())"
    assert notebook.kernel.value(saved) is False


def test_one_click_applies_an_option(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([MODEL, SHOW])
    widget = shown(notebook)
    widget.row("stem").click()
    widget.part("tab-details").click()
    # What Python tells may move the options.
    expect(widget.part("details")).to_have_attribute("data-told", "true")
    option = widget.part("details-option-int8").get_by_role("button")
    before = widget.total_text("size_bytes")
    option.hover()
    expect(widget.part("total-size_bytes").get_by_test_id("total-value")).not_to_have_text(before)
    option.click()
    notebook.wait_for_value("len(w.recipe)", 1)
    widget.wait()
    expect(option).to_have_attribute("aria-pressed", "true")


def test_nothing_in_the_pane_is_wider_than_it(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([MODEL, SHOW])
    widget = shown(notebook)
    widget.row("stem").click()
    notebook.page.keyboard.press("d")
    pane = widget.part("details")
    expect(pane).to_have_attribute("data-told", "true")
    wide, room = pane.evaluate("pane => [pane.scrollWidth, pane.clientWidth]")
    assert wide <= room
