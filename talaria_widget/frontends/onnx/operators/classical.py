"""The operators of domains beside the standard one: classical models, training steps, previews."""

from __future__ import annotations

from talaria_widget.frontends.onnx.operators import attention, ensembles, settings
from talaria_widget.frontends.onnx.operators.entries import Operator, Table, every, first

_LONGEST = "each tree counts as its longest way from root to leaf, an upper bound"
_ML: Table = {
    **first("movement", "ArrayFeatureExtractor", settings.copy),
    **every("movement", "FeatureVectorizer ZipMap", settings.copy),
    **every("elementwise", "Binarizer CategoryMapper Imputer LabelEncoder OneHotEncoder Scaler"),
    "Normalizer": Operator("norm", settings.statistics),
    "LinearClassifier": Operator("linear", ensembles.linear_model),
    "LinearRegressor": Operator("linear", ensembles.linear_model),
    "SVMClassifier": Operator("matmul", ensembles.support_vectors),
    "SVMRegressor": Operator("matmul", ensembles.support_vectors),
    "TreeEnsemble": Operator("reduction", ensembles.newer_trees, caveat=_LONGEST),
    "TreeEnsembleClassifier": Operator("reduction", ensembles.trees, caveat=_LONGEST),
    "TreeEnsembleRegressor": Operator("reduction", ensembles.trees, caveat=_LONGEST),
    # Of maps, whose sizes are data.
    **every("unknown", "CastMap DictVectorizer"),
}
_TRAINING: Table = {
    "Adagrad": Operator("elementwise", settings.states(1)),
    "Adam": Operator("elementwise", settings.states(2)),
    "Momentum": Operator("elementwise", settings.states(1)),
    # It stands for the whole backward pass.
    **every("unknown", "Gradient"),
}

CLASSICAL: Table = {
    **{f"ai.onnx.ml.{name}": row for name, row in _ML.items()},
    **{f"ai.onnx.preview.training.{name}": row for name, row in _TRAINING.items()},
    "ai.onnx.preview.FlexAttention": Operator("attention", attention.flexible, (0, 1, 2)),
}
