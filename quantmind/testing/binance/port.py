"""One port for everything: it looks at how a connection begins, and hands it to REST or to a WebSocket."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import attrs
import trio

from quantmind.net.listen import ListenAddress, accept_connections
from quantmind.testing.binance.door import Stream, cut_stream

MOST_HEAD: Final = 16 * 1024
MOST_CONNECTIONS: Final = 1024
"""Further ones are let go at once."""
_READ: Final = 4096
_BROKEN: Final = (trio.BrokenResourceError, trio.ClosedResourceError)

Serve = Callable[[Stream, bytes], Awaitable[None]]


@attrs.define(eq=False)
class Port:
    """Listens, and serves each connection with `http` or `websocket`, which get the stream and what was read of it.

    Args:
        tls: makes it https and wss.
        head_within_s: a client that has not sent its request's head by then is let go.
    """

    address: ListenAddress
    http: Serve
    websocket: Serve
    tls: ssl.SSLContext | None = None
    head_within_s: float = 10.0
    accepted: int = attrs.field(default=0, init=False)
    _streams: set[Stream] = attrs.field(factory=set, init=False)
    _open: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def url(self) -> str:
        """Where it listens: scheme, host and port."""
        return f"http{'s' if self.tls else ''}://{self.address.host}:{self.address.port}"

    @property
    def open_connections(self) -> int:
        """Those of REST and WebSockets."""
        return len(self._streams)

    def open(self) -> None:
        """Listen. Raises NetError, AddressTaken: it can't."""
        self.address.open()
        self._open.set()

    def cut(self) -> None:
        """Listen no more, and end every connection at once."""
        self._open = trio.Event()
        self.address.close()
        for stream in self._streams:
            cut_stream(stream)
        self._streams.clear()

    async def run(self) -> NoReturn:
        """Serve until it is cancelled; then nothing listens, and no connection is left."""
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    await self._open.wait()

                    def begin(raw: socket.socket) -> None:
                        self._begin(raw, nursery)

                    try:
                        await accept_connections(self.address.open(), begin)
                    except trio.ClosedResourceError:
                        continue
        finally:
            self.cut()

    def _begin(self, raw: socket.socket, nursery: trio.Nursery) -> None:
        if len(self._streams) >= MOST_CONNECTIONS:
            raw.close()
            return
        self.accepted += 1
        plain = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
        stream: Stream = plain if self.tls is None else trio.SSLStream(plain, self.tls, server_side=True)
        self._streams.add(stream)
        nursery.start_soon(self._serve, stream)

    async def _serve(self, stream: Stream) -> None:
        try:
            head = await self._head(stream)
            if head is not None:
                serve = self.websocket if _is_upgrade(head) else self.http
                await serve(stream, head)
        finally:
            self._streams.discard(stream)
            cut_stream(stream)

    # None: the client left, said nothing in time, or too much, or its TLS is none.
    async def _head(self, stream: Stream) -> bytes | None:
        head = b""
        with trio.move_on_after(self.head_within_s):
            try:
                while b"\r\n\r\n" not in head and len(head) <= MOST_HEAD:
                    data = await stream.receive_some(_READ)
                    if not data:
                        return None
                    head += data
            except _BROKEN:
                return None
            return head
        return None


def _is_upgrade(head: bytes) -> bool:
    lines = head.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return any(line.partition(b":")[0] == b"upgrade" and b"websocket" in line for line in lines)
