"""Messages between two processes: a frame's length, JSON, and bytes behind it as they are.

Nothing that is read can run code: beside what JSON knows, only the frozen classes of `_KINDS`
are made, each of its own fields.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import fields
from typing import IO, Any

from talaria_widget.compilers.observed import Node, Timing
from talaria_widget.compilers.onnxruntime.payloads import Building, Loading, Seen
from talaria_widget.recipe import Activations, Cast, Quantize

_HEAD = struct.Struct("<QQ")
"""The bytes of the whole frame behind it, and how many of them are JSON."""
_BYTES, _PAIRS = "#bytes", "#pairs"
_KINDS: Mapping[str, tuple[type[Any], tuple[str, ...]]] = {
    f"#{kind.__name__}": (kind, tuple(field.name for field in fields(kind)))
    for kind in (Activations, Building, Cast, Loading, Node, Quantize, Seen, Timing)
}


class Unreadable(Exception):
    """A frame that is none of ours."""


def pack(message: Any) -> bytes:
    """A message as one frame; tuples come out as lists, but for those of our classes.

    Raises:
        TypeError, ValueError: what is neither JSON nor bytes nor of our classes.
    """
    behind: list[bytes] = []
    start = 0

    def plain(value: object) -> dict[str, Any]:
        nonlocal start
        name = f"#{type(value).__name__}"
        if name in _KINDS:
            # The keys of a mapping are the user's own names, and may look like ours.
            kept = [getattr(value, field) for field in _KINDS[name][1]]
            return {name: [{_PAIRS: list(v.items())} if type(v) is dict else v for v in kept]}
        if isinstance(value, bytes):
            behind.append(value)
            start += len(value)
            return {_BYTES: [start - len(value), start]}
        raise TypeError(f"a {type(value).__name__} cannot be sent to another process.")

    text = json.dumps(message, default=plain).encode()
    return b"".join((_HEAD.pack(len(text) + start, len(text)), text, *behind))


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next frame, or `None` where the other side is gone, also within a frame."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    body = pipe.read(_HEAD.unpack(head)[0])
    return head + body if len(body) == _HEAD.unpack(head)[0] else None


def unpack(frame: bytes) -> Any:
    """The message of a frame.

    Raises:
        Unreadable: it is none of ours.
    """

    def made(found: dict[str, Any]) -> Any:
        if len(found) != 1:
            return found
        ((name, value),) = found.items()
        if name == _PAIRS:
            return {key: _frozen(each) for key, each in value}
        if name == _BYTES:
            return bytes(behind[slice(*value)])
        if name not in _KINDS:
            return found
        kind, names = _KINDS[name]
        kept = [_frozen(each) if type(each) is list else each for each in value]
        return kind(**dict(zip(names, kept, strict=True)))

    try:
        _, size = _HEAD.unpack_from(frame)
        text, behind = frame[_HEAD.size :][:size], memoryview(frame)[_HEAD.size + size :]
        return json.loads(text, object_hook=made)
    except (ValueError, TypeError, RecursionError) as error:
        raise Unreadable(f"an answer that cannot be read ({error})") from error


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
