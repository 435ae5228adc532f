"""Serves an ASGI app on Hypercorn, in the gateway's own Trio run. The only importer of hypercorn.

Hypercorn speaks the protocol (`TCPServer`, one for each connection); accepting, limits and the end are ours:

- `hypercorn.trio.serve` takes a listener that is bound already only as `fd://N`. It makes that inheritable, so a
  worker process would keep our port, and sets SO_REUSEADDR, which Windows refuses on an exclusive socket. Here the
  listener stays as it is, and a crash does not close it: the next incarnation goes on where this one was.
- There, a bug in one connection ends the server. Here it ends that connection.
- There, a response that its client does not take is sent under a shield without a limit, and stopping waits for
  that client. Here each write has a limit, and the end closes what is left.
- There, a client that has gone keeps its connection until the keep-alive time is over. Here it ends at once.
- There, an HTTP/2 connection without requests stays for ever, and the codec logs tokens. Here it is HTTP/1 only.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import attrs
import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Event, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr, wrap_app

from actors.runtime import Inbox
from quantmind.net.errors import NetError
from quantmind.net.listen import accept_connections

logger: Final = logging.getLogger("quantmind.http")

KEEP_ALIVE_S: Final = 15.0
WRITE_WITHIN_S: Final = 20.0
GRACE_S: Final = 3.0
MAX_CONNECTIONS: Final = 512
MAX_HEAD_BYTES: Final = 16 * 1024


class Address(Protocol):
    """Where to listen. Both calls may be repeated; `open` after `close` gives the same port."""

    def open(self) -> socket.socket: ...

    def close(self) -> None: ...


@attrs.define(eq=False)
class HttpStatistics:
    """For /status; outlives incarnations."""

    connections: int = 0
    """Open now."""
    accepted: int = 0
    turned_away: int = 0
    """Closed at once, because there were too many."""
    stalled: int = 0
    """Ended, because the client did not take its answer in time."""
    failed: int = 0
    """Ended by an error of ours or of Hypercorn's; the log has it."""

    def snapshot(self) -> dict[str, int]:
        """Every count by name."""
        return attrs.asdict(self)


