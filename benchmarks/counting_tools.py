"""What other tools say of a model, as multiply-adds."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

Inputs = tuple[tuple[Any, ...], dict[str, Any]]
Tool = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], float]


def torchinfo(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """`total_mult_adds` of its summary."""
    from torchinfo import summary

    data: Any = kwargs or (args[0] if len(args) == 1 else list(args))
    return float(summary(model, input_data=data, verbose=0).total_mult_adds)


def fvcore(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """`FlopCountAnalysis`, which calls one multiply-add one FLOP."""
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

    if kwargs:
        model, args = _Positional(model, list(kwargs)), tuple(kwargs.values())
    analysis = FlopCountAnalysis(model, args)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return float(analysis.total())


def ptflops(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """`get_model_complexity_info` with its default backend."""
    from ptflops import get_model_complexity_info  # type: ignore[import-untyped]

    if not kwargs and len(args) > 1:
        raise TypeError("takes keyword arguments or one tensor")
    given = kwargs or args[0]
    macs, _ = get_model_complexity_info(
        model,
        (1,),
        input_constructor=lambda _: given,
        as_strings=False,
        print_per_layer_stat=False,
        verbose=False,
    )
    if macs is None:
        raise RuntimeError("it gave no count")
    return float(macs)


def calflops(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """The second of `calculate_flops`'s three figures."""
    from calflops import calculate_flops  # type: ignore[import-untyped]

    _, macs, _ = calculate_flops(
        model,
        args=list(args),
        kwargs=kwargs,
        print_results=False,
        print_detailed=False,
        output_as_string=False,
    )
    return float(macs)


def flop_counter_mode(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """Half of `FlopCounterMode`'s FLOPs, two of which it counts per multiply-add."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as mode, torch.no_grad():
        model(*args, **kwargs)
    return float(mode.get_total_flops()) / 2


TOOLS: Mapping[str, Tool] = {
    "torchinfo": torchinfo,
    "fvcore": fvcore,
    "ptflops": ptflops,
    "calflops": calflops,
    "FlopCounterMode": flop_counter_mode,
}


def ask(tool: Tool, make: Callable[[], tuple[nn.Module, Any, Any]]) -> float | str:
    """A tool's figure for a fresh model, or "crashed: reason"."""
    model, args, kwargs = make()
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            return tool(model, args, kwargs)
    except Exception as error:  # a foreign tool on a foreign model
        cause = error.__cause__ or error
        lines = [line.strip() for line in str(cause).strip().splitlines() if line.strip()]
        reason = (lines[0] if lines else "no message")[:60].replace("|", "/")
        return f"crashed: {type(cause).__name__}: {reason}"
    finally:
        logging.disable(logging.NOTSET)


class _Positional(nn.Module):
    """A model that takes its keyword arguments by position."""

    def __init__(self, model: nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: Any) -> Any:
        result = self.model(**dict(zip(self.names, values, strict=True)))
        return tuple(v for v in result.values() if isinstance(v, torch.Tensor)) or result
