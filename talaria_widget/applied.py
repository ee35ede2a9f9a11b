"""A recipe carried out: the compressed file, and how it compares with what was predicted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget import pipeline
from talaria_widget.choice import Refusal, index
from talaria_widget.graph import Graph, UnsupportedModelError
from talaria_widget.hardware import device
from talaria_widget.recipe import Recipe, option_label
from talaria_widget.report import Report
from talaria_widget.storage.weight import is_static
from talaria_widget.tables import quantity, text_table

if TYPE_CHECKING:
    import onnx

    from talaria_widget.rewrite.onnx import Rewritten
    from talaria_widget.rewrite.source import Source
    from talaria_widget.rewrite.verify import Difference

Arrays = Mapping[str, NDArray[np.generic]]

CONTAINER_DEVICE = "onnxruntime-cpu"
"""The device by whose menu and rules a file for ONNX Runtime is predicted."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What was predicted of a file, and what it is.

    `output_difference` is the largest difference of the file's outputs from the model's on
    two inputs, relative to the largest value of each output; `None` where it was not run.
    `output_sqnr_db` is, per output of real numbers, the worst ratio of signal to noise.
    """

    predicted_bytes: float
    real_bytes: int
    baseline_bytes: float
    output_difference: float | None
    output_sqnr_db: Mapping[str, float]
    layers: int
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]

    @property
    def size_error(self) -> float:
        """Predicted over real, less one."""
        return self.predicted_bytes / self.real_bytes - 1 if self.real_bytes else 0.0

    def __repr__(self) -> str:
        difference = "?" if self.output_difference is None else f"{self.output_difference:.2g}"
        rows = [
            ["tensors as predicted", quantity(self.predicted_bytes, "B", 5)],
            ["tensors in the file", quantity(self.real_bytes, "B", 5)],
            ["prediction off by", f"{100 * self.size_error:+.2f} %"],
            ["before", quantity(self.baseline_bytes, "B", 5)],
            ["largest output difference", difference],
            ["output signal to noise", self._worst()],
            ["layers changed", str(self.layers)],
        ]
        refused = [
            f"refused: {r.name} as {option_label(r.option)}: {r.reason}" for r in self.refused
        ]
        notes = [f"note: {note}" for note in self.notes]
        return "\n".join([text_table(["", ""], rows).strip("\n"), *refused, *notes])

    def _worst(self) -> str:
        """The output that is furthest off."""
        if not self.output_sqnr_db:
            return "?"
        name, ratio = min(self.output_sqnr_db.items(), key=lambda item: item[1])
        shown = "exact" if ratio == inf else f"{ratio:.1f} dB"
        return shown if len(self.output_sqnr_db) == 1 else f"{shown} ({name})"


@dataclass(frozen=True, slots=True)
class Applied:
    """The compressed model (a `ModelProto`, or the path it was written to), and the statement."""

    model: onnx.ModelProto | Path
    statement: Statement

    def __repr__(self) -> str:
        shown = str(self.model) if isinstance(self.model, Path) else "an onnx.ModelProto"
        return f"Applied: {shown}\n{self.statement!r}"


@dataclass(frozen=True, slots=True)
class _Subject:
    """A model as a file that can be rewritten, and inputs for it."""

    graph: Graph
    source: Source
    proto: onnx.ModelProto
    feed: Arrays
    feeds: Iterable[Arrays] | None
    difference: Callable[[onnx.ModelProto], Difference]


def apply(
    model: object, recipe: Recipe, inputs: Any, calibration: Iterable[Any] | None, path: Path | None
) -> Applied:
    """Write the model as the recipe says, compare it with the model, and with the prediction."""
    module = pipeline.is_module(model)
    if pipeline.is_exported(model):
        raise UnsupportedModelError(
            "an ExportedProgram can be read, but not written in another form: pass apply the "
            "nn.Module that it was exported from"
        )
    if not module and not pipeline.is_onnx(model):
        pipeline.capture(model)  # raises, and says what to pass
    subject = _module(model, inputs, calibration) if module else _file(model, inputs, calibration)
    report = _predict(subject.graph, recipe)
    written = _rewrite(subject, report)
    difference = subject.difference(written.model)
    statement = Statement(
        predicted_bytes=report.totals["size_bytes"] or 0.0,
        real_bytes=written.tensor_bytes,
        baseline_bytes=report.baseline["size_bytes"] or 0.0,
        output_difference=difference.largest,
        output_sqnr_db=difference.sqnr_db,
        layers=len(report.choice.options),
        refused=report.refused,
        notes=(*report.choice.notes, *written.notes),
    )
    if path is None:
        return Applied(written.model, statement)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written.model.SerializeToString())
    return Applied(path, statement)


def _predict(graph: Graph, recipe: Recipe) -> Report:
    compiled = pipeline.compile_for(graph, device(CONTAINER_DEVICE), recipe, index(graph))
    return pipeline.report(compiled, recipe)


def _rewrite(subject: _Subject, report: Report) -> Rewritten:
    from talaria_widget.rewrite.onnx import rewrite

    options = report.choice.options
    static = any(is_static(option) for option in options.values())
    feeds = subject.feeds
    notes = subject.source.notes
    if feeds is None:
        feeds = [subject.feed]
        if static:
            notes += ("activations were calibrated on the one input that was given or inferred.",)
            warnings.warn(
                "apply: activation ranges come from one input; pass calibration=[...] with "
                "representative inputs.",
                stacklevel=4,
            )
    written = rewrite(subject.proto, options, feeds, names=subject.source.weights)
    return replace(written, notes=(*notes, *written.notes))


def _module(model: Any, inputs: Any, calibration: Iterable[Any] | None) -> _Subject:
    from talaria_widget.frontends.torch import record, unwrap
    from talaria_widget.rewrite.draft import check_writable
    from talaria_widget.rewrite.folding import fold
    from talaria_widget.rewrite.inputs import feed
    from talaria_widget.rewrite.lower import source_of_module
    from talaria_widget.rewrite.verify import verify

    recording, source = source_of_module(model, inputs)
    check_writable(source.skeleton)
    model = unwrap(model)
    args, kwargs = recording.args, dict(recording.kwargs)
    proto = fold(source.fill())

    def feeds() -> Iterator[Arrays]:
        for sample in calibration or ():
            given = record(model, sample)
            yield feed(model, given.args, given.kwargs, proto)

    return _Subject(
        recording.graph,
        source,
        proto,
        feed(model, args, kwargs, proto),
        None if calibration is None else feeds(),
        lambda written: verify(model, args, kwargs, written),
    )


def _file(model: Any, inputs: Any, calibration: Iterable[Any] | None) -> _Subject:
    from talaria_widget.rewrite.draft import check_writable
    from talaria_widget.rewrite.folding import fold
    from talaria_widget.rewrite.verify import compare

    graph, origin = pipeline.read(model, inputs)
    source = origin.source()
    check_writable(source.skeleton)
    proto = source.fill()
    origin.check_file()
    feed = _arrays(graph, inputs)
    return _Subject(
        graph,
        source,
        fold(proto),
        feed,
        None if calibration is None else (_arrays(graph, sample) for sample in calibration),
        lambda written: compare(proto, written, feed),
    )


def _arrays(graph: Graph, inputs: Any) -> Arrays:
    """The arrays a user gave, and made-up ones for the rest: noise, and zeros for integers."""
    random = np.random.default_rng(0)
    given = {n: v for n, v in (inputs or {}).items() if isinstance(v, np.ndarray)}
    for name in graph.inputs:
        tensor = graph.tensors[name]
        shape = tensor.shape or ()
        if name not in given and tensor.floating:
            given[name] = random.random(shape).astype(tensor.dtype)
        elif name not in given:
            given[name] = np.zeros(shape, tensor.dtype)
    return given
