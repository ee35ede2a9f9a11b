"""Lowered files beside the modules that they were written from.

Writes `docs/lowering.md`; fails where a file differs from its module by more than 1e-3 of
scale on one of two inputs, or has other multiply-adds, without a stated reason.

    PYTHONPATH=tests python -m benchmarks.accuracy_lowering [part of a name ...]
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime
import torch
import transformers
from onnx import ModelProto
from torch import nn

from benchmarks.counting_language import LANGUAGE
from benchmarks.counting_models import CLASSIFICATION, SEGMENTATION, TIMM, Case
from benchmarks.counting_rarer import RARER
from lowered import difference, disagreements, feeds, lowered, macs
from talaria_widget.frontends.torch import record
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.lower import lower
from torchvision_cpu import models
from zoo import ZOO

TOLERANCE = 1e-3
WARM, ROUNDS = 5, 20
TARGET = Path(__file__).parents[1] / "docs" / "lowering.md"
# Too large for one pass on a small machine; each has a smaller sibling in the list.
_LARGE = """
    vgg16 vgg13 vgg19 vgg16_bn vgg11_bn resnet34 resnet101 resnet152 resnext101_32x8d
    densenet161 densenet169 densenet201 mnasnet0_75 mnasnet1_3 shufflenet_v2_x1_5
    shufflenet_v2_x2_0 efficientnet_b2 efficientnet_b3 efficientnet_v2_s regnet_x_1_6gf
    regnet_y_1_6gf regnet_x_3_2gf regnet_y_3_2gf convnext_small convnext_base swin_s swin_b
    fcn_resnet101 deeplabv3_resnet101
