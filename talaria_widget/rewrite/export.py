"""A PyTorch module as ONNX by torch's own exporter, with the names of the module's parameters."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from torch import nn

from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.draft import LARGEST_BYTES
from talaria_widget.rewrite.exported import module_paths
from talaria_widget.rewrite.folding import fold
from talaria_widget.rewrite.tidy import tidy

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def export(
    model: nn.Module, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
) -> ModelProto:
    """The module as ONNX: norms folded into convolutions, every weight under its own name.

    The module is left as it is: a copy is exported, by `torch.onnx.export` unoptimised (its
    optimiser renames weights), and cleaned here. Shapes are those of the inputs. A tensor that
    several parameters share is stored once, under the first of their names.

    Raises:
        UnsupportedModelError: a module in training mode, without weights in memory, over
            2 GiB, or one that cannot be copied or exported.
    """
    return fold(exported(model, args, kwargs)[0])


def exported(
    model: nn.Module, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
) -> tuple[ModelProto, dict[str, str]]:
    """The module as ONNX with its norms where they are, and each value's module path.

    Raises:
        UnsupportedModelError: as `export`.
    """
    _check(model)
    with _quiet():
        try:
            duplicate = copy.deepcopy(model)
        except Exception as error:
            raise UnsupportedModelError(
                f"{type(model).__name__} cannot be copied, so apply cannot export it: "
                f"{_first_line(error)}"
            ) from error
        try:
            program = torch.onnx.export(
                duplicate,
                args,
                kwargs=dict(kwargs or {}),
                dynamo=True,
                optimize=False,
                verbose=False,
            )
            assert program is not None
            raw = program.model_proto
        except Exception as error:
            raise UnsupportedModelError(
                f"torch.onnx.export cannot export {type(model).__name__}: {_first_line(error)}"
            ) from error
        del program, duplicate
    named = _named(raw, model)
    paths = module_paths(named)
    return tidy(named, _names(model)), paths


def _check(model: nn.Module) -> None:
    kind = type(model).__name__
    for name, module in model.named_modules():
        if module.training and isinstance(
            module, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd
        ):
            raise UnsupportedModelError(
                f"{name or kind} ({type(module).__name__}) is in training mode: call "
                "model.eval() before apply."
            )
    tensors = {id(t): t for t in (*model.parameters(), *model.buffers())}.values()
    if any(tensor.is_meta for tensor in tensors):
        raise UnsupportedModelError(
            f"{kind} has weights on the meta device: apply needs a model with real weights."
        )
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if total > LARGEST_BYTES:
        raise UnsupportedModelError(
            f"{kind} stores {total:,} bytes; apply cannot write more than 2 GiB yet."
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No output, no warnings, no gradients, and the random numbers of before.

    These belong to the process: beside the main thread, where a cell may run that wants its own
    output and random numbers, they are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        with torch.no_grad():
            yield
        return
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
            torch.random.fork_rng(devices=[]),
            torch.no_grad(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _first_line(error: BaseException) -> str:
    """What went wrong at the root, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in ANSI.sub("", str(error)).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def _names(model: nn.Module) -> set[str]:
    return {name for name, _ in (*model.named_parameters(), *model.named_buffers())}


def _named(proto: ModelProto, model: nn.Module) -> ModelProto:
    """The same model, each shared tensor under the first name that the module gives it.

    The values are compared with the module's: a tensor under a parameter's name that is not
    this parameter is an error, never passed on.
    """
    first: dict[int, str] = {}
    rename: dict[str, str] = {}
    values: dict[str, torch.Tensor] = {}
    for name, tensor in (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ):
        rename[name] = first.setdefault(id(tensor), name)
        values[name] = tensor
    renamed = {}
    for stored in proto.graph.initializer:
        if stored.name not in values:
            continue
        if not _equal(numpy_helper.to_array(stored), values[stored.name]):
            raise UnsupportedModelError(
                f"the exporter changed {stored.name!r}; apply cannot tell which weight it is."
            )
        if rename[stored.name] != stored.name:
            renamed[stored.name] = rename[stored.name]
            stored.name = rename[stored.name]
    for node in proto.graph.node if renamed else ():
        for i, name in enumerate(node.input):
            if name in renamed:
                node.input[i] = renamed[name]
    return proto


def _equal(array: NDArray[np.generic], tensor: torch.Tensor) -> bool:
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        array, tensor = array.view(np.int16), tensor.view(torch.int16)
    mine = tensor.numpy()
    same = array.shape == mine.shape and array.dtype == mine.dtype
    return same and array.tobytes() == mine.tobytes()
