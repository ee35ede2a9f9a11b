"""Detection models: what data decides is run for real and noted, and every operator is there."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
import torch
from torch import nn

import torchvision_cpu
from talaria_widget.frontends.torch import capture, record
from talaria_widget.work import count
from test_frontend_torch import Written

BOXES = {
    "min_size": 96,
    "max_size": 96,
    "rpn_pre_nms_top_n_test": 40,
    "rpn_post_nms_top_n_test": 12,
    "box_detections_per_img": 6,
}
SIZES = {"min_size": 96, "max_size": 96}
MODELS: dict[str, tuple[dict[str, Any], int]] = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": (BOXES, 96),
    "maskrcnn_resnet50_fpn": (BOXES, 96),
    "retinanet_resnet50_fpn": (SIZES, 96),
    "ssdlite320_mobilenet_v3_large": ({"num_classes": 4, "topk_candidates": 20}, 320),
}


def by_hooks(model: nn.Module, inputs: Any) -> tuple[int, Any]:
    """The multiply-adds of convolutions and linear layers of a real run, and what it gave."""
    total = 0

    def note(module: Any, given: Any, result: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):
            total += given[0].numel() * prod(module.weight.shape[1:])
        else:
            total += result.numel() * prod(module.weight.shape[1:])

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    layers = [module for module in model.modules() if isinstance(module, kinds)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad():
        result = model(inputs)
    for handle in handles:
        handle.remove()
    return total, result


@pytest.mark.parametrize("name", MODELS)
def test_a_detector_comes_in_whole(name: str) -> None:
    sizes, side = MODELS[name]
    torch.manual_seed(0)
    build = getattr(torchvision_cpu.models().detection, name)
    model = build(weights=None, weights_backbone=None, **sizes).eval()
    images = [torch.rand(3, side, side)]
    total, real = by_hooks(model, images)
    recording = record(model, (images,))
    graph = recording.graph
    layers = [op for op in graph.ops if op.kind in ("conv", "conv_transpose", "linear")]
    assert sum(count(graph, op).macs or 0 for op in layers) == total
    shapes = [graph.tensors[output].shape for output in graph.outputs]
    assert shapes == [tuple(tensor.shape) for tensor in real[0].values()]
    assert any(op.target == "torchvision.nms" for op in graph.ops) or "rcnn" not in name
    noted = [note for note in graph.notes if note.startswith("shapes depend on data, at torchvis")]
    assert noted
    assert not any("no recorded call" in note for note in graph.notes)
    calls = len(recording.trace.calls) + sum(recording.trace.queries.values())
    assert calls == len(graph.ops) + sum(graph.noise.values())


def test_operators_of_torchvision_are_ops_of_the_graph() -> None:
    torchvision_cpu.models()
    from torchvision import ops

    def forward(self: Any, x: torch.Tensor) -> Any:
        boxes = torch.tensor([[0, 1.0, 1.0, 6.0, 6.0], [0, 0.0, 2.0, 8.0, 7.0]])
        moved = self.deformable(x, x[:, : 2 * 9] * 0)
        aligned = ops.roi_align(moved, boxes, (2, 3), sampling_ratio=2)
        return aligned, ops.ps_roi_align(moved, boxes, 2), ops.roi_pool(moved, boxes, 2)

    deformable = ops.DeformConv2d(20, 8, 3, padding=1)
    graph = capture(Written(forward, deformable=deformable).eval(), torch.rand(1, 20, 8, 8))
    targets = [op.target for op in graph.ops if op.target.startswith("torchvision.")]
    assert targets == [
        "torchvision.deform_conv2d",
        "torchvision.roi_align",
        "torchvision.ps_roi_align",
        "torchvision.roi_pool",
    ]
    convolution = next(op for op in graph.ops if op.target == "torchvision.deform_conv2d")
    assert (convolution.name, convolution.kind) == ("deformable", "conv")
    assert count(graph, convolution).macs == 8 * 8 * 8 * 20 * 9
    shapes = [graph.tensors[name].shape for name in graph.outputs]
    assert shapes == [(2, 8, 2, 3), (2, 2, 2, 2), (2, 8, 2, 2)]
    assert all(count(graph, op).flops is not None for op in graph.ops)


def test_the_stand_in_for_suppression_keeps_what_it_should() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30], [0, 0, 10, 4]])
    kept = torchvision_cpu.nms(boxes, torch.tensor([0.5, 0.9, 0.1, 0.8]), 0.5)
    # The first overlaps the second by 81 of 100; the last overlaps it by 27 of 94.
    assert kept.tolist() == [1, 3, 2]
