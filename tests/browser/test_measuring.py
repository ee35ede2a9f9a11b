"""This machine, measured behind a page: progress, clicks meanwhile, Stop, restarts, turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser.conftest import SCREENSHOTS, OpenNotebook
from browser.pages import NotebookPage, Widget
from measured import QUICK, runs, until

pytestmark = pytest.mark.browser

NET = """
import os
import torch

os.environ["TALARIA_CACHE"] = {cache!r}
{quick}
bench.SWEEP_S = bench.WHOLE_S = {seconds}
import talaria_widget as talaria

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 32, 3),
    torch.nn.ReLU(),
    torch.nn.Conv2d(32, 64, 3),
    torch.nn.ReLU(),
    torch.nn.AdaptiveAvgPool2d(1),
    torch.nn.Flatten(),
    torch.nn.Linear(64, 1000),
).eval()
"""
SHOW = """
w = talaria.show(model, torch.randn(1, 3, 64, 64), recipe={})
w
"""
PID = "w._behind._now._bench._process._child._process._popen.pid"

# Every state of the widget and of its measurement, with the page's time.
WATCH = """root => {
    const line = root.querySelector("[data-testid=measure]");
    window.seen = [];
    const note = () => window.seen.push(
        [performance.now(), root.dataset.state, line.dataset.measuring, line.innerText]);
    note();
    const watch = { attributes: true, childList: true, characterData: true, subtree: true };
    new MutationObserver(note).observe(root, { ...watch, childList: false, subtree: false });
    new MutationObserver(note).observe(line, watch);
}"""


def net(folder: Path, seconds: float) -> str:
    return NET.format(cache=str(folder / "cache"), quick=QUICK.format(folder=str(folder)),
                      seconds=seconds)  # fmt: skip


def state(widget: Widget) -> str:
    return widget.part("measure").get_attribute("data-measuring") or ""


def seen(notebook: NotebookPage) -> list[tuple[float, str, str, str]]:
    return [tuple(each) for each in notebook.page.evaluate("window.seen")]


def waits_for(notebook: NotebookPage, true: Callable[[], object], patience_s: float = 60) -> None:
    """Let the page go on until it is true."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "it never came about"
        notebook.page.wait_for_timeout(50)


