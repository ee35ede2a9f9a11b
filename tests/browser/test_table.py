"""A person lays the table out, groups it, and gives the widget more room."""

from __future__ import annotations

import pytest
from playwright.sync_api import FloatRect, Locator, expect

from browser.conftest import SCREENSHOTS, OpenNotebook
from browser.models import MOBILE
from browser.pages import NotebookPage, Widget

SHOW = """
w = talaria.show(model, device="apple-a17-pro-ane", recipe={})
w
"""

pytestmark = pytest.mark.browser


def shown(notebook: NotebookPage) -> Widget:
    notebook.run_all()
    widget = notebook.widget().wait()
    notebook.wait_idle()
    return widget


def header(widget: Widget, title: str) -> Locator:
    return widget.root.get_by_role("columnheader", name=title, exact=False).first


def place(part: Locator) -> FloatRect:
    box = part.bounding_box()
    assert box is not None
    return box


def drag(notebook: NotebookPage, part: Locator, by: float) -> None:
    box = place(part)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(x + by, y, steps=5)
    notebook.page.mouse.up()


def test_columns_are_shown_moved_and_resized_and_kept_over_a_reload(
    open_notebook: OpenNotebook,
) -> None:
    notebook = open_notebook([MOBILE, SHOW])
    widget = shown(notebook)
    widget.part("columns").click()
    widget.part("column-flops").check()
    widget.part("column-share").uncheck()
    notebook.page.keyboard.press("Escape")
    expect(header(widget, "FLOPs")).to_be_visible()
    expect(header(widget, "Share")).to_have_count(0)
    before = place(header(widget, "Type"))["width"]
    drag(notebook, widget.part("edge-type"), 60)
    assert place(header(widget, "Type"))["width"] == pytest.approx(before + 60, abs=3)
    header(widget, "Option").drag_to(header(widget, "Type"))
    assert place(header(widget, "Option"))["x"] < place(header(widget, "Type"))["x"]
    widget.root.screenshot(path=SCREENSHOTS / "table-columns.png")
    notebook.page.wait_for_timeout(500)
    again = notebook_again(notebook)
    expect(header(again, "FLOPs")).to_be_visible()
    assert place(header(again, "Type"))["width"] == pytest.approx(before + 60, abs=3)
    assert place(header(again, "Option"))["x"] < place(header(again, "Type"))["x"]


def notebook_again(notebook: NotebookPage) -> Widget:
    """The page loaded anew, and the cells run again."""
    notebook.open()
    return shown(notebook)


def test_the_name_stays_in_sight_beside_all_columns(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([MOBILE, SHOW])
    widget = shown(notebook)
    widget.part("columns").click()
    for box in widget.root.locator("[data-testid^='column-']:not(:disabled)").all():
        box.check()
    notebook.page.keyboard.press("Escape")
    body = widget.root.locator(".table-grid .body")
    name = widget.part("row").first.locator(".c-name")
    left = place(body)["x"]
    body.evaluate("body => { body.scrollLeft = 600; }")
    assert body.evaluate("body => body.scrollLeft") == 600
    assert place(name)["x"] == pytest.approx(left, abs=1)
    expect(widget.part("row").first.locator(".c-order")).not_to_be_in_viewport()


def test_a_marked_group_is_one_rule(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([MOBILE, SHOW])
    widget = shown(notebook)
    widget.part("grouping").select_option("type")
    group = widget.part("group").first
    name, count = str(group.get_attribute("data-name")), len(widget.names())
    group.click()
    widget.choose("int8")
    widget.wait()
    notebook.wait_idle()
    assert notebook.kernel.value("len(w.recipe.rules)") == 1
    marked = notebook.kernel.value(
        "sorted({t.label for t, c in zip(w.report.program.tasks, w.report.after.column) if c})"
    )
    assert marked == [name]
    group.press("ArrowRight")
    expect(group).to_have_attribute("aria-expanded", "true")
    assert len(widget.names()) > count
    widget.root.screenshot(path=SCREENSHOTS / "table-groups.png")
    widget.part("undo").click()
    widget.wait()
    notebook.wait_idle()
    assert notebook.kernel.value("len(w.recipe.rules)") == 0


def test_the_pane_gives_way_and_the_widget_fills_the_window(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([MOBILE, SHOW])
    widget = shown(notebook)
    table = widget.root.locator(".table-grid")
    before = place(table)["width"]
    drag(notebook, widget.part("splitter"), -80)
    assert place(table)["width"] == pytest.approx(before - 80, abs=2)
    widget.part("splitter").press("End")
    expect(widget.part("splitter")).to_have_count(0)
    assert place(table)["width"] > before
    widget.part("reopen").click()
    assert place(table)["width"] == pytest.approx(before, abs=2)
    widget.part("full").click()
    size = notebook.page.viewport_size
    assert size is not None
    box = place(widget.root)
    assert (box["x"], box["y"]) == (0, 0)
    assert (box["width"], box["height"]) == (size["width"], size["height"])
    widget.root.screenshot(path=SCREENSHOTS / "table-full.png")
    widget.part("row").first.click()
    notebook.page.keyboard.press("Escape")
    expect(widget.part("full")).to_have_attribute("aria-pressed", "false")
    assert place(table)["width"] == pytest.approx(before, abs=2)
