"""Compressed files: that they hold what their options say, run, and say how far off they are."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn

import torchvision_cpu
from rewrite_nets import (
    Block,
    TiedModel,
    apart,
    apart_from,
    constants_model,
    kernels,
    linear_model,
    packaged,
    small_resnet,
)
from talaria_widget.graph import UnsupportedModelError
from talaria_widget.recipe import Activations, Cast, Option, Quantize
from talaria_widget.rewrite import child
from talaria_widget.rewrite.block_storage import pack_blocks
from talaria_widget.rewrite.draft import Draft, payload_bytes, stored_tensors, tensor_bytes
from talaria_widget.rewrite.export import export
from talaria_widget.rewrite.folding import fold
from talaria_widget.rewrite.inputs import feed, refill
from talaria_widget.rewrite.integers import (
    activation_scale,
    quantize_bias,
    quantize_weight,
    weight_scale,
    widen_for_bias,
)
from talaria_widget.rewrite.onnx import Rewritten, rewrite
from talaria_widget.rewrite.verify import vary
from talaria_widget.storage import activation_bytes, follower_bytes, weight_bytes

INT8 = Quantize(8)
STATIC = Quantize(8, activations=Activations(8))
EXACT = 1e-5
"""Float32 sums in another order."""
NEAR = 0.05
"""Int8 against float32, on networks with random weights, calibrated on the input itself."""


def arrays(model: ModelProto) -> dict[str, np.ndarray]:
    draft = Draft(model)
    return {name: draft.array(name) for name in draft.stored}


def with_dequantized(model: ModelProto, written: Rewritten, names: list[str]) -> ModelProto:
    """The first model with the floats that the second one's integers stand for."""
    stored = arrays(written.model)
    draft = Draft(model)
    for name in names:
        integers, scale = stored[f"{name}_quantized"], stored[f"{name}_scale"]
        axis = next(
            (i for i, size in enumerate(integers.shape) if scale.ndim and size == scale.size), None
        )
        shape = [1] * integers.ndim
        if axis is not None:
            shape[axis] = -1
        draft.replace(name, (integers * scale.reshape(shape)).astype(np.float32))
    return draft.finish()


