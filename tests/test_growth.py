"""What is done for a model grows with its size, and not faster."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from onnx import ModelProto

from growing import chain, images, steps
from talaria_widget.recipe import Activations, Cast, Quantize
from talaria_widget.rewrite.assumed import assumed_ranges
from talaria_widget.rewrite.folding import fold
from talaria_widget.rewrite.onnx import rewrite

BLOCKS, TIMES = 12, 4
LIMIT = 1.15
OPTIONS = {
    "int8 weights": Quantize(8),
    "int8": Quantize(8, activations=Activations(8)),
    "int8, dynamic": Quantize(8, activations=Activations(8, dynamic=True)),
    "int4 blocks": Quantize(4, granularity="block"),
    "float16": Cast("float16"),
}
NETS = {"a chain": chain, "a fan": partial(chain, fan=True), "images": images}


def compressed(net: ModelProto, option: Any) -> None:
    weights = [tensor.name for tensor in net.graph.initializer if len(tensor.dims) > 1]
    rewrite(net, dict.fromkeys(weights, option), ranges=assumed_ranges)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("net", NETS)
def test_compressing_a_model_grows_with_it(net: str, option: str) -> None:
    if (net, option) == ("images", "int4 blocks"):
        pytest.skip("blocks are of linear layers")
    small, large = NETS[net](BLOCKS), NETS[net](TIMES * BLOCKS)
    compressed(small, OPTIONS[option])
    taken = [steps(partial(compressed, each, OPTIONS[option])) for each in (small, large)]
    assert taken[1] / taken[0] < TIMES * LIMIT


@pytest.mark.parametrize("net", NETS)
def test_folding_a_model_grows_with_it(net: str) -> None:
    taken = [steps(partial(fold, NETS[net](size))) for size in (BLOCKS, TIMES * BLOCKS)]
    assert taken[1] / taken[0] < TIMES * LIMIT
