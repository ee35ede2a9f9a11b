"""A recorded PyTorch model as ONNX, node by node, every tensor under its own name.

Each recorded call runs again on meta tensors, and the ATen calls that it is made of are
written as nodes. No weight is copied and nothing of the model is run.
"""

from __future__ import annotations

from talaria_widget.rewrite.lower.lowering import lower
from talaria_widget.rewrite.lower.module import source_of_module, source_of_recording

__all__ = ["lower", "source_of_module", "source_of_recording"]
