"""The nodes of TorchScript: what each does to plain values, and which operator of torch it is."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

_Node = Callable[[Any, list[Any]], Any]

# The numbers that TorchScript writes in place of these objects
# (c10/core/ScalarType.h, c10/core/MemoryFormat.h).
_SCALAR_TYPES = (
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
    torch.complex32,
    torch.complex64,
    torch.complex128,
    torch.bool,
    torch.qint8,
    torch.quint8,
    torch.qint32,
    torch.bfloat16,
)
_MEMORY_FORMATS = (
    torch.contiguous_format,
    torch.preserve_format,
    torch.channels_last,
    torch.channels_last_3d,
)


def operate(node: Any, args: list[Any]) -> Any:
    """What an operator gives: called through `torch.ops`, where a mode sees it."""
    name, _, overload = node.schema().partition("(")[0].partition(".")
    space, _, word = name.partition("::")
    packet = getattr(getattr(torch.ops, space), word)
    function = getattr(packet, overload or "default")
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for argument, value in zip(function._schema.arguments, args, strict=True):
        value = _meant(str(argument.real_type), value)
        if argument.kwarg_only:
            named[argument.name] = value
        else:
            positional.append(value)
    return function(*positional, **named)


def _meant(kind: str, value: Any) -> Any:
    """A number as the object that its argument's type says it stands for."""
    if isinstance(value, int) and not isinstance(value, bool):
        if "ScalarType" in kind:
            return _SCALAR_TYPES[value]
        if "MemoryFormat" in kind:
            return _MEMORY_FORMATS[value]
    return value


def _one(function: Callable[..., Any]) -> _Node:
    """A node with one result, of its arguments alone."""
    return lambda node, args: (function(*args),)


def _attribute(node: Any, args: list[Any]) -> Any:
    owner, name = args[0], node.s("name")
    return (owner.getattr(name) if hasattr(owner, "getattr") else getattr(owner, name),)


def _method(node: Any, args: list[Any]) -> Any:
    owner, name = args[0], node.s("name")
    found = owner._get_method(name) if hasattr(owner, "_get_method") else getattr(owner, name)
    return (found(*args[1:]),)


def _raise(message: Any, *_: Any) -> Any:
    raise RuntimeError(str(message))


def _write(items: Any, at: Any, value: Any) -> Any:
    items[at] = value
    return items


def _append(items: list[Any], value: Any) -> list[Any]:
    items.append(value)
    return items


def _derived(at: int, start: int, step: int) -> int:
    return start + at * step


def _format(text: str, *args: Any) -> str:
    return text.format(*args)


def _of_tensor(name: str) -> _Node:
    return lambda node, args: (getattr(args[0], name),)


def _number(kind: Callable[[Any], Any]) -> _Node:
    return lambda node, args: (kind(args[0]),)


_IDENTITY = _one(lambda value, *_: value)
# What is done in Python whatever the arguments are.
_NODES: dict[str, _Node] = {
    "prim::GetAttr": _attribute,
    "prim::CallMethod": _method,
    "prim::ListConstruct": lambda node, args: (list(args),),
    "prim::TupleConstruct": lambda node, args: (tuple(args),),
    "prim::DictConstruct": lambda node, args: (dict(zip(args[::2], args[1::2], strict=True)),),
    "prim::ListUnpack": lambda node, args: tuple(args[0]),
    "prim::TupleUnpack": lambda node, args: tuple(args[0]),
    "prim::TupleIndex": _one(operator.getitem),
    "prim::NumToTensor": _one(torch.tensor),
    "prim::RaiseException": _one(_raise),
    "prim::Uninitialized": _one(lambda: None),
    "prim::unchecked_cast": _IDENTITY,
    "prim::unchecked_unwrap_optional": _IDENTITY,
    "prim::Print": _one(lambda *_: None),
    "prim::min": _one(min),
    "prim::max": _one(max),
    "prim::abs": _one(abs),
    "prim::dtype": lambda node, args: (_SCALAR_TYPES.index(args[0].dtype),),
    "prim::device": _of_tensor("device"),
    "prim::layout": lambda node, args: (0,),
    "prim::is_cuda": _of_tensor("is_cuda"),
    "prim::is_quantized": _of_tensor("is_quantized"),
    "prim::requires_grad": _of_tensor("requires_grad"),
    "prim::data": _of_tensor("data"),
    "aten::_unwrap_optional": _IDENTITY,
    "aten::Bool": _number(bool),
    "aten::Int": _number(int),
    "aten::Float": _number(float),
    "aten::IntImplicit": _number(int),
    "aten::FloatImplicit": _number(float),
    "aten::ScalarImplicit": lambda node, args: (args[0].item(),),
    "aten::__is__": _one(operator.is_),
    "aten::__isnot__": _one(operator.is_not),
    "aten::__not__": _one(operator.not_),
    "aten::len": _one(len),
}
# What is done in Python where the first argument is no tensor.
_PLAIN: dict[str, _Node] = {
    "aten::__contains__": _one(operator.contains),
    "aten::__getitem__": _one(operator.getitem),
    "aten::_set_item": _one(_write),
    "aten::__range_length": _one(lambda start, end, step: len(range(start, end, step))),
    "aten::__derive_index": _one(_derived),
    "aten::append": _one(_append),
    "aten::extend": _one(operator.iadd),
    "aten::pop": _one(lambda items, *at: items.pop(*at)),
    "aten::insert": _one(lambda items, at, value: items.insert(at, value)),
    "aten::reverse": _one(lambda items: items.reverse()),
    "aten::list": _one(list),
    "aten::copy": _one(lambda items: items.copy()),
    "aten::keys": _one(lambda items: list(items.keys())),
    "aten::values": _one(lambda items: list(items.values())),
    "aten::items": _one(lambda items: list(items.items())),
    "aten::get": _one(lambda items, *key: items.get(*key)),
    "aten::slice": _one(lambda items, *ends: items[slice(*ends)]),
    "aten::str": _one(str),
    "aten::format": _one(_format),
    "aten::warn": _one(lambda *_: None),
    "aten::add": _one(operator.add),
    "aten::sub": _one(operator.sub),
    "aten::mul": _one(operator.mul),
    "aten::div": _one(operator.truediv),
    "aten::floordiv": _one(operator.floordiv),
    "aten::remainder": _one(operator.mod),
    "aten::pow": _one(operator.pow),
    "aten::neg": _one(operator.neg),
    "aten::abs": _one(abs),
    "aten::ceil": _one(math.ceil),
    "aten::floor": _one(math.floor),
    "aten::round": _one(round),
    "aten::sqrt": _one(math.sqrt),
    "aten::log": _one(math.log),
    "aten::exp": _one(math.exp),
    "aten::eq": _one(operator.eq),
    "aten::ne": _one(operator.ne),
    "aten::lt": _one(operator.lt),
    "aten::le": _one(operator.le),
    "aten::gt": _one(operator.gt),
    "aten::ge": _one(operator.ge),
    "aten::__and__": _one(operator.and_),
    "aten::__or__": _one(operator.or_),
    "aten::__xor__": _one(operator.xor),
}
NODES: Mapping[str, _Node] = MappingProxyType(_NODES)
PLAIN: Mapping[str, _Node] = MappingProxyType(_PLAIN)
