"""axe finds nothing serious in what a state shows, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from browser.front_end import JS, small, visit

pytestmark = pytest.mark.browser

AXE = JS / "node_modules" / "axe-core" / "axe.min.js"
# One of each kind of state, in the width where it has most to show, and the narrow ones.
AUDITED = (
    *("middle", "narrowest", "unknown", "menu", "gone", "error", "empty", "casts"),
    *("recipe-error", "recipe-adding", "recipe-menu", "recipe-dragging", "recipe-troubled"),
    *("uncounted", "details-light", "details-preview", "details-source", "repeats-menu"),
    *("grouped-module", "full", "filtered", "filters-crowded", "search-wrong", "columns"),
    *("all-columns", "strip-light", "strip-other", "here-kernels", "here-failed", "here-partly"),
)
RUN = """async () => (await axe.run("[data-testid=talaria]", { resultTypes: ["violations"] }))
    .violations.filter(found => ["serious", "critical"].includes(found.impact))
    .flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html} ${node.failureSummary}`))"""


@pytest.mark.parametrize("name", AUDITED)
def test_axe_finds_nothing_serious(states_page: Page, states_address: str, name: str) -> None:
    visit(states_page, states_address, small()[name])
    states_page.add_script_tag(path=AXE)
    for light in ("true", "false"):
        states_page.evaluate("light => { document.body.dataset.jpThemeLight = light; }", light)
        shown = "light" if light == "true" else "dark"
        states_page.locator(f"[data-testid=talaria][data-theme={shown}]").wait_for()
        states_page.wait_for_timeout(150)
        assert states_page.evaluate(RUN) == []
