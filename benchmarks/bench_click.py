"""From a click to new totals, timed inside a real notebook page.

`preview` is the page's own arithmetic on the screen (the next frame after the total's text
changed); `answer` is Python's report on the screen. Beside them stands a bare widget that sends
a message and gets one back, as JSON and as a buffer as long as the widget's report. Last, the
same clicks while this machine measures ResNet-50.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from browser.chromium import FLAGS, chromium
from browser.jupyter import JupyterServer, serve
from browser.pages import NotebookPage, write_notebook

CLICKS = 50
SIZES = (2_000, 10_000)
LIMIT_ANSWER_S = 0.050
LIMIT_RATIO = 2.0

MODEL = """
import torch
import talaria_widget as talaria

class Long(torch.nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.wide = torch.nn.Linear(32, {wide})
        self.back = torch.nn.Linear({wide}, 32)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(32, 32) for _ in range(tasks - 2))
    def forward(self, x):
        x = torch.relu(self.back(torch.relu(self.wide(x))))
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x

w = talaria.show(Long({tasks}).eval(), torch.randn(1, 32), device="cpu-avx2", recipe={{}})
w
"""
BEHIND = """
import time
import torch
import transformers
import talaria_widget as talaria

model = transformers.ResNetForImageClassification(transformers.ResNetConfig()).eval()
x = torch.randn(1, 3, 224, 224)
began = time.perf_counter()
w = talaria.show(model, x, recipe={})
shown_s = time.perf_counter() - began
w
"""
ECHO = """
import anywidget

