"""Times of the page on the large fixture, and what axe finds: `python js/dev/measure.py`.

Wants the same as `shoot.py`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from shoot import ADDRESS, FLAGS, FOLDER

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"

# Time from an act to the frame that shows it, median of several.
MEASURE = """async ([name, times]) => {
    const root = document.querySelector('[data-testid=talaria]');
    const part = id => root.querySelector(`[data-testid="${id}"]`);
    const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const type = text => {
        part('filter').value = text;
        part('filter').dispatchEvent(new Event('input', { bubbles: true }));
    };
    const value = () => part('total-size_bytes').textContent;
    const mark = async turn => {
        part('option-button').click();
        await frame();
        const item = part(turn % 2 ? 'option-int8' : 'option-fp32');
        const before = value();
        const start = performance.now();
        item.click();
        await frame();
        if (value() === before) throw new Error('the total did not change');
        return performance.now() - start;
    };
    const acts = {
        sort: turn => root.querySelector(turn % 2 ? '.c-name button' : '.c-latency button').click(),
        filter: turn => type(turn % 2 ? 'conv2' : ''),
        menu: () => part('option-button').click(),
        all: () => root.querySelector('[data-testid=row]').dispatchEvent(
            new KeyboardEvent('keydown', { key: 'a', ctrlKey: true, bubbles: true })),
    };
    const found = [];
    for (let turn = 1; turn <= times; turn++) {
        if (name === 'mark') { found.push(await mark(turn)); continue; }
        const start = performance.now();
        acts[name](turn);
        await frame();
        found.push(performance.now() - start);
    }
    return found.sort((a, b) => a - b)[found.length >> 1];
}"""
SCROLL = """async () => {
    const body = document.querySelector('[data-testid=talaria] .body');
    const seen = new Set();
    const start = performance.now();
    for (let frame = 0; frame < 120; frame++) {
        body.scrollTop += 150;
        await new Promise(requestAnimationFrame);
        const rows = [...body.querySelectorAll('[data-testid=row]')];
        const top = body.getBoundingClientRect().top;
        seen.add(rows.find(row => row.getBoundingClientRect().top >= top)?.dataset.name);
    }
    return [120 / ((performance.now() - start) / 1000), seen.size];
}"""
TOP = "document.querySelector('[role=grid]').getBoundingClientRect().top"
SCROLL_TO = "top => { document.querySelector('[data-testid=talaria] .body').scrollTop = top; }"
# The focused row, else the first in sight, and how far from the edge it is.
IN_SIGHT = """() => {
    const body = document.querySelector('[data-testid=talaria] .body');
    const edge = body.getBoundingClientRect().top;
    const rows = [...body.querySelectorAll('[data-testid=row]')];
    const focused = document.activeElement.closest('[data-testid=row]');
    const top = row => row.getBoundingClientRect().top - edge;
    const seen = focused ?? rows.filter(row => top(row) > -22).sort((a, b) => top(a) - top(b))[0];
    return `${seen.dataset.name}${focused ? ' (focused)' : ''} at ${Math.round(top(seen))} px`;
}"""
CLICK_IN_SIGHT = """() => {
    const body = document.querySelector('[data-testid=talaria] .body');
    const edge = body.getBoundingClientRect().top;
    const rows = [...body.querySelectorAll('[data-testid=row]')];
    const row = rows.find(row => row.getBoundingClientRect().top > edge + 100);
    row.focus();
    row.click();
}"""
ADVANCE = """async name => {
    const changes = window.sketched(name);
    const start = performance.now();
    window.model.receive(changes);
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const spent = performance.now() - start;
    await new Promise(done => setTimeout(done, 100));
    return spent;
}"""
VIOLATIONS = """async () => (await axe.run('[data-testid=talaria]')).violations.map(
    found => `${found.id}: ${found.nodes.length} × ${found.nodes[0].html.slice(0, 140)} `
        + (found.nodes[0].any[0]?.message ?? ''))"""


def say(*words: object) -> None:
    """A line on standard output."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")


def time_large(page: Page) -> None:
    """Paint, sort, filter, menu, mark and scroll on thousands of rows."""
    page.goto(f"{ADDRESS}?fixture=large&width=1040&built")
    page.get_by_test_id("row").first.wait_for()
    page.wait_for_function("window.firstPaint > 0")
    rows = page.locator("[role=grid]").get_attribute("aria-rowcount")
    say("rows", rows, "first paint", round(page.evaluate("window.firstPaint")), "ms")
    for name in ("sort", "filter"):
        say(name, round(page.evaluate(MEASURE, [name, 11]), 1), "ms")
    page.get_by_test_id("row").first.click()
    say("menu", round(page.evaluate(MEASURE, ["menu", 10]), 1), "ms")
    say("mark", round(page.evaluate(MEASURE, ["mark", 11]), 1), "ms to the new total")
    say("select all", round(page.evaluate(MEASURE, ["all", 3]), 1), "ms")
    say("menu for all", round(page.evaluate(MEASURE, ["menu", 10]), 1), "ms")
    speed, seen = page.evaluate(SCROLL)
    say("scroll", round(speed), "frames a second,", seen, "first rows seen")


def check_steady(page: Page) -> None:
    """What moves while a measurement goes on: nothing but figures."""
    for width in (1040, 740, 560, 400):
        page.goto(f"{ADDRESS}?fixture=resnet-here&measured=modelled&width={width}")
        page.get_by_test_id("row").first.wait_for()
        tops = {page.evaluate(TOP)}
        for name in ("waiting", "baseline", "kernels", "recipe", "done", "partly", "stopped"):
            page.evaluate("name => window.advance(name)", name)
            page.wait_for_timeout(60)
            tops.add(page.evaluate(TOP))
        say("width", width, "top of the table", *sorted(tops))
    page.goto(f"{ADDRESS}?fixture=large&measured=modelled&width=1040&built")
    page.get_by_test_id("row").first.wait_for()
    for focus in (False, True):
        page.evaluate(SCROLL_TO, 30_000)
        page.wait_for_timeout(100)
        if focus:
            page.evaluate(CLICK_IN_SIGHT)
            page.wait_for_timeout(100)
        before = page.evaluate(IN_SIGHT)
        for name in ("kernels", "done", "modelled"):
            wait = page.evaluate(ADVANCE, name)
            say("rows replaced:", name, round(wait), "ms;", before, "then", page.evaluate(IN_SIGHT))


def audit(page: Page) -> None:
    """What axe finds, in both themes, in both panes, with the menu open."""
    for theme, query in (
        ("light", "fixture=resnet"),
        ("dark", "fixture=resnet"),
        ("light", "fixture=resnet-here&measured=kernels"),
        ("dark", "fixture=resnet-here&measured=partly"),
        ("light", "fixture=resnet-here&measured=failed"),
    ):
        page.goto(f"{ADDRESS}?{query}&width=1040&theme={theme}")
        page.get_by_test_id("row").nth(3).click()
        page.add_script_tag(path=AXE)
        say(theme, query, page.evaluate(VIOLATIONS))
        page.get_by_test_id("tab-recipe").click()
        page.get_by_test_id("option-button").click()
        say(theme, "menu", page.evaluate(VIOLATIONS))


def main() -> None:
    """Measure and audit."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=FLAGS
        )
        page = browser.new_page(viewport={"width": 1064, "height": 800})
        time_large(page)
        page.screenshot(path=FOLDER / "large-scrolled.png")
        check_steady(page)
        audit(page)
        browser.close()


if __name__ == "__main__":
    main()
