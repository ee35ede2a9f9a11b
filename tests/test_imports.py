"""The package's shape: which module may import which, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "talaria_widget"
RANKS = {
    "patterns": 0,
    "graph": 1,
    "recipe": 1,
    "tables": 1,
    "work": 2,
    "blocks": 2,
    "storage": 2,
    "hardware": 2,
    "frontends": 2,
    "edits": 2,
    "history": 2,
    "choice": 3,
    "program": 3,
    "prices": 4,
    "rewrite": 4,
    "compilers": 5,
    "report": 6,
    "quality": 6,
    "origin": 6,
    "pipeline": 7,
    "charts": 7,
    "wire": 1,
    "measuring": 7,
    "here": 8,
    "applied": 8,
    "messages": 8,
    "widget": 9,
    "_api": 10,
    "__init__": 11,
}
HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "altair", "pandas", "numpy", "anywidget")
MODULES = sorted(PACKAGE.rglob("*.py"))


def unit(parts: tuple[str, ...]) -> str:
    """The module or folder of the package that `talaria_widget.<parts>` belongs to."""
    return parts[0].removesuffix(".py") if parts else "__init__"


def imported(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and dotted parts below the package, for every import of the package in a file."""
    folder = path.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = tuple(alias.name.split("."))
                if parts[0] == PACKAGE.name:
                    yield node.lineno, parts[1:]
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else ()
            parts = (*base, *(node.module.split(".") if node.module else ()))
            if parts[:1] == (PACKAGE.name,):
                below = parts[1:]
                for alias in node.names:
                    yield node.lineno, below or (alias.name,)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_lower_ranks(path: Path) -> None:
    own = unit(path.relative_to(PACKAGE).parts)
    assert own in RANKS, f"give {own} a rank, in docs/architecture.md and here"
    for line, parts in imported(path):
        other = unit(parts)
        if other == own:
            continue
        assert other in RANKS, f"{path.name}:{line} imports {other}, which has no rank"
        assert RANKS[other] < RANKS[own], f"{path.name}:{line} imports {other}: not a lower rank"


def test_every_ranked_module_that_exists_is_seen() -> None:
    seen = {unit(path.relative_to(PACKAGE).parts) for path in MODULES}
    assert {"graph", "recipe", "work", "prices", "wire", "__init__"} <= seen


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=PACKAGE.parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_light() -> None:
    loaded = run_python("""
        import sys, talaria_widget
        print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
    """).split()
    assert "talaria_widget" in loaded
    assert not set(HEAVY) & set(loaded)


def test_all_names_resolve_and_nothing_else_is_public() -> None:
    run_python("""
        import talaria_widget as talaria
        names = talaria.__all__
        assert len(names) == len(set(names)), names
        missing = [name for name in names if getattr(talaria, name, None) is None]
        assert not missing, missing
        undocumented = [n for n in names if not (getattr(talaria, n).__doc__ or "").strip()]
        assert not undocumented, undocumented
        assert set(names) <= set(dir(talaria))
        try:
            talaria.no_such_name
        except AttributeError as error:
            assert "no_such_name" in str(error)
        else:
            raise AssertionError("an unknown name must raise")
    """)


MAKE_ONNX = """
    import numpy as np, onnx
    from onnx import TensorProto, helper, numpy_helper
    weight = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "stem.weight")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 8, 14, 14])
    node = helper.make_node("Conv", ["image", "stem.weight"], ["out"], name="stem")
    model = helper.make_model(
        helper.make_graph([node], "tiny", [image], [out], [weight]),
        opset_imports=[helper.make_opsetid("", 18)], ir_version=9,
    )
"""


def test_without_torch_the_onnx_path_works() -> None:
    out = run_python(
        """
    import sys
    class Block:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("torch", "onnxscript"):
                raise ImportError(f"{name} is blocked")
    sys.meta_path.insert(0, Block())
    import talaria_widget as talaria
    """
        + MAKE_ONNX
        + """
    report = talaria.analyze(model, recipe={"*": talaria.Quantize(8)})
    print(report.totals["macs"], report.totals["size_bytes"] < report.baseline["size_bytes"])
    applied = talaria.apply(model, {"*": talaria.Quantize(8)})
    onnx.checker.check_model(applied.model)
    widget = talaria.show(model)
    print(widget.report.totals["parameters"])
    assert "torch" not in sys.modules
    """
    )
    macs, smaller, parameters = out.split()
    assert int(float(macs)) == 14 * 14 * 8 * 3 * 3 * 3
    assert smaller == "True"
    assert int(float(parameters)) == 8 * 3 * 3 * 3


def test_the_package_makes_no_request() -> None:
    out = run_python(
        """
    import sys
    calls = []
    def listen(event, arguments):
        if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
            calls.append((event, repr(arguments[-1])))
    sys.addaudithook(listen)
    import talaria_widget as talaria
    """
        + MAKE_ONNX
        + """
    talaria.show(model)
    talaria.analyze(model)
    talaria.apply(model, {"*": talaria.Quantize(8)})
    import torch
    talaria.analyze(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()))
    print(calls)
    """
    )
    assert out.splitlines()[-1] == "[]"
