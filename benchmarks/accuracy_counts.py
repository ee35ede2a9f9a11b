"""Our multiply-adds beside independent counts, published figures, formulas and other tools.

Writes `docs/counting.md`; fails where one is off by more than 1 % without a stated reason.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.counting_formulas import WORKED, Worked, evaluate
from benchmarks.counting_language import LANGUAGE
from benchmarks.counting_models import TIMM, VISION, Case
from benchmarks.counting_rarer import RARER
from benchmarks.counting_tools import TOOLS, ask
from benchmarks.independent_count import independent_count
from talaria_widget.frontends.torch import capture
from talaria_widget.graph import Op
from talaria_widget.work import count

LIMIT = 0.01
# Half of the last digit that torchvision publishes.
ROUNDING = 0.5e6
ROOT = Path(__file__).parents[1]
HEAD = ROOT / "benchmarks" / "counting_head.md"
TARGET = ROOT / "docs" / "counting.md"
# Models that may differ, and why; none does.
KNOWN: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Counted:
    """What we say of a model."""

    operations: int
    macs: int
    unknown: tuple[Op, ...]


def counted(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Counted:
    """Capture a model and count every operation."""
    graph = capture(model, kwargs or args)
    works = [(op, count(graph, op)) for op in graph.ops]
    unknown = tuple(op for op, work in works if work.macs is None or work.flops is None)
    return Counted(len(graph.ops), sum(work.macs or 0 for _, work in works), unknown)


@dataclass(frozen=True, slots=True)
class Row:
    """A model's line of the table, how far off it is, and whether that is allowed."""

    line: str
    error: float
    held: bool


def check(case: Case) -> Row:
    """A model's row of the table."""
    model, args, kwargs = case.build()
    ours = counted(model, args, kwargs)
    independent = independent_count(model, args, kwargs).total
    published = case.published()
    error = ours.macs / independent - 1
    coverage = 1 - len(ours.unknown) / ours.operations
    held = abs(error) <= LIMIT and not ours.unknown
    shown = "-"
    if published is not None:
        off = ours.macs - published
        held = held and abs(off) <= max(LIMIT * published, ROUNDING)
        shown = f"{published / 1e9:.3f} G, {off / published:+.2%}"
    why = KNOWN.get(case.name, "")
    row = (
        f"| {case.name} | {ours.operations} | {coverage:.0%} | {ours.macs:,} | {independent:,} "
        f"| {error:+.4%} | {shown} |"
    )
    return Row(row + (f" {why}" if why else ""), abs(error), held or bool(why))


def tables(cases: Iterable[Case]) -> Iterator[Row]:
    """Each model's row, printed as it is made."""
    for case in cases:
        start = time.perf_counter()
        row = check(case)
        mark = "" if row.held else "  <-- over the limit"
        print(f"{row.line} {time.perf_counter() - start:.1f} s{mark}", flush=True)
        yield row


def explain(worked: Worked) -> tuple[list[str], str, bool]:
    """An architecture's formula, its row beside the tools, and whether we agree with it."""
    ours = counted(*worked.make()).macs
    lines = [f"### {worked.name}", f"{worked.given}.", ""]
    lines += [f"    {name}: {text} = {evaluate(text):,}" for name, text in worked.terms.items()]
    lines += [f"    in all: {worked.value:,}", "", worked.verdict, ""]
    said = [ask(tool, worked.make) for tool in TOOLS.values()]
    cells = [one if isinstance(one, str) else _beside(one, worked.value) for one in said]
    row = f"| {worked.name} | {worked.value:,} | {ours:,} | " + " | ".join(cells) + " |"
    print(row, flush=True)
    return lines, row, ours == worked.value


def _beside(said: float, true: int) -> str:
    return f"{said:,.0f} ({said / true:.2%})"


SECTIONS = {
    "torchvision": (
        "## torchvision",
        "Constructors with random weights, on real inputs. `independent` is counted while the "
        "model runs, by hooks and at torch's dispatcher (`benchmarks/independent_count.py`); "
        '`published` is `Weights.meta["_ops"]`, where torchvision has one for this input, '
        "rounded to 0.001 G (which is 1.2 % of the smallest).",
        VISION,
    ),
    "transformers": (
        "## transformers",
        "Small configurations of each architecture, counted in the same way.",
        [*LANGUAGE, *RARER],
    ),
    "timm": (
        "## timm",
        "Architectures that no other family here has, at 1 x 3 x 224 x 224, in the same way.",
        TIMM,
    ),
}
COLUMNS = (
    "| model | operations | counted | ours | independent | error | published |",
    "|---|---:|---:|---:|---:|---:|---:|",
)


def main() -> int:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    failed: list[str] = []
    lines = [HEAD.read_text(encoding="utf-8")]
    sections, rows = [], []
    for worked in WORKED:
        section, row, agreed = explain(worked)
        sections += section
        rows.append(row)
        if not agreed:
            failed.append(worked.name)
    names = " | ".join(TOOLS)
    lines += [
        "## By hand, and by other tools",
        "Multiply-adds of a forward by the formulas below, by us, and by each tool as it is run "
        "here on a CPU (with the share of the true figure).",
        "",
        f"| model | formula | ours | {names} |",
        "|---|---:|---:|" + "---:|" * len(TOOLS),
        *rows,
        "",
        *sections,
    ]
    for title, text, cases in SECTIONS.values():
        made = list(tables(cases))
        failed += [row.line for row in made if not row.held]
        worst = max(row.error for row in made)
        said = f"{len(made)} models; the worst error is {worst:.4%}."
        lines += [title, text, said, "", *COLUMNS, *[row.line for row in made], ""]
    TARGET.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    total = len(WORKED) + sum(len(cases) for _, _, cases in SECTIONS.values())
    print(f"{total - len(failed)} of {total} within {LIMIT:.0%}; written to docs/{TARGET.name}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
