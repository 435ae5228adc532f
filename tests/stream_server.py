"""A WebSocket server whose every connection a test has in hand: what a made-up exchange would not do, it does."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Ping, Pong, RejectConnection, Request, TextMessage

from quantmind.net.frames import text_frame

_AT_ONCE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Caller:
    """One connection, seen from the server."""

    def __init__(self, stream: trio.SocketStream, number: int) -> None:
        self.stream, self.number = stream, number
        self.path = ""
        self.texts: list[str] = []
        self.pings = 0
        self.got_pongs: list[bytes] = []
        self.pongs = True
        self.over = trio.Event()
        self.on_text: Callable[[str], Awaitable[None]] | None = None
        self._ws = WSConnection(ConnectionType.SERVER)

    @property
    def streams(self) -> list[str]:
        """Those that the address names."""
        return self.path.partition("streams=")[2].split("/")

    async def say(self, *messages: str | bytes) -> None:
        """Send text messages, in one piece."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.stream.send_all(
                b"".join(text_frame(each.encode() if isinstance(each, str) else each) for each in messages)
            )

    async def close(self, code: int = 1001) -> None:
        """Say Close after all that was said before."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.stream.send_all(self._ws.send(CloseConnection(code=code)))

    def cut(self) -> None:
        """Go away with an RST: what the other side has not read may be lost."""
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.stream.socket.close()

    async def serve(self, refuse: Callable[[str], int | None], opened: Callable[[Caller], None]) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await self.stream.receive_some(65536):
                self._ws.receive_data(bytes(data))
                for event in self._ws.events():
                    await self._take(event, refuse, opened)
        self.over.set()

    async def _take(self, event: object, refuse: Callable[[str], int | None], opened: Callable[[Caller], None]) -> None:
        if isinstance(event, Request):
            self.path = event.target
            status = refuse(self.path)
            if status is None:
                await self.stream.send_all(self._ws.send(AcceptConnection()))
                opened(self)
            else:
                await self.stream.send_all(self._ws.send(RejectConnection(status_code=status)))
                await self.stream.aclose()
        elif isinstance(event, Ping):
            self.pings += 1
            if self.pongs:
                await self.stream.send_all(self._ws.send(event.response()))
        elif isinstance(event, Pong):
            self.got_pongs.append(bytes(event.payload))
        elif isinstance(event, TextMessage):
            self.texts.append(event.data)
            if self.on_text is not None:
                await self.on_text(event.data)
        elif isinstance(event, CloseConnection):
            if self._ws.state is not ConnectionState.CLOSED:
                await self.stream.send_all(self._ws.send(event.response()))
            await self.stream.aclose()


class StreamServer:
    """All connections, in the order in which they came."""

    def __init__(self, port: int) -> None:
        self.url = f"ws://127.0.0.1:{port}"
        self.callers: list[Caller] = []
        self.refused = 0
        self.refusal: int | None = None
        """Status with which connections are refused from now on."""
        self.on_open: Callable[[Caller], None] = lambda _: None
        self._change = trio.Event()

    def refuse(self, path: str) -> int | None:
        del path
        self.refused += self.refusal is not None
        return self.refusal

    def opened(self, caller: Caller) -> None:
        self.callers.append(caller)
        self.on_open(caller)
        self._change.set()
        self._change = trio.Event()

    async def caller(self, number: int) -> Caller:
        """The connection of this number, from 0; waited for."""
        while len(self.callers) <= number:
            await self._change.wait()
        return self.callers[number]


@contextlib.asynccontextmanager
async def open_stream_server() -> AsyncIterator[StreamServer]:
    """Run one while the block runs."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    served = StreamServer(listener.socket.getsockname()[1])
    count = 0

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal count
        count += 1
        await Caller(stream, count).serve(served.refuse, served.opened)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield served
        nursery.cancel_scope.cancel()
