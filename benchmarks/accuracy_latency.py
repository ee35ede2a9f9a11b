"""Latencies on this machine against files really written and timed by an independent session.

For every model: the widget measures (baseline, kernels, the recipe as a whole), `talaria.apply`
writes each recipe's file, and the files are timed here by `onnxruntime.InferenceSession` alone,
one thread, in turn, round by round. A file's time is the mean of its fastest tenth of runs, by
the thread's own clock, in which a session of one thread runs: it stands while others have the
processor. The baseline's file is timed before the widget measures, and twice afterwards: what
these differ by is the machine's noise.

    PYTHONPATH=tests python -m benchmarks.accuracy_latency [--models NAME ...] [--write]

Results are kept in `build/accuracy-latency/`, one file per model; `--write` puts all of them into
`docs/accuracy.md`, and `--again` measures models anew that have a file.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

import talaria_widget as talaria
from benchmarks.latency_models import HELD_OUT, MODELS, Loader
from benchmarks.sections import write_section

DEVICE = "onnxruntime-cpu"
ROUNDS, LEAST_S, MOST_S = 20, 15.0, 45.0
ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build" / "accuracy-latency"
TARGET = ROOT / "docs" / "accuracy.md"
STATIC = talaria.Quantize(8, activations=talaria.Activations(8))
DYNAMIC = talaria.Quantize(8, activations=talaria.Activations(8, dynamic=True))
BLOCKS = talaria.Quantize(4, granularity="block", block_size=32)
DIRECTION = 0.10


def recipes(report: talaria.Report) -> dict[str, dict[str, Any]]:
    """The recipes that make sense for a model: those that change something, nothing refused."""
    device, graph = report.program.device, report.program.graph
    layers = [op.name for op in graph.ops if any(w in covered(report) for w in op.weights)]
    chance = random.Random(0)
    half = sorted(chance.sample(layers, len(layers) // 2), key=layers.index)
    static = allowed(report, STATIC)
    wanted: dict[str, tuple[Any, list[str]]] = {
        "all static int8": (STATIC, layers),
        "first half static int8": (STATIC, layers[: len(layers) // 2]),
        "random half static int8": (STATIC, half),
        "all dynamic int8": (DYNAMIC, layers),
        "all 4-bit": (BLOCKS, layers),
    }
    if len(static) < 2:
        wanted = {k: v for k, v in wanted.items() if "half" not in k}
    found: dict[str, dict[str, Any]] = {}
    for name, (option, chosen) in wanted.items():
        able = allowed(report, option)
        names = [layer for layer in chosen if layer in able]
        if device.find(option) is not None and names:
            found[name] = dict.fromkeys(names, option)
    return found


def covered(report: talaria.Report) -> set[str]:
    """The weights that options may compress."""
    return {w.name for w in report.program.weights if w.leader == w.name}


def allowed(report: talaria.Report, option: Any) -> set[str]:
    """The layers that take an option here."""
    graph, prices = report.program.graph, report.prices
    if option not in prices.options:
        return set()
    column = prices.options.index(option)
    takes = {
        w.name
        for w, code in zip(report.program.weights, prices.weight_refusal[:, column], strict=True)
        if code == 0 and w.leader == w.name
    }
    return {op.name for op in graph.ops if op.weights and takes.issuperset(mains(graph, op))}


def mains(graph: Any, op: Any) -> set[str]:
    """The weights proper of an op."""
    found = {w for w in op.weights if graph.tensors[w].role == "weight"}
    return found or {"no weight"}


def session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feeds(of: Any, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """An input of the shapes that the report was made with."""
    chance = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for entry in of.get_inputs():
        shape = shapes.get(entry.name) or tuple(d if isinstance(d, int) else 1 for d in entry.shape)
        if "float" in entry.type:
            made[entry.name] = chance.standard_normal(shape).astype(np.float32)
        else:
            kind = entry.type.removeprefix("tensor(").removesuffix(")")
            made[entry.name] = chance.integers(1, 200, shape).astype(kind.replace("bool", "bool_"))
    return made


def clock(paths: list[Path], shapes: dict[str, tuple[int, ...]]) -> list[float]:
    """Seconds of each file, in turn, the first one timed twice."""
    runs = []
    for path in (paths[0], *paths):
        opened = session(path)
        feed = feeds(opened, shapes)
        runs.append(partial(opened.run, None, feed))
    for run in runs:
        for _ in range(3):
            run()
    taken: list[list[float]] = [[] for _ in runs]
    start = time.perf_counter()
    while (
        len(taken[0]) < ROUNDS
        or (spent := time.perf_counter() - start) < LEAST_S
        or (spent < MOST_S and not all(map(at_pace, taken)))
    ):
        for run, times in zip(runs, taken, strict=True):
            run()  # to have its own values at hand again, as where it runs alone
            began = time.thread_time()
            run()
            times.append(time.thread_time() - began)
    return [figure(times) for times in taken]


def figure(times: list[float]) -> float:
    """The mean of the fastest tenth: the machine's own pace, whoever else is on it."""
    return float(np.mean(np.sort(times)[: max(3, len(times) // 10)]))


def at_pace(times: list[float]) -> bool:
    """Whether five runs lie within 4 % of the fastest."""
    return bool(np.sort(times)[4] <= 1.04 * min(times))


def shapes_of(report: talaria.Report) -> dict[str, tuple[int, ...]]:
    """The shapes that a report was made with, by input."""
    graph = report.program.graph
    return {name: tuple(graph.tensors[name].shape or ()) for name in graph.inputs}


def examine(name: str, load: Loader) -> dict[str, Any]:
    """Everything there is to say of one model."""
    torch.manual_seed(0)
    model, inputs = load()
    shapes = shapes_of(talaria.analyze(model, inputs, device="cpu-avx2"))
    with tempfile.TemporaryDirectory(prefix="talaria-accuracy-") as folder:
        path = Path(folder) / "baseline.onnx"
        talaria.apply(model, {}, inputs, path=path)
        before_s = clock([path], shapes)[1]
    widget = talaria.show(model, inputs, device=DEVICE, recipe={})
    began = time.perf_counter()
    widget.wait()
    result: dict[str, Any] = {"model": name, "sweeps_s": time.perf_counter() - began, "recipes": []}
    first = widget.report
    result["provenance"] = first.provenance
    result["notes"] = list(first.notes)
    result["baseline_s"] = first.baseline["latency_s"]
    with (
        tempfile.TemporaryDirectory(prefix="talaria-accuracy-") as folder,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        paths = [Path(folder) / "baseline.onnx"]
        talaria.apply(model, {}, inputs, path=paths[0])
        for label, recipe in recipes(first).items():
            widget.recipe = recipe
            widget.wait()
            report = widget.report
            row: dict[str, Any] = {
                "recipe": label,
                "layers": len(recipe),
                "estimated_s": report.estimated["latency_s"],
                "measured_s": report.totals["latency_s"] if report.whole is not None else None,
                "notes": [n for n in report.notes if n not in first.notes],
            }
            path = Path(folder) / f"{len(paths)}.onnx"
            try:
                talaria.apply(model, recipe, inputs, path=path)
            except ValueError as error:
                row["refused"] = str(error)
            else:
                row["file"] = len(paths)
                paths.append(path)
            result["recipes"].append(row)
        widget.close()
        times = clock(paths, shapes)
    same = (before_s, times[0], times[1])
    result["independent_s"], result["noise"] = times[1], max(same) / min(same) - 1
    result["before_s"] = before_s
    for row in result["recipes"]:
        if "file" in row:
            row["independent_s"] = times[row["file"] + 1]
    return result


def error(figure_s: float | None, base_s: float, real_s: float, real_base_s: float) -> float | None:
    """How far a predicted speed-up is from the real one."""
    if figure_s is None:
        return None
    return abs((base_s / figure_s) / (real_base_s / real_s) - 1)


def baseline_error(result: dict[str, Any]) -> float:
    """How far the widget's baseline is from the file's time, in the middle of before and after."""
    middle: float = (result["before_s"] + result["independent_s"]) / 2
    return abs(float(result["baseline_s"]) / middle - 1)


def lines(results: list[dict[str, Any]]) -> tuple[list[str], list[float], list[float], list[str]]:
    """Table rows, the estimates' errors, the measured figures' errors, wrong directions."""
    rows, estimates, wholes, wrong = [], [], [], []
    for result in results:
        base, real_base = result["baseline_s"], result["independent_s"]
        off = baseline_error(result)
        rows.append(
            f"| {result['model']} | baseline | {1e3 * real_base:.1f} ms | | | "
            f"{100 * off:.1f} % (noise {100 * result['noise']:.1f} %) |"
        )
        for row in result["recipes"]:
            if "independent_s" not in row:
                rows.append(
                    f"| {result['model']} | {row['recipe']} | refused: {row['refused']} | | | |"
                )
                continue
            real = row["independent_s"]
            speed = real_base / real
            guess = error(row["estimated_s"], base, real, real_base)
            whole = error(row["measured_s"], base, real, real_base)
            if guess is not None:
                estimates.append(guess)
                predicted = base / row["estimated_s"]
                if abs(speed - 1) > DIRECTION and (predicted > 1) != (speed > 1):
                    wrong.append(f"{result['model']}, {row['recipe']}")
            if whole is not None:
                wholes.append(whole)
            rows.append(
                f"| {result['model']} | {row['recipe']} | {1e3 * real:.1f} ms | {speed:.2f}x | "
                f"{_percent(guess)} | {_percent(whole)} |"
            )
    return rows, estimates, wholes, wrong


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _spread(errors: list[float]) -> str:
    if not errors:
        return "no figures"
    ordered = np.quantile(errors, [0.5, 0.9, 1.0]) * 100
    return (
        f"median {ordered[0]:.1f} %, 90th percentile {ordered[1]:.1f} %, worst {ordered[2]:.1f} % "
        f"({len(errors)} recipes)"
    )


def document(results: list[dict[str, Any]]) -> str:
    """The section, models that the rules were found on and those held out apart."""
    parts = [
        "Made by `benchmarks/accuracy_latency.py`: every file was written by `talaria.apply` and "
        "timed by an independent `InferenceSession` of "
        f"ONNX Runtime {onnxruntime.__version__}, one thread, in turn with the baseline's. "
        "`estimate` is the sum of rows, `measured` the recipe that the widget built and timed "
        "itself; both columns give the error of the speed-up. Random weights. Here are "
        f"{len(results)} of the {len(MODELS) + len(HELD_OUT)} models of the script."
    ]
    for title, names in (("Models", MODELS), ("Held out", HELD_OUT)):
        chosen = [r for r in results if r["model"] in names]
        if not chosen:
            continue
        rows, estimates, wholes, wrong = lines(chosen)
        bases = [baseline_error(r) for r in chosen]
        noises = [r["noise"] for r in chosen]
        parts += [
            f"### {title}",
            f"- baseline against the independent session: median "
            f"{100 * statistics.median(bases):.1f} %, worst {100 * max(bases):.1f} %; the "
            "machine's own noise: median "
            f"{100 * statistics.median(noises):.1f} %, worst {100 * max(noises):.1f} %\n"
            f"- estimate: {_spread(estimates)}\n- measured: {_spread(wholes)}\n"
            f"- wrong direction where the change is over 10 %: {'; '.join(wrong) or 'none'}",
            "| model | recipe | real | speed-up | estimate off by | measured off by |\n"
            "|---|---|---:|---:|---:|---:|\n" + "\n".join(rows),
        ]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", help="names; all if left out")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    KEPT.mkdir(parents=True, exist_ok=True)
    results = []
    for name, load in {**MODELS, **HELD_OUT}.items():
        path = KEPT / f"{name.split(' (')[0].replace(' ', '_').replace(',', '')}.json"
        wanted = not chosen.models or name in chosen.models
        if wanted and (chosen.again or not path.is_file()):
            path.write_text(json.dumps(examine(name, load), indent=1))
        if path.is_file():
            results.append(json.loads(path.read_text()))
            rows, *_ = lines(results[-1:])
            print("\n".join(rows), flush=True)
    text = document(results)
    print(text)
    if chosen.write:
        write_section(TARGET, "## Latency on this machine", text)


if __name__ == "__main__":
    main()
