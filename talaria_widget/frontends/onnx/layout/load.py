"""Read an ONNX model from wherever it is, without its external data, or say why not."""

from __future__ import annotations

from pathlib import Path

import onnx

from talaria_widget.frontends.onnx.layout.validate import validate
from talaria_widget.graph import UnsupportedModelError

_STATE_DICT = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".safetensors"})
# A PyTorch checkpoint is a zip archive, or a pickle where it is old.
_CHECKPOINT_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

_POINTER = b"version https://git-lfs"
_LARGEST_BYTES = 2**31
"""No protobuf message is larger."""


def load(model: str | Path | onnx.ModelProto) -> onnx.ModelProto:
    """The model as `read` gives it, with its local functions inlined by onnx.

    For a file that has been captured, and so been found sound.

    Raises:
        FileNotFoundError: There is no such file.
        UnsupportedModelError: The file is no ONNX model, is cut short, or computes nothing.
        TypeError: `model` is neither a path nor a `ModelProto`.
    """
    proto = read(model)
    if proto.functions:
        from onnx.inliner import inline_local_functions

        proto = inline_local_functions(proto)
    return proto


def read(model: str | Path | onnx.ModelProto) -> onnx.ModelProto:
    """The model as a proto, checked to be whole; external data stays on disk.

    Raises:
        FileNotFoundError: There is no such file.
        UnsupportedModelError: The file is no ONNX model, is cut short, or computes nothing.
        TypeError: `model` is neither a path nor a `ModelProto`.
    """
    if isinstance(model, onnx.ModelProto):
        proto, label = model, "this ModelProto"
    elif isinstance(model, str | Path):
        proto, label = _read(Path(model).expanduser()), repr(str(model))
    else:
        raise TypeError(
            f"cannot read a {type(model).__name__}: pass the path of an ONNX file or a ModelProto."
        )
    validate(proto, label)
    return proto


def _read(path: Path) -> onnx.ModelProto:
    if not path.exists():
        raise FileNotFoundError(f"there is no file {str(path)!r}: check the path.")
    if not path.is_file():
        raise UnsupportedModelError(f"{str(path)!r} is no file: pass the path of an ONNX file.")
    with path.open("rb") as file:
        magic = file.read(len(_POINTER))
    if path.suffix.lower() in _STATE_DICT or magic.startswith(_CHECKPOINT_MAGIC):
        raise UnsupportedModelError(
            f"{str(path)!r} holds a state dict or a pickled module, no graph: pass the nn.Module."
        )
    if magic.startswith(_POINTER):
        raise UnsupportedModelError(
            f"{str(path)!r} is a Git LFS pointer, not the file itself: run `git lfs pull`."
        )
    if path.stat().st_size >= _LARGEST_BYTES:
        raise UnsupportedModelError(
            f"{str(path)!r} has {path.stat().st_size:,} bytes and an ONNX file has at most 2 GiB: "
            "save its weights as external data."
        )
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # a foreign parser's
        raise UnsupportedModelError(
            f"{str(path)!r} is no ONNX model, or is cut short: export or download it again."
        ) from error
