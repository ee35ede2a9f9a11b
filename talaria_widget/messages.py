"""The messages that go down to the page, made from programs, prices, reports and recipes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from talaria_widget.choice import Choice
from talaria_widget.compilers.machine import runtime_version
from talaria_widget.hardware import Device
from talaria_widget.pipeline import Compiled
from talaria_widget.prices import CHANGE_BAND, PROVENANCE, Band
from talaria_widget.program import Program
from talaria_widget.recipe import Option, Recipe, option_label
from talaria_widget.report import Report, facts, time_coverage
from talaria_widget.wire import (
    BlockInfo,
    ChangeInfo,
    CorrectionInfo,
    DeviceInfo,
    OptionInfo,
    ProgramMeta,
    RecipeState,
    RefusalInfo,
    ReportMeta,
    RuleInfo,
    encode,
)

CONTAINERS = {
    "onnxruntime": "as ONNX Runtime stores it",
    "coreml": "as Core ML stores it",
    "torchao": "as safetensors store it",
    "tflite": "as TFLite stores it",
}


def program_message(compiled: Compiled, menu: Sequence[Device], revision: int) -> bytes:
    """The rows, the names and every price: sent once per model and device."""
    program, prices = compiled.program, compiled.prices
    graph, tasks = program.graph, program.tasks
    paths = facts.modules(program)
    blocks, block_rows = _repeats(program)
    meta: ProgramMeta = {
        "revision": revision,
        "model": graph.name,
        "framework": graph.framework,
        "fingerprint": graph.fingerprint,
        "device": _device(program.device),
        "devices": [_device(d) for d in menu],
        "roofs": {
            "ops_per_s": dict(program.device.ops_per_s),
            "bandwidth_bytes_per_s": program.device.bandwidth_bytes_per_s,
            "on_chip_bytes": program.device.on_chip_bytes,
            "on_chip_bytes_per_s": program.device.on_chip_bytes_per_s,
        },
        "container": CONTAINERS.get(program.device.container, ""),
        "latency_band": program.device.latency_band,
        "energy_factor": program.device.energy_factor,
        "inputs": [
            {
                "name": name,
                "shape": list(graph.tensors[name].shape or ()),
                "dtype": graph.tensors[name].dtype,
                "assumed": bool(graph.assumed),
            }
            for name in graph.inputs
        ],
        "assumed": list(graph.assumed),
        "notes": list(graph.notes),
        "parameters": graph.parameters,
        "operations": program.operations,
        "counted": program.operations - sum(program.uncounted.values()),
        "uncounted": dict(program.uncounted),
        "time_coverage": time_coverage(prices, compiled.before),
        "names": [task.name for task in tasks],
        "kinds": [task.kind for task in tasks],
        "labels": [task.label for task in tasks],
        "stored_precisions": [task.precision for task in tasks],
        "paths": paths,
        "shapes": facts.output_shapes(program),
        "input_shapes": facts.input_shapes(program),
        "dtypes": facts.dtypes(program),
        "settings": facts.settings(program),
        "sources": facts.sources(program),
        "ops": [list(task.ops) for task in tasks],
        "modules": _modules(graph.modules, paths),
        "blocks": blocks,
        "weight_names": [weight.name for weight in program.weights],
        "options": _options(compiled),
        "precisions": list(prices.precisions),
        "reasons": list(prices.reasons),
        "change_bands": [CHANGE_BAND[name] for name in PROVENANCE],
        "corrections": [
            CorrectionInfo(
                rows=list(c.rows),
                columns=[list(allowed) for allowed in c.columns],
                latency_s=c.latency_s,
                energy_j=c.energy_j,
                note=c.note,
                provenance=c.provenance,
            )
            for c in prices.corrections
        ],
    }
    return encode(meta, _program_arrays(compiled) | {"block_rows": block_rows})


def _repeats(program: Program) -> tuple[list[BlockInfo], NDArray[Any]]:
    """The blocks of the graph as rows: each repeat's, at the same places."""
    row_of = program.row_of_op
    blocks: list[BlockInfo] = []
    found: list[NDArray[Any]] = []
    for block in program.graph.blocks:
        table = np.array([[row_of.get(op, -1) for op in ops] for ops in block.ops], np.int32)
        first = dict(zip(table[0][::-1].tolist(), range(table.shape[1])[::-1], strict=True))
        first.pop(-1, None)
        if first:
            table = table[:, sorted(first.values())]
            blocks.append({"name": block.name, "count": len(table), "places": table.shape[1]})
            found.append(table.ravel())
    return blocks, np.concatenate(found) if found else np.zeros(0, np.int32)


def _program_arrays(compiled: Compiled) -> dict[str, NDArray[Any]]:
    program, prices = compiled.program, compiled.prices
    blocks: dict[str, NDArray[Any]] = {
        name: _counts([getattr(task.work, name) for task in program.tasks])
        for name in ("macs", "flops", "read_bytes", "write_bytes")
    }
    blocks["parameters"] = _counts([_parameters(program, task.weights) for task in program.tasks])
    blocks["times"] = _counts([op.times if op else 1 for op in program.leading_ops])
    for name in ("weight_bytes", "tensor_size", "tensor_bytes", "precision_bytes"):
        blocks[name] = np.asarray(getattr(prices, name), np.float64)
    for name in ("latency", "energy", "cast_latency", "cast_energy"):
        blocks |= _band(name, getattr(prices, name), np.float32)
    for name in (
        "row_signature",
        "row_weight_start",
        "row_weight",
        "weight_leader",
        "tensor_row",
        "tensor_last",
        "tensor_cast",
        "tensor_reuse",
        "edge_row",
        "edge_tensor",
        "column_precision",
    ):
        blocks[name] = np.asarray(getattr(prices, name), np.int32)
    for name in ("provenance", "gives", "refusal", "weight_refusal", "bound", "cast_provenance"):
        blocks[name] = np.asarray(getattr(prices, name), np.uint8)
    return blocks


