"""A WebSocket client that only reads bytes as fast as it can, in a thread, and parses them afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from typing import Any


class RawClient:
    """Connects, subscribes and collects. Frames from a server are not masked and not fragmented here."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            chunk = self.socket.recv(4096)
            if not chunk:
                raise ConnectionError(f"turned away after {head!r}")
            head += chunk
        assert head.startswith(b"HTTP/1.1 101"), head
        self._chunks: list[bytes] = [head.partition(b"\r\n\r\n")[2]]
        self._thread: threading.Thread | None = None

    def send(self, message: Any) -> None:
        self.send_text(json.dumps(message).encode())

    def send_text(self, payload: bytes) -> None:
        """A text message of these bytes, whatever they are."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        if len(payload) > 65535:
            length = struct.pack("!BBQ", 0x81, 0x80 | 127, len(payload))
        elif len(payload) > 125:
            length = struct.pack("!BBH", 0x81, 0x80 | 126, len(payload))
        else:
            length = bytes((0x81, 0x80 | len(payload)))
        self.socket.sendall(length + mask + masked)

    def collect(self) -> None:
        """Read in a thread until the server closes."""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                chunk = self.socket.recv(1 << 20)
            except OSError:
                return
            if not chunk:
                return
            self._chunks.append(chunk)

    def join(self) -> None:
        """Wait until the server has closed the connection."""
        assert self._thread is not None
        self._thread.join(120)
        assert not self._thread.is_alive()
        self.socket.close()

    def leave(self) -> None:
        """Go away without a goodbye, and let the thread end."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.join()

    def frames(self) -> list[tuple[int, bytes]]:
        """(opcode, payload) of everything that has come so far."""
        data = b"".join(self._chunks)
        out, at = [], 0
        while at + 2 <= len(data):
            opcode, size, start = data[at] & 15, data[at + 1] & 127, at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start + size > len(data):
                break
            out.append((opcode, data[start : start + size]))
            at = start + size
        return out

    def messages(self) -> list[Any]:
        """Text messages, decoded."""
        return [json.loads(payload) for opcode, payload in self.frames() if opcode == 1]

    def close_code(self) -> int | None:
        """The server's close code, once it came."""
        codes = [int.from_bytes(payload[:2], "big") for opcode, payload in self.frames() if opcode == 8]
        return codes[0] if codes else None
