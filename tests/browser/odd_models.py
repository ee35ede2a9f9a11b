"""Models whose names and figures no page expects."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

import talaria_widget as talaria
from talaria_widget import wire

HTML = "<img src=x onerror=hurt=1>"
SCRIPT = '"><script>hurt=1</script>'
LONG = "n" * 10_000
HEBREW, ARABIC = "שכבה ראשונה", "طبقة الالتفاف"
# Turns what follows around, and joins with nothing: names may hold these, too.
TURNING = "a\u202eb\u0301\u200bc"
NAMES = (HTML, SCRIPT, LONG, HEBREW, ARABIC, TURNING)


def odd_names() -> nn.Module:
    model = nn.Sequential()
    for name in NAMES:
        model.add_module(name, nn.Linear(64, 64))
    return model.eval()


class Alone(nn.Module):
    """One row."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.only(x))


class Nothing(nn.Module):
    """No row: what comes in goes out."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def chain() -> nn.Module:
    return nn.Sequential(*(nn.Linear(64, 64) for _ in range(8))).eval()


def shown(model: nn.Module, width: int = 64) -> talaria.Talaria:
    return talaria.show(model, torch.zeros(1, width), device="cpu-avx2", recipe={})


def odd_numbers(state: dict[str, Any]) -> dict[str, Any]:
    """The messages of `chain`, where figures of its rows are unknown, infinite and zero."""
    meta, read_only = wire.decode(state["_program"])
    blocks = {name: block.copy() for name, block in read_only.items()}
    rows = len(meta["names"])
    # Each row has prices of its own.
    for name in ("latency", "energy"):
        for bound in ("", "_low", "_high"):
            table = blocks[name + bound][blocks["row_signature"]]
            table[0], table[1], table[2] = np.nan, np.inf, 0
            blocks[name + bound] = table
    for name in ("provenance", "gives", "refusal", "bound"):
        blocks[name] = blocks[name][blocks["row_signature"]]
    blocks["row_signature"] = np.arange(rows, dtype=np.int32)
    for name in ("macs", "flops", "read_bytes", "write_bytes"):
        blocks[name][0], blocks[name][1], blocks[name][2] = np.nan, np.inf, 0
    blocks["parameters"][0] = np.nan
    blocks["times"][3] = np.nan
    told, answers = wire.decode(state["_report"])
    memory = answers["memory_bytes"].copy()
    memory[0], memory[1] = np.nan, np.inf
    unknown = dict.fromkeys(told["totals"])
    told |= {"totals": unknown, "baseline": unknown, "estimated": unknown, "change": None}
    told["unknown_rows"] = 1
    return {
        **state,
        "_program": wire.encode(meta, blocks),
        "_report": wire.encode(told, answers | {"memory_bytes": memory}),
    }
