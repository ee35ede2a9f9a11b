"""How each state of the front end is reached, from a page that has just opened."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

Act = Callable[[Page], None]


def menu(page: Page) -> None:
    """The option menu, pointing at its second line."""
    page.get_by_test_id("option-button").click()
    page.keyboard.press("ArrowDown")


def mark(page: Page) -> None:
    """A click that nobody answers."""
    page.get_by_test_id("option-button").click()
    page.get_by_test_id("option-int8 w+a").click()
    page.get_by_text("Kernel busy").wait_for()


def slower(page: Page) -> None:
    """A click that nobody answers, on an option that is slower."""
    page.get_by_test_id("option-button").click()
    page.get_by_test_id("option-int8").click()
    page.get_by_text("Kernel busy").wait_for()


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
        "window.model.receive({_status: {...window.model.get('_status'), error:"
        " 'ethos-u55-128 needs its compiler: pip install \"talaria-widget[vela]\".'"
        " + ' Still showing A17 Pro.'}})"
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
        page.locator("[data-testid='group']").nth(1 if opened > 1 else 0).click()

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
    page.locator(".body[role=rowgroup]").evaluate("body => { body.scrollLeft = 420; }")


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
