"""The table at 10,000 rows in Chromium: paint, sort, filter, scroll, click, and the heap.

The built bundle stands in a page of its own with what Python would send; nobody answers, so that
a click shows the page's own arithmetic. Each figure is taken only where its effect was seen.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from playwright.sync_api import CDPSession, Page, sync_playwright
from torch import nn

import talaria_widget as talaria
from browser.bare import READY, serve_folder, write_page
from browser.chromium import FLAGS, chromium

ROWS = 10_000
TURNS = 21
CLICKS, WIDGETS = 500, 50
LIMITS = {
    "first paint": 300.0,
    "sort": 100.0,
    "filter": 100.0,
    "scroll step, 95th percentile": 8.0,
    "click to totals, all columns": 50.0,
    "heap after 500 clicks": 5.0,
    "heap after 50 widgets": 5.0,
}

ACT = """async ([name, turn]) => {
    const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const part = id => document.querySelector(`[data-testid="${id}"]`);
    const rows = () => [...document.querySelectorAll("[data-testid=row]")];
    const named = () => rows().map(row => row.dataset.name).join();
    const total = () => part("total-size_bytes").textContent;
    const seen = name === "mark" ? total : named;
    let act;
    if (name === "sort") {
        const button = document.querySelector(turn % 2 ? ".c-name button" : ".c-latency button");
        act = () => button.click();
    } else if (name === "filter") {
        act = () => {
            part("filter").value = turn % 2 ? "layers.7" : "";
            part("filter").dispatchEvent(new Event("input", { bubbles: true }));
        };
    } else {
        part("option-button").click();
        await frame();
        const items = [...document.querySelectorAll("[role=menuitemradio]")]
            .filter(item => item.getAttribute("aria-disabled") !== "true" && !item.disabled);
        const other = items.filter(item => item.getAttribute("aria-checked") !== "true");
        act = () => other[turn % other.length].click();
    }
    const before = seen();
    const start = performance.now();
    act();
    await frame();
    const spent = performance.now() - start;
    if (seen() === before) throw new Error(`${name} ${turn} changed nothing`);
    return spent;
}"""
CLICK = """turn => {
    const row = document.querySelectorAll("[data-testid=row]")[turn % 9];
    row.click();
}"""
OPEN_AND_CLOSE = "async times => { for (let i = 0; i < times; i++) (await window.open()).close(); }"
STEP = """async () => {
    const body = document.querySelector("[data-testid=talaria] .body");
    const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    const edge = body.querySelector(".header").getBoundingClientRect().bottom;
    const first = () => [...body.querySelectorAll("[data-row]")]
        .map(row => [row.getBoundingClientRect().top, row.ariaRowIndex]).sort((a, b) => a[0] - b[0])
        .find(([top]) => top >= edge - 1);
    for (let step = 0; step < 150; step++) {
        const before = body.scrollTop;
        performance.mark(`step ${step}`);
        body.scrollTop += 40;
        await frame();
        if (body.scrollTop !== before + 40) throw new Error("it did not scroll");
        const wanted = 2 + Math.ceil(body.scrollTop / 22 - 0.05);
        const [, index] = first();
        if (Math.abs(Number(index) - wanted) > 1) throw new Error(`row ${index}, not ${wanted}`);
    }
}"""
WORK = {"FunctionCall", "EvaluateScript", "UpdateLayoutTree", "Layout", "EventDispatch", "RunTask"}


class Long(nn.Module):
    """A chain of layers, each with an activation that the device fuses; two of them large."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.back = nn.Linear(32, 30_000), nn.Linear(30_000, 32)
        self.layers = nn.ModuleList(
            nn.Linear(32 + i % 3, 32 + (i + 1) % 3) for i in range(ROWS - 2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in (self.wide, self.back, *self.layers):
            x = torch.relu(layer(x))
        return x


def heap(session: CDPSession) -> float:
    """Bytes in use after the garbage is collected, twice."""
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"])


def scroll_steps(page: Page, session: CDPSession) -> list[float]:
    """Milliseconds of script, style and layout in each step, by the browser's own trace."""
    found: list[Any] = []
    done = threading.Event()
    session.on("Tracing.dataCollected", lambda data: found.extend(data["value"]))
    session.on("Tracing.tracingComplete", lambda _data: done.set())
    categories = "devtools.timeline,blink.user_timing,disabled-by-default-devtools.timeline"
    session.send("Tracing.start", {"transferMode": "ReportEvents", "categories": categories})
    page.evaluate(STEP)
    session.send("Tracing.end")
    while not done.is_set():
        page.wait_for_timeout(50)
    marks = sorted(e["ts"] for e in found if str(e.get("name", "")).startswith("step "))
    thread = next((e["pid"], e["tid"]) for e in found if str(e.get("name")).startswith("step "))
    # Frames of the page do script, style and layout; what the step's own check does comes later.
    names = {"FireAnimationFrame", "UpdateLayoutTree", "Layout", "EventDispatch", "RunMicrotasks"}
    spent = [0.0] * len(marks)
    for event in found:
        if event.get("name") not in names or (event["pid"], event["tid"]) != thread:
            continue
        at = int(np.searchsorted(marks, event["ts"], "right")) - 1
        if at >= 0 and event["ts"] < marks[at] + 40_000:
            spent[at] += event.get("dur", 0) / 1e3
    return spent


def measure(page: Page) -> dict[str, float]:
    session = page.context.new_cdp_session(page)
    first = page.evaluate("() => window.first.spent")
    if page.evaluate("() => window.first.rows") < 10:
        raise RuntimeError("no rows were painted")
    figures = {"first paint": first}
    for name in ("sort", "filter"):
        spent = [page.evaluate(ACT, [name, turn]) for turn in range(1, TURNS + 1)]
        figures[name] = float(np.median(spent))
    page.get_by_test_id("filter").fill("")
    figures["scroll step, 95th percentile"] = float(np.quantile(scroll_steps(page, session), 0.95))
    page.get_by_test_id("columns").click()
    for box in page.locator("[data-testid^='column-']:not(:disabled)").all():
        box.check()
    page.keyboard.press("Escape")
    page.get_by_test_id("filter").fill("wide")
    page.get_by_test_id("row").first.click()
    page.get_by_test_id("filter").fill("")
    spent = [page.evaluate(ACT, ["mark", turn]) for turn in range(TURNS)]
    figures["click to totals, all columns"] = float(np.median(spent))
    before = heap(session)
    for turn in range(CLICKS):
        page.evaluate(CLICK, turn)
    figures[f"heap after {CLICKS} clicks"] = 100 * (heap(session) / before - 1)
    # The browser compiles what is run often: that is no leak, and done after some.
    page.evaluate(OPEN_AND_CLOSE, WIDGETS // 2)
    before = heap(session)
    page.evaluate(OPEN_AND_CLOSE, WIDGETS)
    figures[f"heap after {WIDGETS} widgets"] = 100 * (heap(session) / before - 1)
    return figures


def main() -> int:
    widget = talaria.show(Long().eval(), torch.zeros(1, 32), device="cpu-avx2", recipe={})
    with tempfile.TemporaryDirectory(prefix="talaria-page-") as folder:
        write_page(Path(folder), widget.get_state())
        with serve_folder(Path(folder)) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1064, "height": 800})
            page.goto(url)
            page.wait_for_selector(READY)
            figures = measure(page)
            browser.close()
    print(f"{ROWS:,} rows, Chromium, one page")
    for name, value in figures.items():
        unit = "%" if name.startswith("heap") else "ms"
        print(f"{name:32}{value:8.1f} {unit}   limit {LIMITS[name]:g} {unit}")
    return int(any(value > LIMITS[name] for name, value in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
