"""A PyTorch module as an ONNX model whose tensors keep the names of the module's parameters."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper
from torch import nn

from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.draft import LARGEST_BYTES, Draft, attribute
from talaria_widget.rewrite.norms import fold_norms

ANSI = re.compile(r"\x1b\[[0-9;]*m")
CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
SMALL_BYTES = 65_536


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
    return fold_norms(_without_zero_biases(_named(raw, model)))


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
    """No output, no warnings, no gradients, and the random numbers of before."""
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
        tensor = values[stored.name].detach().cpu().contiguous()
        array = numpy_helper.to_array(stored)
        if array.nbytes <= SMALL_BYTES or array.nbytes == tensor.numel() * tensor.element_size():
            kept = tuple(array.shape) == tuple(tensor.shape) and _equal(array, tensor)
        else:
            kept = False
        if not kept:
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
    if tensor.dtype == torch.bfloat16:
        return bool((array.view(np.int16) == tensor.view(torch.int16).numpy()).all())
    mine = tensor.numpy()
    return array.dtype == mine.dtype and array.tobytes() == mine.tobytes()


def _without_zero_biases(proto: ModelProto) -> ModelProto:
    """The same model without the zeros that the exporter computes for a missing bias.

    It writes them as a chain of small nodes that run each time and keep the runtime from
    fusing the convolution.
    """
    draft = Draft(proto)
    producers = draft.producers()
    for node in draft.nodes:
        if node.op_type in CONVOLUTIONS and len(node.input) > 2:
            made = producers.get(node.input[2])
            if made is not None and _is_zero(draft, producers, made):
                del node.input[2:]
    _remove_dead(draft)
    return draft.finish()


def _is_zero(draft: Draft, producers: Mapping[str, NodeProto], node: NodeProto) -> bool:
    """Whether a value is an expanded constant zero, whatever its shape."""
    while node.op_type in ("Expand", "CastLike", "Cast", "Identity"):
        name = node.input[0]
        if name in draft.stored:
            return not np.any(draft.array(name))
        if name not in producers:
            return False
        node = producers[name]
    return node.op_type == "ConstantOfShape" and not np.any(_fill(node))


def _fill(node: NodeProto) -> NDArray[np.generic]:
    value = attribute(node, "value", None)
    return np.zeros(1) if value is None else np.asarray(numpy_helper.to_array(value))


def _remove_dead(draft: Draft) -> None:
    """Take out nodes whose results nobody reads, and then those that only they read."""
    while True:
        read = {name for node in draft.nodes for name in node.input}
        read |= draft.outputs | draft.captured
        dead = [node for node in draft.nodes if not any(name in read for name in node.output)]
        if not dead:
            return
        draft.remove(dead)
