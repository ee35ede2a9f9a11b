"""A person narrows a table down: by typing, by brushing a histogram, by clicking a category."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.conftest import SCREENSHOTS, OpenNotebook
from browser.models import MOBILE
from browser.pages import Widget, brush

SHOW = """
w = talaria.show(model, device="apple-a17-pro-ane", recipe={})
w
"""
# What the kernel knows.
FRAME = "w.report.to_frame()"

pytestmark = pytest.mark.browser


def search(widget: Widget, text: str) -> None:
    """Type it, and keep it as chips."""
    widget.part("filter").fill(text)
    widget.part("filter").press("Enter")


def shown(widget: Widget) -> int:
    """How many tasks pass, as the header says: `54 of 72`, or `72 tasks`."""
    return int(widget.part("counted").inner_text().split()[0])


def test_typed_filters_are_what_the_kernel_counts(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([MOBILE, SHOW])
    notebook.run_all()
    widget = notebook.widget().wait()
    notebook.wait_idle()
    total = notebook.kernel.value(f"len({FRAME})")
    assert shown(widget) == total

    wanted = notebook.kernel.value(f"int(({FRAME}['macs'] > 5e6).sum())")
    assert 0 < wanted < total
    widget.part("filter").fill("macs > 5M")
    expect(widget.part("search-hint")).to_contain_text("MACs over 5")
    assert shown(widget) == wanted
    widget.part("filter").press("Enter")
    expect(widget.part("filter")).to_have_value("")
    expect(widget.part("chip")).to_have_count(1)

    both = notebook.kernel.value(
        f"int((({FRAME}['macs'] > 5e6) & {FRAME}['name'].str.contains(r'layer\\.1\\d')).sum())"
    )
    search(widget, r"name:/layer\.1\d/")
    expect(widget.part("counted")).to_have_text(f"{both} of {total}")
    # The chips stand where there is room; the rest behind a button.
    hidden = widget.part("more-chips")
    if hidden.count():
        hidden.click()
    widget.root.get_by_label("Remove the filter MACs").last.press("Delete")
    expect(widget.part("chip").first).to_contain_text("task: /layer")
    widget.part("filter").fill("/layer(")
    expect(widget.part("search-hint")).to_contain_text("not ended")
    assert notebook.errors == []


def test_a_brush_filters_and_is_moved_by_keys(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([MOBILE, SHOW])
    notebook.run_all()
    widget = notebook.widget().wait()
    notebook.wait_idle()
    widget.scroll_to()
    total = shown(widget)
    chart = widget.part("histogram-latency")
    # A tenth of the width is more than a bar: from there to the right end all that is slower.
    brush(notebook.page, chart, 0.3, 1.2)
    expect(widget.part("counted")).to_contain_text(f"of {total}")
    some = shown(widget)
    assert 0 < some < total
    slider = widget.root.get_by_role("slider", name="Latency from")
    place = float(slider.get_attribute("aria-valuenow") or "0")
    assert place > 0
    SCREENSHOTS.mkdir(exist_ok=True)
    widget.root.screenshot(path=SCREENSHOTS / "brushed.png")
    # From the name of the column one Tab goes to the first handle.
    widget.root.get_by_role("columnheader", name="Latency").get_by_role("button").focus()
    notebook.page.keyboard.press("Tab")
    expect(slider).to_be_focused()
    notebook.page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuenow", f"{place - 1:g}")
    assert shown(widget) >= some
    # The handle by the pointer, one bar's width and more to the right.
    box = slider.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(x + 30, y, steps=5)
    notebook.page.mouse.up()
    assert float(slider.get_attribute("aria-valuenow") or "0") > place
    assert shown(widget) <= some
    # Only the histogram was dragged: no column was moved, and none sorted.
    latency = widget.root.get_by_role("columnheader", name="Latency")
    expect(latency).to_have_attribute("aria-sort", "descending")
    slider.focus()
    notebook.page.keyboard.press("Escape")
    expect(widget.part("counted")).to_have_text(f"{total} tasks")

    types = widget.part("categories-type").get_by_role("option")
    label = types.first.get_attribute("data-value")
    types.first.click()
    assert 0 < shown(widget) < total
    for row in widget.part("row").all():
        expect(row).to_contain_text(label or "?")
    types.first.click()

    widget.part("top").click()
    expect(widget.part("top")).to_have_attribute("aria-pressed", "true")
    few = notebook.kernel.value(
        f"int(({FRAME}['latency_s'].sort_values(ascending=False).cumsum()"
        f" < 0.8 * {FRAME}['latency_s'].sum()).sum()) + 1"
    )
    expect(widget.part("counted")).to_have_text(f"{few} of {total}")
    assert notebook.errors == []
