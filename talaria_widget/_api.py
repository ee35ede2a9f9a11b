"""The functions a user calls: `show`, `analyze`, `capture`, `apply`."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from talaria_widget import here, pipeline
from talaria_widget.choice import index, resolve
from talaria_widget.graph import Graph
from talaria_widget.hardware import Device
from talaria_widget.hardware import device as read_device
from talaria_widget.recipe import Recipe, mapping_or_recipe
from talaria_widget.report import Report

if TYPE_CHECKING:
    from talaria_widget.applied import Applied
    from talaria_widget.widget import Talaria

KEPT = "The recipe of the last widget of this model is kept; Reset starts empty."

_last: dict[object, Recipe] = {}
"""The last recipe of each live model, by identity (by text for a path)."""


def capture(model: object, inputs: Any = None) -> Graph:
    """Read a model into the neutral graph.

    Args:
        model: a `torch.nn.Module`, an `ExportedProgram` of `torch.export`, an `onnx.ModelProto`,
            or the path of an ONNX file.
        inputs: a tensor, a tuple, or a dict of keyword arguments; for ONNX a dict of arrays
            or shapes. `None`: inferred, and said in `Graph.assumed`.

    Returns:
        Ops in order of execution, with names, paths, source lines, shapes and weights. The
        model comes back exactly as it was.

    Raises:
        TypeError: the model or the inputs are of another kind.
        ValueError: inputs that do not fit, or that cannot be inferred; says what to pass.
        UnsupportedModelError: a model or file that cannot be read.
        FileNotFoundError: a path at which there is nothing.

    Example:
        >>> from torch import nn
        >>> [op.kind for op in capture(nn.Sequential(nn.Linear(8, 4), nn.ReLU())).ops]
        ['linear', 'activation']
    """
    return pipeline.capture(model, inputs)


def analyze(
    model: object,
    inputs: Any = None,
    *,
    device: str | Path | Device | None = None,
    recipe: Recipe | Mapping[Any, Any] | None = None,
) -> Report:
    """What a model costs on a device under a recipe, with no browser.

    Args:
        model: as for `capture`.
        inputs: as for `capture`.
        device: a name from `devices()`, a path to a `.toml`, a `Device`, or `None` for
            "onnxruntime-cpu": this machine, one thread, where the baseline and the recipe are
            really run and timed (seconds; what was measured before is kept on disk).
        recipe: a `Recipe`, a mapping `{match: option}`, or `None` for the empty recipe.

    Returns:
        The report; its `repr` is a table, `to_frame()` a row per task. A model that cannot be
        run here stays on the device with modelled figures, and `notes` says why.

    Raises:
        ValueError: an unknown device, or a rule that matches no layer; and as `capture`.

    Example:
        >>> from torch import nn
        >>> report = analyze(nn.Linear(512, 512), device="cpu-avx2", recipe={"*": None})
        >>> report.totals["macs"] == 512 * 512
        True
    """
    on, wanted = here.fitted(read_device(device)), mapping_or_recipe(recipe)
    graph, origin = pipeline.read(model, inputs)
    return here.report(graph, origin, on, wanted)


def apply(
    model: object,
    recipe: Recipe | Mapping[Any, Any],
    inputs: Any = None,
    *,
    to: str = "onnx",
    calibration: Iterable[Any] | None = None,
    path: str | Path | None = None,
) -> Applied:
    """Carry a recipe out: the model as a file for ONNX Runtime, compressed layer by layer.

    Args:
        model: as for `capture`; it comes back exactly as it was.
        recipe: a `Recipe` or a mapping. The empty recipe writes the baseline.
        inputs: as for `capture`.
        to: "onnx", the only form so far.
        calibration: inputs over which the ranges of activations are taken; `None`: `inputs`,
            and one warning says so.
        path: where to write the file; `None` keeps it in memory.

    Returns:
        The `ModelProto` (or the path), and a statement: the bytes predicted and real, and how
        far the outputs are from the model's on two inputs: the largest difference relative to
        the largest value, and the signal-to-noise ratio of each output in dB.

    Raises:
        ValueError: another form, a rule that matches no layer, an option that cannot be
            written yet.
        TypeError: a model, recipe, path or calibration of another kind.
        UnsupportedModelError: a model that cannot be exported or run.

    Example:
        >>> from torch import nn
        >>> from talaria_widget import Quantize
        >>> applied = apply(nn.Sequential(nn.Linear(64, 64)), {"*": Quantize(8)})
        >>> applied.statement.real_bytes == 64 * 64 + 5 * 64 + 4 * 64
        True
    """
    from talaria_widget import applied

    if to != "onnx":
        raise ValueError(f'apply(to={to!r}): only "onnx" can be written so far.')
    if not isinstance(path, str | Path | None):
        raise TypeError(f"apply(path={path!r}): pass where to write the file, or None.")
    if calibration is not None and (
        isinstance(calibration, str | bytes | Mapping)
        or hasattr(calibration, "shape")
        or not isinstance(calibration, Iterable)
    ):
        raise TypeError(
            f"apply(calibration=...) is a {type(calibration).__name__}: pass a list of inputs, "
            "as [inputs]."
        )
    target = None if path is None else Path(path).expanduser()
    return applied.apply(model, mapping_or_recipe(recipe), inputs, calibration, target)


def show(
    model: object,
    inputs: Any = None,
    *,
    device: str | Path | Device | None = None,
    recipe: Recipe | Mapping[Any, Any] | None = None,
    measure: bool = True,
) -> Talaria:
    """The widget: the same report, to look at and to change by clicks.

    On this machine (the default device) it shows modelled figures at once; measured ones
    replace them as they arrive, with progress and a Stop. `w.wait()` waits for them. Where the
    cell is run again, what was measured behind its last widget stops.

    Args:
        model: as for `capture`.
        inputs: as for `capture`.
        device: as for `analyze`.
        recipe: what to start from; `None` takes up the last recipe of the same live model,
            `Recipe({})` starts empty.
        measure: whether to measure behind, where the device is this machine; `False` waits for
            `w.measure()`.

    Returns:
        The widget, displayed when it ends a cell.

    Raises:
        ValueError: as `analyze`.
        TypeError: as `analyze`; `measure` is neither `True` nor `False`.
    """
    from talaria_widget import widget as widgets

    if not isinstance(measure, bool):
        raise TypeError(f"show(measure={measure!r}): pass True or False.")
    on = here.fitted(read_device(device))
    key = _identity(model)
    graph, origin = pipeline.read(model, inputs)
    start, notice = mapping_or_recipe(recipe), ""
    if recipe is None and _last.get(key):
        start, notice = _take_up(graph, on, _last[key])
    view = widgets.Talaria(graph, on, start, origin=origin, measure=measure, notice=notice)
    for old in widgets.replaced_by(view):
        old._replace()
    view._saved = _keeper(model, key)
    return view


def _take_up(graph: Graph, on: Device, kept: Recipe) -> tuple[Recipe, str]:
    """The recipe of a model's last widget and what to say of it; none if it fits no longer."""
    try:
        resolve(index(graph), kept, on)
    except ValueError as error:
        return Recipe(), f"The recipe of the last widget of this model is dropped: {error}"
    return kept, KEPT


def _identity(model: object) -> object:
    return str(Path(model).expanduser().resolve()) if isinstance(model, str | Path) else id(model)


def _keeper(model: object, key: object) -> Callable[[Recipe], None]:
    """Remember recipes for a model, as long as it lives."""
    alive: Callable[[], object] = object
    if not isinstance(key, str):
        try:
            alive = weakref.ref(model)
            weakref.finalize(model, _last.pop, key, None)
        except TypeError:  # its end cannot be seen, and another may come to have its identity
            return lambda _recipe: None

    def keep(recipe: Recipe) -> None:
        if alive() is not None:
            _last[key] = recipe

    return keep
