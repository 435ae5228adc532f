"""Messages between a terminal and whoever calls it: four bytes of length, then JSON."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Final

MOST: Final = 64 * 1024 * 1024
_LENGTH: Final = struct.Struct("!I")


class Gone(Exception):
    """The other side has closed, or said what is no message."""


def send(to: socket.socket, message: Any) -> None:
    """Send one message. Raises Gone."""
    data = json.dumps(message).encode()
    try:
        to.sendall(_LENGTH.pack(len(data)) + data)
    except OSError as exc:
        raise Gone(str(exc)) from exc


def send_half(to: socket.socket, message: Any) -> None:
    """Send one message but for its end. Raises Gone."""
    data = json.dumps(message).encode()
    try:
        to.sendall(_LENGTH.pack(len(data)) + data[: len(data) // 2])
    except OSError as exc:
        raise Gone(str(exc)) from exc


def receive(of: socket.socket, most: int = MOST) -> Any:
    """The next message. Raises Gone."""
    (length,) = _LENGTH.unpack(_exactly(of, _LENGTH.size))
    if length > most:
        raise Gone(f"a message of {length} bytes, at most {most} are taken")
    try:
        return json.loads(_exactly(of, length))
    except (ValueError, RecursionError) as exc:
        raise Gone(f"no JSON: {exc}") from exc


def _exactly(of: socket.socket, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        try:
            part = of.recv(min(size, 1 << 20))
        except OSError as exc:
            raise Gone(str(exc)) from exc
        if not part:
            raise Gone("the other side has closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
