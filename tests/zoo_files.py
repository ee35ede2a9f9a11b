"""Real ONNX files inside ordinary packages, two that are converted, and one over 2 GiB."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.external_data_helper import set_external_data

Feed = Mapping[str, Any]

BIG_WIDTH, BIG_LAYERS = 8192, 10


def package_folder(name: str) -> Path:
    """Where a package lies; nothing of it is imported."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"the tests need the package {name}: run `make setup`.")
    return Path(found.submodule_search_locations[0])


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def packaged(
    package: str, file: str, feed: Callable[[], Feed]
) -> Callable[[Path], tuple[Path, Feed]]:
    """A file as a package brings it."""
    return lambda _folder: (package_folder(package) / file, feed())


def light(name: str, entry: str) -> Callable[[Path], tuple[Path, Feed]]:
    """One of onnx's own test networks: real layers, weights made by ConstantOfShape."""
    file = f"backend/test/data/light/light_{name}.onnx"
    return packaged("onnx", file, lambda: {entry: noise(1, 3, 224, 224)})


def _silence() -> Feed:
    state = np.zeros((2, 1, 128), np.float32)
    return {"input": np.zeros((1, 576), np.float32), "state": state, "sr": np.array(16_000)}


def _pitch() -> Feed:
    low, high = np.float32(50), np.float32(1000)
    return {"audio": noise(1, 16_000), "fmin": np.array(low), "fmax": np.array(high)}


def forest(folder: Path) -> tuple[Path, Feed]:
    """Twenty trees: their parameters are attributes of one node."""
    from sklearn.ensemble import RandomForestClassifier

    return _converted(RandomForestClassifier(20, random_state=0), folder / "forest.onnx")


def perceptron(folder: Path) -> tuple[Path, Feed]:
    """A scaler and a small perceptron, with a sequence of maps as output."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    net = MLPClassifier((16,), max_iter=5, random_state=0)
    return _converted(make_pipeline(StandardScaler(), net), folder / "perceptron.onnx")


def _converted(estimator: Any, path: Path) -> tuple[Path, Feed]:
    import warnings

    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris

    rows, labels = load_iris(return_X_y=True)
    rows = rows.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # five iterations do not converge, nor need they
        estimator.fit(rows, labels)
    path.write_bytes(to_onnx(estimator, rows[:1]).SerializeToString())
    return path, {"X": rows[:2]}


def big_external(folder: Path) -> tuple[Path, Feed]:
    """Ten products with 8192 x 8192 matrices: 2.5 GiB beside the file, none of it on disk."""
    each = BIG_WIDTH * BIG_WIDTH * 4
    weights, nodes = [], []
    for layer in range(BIG_LAYERS):
        name, before, after = f"w{layer}", f"h{layer}", f"h{layer + 1}"
        weight = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[BIG_WIDTH] * 2)
        weight.raw_data = b""  # what set_external_data asks for
        set_external_data(weight, "weights.bin", offset=layer * each, length=each)
        weight.ClearField("raw_data")
        weights.append(weight)
        nodes.append(helper.make_node("MatMul", [before, name], [after], name=f"m{layer}"))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", BIG_WIDTH])
        for name in ("h0", f"h{BIG_LAYERS}")
    ]
    graph = helper.make_graph(nodes, "big", ends[:1], ends[1:], weights)
    path = folder / "big.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(BIG_LAYERS * each)
    return path, {"h0": (1, BIG_WIDTH)}


FILES: Mapping[str, Callable[[Path], tuple[Path, Feed]]] = {
    "light-squeezenet": light("squeezenet", "data_0"),
    "light-densenet121": light("densenet121", "data_0"),
    "light-shufflenet": light("shufflenet", "gpu_0/data_0"),
    "silero-if": packaged("silero_vad", "data/silero_vad.onnx", _silence),
    "silero-without-if": packaged("silero_vad", "data/silero_vad_op18_ifless.onnx", _silence),
    "ppocr-detect": packaged(
        "rapidocr_onnxruntime",
        "models/ch_PP-OCRv4_det_infer.onnx",
        lambda: {"x": noise(1, 3, 64, 96)},
    ),
    "ppocr-recognise": packaged(
        "rapidocr_onnxruntime",
        "models/ch_PP-OCRv4_rec_infer.onnx",
        lambda: {"x": noise(1, 3, 48, 160)},
    ),
    "magika": packaged(
        "magika",
        "models/standard_v3_3/model.onnx",
        lambda: {"bytes": np.ones((1, 2048), np.int32)},
    ),
    "swift-f0": packaged("swift_f0", "model.onnx", _pitch),
    "dnsmos": packaged(
        "speechmos", "dnsmos_models/sig_bak_ovr.onnx", lambda: {"input_1": noise(1, 144_160)}
    ),
    "tashkeel-int8": packaged(
        "text2tashkeel",
        "models/bilstm.int8.onnx",
        lambda: {"input_ids": np.ones((1, 12), np.int64)},
    ),
    "sklearn-forest": forest,
    "sklearn-perceptron": perceptron,
    "big-external": big_external,
}
