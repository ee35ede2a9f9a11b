"""How time grows with a model: 500 to 32,000 operations, of two front ends and two shapes.

CPU microseconds per operation of capture with counting, of compiling and pricing, of the report,
and of the messages to the page; and of each option really written into the ONNX files. The sizes
take turns and only times of one round are compared, so that a machine whose speed changes in the
minutes between does not look like growth. Ends with 1 where the median round is off a straight
line by more than 1.3 times, or where the shape of Llama-3-8B takes over 2 s or 200 MB.
"""

from __future__ import annotations

import argparse
import gc
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

import talaria_widget as talaria
from talaria_widget import messages, pipeline
from talaria_widget.hardware import device
from talaria_widget.recipe import Activations, Cast, Option, Quantize, Recipe
from talaria_widget.rewrite.assumed import assumed_ranges
from talaria_widget.rewrite.onnx import rewrite
from talaria_widget.work import count

WIDTH = 16
SIZES = {500: 4, 2_000: 2, 8_000: 1, 32_000: 1}  # operations: runs in a round
ROUNDS = 3
REWRITTEN = (500, 2_000, 8_000)
OPTIONS: Mapping[str, Option] = {
    "int8": Quantize(8),
    "int8 w+a": Quantize(8, activations=Activations(8)),
    "int8 dynamic": Quantize(8, activations=Activations(8, dynamic=True)),
    "int4 blocks": Quantize(4, granularity="block", block_size=WIDTH),
    "fp16": Cast("float16"),
}
LIMIT = 1.3
LLAMA_S, LLAMA_MB = 2.0, 200
STAGES = ("capture and count", "compile and price", "report", "messages")


class Chain(nn.Module):
    """Residual blocks in a row, every fiftieth of them read again at the end."""

    def __init__(self, operations: int) -> None:
        super().__init__()
        blocks = operations // 4
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(blocks))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(blocks))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for at, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = x + torch.relu(layer(norm(x)))
            if at % 50 == 0:
                kept.append(x)
        return torch.cat([*kept, x], -1)


