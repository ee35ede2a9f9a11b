"""A person opens the notebook, clicks layers of a real model, and reads new totals."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser.conftest import OpenNotebook
from browser.models import LAYERS, SHOW, SMALL
from browser.pages import NotebookPage, Widget

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
TOTALS = ("size_bytes", "latency_s", "energy_j", "peak_memory_bytes")
# The page shows three digits or more.
ROUNDING = 0.006

pytestmark = pytest.mark.browser


def assert_page_and_kernel_agree(notebook: NotebookPage, widget: Widget, name: str = "w") -> None:
    totals = notebook.kernel.value(f"dict({name}.report.totals)")
    for total in TOTALS:
        assert widget.total(total) == pytest.approx(totals[total], rel=ROUNDING), total


def test_the_quickstart_by_hand(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(QUICKSTART)
    notebook.run_all()
    widget = notebook.widget().wait()
    notebook.wait_idle()
    expect(widget.part("row").first).to_be_visible()
    assert_page_and_kernel_agree(notebook, widget)

    notebook.kernel.run("w.recipe = talaria.Recipe({}); w.device = 'apple-a17-pro-ane'")
    widget.wait()
    expect(widget.part("undo")).to_be_enabled()
    before = notebook.kernel.value("dict(w.report.totals)")
    assert_page_and_kernel_agree(notebook, widget)

    owners = notebook.kernel.value(
        "list(w.report.to_frame().nlargest(3, 'weight_bytes')['name'])"
    )
    widget.part("filter").fill(owners[0])
    widget.row(owners[0]).click()
    widget.choose("int8")
    widget.wait()
    after = notebook.kernel.value("dict(w.report.totals)")
    assert after["size_bytes"] < 0.9 * before["size_bytes"]
    assert after["latency_s"] < before["latency_s"]
    assert after["energy_j"] < before["energy_j"]
    assert_page_and_kernel_agree(notebook, widget)
    assert notebook.kernel.value("len(w.recipe)") == 1
    assert notebook.errors == []


def test_clicks_reach_python(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW])
    notebook.run_all()
    widget = notebook.widget().wait()
    assert set(LAYERS) <= set(widget.names())
    before = {total: widget.total(total) for total in TOTALS}

    widget.select("0", "2", "6")
    notebook.wait_for_value("sorted(w.selection)", sorted(LAYERS))
    widget.choose("int8")
    widget.wait()
    expect(widget.row("2")).to_contain_text("int8")
    assert widget.total("size_bytes") < 0.6 * before["size_bytes"]
    assert_page_and_kernel_agree(notebook, widget)
    # One click on three rows is one rule, and one step back.
    assert notebook.kernel.value("len(w.recipe)") == 1
    options = notebook.kernel.value("[repr(rule.option) for rule in w.recipe]")
    assert options == ["Quantize(8)"]

    widget.part("undo").click()
    expect(widget.row("2")).not_to_contain_text("int8")
    widget.wait()
    assert {total: widget.total(total) for total in TOTALS} == before
    assert notebook.kernel.value("len(w.recipe)") == 0
    widget.part("redo").click()
    expect(widget.row("2")).to_contain_text("int8")
    widget.wait()
    assert_page_and_kernel_agree(notebook, widget)

    widget.part("tab-recipe").click()
    expect(widget.part("rule")).to_have_count(1)
    expect(widget.part("recipe-panel")).to_contain_text("int8")
    widget.set_target("latency_s", "0.5 ms")
    notebook.wait_for_value("dict(w.targets)", {"latency_s": 0.0005})
    assert notebook.errors == []


def test_code_reaches_the_page(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW, "w.mark('*', talaria.Quantize(8))"])
    notebook.run_cell(0)
    notebook.run_cell(1)
    widget = notebook.widget().wait()
    before = widget.total("size_bytes")
    notebook.run_cell(2)
    expect(widget.row("6")).to_contain_text("int8")
    widget.wait()
    assert widget.total("size_bytes") < 0.6 * before
    assert_page_and_kernel_agree(notebook, widget)

    notebook.kernel.run("w.selection = ['2']")
    expect(widget.row("2")).to_have_attribute("aria-selected", "true")
    expect(widget.row("0")).not_to_have_attribute("aria-selected", "true")

    notebook.kernel.run("w.undo()")
    expect(widget.row("6")).not_to_contain_text("int8")
    notebook.kernel.run("w.redo(); w.device = 'cpu-avx2'")
    expect(widget.part("device-select")).to_have_value("cpu-avx2")
    widget.wait()
    assert_page_and_kernel_agree(notebook, widget)

    widget.part("device-select").select_option("stm32-h7")
    widget.wait()
    notebook.wait_for_value("getattr(w.device, 'name', w.device)", "stm32-h7")
    assert_page_and_kernel_agree(notebook, widget)
    assert notebook.errors == []


def test_in_jupyterlab(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW], under="lab/tree")
    notebook.run_all()
    widget = notebook.widget().wait()
    widget.select("6")
    widget.choose("int8")
    expect(widget.row("6")).to_contain_text("int8")
    widget.wait()
    assert_page_and_kernel_agree(notebook, widget)
    assert notebook.errors == []
