"""What users set in their browser holds: less motion, and text at 200 %."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from browser.front_end import small, visit

pytestmark = pytest.mark.browser

MOVING = """() => [...document.querySelectorAll("[data-testid=talaria] *")].filter(element => {
    const { transitionDuration, animationName } = getComputedStyle(element);
    return animationName !== "none" || transitionDuration.split(",").some(s => parseFloat(s) > 0);
}).length"""
# What is cut off without three dots, what hangs out of the widget, and whether the page scrolls.
CUT = """() => {
    const widget = document.querySelector("[data-testid=talaria]");
    const { left, right } = widget.getBoundingClientRect();
    const cut = [...widget.querySelectorAll("*")].filter(element => {
        const { overflowX, textOverflow, clipPath } = getComputedStyle(element);
        const clips = ["hidden", "clip"].includes(overflowX) && textOverflow !== "ellipsis";
        const box = element.getBoundingClientRect();
        const scrolls = element.closest(".body, .canvas, .all, pre, .details, .hidden-text, svg");
        if (scrolls || !box.width || clipPath !== "none") return false;
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        return (clips && own && element.scrollWidth > element.clientWidth + 1)
            || box.left < left - 1 || box.right > right + 1;
    }).map(({ className, textContent }) => `${className}: ${textContent}`);
    const page = document.scrollingElement;
    return page.scrollWidth > page.clientWidth ? ["the page", ...cut] : cut;
}"""
# Half of 1280 pixels, each of them twice as large.
ZOOMED = 616
SEEN = ("light", "recipe-light", "details-light", "grouped-module", "here-kernels", "filtered")


@pytest.mark.parametrize(("motion", "moves"), [("reduce", False), ("no-preference", True)])
def test_nothing_moves_where_less_motion_is_asked_for(
    browser: Browser,
    states_address: str,
    motion: Literal["reduce", "no-preference"],
    moves: bool,
) -> None:
    context = browser.new_context(reduced_motion=motion)
    page = context.new_page()
    for name in ("here-kernels", "grouped-module"):
        visit(page, states_address, small()[name])
        assert (page.evaluate(MOVING) > 0) == moves
    context.close()


@pytest.mark.parametrize("name", SEEN)
def test_nothing_is_cut_off_at_twice_the_size(
    states_page: Page, states_address: str, name: str
) -> None:
    visit(states_page, states_address, small()[name]._replace(width=ZOOMED))
    assert states_page.evaluate(CUT) == []