"""
LARGE = frozenset(_LARGE.split())
# Models whose file may have other multiply-adds, and why.
KNOWN: Mapping[str, str] = {
    "MraModel": "without its compiled kernels its scores are constants: what would lead to them "
    "is in the trace, and reaches no output",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A model of the table: its family, name, and how it is made with its inputs."""

    family: str
    name: str
    make: Callable[[], tuple[nn.Module, Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table, and whether it is as it should be."""

    line: str
    lowered: bool
    held: bool


def subjects() -> Iterator[Subject]:
    """The zoo, the language models and the vision models."""
    folder = Path(tempfile.gettempdir())
    for specimen in ZOO.values():
        if specimen.framework == "torch":
            yield Subject("zoo", specimen.name, partial(specimen.load, folder))
    for case in (*LANGUAGE, *RARER, *CLASSIFICATION, *SEGMENTATION, *TIMM):
        if case.name not in LARGE:
            yield Subject(case.family, case.name, partial(_build, case))


def _build(case: Case) -> tuple[nn.Module, Any]:
    model, args, kwargs = case.build()
    return model, kwargs or args


def check(subject: Subject) -> Row:
    """One model: lowered, run on two inputs, and read back."""
    torch.manual_seed(0)
    model, inputs = subject.make()
    _fill_zeros(model)
    try:
        recording, source = lowered(model, inputs)
    except UnsupportedModelError as error:
        return Row(
            f"| {subject.family} | {subject.name} | refused: {_cell(error)} | | |", False, True
        )
    proto = source.fill()
    worst = difference(model, recording, proto)
    ours = macs(recording.graph)
    other = disagreements(recording, source)
    reason = KNOWN.get(subject.name, "")
    held = worst <= TOLERANCE and (not other or bool(reason))
    counted = f"{len(ours) - len(other)} of {len(ours)}"
    shown = f"{counted}: {reason or _cell(other)}" if other else counted
    line = (
        f"| {subject.family} | {subject.name} | {len(proto.graph.node):,} nodes | {worst:.1e} | "
        f"{shown} |"
    )
    return Row(line, True, held)


def _fill_zeros(model: nn.Module) -> None:
    """Give weights that are initialised with zeros other values, so that outputs say something."""
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.is_floating_point() and tensor.numel() > 1 and not tensor.any():
                tensor.normal_(std=0.1)


def _cell(item: object) -> str:
    return str(item).replace("|", "/").replace("\n", " ")


def _bert() -> nn.Module:
    made: nn.Module = transformers.BertModel(transformers.BertConfig()).eval()
    return made


def _image(name: str) -> nn.Module:
    made: nn.Module = models().get_model(name, weights=None).eval()
    return made


TIMED: Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet50": (partial(_image, "resnet50"), (1, 3, 224, 224)),
    "vit_b_16": (partial(_image, "vit_b_16"), (1, 3, 224, 224)),
    "swin_t": (partial(_image, "swin_t"), (1, 3, 224, 224)),
    "bert-base, 128 tokens": (_bert, (1, 128)),
}


def _inputs(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape) if len(shape) == 4 else torch.randint(3, 900, shape)


def seconds(name: str) -> tuple[str, bool]:
    """Trace and lowering, warm, beside the forward, in CPU time: others use this machine too."""
    make, shape = TIMED[name]
    model, x = make(), _inputs(shape)
    took: list[tuple[float, float, float]] = []
    for _ in range(WARM):
        start = time.process_time()
        recording = record(model, x)
        traced = time.process_time()
        lower(recording)
        written = time.process_time()
        with torch.no_grad():
            model(x)
        took.append((traced - start, written - traced, time.process_time() - written))
    trace, write, forward = (min(column) for column in zip(*took, strict=True))
    held = trace + write <= forward + 0.2
    return (
        f"| {name} | {trace:.3f} | {write:.3f} | {forward:.3f} | {'yes' if held else 'no'} |",
        held,
    )


def latency(name: str) -> str:
    """Our file beside the one that torch's exporter optimised, in one process, by turns."""
    make, shape = TIMED[name]
    model, x = make(), _inputs(shape)
    recording, source = lowered(model, x)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        logging.disable(logging.CRITICAL)
        program = torch.onnx.export(model, recording.args, dynamo=True, verbose=False)
        logging.disable(logging.NOTSET)
    assert program is not None
    feed = feeds(recording)[0]
    ours, theirs = _session(source.fill()), _session(program.model_proto)
    again = _session(source.fill())
    renamed = dict(zip([i.name for i in theirs.get_inputs()], feed.values(), strict=False))
    runs = [(ours, feed), (theirs, renamed), (again, feed)]
    took: list[list[float]] = [[] for _ in runs]
    for at in range(ROUNDS):
        for i in range(len(runs)):
            which = (i + at) % len(runs)
            session, given = runs[which]
            start = time.perf_counter()
            session.run(None, given)
            took[which].append(time.perf_counter() - start)
    mine, other, same = (statistics.quantiles(times[2:], n=4)[0] for times in took)
    return (
        f"| {name} | {1e3 * mine:.1f} | {1e3 * other:.1f} | {mine / other - 1:+.1%} | "
        f"{same / mine - 1:+.1%} |"
    )


def _session(model: ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


HEAD = """# PyTorch modules as ONNX files

Written by `make accuracy`. A module is lowered from the trace that its graph was made from:
each recorded call runs again on meta tensors, and the ATen calls that it is made of are written
as nodes, under the names of the graph. Nothing of the model runs and no weight is copied. What
cannot be right is refused by name, and torch's exporter is tried on a copy.

Each file was run by ONNX Runtime {runtime} on two inputs and compared with the module (torch
{torch}): the largest difference, relative to the largest value of the output. Then it was read
back by the ONNX front end, and the multiply-adds of each op compared with the trace's: how many
ops have the same, of those that have any. Weights are random.
"""


def main(wanted: list[str]) -> int:
    """Write the document; how many models are not as they should be."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    models()
    rows = []
    for subject in subjects():
        if wanted and not any(part in subject.name for part in wanted):
            continue
        rows.append(check(subject))
        sys.stdout.write(f"{'' if rows[-1].held else 'WRONG '}{rows[-1].line}\n")
        sys.stdout.flush()
    bad = sum(not row.held for row in rows)
    if wanted:
        return bad
    times = [seconds(name) for name in TIMED]
    ratios = [latency(name) for name in TIMED]
    out = sum(row.lowered for row in rows)
    parts = [
        HEAD.format(runtime=onnxruntime.__version__, torch=torch.__version__.partition("+")[0]),
        f"{out} of {len(rows)} come out, {len(rows) - out} are refused, {bad} are wrong.\n",
        "| from | model | file | difference | multiply-adds of ops |\n|---|---|---|---|---|",
        "\n".join(row.line for row in rows),
        "\n## Seconds, warm\n\nTrace and lowering together should take at most the module's own "
        f"forward and 0.2 s; CPU time, one thread, the best of {WARM} rounds.\n\n"
        "| model | trace | lowering | forward | within |\n|---|---|---|---|---|",
        "\n".join(line for line, _ in times),
        "\n## Latency\n\nThe file in ONNX Runtime beside the one that `torch.onnx.export` wrote "
        f"and optimised, {ROUNDS} rounds by turns in one process, one thread, first quartile. The "
        "last column is the same file against itself: the noise.\n\n| model | ours, ms | exporter, "
        "ms | ours against it | noise |\n|---|---|---|---|---|",
        "\n".join(ratios),
        "",
    ]
    TARGET.write_text("\n".join(parts))
    return bad


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
