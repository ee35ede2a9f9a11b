"""What a person does in a notebook page and in the widget, one method each."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Error, Locator, Page, Request, expect

from browser.jupyter import JupyterServer, Kernel

PREFIX = {"": 0, "n": -9, "µ": -6, "μ": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12}
LOCAL = {"127.0.0.1", "localhost", "::1"}
MODIFIER: dict[str, Literal["Shift", "ControlOrMeta"]] = {
    "extend": "Shift",
    "toggle": "ControlOrMeta",
}


def number(text: str) -> float:
    """The value of a number as the page writes it: `1.335 ms` is 0.001335."""
    found = re.search(r"([\d.]+)\s*([nµμmkMGT]?)(?:B|s|J|MAC|FLOP)?", re.sub(r"\s", " ", text))
    assert found, f"no number in {text!r}"
    return float(found.group(1)) * 10.0 ** PREFIX[found.group(2)]


def is_local(url: str) -> bool:
    """Whether it leaves this machine for nothing."""
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob") or parts.hostname in LOCAL


def write_notebook(path: Path, cells: list[str]) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, path)


def brush(page: Page, chart: Locator, start: float, end: float) -> None:
    """Drag over a part of a histogram, from one share of its width to another."""
    box = chart.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + start * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + end * box["width"], middle, steps=5)
    page.mouse.up()


class Widget:
    """One widget in the page."""

    def __init__(self, root: Locator) -> None:
        self.root = root

    def scroll_to(self) -> Widget:
        """Bring its cell into view: a long notebook hides the cells that are far from it."""
        self.root.evaluate(
            """async root => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                const at = notebook.widgets.findIndex(cell => cell.node.contains(root));
                notebook.activeCellIndex = at;
                await notebook.scrollToItem(at, "start");
            }"""
        )
        expect(self.root).to_be_visible()
        return self

    def part(self, name: str) -> Locator:
        return self.root.get_by_test_id(name)

    def row(self, name: str) -> Locator:
        return self.root.locator(f"[data-testid=row][data-name={json.dumps(name)}]")

    def wait(self, state: str = "ready", timeout: float = 60_000) -> Widget:
        expect(self.root).to_have_attribute("data-state", state, timeout=timeout)
        return self

    def total_text(self, name: str) -> str:
        return self.part(f"total-{name}").get_by_test_id("total-value").inner_text()

    def total(self, name: str) -> float:
        return number(self.total_text(name))

    def select(self, *names: str) -> None:
        """Click the first, then Ctrl-click the others."""
        for index, name in enumerate(names):
            self.row(name).click(modifiers=[MODIFIER["toggle"]] if index else [])

    def choose(self, option: str) -> None:
        self.part("option-button").click()
        self.part(f"option-{option}").click()

    def set_target(self, name: str, text: str) -> None:
        field = self.part(f"target-{name}")
        field.fill(text)
        field.press("Enter")

    def names(self) -> list[str]:
        rows = self.part("row")
        return [str(row.get_attribute("data-name")) for row in rows.all()]


class NotebookPage:
    """A notebook open in the browser. Records every request that leaves loopback."""

    def __init__(self, page: Page, server: JupyterServer, name: str) -> None:
        self.page = page
        self.server = server
        self.name = name
        self.strangers: list[str] = []
        self.errors: list[str] = []
        page.on("request", self._hear)
        page.on("pageerror", self._note)

    def _note(self, error: Error) -> None:
        """The widget's own errors alone: it is loaded as a blob, the notebook from files."""
        if "blob:" in (error.stack or ""):
            self.errors.append(error.stack or str(error))

    def _hear(self, request: Request) -> None:
        if not is_local(request.url):
            self.strangers.append(request.url)

    def open(self, theme: str = "JupyterLab Light", under: str = "notebooks") -> NotebookPage:
        """In Notebook 7, or in JupyterLab under `lab/tree`."""
        url = f"{self.server.url}/{under}/{self.name}?token={self.server.token}"
        self.page.goto(url, wait_until="domcontentloaded")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=60_000)
        self.page.evaluate(
            "async () => { await window.jupyterapp.restored;"
            " await window.jupyterapp.shell.currentWidget.sessionContext.ready; }"
        )
        # The server remembers the theme of the page before.
        self.command("apputils:change-theme", {"theme": theme})
        self.page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
        return self

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Start a command of the application, and do not wait for its end."""
        self.page.evaluate(
            "([name, args]) => { void window.jupyterapp.commands.execute(name, args); }",
            [name, arguments or {}],
        )

    def run_all(self) -> None:
        """By the menu, as a person does."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def restart_kernel(self) -> None:
        """By the menu, and the dialog that asks."""
        self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.page.get_by_role("menuitem", name=re.compile(r"^Restart Kernel…")).click()
        self.page.locator(".jp-Dialog .jp-mod-accept").click()

    def run_cell(self, index: int) -> None:
        self.page.evaluate(
            "i => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = i; }", index
        )
        self.command("notebook:run-cell")

    def cell(self, index: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def wait_idle(self, timeout: float = 120_000) -> None:
        """Until no cell of the notebook waits for its number."""
        self.page.wait_for_function(
            """() => {
                const cells = window.jupyterapp.shell.currentWidget.content.widgets;
                return cells.every(c => c.model.type !== 'code' ||
                    (c.model.executionCount !== null && c.model.executionState !== 'running'));
            }""",
            timeout=timeout,
        )

    def wait_for_value(self, expression: str, wanted: Any, timeout: float = 10) -> None:
        """Until the kernel has this value: what a page sends arrives a little later."""
        end = time.monotonic() + timeout
        while (value := self.kernel.value(expression)) != wanted:
            assert time.monotonic() < end, f"{expression} is {value!r}, not {wanted!r}"
            self.page.wait_for_timeout(50)

    def widget(self, nth: int = 0) -> Widget:
        return Widget(self.page.get_by_test_id("talaria").nth(nth))

    @property
    def kernel(self) -> Kernel:
        return self.server.kernel(self.name)
