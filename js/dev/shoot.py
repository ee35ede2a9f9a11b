"""Pictures of the front end without Jupyter: `python js/dev/shoot.py [NAME...]`.

Wants `make_fixtures.py` run, and a Vite server of `js/` (`npx vite dev --port 5199`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from states import STATES

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


def main() -> None:
    """Take the pictures asked for, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=FLAGS
        )
        for name in sys.argv[1:] or STATES:
            width, query, act = STATES[name]
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
