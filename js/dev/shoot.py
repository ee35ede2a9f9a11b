"""Pictures of the front end without Jupyter: `python js/dev/shoot.py [NAME...]`.

Wants `make_fixtures.py` run, and a Vite server of `js/` (`npx vite dev --port 5199`).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

Act = Callable[[Page], None]
FOLDER = Path(__file__).parents[2] / "tests" / "screenshots" / "front-end"
ADDRESS = "http://127.0.0.1:5199/dev/index.html"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def menu(page: Page) -> None:
    """The option menu, pointing at its second line."""
    page.get_by_test_id("option-button").click()
    page.keyboard.press("ArrowDown")


def mark(page: Page) -> None:
    """A click that nobody answers."""
    page.get_by_test_id("option-button").click()
    page.get_by_test_id("option-int8 w+a").click()
    page.wait_for_timeout(600)


def slower(page: Page) -> None:
    """A click that nobody answers, on an option that is slower."""
    page.get_by_test_id("option-button").click()
    page.get_by_test_id("option-int8").click()
    page.wait_for_timeout(200)


def added(page: Page) -> None:
    """The rows that the runtime put in."""
    page.get_by_test_id("filter").fill("reorder")


def gone(page: Page) -> None:
    """The kernel goes while a click waits."""
    mark(page)
    page.evaluate("window.model.setLive(false)")
    page.get_by_test_id("tab-recipe").click()


def fault(page: Page) -> None:
    """Python refuses."""
    page.evaluate(
        "window.model.receive({_status: {error: 'ethos-u55-128 needs its compiler: pip install"
        ' "talaria-widget[vela]". Still showing A17 Pro.\', notice: "", sequence: 0}})'
    )


def empty(page: Page) -> None:
    """A search that matches nothing."""
    page.get_by_test_id("filter").fill("nothing like it")


def casts(page: Page) -> None:
    """Rows with casts under them, some selected."""
    page.get_by_test_id("filter").fill("layer3.")
    page.locator("[data-name='layer3.1.conv2']").click()
    page.keyboard.press("Shift+ArrowDown")


def recipe(page: Page) -> None:
    """The list of rules."""
    page.get_by_test_id("tab-recipe").click()


def editing(text: str, enter: bool = False) -> Act:
    """The match of the second rule, typed over."""

    def act(page: Page) -> None:
        recipe(page)
        page.locator("[data-rule='1'] [data-part='match']").dblclick()
        page.get_by_test_id("match-field").fill(text)
        page.wait_for_timeout(300)
        if enter:
            page.keyboard.press("Enter")

    return act


def adding(page: Page) -> None:
    """A rule that is being added."""
    recipe(page)
    page.get_by_test_id("add-rule").click()
    page.get_by_test_id("match-field").fill("layer1.*\nlayer2.[0-3].conv3")
    page.wait_for_timeout(200)


def rule_menu(page: Page) -> None:
    """The options of a rule, pointing at the one above."""
    recipe(page)
    page.locator("[data-rule='1'] [data-part='option']").click()
    page.keyboard.press("ArrowUp")


def dragging(page: Page) -> None:
    """The first rule on its way to the end."""
    recipe(page)
    box = page.locator("[data-rule='0'] [data-part='grip']").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 6, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + 6, box["y"] + 140, steps=4)


def troubled(page: Page) -> None:
    """Rules that are overridden, off, refused, and without a layer."""
    recipe(page)
    add_rule(page, ["layer4.*"], 3)
    add_rule(page, ["conv1", "layer1.*"], 1)
    page.evaluate(
        """() => { const recipe = window.model.get("_recipe"); const [, rule] = recipe.rules;
        const gone = { ...rule, match: ["head.old.*"], rows: [], weights: [] };
        window.model.receive({ _recipe: { ...recipe, rules: [...recipe.rules, gone] } }); }"""
    )
    page.get_by_label("Rule 3 is on").scroll_into_view_if_needed()
    page.mouse.move(2, 2)


def many(page: Page) -> None:
    """Forty rules."""
    recipe(page)
    for n in range(37):
        add_rule(page, [f"layer{n % 4 + 1}.[0-{n % 3}].conv{n % 3 + 1}"], 2 + n % 2)
    page.mouse.wheel(0, 200)


def add_rule(page: Page, match: list[str], option: int) -> None:
    """As Python would."""
    page.evaluate(
        """([match, option]) => { window.model.send({ kind: "rule", action: "add", match, option,
        sequence: 1, recipe: 0 }); window.model.answer(); }""",
        [match, option],
    )


def repeats_menu(page: Page) -> None:
    """A row in all repeats, or without the ends."""
    page.locator("[data-testid='row']").first.click()
    page.get_by_test_id("repeats-more").click()


def rules(page: Page) -> None:
    """What the rules of the runtime add."""
    page.locator(".rules button").click()


def assumed(page: Page) -> None:
    """The sentences behind the dashed word."""
    page.get_by_role("button", name="assumed").click()


def repeats(page: Page) -> None:
    """A row that could stand for all of its repeats."""
    page.locator("[data-testid='row']").first.click()


def uncounted(page: Page) -> None:
    """What is not counted."""
    page.locator(".trust button").click()


def grouped(by: str, opened: int = 2) -> Act:
    """Rows put together, the first of the groups open."""

    def act(page: Page) -> None:
        page.get_by_test_id("grouping").select_option(by)
        for _ in range(opened):
            page.locator("[data-twist]:not(.open)").first.click()
        page.locator("[data-testid='group']").nth(1).click()

    return act


def columns(page: Page) -> None:
    """The menu of columns."""
    page.get_by_test_id("columns").click()


def all_columns(page: Page) -> None:
    """More columns than there is room for, scrolled."""
    page.get_by_test_id("columns").click()
    for box in page.locator("[data-testid^='column-']:not(:disabled)").all():
        box.check()
    page.keyboard.press("Escape")
    page.locator(".body").evaluate("body => { body.scrollLeft = 420; }")


def full(page: Page) -> None:
    """Over the whole window."""
    page.get_by_test_id("full").click()


def closed(page: Page) -> None:
    """Without the pane."""
    page.get_by_test_id("splitter").press("End")


def strip_of(page: Page) -> None:
    """The pointer over a chart, and a filter."""
    page.get_by_test_id("filter").fill("conv")
    page.wait_for_timeout(300)
    box = page.get_by_test_id("chart-timeline").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 50)


def strip_other(page: Page) -> None:
    """The other charts: costs by module, the distribution brushed, the roofline under a lasso."""
    page.get_by_test_id("cost-parts").select_option("module")
    page.get_by_test_id("chart-choice").first.select_option("distribution")
    box = page.get_by_test_id("chart-distribution").locator("svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60, steps=4)
    page.mouse.up()
    box = page.get_by_test_id("chart-roofline").locator("svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + 130, box["y"] + 10)
    page.mouse.down()
    for x, y in ((240, 10), (240, 70), (120, 80), (130, 12)):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=4)


def strip_folded(page: Page) -> None:
    """Only the title line of the charts."""
    page.get_by_test_id("strip-fold").click()


def filtered(page: Page) -> None:
    """Chips of several kinds, a brush, and rows selected."""
    search = page.get_by_test_id("filter")
    search.fill("type:conv")
    search.press("Enter")
    brush(page, "latency", 0.35, 0.8)
    page.locator("[data-testid='row']").nth(2).click()
    page.locator("[data-testid='row']").nth(6).click(modifiers=["Shift"])


def crowded(page: Page) -> None:
    """More chips than there is room for."""
    search = page.get_by_test_id("filter")
    for text in ("type:conv", "bits < 40", "-name:/stem/", "macs > 1M", "layer", "share < 50%"):
        search.fill(text)
        search.press("Enter")
    page.get_by_test_id("more-chips").click()


def typing(text: str) -> Act:
    """The search, and what it says of what is typed."""

    def act(page: Page) -> None:
        page.get_by_test_id("filter").click()
        page.get_by_test_id("filter").fill(text)

    return act


def top(page: Page) -> None:
    """The fewest rows that make up 80 %."""
    page.get_by_test_id("top").click()
    page.get_by_test_id("histogram-latency").hover()


def brush(page: Page, key: str, start: float, end: float) -> None:
    """Draw a stretch of a histogram, between two shares of its width."""
    box = page.get_by_test_id(f"histogram-{key}").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], middle, steps=6)
    page.mouse.up()


def details(*rows: str, down: int = 0, live: bool = True, click: bool = False) -> Act:
    """All that is known of some rows; scrolled down by so many pixels, or without a kernel."""

    def act(page: Page) -> None:
        if not live:
            page.evaluate("window.model.setLive(false)")
        if rows:
            page.evaluate("rows => window.model.set('selection', rows)", list(rows))
        page.get_by_test_id("tab-details").click()
        page.wait_for_timeout(400)
        page.get_by_test_id("details").evaluate("(pane, by) => { pane.scrollTop = by; }", down)
        if click:
            page.get_by_test_id("details-option-int8").get_by_role("button").hover()

    return act


def still(_page: Page) -> None:
    """As it opens."""


PICTURES: dict[str, tuple[int, str, Act]] = {
    "light": (1040, "fixture=resnet", still),
    "dark": (1040, "fixture=resnet&theme=dark", still),
    "wide": (1400, "fixture=resnet", still),
    "middle": (880, "fixture=resnet", still),
    "tabs": (740, "fixture=resnet", still),
    "narrow": (560, "fixture=resnet", still),
    "narrowest": (400, "fixture=resnet", still),
    "plain": (1040, "fixture=resnet-plain", still),
    "stm32": (1040, "fixture=resnet-stm32", menu),
    "menu": (1040, "fixture=resnet", menu),
    "menu-dark": (1040, "fixture=resnet&theme=dark", menu),
    "menu-narrow": (560, "fixture=resnet", menu),
    "preview": (1040, "fixture=resnet&answer=no", mark),
    "gone": (1040, "fixture=resnet&answer=no", gone),
    "error": (1040, "fixture=resnet", fault),
    "empty": (1040, "fixture=resnet", empty),
    "casts": (1040, "fixture=resnet", casts),
    "recipe-light": (1040, "fixture=resnet", recipe),
    "recipe-dark": (1040, "fixture=resnet&theme=dark", recipe),
    "recipe-narrow": (560, "fixture=resnet", recipe),
    "recipe-wide": (1400, "fixture=resnet", recipe),
    "recipe-empty": (1040, "fixture=resnet-plain", recipe),
    "recipe-editing": (1040, "fixture=resnet", editing("layer3.[1-4].conv2\nlayer3.5.*")),
    "recipe-error": (1040, "fixture=resnet", editing("layer9.*", True)),
    "recipe-error-dark": (560, "fixture=resnet&theme=dark", editing("layer9.*", True)),
    "recipe-adding": (1040, "fixture=resnet", adding),
    "recipe-menu": (1040, "fixture=resnet", rule_menu),
    "recipe-menu-dark": (560, "fixture=resnet&theme=dark", rule_menu),
    "recipe-dragging": (1040, "fixture=resnet", dragging),
    "recipe-troubled": (1040, "fixture=resnet", troubled),
    "recipe-many": (1040, "fixture=resnet", many),
    "repeats-menu": (1040, "fixture=encoder", repeats_menu),
    "assumed": (1040, "fixture=resnet", assumed),
    "unknown": (1040, "fixture=unknown", still),
    "uncounted": (1040, "fixture=unknown", uncounted),
    "encoder": (1040, "fixture=encoder", still),
    "details-light": (1040, "fixture=resnet", details("conv1")),
    "details-below": (1040, "fixture=resnet", details("conv1", down=520)),
    "details-source": (1040, "fixture=resnet", details("conv1", down=5000)),
    "details-dark": (1040, "fixture=resnet&theme=dark", details("layer3.1.conv2")),
    "details-dark-source": (1400, "fixture=resnet&theme=dark", details("conv1", down=5000)),
    "details-preview": (1040, "fixture=resnet", details("conv1", down=150, click=True)),
    "details-narrow": (560, "fixture=resnet", details("conv1")),
    "details-narrowest": (400, "fixture=resnet", details("conv1", down=300)),
    "details-measured": (
        1040,
        "fixture=resnet-here&measured=done",
        details("layer4.1.conv1"),
    ),
    "details-no-kernel": (1040, "fixture=resnet", details("conv1", live=False, down=5000)),
    "details-many": (1040, "fixture=resnet", details()),
    "details-uncounted": (1040, "fixture=unknown", details("blend")),
    "details-encoder": (
        1040,
        "fixture=encoder",
        details("encoder.0.attention/scaled_dot_product_attention"),
    ),
    "repeats": (1040, "fixture=encoder", repeats),
    "repeats-narrow": (560, "fixture=encoder&theme=dark", repeats),
    "grouped-module": (1040, "fixture=resnet", grouped("module")),
    "grouped-module-dark": (1040, "fixture=resnet&theme=dark", grouped("module")),
    "grouped-type": (1040, "fixture=resnet", grouped("type", 1)),
    "grouped-repeats": (1040, "fixture=resnet", grouped("repeats", 1)),
    "grouped-narrow": (560, "fixture=resnet", grouped("module")),
    "full": (1040, "fixture=resnet", full),
    "full-dark": (1400, "fixture=resnet&theme=dark", full),
    "closed": (1040, "fixture=resnet", closed),
    "filtered": (1040, "fixture=resnet", filtered),
    "filtered-dark": (1040, "fixture=resnet&theme=dark", filtered),
    "filtered-narrow": (560, "fixture=resnet", filtered),
    "filtered-large": (1040, "fixture=large", typing("latency > 1 -norm")),
    "filters-crowded": (1040, "fixture=resnet", crowded),
    "filters-crowded-narrow": (560, "fixture=resnet", crowded),
    "filters-crowded-narrowest": (400, "fixture=resnet", crowded),
    "filters-top": (1040, "fixture=resnet", top),
    "search": (1040, "fixture=resnet", typing("latency > 20 type:conv")),
    "search-empty": (1040, "fixture=resnet&theme=dark", typing("")),
    "search-wrong": (1040, "fixture=resnet", typing("/conv(/")),
    "search-wrong-narrow": (560, "fixture=resnet&theme=dark", typing("latency > fast")),
    "columns": (1040, "fixture=resnet", columns),
    "all-columns": (1040, "fixture=resnet", all_columns),
    "all-columns-dark": (1040, "fixture=resnet&theme=dark", all_columns),
    "large": (1040, "fixture=large", still),
    "strip-light": (1040, "fixture=resnet", strip_of),
    "strip-dark": (1040, "fixture=resnet&theme=dark", strip_of),
    "strip-other": (1040, "fixture=resnet", strip_other),
    "strip-other-dark": (1040, "fixture=resnet&theme=dark", strip_other),
    "strip-wide": (1400, "fixture=encoder", still),
    "strip-middle": (880, "fixture=resnet-here&measured=done", still),
    "strip-narrow": (560, "fixture=resnet", still),
    "strip-narrowest": (400, "fixture=resnet", still),
    "strip-large": (1040, "fixture=large", strip_of),
    "strip-unknown": (1040, "fixture=unknown", still),
    "strip-folded": (1040, "fixture=resnet", strip_folded),
    "here-modelled": (1040, "fixture=resnet-here&measured=modelled", still),
    "here-waiting": (1040, "fixture=resnet-here&measured=waiting", still),
    "here-baseline": (1040, "fixture=resnet-here&measured=baseline", still),
    "here-kernels": (1040, "fixture=resnet-here&measured=kernels", still),
    "here-kernels-dark": (1040, "fixture=resnet-here&measured=kernels&theme=dark", still),
    "here-kernels-tabs": (740, "fixture=resnet-here&measured=kernels", still),
    "here-kernels-narrow": (560, "fixture=resnet-here&measured=kernels", still),
    "here-kernels-narrowest": (400, "fixture=resnet-here&measured=kernels", still),
    "here-recipe": (1040, "fixture=resnet-here&measured=recipe", recipe),
    "here-done": (1040, "fixture=resnet-here&measured=done", still),
    "here-done-dark": (1040, "fixture=resnet-here&measured=done&theme=dark", still),
    "here-done-wide": (1400, "fixture=resnet-here&measured=done", still),
    "here-done-narrow": (560, "fixture=resnet-here&measured=done", still),
    "here-done-narrowest": (400, "fixture=resnet-here&measured=done", still),
    "here-partly": (1040, "fixture=resnet-here&measured=partly", menu),
    "here-partly-dark": (1040, "fixture=resnet-here&measured=partly&theme=dark", menu),
    "here-preview": (1040, "fixture=resnet-here&measured=done&answer=no", slower),
    "here-stopped": (1040, "fixture=resnet-here&measured=stopped", still),
    "here-failed": (1040, "fixture=resnet-here&measured=failed", still),
    "here-failed-narrow": (560, "fixture=resnet-here&measured=failed", still),
    "here-rules": (1040, "fixture=resnet-here&measured=done", rules),
    "here-added": (1040, "fixture=resnet-here&measured=done", added),
    "here-large": (1040, "fixture=large&measured=kernels", still),
}


def main() -> None:
    """Take the pictures asked for, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=FLAGS
        )
        for name in sys.argv[1:] or PICTURES:
            width, query, act = PICTURES[name]
            page = browser.new_page(
                viewport={"width": width + 24, "height": 800}, device_scale_factor=1.5
            )
            page.on("pageerror", lambda error, name=name: sys.stderr.write(f"{name}: {error}\n"))
            page.goto(f"{ADDRESS}?{query}&width={width}")
            page.get_by_test_id("talaria").wait_for()
            page.wait_for_timeout(200)
            act(page)
            page.wait_for_timeout(250)
            page.screenshot(path=FOLDER / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
