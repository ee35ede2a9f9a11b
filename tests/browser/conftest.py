"""One server and one browser for all browser tests; a page and a kernel for each."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from browser import front_end
from browser.chromium import FLAGS, chromium
from browser.jupyter import JupyterServer, serve
from browser.pages import NotebookPage, write_notebook

HEIGHT = 1600
PATIENCE_MS = 20_000
SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
OpenNotebook = Callable[..., NotebookPage]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    with serve(tmp_path_factory.mktemp("jupyter") / "server") as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        expect.set_options(timeout=PATIENCE_MS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def states_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the front end without Jupyter is served."""
    with front_end.served(tmp_path_factory.mktemp("front-end")) as found:
        yield found


@pytest.fixture(scope="module")
def states_page(browser: Browser) -> Iterator[Page]:
    with front_end.opened(browser) as found:
        yield found


@pytest.fixture
def open_notebook(
    server: JupyterServer, browser: Browser, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """Write a notebook of these cells, open it, and fail if it asked anyone but loopback."""
    opened: list[NotebookPage] = []

    def opens(
        cells: list[str] | Path,
        width: int = 1280,
        theme: str = "JupyterLab Light",
        under: str = "notebooks",
    ) -> NotebookPage:
        name = re.sub(r"\W+", "-", f"{request.node.name}-{len(opened)}") + ".ipynb"
        if isinstance(cells, Path):
            shutil.copy(cells, server.root / name)
        else:
            write_notebook(server.root / name, cells)
        context = browser.new_context(viewport={"width": width, "height": HEIGHT})
        page = NotebookPage(context.new_page(), server, name)
        opened.append(page)
        return page.open(theme, under)

    yield opens
    failed = getattr(request.node, "failed", False)
    for page in opened:
        if failed:
            SCREENSHOTS.mkdir(exist_ok=True)
            page.page.screenshot(path=SCREENSHOTS / f"failed-{page.name}.png")
        page.page.context.close()
    server.shut_down_kernels()
    assert not [url for page in opened for url in page.strangers]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Tell the fixture above that its test failed, so that it keeps a picture."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
