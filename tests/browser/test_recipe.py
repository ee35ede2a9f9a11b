"""The recipe panel with a kernel behind it: rules typed, counted, moved, switched and refused."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.conftest import OpenNotebook
from browser.models import REPEATED, SHOW, SMALL
from browser.pages import NotebookPage, Widget

pytestmark = pytest.mark.browser

MATCHES = "[list(rule.patterns) for rule in w.recipe]"


def start(open_notebook: OpenNotebook, *cells: str) -> tuple[NotebookPage, Widget]:
    notebook = open_notebook(list(cells))
    notebook.run_all()
    widget = notebook.widget().wait()
    widget.part("tab-recipe").click()
    return notebook, widget


def add(widget: Widget, pattern: str, count: str) -> None:
    widget.part("add-rule").click()
    widget.part("match-field").fill(pattern)
    expect(widget.part("match-said")).to_have_text(f"hits {count}")
    widget.part("match-field").press("Enter")
    expect(widget.part("match-field")).to_have_count(0)
    widget.wait()


def test_rules_are_written_in_the_page(open_notebook: OpenNotebook) -> None:
    notebook, widget = start(open_notebook, SMALL, SHOW)
    page = notebook.page
    add(widget, "[0-2]", "2 tasks")
    add(widget, "6", "1 task")
    notebook.wait_for_value(MATCHES, [["[0-2]"], ["6"]])
    rules = widget.part("rule")
    expect(rules.first.locator(".number.better").first).to_contain_text("−")

    # What matches nothing is refused in a sentence, and stays in the field.
    rules.first.locator("[data-part=match]").press("F2")
    widget.part("match-field").fill("7")
    said = widget.part("match-said")
    expect(said).to_contain_text("'7' matches no layer of Sequential")
    widget.part("match-field").press("Enter")
    expect(widget.part("match-field")).to_have_value("7")
    widget.part("match-field").fill("type:linear\n0")
    widget.part("match-field").press("Enter")
    notebook.wait_for_value(MATCHES, [["type:linear", "0"], ["6"]])
    expect(rules.first).to_contain_text("1 of 2 overridden by rule 2")

    # Keys move a rule, and so does the pointer.
    rules.first.locator("[data-part=match]").press("Alt+ArrowDown")
    notebook.wait_for_value(MATCHES, [["6"], ["type:linear", "0"]])
    expect(rules.nth(1).locator("[data-part=match]")).to_be_focused()
    box, other = (rules.nth(n).locator("[data-part=grip]").bounding_box() for n in (1, 0))
    assert box is not None
    assert other is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(other["x"] + 5, other["y"] - 3, steps=4)
    page.mouse.up()
    notebook.wait_for_value(MATCHES, [["type:linear", "0"], ["6"]])
    widget.wait()

    before = widget.total("size_bytes")
    rules.nth(1).get_by_role("checkbox").click()
    notebook.wait_for_value("w.recipe.rules[1].enabled", False)
    rules.first.locator("[data-part=option]").click()
    widget.part("option-int8 w+a").click()
    notebook.wait_for_value("w.recipe.rules[0].option.activations is None", False)
    for left in (1, 0):
        rules.first.locator("[data-part=match]").press("Delete")
        expect(rules).to_have_count(left)
        widget.wait()
    expect(widget.part("recipe-panel")).to_contain_text("No rule yet")
    for _ in range(4):
        widget.part("undo").click()
        widget.wait()
    notebook.wait_for_value(MATCHES, [["type:linear", "0"], ["6"]])
    widget.wait()
    assert widget.total("size_bytes") == before
    assert notebook.errors == []


def test_a_layer_stands_for_its_repeats_without_the_ends(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([REPEATED])
    notebook.run_all()
    widget = notebook.widget().wait()
    widget.select("layers.2.up")
    widget.part("repeats-more").click()
    widget.part("repeats-inner").click()
    notebook.wait_for_value("list(w.selection)", ["layers.1.up"])
    widget.select("layers.0.up")
    notebook.page.keyboard.press("Shift+R")
    notebook.wait_for_value("list(w.selection)", ["layers.1.up"])
    assert notebook.errors == []
