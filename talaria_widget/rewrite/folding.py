"""What every toolchain folds into a layer before it runs a model."""

from __future__ import annotations

from onnx import ModelProto

from talaria_widget.rewrite.draft import Draft
from talaria_widget.rewrite.norms import fold_norms
from talaria_widget.rewrite.pads import fold_pads


def fold(model: ModelProto) -> ModelProto:
    """The same model with norms and paddings in the layers that can take them; `model` stays."""
    draft = Draft(model)
    fold_norms(draft)
    fold_pads(draft)
    return draft.finish()