class Echo(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
        el.dataset.testid = "echo";
        el.ask = bytes => new Promise(answer => {
            const start = performance.now();
            const hear = () => {
                model.off("msg:custom", hear);
                answer(performance.now() - start);
            };
            model.on("msg:custom", hear);
            model.send({ bytes });
        });
    } };
    '''

    def __init__(self):
        super().__init__()
        self.on_msg(lambda _, content, __: self.send({}, [bytes(content["bytes"])] if
                    content["bytes"] else None))

echo = Echo()
echo
"""
ASK = """async ([bytes, clicks]) => {
    const el = document.querySelector("[data-testid=echo]");
    const times = [];
    for (let i = 0; i < clicks + 3; i++) {
        times.push(await el.ask(bytes));
        await new Promise(done => setTimeout(done, 30));
    }
    return times.slice(3);
}"""
# The menu is opened anew for each click, outside the timed part; its first line is the default.
# An even number of clicks ends as it began: with the default.
CLICK = """async ([clicks]) => {
    const root = document.querySelector("[data-testid=talaria]");
    const part = name => root.querySelector(`[data-testid="${name}"]`)
        ?? document.querySelector(`[data-testid="${name}"]`);
    const until = async (holds, what) => {
        const end = performance.now() + 20000;
        while (!holds()) {
            if (performance.now() > end) throw new Error("no " + what);
            await new Promise(done => setTimeout(done, 5));
        }
    };
    const value = () => part("total-size_bytes").querySelector("[data-testid=total-value]");
    const observed = [];
    for (let i = 0; i < clicks + 4; i++) {
        part("option-button").click();
        await until(() => part("option-int8"), "menu");
        const items = [...document.querySelectorAll('[data-testid^="option-"]')]
            .filter(item => item.dataset.testid !== "option-button");
        const item = i % 2 ? items[0] : part("option-int8");
        const before = value().textContent;
        let preview = null, answer = null;
        const start = performance.now();
        const watch = new MutationObserver(() => {
            if (preview === null && value().textContent !== before)
                preview = new Promise(done => requestAnimationFrame(() =>
                    setTimeout(() => done(performance.now() - start), 0)));
            if (preview !== null && answer === null && root.dataset.state === "ready")
                answer = performance.now() - start;
        });
        watch.observe(root, { subtree: true, childList: true, characterData: true,
                              attributes: true, attributeFilter: ["data-state"] });
        item.click();
        await until(() => answer !== null, "answer to click " + i);
        watch.disconnect();
        observed.push([await preview, answer]);
        await new Promise(done => setTimeout(done, 30));
    }
    return observed.slice(4);
}"""


def middle(values: list[float]) -> str:
    values = sorted(values)
    return f"{statistics.median(values):7.1f} ms  (p90 {values[int(len(values) * 0.9)]:.1f})"


def clicks(page: Any, label: str, echo: list[float]) -> None:
    times = page.evaluate(CLICK, [CLICKS])
    answers = [answer for _, answer in times]
    ratio = statistics.median(answers) / statistics.median(echo)
    print(f"  {label}: page's preview  {middle([preview for preview, _ in times])}")
    print(f"  {label}: Python's answer {middle(answers)}   limit {LIMIT_ANSWER_S * 1e3:.0f} ms")
    print(f"  {label}: answer / echo   {ratio:7.2f}   limit {LIMIT_RATIO}")


def measure(server: JupyterServer, page: Any, tasks: int) -> None:
    name = f"click-{tasks}.ipynb"
    # Wide enough that one layer shows in a total of four digits.
    model = MODEL.format(tasks=tasks, wide=16 * tasks)
    write_notebook(server.root / name, [ECHO, model])
    notebook = NotebookPage(page, server, name).open()
    notebook.run_all()
    widget = notebook.widget().wait(timeout=180_000)
    notebook.wait_idle()
    rows = notebook.kernel.value("len(w.report.to_frame())")
    report_bytes = notebook.kernel.value("len(w.get_state()['_report'])")
    print(f"{rows} tasks, {CLICKS} clicks, a report of {report_bytes / 1e3:.0f} kB")
    json_echo = page.evaluate(ASK, [0, CLICKS])
    buffer_echo = page.evaluate(ASK, [report_bytes, CLICKS])
    print(f"  echo, tiny JSON          {middle(json_echo)}")
    print(f"  echo, buffer as long     {middle(buffer_echo)}")
    widget.row("wide").click()
    clicks(page, "one row ", buffer_echo)
    widget.row("wide").click()
    notebook.page.keyboard.press("ControlOrMeta+a")
    notebook.page.wait_for_timeout(500)
    clicks(page, "all rows", buffer_echo)


def measure_behind(server: JupyterServer, page: Any) -> None:
    """Clicks on ResNet-50 while this machine measures it, and when it is done."""
    name = "click-behind.ipynb"
    write_notebook(server.root / name, [ECHO, BEHIND])
    notebook = NotebookPage(page, server, name).open()
    notebook.run_all()
    widget = notebook.widget().wait(timeout=180_000)
    notebook.wait_idle()
    print(f"ResNet-50 on this machine: show returns after {notebook.kernel.value('shown_s'):.2f} s")
    notebook.wait_for_value("(w._status['measuring'] or {}).get('state')", "kernels", 120)
    report_bytes = notebook.kernel.value("len(w.get_state()['_report'])")
    widget.root.locator("[data-testid=row]").first.click()
    clicks(page, "while measuring", page.evaluate(ASK, [report_bytes, CLICKS]))
    state = notebook.kernel.value("w._status['measuring']['state']")
    print(f"  at the end of these clicks: {state}")
    notebook.kernel.value("w.stop()")
    clicks(page, "when stopped   ", page.evaluate(ASK, [report_bytes, CLICKS]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    sizes = parser.parse_args().sizes
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder) / "server") as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for tasks in sizes:
            context = browser.new_context(viewport={"width": 1280, "height": 1400})
            measure(server, context.new_page(), tasks)
            context.close()
            server.shut_down_kernels()
        context = browser.new_context(viewport={"width": 1280, "height": 1400})
        measure_behind(server, context.new_page())
        browser.close()


if __name__ == "__main__":
    main()