class Fan(nn.Module):
    """One input read by every branch, one sum of them all."""

    def __init__(self, operations: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(operations // 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.relu(layer(x)) for layer in self.layers]).sum(0)


def onnx_net(operations: int, *, fan: bool) -> onnx.ModelProto:
    """The same two shapes as a file: MatMul, Add, Relu, Add."""
    nodes, weights, ends, last = [], [], [], "x"
    kernel, bias = np.zeros((WIDTH, WIDTH), np.float32), np.zeros(WIDTH, np.float32)
    for at in range(operations // 4):
        entry = "x" if fan else last
        weights.append(onnx.numpy_helper.from_array(kernel, f"layer.{at}.weight"))
        weights.append(onnx.numpy_helper.from_array(bias, f"layer.{at}.bias"))
        steps = (
            ("MatMul", [entry, f"layer.{at}.weight"]),
            ("Add", [f"{at}/0", f"layer.{at}.bias"]),
            ("Relu", [f"{at}/1"]),
            ("Add", [f"{at}/2", entry]),
        )
        for number, (kind, inputs) in enumerate(steps):
            name = f"/layer.{at}/{kind}_{number}"
            nodes.append(helper.make_node(kind, inputs, [f"{at}/{number}"], name=name))
        last = f"{at}/3"
        ends.append(last)
    if fan:
        nodes.append(helper.make_node("Concat", ends, ["all"], axis=-1))
        last = "all"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, WIDTH])
    out = helper.make_tensor_value_info(last, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "generated", [x], [out], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


NETS: Mapping[str, Callable[[int], tuple[Any, Any]]] = {
    "torch, a chain": lambda n: (Chain(n).eval(), torch.randn(2, WIDTH)),
    "torch, a fan": lambda n: (Fan(n).eval(), torch.randn(2, WIDTH)),
    "onnx, a chain": lambda n: (onnx_net(n, fan=False), None),
    "onnx, a fan": lambda n: (onnx_net(n, fan=True), None),
}


def stages(model: Any, inputs: Any) -> tuple[int, list[float]]:
    """The operations of a model, and the seconds of each stage."""
    on, empty = device("cpu-avx2"), Recipe({})
    gc.collect()
    marks = [time.process_time()]
    graph = talaria.capture(model, inputs)
    for op in graph.ops:
        count(graph, op)
    marks.append(time.process_time())
    compiled = pipeline.compile_for(graph, on, empty)
    marks.append(time.process_time())
    report = pipeline.report(compiled, empty)
    repr(report)
    marks.append(time.process_time())
    messages.program_message(compiled, [on], 1)
    messages.report_message(report, 1, 1, 1)
    marks.append(time.process_time())
    return len(graph.ops), [end - start for start, end in pairwise(marks)]


def growth() -> int:
    print("CPU us per operation")
    print(f"{'':16}{'operations':>11}" + "".join(f"{name:>19}" for name in STAGES) + f"{'all':>9}")
    over = 0
    for name, make in NETS.items():
        nets = {size: make(size) for size in SIZES}
        stages(*nets[min(SIZES)])  # imports, and fills caches
        rounds = [
            dict(_staged(*nets[size], runs) for size, runs in SIZES.items()) for _ in range(ROUNDS)
        ]
        for operations in rounds[0]:
            costs = zip(*(each[operations] for each in rounds), strict=True)
            per_op = [statistics.median(each) for each in costs]
            cells = "".join(f"{value:19.1f}" for value in per_op)
            print(f"{name:16}{operations:11}{cells}{sum(per_op):9.1f}", flush=True)
        off, exponent = _judge([{n: sum(stage) for n, stage in each.items()} for each in rounds])
        over += off > LIMIT
        print(
            f"{name}: time grows as operations^{exponent:.2f}, and stays within {off:.2f} times a "
            f"straight line (limit {LIMIT})"
        )
    return over


def _staged(model: Any, inputs: Any, runs: int) -> tuple[int, list[float]]:
    """A model's operations, and CPU microseconds per operation of each stage: medians of runs."""
    found = [stages(model, inputs) for _ in range(runs)]
    times = zip(*(seconds for _, seconds in found), strict=True)
    operations = found[0][0]
    return operations, [1e6 * statistics.median(each) / operations for each in times]


def rewriting() -> int:
    """The same of models compressed throughout, as they are built to be timed."""
    print("CPU us per operation of writing an option")
    over = 0
    for option, value in OPTIONS.items():
        for fan in (False, True):
            nets = {size: onnx_net(size, fan=fan) for size in REWRITTEN}
            _written(nets[min(nets)], value)
            rounds = [
                {
                    size: statistics.median(_written(net, value) for _ in range(SIZES[size])) / size
                    for size, net in nets.items()
                }
                for _ in range(ROUNDS)
            ]
            off, exponent = _judge(rounds)
            over += off > LIMIT
            costs = (1e6 * statistics.median(each[size] for each in rounds) for size in nets)
            cells = "".join(f"{value:9.1f}" for value in costs)
            print(
                f"{option:16}{'a fan' if fan else 'a chain':9}{cells}  operations^{exponent:.2f}, "
                f"within {off:.2f}",
                flush=True,
            )
    return over


def _written(net: onnx.ModelProto, option: Option) -> float:
    """CPU seconds of writing a model with the option on every matrix."""
    chosen = dict.fromkeys((t.name for t in net.graph.initializer if len(t.dims) == 2), option)
    gc.collect()
    start = time.process_time()
    rewrite(net, chosen, ranges=assumed_ranges)
    return time.process_time() - start


def _judge(rounds: Sequence[Mapping[int, float]]) -> tuple[float, float]:
    """How far a cost is off the mean of its round, and the exponent fitted; medians of rounds."""
    off, slopes = [], []
    for each in rounds:
        mean = statistics.geometric_mean(each.values())
        points = [(math.log(n), math.log(n * cost)) for n, cost in each.items()]
        slopes.append(statistics.linear_regression(*zip(*points, strict=True)).slope)
        off.append(max(max(cost / mean, mean / cost) for cost in each.values()))
    return statistics.median(off), statistics.median(slopes)


LLAMA = """
import resource, time
import torch, transformers
import talaria_widget as talaria
from talaria_widget.work import count

talaria.capture(torch.nn.Linear(4, 4), torch.randn(1, 4))
with torch.device("meta"):
    config = transformers.LlamaConfig(
        vocab_size=128_256, hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32,
        num_attention_heads=32, num_key_value_heads=8)
    model = transformers.LlamaForCausalLM(config).eval()
before = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
start = time.perf_counter()
graph = talaria.capture(model, {"input_ids": torch.zeros(1, 128, dtype=torch.long),
                                "use_cache": False})
macs = sum(count(graph, op).macs or 0 for op in graph.ops)
seconds = time.perf_counter() - start
added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
print(seconds, added / 1e6, len(graph.ops), macs)
"""


def llama() -> int:
    """Llama-3-8B without a weight, in a process of its own: seconds by the clock, peak memory."""
    out = subprocess.run([sys.executable, "-c", LLAMA], check=True, capture_output=True, text=True)
    seconds, added, operations, macs = map(float, out.stdout.split()[-4:])
    print(
        f"Llama-3-8B on meta, 128 tokens: {seconds:.2f} s (limit {LLAMA_S}), at most "
        f"{added:.0f} MB more (limit {LLAMA_MB}), {operations:.0f} operations, {macs:.4g} MACs"
    )
    return int(seconds > LLAMA_S) + int(added > LLAMA_MB)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("growth", "rewriting", "llama"))
    only = parser.parse_args().only
    torch.set_num_threads(1)
    over = 0
    for name, run in (("llama", llama), ("growth", growth), ("rewriting", rewriting)):
        over += run() if only in (None, name) else 0
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
