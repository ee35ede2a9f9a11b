"""What a torch function is called, and how a trace must treat it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.nn import functional

from talaria_widget.frontends.torch.bodies.control import HANDLERS
from talaria_widget.frontends.torch.table.aten import is_called_otherwise, public_target

Treatment = Literal[
    "query",  # asks for shape, dtype or flags: run on the twin
    "device",  # asks where a tensor lives: answered with the model's own device
    "move",  # `to`, `cuda`, `cpu`: the device is taken out of it
    "read",  # its answer is data, not a tensor
    "select",  # the shape of its answer depends on data
    "factory",  # makes a tensor from plain values
    "random",  # makes a tensor of random numbers
    "like",  # looks at its tensor's shape only
    "control",  # runs functions that it is given: their calls are the trace's
    "aten",  # an operator below a public function: that function is called
    "call",  # everything else
]


@dataclass(frozen=True, slots=True)
class Function:
    """A torch function's public name, the last word of it, and its treatment."""

    target: str
    word: str
    treatment: Treatment


_QUERIES = """
    __len__ __hash__ __dir__ __reduce_ex__ __class__ __repr__
    shape size dim ndim dtype layout names numel nelement element_size itemsize nbytes stride
    storage_offset is_contiguous is_floating_point is_complex is_signed is_sparse is_sparse_csr
    is_quantized is_leaf requires_grad grad grad_fn output_nr retains_grad volatile is_inference
    is_conj is_neg is_nested is_mkldnn is_shared is_coalesced ndimension name has_names
    get_default_dtype result_type can_cast promote_types is_same_size is_storage untyped_storage
    data_ptr _backward_hooks dim_order is_grad_enabled set_grad_enabled
    _set_grad_enabled broadcast_shapes is_distributed is_pinned
    is_inference_mode_enabled is_autocast_enabled _is_view _base
    get_default_device _functorch_wrapped is_tensor storage
    _has_compatible_shallow_copy_type _version
"""
_DEVICE = """
    device is_cuda is_cpu is_meta is_xpu is_mps is_mtia is_ipu is_maia is_vulkan is_xla is_hpu
    get_device
"""
_MOVES = "to cuda cpu xpu"
_READS = """
    item tolist numpy is_nonzero equal allclose _local_scalar_dense
    __bool__ __int__ __float__ __index__ __complex__ __array__ __contains__ __format__ __dlpack__
"""
_SELECTS = "nonzero argwhere unique unique_consecutive masked_select bincount"
_FACTORIES = """
    arange range zeros ones empty full tensor as_tensor eye linspace logspace tril_indices
    triu_indices empty_strided from_numpy scalar_tensor asarray hann_window hamming_window
    blackman_window bartlett_window kaiser_window frombuffer fftfreq rfftfreq
"""
_RANDOM = """
    rand randn randint randperm normal bernoulli multinomial poisson rand_like randn_like
    randint_like
"""
_LIKE = """
    zeros_like ones_like empty_like full_like new_zeros new_ones new_empty new_full new_tensor
    new_empty_strided
"""
_WORDS: tuple[tuple[Treatment, str], ...] = (
    ("query", _QUERIES),
    ("device", _DEVICE),
    ("move", _MOVES),
    ("read", _READS),
    ("select", _SELECTS),
    ("factory", _FACTORIES),
    ("random", _RANDOM),
    ("like", _LIKE),
)
_TREATMENTS = {word: treatment for treatment, words in _WORDS for word in words.split()}

_ALSO_RANDOM = frozenset(("rrelu", "gumbel_softmax", "fractional_max_pool2d"))

_SAME_AS = {
    "__radd__": "__add__",
    "__iadd__": "add_",
    "__rsub__": "__sub__",
    "__isub__": "sub_",
    "__rmul__": "__mul__",
    "__imul__": "mul_",
    "__truediv__": "div",
    "__rtruediv__": "div",
    "__rdiv__": "div",
    "__itruediv__": "div_",
    "__idiv__": "div_",
    "__rpow__": "pow",
    "__ipow__": "pow_",
    "__rfloordiv__": "__floordiv__",
    "__rmatmul__": "matmul",
    "__matmul__": "matmul",
    "__rand__": "__and__",
    "__ror__": "__or__",
    "__rxor__": "__xor__",
    "__iand__": "__and__",
    "__ior__": "__or__",
}
_SPACES = ("torch", "torch.Tensor", "torch.nn.functional", "torch.fft")
_OPERATORS = (torch._ops.OpOverload, torch._ops.OpOverloadPacket)
_KNOWN: dict[Any, Function] = {}


def describe(function: Callable[..., Any]) -> Function:
    """The public name and the treatment of a torch function."""
    known = _KNOWN.get(function)
    if known is None:
        known = _KNOWN[function] = _describe(function)
    return known


def draws(target: str) -> bool:
    """Whether a function of this name draws random numbers."""
    word = target.rpartition(".")[2].strip("_")
    return _TREATMENTS.get(word) == "random" or "dropout" in word or word in _ALSO_RANDOM


def _describe(function: Callable[..., Any]) -> Function:
    target = _target(function)
    word = target.rsplit(".", 1)[-1]
    treatment: Treatment = "call"
    if _is_aten(function) and is_called_otherwise(_operator(function)):
        treatment = "aten"
    elif target.rpartition(".")[0] in _SPACES and getattr(function, "__name__", "") != "__set__":
        treatment = _TREATMENTS.get(word, "call")
    elif isinstance(function, torch._ops.HigherOrderOperator) and word in HANDLERS:
        treatment = "control"
    return Function(target, (word.strip("_") or word).lower(), treatment)


def _is_aten(function: Callable[..., Any]) -> bool:
    return isinstance(function, _OPERATORS) and _qualified(function).startswith("aten::")


def _qualified(function: Any) -> str:
    """The name of an operator of `torch.ops`, with its namespace and without its overload."""
    return str(getattr(function, "overloadpacket", function)._qualified_op_name)


def _operator(function: Any) -> str:
    return _qualified(function).partition("::")[2]


def _target(function: Callable[..., Any]) -> str:
    if _is_aten(function):
        return public_target(_operator(function))
    if isinstance(function, _OPERATORS):
        return _qualified(function).replace("::", ".")
    name = getattr(function, "__name__", type(function).__name__)
    owner = getattr(function, "__self__", None)
    if name in ("__get__", "__set__", "__delete__") and owner is not None:
        prefix = "" if name == "__get__" else f"{name.strip('_')}_"
        return f"torch.Tensor.{prefix}{getattr(owner, '__name__', 'property')}"
    if getattr(functional, name, None) is function:
        return f"torch.nn.functional.{name}"
    if getattr(torch.Tensor, name, None) is function or hasattr(function, "__objclass__"):
        return f"torch.Tensor.{_SAME_AS.get(name, name)}"
    if getattr(torch, name, None) is function:
        return f"torch.{name}"
    module = getattr(function, "__module__", None) or "torch"
    if module.startswith("torch._C._"):
        space = module.removeprefix("torch._C._")
        return f"torch.{space}.{name.removeprefix(f'{space}_')}"
    if module in ("torch._tensor", "torch._C") or module.startswith("torch._VF"):
        module = "torch.Tensor" if module == "torch._tensor" else "torch"
    return f"{module}.{_SAME_AS.get(name, name)}"
