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
from quantmind.edges.http_places import PLACE_KEY, Place, Places
from quantmind.net.errors import NetError, PeerGone
from quantmind.net.listen import accept_connections
from quantmind.net.tls_door import TlsDoor
from quantmind.net.turns import Pace, Turns

logger: Final = logging.getLogger("quantmind.http")

KEEP_ALIVE_S: Final = 15.0
WRITE_WITHIN_S: Final = 20.0
GRACE_S: Final = 3.0
MAX_CONNECTIONS: Final = 512
MAX_HEAD_BYTES: Final = 16 * 1024

DOOR: Final = "http"
"""Among those who take turns."""
ACCEPTS_PER_S: Final = 20.0
ACCEPTS_AT_ONCE: Final = 10.0
"""Connections accepted without a turn."""
READS_PER_S: Final = 50.0
READS_AT_ONCE: Final = 20.0
"""Reads from one connection, and its requests, without a turn."""
REQUESTS_AT_FIRST: Final = 5.0
ALL_READS_PER_S: Final = 200.0
ALL_READS_AT_ONCE: Final = 50.0
"""Reads from all connections: hundreds that each get a byte at the same moment are a tenth of a second of work."""
REQUESTS_PER_S: Final = 100.0
REQUESTS_AT_ONCE: Final = 20.0
"""Requests of all connections together without a turn: each is one to two milliseconds of work."""


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
    made_room: int = 0
    """Closed while they had asked for nothing, so that another could come in."""
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
        max_connections: one more takes the place of one that asks for nothing, or is closed at once; those in their TLS
            handshake count.
        tls: what clients must speak; None: clear text.
        turns: what goes beyond a connection's share, or the door's, takes turns there.
    """

    app: Callable[..., Awaitable[None]]
    listener: socket.socket | Address
    beside: Callable[[], Awaitable[None]] | None = None
    statistics: HttpStatistics = attrs.field(factory=HttpStatistics)
    keep_alive_s: float = KEEP_ALIVE_S
    write_within_s: float = WRITE_WITHIN_S
    grace_s: float = GRACE_S
    max_connections: int = MAX_CONNECTIONS
    tls: TlsDoor | None = None
    turns: Turns = attrs.field(factory=Turns)
    _live: set[_Stream] = attrs.field(factory=set, init=False)
    _places: Places = attrs.field(init=False)
    _requests: Pace = attrs.field(init=False)
    _reads: Pace = attrs.field(init=False)
    _none_left: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._places = Places(self.max_connections)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        self._requests = Pace(self.turns, DOOR, REQUESTS_PER_S, REQUESTS_AT_ONCE)
        self._reads = Pace(self.turns, DOOR, ALL_READS_PER_S, ALL_READS_AT_ONCE)
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
            welcome, leaving = self._places.make_room()
            if leaving is not None:
                self.statistics.made_room += 1
                self._places.leave(leaving)
                leaving.close()
            if not welcome:
                self.statistics.turned_away += 1
                raw.close()
                return
            self.statistics.accepted += 1
            reads = Pace(self.turns, DOOR, READS_PER_S, READS_AT_ONCE, "read", of=self._reads)
            stream = _Stream(raw, self.write_within_s, reads)
            self._live.add(stream)
            self._places.take(stream.place)
            connections.start_soon(self._serve, stream, config, context)

        try:
            pace = Pace(self.turns, DOOR, ACCEPTS_PER_S, ACCEPTS_AT_ONCE, "accept")
            await accept_connections(listener, handle, pace)
        except trio.ClosedResourceError:
            logger.debug("close.listener connections=%d", len(self._live))

    async def _serve(self, stream: _Stream, config: Config, context: WorkerContext) -> None:
        self.statistics.connections += 1
        try:
            app = wrap_app(self._app_of(stream.place), 0, "asgi")
            with stream.scope:
                if self.tls is not None:
                    try:
                        await stream.secure(self.tls)
                    except PeerGone as gone:  # counted there
                        logger.debug("refuse.connection reason=%s", gone)
                        return
                # Its types know TLS streams only, its code both.
                connection = _Connection(app, config, context, ConnectionState({}), stream)  # type: ignore[arg-type]
                try:
                    await connection.run()
                finally:
                    connection.let_go()
        except* Exception:
            self.statistics.failed += 1
            logger.exception("fail.connection")
        finally:
            self.statistics.stalled += stream.stalled
            stream.abort()
            stream.place.close = _nothing
            self._live.discard(stream)
            self._places.leave(stream.place)
            self.statistics.connections -= 1
            if not self._live:
                self._none_left.set()

    def _app_of(self, place: Place) -> Callable[..., Awaitable[None]]:
        """The app for one connection, which keeps its `Place` and waits for the door's turn."""

        pace = Pace(
            *(self.turns, DOOR, READS_PER_S, READS_AT_ONCE, "request"), first=REQUESTS_AT_FIRST, of=self._requests
        )

        async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[..., Awaitable[None]]) -> None:
            if pace.spent:
                await pace.turn()
            pace.count()

            async def receive_noting() -> Any:
                message = await receive()
                place.answering = message["type"] == "http.request" and not message.get("more_body", False)
                return message

            try:
                await self.app({**scope, PLACE_KEY: place}, receive_noting, send)
            finally:
                place.answering = False
                place.quiet_since = trio.current_time()

        return app


