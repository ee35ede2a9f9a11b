"""Where a node of an exported graph comes from: its module's path, and the author's line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import fx

from talaria_widget.frontends.torch.trace.places import show

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_AGAIN = re.compile(r"@\d+")
_PACKAGES = "site-packages/"


@dataclass(frozen=True, slots=True)
class Origin:
    """A module's path from the root, and a line; no file where none is the author's."""

    path: str
    file: str
    line: int


def origin(node: fx.Node, inside: str) -> Origin:
    """Where a node comes from; one that does not say stands in the module `inside`."""
    stack = node.meta.get("nn_module_stack") or {}
    path = inside
    for name, _ in stack.values():
        path = _AGAIN.sub("", name.removeprefix("L['self']").strip("."))
    for file, line in reversed(_FRAME.findall(node.meta.get("stack_trace") or "")):
        shown = _author(file)
        if shown:
            return Origin(path, shown, int(line))
    return Origin(path, "", 0)


def classes(graph: fx.Graph) -> dict[str, str]:
    """The class name of each module that a graph's nodes come from, by path."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        for name, kind in (node.meta.get("nn_module_stack") or {}).values():
            path = _AGAIN.sub("", name.removeprefix("L['self']").strip("."))
            shown = kind if isinstance(kind, str) else kind.__name__
            found.setdefault(path, shown.rsplit(".", 1)[-1])
    return found


def _author(file: str) -> str:
    """A file that is not torch's own, nor one that torch wrote; below its packages' folder."""
    if file.startswith("<eval_with_key>"):
        return ""
    if _PACKAGES in file:
        package = file.rpartition(_PACKAGES)[2]
        return "" if package.startswith("torch/") else package
    return file if show(file, 0) is not None else ""
