"""torchvision's architectures on a CPU build of torch.

The wheel of the package index is built for CUDA: its operators never load here, and its import
dies for want of their schemas. `make setup` keeps it out of the environment (where it would take
transformers down with it), in a folder that only this module looks into.

The operators that detection models call have stand-ins: suppression is exact, a region is read
at the centre of each bin alone, and a deformable convolution does not deform. Shapes are right.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.nn import functional

FOLDER = Path(sys.prefix) / "torchvision"
_ROIS = "Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width"
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    f"roi_align({_ROIS}, int sampling_ratio, bool aligned) -> Tensor",
    f"roi_pool({_ROIS}) -> (Tensor, Tensor)",
    f"ps_roi_align({_ROIS}, int sampling_ratio) -> (Tensor, Tensor)",
    f"ps_roi_pool({_ROIS}) -> (Tensor, Tensor)",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
    "SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, "
    "SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor",
)


def nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    """Boxes in falling order of score, without those that an earlier one overlaps too much."""
    order = scores.argsort(descending=True).tolist()
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    overlaps = shared / (areas[:, None] + areas[None] - shared) > threshold
    kept: list[int] = []
    gone = torch.zeros(len(boxes), dtype=torch.bool)
    for index in order:
        if not gone[index]:
            kept.append(index)
            gone |= overlaps[index]
    return torch.tensor(kept, dtype=torch.long)


def regions(
    image: torch.Tensor, rois: torch.Tensor, scale: float, height: int, width: int, *_: Any
) -> torch.Tensor:
    """The pixel at the centre of each bin of each region."""
    batch, corners = rois[:, 0].long(), rois[:, 1:] * scale
    sizes = corners[:, 2:] - corners[:, :2]
    rows = corners[:, 1:2] + sizes[:, 1:] * (torch.arange(height) + 0.5) / height
    columns = corners[:, :1] + sizes[:, :1] * (torch.arange(width) + 0.5) / width
    at_row = rows.long().clamp(0, image.shape[2] - 1)
    at_column = columns.long().clamp(0, image.shape[3] - 1)
    found = image[batch[:, None, None], :, at_row[:, :, None], at_column[:, None, :]]
    return found.permute(0, 3, 1, 2).contiguous()


def _sensitive(
    image: torch.Tensor, rois: torch.Tensor, scale: float, height: int, width: int, *_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, where each bin has channels of its own."""
    pooled = regions(image, rois, scale, height, width)[:, : image.shape[1] // (height * width)]
    return pooled.contiguous(), torch.zeros(pooled.shape, dtype=torch.int32)


def _pooled(
    image: torch.Tensor, rois: torch.Tensor, scale: float, height: int, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    pooled = regions(image, rois, scale, height, width)
    return pooled, torch.zeros(pooled.shape, dtype=torch.int32)


def _plain_convolution(image: torch.Tensor, weight: torch.Tensor, *rest: Any) -> torch.Tensor:
    _, _, bias, *sizes = rest
    stride, padding, dilation = sizes[:2], sizes[2:4], sizes[4:6]
    return functional.conv2d(image, weight, bias, stride, padding, dilation, sizes[6])


STAND_INS: dict[str, Callable[..., Any]] = {
    "nms": nms,
    "roi_align": regions,
    "roi_pool": _pooled,
    "ps_roi_align": _sensitive,
    "ps_roi_pool": _sensitive,
    "deform_conv2d": _plain_convolution,
}


@cache
def _library() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        name = schema.partition("(")[0]
        if not hasattr(torch.ops.torchvision, name):
            library.define(schema)
            if name in STAND_INS:
                library.impl(name, STAND_INS[name], "CPU")
    return library


@cache
def models() -> ModuleType:
    """The module `torchvision.models`, whose networks without weights run on any torch."""
    if importlib.util.find_spec("torchvision") is None:
        sys.path.append(str(FOLDER))
    _library()
    found = importlib.import_module("torchvision.models")
    for name in ("boxes", "deform_conv", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool"):
        module = importlib.import_module(f"torchvision.ops.{name}")
        for question in ("_has_ops", "_assert_has_ops"):
            if hasattr(module, question):
                setattr(module, question, lambda: True)
    return found
