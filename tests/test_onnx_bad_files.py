"""Files that are damaged or mean harm: a clear error or a partial report, and nothing else."""

from __future__ import annotations

import ast
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import talaria_widget as talaria
from onnx_mutations import damage_bytes, damage_fields, strip
from talaria_widget.frontends.onnx import capture
from talaria_widget.frontends.onnx.native import worker
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.work import count

Array = np.ndarray[Any, Any]
FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
PACKAGE = Path(talaria.__file__).parent
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
BATCHES = 8
PER_BATCH = int(os.environ.get("TALARIA_MUTATIONS", "260"))
SECONDS = 10


def ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def info(name: str, shape: Sequence[int | str | None] | None = None, dtype: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


X = info("x", [2, 4])


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[Any] = (X,),
    outputs: Sequence[Any] = ("y",),
    weights: Mapping[str, Array] | None = None,
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    ends = [info(o) if isinstance(o, str) else o for o in outputs]
    graph = helper.make_graph(list(nodes), "g", list(inputs), ends, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def relu(x: str = "x", y: str = "y") -> onnx.NodeProto:
    return helper.make_node("Relu", [x], [y])


@cache
def seeds() -> dict[str, bytes]:
    """Small real files, their structure whole and their weights left out."""
    paths = {name: LIGHT / f"light_{name}.onnx" for name in ("squeezenet", "shufflenet")}
    for package, inside in (
        ("magika", "models/standard_v3_3/model.onnx"),
        ("silero_vad", "data/silero_vad_op18_ifless.onnx"),
    ):
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            paths[package] = Path(spec.origin).parent / inside
    found = {
        name: strip(onnx.load(path, load_external_data=False)).SerializeToString()
        for name, path in paths.items()
    }
    return found


@cache
def small_seeds() -> dict[str, bytes]:
    """One node each, of all kinds; those with bodies and functions more than once."""
    from onnx.backend.test.case.node import collect_testcases

    with np.errstate(all="ignore"):
        cases = {c.name: c.model for c in collect_testcases(None) if c.model is not None}
    wanted = re.compile(r"if|loop|scan|sequence_map|optional|tree|expanded")
    chance = random.Random(0)
    names = sorted(name for name in cases if wanted.search(name))
    names = chance.sample(names, min(60, len(names))) + chance.sample(sorted(cases), 120)
    return {name: strip(cases[name]).SerializeToString() for name in names}


class TestMutations:
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    @pytest.mark.parametrize("batch", range(BATCHES))
    def test_an_error_or_a_report(self, batch: int, tmp_path: Path) -> None:
        assert seeds() and small_seeds()
        outcomes: Counter[str] = Counter()
        for number in range(batch * PER_BATCH, (batch + 1) * PER_BATCH):
            began = time.perf_counter()
            outcomes[self.outcome(number, tmp_path)] += 1
            assert time.perf_counter() - began < SECONDS, number
        assert sum(outcomes.values()) == PER_BATCH
        assert outcomes["error"] > PER_BATCH // 20
        assert outcomes["report"] > PER_BATCH // 20

    @staticmethod
    def outcome(number: int, folder: Path) -> str:
        """What becomes of one damaged file."""
        chance = random.Random(number)
        files = seeds() if chance.random() < 0.04 else small_seeds()
        data = files[chance.choice(sorted(files))]
        damaged: onnx.ModelProto | Path
        if number % 3:
            damaged = damage_fields(data, chance)
        else:
            damaged = folder / "damaged.onnx"
            damaged.write_bytes(damage_bytes(data, chance))
        try:
            graph = capture(damaged)
        except (UnsupportedModelError, ValueError) as error:
            message = str(error)
        else:
            message = ""
        if message:
            assert "\n" not in message.strip()
            assert len(message) < 1000
            return "error"
        for op in graph.ops:
            count(graph, op)
        return "report"


class TestStructure:
    """Each thing that cannot be true is named."""

    @staticmethod
    def refused(proto: onnx.ModelProto, match: str) -> None:
        with pytest.raises(UnsupportedModelError, match=match) as caught:
            capture(proto)
        assert len(str(caught.value)) < 400

    def test_a_circle(self) -> None:
        nodes = [
            helper.make_node("Add", ["x", "b"], ["a"]),
            relu("a", "b"),
            relu("b", "y"),
        ]
        self.refused(model(nodes), "needs what it makes itself")

    def test_a_circle_through_a_body(self) -> None:
        body = helper.make_graph([relu("y", "r")], "b", [], [info("r")])
        node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
        self.refused(model([node], [X, info("c", [], BOOL)]), "needs what it makes itself")

    def test_a_tensor_made_twice(self) -> None:
        self.refused(model([relu(), relu()]), "makes tensor 'y' twice")

    def test_a_tensor_that_nothing_makes_in_a_body(self) -> None:
        body = helper.make_graph([relu("ghost", "r")], "b", [], [info("r")])
        node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
        self.refused(model([node], [X, info("c", [], BOOL)]), "'ghost', which nothing makes")

    @pytest.mark.parametrize("dims", [[-1, 4], [2**62, 2**62], [2**63 - 1]])
    def test_sizes_that_no_tensor_has(self, dims: list[int]) -> None:
        proto = model([helper.make_node("MatMul", ["x", "w"], ["y"])], weights={"w": ones(4, 3)})
        proto.graph.initializer[0].ClearField("raw_data")
        proto.graph.initializer[0].dims[:] = dims
        self.refused(proto, "which no tensor can have")

    def test_sizes_and_data_that_disagree(self) -> None:
        proto = model([helper.make_node("MatMul", ["x", "w"], ["y"])], weights={"w": ones(4, 3)})
        proto.graph.initializer[0].dims[:] = [4, 4]
        self.refused(proto, "data for another")

    @pytest.mark.parametrize("place", ["node", "value", "weight"])
    def test_names_that_are_no_text(self, place: str) -> None:
        proto = model(
            [helper.make_node("MatMul", ["x", "zzzz"], ["y"], "nnnn")], weights={"zzzz": ones(4, 3)}
        )
        old = {"node": b"nnnn", "value": b"\n\x01x", "weight": b"zzzz"}[place]
        new = {"node": b"\xff\xfenn", "value": b"\n\x01\xff", "weight": b"z\xffzz"}[place]
        data = proto.SerializeToString().replace(old, new)
        self.refused(onnx.load_model_from_string(data), "no UTF-8 text")

    def test_endless_names_are_cut_in_errors(self) -> None:
        self.refused(model([relu("n" * 10**6)]), "which nothing makes")

    def test_endless_names_come_in(self) -> None:
        name = "n" * 10**6
        assert capture(model([relu("x", name)], outputs=[name])).outputs == (name,)

    def test_attributes_of_another_type(self) -> None:
        node = helper.make_node("Concat", ["x", "x"], ["y"], axis=1.5)
        self.refused(model([node]), r"'axis' of Concat '' in .* is of type FLOAT and should be INT")

    def test_attributes_of_another_type_whatever_the_version(self) -> None:
        node = helper.make_node("Resize", ["x", "", "x"], ["y"], mode=3)
        proto = model([node])
        proto.opset_import[0].version = 3
        self.refused(proto, r"'mode' of Resize '' in .* is of type INT and should be STRING")

    def test_an_attribute_said_twice(self) -> None:
        node = helper.make_node("Concat", ["x", "x"], ["y"], axis=1)
        node.attribute.append(node.attribute[0])
        self.refused(model([node]), "attribute 'axis' twice")

    @pytest.mark.parametrize("version", [0, -1, -(2**63)])
    def test_an_operator_set_that_never_was(self, version: int) -> None:
        proto = model([relu()])
        proto.opset_import[0].version = version
        self.refused(proto, "which never was")

    def test_an_operator_set_of_the_future_is_read_as_far_as_known(self) -> None:
        proto = model([relu()])
        proto.opset_import[0].version = 2**62
        assert [op.target for op in capture(proto).ops] == ["Relu"]

    def test_bodies_in_bodies_without_end(self) -> None:
        proto = model([relu()], [X, info("c", [], BOOL)], ["y0"])
        graph = proto.graph
        for depth in range(80):
            del graph.node[:]
            node = graph.node.add(op_type="If", input=["c"], output=[f"y{depth}"])
            node.attribute.add(name="else_branch", type=onnx.AttributeProto.GRAPH).g.output.add(
                name="x"
            )
            graph = node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g
            graph.node.append(relu("x", f"y{depth + 1}"))
            graph.output.add(name=f"y{depth + 1}")
        self.refused(proto, "more than 30 deep")

    def test_functions_that_call_one_another_deeply(self) -> None:
        proto = model([helper.make_node("F500", ["x"], ["y"], domain="mine")])
        for i in range(1, 501):
            call = relu("a", "b") if i == 1 else helper.make_node(f"F{i - 1}", ["a"], ["b"])
            call.domain = "" if i == 1 else "mine"
            proto.functions.append(helper.make_function("mine", f"F{i}", ["a"], ["b"], [call], []))
        self.refused(proto, "more than 100 deep")

    def test_a_branch_that_is_missing(self) -> None:
        node = helper.make_node("If", ["c"], ["y"])
        self.refused(model([node], [X, info("c", [], BOOL)]), "has no then_branch")

    def test_a_body_that_does_not_fit(self) -> None:
        body = helper.make_graph([relu("x", "r")], "b", [], [info("r")])
        node = helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)
        self.refused(model([node], weights={"n": np.asarray(3)}), "corrupt")


class TestFiles:
    def test_one_that_is_too_large_is_not_read(self, tmp_path: Path) -> None:
        path = tmp_path / "m.onnx"
        with path.open("wb") as file:
            file.truncate(5 * 2**29)
        began = time.perf_counter()
        with pytest.raises(UnsupportedModelError, match="at most 2 GiB"):
            capture(path)
        assert time.perf_counter() - began < 1

    def test_one_that_was_not_fetched(self, tmp_path: Path) -> None:
        path = tmp_path / "m.onnx"
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        with pytest.raises(UnsupportedModelError, match="Git LFS pointer"):
            capture(path)


def bomb(*nodes: onnx.NodeProto, **weights: Array) -> onnx.ModelProto:
    """A chain of constants that asks for more than there is, and an op beside it."""
    return model([*nodes, relu()], outputs=["y", info("out", None, INT)], weights=weights)


LONG = np.arange(60_000)
BOMBS: dict[str, Callable[[], onnx.ModelProto]] = {
    "tile": lambda: bomb(
        helper.make_node("Tile", ["a", "n"], ["out"]), a=LONG, n=np.asarray([10**9])
    ),
    "gather": lambda: bomb(
        helper.make_node("Gather", ["a", "i"], ["out"]),
        a=LONG.reshape(1, -1),
        i=np.zeros(60_000, np.int64),
    ),
    "broadcast": lambda: bomb(
        helper.make_node("Add", ["a", "b"], ["out"]), a=LONG.reshape(1, -1), b=LONG.reshape(-1, 1)
    ),
    "where": lambda: bomb(
        helper.make_node("Where", ["c", "a", "b"], ["out"]),
        c=np.ones((1, 1), bool),
        a=LONG.reshape(1, -1),
        b=LONG.reshape(-1, 1),
    ),
    "range": lambda: bomb(
        helper.make_node("Range", ["a", "b", "c"], ["out"]),
        a=np.asarray(0),
        b=np.asarray(2**62),
        c=np.asarray(1),
    ),
    "constant of shape": lambda: bomb(
        helper.make_node("ConstantOfShape", ["a"], ["out"]), a=np.asarray([2**31, 2**20])
    ),
    "expand": lambda: bomb(
        helper.make_node("Expand", ["a", "b"], ["out"]), a=LONG[:1], b=np.asarray([2**31, 2**20])
    ),
    "pad": lambda: bomb(
        helper.make_node("Pad", ["a", "b"], ["out"]), a=LONG, b=np.asarray([0, 2**40])
    ),
    "one hot": lambda: bomb(
        helper.make_node("OneHot", ["a", "b", "c"], ["out"]),
        a=LONG,
        b=np.asarray(2**40),
        c=np.asarray([0, 1]),
    ),
    "power": lambda: bomb(helper.make_node("Pow", ["a", "a"], ["out"]), a=np.full(60_000, 2**62)),
}


class TestBombs:
    @pytest.mark.parametrize("name", BOMBS)
    def test_a_few_bytes_do_not_become_gigabytes(self, name: str) -> None:
        import resource

        proto = BOMBS[name]()
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        graph = capture(proto)
        assert time.perf_counter() - began < SECONDS
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 300e6
        assert graph.tensors["y"].shape == (2, 4)

    def test_a_loop_that_runs_longer_than_the_universe(self) -> None:
        body = helper.make_graph(
            [helper.make_node("Identity", ["go"], ["on"]), relu("h", "r")],
            "b",
            [info("i", [], INT), info("go", [], BOOL), info("h")],
            [info("on", [], BOOL), info("r")],
        )
        node = helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)
        graph = capture(model([node], weights={"n": np.asarray(2**62)}))
        assert sum(count(graph, op).flops or 0 for op in graph.ops) == 2**62 * 2 * 4

    def test_a_loop_without_end_is_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(worker.ask, "__defaults__", (1.0,))
        nodes = [
            relu("h", "r"),
            helper.make_node("ReduceMax", ["r"], ["top"], keepdims=0),
            helper.make_node("Less", ["top", "limit"], ["on"]),
        ]
        body = helper.make_graph(
            nodes,
            "b",
            [info("i", [], INT), info("go", [], BOOL), info("h")],
            [info("on", [], BOOL), info("r")],
        )
        node = helper.make_node("Loop", ["", "", "x"], ["y"], body=body)
        weights = {"limit": np.asarray(2, np.float32)}
        began = time.perf_counter()
        graph = capture(model([node], weights=weights), {"x": ones(2, 4)})
        assert time.perf_counter() - began < SECONDS
        assert any("took more than 1 seconds" in note for note in graph.notes)
        assert [op.times for op in graph.ops if op.target == "Relu"] == [None]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the child was asked to do."""
    tasks: list[str] = []
    ask = worker.ask

    def listen(task: str, blobs: Sequence[bytes], **request: Any) -> worker.Answer:
        tasks.append(task)
        return ask(task, blobs, **request)

    monkeypatch.setattr(worker, "ask", listen)
    return tasks


OPENED: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _watch_opened_files() -> Iterator[None]:
    """Hooks cannot be taken out: this one listens only while the module's tests run."""
    listening = [True]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if listening[0] and event == "open":
            OPENED.append(str(arguments[0]))

    sys.addaudithook(hook)
    yield
    listening[0] = False


