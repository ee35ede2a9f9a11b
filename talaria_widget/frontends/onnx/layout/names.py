"""Name ops, and find the module path and the source line that a file still tells of."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import onnx

from talaria_widget.graph import Source

# Stripped from a weight's name, once each and in this order.
_SUFFIXES = (
    "_quantized",
    "_DQ_Q4",
    "_DQ_Q8",
    "_Q4",
    "_Q8",
    "/ReadVariableOp:0",
    "/ReadVariableOp",
    ".weight",
    "/weight",
    "_weight",
    ".kernel",
    "/kernel",
    ".w_0",
)
# Names that exporters make up, which say nothing and change from one export to the next.
_MADE_UP = re.compile(
    r"(onnx::\w+|(_v_|val_|v_|const_?|initializer_|t_)?\d+|(.*/)?Constant(_\d+)?(_output_\d+)?)",
)
# What tracing makes of a literal in the model's code.
_LITERAL = re.compile(r"(.*/)?Constant(_\d+)?_output_\d+")
_SCOPES = "pkg.torch.onnx.name_scopes"
_CLASSES = "pkg.torch.onnx.class_hierarchy"
_TRACE = "pkg.torch.onnx.stack_trace"
_OF_TORCH = re.compile(r"[/\\]torch[/\\]")
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def quoted(name: str) -> str:
    """A name of a file as a sentence shows it: one that goes on and on is cut.

    Example:
        >>> quoted("fc.weight")
        "'fc.weight'"
    """
    return repr(name if len(name) <= 80 else name[:77] + "...")


def from_code(name: str) -> bool:
    """Whether a Constant node's name says that a literal in the code made it."""
    return _LITERAL.fullmatch(name) is not None


def weight_stem(name: str) -> str | None:
    """A weight's name without what says that it is one; `None` where an exporter made it up.

    Example:
        >>> weight_stem("layer1.0.conv1.weight")
        'layer1.0.conv1'
        >>> weight_stem("onnx::MatMul_517") is None
        True
    """
    if _MADE_UP.fullmatch(name):
        return None
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name or None


def scope_path(name: str) -> str:
    """The module path in a node's name; a part that extends the one before replaces it.

    Example:
        >>> scope_path("/layer1/layer1.0/conv1/Conv")
        'layer1.0.conv1'
        >>> scope_path("inception_3a/1x1_1")
        'inception_3a'
    """
    parts: list[str] = []
    for part in name.strip("/").split("/")[:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts[-1] = part
        else:
            parts.append(part)
    return ".".join(parts)


def module_path(node: onnx.NodeProto, metadata: Mapping[str, str], stem: str | None) -> str:
    """The path of the module that made a node: its weight's name, its metadata, or its scope.

    The weight's name comes first (`stem`, of a weight that is the op's own): an exporter that
    folds BatchNorm into a convolution says that the BatchNorm made it.
    """
    scopes = _parsed(metadata, _SCOPES)
    if stem is not None and ("." in stem or scopes):
        return stem
    if len(scopes) > 1:
        return scopes[-2]
    return scope_path(node.name) or (scope_path(stem) if stem is not None else "")


def scoped(scope: Sequence[str], path: str) -> str:
    """A path inside the bodies and calls around it.

    Example:
        >>> scoped(("If_0", "then_branch"), "conv1")
        'If_0.then_branch.conv1'
    """
    return ".".join(part.strip("/").replace("/", ".") for part in (*scope, path) if part)


def module_classes(metadata: Mapping[str, str]) -> dict[str, str]:
    """The class of each module around a node, where its metadata tells."""
    scopes, classes = _parsed(metadata, _SCOPES)[:-1], _parsed(metadata, _CLASSES)[:-1]
    return {path: name.rsplit(".", 1)[-1] for path, name in zip(scopes, classes, strict=False)}


def _parsed(metadata: Mapping[str, str], key: str) -> list[str]:
    if key not in metadata:
        return []
    try:
        value = ast.literal_eval(metadata[key])
    except (MemoryError, RecursionError, SyntaxError, ValueError):
        return []
    return [str(item) for item in value] if isinstance(value, list) else []


def source_line(metadata: Mapping[str, str]) -> Source | None:
    """The innermost line outside torch that an exporter recorded, without its directory."""
    recorded = _FRAME.findall(metadata.get(_TRACE, ""))
    frames = [frame for frame in recorded if not _OF_TORCH.search(frame[0])]
    if not frames:
        return None
    file, line = frames[-1]
    return Source(re.split(r"[/\\]", file)[-1], int(line))


def unique(names: Sequence[str]) -> list[str]:
    """The names with `#2`, `#3` added to those that occurred before."""
    seen: Counter[str] = Counter()
    taken = set(names)
    result = []
    for name in names:
        seen[name] += 1
        fresh = name
        while seen[name] > 1 and (fresh := f"{name}#{seen[name]}") in taken:
            seen[name] += 1
        taken.add(fresh)
        result.append(fresh)
    return result
