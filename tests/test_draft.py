"""Files under the knife: what is listed as an input of the new one."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, helper

from runtime_nets import residual_net
from talaria_widget.recipe import Quantize
from talaria_widget.rewrite.draft import given_inputs
from talaria_widget.rewrite.folding import fold
from talaria_widget.rewrite.onnx import rewrite


def listing(ir_version: int) -> ModelProto:
    """A net whose inputs are also its stored tensors."""
    net = residual_net()
    net.ir_version = ir_version
    for tensor in net.graph.initializer:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        net.graph.input.append(value)
    return net


@pytest.mark.parametrize("ir_version", [3, 8])
def test_no_input_is_left_of_what_is_stored_no_more(ir_version: int) -> None:
    net = listing(ir_version)
    shape = [dim.dim_value for dim in net.graph.input[0].type.tensor_type.shape.dim]
    feed = {net.graph.input[0].name: np.ones(shape, np.float32)}
    runs = []
    for model in (net, fold(net), rewrite(fold(net), {"body.weight": Quantize(8)}).model):
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        runs.append(np.asarray(session.run(None, feed)[0]))
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-4, atol=1e-5)


def test_stored_tensors_of_an_old_file_are_no_inputs_of_the_new_one() -> None:
    old, new = listing(3), listing(8)
    assert given_inputs(old) == [old.graph.input[0].name]
    assert [value.name for value in fold(old).graph.input] == given_inputs(old)
    assert given_inputs(new) == [value.name for value in new.graph.input]
    assert "body.weight" in [value.name for value in fold(new).graph.input]
