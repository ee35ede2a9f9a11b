"""The bundle, imported by URL, under a policy without eval, workers and anything remote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

import talaria_widget as talaria
from browser.bare import READY, answers, serve_folder, write_page
from browser.conftest import SCREENSHOTS
from browser.pages import Widget, brush

# No style but those of the style sheets: what stands in an element is set by script, one property
# at a time, and that no policy forbids.
POLICY = "; ".join(
    [
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"),
        *("worker-src 'none'", "img-src 'none'", "font-src 'none'", "object-src 'none'"),
        *("base-uri 'none'", "form-action 'none'", "frame-src 'none'", "media-src 'none'"),
    ]
)
VIOLATIONS = "() => window.violations"

pytestmark = pytest.mark.browser


def shown_widget() -> talaria.Talaria:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(64, 64, 3),
        torch.nn.MaxPool2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(64 * 7 * 7, 1000),
    ).eval()
    return talaria.show(model, torch.zeros(1, 3, 32, 32), device="cpu-avx2", recipe={})


@pytest.fixture
def trouble() -> list[str]:
    """What the console called an error, what was thrown, and what could not be loaded."""
    return []


@pytest.fixture
def widget() -> talaria.Talaria:
    return shown_widget()


@pytest.fixture
def page(
    browser: Browser, tmp_path: Path, widget: talaria.Talaria, trouble: list[str]
) -> Iterator[Page]:
    write_page(tmp_path, widget.get_state())
    context = browser.new_context(viewport={"width": 1064, "height": 800})
    opened = context.new_page()
    opened.expose_function("answer", answers(widget))
    opened.on("console", lambda m: trouble.append(f"{m.type}: {m.text}"))
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on("requestfailed", lambda request: trouble.append(request.url))
    with serve_folder(tmp_path, {"Content-Security-Policy": POLICY}) as url:
        opened.goto(url)
        opened.wait_for_selector(READY)
        yield opened
        context.close()


def test_all_of_it_works_under_a_strict_policy(
    page: Page, widget: talaria.Talaria, trouble: list[str]
) -> None:
    seen = Widget(page.get_by_test_id("talaria")).wait()
    by_latency = seen.names()
    assert sorted(by_latency) == ["0", "2", "3/max_pool2d", "5"]

    seen.root.get_by_role("columnheader", name="Task").get_by_role("button").first.click()
    assert seen.names() == sorted(by_latency)
    seen.part("filter").fill("macs > 1M")
    expect(seen.part("counted")).to_have_text("3 of 4")
    seen.part("filter").press("Enter")
    expect(seen.part("chip")).to_have_count(1)
    seen.root.get_by_label("Remove the filter MACs").last.click()
    expect(seen.part("counted")).to_have_text("4 tasks")
    bars = seen.part("histogram-latency")
    brush(page, bars, 0.3, 1.2)
    expect(seen.part("counted")).to_contain_text("of 4")
    bars.dblclick()
    expect(seen.part("counted")).to_have_text("4 tasks")

    before = seen.total("size_bytes")
    seen.select("5")
    seen.choose("int8")
    expect(seen.row("5")).to_contain_text("int8")
    seen.wait()
    assert seen.total("size_bytes") < 0.5 * before
    assert seen.total("size_bytes") == pytest.approx(widget.report.totals["size_bytes"], rel=0.006)

    seen.part("tab-recipe").click()
    expect(seen.part("rule")).to_have_count(1)
    seen.part("add-rule").click()
    seen.part("match-field").fill("type:conv")
    expect(seen.part("match-said")).to_have_text("hits 2 tasks")
    page.keyboard.press("Escape")
    seen.part("tab-details").click()
    expect(seen.part("details")).to_have_attribute("data-told", "true")
    expect(seen.part("formula").first).to_contain_text(f"= {64 * 7 * 7 * 1000:,} MAC")
    seen.part("tab-graph").click()
    expect(seen.part("graph-box")).to_have_count(4)
    seen.part("graph-box").first.click()
    expect(seen.row("0")).to_have_attribute("aria-selected", "true")
    seen.part("columns").click()
    seen.part("column-flops").check()
    page.keyboard.press("Escape")
    for grouping in ("type", "module", "none"):
        seen.part("grouping").select_option(grouping)
    for chart in ("timeline", "costs", "distribution", "roofline"):
        seen.root.get_by_label("Chart in column 3").select_option(chart)
        expect(seen.part(f"chart-{chart}").get_by_role("img").first).to_be_visible()
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "policy.png")
    seen.part("full").click()
    page.keyboard.press("Escape")

    assert page.evaluate(VIOLATIONS) == []
    assert trouble == []
    expect(page.locator("[role=alert]")).to_have_count(0)


@pytest.mark.parametrize(
    ("forbidden", "directive"),
    [
        ("setTimeout('1')", "script-src"),
        ("new Worker('widget.js')", "worker-src"),
        ("import('data:text/javascript,1').catch(() => 0)", "script-src-elem"),
        ("fetch('http://127.0.0.2:9/').catch(() => 0)", "connect-src"),
        ("new Image().src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw='", "img-src"),
        ("document.body.setAttribute('style', 'color: red')", "style-src-attr"),
    ],
)
def test_the_policy_is_in_force(page: Page, forbidden: str, directive: str) -> None:
    page.evaluate(f"() => {{ {forbidden}; }}")
    page.wait_for_timeout(100)
    assert [found.split()[0] for found in page.evaluate(VIOLATIONS)] == [directive]
