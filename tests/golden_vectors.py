"""Golden vectors of `evaluate`, read by the front end's test: `python tests/golden_vectors.py`.

Synthetic prices reach every branch (mixed rows, glue, refusals, corrections, unknown prices,
casts with either edge marked, rows that give another precision than they take, buffers taken
over, changes of every provenance); two real programs keep them honest.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nets import Attention, small_net
from talaria_widget import pipeline
from talaria_widget.choice import index
from talaria_widget.graph import Graph, Op, Tensor, Work
from talaria_widget.hardware import device
from talaria_widget.messages import program_message
from talaria_widget.pipeline import Compiled
from talaria_widget.prices import Band, Correction, Evaluation, Prices, evaluate
from talaria_widget.program import Program, StoredWeight, Task
from talaria_widget.recipe import Cast, Quantize, Recipe

PATH = Path(__file__).parents[1] / "js" / "src" / "data" / "evaluate.golden.json"


def synthetic(seed: int, rows: int = 24) -> Compiled:
    """A made-up program whose rows read up to three earlier tensors."""
    rng = np.random.default_rng(seed)
    signatures, options, precisions, sizes = 7, 5, 3, 4
    names = [f"row{r}" for r in range(rows)]
    weights = [r for r in range(rows) if rng.random() < 0.5]
    leader, row_weight, start = [], [], [0]
    stored: list[StoredWeight] = []
    for r in range(rows):
        if r in weights:
            for _ in range(int(rng.integers(1, 3))):
                leader.append(len(leader))
                row_weight.append(len(leader) - 1)
            leader.append(leader[-1] if rng.random() < 0.5 else -1)
            row_weight.append(len(leader) - 1)
        start.append(len(row_weight))
    for w, first in enumerate(leader):
        name = f"w{w}"
        stored.append(
            StoredWeight(name, (4,), "float32", "linear", 0, f"w{first}" if first >= 0 else None)
        )
    tensors = rows + 2
    made = np.array([-1, -1, *range(rows)], np.int32)
    edges = []
    for r in range(rows):
        count = int(rng.integers(1, 4))
        edges += [(r, t) for t in sorted(set(rng.integers(0, r + 2, count).tolist()))]
    edges.append((rows, tensors - 1))
    edge_row = np.array([r for r, _ in edges], np.int32)
    edge_tensor = np.array([t for _, t in edges], np.int32)
    last = np.maximum(made, 0)
    np.maximum.at(last, edge_tensor, np.minimum(edge_row, rows - 1))
    size = rng.integers(1, 5000, tensors).astype(np.float64)
    nbytes = np.where(rng.random(tensors) < 0.15, size * 8, np.nan)

    def band(shape: tuple[int, ...]) -> Band:
        point = rng.random(shape).astype(np.float32)
        return Band(point, point * np.float32(0.8), point * np.float32(1.2))

    latency, energy = band((signatures, options)), band((signatures, options))
    if seed % 2:
        for part in (latency.point, latency.low, latency.high):
            part[3, :] = np.nan
            part[4, 1] = np.nan  # unknown in one column alone: so is the change
    column_precision = np.array([0, 1, 0, 2, 2], np.int32)
    gives = np.tile(column_precision, (signatures, 1))
    gives[:, 3][rng.random(signatures) < 0.5] = 0  # takes int8, gives floats
    reuse = np.full(tensors, -1, np.int32)
    for t in range(2, tensors - 1):
        ended = [u for u in range(2, t) if last[u] == made[t]]
        if ended and rng.random() < 0.7:
            reuse[t] = ended[0]
            size[t], nbytes[t] = size[ended[0]], nbytes[ended[0]]
    refusal = (rng.random((signatures, options)) < 0.3).astype(np.uint8)
    refusal[:, 0] = 0
    corrections = (
        Correction((weights[0],), ((0, 1),), 0.5, 0.25, "a"),
        Correction((weights[0], weights[1]), ((2, 3), (0, 1, 2)), 0.125, 0.0625, "b"),
        Correction((weights[1],), ((1, 3),), -0.0625, -0.03125, "c", 1),
    )
    prices = Prices(
        options=(None, Cast("float16"), Quantize(8), Quantize(4), Quantize(6)),
        labels=("fp32", "fp16", "int8", "int4", "int6"),
        precisions=("float32", "float16", "int8")[:precisions],
        precision_bytes=np.array([4.0, 2.0, 1.0]),
        column_precision=column_precision,
        reasons=("", "no"),
        row_signature=rng.integers(0, signatures, rows).astype(np.int32),
        latency=latency,
        energy=energy,
        provenance=rng.integers(0, 3, (signatures, options)).astype(np.uint8),
        gives=gives,
        refusal=refusal,
        bound=np.zeros((signatures, options), np.uint8),
        least_s=np.zeros(signatures),
        row_weight_start=np.array(start, np.int32),
        row_weight=np.array(row_weight, np.int32),
        weight_leader=np.array(leader, np.int32),
        weight_bytes=rng.integers(1, 10**9, (len(leader), options)).astype(np.float64),
        weight_refusal=np.zeros((len(leader), options), np.uint8),
        tensor_row=made,
        tensor_last=last.astype(np.int32),
        tensor_size=size,
        tensor_bytes=nbytes,
        tensor_cast=rng.integers(0, sizes, tensors).astype(np.int32),
        tensor_reuse=reuse,
        edge_row=edge_row,
        edge_tensor=edge_tensor,
        cast_latency=band((sizes, precisions, precisions)),
        cast_energy=band((sizes, precisions, precisions)),
        cast_provenance=rng.integers(0, 3, (sizes, precisions, precisions)).astype(np.uint8),
        corrections=corrections,
    )
    ops = tuple(Op(n, "linear", "linear", outputs=(f"t{r}",)) for r, n in enumerate(names))
    graph = Graph(
        "synthetic", "torch", ops, {f"t{r}": Tensor(f"t{r}", (1,)) for r in range(rows)}, (), ()
    )
    tasks = tuple(
        Task(n, "linear", "linear", (n,), Work(), n, (), (f"t{r}",), ())
        for r, n in enumerate(names)
    )
    program = Program(device("cpu-avx2"), graph, tasks, tuple(stored))
    nothing = np.zeros(len(leader), np.int32)
    return Compiled(program, prices, index(graph), evaluate(prices, nothing))


def real() -> list[Compiled]:
    """Two real programs, on devices with a float and an integer path."""
    image, tokens = torch.zeros(1, 3, 32, 32), torch.zeros(1, 12, 32)
    return [
        pipeline.compile_for(pipeline.capture(model, x), device(name), Recipe())
        for model, x, name in (
            (small_net(), image, "apple-a17-pro-ane"),
            (Attention().eval(), tokens, "cpu-avx2"),
        )
    ]


def vectors() -> list[dict[str, Any]]:
    """Every case: a packed program, a choice, and what it costs."""
    rng = np.random.default_rng(7)
    cases = []
    for compiled in [*(synthetic(seed) for seed in range(6)), *real()]:
        prices = compiled.prices
        weights, options = prices.weight_bytes.shape
        for kind in range(4):
            choice = rng.integers(0, options, weights).astype(np.int32)
            choice = np.full(weights, kind, np.int32) if kind < 2 else choice
            cases.append(_case(compiled, choice, evaluate(prices, choice)))
    return cases


def _case(compiled: Compiled, choice: Any, found: Evaluation) -> dict[str, Any]:
    packed = base64.b64encode(program_message(compiled, [], 0)).decode()
    return {
        "program": packed,
        "choice": choice.tolist(),
        "expected": {
            "totals": {k: None if math.isnan(v) else v for k, v in found.totals.items()},
            "unknown_rows": found.unknown_rows,
            "column": found.column.tolist(),
            "mixed": found.mixed.tolist(),
            "latency": _numbers(found.latency.point),
            "energy_high": _numbers(found.energy.high),
            "row_weight_bytes": _numbers(found.row_weight_bytes),
            "memory_bytes": _numbers(found.memory_bytes),
            "cast_tensor": found.casts.tensor.tolist(),
            "cast_source": found.casts.source.tolist(),
            "cast_target": found.casts.target.tolist(),
            "cast_row": found.casts.row.tolist(),
            "cast_provenance": found.casts.provenance.tolist(),
            "cast_latency": _numbers(found.casts.latency.point),
            "corrections": list(found.corrections),
        },
    }


def _numbers(values: Any) -> list[float | None]:
    return [None if math.isnan(v) else v for v in values.tolist()]


def text() -> str:
    """The file's content; programs that several cases share are written once."""
    cases = vectors()
    programs = list(dict.fromkeys(case["program"] for case in cases))
    for case in cases:
        case["program"] = programs.index(case["program"])
    return json.dumps({"programs": programs, "cases": cases}, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(text(), encoding="utf-8")