@attrs.define(eq=False)
class HttpEdge:
    """The actor that serves an app.

    It accepts as soon as it runs and until it is asked to stop, or the listener is closed under it. Then idle
    connections close at once, requests in flight have `grace_s` to end, and what is left is cut. Cancelled, it cuts
    at once.

    Args:
        app: an ASGI app; its lifespan is not run.
        listener: an address, which is opened here if it is not yet and closed as soon as the actor is asked to stop;
            or a socket that listens and that its owner closes. A crash closes neither: what connects meanwhile waits.
        beside: runs as long as there are connections, such as `Door.sweep`.
        keep_alive_s: an idle connection is closed after this long, and so is one whose request head is not there.
        write_within_s: an answer that its client has not taken after this long ends the connection.
        grace_s: how long requests in flight have to end after the stop.
        max_connections: one more is closed at once.
    """

    app: Callable[..., Awaitable[None]]
    listener: socket.socket | Address
    beside: Callable[[], Awaitable[None]] | None = None
    statistics: HttpStatistics = attrs.field(factory=HttpStatistics)
    keep_alive_s: float = KEEP_ALIVE_S
    write_within_s: float = WRITE_WITHIN_S
    grace_s: float = GRACE_S
    max_connections: int = MAX_CONNECTIONS
    _live: set[_Stream] = attrs.field(factory=set, init=False)
    _none_left: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        listener = self.listener if isinstance(self.listener, socket.socket) else self.listener.open()
        if listener.fileno() == -1:
            raise NetError("the HTTP listener is closed; its owner must open a new one")
        context = WorkerContext(None)
        config = self._config()
        async with trio.open_nursery() as around:
            if self.beside is not None:
                around.start_soon(self.beside)
            async with trio.open_nursery() as connections:
                try:
                    async with trio.open_nursery() as accepting:
                        accepting.start_soon(self._accept, listener, connections, config, context)
                        inbox.ready()
                        await inbox.wait_stopping()
                        if not isinstance(self.listener, socket.socket):
                            self.listener.close()
                        accepting.cancel_scope.cancel()
                    await context.terminated.set()
                    with trio.move_on_after(self.grace_s):
                        while self._live:
                            self._none_left = trio.Event()
                            await self._none_left.wait()
                finally:
                    # Hypercorn sends under a shield: a cancellation alone would wait for a client that reads nothing.
                    for stream in tuple(self._live):
                        stream.abort()
                    connections.cancel_scope.cancel()
            around.cancel_scope.cancel()

    def _config(self) -> Config:
        config = Config()
        config.accesslog = None
        config.errorlog = logger
        config.include_server_header = False
        config.keep_alive_timeout = self.keep_alive_s
        config.h11_max_incomplete_size = MAX_HEAD_BYTES
        return config

    async def _accept(
        self, listener: socket.socket, connections: trio.Nursery, config: Config, context: WorkerContext
    ) -> None:
        def handle(raw: socket.socket) -> None:
            if len(self._live) >= self.max_connections:
                self.statistics.turned_away += 1
                raw.close()
                return
            self.statistics.accepted += 1
            stream = _Stream(raw, self.write_within_s)
            self._live.add(stream)
            connections.start_soon(self._serve, stream, config, context)

        try:
            await accept_connections(listener, handle)
        except trio.ClosedResourceError:
            logger.debug("close.listener connections=%d", len(self._live))

    async def _serve(self, stream: _Stream, config: Config, context: WorkerContext) -> None:
        self.statistics.connections += 1
        try:
            app = wrap_app(self.app, 0, "asgi")
            with stream.scope:
                # Its types know TLS streams only, its code both.
                await _Connection(app, config, context, ConnectionState({}), stream).run()  # type: ignore[arg-type]
        except* Exception:
            self.statistics.failed += 1
            logger.exception("fail.connection")
        finally:
            self.statistics.stalled += stream.stalled
            stream.abort()
            self._live.discard(stream)
            self.statistics.connections -= 1
            if not self._live:
                self._none_left.set()


class _Http1(H11Protocol):
    # Leaves out the ways to HTTP/2: an offer to upgrade is not taken up, and its preface is a wrong request.
    async def _check_protocol(self, event: h11.Request) -> None:
        pass


class _Connection(TCPServer):
    # As Hypercorn's, but for HTTP/1 only, and over as soon as the client has gone.
    _gone = False

    async def run(self) -> None:
        try:
            sock = self.stream.socket
            client = parse_socket_addr(sock.family, sock.getpeername())
            server = parse_socket_addr(sock.family, sock.getsockname())
            async with TaskGroup() as self._task_group:
                self.protocol = _Http1(  # type: ignore[assignment]
                    self.app,
                    self.config,
                    self.context,
                    self._task_group,
                    ConnectionState({}),
                    False,
                    client,
                    server,
                    self.protocol_send,
                )
                await self.idle_task.restart(self._task_group, self._idle_timeout)
                await self._read_data()
                self._gone = True
                await self.idle_task.stop()
        except OSError:
            pass  # it was over before it began
        finally:
            await self._close()

    async def protocol_send(self, event: Event) -> None:
        if self._gone and isinstance(event, Updated):
            return  # an answer that was still under way: there is no next request to wait for
        await super().protocol_send(event)


class _Stream:
    """A connection as Hypercorn knows it, whose writes have a limit.

    Attributes:
        scope: whatever is done for the connection. It ends with it: a client may have sent a thousand requests ahead.
    """

    def __init__(self, raw: socket.socket, write_within_s: float) -> None:
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
        self._write_within_s = write_within_s
        self.socket = self._stream.socket
        self.stalled = False
        self.scope = trio.CancelScope()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes) -> None:
        with trio.move_on_after(self._write_within_s) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            self.stalled = True
            self.abort()
            raise trio.BrokenResourceError(f"the client did not take its answer within {self._write_within_s:g} s")

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def abort(self) -> None:
        """Close at once; whoever sends or receives is told, and what else is done for the client ends."""
        self.socket.close()
        self.scope.cancel()
