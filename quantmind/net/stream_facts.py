"""What can be said of one stream, how its socket is set up, and how it came to its end."""

from __future__ import annotations

import contextlib
import enum
import socket
import sys
from typing import Final

import attrs

from quantmind.net.tls_socket import TlsSocket

UNSENT_BYTES: Final = 16 * 1024
"""What the kernel may hold unsent before it says EAGAIN: little, as what it holds can't be conflated any more."""

WINDOWS_SEND_BUFFER: Final = 256 * 1024


class Ending(enum.Enum):
    """How the stream came to its end."""

    CLOSED = "closed"
    """By us, in order."""
    DROPPED = "dropped"
    """The peer, or the network, went away."""
    STALLED = "stalled"
    """The peer took nothing for `slow_client_timeout_s`."""
    OVERFLOW = "overflow"
    """The peer asked for more replies than it read: `max_queued_bytes` were waiting."""
    OVERSIZED = "oversized"
    """The peer sent more than `OPENING_BYTES` before its handshake was answered."""


@attrs.frozen
class StreamStatistics:
    """What went through one stream, and what waits in it."""

    bytes_sent: int
    """Bytes the kernel took."""
    frames_sent: int
    """Frames handed over to be written, several in one `push` counting as one; replaced ones are not among them."""
    pushes: int
    """Calls of `push` and `push_ticks` that were taken."""
    partial_writes: int
    """How often the kernel took a part, or nothing."""
    conflated: int
    """Frames replaced by a newer one of their key before they were written."""
    queued_bytes: int
    """Bytes that wait now."""
    peak_queued: int
    """The most bytes that ever waited."""


def tune(raw: socket.socket | TlsSocket) -> None:
    """Make `raw` non-blocking, prompt, watched by keepalive, and early to say that it is full."""
    raw.setblocking(False)
    with contextlib.suppress(OSError):  # a socket that is already dead has no options; its first use will tell
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sys.platform == "win32":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WINDOWS_SEND_BUFFER)
        elif sys.platform == "linux":
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
