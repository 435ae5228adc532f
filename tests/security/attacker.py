"""What an attacker sends: bytes, as no proper client would make them."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import attrs

WITHIN_S = 30.0
"""How long an answer is waited for; no measure of speed."""
HOST = b"Host: 127.0.0.1\r\n"
JSON = b"Content-Type: application/json\r\n"
CLOSE = b"Connection: close\r\n"
UPGRADE = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)


def spoken(port: int, data: bytes, *, until: bytes | None = None) -> bytes:
    """Send bytes to a port of this machine; what comes back, to its end, or to this text."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        with contextlib.suppress(ConnectionError):
            while until is None or until not in heard:
                piece = connection.recv(65536)
                if not piece:
                    break
                heard += piece
    return heard


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """An HTTP request: its first line without the version, if none is said, and whole header lines."""
    first = line if b" HTTP/" in line else line + b" HTTP/1.1"
    return first + b"\r\n" + b"".join(headers) + b"\r\n" + body


def sized(body: bytes) -> bytes:
    """The header that says how long a body is."""
    return b"Content-Length: %d\r\n" % len(body)


def token_header(token: str) -> bytes:
    return b"X-Token: " + token.encode() + b"\r\n"


def status_of(answer: bytes) -> int:
    """The status of the first HTTP answer in these bytes."""
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


def headers_of(answer: bytes) -> dict[str, str]:
    """The headers of the first HTTP answer, by name in lower case."""
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head)}


def old_frame(body: bytes, *, more: bool = False) -> bytes:
    """A frame of ZMTP 1, which has no greeting: a length, a flag, the body."""
    size = len(body) + 1
    length = bytes([size]) if size < 255 else b"\xff" + size.to_bytes(8, "big")
    return length + bytes([more]) + body


def command_in_http(method: bytes, port: int, command: bytes) -> bytes:
    """An HTTP request as a page's `fetch(…, {mode: "no-cors"})` makes it, which is ZMTP 1 besides, and has a command.

    The page chooses path and body. The first byte of each piece is taken for a length, so the path is padded until the
    pieces of the head end within the body, where a whole frame follows.
    """
    head = (
        b"Host: 127.0.0.1:%d\r\nConnection: keep-alive\r\nContent-Length: 1000\r\nUser-Agent: Mozilla/5.0\r\n"
        b"Accept: */*\r\nOrigin: http://evil.example\r\nReferer: http://evil.example/\r\n\r\n" % port
    )
    for padding in range(1000):
        data = method + b" /" + b"A" * padding + b" HTTP/1.1\r\n" + head
        at = 0
        while at < len(data):
            at += 1 + data[at]
        gap = at - len(data)
        # What stands for the flag of the last piece must say that its message ends there.
        if gap < 200:
            return data + b"Z" * gap + old_frame(b"") + old_frame(b"", more=True) + old_frame(command)
    raise AssertionError("no padding fits")


def json_of(answer: bytes) -> Any:
    """The JSON in an HTTP answer."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@attrs.frozen
class Open:
    """A connection that stays open, so that what was sent is not lost with it."""

    connection: socket.socket

    def heard(self) -> bytes:
        """What has come by now."""
        self.connection.settimeout(0.5)
        heard = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while piece := self.connection.recv(65536):
                heard += piece
        return heard

    def to_its_end(self) -> bytes:
        """What comes until the other side ends it, which it must within some time."""
        self.connection.settimeout(WITHIN_S)
        heard = b""
        with contextlib.suppress(ConnectionError):
            while piece := self.connection.recv(65536):
                heard += piece
        return heard


@contextlib.contextmanager
def open_and_send(port: int, data: bytes) -> Iterator[Open]:
    """Send bytes to a port of this machine and keep the connection for the length of the block."""
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as connection:
        connection.sendall(data)
        yield Open(connection)
