"""torchvision's architectures on a CPU build of torch.

The wheel of the package index is built for CUDA: its operators never load here, and its import
dies for want of their schemas. `make setup` keeps it out of the environment (where it would take
transformers down with it), in a folder that only this module looks into.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import torch

FOLDER = Path(sys.prefix) / "torchvision"
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def _library() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)
    return library


@cache
def models() -> ModuleType:
    """The module `torchvision.models`, whose networks without weights run on any torch."""
    if importlib.util.find_spec("torchvision") is None:
        sys.path.append(str(FOLDER))
    _library()
    return importlib.import_module("torchvision.models")
