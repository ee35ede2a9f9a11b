"""The widget at work in JupyterLab and in marimo, as in Notebook 7."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from browser.conftest import SCREENSHOTS, OpenNotebook
from browser.marimo_app import serve_app, write_app
from browser.models import SMALL
from browser.pages import Widget, is_local

SHOW = """
w = talaria.show(model, torch.randn(1, 3, 64, 64), device="cpu-avx2", recipe={})
w
"""
TOLD = "dict(totals=dict(w.report.totals), rows=w.report.to_frame().to_dict('records'))"
# What Python knows whenever it has changed: a page of marimo has no second client to ask.
TELLING = f"""
import json, pathlib
def tell(change=None):
    pathlib.Path("told.json").write_text(json.dumps({TOLD}, default=str))
tell()
w.observe(tell, "_report")
w
"""
TOTALS = ("size_bytes", "latency_s", "energy_j")

pytestmark = pytest.mark.browser


def assert_agree(widget: Widget, told: dict[str, Any]) -> None:
    for total in TOTALS:
        assert widget.total(total) == pytest.approx(told["totals"][total], rel=0.006), total


def use(page: Page, widget: Widget, told: Callable[[], dict[str, Any]]) -> None:
    """Select, mark, sort, filter, undo and ask: the page says what Python says."""
    assert_agree(widget, told())
    before = told()["totals"]["size_bytes"]
    widget.select("6")
    expect(widget.row("6")).to_have_attribute("aria-selected", "true")
    widget.choose("int8")
    expect(widget.row("6")).to_contain_text("int8")
    widget.wait()
    # Of the 4 bytes of each weight one is left.
    saved = before - told()["totals"]["size_bytes"]
    assert saved == pytest.approx(3 * 128 * 1000, rel=0.05)
    assert_agree(widget, told())

    header = widget.root.get_by_role("columnheader")
    header.filter(has_text="Task").get_by_role("button").first.click()
    assert widget.names() == sorted(row["name"] for row in told()["rows"])
    header.filter(has_text="Latency").get_by_role("button").first.click()
    slowest = sorted(told()["rows"], key=lambda row: -row["latency_s"])
    assert widget.names() == [row["name"] for row in slowest]
    widget.part("filter").fill("type:conv")
    assert sorted(widget.names()) == ["0", "2"]
    widget.part("filter").fill("")

    widget.row("0").click()
    page.keyboard.press("d")
    expect(widget.part("details")).to_have_attribute("data-told", "true")
    macs = 128 * 62 * 62 * 3 * 3 * 3
    expect(widget.part("formula").first).to_contain_text(f"= {macs:,} MAC")


def assert_laid_out(widget: Widget) -> None:
    """What a host's own styles for all elements could change."""
    for part in ("option-button", "copy-name"):
        box = widget.part(part).bounding_box()
        assert box is not None
        assert box["height"] <= 26, part
    for term in widget.part("parts").locator("dt").all():
        assert term.evaluate("e => e.getClientRects().length && e.scrollHeight") <= 20
    outlined = "e => getComputedStyle(e).outlineStyle"
    assert widget.part("chart-timeline").locator("path.outline").first.evaluate(outlined) == "none"


def undo(widget: Widget, told: Callable[[], dict[str, Any]]) -> None:
    widget.part("undo").click()
    expect(widget.row("6")).to_contain_text("fp32")
    widget.wait()
    assert_agree(widget, told())


def test_in_jupyterlab(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW], under="lab/tree")
    console: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and "blob:" in message.location.get("url", ""):
            console.append(message.text)

    notebook.page.on("console", hear)
    notebook.run_all()
    widget = notebook.widget().wait()
    notebook.wait_idle()
    widget.scroll_to()
    kernel = notebook.kernel
    use(notebook.page, widget, lambda: dict(kernel.value(TOLD)))
    assert_laid_out(widget)
    SCREENSHOTS.mkdir(exist_ok=True)
    notebook.page.screenshot(path=SCREENSHOTS / "host-jupyterlab.png")
    undo(widget, lambda: dict(kernel.value(TOLD)))
    assert notebook.errors == []
    assert console == []


def test_in_marimo(browser: Browser, tmp_path: Path) -> None:
    write_app(tmp_path / "notebook.py", [SMALL + SHOW.removesuffix("w\n") + TELLING])
    trouble: list[str] = []

    def told() -> dict[str, Any]:
        return dict(json.loads((tmp_path / "told.json").read_text()))

    with serve_app(tmp_path / "notebook.py") as url:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
        page.on(
            "request",
            lambda request: None if is_local(request.url) else trouble.append(request.url),
        )
        page.goto(url, wait_until="domcontentloaded")
        try:
            widget = Widget(page.get_by_test_id("talaria"))
            expect(widget.root).to_be_visible(timeout=60_000)
            widget.wait()
            use(page, widget, told)
            assert_laid_out(widget)
            undo(widget, told)
        finally:
            SCREENSHOTS.mkdir(exist_ok=True)
            page.screenshot(path=SCREENSHOTS / "host-marimo.png")
            context.close()
    assert trouble == []
