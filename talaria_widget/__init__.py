"""See what every operation of a model costs on a device, and try optimizations before the work.

import talaria_widget as talaria
talaria.show(model)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from talaria_widget import charts
    from talaria_widget._api import analyze, apply, capture, show
    from talaria_widget.applied import Applied
    from talaria_widget.compilers.cache import cache_dir, clear_cache
    from talaria_widget.graph import UnsupportedModelError
    from talaria_widget.hardware import Device, device, devices
    from talaria_widget.recipe import Activations, Cast, Quantize, Recipe, Rule
    from talaria_widget.report import Report
    from talaria_widget.work import register

_HOME = {
    "Applied": "applied",
    "analyze": "_api",
    "apply": "_api",
    "capture": "_api",
    "show": "_api",
    "cache_dir": "compilers.cache",
    "clear_cache": "compilers.cache",
    "Device": "hardware",
    "device": "hardware",
    "devices": "hardware",
    "UnsupportedModelError": "graph",
    "Activations": "recipe",
    "Cast": "recipe",
    "Quantize": "recipe",
    "Recipe": "recipe",
    "Rule": "recipe",
    "Report": "report",
    "register": "work",
}

__version__ = "0.1.0"
__all__ = [
    "Activations",
    "Applied",
    "Cast",
    "Device",
    "Quantize",
    "Recipe",
    "Report",
    "Rule",
    "UnsupportedModelError",
    "analyze",
    "apply",
    "cache_dir",
    "capture",
    "charts",
    "clear_cache",
    "device",
    "devices",
    "register",
    "show",
]


def __getattr__(name: str) -> Any:
    if name == "charts":  # a module of its own, which imports Altair
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
