"""Capturing and counting beside torchinfo, fvcore and calflops: same models, same inputs.

CPU seconds of one thread; the tools take turns, and each one's figure is its median. Our memory
of shapes is emptied before each run, as for a model never seen. Ends with 1 where the median
ratio to torchinfo is over its limit.
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torchinfo

import talaria_widget as talaria
from benchmarks.capture_models import MODELS, Case
from talaria_widget.frontends.torch.trace.shapes import MEMO
from talaria_widget.work import count
from torchvision_cpu import models

ROUNDS = 5
SMALL_ROUNDS = 15  # of models that take milliseconds
SLOW = {"fvcore", "calflops"}  # tools that take seconds: one round, and one that warms up
LARGE_S = 0.080
LIMITS = {"large": 0.5, "small": 2.0}
DEVICE = "cpu-avx2"


def ours(case: Case) -> None:
    MEMO.clear()
    graph = talaria.capture(case.model, _inputs(case))
    for op in graph.ops:
        count(graph, op)


def analyzed(case: Case) -> None:
    MEMO.clear()
    talaria.analyze(case.model, _inputs(case), device=DEVICE)


def _inputs(case: Case) -> Any:
    return dict(case.kwargs) if case.kwargs else case.args


def by_torchinfo(case: Case) -> None:
    data = dict(case.kwargs) if case.kwargs else list(case.args)
    torchinfo.summary(case.model, input_data=data, verbose=0)


def by_fvcore(case: Case) -> None:
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

    found = FlopCountAnalysis(_Positional(case), case.args or tuple(_tensors(case).values()))
    found.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()


def by_calflops(case: Case) -> None:
    from calflops import calculate_flops  # type: ignore[import-untyped]

    calculate_flops(
        case.model,
        args=list(case.args),
        kwargs=dict(case.kwargs),
        print_results=False,
        output_as_string=False,
    )


class _Positional(torch.nn.Module):
    """A model called with its tensors in order, as tracing wants it; the rest stays as it is."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.model, self.case = case.model, case

    def forward(self, *args: torch.Tensor) -> Any:
        if self.case.args:
            return self.model(*args)
        named = dict(zip(_tensors(self.case), args, strict=True))
        found = self.model(**{**self.case.kwargs, **named})
        return found[0]


def _tensors(case: Case) -> dict[str, torch.Tensor]:
    return {name: v for name, v in case.kwargs.items() if isinstance(v, torch.Tensor)}


TOOLS: Mapping[str, Callable[[Case], None]] = {
    "capture": ours,
    "analyze": analyzed,
    "torchinfo": by_torchinfo,
    "fvcore": by_fvcore,
    "calflops": by_calflops,
}


def in_turn(turn: int) -> list[tuple[str, Callable[[Case], None]]]:
    """Every tool once, another one first each time: who follows whom costs caches."""
    tools = list(TOOLS.items())
    return tools[turn % len(tools) :] + tools[: turn % len(tools)]


def times_of(case: Case) -> tuple[dict[str, float], dict[str, str]]:
    """The median of each tool, and the words of those that fail."""
    found: dict[str, list[float]] = {name: [] for name in TOOLS}
    failed: dict[str, str] = {}
    rounds = ROUNDS
    for turn in range(SMALL_ROUNDS + 1):
        if turn > rounds:
            break
        for name, tool in in_turn(turn):
            if name in failed or (turn > 1 and name in SLOW):
                continue
            start = time.process_time()
            try:
                with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
                    tool(case)
            except Exception as error:
                if name in ("capture", "analyze"):
                    raise
                failed[name] = f"{name}: {type(error).__name__}: {str(error).strip()[:90]}"
                continue
            if turn:  # the first one warms up
                found[name].append(time.process_time() - start)
        if turn and max(found["torchinfo"], default=LARGE_S) < LARGE_S:
            rounds = SMALL_ROUNDS
    return {name: statistics.median(runs) for name, runs in found.items() if runs}, failed


def main() -> int:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    models()  # calflops imports torchvision
    print(f"torch {torch.__version__}, 1 thread, CPU ms, medians of {ROUNDS} interleaved runs")
    print(f"{'model':16}" + "".join(f"{name:>11}" for name in TOOLS) + f"{'ratio':>8}")
    ratios: dict[str, list[float]] = {"large": [], "small": []}
    failures: list[str] = []
    for name, make in MODELS.items():
        torch.manual_seed(0)
        times, failed = times_of(make())
        failures += [f"{name}: {words}" for words in failed.values()]
        cells = "".join(_cell(times.get(tool)) for tool in TOOLS)
        ratio = times["capture"] / times["torchinfo"] if "torchinfo" in times else None
        if ratio is not None:
            ratios["large" if times["torchinfo"] > LARGE_S else "small"].append(ratio)
        print(f"{name:16}{cells}" + (f"{ratio:8.2f}" if ratio else f"{'-':>8}"), flush=True)
    for failure in failures:
        print(f"failed: {failure}")
    return _judge(ratios)


def _cell(seconds: float | None) -> str:
    return f"{'fails':>11}" if seconds is None else f"{seconds * 1e3:11.1f}"


def _judge(ratios: Mapping[str, list[float]]) -> int:
    over = 0
    for size, found in ratios.items():
        median = statistics.median(found)
        over += median > LIMITS[size]
        words = "over" if size == "large" else "up to"
        print(
            f"where torchinfo takes {words} {LARGE_S * 1e3:.0f} ms ({len(found)} models): "
            f"median ratio {median:.2f}, worst {max(found):.2f}, limit {LIMITS[size]}"
        )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
