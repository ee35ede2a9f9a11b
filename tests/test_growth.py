"""What is done for a model grows with its size, and not faster."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto

from growing import chain, images, steps
from talaria_widget import hardware
from talaria_widget.compilers import pricing
from talaria_widget.compilers.cache import Cache
from talaria_widget.compilers.observed import Node, Timing
from talaria_widget.compilers.onnxruntime.bench import Bench
from talaria_widget.compilers.onnxruntime.payloads import Seen
from talaria_widget.compilers.onnxruntime.plan import builds
from talaria_widget.compilers.onnxruntime.rows import file_nodes, measured_program, seconds_again
from talaria_widget.pipeline import capture
from talaria_widget.recipe import Activations, Cast, Quantize
from talaria_widget.rewrite.assumed import assumed_ranges
from talaria_widget.rewrite.folding import fold
from talaria_widget.rewrite.onnx import rewrite
from talaria_widget.rewrite.onnx_source import source_of_file

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


class Still:
    """A process that ran each node of the file as it is, and of every build what it was asked."""

    def __init__(self, net: ModelProto) -> None:
        self._net = net
        self._base = ran(net)

    def __call__(self, command: str, payload: Any) -> Any:
        if command == "baseline":
            return Timing(1.0, 0.0, 4), Timing(1.0, 0.0, 4), 0.0, self._base, None
        built = rewrite(self._net, payload.options, ranges=assumed_ranges).model
        again = tuple(replace(node, seconds=2 * node.seconds) for node in self._base)
        return Seen(1.0, 1.0, 0.0, again, ran(built), ran(built))


def ran(model: ModelProto) -> tuple[Node, ...]:
    return tuple(replace(node, seconds=1e-3) for node in file_nodes(model))


def opened(net: ModelProto, folder: Path) -> Bench:
    graph = capture(net)
    menu = hardware.device("onnxruntime-cpu")
    lines = tuple(line for line in menu.menu if line.option in (None, OPTIONS["int8"]))
    device = replace(menu, menu=lines)
    bench = Bench(graph, source_of_file(net, graph), device, Cache(folder))
    bench._process.ask = Still(net)  # type: ignore[method-assign]
    return bench


@pytest.mark.parametrize("net", NETS)
def test_measuring_a_model_grows_with_it(net: str, tmp_path: Path) -> None:
    taken: dict[str, list[int]] = {"compile": [], "plan": [], "sweep": [], "price": []}
    for size in (BLOCKS, TIMES * BLOCKS):
        bench = opened(NETS[net](size), tmp_path / str(size))
        taken["compile"].append(steps(bench.compile))
        program = bench.compile()
        plan = partial(builds, program, (), bench._table, mixed=True)
        taken["plan"].append(steps(plan))
        taken["sweep"].append(steps(lambda b=bench, p=program: list(b.sweep(p, ()))))
        taken["price"].append(steps(lambda b=bench, p=program: b.price(p, ())))
    for small, large in taken.values():
        assert large / small < TIMES * LIMIT, taken


def test_formulas_are_asked_once_while_a_program_is_priced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    price = pricing.price
    monkeypatch.setattr(pricing, "price", lambda *given: asked.append(1) or price(*given))
    bench = opened(chain(BLOCKS), tmp_path)
    program = bench.compile()
    first = steps(lambda: bench.price(program, ()))
    again = steps(lambda: bench.price(program, ()))
    assert len(asked) == 1
    assert again < first / 4
    before = bench.price(program, ())
    for _ in bench.sweep(program, ()):
        pass
    assert (bench.price(program, ()).provenance != before.provenance).any()
    assert len(asked) == 1
    bench.price(program, (OPTIONS["int8 weights"],))
    assert len(asked) == 2


def test_another_profile_of_the_same_nodes_needs_no_new_rows() -> None:
    net = chain(2)
    graph, run = capture(net), ran(net)
    measured = measured_program(
        graph, hardware.device("onnxruntime-cpu"), source_of_file(net, graph), run
    )
    twice = tuple(replace(node, seconds=2 * node.seconds) for node in run)
    assert seconds_again(measured, run, twice) == tuple(2 * s for s in measured.seconds)
    assert seconds_again(measured, run, twice[:-1]) == ()
    assert seconds_again(measured, run, (twice[1], twice[0], *twice[2:])) == ()