class TestDataOutside:
    """Data of a weight that a hole depends on: it is read only inside the model's folder."""

    @staticmethod
    def write(folder: Path, location: str, **entries: str) -> Path:
        nodes = [
            helper.make_node("Add", ["x", "w"], ["s"]),
            helper.make_node("NonZero", ["s"], ["y"]),
        ]
        proto = model(nodes, [info("x", [4])], [info("y", None, INT)], {"w": ones(4)})
        tensor = proto.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **entries}.items():
            tensor.external_data.add(key=key, value=value)
        folder.mkdir(exist_ok=True)
        path = folder / "model.onnx"
        path.write_bytes(proto.SerializeToString())
        return path

    @staticmethod
    def not_read(path: Path, asked: list[str], secret: Path, why: str) -> None:
        OPENED.clear()
        graph = capture(path, {"x": ones(4)})
        assert "run" not in asked
        assert not [name for name in OPENED if Path(name).name == secret.name]
        assert graph.tensors["y"].shape is None
        assert any(why in note for note in graph.notes), graph.notes
        assert graph.tensors["s"].shape == (4,)

    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        path = tmp_path / "secret.bin"
        path.write_bytes(ones(4).tobytes())
        return path

    def test_inside_it_is_read(self, tmp_path: Path, asked: list[str]) -> None:
        path = self.write(tmp_path / "m", "w.bin", offset="0", length="16")
        (tmp_path / "m/w.bin").write_bytes(ones(4).tobytes())
        assert capture(path, {"x": ones(4)}).tensors["y"].shape == (1, 4)
        assert "run" in asked

    @pytest.mark.parametrize(
        "location", ["../secret.bin", "a/../../secret.bin", "..\\secret.bin", "./../secret.bin"]
    )
    def test_above(self, location: str, tmp_path: Path, secret: Path, asked: list[str]) -> None:
        path = self.write(tmp_path / "m", location)
        self.not_read(path, asked, secret, "outside the model's folder")

    def test_absolute(self, tmp_path: Path, secret: Path, asked: list[str]) -> None:
        path = self.write(tmp_path / "m", str(secret))
        self.not_read(path, asked, secret, "outside the model's folder")

    @pytest.mark.parametrize("location", ["C:\\secret.bin", "\\\\host\\share\\secret.bin"])
    def test_on_another_drive(
        self, location: str, tmp_path: Path, secret: Path, asked: list[str]
    ) -> None:
        path = self.write(tmp_path / "m", location)
        self.not_read(path, asked, secret, "outside the model's folder")

    def test_behind_a_link(self, tmp_path: Path, secret: Path, asked: list[str]) -> None:
        path = self.write(tmp_path / "m", "w.bin")
        (tmp_path / "m/w.bin").symlink_to(secret)
        self.not_read(path, asked, secret, "lies behind a link")

    def test_in_a_folder_behind_a_link(
        self, tmp_path: Path, secret: Path, asked: list[str]
    ) -> None:
        path = self.write(tmp_path / "m", "sub/secret.bin")
        (tmp_path / "m/sub").symlink_to(tmp_path)
        self.not_read(path, asked, secret, "lies behind a link")

    def test_in_a_pipe(self, tmp_path: Path, secret: Path, asked: list[str]) -> None:
        path = self.write(tmp_path / "m", "w.bin")
        os.mkfifo(tmp_path / "m/w.bin")
        self.not_read(path, asked, secret, "is no plain file")

    @pytest.mark.parametrize("location", ["", ".", "sub", "gone.bin", "a\0b"])
    def test_in_no_file(
        self, location: str, tmp_path: Path, secret: Path, asked: list[str]
    ) -> None:
        path = self.write(tmp_path / "m", location)
        (tmp_path / "m/sub").mkdir()
        self.not_read(path, asked, secret, "the data of 'w'")

    @pytest.mark.parametrize(
        "entries",
        [
            {"offset": "-16"},
            {"offset": "8"},
            {"length": "-1"},
            {"length": "8"},
            {"length": "1" * 40},
            {"offset": str(2**64 - 8), "length": "16"},
            {"offset": "0x0"},
            {"offset": "\u0661"},
        ],
    )
    def test_at_no_place(
        self, entries: dict[str, str], tmp_path: Path, secret: Path, asked: list[str]
    ) -> None:
        path = self.write(tmp_path / "m", "w.bin", **entries)
        (tmp_path / "m/w.bin").write_bytes(ones(4).tobytes())
        self.not_read(path, asked, secret, "the data of 'w'")

    def test_of_an_attribute(self, tmp_path: Path, secret: Path) -> None:
        value = numpy_helper.from_array(ones(1), "v")
        value.ClearField("raw_data")
        value.data_location = TensorProto.EXTERNAL
        value.external_data.add(key="location", value=secret.name)
        node = helper.make_node("ConstantOfShape", ["s"], ["y"], value=value)
        proto = model([node], weights={"s": np.asarray([2])})
        OPENED.clear()
        with pytest.raises(UnsupportedModelError, match="keeps its data in another file"):
            capture(proto)
        assert not [name for name in OPENED if name.endswith("secret.bin")]

    def test_of_a_sparse_tensor_and_of_a_body(
        self, tmp_path: Path, secret: Path, asked: list[str]
    ) -> None:
        path = self.write(tmp_path / "m", "../secret.bin")
        proto = onnx.load(path, load_external_data=False)
        tensor = proto.graph.initializer.pop()
        sparse = proto.graph.sparse_initializer.add(dims=[4])
        sparse.values.CopyFrom(tensor)
        sparse.indices.CopyFrom(numpy_helper.from_array(np.arange(4), "i"))
        path.write_bytes(proto.SerializeToString())
        self.not_read(path, asked, secret, "outside the model's folder")