def difference_unfused(before: ModelProto, after: ModelProto, given: dict[str, Any]) -> float:
    """As `compare`, without fusions: ONNX Runtime quantizes inputs of DequantizeLinear + MatMul."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    results = [
        onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, given)
        for model in (before, after)
    ]
    pairs = list(zip(*results, strict=True))
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def resnet() -> tuple[nn.Module, torch.Tensor, ModelProto]:
    net, x = small_resnet(), torch.randn(2, 3, 32, 32)
    return net, x, export(net, (x,))


RESNET_WEIGHTS = [
    "stem.weight",
    *(f"layer1.{i}.conv{j}.weight" for i in (0, 1) for j in (1, 2)),
    "fc.weight",
]


class TestExport:
    def test_weights_keep_their_names_and_values(self, resnet: Any) -> None:
        net, _, proto = resnet
        stored = arrays(proto)
        for name in ("stem.weight", "fc.weight", "fc.bias"):
            assert np.array_equal(stored[name], net.get_parameter(name).detach().numpy())

    def test_norms_are_folded_into_weight_and_bias(self, resnet: Any) -> None:
        net, _, proto = resnet
        block, stored = net.layer1[0], arrays(proto)
        gain = block.bn1.weight / torch.sqrt(block.bn1.running_var + block.bn1.eps)
        weight = (block.conv1.weight * gain[:, None, None, None]).detach().numpy()
        bias = (block.bn1.bias - block.bn1.running_mean * gain).detach().numpy()
        assert np.allclose(stored["layer1.0.conv1.weight"], weight, atol=1e-6)
        assert np.allclose(stored["layer1.0.conv1.bias"], bias, atol=1e-6)
        assert "BatchNormalization" not in {node.op_type for node in proto.graph.node}

    def test_a_missing_bias_stays_missing(self, resnet: Any) -> None:
        _, _, proto = resnet
        stem = next(node for node in proto.graph.node if node.op_type == "Conv")
        assert list(stem.input)[1:] == ["stem.weight"]
        assert not {"Expand", "CastLike", "Shape"} & {node.op_type for node in proto.graph.node}

    def test_the_file_computes_what_the_module_does(self, resnet: Any) -> None:
        net, x, proto = resnet
        onnx.checker.check_model(proto)
        assert apart_from(net, (x,), {}, proto) < EXACT

    def test_no_path_of_the_machine_is_in_the_file(self, resnet: Any) -> None:
        data = resnet[2].SerializeToString()
        assert str(Path(__file__).parent).encode() not in data
        assert b"stack_trace" not in data

    def test_the_module_and_the_screen_stay_as_they_were(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        net = nn.Sequential(Block(4)).eval()
        before = {name: value.clone() for name, value in net.state_dict().items()}
        random = torch.random.get_rng_state()
        export(net, (torch.randn(1, 4, 8, 8, generator=torch.Generator()),))
        assert torch.equal(random, torch.random.get_rng_state())
        assert all(torch.equal(before[n], v) for n, v in net.state_dict().items())
        assert not net.training
        assert all(parameter.requires_grad for parameter in net.parameters())
        assert capfd.readouterr() == ("", "")

    def test_a_module_in_training_mode_is_refused(self) -> None:
        with pytest.raises(UnsupportedModelError, match=r"0.bn1 .*model\.eval\(\)"):
            export(nn.Sequential(Block(4)), (torch.randn(1, 4, 8, 8),))

    def test_weights_without_values_are_refused(self) -> None:
        with pytest.raises(UnsupportedModelError, match="meta device"):
            export(nn.Linear(4, 4, device="meta"), (torch.randn(1, 4),))

    def test_what_cannot_be_exported_says_so_in_a_sentence(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        class Branches(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return x if x.sum() > 0 else -x

        with pytest.raises(UnsupportedModelError, match=r"cannot export Branches: \S") as caught:
            export(Branches(), (torch.randn(3),))
        assert len(str(caught.value)) < 400
        assert "\n" not in str(caught.value)
        assert "\x1b" not in str(caught.value)
        assert capfd.readouterr() == ("", "")


class TestFoldNorms:
    def test_by_hand(self) -> None:
        stored = arrays(fold(constants_model()))
        given = arrays(constants_model())
        gain = given["scale"] / np.sqrt(given["variance"] + 1e-5)
        assert np.allclose(stored["kernel"], given["kernel"] * gain[:, None, None, None])
        assert np.allclose(stored["kernel.bias"], given["shift"] - given["mean"] * gain, atol=1e-6)
        assert {"scale", "shift", "mean", "variance"}.isdisjoint(stored)

    def test_outputs_stay(self) -> None:
        x = np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)
        assert apart(constants_model(), fold(constants_model()), {"x": x}) < EXACT

    def test_a_convolution_that_others_read_is_left_alone(self) -> None:
        model = constants_model()
        model.graph.output.append(helper.make_tensor_value_info("conv", TensorProto.FLOAT, None))
        assert "BatchNormalization" in {node.op_type for node in fold(model).graph.node}


class TestInt8Weights:
    def test_values_are_the_nearest_of_255_steps(self, resnet: Any) -> None:
        proto = resnet[2]
        before = arrays(proto)["layer1.0.conv1.weight"]
        after = arrays(rewrite(proto, {"layer1.0.conv1.weight": INT8}).model)
        scale = np.abs(before).max(axis=(1, 2, 3)) / 127
        assert np.allclose(after["layer1.0.conv1.weight_scale"], scale)
        back = after["layer1.0.conv1.weight_quantized"] * scale[:, None, None, None]
        assert np.all(np.abs(back - before) <= 0.5001 * scale[:, None, None, None])

    def test_the_file_computes_with_exactly_these_values(self, resnet: Any) -> None:
        _, x, proto = resnet
        written = rewrite(proto, dict.fromkeys(RESNET_WEIGHTS, INT8))
        onnx.checker.check_model(written.model)
        same = with_dequantized(proto, written, RESNET_WEIGHTS)
        assert apart(same, written.model, {"x": x.numpy()}) < EXACT
        assert apart(proto, written.model, {"x": x.numpy()}) < NEAR

    @pytest.mark.parametrize("option", [INT8, STATIC, Cast("float16")])
    def test_other_tensors_are_the_same_bit_for_bit(self, resnet: Any, option: Option) -> None:
        _, x, proto = resnet
        touched = {"layer1.0.conv1.weight", "layer1.0.conv1.bias"}
        written = rewrite(proto, {"layer1.0.conv1.weight": option}, [{"x": x.numpy()}])
        after = arrays(written.model)
        for name, value in arrays(proto).items():
            if name not in touched:
                assert after[name].tobytes() == value.tobytes(), name

    def test_the_model_given_is_not_changed(self, resnet: Any) -> None:
        _, x, proto = resnet
        before = proto.SerializeToString(deterministic=True)
        rewrite(proto, dict.fromkeys(RESNET_WEIGHTS, STATIC), [{"x": x.numpy()}])
        fold(proto)
        assert proto.SerializeToString(deterministic=True) == before

    def test_no_options_write_the_baseline(self, resnet: Any) -> None:
        proto = resnet[2]
        for options in ({}, dict.fromkeys(RESNET_WEIGHTS), {"fc.weight": Cast("float32")}):
            written = rewrite(proto, options)
            assert [n.op_type for n in written.model.graph.node] == [
                n.op_type for n in proto.graph.node
            ]
            assert {n: v.tobytes() for n, v in arrays(written.model).items()} == {
                n: v.tobytes() for n, v in arrays(proto).items()
            }
            assert written.tensor_bytes == tensor_bytes(proto)

    def test_per_tensor_has_one_scale(self, resnet: Any) -> None:
        written = rewrite(resnet[2], {"fc.weight": Quantize(8, granularity="tensor")})
        assert written.stored_bytes == {"fc.weight": 10 * 32 + 5}


class TestBytes:
    @pytest.mark.parametrize("option", [None, INT8, STATIC, Cast("float16")])
    def test_a_convolutional_net_weighs_what_the_formulas_say(
        self, resnet: Any, option: Option
    ) -> None:
        _, x, proto = resnet
        written = rewrite(proto, dict.fromkeys(RESNET_WEIGHTS, option), [{"x": x.numpy()}])
        stored = arrays(proto)
        expected = 0
        for name in RESNET_WEIGHTS:
            kind = "linear" if name == "fc.weight" else "conv"
            shape = stored[name].shape
            one = weight_bytes("onnxruntime", shape, "float32", 0, kind, option)
            assert written.stored_bytes[name] == one
            bias = name.replace(".weight", ".bias")
            expected += one
            if bias in stored:
                size = stored[bias].shape
                expected += follower_bytes("onnxruntime", size, "float32", kind, option)
        # In and out of the five convolutions, the pool between, the input of the last layer.
        tensors = ["x", "stem", "pool", "1.1", "1.2", "sum", "2.1", "2.2", "mean"]
        expected += len(tensors) * activation_bytes("onnxruntime", option)
        assert written.tensor_bytes == pytest.approx(expected, rel=0.01)
        assert written.tensor_bytes - expected == 16  # the axes of the mean
        assert written.tensor_bytes == sum(map(payload_bytes, stored_tensors(written.model.graph)))

    def test_the_file_is_hardly_larger_than_its_tensors(self, resnet: Any) -> None:
        written = rewrite(resnet[2], dict.fromkeys(RESNET_WEIGHTS, INT8))
        assert 0 < written.model.ByteSize() - written.tensor_bytes < 20_000


class TestStatic:
    def test_every_layer_runs_in_integers(self, resnet: Any, tmp_path: Path) -> None:
        _, x, proto = resnet
        written = rewrite(proto, dict.fromkeys(RESNET_WEIGHTS, STATIC), [{"x": x.numpy()}])
        ran = kernels(written.model, tmp_path)
        assert (ran["QLinearConv"], ran["Conv"], ran["QGemm"], ran["Gemm"]) == (5, 0, 1, 0)
        assert (ran["QLinearAdd"], ran["QLinearGlobalAveragePool"]) == (2, 1)
        assert written.notes == ()

    def test_outputs_stay_near(self, resnet: Any) -> None:
        net, x, proto = resnet
        given = {"x": x.numpy()}
        written = rewrite(proto, dict.fromkeys(RESNET_WEIGHTS, STATIC), [given, vary(given)])
        assert 0 < apart_from(net, (x,), {}, written.model) < NEAR

    def test_only_the_named_layer_changes(self, resnet: Any, tmp_path: Path) -> None:
        _, x, proto = resnet
        written = rewrite(proto, {"layer1.0.conv2.weight": STATIC}, [{"x": x.numpy()}])
        ran = kernels(written.model, tmp_path)
        assert ran["QLinearConv"] == 1
        assert ran["Conv"] + ran["FusedConv"] == 4
        assert set(written.stored_bytes) == {"layer1.0.conv2.weight", "layer1.0.conv2.bias"}
        assert apart(proto, written.model, {"x": x.numpy()}) < NEAR

    def test_ranges_are_those_of_all_the_inputs(self, resnet: Any) -> None:
        _, x, proto = resnet
        one = {"x": x.numpy()}
        ten = {"x": 10 * x.numpy()}
        scales = [
            arrays(rewrite(proto, {"stem.weight": STATIC}, feeds).model)["x_scale"]
            for feeds in ([one], [one, ten])
        ]
        assert np.isclose(scales[1], 10 * scales[0])
        assert np.isclose(scales[0], (x.max() - x.min()) / 255)

    def test_an_output_of_the_model_keeps_its_name(self) -> None:
        net, x = nn.Conv2d(3, 8, 3).eval(), torch.randn(1, 3, 8, 8)
        proto = export(net, (x,))
        written = rewrite(proto, {"weight": STATIC}, [{"input": x.numpy()}])
        assert [o.name for o in written.model.graph.output] == [o.name for o in proto.graph.output]
        assert apart_from(net, (x,), {}, written.model) < NEAR


class TestArchitectures:
    def test_mobilenet(self, tmp_path: Path) -> None:
        net = torchvision_cpu.models().mobilenet_v2().eval()
        x = torch.randn(1, 3, 64, 64)
        proto = export(net, (x,))
        assert apart_from(net, (x,), {}, proto) < EXACT
        names = [n for n, p in net.named_parameters() if p.dim() > 1]
        assert set(names) <= set(arrays(proto))
        given = feed(net, (x,), {}, proto)
        written = rewrite(proto, dict.fromkeys(names, STATIC), [given])
        ran = kernels(written.model, tmp_path)
        assert (ran["QLinearConv"], ran["QLinearAdd"], ran["QGemm"]) == (52, 10, 1)
        assert not {"Conv", "FusedConv", "Clip"} & set(ran)
        assert apart(proto, written.model, given) < 2 * NEAR
        light = rewrite(proto, dict.fromkeys(names, INT8))
        assert apart(proto, light.model, given) < NEAR

    def test_bert(self, tmp_path: Path) -> None:
        torchvision_cpu.models()  # transformers looks for it
        from transformers import BertConfig, BertForMaskedLM

        config = BertConfig(
            vocab_size=500,
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=32,
        )
        net = BertForMaskedLM(config).eval()
        ids, mask = torch.randint(0, 500, (2, 16)), torch.ones(2, 16, dtype=torch.long)
        kwargs = {"attention_mask": mask, "input_ids": ids}
        proto = export(net, (), kwargs)
        assert apart_from(net, (), kwargs, proto) < EXACT
        table = "bert.embeddings.word_embeddings.weight"
        names = [n for n, _ in net.named_parameters() if n.endswith(("dense.weight", table))]
        names += [
            f"bert.encoder.layer.{i}.attention.self.{what}.weight"
            for i in (0, 1)
            for what in ("query", "key", "value")
        ]
        assert len(names) == len(set(names)) == 1 + 1 + 2 * 6
        given = feed(net, (), kwargs, proto)
        written = rewrite(proto, dict.fromkeys(names, STATIC), [given])
        assert kernels(written.model, tmp_path)["QGemm"] == len(names)
        assert written.stored_bytes[table] == 500 * 64 + 5 * 500
        assert written.stored_bytes["bert.encoder.layer.0.output.dense.bias"] == 12 * 64
        assert apart(proto, written.model, given) < 2 * NEAR
        light = rewrite(proto, dict.fromkeys(names, INT8))
        same = with_dequantized(proto, light, names)
        assert difference_unfused(same, light.model, given) < EXACT
        assert apart(same, light.model, given) < NEAR

    def test_a_tied_table_is_stored_once(self) -> None:
        net = TiedModel().eval()
        args = (torch.randint(0, 50, (2, 7)),)
        kwargs = {"shift": torch.randn(1), "gain": torch.randn(32)}
        proto = export(net, args, kwargs)
        assert "table.weight" in arrays(proto)
        assert "head.weight" not in arrays(proto)
        given = feed(net, args, kwargs, proto)
        assert np.array_equal(given["gain"], kwargs["gain"].numpy())
        for option in (INT8, STATIC):
            written = rewrite(proto, {"table.weight": option, "up.weight": option}, [given])
            assert written.stored_bytes["table.weight"] == 50 * 32 + 5 * 50
            assert "table.weight" not in arrays(written.model)
            assert apart_from(net, args, kwargs, written.model) < NEAR
        assert written.notes  # there is no integer transposed convolution

    def test_an_embedding_has_one_scale(self) -> None:
        net, ids = nn.Embedding(50, 32).eval(), torch.randint(0, 50, (2, 7))
        written = rewrite(export(net, (ids,)), {"weight": INT8})
        assert written.stored_bytes == {"weight": 50 * 32 + 5}
        assert apart_from(net, (ids,), {}, written.model) < NEAR

    def test_weights_in_constant_nodes(self, tmp_path: Path) -> None:
        model = fold(constants_model())
        given = {"x": np.random.default_rng(1).normal(size=(1, 3, 8, 8)).astype(np.float32)}
        light = rewrite(model, {"kernel": INT8, "matrix": INT8})
        assert light.stored_bytes == {"kernel": 8 * 27 + 5 * 8, "matrix": 6 * 16 + 5 * 16}
        same = with_dequantized(model, light, ["kernel", "matrix"])
        assert difference_unfused(same, light.model, given) < EXACT
        assert apart(same, light.model, given) < NEAR
        static = rewrite(model, {"kernel": STATIC, "matrix": STATIC}, [given, vary(given)])
        ran = kernels(static.model, tmp_path)
        assert (ran["QLinearConv"], ran["QGemm"]) == (1, 1)
        assert static.stored_bytes["bias"] == 12 * 16
        assert apart(model, static.model, given) < NEAR

    def test_pp_ocr(self) -> None:
        path = packaged("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx")
        model = fold(onnx.load(path))
        x = np.full((1, 3, 48, 160), -1, np.float32)
        x[:, :, 12:36, 20:28] = x[:, :, 12:20, 20:60] = x[:, :, 12:36, 80:88] = 1
        convolutions = [n.input[1] for n in model.graph.node if n.op_type == "Conv"]
        written = rewrite(model, dict.fromkeys(convolutions, INT8))
        expected, stored = tensor_bytes(model), arrays(model)
        for name in convolutions:
            values = stored[name]
            expected += values.size + 5 * values.shape[0] - values.nbytes
        assert written.tensor_bytes == expected
        same = with_dequantized(model, written, convolutions)
        assert apart(same, written.model, {"x": x}) < 100 * EXACT

    def test_magika(self) -> None:
        model = onnx.load(packaged("magika", "models/standard_v3_3/model.onnx"))
        stored = arrays(model)
        dense = next(name for name, value in stored.items() if value.shape == (512, 214))
        kernel = next(name for name, value in stored.items() if value.shape == (512, 256, 5, 1))
        given = {"bytes": np.random.default_rng(0).integers(0, 256, (1, 2048)).astype(np.int32)}
        written = rewrite(model, {dense: STATIC, kernel: STATIC}, [given])
        assert written.stored_bytes[kernel] == 512 * 256 * 5 + 5 * 512
        assert written.stored_bytes[dense] == 512 * 214 + 5 * 214
        assert apart(model, written.model, given) < NEAR


class TestOtherForms:
    def test_blocks_by_hand(self) -> None:
        row = np.array([[-8, 4, 1, 0] + [0] * 12 + [2, -1]], np.float32)
        packed, scales, zeros = pack_blocks(row, 4, 16)
        assert zeros is None
        assert scales.tolist() == [[1.0, -0.25]]
        assert packed.shape == (1, 2, 8)
        assert packed[0, 0, :2].tolist() == [0 | 12 << 4, 9 | 8 << 4]
        assert packed[0, 1, 0] == 0 | 12 << 4

    @pytest.mark.parametrize("inputs", [64, 50])
    @pytest.mark.parametrize("shape", [(3,), (2, 3)])
    @pytest.mark.parametrize("bits", [4, 8])
    def test_blocks(self, inputs: int, shape: tuple[int, ...], bits: int, tmp_path: Path) -> None:
        proto = linear_model(inputs, shape)
        x = np.random.default_rng(1).normal(size=(*shape, inputs)).astype(np.float32)
        option = Quantize(bits, granularity="block", block_size=32)
        written = rewrite(proto, {"weight": option})
        assert written.stored_bytes == {
            "weight": weight_bytes("onnxruntime", (24, inputs), "float32", 0, "linear", option)
        }
        assert written.tensor_bytes == written.stored_bytes["weight"] + 4 * 24
        assert kernels(written.model, tmp_path)["MatMulNBits"] == 1
        assert apart(proto, written.model, {"x": x}) < (0.2 if bits == 4 else 0.02)

    @pytest.mark.parametrize("bits", [4, 8])
    def test_blocks_with_zero_points(self, bits: int) -> None:
        proto = linear_model(96, (3,))
        x = np.random.default_rng(1).normal(size=(3, 96)).astype(np.float32)
        option = Quantize(bits, granularity="block", block_size=32, symmetric=False)
        shifted = Draft(proto)
        shifted.replace("weight", shifted.array("weight") + np.float32(4))
        model = shifted.finish()
        written = rewrite(model, {"weight": option})
        assert written.stored_bytes == {
            "weight": weight_bytes("onnxruntime", (24, 96), "float32", 0, "linear", option)
        }
        assert apart(model, written.model, {"x": x}) < (0.1 if bits == 4 else 0.01)

    def test_int8_with_zero_points_is_finer_where_weights_have_one_sign(self) -> None:
        proto = linear_model(64, (3,))
        x = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
        draft = Draft(proto)
        draft.replace("weight", np.abs(draft.array("weight")))
        model = draft.finish()
        off = [
            difference_unfused(model, rewrite(model, {"weight": option}).model, {"x": x})
            for option in (INT8, Quantize(8, symmetric=False))
        ]
        assert off[1] < 0.75 * off[0]

    def test_blocks_of_a_gemm_with_factors(self) -> None:
        proto = linear_model(64, (3,))
        proto.graph.node[0].attribute.append(helper.make_attribute("alpha", 0.5))
        proto.graph.node[0].attribute.append(helper.make_attribute("beta", 3.0))
        x = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
        written = rewrite(proto, {"weight": Quantize(8, granularity="block")})
        assert apart(proto, written.model, {"x": x}) < 0.02

    def test_blocks_of_a_convolution_are_refused(self, resnet: Any) -> None:
        with pytest.raises(ValueError, match=r"'stem.weight' in blocks: .* Conv"):
            rewrite(resnet[2], {"stem.weight": Quantize(4, granularity="block")})

    @pytest.mark.parametrize(("dtype", "near"), [("float16", 2e-3), ("bfloat16", 2e-2)])
    def test_half(self, resnet: Any, dtype: Any, near: float) -> None:
        net, x, proto = resnet
        written = rewrite(proto, dict.fromkeys(RESNET_WEIGHTS, Cast(dtype)))
        assert written.tensor_bytes == 16 + (tensor_bytes(proto) - 16) // 2
        assert apart_from(net, (x,), {}, written.model) < near

    def test_half_that_overflows_is_refused(self) -> None:
        net = nn.Linear(2, 2).eval()
        nn.init.constant_(net.weight, 1e5)
        proto = export(net, (torch.zeros(1, 2),))
        with pytest.raises(ValueError, match="'weight' holds values that float16 cannot"):
            rewrite(proto, {"weight": Cast("float16")})


class TestRefusals:
    @pytest.mark.parametrize(
        "option",
        [
            Quantize(8, activations=Activations(16)),
            Quantize(8, symmetric=False, activations=Activations(8)),
            Quantize(4),
            Quantize(4, granularity="block", activations=Activations(8)),
        ],
    )
    def test_options_that_cannot_be_written(self, resnet: Any, option: Option) -> None:
        with pytest.raises(ValueError, match="apply cannot write Quantize") as caught:
            rewrite(resnet[2], {"fc.weight": option})
        assert repr(option) in str(caught.value)
        assert "'fc.weight'" in str(caught.value)

    def test_a_weight_that_is_not_there(self, resnet: Any) -> None:
        with pytest.raises(ValueError, match="cannot write 'nothing'"):
            rewrite(resnet[2], {"nothing": INT8})

    def test_names_lead_to_the_file(self, resnet: Any) -> None:
        written = rewrite(resnet[2], {"mine": INT8}, names={"mine": "fc.weight"})
        assert written.stored_bytes == {"mine": 10 * 32 + 5 * 10}

    def test_recurrent_weights(self) -> None:
        proto = export(nn.LSTM(4, 3).eval(), (torch.randn(2, 1, 4),))
        with pytest.raises(ValueError, match="'weight_ih_l0' so: it belongs to a recurrent"):
            rewrite(proto, {"weight_ih_l0": INT8})

    def test_calibration_without_inputs(self, resnet: Any) -> None:
        with pytest.raises(ValueError, match="calibration is empty"):
            rewrite(resnet[2], {"fc.weight": STATIC})

    def test_calibration_that_is_not_finite(self, resnet: Any) -> None:
        x = np.full((2, 3, 32, 32), np.inf, np.float32)
        with pytest.raises(ValueError, match="not finite on the calibration inputs"):
            rewrite(resnet[2], {"fc.weight": STATIC}, [{"x": x}])

    def test_external_data(self) -> None:
        model = constants_model()
        tensor = numpy_helper.from_array(np.zeros(3, np.float32), "far")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        model.graph.initializer.append(tensor)
        with pytest.raises(UnsupportedModelError, match="'far' lies in an external data file"):
            rewrite(model, {})

    def test_what_the_runtime_says_comes_back(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(child, "subprocess", subprocess)  # of its own: see conftest.py
        model = constants_model()
        assert apart(model, model, {"x": np.zeros((1, 3, 8, 8), np.float32)}) == 0
        x = np.zeros((1, 4, 8, 8), np.float32)
        with pytest.raises(UnsupportedModelError, match="ONNX Runtime cannot run the model: .*4"):
            apart(model, model, {"x": x})

    def test_a_crash_of_the_runtime_is_a_sentence(self, monkeypatch: Any) -> None:
        def crash(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess(command, -11, "", "")

        monkeypatch.setattr(child.subprocess, "run", crash)
        with pytest.raises(UnsupportedModelError, match=r"crashed on it \(exit status -11\)"):
            child.run(constants_model(), [], "it")


class TestVerify:
    def test_a_wrong_file_is_seen(self, resnet: Any) -> None:
        net, x, proto = resnet
        draft = Draft(proto)
        draft.replace("fc.bias", draft.array("fc.bias") + 1)
        assert apart_from(net, (x,), {}, draft.finish()) > NEAR

    def test_a_file_that_ignores_its_input_is_seen_on_the_second(self) -> None:
        def model(nodes: list[Any]) -> ModelProto:
            info = helper.make_tensor_value_info
            ends = [info("x", 1, [4])], [info("y", 1, [4])]
            tensor = numpy_helper.from_array(np.arange(4, dtype=np.float32), "c")
            return helper.make_model(helper.make_graph(nodes, "g", *ends, [tensor]))

        same = model([helper.make_node("Identity", ["x"], ["y"])])
        stale = model([helper.make_node("Identity", ["c"], ["y"])])
        assert apart(same, stale, {"x": np.arange(4, dtype=np.float32)}) > NEAR

    def test_varied_inputs_stay_in_range(self) -> None:
        given: Mapping[str, Any] = {"ids": np.array([[3, 9, 4]]), "mask": np.ones((1, 3), bool)}
        varied = vary(given)
        assert np.sort(varied["ids"], axis=None).tolist() == [3, 4, 9]
        assert varied["mask"].dtype == bool
        assert varied["mask"].all()

    def test_arguments_are_refilled_where_they_were(self, resnet: Any) -> None:
        net, x, proto = resnet
        args, kwargs = refill(net, (x,), {}, {"x": np.zeros_like(x.numpy())})
        assert kwargs == {}
        assert not args[0].any()
        assert x.any()
        assert set(feed(net, (), {"x": x}, proto)) == {"x"}


def floats(*values: float) -> Any:
    return np.array(values, np.float32)


class TestIntegers:
    def test_weights(self) -> None:
        values = np.array([[0.0, 1.27, -0.634], [0, 0, 0]], np.float32)
        scale = weight_scale(values, 0)
        assert np.allclose(scale, [0.01, 0.01])  # a row of zeros takes its neighbour's
        assert quantize_weight(values, scale, 0).tolist() == [[0, 127, -63], [0, 0, 0]]
        assert weight_scale(values, None).shape == ()

    def test_biases(self) -> None:
        assert quantize_bias(floats(0.3, -1.0), floats(0.1, 0.25)).tolist() == [3, -4]
        wide = widen_for_bias(floats(1e-12, 1), floats(4, 4), np.float32(0.5))
        assert np.allclose(wide, [4 / (0.5 * 2**30), 1.0])

    @pytest.mark.parametrize(
        ("low", "high", "scale", "zero"),
        [(0, 6, 6 / 255, 0), (-1, 1.55, 0.01, 100), (2, 5.1, 0.02, 0), (-5.1, -2, 0.02, 255)],
    )
    def test_activations(self, low: float, high: float, scale: float, zero: int) -> None:
        got = activation_scale(low, high)
        assert np.isclose(got[0], scale)
        assert got[1] == zero
        assert np.array_equal(activation_scale(0, 0), (1, 0))
