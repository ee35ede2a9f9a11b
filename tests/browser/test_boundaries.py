"""Busy, restarted and doubled: nothing lost, nothing wrong, and the page says what it shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from browser.conftest import OpenNotebook
from browser.jupyter import JupyterServer
from browser.models import ASLEEP, DEAF, GO, HOSTILE, LAYERS, MARKING, SHOW, SMALL
from browser.pages import NotebookPage, Widget

pytestmark = pytest.mark.browser

# Every state that the root has had since: a preview may last a few milliseconds only.
WATCH_STATES = """root => {
    window.states = [root.dataset.state];
    new MutationObserver(() => window.states.push(root.dataset.state))
        .observe(root, { attributes: true, attributeFilter: ['data-state'] });
}"""


def start(notebook: NotebookPage) -> Widget:
    notebook.run_cell(0)
    notebook.run_cell(1)
    widget = notebook.widget().wait()
    notebook.page.wait_for_timeout(200)
    return widget


def running(notebook: NotebookPage, cell: int) -> bool:
    return "[*]" in notebook.cell(cell).inner_text()


def let_go_on(notebook: NotebookPage) -> None:
    (notebook.server.root / GO).touch()
    notebook.wait_idle()


@pytest.fixture(autouse=True)
def stop_first(server: JupyterServer) -> Iterator[None]:
    """Each test's cells wait anew, and none is left waiting."""
    (server.root / GO).unlink(missing_ok=True)
    yield
    (server.root / GO).touch()


def assert_agree(notebook: NotebookPage, widget: Widget, name: str = "w") -> None:
    totals = notebook.kernel.value(f"dict({name}.report.totals)")
    for total in ("size_bytes", "latency_s", "energy_j"):
        assert widget.total(total) == pytest.approx(totals[total], rel=0.006), total


def test_a_click_while_a_cell_sleeps(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW, ASLEEP])
    widget = start(notebook)
    before = widget.total("size_bytes")
    widget.root.evaluate(WATCH_STATES)
    notebook.run_cell(2)
    widget.select(*LAYERS)
    widget.choose("int8")
    expect(widget.row("2")).to_contain_text("int8")
    shown = widget.total("size_bytes")
    assert shown < 0.6 * before
    widget.wait()
    assert running(notebook, 2), "the new total must show, and be answered, before the cell ends"
    let_go_on(notebook)
    assert "preview" in notebook.page.evaluate("window.states")
    assert widget.total("size_bytes") == shown
    assert_agree(notebook, widget)


def test_a_click_while_the_kernel_answers_nothing(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW, DEAF])
    widget = start(notebook)
    before = widget.total("size_bytes")
    notebook.run_cell(2)
    notebook.page.wait_for_timeout(500)
    widget.select(*LAYERS)
    widget.choose("int8")
    expect(widget.root).to_have_attribute("data-state", "preview", timeout=2000)
    shown = {name: widget.total(name) for name in ("size_bytes", "latency_s", "energy_j")}
    assert shown["size_bytes"] < 0.6 * before
    expect(widget.root).to_contain_text("preview")
    assert running(notebook, 2)
    let_go_on(notebook)
    widget.wait()
    assert {name: widget.total(name) for name in shown} == shown
    assert_agree(notebook, widget)
    assert notebook.kernel.value("len(w.recipe)") == 1


def test_two_clicks_while_the_kernel_answers_nothing(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW, DEAF])
    widget = start(notebook)
    notebook.run_cell(2)
    notebook.page.wait_for_timeout(500)
    widget.select("2")
    widget.choose("int8")
    expect(widget.row("2")).to_contain_text("int8")
    widget.select("6")
    widget.choose("int8")
    expect(widget.row("6")).to_contain_text("int8")
    expect(widget.row("2")).to_contain_text("int8")
    assert running(notebook, 2)
    let_go_on(notebook)
    widget.wait()
    expect(widget.row("2")).to_contain_text("int8")
    assert notebook.kernel.value("len(w.recipe)") == 2
    assert_agree(notebook, widget)


