"""A notebook opened again where no kernel knows its widgets: the static table is there to read."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.conftest import SCREENSHOTS, OpenNotebook
from browser.models import SHOW, SMALL

pytestmark = pytest.mark.browser


def test_a_notebook_without_its_kernel_shows_the_table(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([SMALL, SHOW])
    notebook.run_all()
    notebook.widget().wait()
    static = notebook.page.locator(".talaria-static")
    expect(static).to_have_count(1)
    expect(static).to_be_hidden()
    notebook.command("docmanager:save")
    notebook.page.wait_for_timeout(1000)
    notebook.restart_kernel()
    expect(notebook.widget().root).to_have_attribute("data-state", "no-kernel")
    notebook.open()
    table = notebook.page.locator(".jp-OutputArea table").first
    expect(table).to_be_visible()
    expect(table).to_contain_text("size_bytes")
    SCREENSHOTS.mkdir(exist_ok=True)
    notebook.page.screenshot(path=SCREENSHOTS / "reopened.png")
