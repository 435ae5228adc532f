"""A WebSocket server on loopback, and a peer that can send any bytes and checks every frame it gets."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio

from quantmind.net.errors import PeerGone
from quantmind.net.listen import accept_connections, close_listener, open_listener
from quantmind.net.ws import ConnectionLimits, ServerConnection, serve_connection

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    b"GET /feed?x=1 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class RawPeer:
    """A client of our own making."""

    upgrade_request = UPGRADE

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def fill(self) -> bool:
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            return False
        self.buffer += data
        return bool(data)

    async def head(self) -> bytes:
        """Read an HTTP head; empty when the connection ends first."""
        while b"\r\n\r\n" not in self.buffer:
            if not await self.fill():
                return b""
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head

    async def upgrade(self) -> RawPeer:
        await self.stream.send_all(UPGRADE)
        head = await self.head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        return self

    async def _take(self, size: int) -> bytes | None:
        while len(self.buffer) < size:
            if not await self.fill():
                return None
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    async def frame(self) -> tuple[int, bytes] | None:
        """Read one whole unmasked frame; None at the end of the connection, which may not be inside a frame."""
        start = await self._take(2)
        if start is None:
            assert not self.buffer, "the connection ended inside a frame"
            return None
        assert start[0] & 0x80, "a fragment"
        assert not start[0] & 0x70, "reserved bits"
        opcode, size = start[0] & 15, start[1]
        assert opcode in (TEXT, BINARY, CLOSE, PING, PONG)
        assert size < 128, "masked"
        if size >= 126:
            longer = await self._take(2 if size == 126 else 8)
            assert longer is not None
            size = int.from_bytes(longer, "big")
        payload = await self._take(size)
        assert payload is not None, "torn frame"
        return opcode, payload

    async def close_code(self) -> int | None:
        """Read on to the Close frame and return its code; None if the connection ends without one."""
        while (frame := await self.frame()) is not None:
            if frame[0] == CLOSE:
                return struct.unpack("!H", frame[1][:2])[0]
        return None

    async def ended(self) -> bool:
        """Read to the end of the connection; nothing may follow a Close frame."""
        while (frame := await self.frame()) is not None:
            if frame[0] == CLOSE:
                assert await self.frame() is None, "something follows the Close frame"
        return True

    @staticmethod
    def encode(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
        size = len(payload)
        first = bytes((0x80 * fin | reserved | opcode,))
        bit = 0x80 if masked else 0
        if size < 126:
            length = bytes((bit | size,))
        elif size < 65536:
            length = bytes((bit | 126,)) + size.to_bytes(2, "big")
        else:
            length = bytes((bit | 127,)) + size.to_bytes(8, "big")
        if not masked:
            return first + length + payload
        mask = os.urandom(4)
        whole = (mask * (size // 4 + 1))[:size]
        data = (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")
        return first + length + mask + data

    async def send(self, opcode: int, payload: bytes = b"", **how: int) -> None:
        await self.stream.send_all(self.encode(opcode, payload, **how))

    def reset(self) -> None:
        """Go away with an RST."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


class Served:
    """The server of one test: where it listens, and every connection it ever had."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections: list[ServerConnection] = []
        self.ended: list[ServerConnection] = []
        self.gone: list[PeerGone] = []
        self._change = trio.Event()
        self.scopes: list[trio.CancelScope] = []

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    def stop(self) -> None:
        """Cancel every session."""
        for scope in self.scopes:
            scope.cancel()

    def changed(self) -> None:
        self._change.set()
        self._change = trio.Event()

    async def wait_ended(self, count: int) -> None:
        while len(self.ended) < count:
            await self._change.wait()

    @contextlib.asynccontextmanager
    async def peer(self, receive_buffer: int | None = None) -> AsyncIterator[RawPeer]:
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", self.port))
        async with trio.SocketStream(sock) as stream:
            yield RawPeer(stream)


Handler = Callable[[ServerConnection], Awaitable[None]]


async def echo(connection: ServerConnection) -> None:
    """Accept, and send back what comes."""
    await connection.handshake()
    await connection.accept()
    while True:
        message = await connection.receive()
        connection.push(message.encode() if isinstance(message, str) else b"binary:%d" % len(message))


@contextlib.asynccontextmanager
async def run_server(handler: Handler = echo, **limits: float) -> AsyncIterator[Served]:
    """Serve `handler` on loopback; its `PeerGone` ends its connection, anything else fails the test."""
    measures = ConnectionLimits(
        **{"handshake_timeout_s": 10, "close_timeout_s": 5, "slow_client_timeout_s": 10, **limits}
    )
    listener = open_listener("127.0.0.1", 0)
    served = Served(listener.getsockname()[1])

    async def serve(raw: socket.socket) -> None:
        with trio.CancelScope() as scope:
            served.scopes.append(scope)
            async with serve_connection(raw, measures) as connection:
                served.connections.append(connection)
                try:
                    await handler(connection)
                except PeerGone as gone:
                    served.gone.append(gone)
        assert raw.fileno() == -1
        served.ended.append(connection)
        served.changed()

    try:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(accept_connections, listener, lambda raw: nursery.start_soon(serve, raw))
                yield served
                nursery.cancel_scope.cancel()
    finally:
        close_listener(listener)


@pytest.fixture
def server() -> Callable[..., contextlib.AbstractAsyncContextManager[Served]]:
    """`async with server(handler, **limits) as served`."""
    return run_server


@pytest.fixture
def echo_handler() -> Handler:
    return echo
