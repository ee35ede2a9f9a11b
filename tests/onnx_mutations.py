"""Damaged ONNX files: bytes flipped, cut and moved, and fields of the message changed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import onnx

NUMBERS = (0, 1, 2, 3, -1, -2, 7, 255, 65_536, 2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.0, 1e-30, 1e30, float("inf"), float("-inf"), float("nan"))
TEXTS = ("", "x", "0", "Relu", "Loop", "If", "../../x", "a" * 70_000, "\u0000", "ai.onnx.ml")
LARGEST_KEPT = 64


def strip(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the data of its weights, so that what is damaged is its structure."""
    _strip(model.graph)
    return model


def _strip(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        if len(tensor.raw_data) > LARGEST_KEPT:
            tensor.ClearField("raw_data")
    for node in graph.node:
        for attribute in node.attribute:
            if len(attribute.t.raw_data) > LARGEST_KEPT:
                attribute.t.ClearField("raw_data")
            if attribute.type == onnx.AttributeProto.GRAPH:
                _strip(attribute.g)


def damage_bytes(data: bytes, chance: random.Random) -> bytes:
    """The file with a few of its bytes changed, taken out, copied or cut off."""
    return chance.choice(_BYTES)(bytearray(data), chance)


def _flip(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _set(data: bytearray, chance: random.Random) -> bytes:
    data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(data)


def _cut(data: bytearray, chance: random.Random) -> bytes:
    return bytes(data[: chance.randrange(len(data))])


def _delete(data: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    del data[start : start + chance.randint(1, 32)]
    return bytes(data)


def _copy(data: bytearray, chance: random.Random) -> bytes:
    start, place = chance.randrange(len(data)), chance.randrange(len(data))
    data[place:place] = data[start : start + chance.randint(1, 64)]
    return bytes(data)


_BYTES: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    _flip,
    _flip,
    _set,
    _cut,
    _delete,
    _copy,
)


def damage_fields(data: bytes, chance: random.Random) -> onnx.ModelProto:
    """The message with a few of its fields changed: it always parses."""
    model = onnx.load_model_from_string(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        _damage(model, chance)
    return model


def _damage(message: Any, chance: random.Random) -> None:
    """Go down at random, and change what is found there."""
    fields = message.ListFields()
    if not fields:
        return
    field, value = chance.choice(fields)
    is_message = field.type == field.TYPE_MESSAGE
    if field.is_repeated:
        at = chance.randrange(len(value))
        if chance.random() < 0.08:
            _rearrange(value, at, chance, is_message)
        elif is_message:
            _damage(value[at], chance)
        else:
            value[at] = _other(field, value[at], chance)
    elif is_message:
        _damage(value, chance) if chance.random() < 0.97 else message.ClearField(field.name)
    elif chance.random() < 0.1:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _other(field, value, chance))


def _rearrange(values: Any, at: int, chance: random.Random, is_message: bool) -> None:
    """Take an element out, or have it twice."""
    if chance.random() < 0.5:
        del values[at]
    elif is_message:
        values.add().CopyFrom(values[at])
    else:
        values.append(values[at])


def _other(field: Any, value: Any, chance: random.Random) -> Any:
    """Another value of the same type."""
    if field.type == field.TYPE_ENUM:
        return chance.choice([entry.number for entry in field.enum_type.values])
    if isinstance(value, str):
        return chance.choice((*TEXTS, value + "_", value[:-1]))
    if isinstance(value, bytes):
        return chance.choice((b"", value[:-1], value + b"\0", b"\xff\xfe" * 40))
    if isinstance(value, float):
        return chance.choice((*FLOATS, value + 1))
    narrow = field.type == field.TYPE_INT32
    return chance.choice([n for n in NUMBERS if not narrow or -(2**31) <= n < 2**31])