def _band(name: str, band: Band, dtype: type[np.floating[Any]]) -> dict[str, NDArray[Any]]:
    return {
        name: np.asarray(band.point, dtype),
        f"{name}_low": np.asarray(band.low, dtype),
        f"{name}_high": np.asarray(band.high, dtype),
    }


def _counts(values: Sequence[int | None]) -> NDArray[Any]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _parameters(program: Program, weights: Sequence[str]) -> int:
    tensors = [program.graph.tensors[name] for name in weights]
    return sum(tensor.size or 0 for tensor in tensors if tensor.role != "buffer")


def _device(device: Device) -> DeviceInfo:
    here = device.compiler == "onnxruntime"
    return {
        "name": device.name,
        "title": device.title,
        "runtime": f"{device.runtime} {runtime_version()}" if here else device.runtime,
        "provenance": device.provenance,
        "threads": device.threads,
    }


def _options(compiled: Compiled) -> list[OptionInfo]:
    device, prices = compiled.program.device, compiled.prices
    found: list[OptionInfo] = []
    for option, label in zip(prices.options, prices.labels, strict=True):
        line = device.find(option) or device.default
        title = device.default.title if option is None else line.title
        found.append({"label": label, "title": title, "python": option_python(option)})
    return found


def option_python(option: Option) -> str:
    """An option as the code that makes it."""
    return "None" if option is None else f"talaria.{option!r}".replace("=Act", "=talaria.Act")


def _modules(modules: Any, paths: Sequence[str]) -> dict[str, str]:
    """The classes of the modules that hold rows."""
    wanted = {""}
    for path in set(paths):
        parts = path.split(".")
        wanted.update(".".join(parts[: i + 1]) for i in range(len(parts)))
    return {path: name for path, name in modules.items() if path in wanted}


def report_message(report: Report, program: int, recipe: int, sequence: int) -> bytes:
    """What the recipe costs; the page has the prices, and looks up its rows' and casts'."""
    after = report.after
    meta: ReportMeta = {
        "program": program,
        "recipe": recipe,
        "sequence": sequence,
        "totals": report.totals,
        "baseline": report.baseline,
        "estimated": report.estimated,
        "measured": report.measured,
        "difference_s": report.difference_s,
        "change": _change(report),
        "unknown_rows": report.unknown_rows,
        "corrections": list(after.corrections),
        "provenance": report.provenance,
        "latency_source": report.latency_source,
        "energy_source": report.energy_source,
        "refused": _refusals(report),
        "notes": list(report.notes),
    }
    blocks: dict[str, NDArray[Any]] = {
        "choice": report.chosen.astype(np.int32),
        "column": after.column.astype(np.int32),
        "mixed": after.mixed.astype(np.uint8),
        "memory_bytes": after.memory_bytes.astype(np.float64),
    }
    for name in ("tensor", "source", "target", "row"):
        blocks[f"cast_{name}"] = np.asarray(getattr(after.casts, name), np.int32)
    return encode(meta, blocks)


def _change(report: Report) -> ChangeInfo | None:
    ratio, low, high = (report.totals[f"latency_s_change{end}"] for end in ("", "_low", "_high"))
    if ratio is None or low is None or high is None:
        return None
    return {"ratio": ratio, "low": low, "high": high}


def _refusals(report: Report) -> list[RefusalInfo]:
    row_of = report.program.row_of_op
    tasks = report.program.tasks
    return [
        {
            "row": tasks[row_of[r.name]].name if r.name in row_of else r.name,
            "option": option_label(r.option),
            "reason": r.reason,
            "runs_as": report.prices.labels[0],
        }
        for r in report.refused
    ]


def rows_of(program: Program, hits: Iterable[int]) -> list[int]:
    """The rows that hold these ops, in order."""
    row_of, ops = program.row_of_op, program.graph.ops
    return sorted({row_of[ops[i].name] for i in hits if ops[i].name in row_of})


def _weights(program: Program, hits: Iterable[int], number: Mapping[str, int]) -> list[int]:
    """The stored weights that options for these ops are for."""
    ops, tensors = program.graph.ops, program.graph.tensors
    names = (name for i in hits for name in ops[i].weights if name in number)
    return sorted({number[name] for name in names if tensors[name].role == "weight"})


def recipe_state(
    recipe: Recipe, choice: Choice, program: Program, revision: int, undo: bool, redo: bool
) -> RecipeState:
    """The rules, with the rows and weights that each one hits."""
    number = {w.name: i for i, w in enumerate(program.weights) if w.leader == w.name}
    rules: list[RuleInfo] = [
        {
            "match": list(rule.patterns),
            "option": option_label(rule.option),
            "python": option_python(rule.option),
            "enabled": rule.enabled,
            "rows": rows_of(program, hits),
            "weights": _weights(program, hits, number),
        }
        for rule, hits in zip(recipe.rules, choice.hits, strict=True)
    ]
    return {
        "revision": revision,
        "rules": rules,
        "python": recipe.to_python(),
        "can_undo": undo,
        "can_redo": redo,
    }
