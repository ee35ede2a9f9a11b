"""What cannot be read, and what to pass instead: one sentence each, no framework imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXPECTED = (
    "pass a torch.nn.Module, an ExportedProgram, an onnx.ModelProto or the path of an .onnx file"
)
_PICKLES = (
    "pickles are never loaded here, for they can run code: build the module yourself, then "
    "model.load_state_dict(torch.load(path, weights_only=True)), and pass the module"
)
_FILES: Mapping[str, str] = {
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"), _PICKLES),
    ".pt2": "load it with torch.export.load(path), and pass the program",
    ".safetensors": "it holds weights without the code that uses them: build the module, load "
    "them into it, and pass the module",
    ".gguf": "it holds weights without the code that uses them: pass the module they belong to",
    **dict.fromkeys(
        (".keras", ".h5", ".hdf5", ".pb", ".tflite"),
        "convert it to ONNX (tf2onnx does), and pass the .onnx file",
    ),
    **dict.fromkeys(
        (".mlmodel", ".mlpackage", ".engine", ".plan", ".xml"),
        "it is compiled for one runtime: pass the model that it was made from",
    ),
}
_FRAMEWORKS: Mapping[str, str] = {
    "keras": "a Keras model: convert it to ONNX (model.export(path, format='onnx')), and pass the "
    "file",
    "tensorflow": "a TensorFlow model: convert it to ONNX (tf2onnx does), and pass the file",
    "jax": "a JAX function: convert it to ONNX (jax2onnx does), and pass the file",
    "flax": "a Flax module: convert it to ONNX (jax2onnx does), and pass the file",
    "sklearn": "a scikit-learn model: convert it to ONNX (skl2onnx does), and pass the file",
    "xgboost": "an XGBoost model: convert it to ONNX (onnxmltools does), and pass the file",
    "lightgbm": "a LightGBM model: convert it to ONNX (onnxmltools does), and pass the file",
}


def wrong_file(path: object) -> str | None:
    """Why a path's kind of file is not read; `None` where it may be an ONNX file."""
    if not isinstance(path, str | Path):
        return None
    said = _FILES.get(Path(path).suffix.lower())
    return None if said is None else f"{Path(path).name} is no ONNX file: {said}."


def wrong_type(model: Any) -> str:
    """Why an object is no model, and what to pass."""
    if model is None:
        return f"the model is None: {EXPECTED}."
    if isinstance(model, Mapping):
        if any(str(key).endswith(("weight", "bias", "running_mean")) for key in model):
            return (
                "this is a state dict, weights without the code that uses them: pass the nn.Module."
            )
        return f"a {type(model).__name__} is no model: {EXPECTED}."
    if isinstance(model, type):
        return f"{model.__name__} is a class: pass an instance, {model.__name__}(...)."
    for kind in type(model).__mro__:
        said = _FRAMEWORKS.get(kind.__module__.partition(".")[0])
        if said is not None:
            return f"this is {said}."
    if callable(model) and hasattr(model, "__code__"):
        name = getattr(model, "__name__", "it")
        return f"{name} is a function: pass an nn.Module whose forward calls it."
    if _is_module(getattr(model, "model", None)):
        return f"a {type(model).__name__} is no model, but holds one: pass its .model."
    return f"a {type(model).__name__} is no model: {EXPECTED}."


def _is_module(model: object) -> bool:
    return any(f"{kind.__module__}.{kind.__name__}" == _MODULE for kind in type(model).__mro__)


_MODULE = "torch.nn.modules.module.Module"
