"""Every state of the front end looks as it did, within what the eye forgives.

Where a look was changed on purpose: `pytest tests/browser/test_states.py --overwrite` writes the
references anew (all, or the states that `-k` picks). Look at each before it is committed.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page

from browser import pictures
from browser.conftest import SCREENSHOTS
from browser.front_end import CODE, UI, small, visit

pytestmark = pytest.mark.browser

REFERENCES = Path(__file__).parents[1] / "golden" / "states"
STATES = small()
# The share of pixels that may differ: 100 of a picture of 530 × 400.
MOST = 0.0005
FONTS = """([ui, code]) => [ui, code].map(name => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `20px "${name}", fantasy`;
    return pen.measureText("layer1.conv2 1.394 ms").width;
})"""
# Of DejaVu Sans and DejaVu Sans Mono 2.37, in pixels.
WIDTHS = [229.6, 252.9]


@pytest.mark.parametrize("name", STATES)
def test_a_state_looks_as_it_did(
    states_page: Page, states_address: str, name: str, request: pytest.FixtureRequest
) -> None:
    page = states_page
    visit(page, states_address, STATES[name])
    widths = page.evaluate(FONTS, [UI, CODE])
    if widths != pytest.approx(WIDTHS, abs=1):
        pytest.skip(f"the references are drawn with {UI}: install fonts-dejavu-core")
    screenshot = page.screenshot()
    path = REFERENCES / f"{name}.webp"
    if request.config.getoption("--overwrite"):
        pictures.write(path, screenshot)
    seen, wanted = pictures.halved(screenshot), Image.open(path).convert("RGB")
    share = float(pictures.differing(seen, wanted).mean())
    if share > MOST:
        SCREENSHOTS.mkdir(exist_ok=True)
        pictures.difference(seen, wanted).save(SCREENSHOTS / f"state-{name}.png")
    assert share <= MOST, f"{share:.2%} of the pixels differ: see {SCREENSHOTS}/state-{name}.png"


def test_no_reference_is_of_a_state_that_is_gone() -> None:
    assert {path.stem for path in REFERENCES.iterdir()} == set(STATES)


def drawn(left: float, colour: str = "#1976d2", text: str = "Option for 3 rows") -> Image.Image:
    """A button on a page, as a screenshot has it."""
    picture = Image.new("RGB", (1064, 800), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((left, 300, left + 150, 324), fill=colour)
    pen.text((left + 10, 306), text, fill="white")
    written = io.BytesIO()
    picture.save(written, "PNG")
    return pictures.halved(written.getvalue())


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (drawn(500), True),
        (drawn(501), True),
        (drawn(506), False),
        (drawn(500, "#00796b"), False),
        (drawn(2000), False),
    ],
    ids=["same", "a pixel aside", "moved", "another colour", "gone"],
)
def test_the_comparison_sees_what_the_eye_sees(other: Image.Image, same: bool) -> None:
    share = float(pictures.differing(drawn(500), other).mean())
    assert (share <= MOST) == same
