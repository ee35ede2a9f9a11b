"""Messages between two processes: eight bytes of length, then a pickle."""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any

_LENGTH = struct.Struct("<Q")


def pack(message: Any) -> bytes:
    """A message as one frame."""
    body = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(body)) + body


def receive(pipe: IO[bytes]) -> bytes | None:
    """The next frame's pickle, or `None` where the other side is gone, also within a frame."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = pipe.read(length)
    return body if len(body) == length else None


def unpack(body: bytes) -> Any:
    """The message of a frame."""
    return pickle.loads(body)