class _Parser(h11.Connection):
    # An error of h11 holds itself by its traceback, and all of the connection with it: without one it goes at once.
    def next_event(self) -> Any:
        try:
            return super().next_event()
        except h11.RemoteProtocolError as error:
            raise error.with_traceback(None) from None


class _Http1(H11Protocol):
    # Leaves out the ways to HTTP/2: an offer to upgrade is not taken up, and its preface is a wrong request.
    def __init__(self, app: Any, config: Config, *others: Any) -> None:
        super().__init__(app, config, *others)
        self.connection = _Parser(h11.SERVER, max_incomplete_event_size=config.h11_max_incomplete_size)

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
                    self.stream.secured,
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

    def let_go(self) -> None:
        """Forget everything, for it is over.

        Hypercorn's objects hold each other. Those of a thousand connections that came and went would lie about until
        the collector looks at all that there is, and everybody waits for that: up to two seconds were seen.
        """
        self.__dict__.clear()

    async def protocol_send(self, event: Event) -> None:
        if self._gone and isinstance(event, Updated):
            return  # an answer that was still under way: there is no next request to wait for
        await super().protocol_send(event)


class _Stream:
    """A connection as Hypercorn knows it, whose writes have a limit.

    Attributes:
        scope: whatever is done for the connection. It ends with it: a client may have sent a thousand requests ahead.
    """

    def __init__(self, raw: socket.socket, write_within_s: float, pace: Pace) -> None:
        plain = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = plain
        self._plain = plain
        self._write_within_s = write_within_s
        self.socket = plain.socket
        self.secured = False
        self.stalled = False
        self.scope = trio.CancelScope()
        # An answer may be on its way while Hypercorn ends the connection for what came behind the request.
        self._sending = trio.Lock()
        self.place = Place(_address(raw), trio.current_time(), self.abort)
        self._pace = pace

    async def secure(self, tls: TlsDoor) -> None:
        """Speak TLS from now on. Raises PeerGone."""
        self._stream = await tls.open_stream(self._plain)
        self.secured = True

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        if data:
            if self._pace.spent:
                await self._pace.turn()
            self._pace.count()
        return data

    async def send_all(self, data: bytes) -> None:
        with trio.move_on_after(self._write_within_s) as scope:
            async with self._sending:
                await self._stream.send_all(data)
        if scope.cancelled_caught:
            self.stalled = True
            self.abort()
            raise trio.BrokenResourceError(f"the client did not take its answer within {self._write_within_s:g} s")

    async def send_eof(self) -> None:
        if isinstance(self._stream, trio.SocketStream):
            async with self._sending:
                await self._stream.send_eof()

    async def aclose(self) -> None:
        with trio.move_on_after(self._write_within_s):  # TLS says goodbye, and not everybody listens
            await self._stream.aclose()

    def abort(self) -> None:
        """Close at once; whoever sends or receives is told, and what else is done for the client ends."""
        self.socket.close()
        self.scope.cancel()


def _nothing() -> None:
    """It is closed."""


def _address(raw: socket.socket) -> str:
    try:
        return str(raw.getpeername()[0])
    except OSError:
        return "gone"