class TestPickles:
    @pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.pkl", "m.pickle", "m.bin", "m.ckpt"])
    def test_one_sentence_and_no_look_inside(self, name: str, tmp_path: Path) -> None:
        import pickle

        class Harm:
            def __reduce__(self) -> tuple[Any, ...]:
                return os.mkdir, (str(tmp_path / "harmed"),)

        path = tmp_path / name
        path.write_bytes(pickle.dumps(Harm()))
        with pytest.raises(UnsupportedModelError, match=r"state dict or a pickled module"):
            capture(path)
        path = path.rename(tmp_path / "m.onnx")
        with pytest.raises(UnsupportedModelError):
            capture(path)
        assert not (tmp_path / "harmed").exists()

    def test_the_package_has_no_means_to_load_one(self) -> None:
        found = [
            f"{path.name}: {name}"
            for path in sorted(PACKAGE.rglob("*.py"))
            for name in mentioned(ast.parse(path.read_text(encoding="utf-8")))
            if name in MEANS
        ]
        assert found == []


MEANS = {
    *("pickle", "dill", "joblib", "shelve", "marshal", "cloudpickle", "allow_pickle"),
    *("torch.load", "torch.jit.load", "torch.package", "torch.export.load"),
}


def mentioned(tree: ast.AST) -> Iterator[str]:
    """What a module imports, what it reaches through a dot, and the keywords it passes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg
