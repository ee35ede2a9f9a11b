"""The built bundle in a page of its own, without a notebook: a model in plain JavaScript."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import talaria_widget as talaria

STATIC = Path(__file__).parents[2] / "talaria_widget" / "static"
HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Bare</title>
<link rel="stylesheet" href="widget.css"><link rel="stylesheet" href="page.css">
<body><div id="place"></div><script type="module" src="page.js"></script>"""
CSS = "body { margin: 8px; } #place { max-width: 1040px; }"
# A page that has `answer` asks Python by it; in one that has not, nobody ever answers.
SCRIPT = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event =>
    window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
const { default: widget } = await import("./widget.js");
const bytes = text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
const unpack = ({ plain, packed }) => ({
    ...plain,
    ...Object.fromEntries(Object.entries(packed).map(([name, text]) => [name, bytes(text)])),
});
const sent = unpack(await (await fetch("state.json")).json());
const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
function model() {
    const traits = { ...sent }, hearers = new Map();
    let changed = {};
    const tell = (event, ...words) => hearers.get(event)?.forEach(hear => hear(...words));
    const ask = async (kind, content) => {
        if (!window.answer) return;
        const { state, messages } = await window.answer(kind, content);
        const found = unpack(state);
        Object.assign(traits, found);
        for (const name of Object.keys(found)) tell(`change:${name}`);
        for (const message of messages) tell("msg:custom", message, []);
    };
    return {
        get: name => traits[name],
        set(name, value) { traits[name] = changed[name] = value; tell(`change:${name}`); },
        on(event, hear) { hearers.set(event, [...(hearers.get(event) ?? []), hear]); },
        off(event, hear) {
            hearers.set(event, (hearers.get(event) ?? []).filter(each => each !== hear));
        },
        save_changes() { void ask("state", changed); changed = {}; },
        send(content) { void ask("message", content); },
    };
}
window.open = async () => {
    const el = document.createElement("div");
    document.querySelector("#place").append(el);
    const start = performance.now();
    const close = await widget.render({ model: model(), el });
    await frame();
    const spent = performance.now() - start;
    return { spent, rows: el.querySelectorAll("[data-testid=row]").length,
             close: () => { close?.(); el.remove(); } };
};
window.first = await window.open();
document.body.dataset.ready = "true";
"""
READY = "body[data-ready]"


def packed(state: Mapping[str, Any]) -> dict[str, Any]:
    """Traits as JSON carries them: the bytes apart, as text."""
    crosses = {k: v for k, v in state.items() if k not in ("_esm", "_css")}
    binary = {k: v for k, v in crosses.items() if isinstance(v, bytes)}
    plain = {k: v for k, v in crosses.items() if k[0] != "_" or isinstance(v, dict)}
    return {
        "plain": plain,
        "packed": {k: base64.b64encode(v).decode() for k, v in binary.items()},
    }


def write_page(folder: Path, state: Mapping[str, Any]) -> None:
    """`index.html` and what it loads, all of it in this folder."""
    (folder / "state.json").write_text(json.dumps(packed(state)), encoding="utf-8")
    texts = {"index.html": HTML, "page.css": CSS, "page.js": SCRIPT, "favicon.ico": ""}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("widget.js", "widget.css"):
        (folder / name).write_bytes((STATIC / name).read_bytes())


def answers(widget: talaria.Talaria) -> Callable[[str, Any], dict[str, Any]]:
    """What a page calls as `answer`: the widget takes what it sends, and says what changed."""
    said: list[Any] = []
    widget.send = said.append  # heard here: there is no comm

    def answer(kind: str, content: Any) -> dict[str, Any]:
        said.clear()
        before = dict(widget.get_state())
        if kind == "state":
            widget.set_state(content)
        else:
            widget._handle_custom_msg(content, [])
        now = widget.get_state()
        changed = {name: value for name, value in now.items() if value != before[name]}
        return {"state": packed(changed), "messages": list(said)}

    return answer


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *words: Any, headers: Mapping[str, str], **named: Any) -> None:
        self._headers = headers
        super().__init__(*words, **named)

    def end_headers(self) -> None:
        for name, value in self._headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_words: Any) -> None:
        pass


@contextlib.contextmanager
def serve_folder(folder: Path, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of the page in this folder, on loopback, until the block ends."""
    handler = partial(_Handler, directory=str(folder), headers=headers or {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/index.html"
        finally:
            server.shutdown()
