"""Odd names and odd figures show as what they are, and break nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

import talaria_widget as talaria
from browser.bare import READY, answers, serve_folder, write_page
from browser.conftest import SCREENSHOTS
from browser.odd_models import NAMES, Alone, Nothing, chain, odd_names, odd_numbers
from browser.pages import Widget

pytestmark = pytest.mark.browser

Open = Callable[..., Widget]
# Nothing makes the page wider than its window, and nothing that is seen leaves the widget.
INSIDE = """root => {
    const box = root.getBoundingClientRect();
    return document.documentElement.scrollWidth <= innerWidth
        && root.scrollWidth <= root.clientWidth && box.right <= innerWidth;
}"""


@pytest.fixture
def trouble() -> list[str]:
    return []


@pytest.fixture
def opened(browser: Browser, tmp_path: Path, trouble: list[str]) -> Iterator[Open]:
    context = browser.new_context(viewport={"width": 1064, "height": 800})
    page: Page = context.new_page()

    def opens(widget: talaria.Talaria, state: Mapping[str, Any] | None = None) -> Widget:
        write_page(tmp_path, state or widget.get_state())
        if state is None:
            page.expose_function("answer", answers(widget))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(url)
        page.wait_for_selector(READY)
        return Widget(page.get_by_test_id("talaria"))

    with serve_folder(tmp_path) as url:
        yield opens
        context.close()


def shown(model: torch.nn.Module) -> talaria.Talaria:
    return talaria.show(model, torch.zeros(1, 64), device="cpu-avx2", recipe={})


def picture(widget: Widget, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    widget.root.screenshot(path=SCREENSHOTS / f"odd-{name}.png")


def assert_whole(widget: Widget) -> None:
    """Every tab and every chart is there, inside the widget, and none has given up."""
    for tab in ("recipe", "details", "graph"):
        widget.part(f"tab-{tab}").click()
        assert widget.root.evaluate(INSIDE), tab
    for chart in ("distribution", "roofline", "costs"):
        widget.root.get_by_label("Chart in column 3").select_option(chart)
        assert widget.root.evaluate(INSIDE), chart
    expect(widget.root.get_by_role("alert")).to_have_count(0)


def test_odd_names_are_text(opened: Open, trouble: list[str]) -> None:
    model = shown(odd_names())
    widget = opened(model)
    assert sorted(widget.names()) == sorted(NAMES)
    for name in NAMES:
        row = widget.part("row").nth(widget.names().index(name))
        row.click()
        expect(row).to_have_attribute("aria-selected", "true")
        widget.part("tab-details").click()
        expect(widget.part("details")).to_have_attribute("data-told", "true")
        assert widget.part("details-name").text_content() == name
        assert widget.root.evaluate(INSIDE), name[:40]
    widget.choose("int8")
    widget.wait()
    assert [rule.match for rule in model.recipe] == [NAMES[-1]]
    picture(widget, "names")
    widget.part("filter").fill("onerror")
    assert widget.names() == [NAMES[0]]
    widget.part("filter").fill("ראשונה")
    assert widget.names() == [NAMES[3]]
    widget.part("filter").fill("")
    widget.part("grouping").select_option("module")
    widget.part("grouping").select_option("none")
    assert_whole(widget)
    assert widget.root.locator("img, script").count() == 0
    assert widget.root.evaluate("() => typeof window.hurt") == "undefined"
    assert trouble == []


def test_unknown_infinite_and_nothing(opened: Open, trouble: list[str]) -> None:
    model = shown(chain())
    widget = opened(model, odd_numbers(model.get_state()))
    figures = {name: widget.row(name).locator(".c-latency") for name in ("0", "1", "2")}
    expect(figures["0"]).to_contain_text("?")
    expect(figures["1"]).to_contain_text("∞")
    expect(figures["2"]).to_have_text("0")
    for total in ("size_bytes", "latency_s", "energy_j", "peak_memory_bytes"):
        assert "?" in widget.total_text(total)
    picture(widget, "numbers")
    # The unknown is last in every order.
    latency = widget.root.get_by_role("columnheader", name="Latency").get_by_role("button").first
    for _ in range(2):
        latency.click()
        assert widget.names()[-1] == "0"
    widget.part("filter").fill("latency > 1us")
    assert {"0", "2"}.isdisjoint(widget.names())
    widget.part("filter").fill("")
    for name in ("0", "1", "2"):
        widget.row(name).click()
        assert_whole(widget)
    assert trouble == []


def test_one_row(opened: Open, trouble: list[str]) -> None:
    widget = opened(shown(Alone()))
    assert widget.names() == ["only"]
    widget.select("only")
    widget.choose("int8")
    expect(widget.row("only")).to_contain_text("int8")
    widget.wait()
    assert_whole(widget)
    picture(widget, "one")
    assert trouble == []


def test_no_row(opened: Open, trouble: list[str]) -> None:
    widget = opened(shown(Nothing()))
    assert widget.names() == []
    assert widget.total("latency_s") == 0
    assert_whole(widget)
    picture(widget, "none")
    assert trouble == []
