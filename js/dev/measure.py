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


def audit(page: Page) -> None:
    """What axe finds, in both themes, in both panes, with the menu open."""
    for theme in ("light", "dark"):
        page.goto(f"{ADDRESS}?fixture=resnet&width=1040&theme={theme}")
        page.get_by_test_id("row").nth(3).click()
        page.add_script_tag(path=AXE)
        say(theme, page.evaluate(VIOLATIONS))
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
        audit(page)
        browser.close()


if __name__ == "__main__":
    main()