def pictures(notebook: NotebookPage, widget: Widget, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    for look in ("Dark", "Light"):
        theme = f"JupyterLab {look}"
        notebook.command("apputils:change-theme", {"theme": theme})
        notebook.page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
        notebook.page.wait_for_timeout(200)
        widget.root.screenshot(path=SCREENSHOTS / f"{name}-{look.lower()}.png")


def answers_ms(found: list[tuple[float, str, str, str]]) -> list[float]:
    """How long each preview stood until the kernel answered."""
    times, since = [], None
    for at, shown, *_ in found:
        if shown == "preview" and since is None:
            since = at
        elif shown == "ready" and since is not None:
            times.append(at - since)
            since = None
    return times


def test_modelled_figures_at_once_and_measured_ones_behind_them(
    open_notebook: OpenNotebook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = open_notebook([net(tmp_path, 0.2), SHOW])
    notebook.run_all()
    widget = notebook.widget().wait()
    widget.root.evaluate(WATCH)
    expect(widget.part("device-select")).to_have_value("onnxruntime-cpu")
    expect(widget.root).to_contain_text("one thread")
    assert widget.total("latency_s") > 0
    expect(widget.part("stop")).to_be_visible()
    waits_for(notebook, lambda: state(widget) == "kernels")
    expect(widget.root.get_by_role("progressbar", name="Measuring")).to_have_count(1)
    pictures(notebook, widget, "measuring")

    for name in ("0", "2", "6"):
        widget.select(name)
        widget.choose("int8")
        expect(widget.row(name)).to_contain_text("int8")
        widget.wait()
    assert notebook.kernel.value("len(w.report.choice.options)") == 3
    waits_for(notebook, lambda: state(widget) == "done")
    widget.wait()
    expect(widget.part("ledger")).to_contain_text("measured")
    expect(widget.part("ledger")).to_contain_text("difference")
    expect(widget.part("measure-again")).to_have_count(0)
    assert notebook.kernel.value("w.report.provenance") == "measured"
    assert notebook.kernel.value("w.report.whole is not None")
    totals = notebook.kernel.value("dict(w.report.totals)")
    assert widget.total("latency_s") == pytest.approx(totals["latency_s"], rel=0.006)
    rows = notebook.kernel.value("[task.name for task in w.report.program.tasks]")
    assert sorted(widget.names()) == sorted(rows)
    pictures(notebook, widget, "measured")
    told = seen(notebook)
    assert {"kernels", "recipe", "done"} <= {each[2] for each in told}
    with capsys.disabled():
        times = answers_ms(told)
        print(f"\nclicks while measuring, ms: median {statistics.median(times):.0f} of "
              f"{[round(t) for t in times]}")  # fmt: skip
    assert notebook.errors == []


def test_stop_stops_and_is_remembered(open_notebook: OpenNotebook, tmp_path: Path) -> None:
    again = SHOW.replace("w = ", "v = ").replace("\nw\n", "\nv\n")
    notebook = open_notebook([net(tmp_path, 0.3), SHOW, again])
    notebook.run_cell(0)
    notebook.run_cell(1)
    widget = notebook.widget().wait()
    waits_for(notebook, lambda: state(widget) == "kernels")
    pid = notebook.kernel.value(PID)
    widget.part("stop").click()
    waits_for(notebook, lambda: state(widget) == "stopped")
    until(lambda: not runs(pid))
    expect(widget.part("measure-again")).to_be_visible()
    notebook.run_cell(2)
    second = notebook.widget(1).wait()
    expect(second.part("measure-again")).to_be_visible()
    assert state(second) == "none"
    second.part("measure-again").click()
    expect(second.part("stop")).to_be_visible()
    waits_for(notebook, lambda: state(second) in ("kernels", "done"))
    assert state(widget) == "stopped"
    assert notebook.errors == []


def test_a_restart_amid_measuring_leaves_a_page_to_read_and_no_process(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook([net(tmp_path, 1.0), SHOW])
    notebook.run_all()
    widget = notebook.widget().wait()
    waits_for(notebook, lambda: state(widget) == "kernels")
    pid = notebook.kernel.value(PID)
    assert runs(pid)
    notebook.restart_kernel()
    widget.wait("no-kernel")
    until(lambda: not runs(pid), 15)
    expect(widget.part("banner")).to_contain_text("No kernel")
    expect(widget.part("stop")).to_have_count(0)
    expect(widget.part("measure-again")).to_have_count(0)
    assert widget.total("latency_s") > 0
    notebook.run_cell(0)  # a kernel that is shut down amid its restart fails the server
    expect(notebook.cell(0)).to_contain_text("[1]")
    assert notebook.errors == []


def test_a_cell_that_waits_sees_progress_and_may_be_interrupted(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    notebook = open_notebook([net(tmp_path, 0.5), SHOW, "w.wait()", "w.wait(0.1)"])
    notebook.run_cell(0)
    notebook.run_cell(1)
    widget = notebook.widget().wait()
    waits_for(notebook, lambda: state(widget) == "kernels")
    notebook.run_cell(2)
    expect(notebook.cell(2)).to_contain_text("[*]")
    widget.root.evaluate(WATCH)
    waits_for(notebook, lambda: len({each[3] for each in seen(notebook)}) >= 4)
    assert "[*]" in notebook.cell(2).inner_text(), "the page hears of it while the cell runs"
    # A click in the meantime is answered, too.
    widget.select("2")
    widget.choose("int8")
    expect(widget.row("2")).to_contain_text("int8")
    widget.wait()
    assert "[*]" in notebook.cell(2).inner_text()
    notebook.command("notebook:interrupt-kernel")
    expect(notebook.cell(2)).to_contain_text("KeyboardInterrupt")
    assert state(widget) in ("kernels", "recipe", "baseline")
    # A kernel drops what is sent to it while a cell that failed still ends.
    expect(notebook.cell(2)).not_to_contain_text("[*]")
    notebook.page.wait_for_timeout(500)
    notebook.run_cell(3)
    expect(notebook.cell(3)).to_contain_text("False")
    assert state(widget) in ("kernels", "recipe", "baseline")
    assert notebook.errors == []


def test_the_second_of_two_notebooks_says_that_it_waits(
    open_notebook: OpenNotebook, tmp_path: Path
) -> None:
    first = open_notebook([net(tmp_path, 4.0), SHOW])
    second = open_notebook([net(tmp_path, 0.02), SHOW])
    first.run_all()
    left = first.widget().wait()
    waits_for(first, lambda: state(left) == "kernels")
    second.run_all()
    right = second.widget().wait()
    waits_for(second, lambda: state(right) == "waiting")
    expect(right.part("measure")).to_contain_text("nother notebook is measuring")
    assert right.total("latency_s") > 0
    first.kernel.run("w.stop()")
    waits_for(second, lambda: state(right) in ("baseline", "kernels"))
    assert state(left) == "stopped"
    assert first.errors == second.errors == []
