"""How far a written file is from the model that it was made of, on two inputs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite, log10
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from talaria_widget.graph import UnsupportedModelError
from talaria_widget.rewrite.child import Arrays, run

if TYPE_CHECKING:
    from torch import nn

NOISE = 0.1


def vary(feed: Mapping[str, NDArray[np.generic]]) -> Arrays:
    """Another input of the same shapes and dtypes: the values in another order, floats noisy.

    Values stay in the range of the given ones, so that indices and masks stay valid.
    """
    random = np.random.default_rng(0)
    varied: Arrays = {}
    for name, array in feed.items():
        other = random.permutation(array.reshape(-1)).reshape(array.shape)
        if np.issubdtype(array.dtype, np.floating):
            spread = float(np.std(array.astype(np.float64))) or 1.0
            noise = random.normal(scale=NOISE * spread, size=array.shape)
            other = (other + noise).astype(array.dtype)
        varied[name] = np.ascontiguousarray(other)
    return varied


@dataclass(frozen=True, slots=True)
class Difference:
    """How far outputs are from what they were, over all inputs.

    `largest` is the largest difference relative to the largest value of its output. `sqnr_db`
    is, per output of real numbers, the worst ratio of the power of the values to that of their
    differences, in decibels; infinite where they are equal.
    """

    largest: float
    sqnr_db: Mapping[str, float]


def compare(
    before: ModelProto, after: ModelProto, feed: Mapping[str, NDArray[np.generic]]
) -> Difference:
    """How far the outputs of two files are from each other.

    Both run in ONNX Runtime, in a child process, on the given input and on a varied one.

    Raises:
        UnsupportedModelError: ONNX Runtime cannot run one of them, or crashed.
    """
    feeds = [dict(feed), vary(feed)]
    expected = [list(r.values()) for r in run(before, feeds, "the model")]
    return _differences(expected, run(after, feeds, "the compressed model"))


def verify(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, proto: ModelProto
) -> Difference:
    """The same between a module and the file that was made of it.

    The module's weights are read where they are; what it may change is copied.

    Raises:
        UnsupportedModelError: as `compare`, or the outputs are not as many or not of the shapes.
    """
    import torch
    from torch.utils import _pytree as pytree

    from talaria_widget.frontends.torch.trace.structure import tensors
    from talaria_widget.rewrite.inputs import feed, refill

    feeds = [feed(model, args, kwargs, proto)]
    feeds.append(vary(feeds[0]))
    expected = []
    for values in feeds:
        filled, named = refill(model, args, kwargs, values)
        shared = {id(parameter): parameter for parameter in model.parameters()}
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            outputs = copy.deepcopy(model, shared)(*filled, **named)
        leaves = [tensor for _, tensor in tensors(outputs)]
        if len(leaves) != len(proto.graph.output):  # torch's exporter looks into fewer objects
            leaves = [x for x in pytree.tree_leaves(outputs) if isinstance(x, torch.Tensor)]
        expected.append([leaf.detach().cpu().numpy() for leaf in leaves])
    return _differences(expected, run(proto, feeds, "the compressed model"))


def _differences(
    expected: Iterable[list[NDArray[np.generic]]], results: Iterable[Arrays]
) -> Difference:
    worst, ratios = 0.0, dict[str, float]()
    for wanted, got in zip(expected, results, strict=True):
        if len(wanted) != len(got):
            raise UnsupportedModelError(
                f"the file has {len(got)} outputs, the model {len(wanted)}."
            )
        for reference, (name, value) in zip(wanted, got.items(), strict=True):
            if reference.shape != value.shape:
                raise UnsupportedModelError(
                    f"the output {name!r} has shape {value.shape}, the model's {reference.shape}."
                )
            if reference.size == 0 or reference.dtype.kind in "OSU":
                continue
            a, b = reference.astype(np.float64), value.astype(np.float64)
            worst = max(worst, _largest(a, b))
            if reference.dtype.kind == "f":
                ratios[name] = min(ratios.get(name, inf), _decibels(a, b))
    return Difference(worst, ratios)


def _same(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _largest(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    same, finite = _same(a, b), np.isfinite(a) & np.isfinite(b)
    if not (same | finite).all():
        return inf
    size = float(np.abs(a[finite]).max(initial=0.0)) or 1.0
    return float(np.abs(a[~same] - b[~same]).max(initial=0.0)) / size


def _decibels(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """10 log10 of the sum of squares over the sum of squared differences."""
    differs = ~_same(a, b)
    if not differs.any():
        return inf
    noise = float(np.square(a[differs] - b[differs]).sum())
    signal = float(np.square(a[np.isfinite(a)]).sum())
    return 10 * log10(signal / noise) if isfinite(noise) and signal > 0 else -inf