def test_a_restart_in_the_middle_of_a_click(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW, DEAF])
    widget = start(notebook)
    before = widget.total("size_bytes")
    notebook.run_cell(2)
    notebook.page.wait_for_timeout(500)
    widget.select("6")
    widget.choose("int8")
    expect(widget.root).to_have_attribute("data-state", "preview")
    notebook.restart_kernel()
    widget.wait("no-kernel", timeout=60_000)
    expect(widget.part("banner")).to_contain_text("No kernel")
    expect(widget.part("option-button")).to_be_disabled()
    widget.part("tab-recipe").click()
    expect(widget.part("copy-python")).to_be_enabled()
    widget.row("0").click()
    expect(widget.row("0")).to_have_attribute("aria-selected", "true")

    notebook.run_cell(0)
    notebook.run_cell(1)
    again = notebook.widget().wait()
    assert again.total("size_bytes") == before
    again.select("6")
    again.choose("int8")
    expect(again.row("6")).to_contain_text("int8")
    again.wait()
    assert_agree(notebook, again)


def test_two_widgets_of_one_model(open_notebook: OpenNotebook) -> None:
    second = SHOW.replace("w = ", "v = ").replace("\nw\n", "\nv\n")
    notebook = open_notebook([SMALL, SHOW, second])
    notebook.run_all()
    notebook.wait_idle()
    left, right = notebook.widget(0).wait(), notebook.widget(1).wait()
    untouched = right.total("size_bytes")
    left.select("6")
    left.choose("int8")
    expect(left.row("6")).to_contain_text("int8")
    left.wait()
    right.select("2")
    right.choose("fp16" if right.part("option-fp16").count() else "int8")
    right.wait()
    assert left.total("size_bytes") < untouched
    assert notebook.kernel.value("[r.match for r in w.recipe]") == ["6"]
    assert notebook.kernel.value("[r.match for r in v.recipe]") == ["2"]
    assert_agree(notebook, left, "w")
    assert_agree(notebook, right, "v")


def test_a_cell_run_twice_keeps_the_recipe(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW.replace(", recipe={}", "")])
    widget = start(notebook)
    widget.select("6")
    widget.choose("int8")
    expect(widget.row("6")).to_contain_text("int8")
    widget.wait()
    shown = widget.total("size_bytes")
    notebook.kernel.run("first = w")
    notebook.run_cell(1)
    notebook.wait_for_value("w is first", False)
    again = notebook.widget().wait()
    expect(notebook.page.get_by_test_id("talaria")).to_have_count(1)
    expect(again.row("6")).to_contain_text("int8")
    assert again.total("size_bytes") == shown
    again.select("2")
    again.choose("int8")
    expect(again.row("2")).to_contain_text("int8")
    again.wait()
    assert_agree(notebook, again)


def test_code_and_clicks_at_once(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW, MARKING])
    widget = start(notebook)
    notebook.run_cell(2)
    for name in ("2", "6"):
        widget.select(name)
        widget.choose("int8")
    assert running(notebook, 2)
    let_go_on(notebook)
    for name in LAYERS:
        expect(widget.row(name)).to_contain_text("int8")
    widget.wait()
    assert_agree(notebook, widget)
    frame = "w.report.to_frame().set_index('name')['option'].to_dict()"
    options = notebook.kernel.value(frame)
    assert [options[name] for name in LAYERS] == ["int8"] * 3


def test_names_are_only_ever_text(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([HOSTILE])
    notebook.run_all()
    widget = notebook.widget().wait()
    name = notebook.kernel.value("NAME")
    expect(widget.row(name)).to_contain_text("onerror")
    widget.row(name).click()
    widget.part("option-button").click()
    notebook.page.keyboard.press("Escape")
    widget.part("tab-recipe").click()
    widget.part("tab-graph").click()
    notebook.page.wait_for_timeout(500)
    assert notebook.page.evaluate("typeof window.hacked") == "undefined"
    assert widget.root.locator("img, script").count() == 0
    static = notebook.kernel.value("w._repr_mimebundle_()[0]['text/html']")
    assert "&lt;img" in static
    assert "<img" not in static
    assert "<script" not in static


# What the module graph alone reads, broken as a fault of ours would break it.
BROKEN = """
from talaria_widget import wire
meta, blocks = wire.decode(w._program)
meta["modules"] = None
w._program = wire.encode(meta, blocks)
"""


def test_an_error_in_one_view_leaves_the_rest(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW])
    widget = start(notebook)
    notebook.kernel.run(BROKEN)
    expect(widget.root.get_by_role("alert").first).to_be_visible()
    widget.select("6")
    widget.choose("int8")
    expect(widget.row("6")).to_contain_text("int8")
    widget.wait()
    assert_agree(notebook, widget)
    widget.part("tab-recipe").click()
    expect(widget.part("rule")).to_have_count(1)
