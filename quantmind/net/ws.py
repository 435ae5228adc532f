"""WebSocket connections on Trio: the server's side, where one peer can never take another down, and a client.

trio-websocket does the handshake, parses what peers send and answers pings. Its reader task runs in a nursery of the
connection's own, since some input makes it raise (a ping after our Close does, in 0.12.2: python-trio/trio-websocket
issue 184). What the server sends is framed and written here, see `quantmind.net.stream`.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Generic, Self, TypeVar, cast

import attrs
import h11
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    WebSocketRequest,
    wrap_client_stream,
    wrap_server_stream,
)
from wsproto.utilities import ProtocolError

from quantmind.net.errors import HandshakeRefused, NetError, PeerGone
from quantmind.net.frames import close_frame, text_frame
from quantmind.net.handshake import Handshake, headers_of, parse_url, remote_of
from quantmind.net.nursery import background
from quantmind.net.stream import Ending, OwnedStream, StreamStatistics
from quantmind.net.tls_socket import TlsSocket
from quantmind.net.trust import client_context, distrust
from quantmind.net.turns import Pace

__all__ = [
    "ABNORMAL",
    "ClientConnection",
    "ConnectionLimits",
    "Handshake",
    "ServerConnection",
    "close_frame",
    "connect",
    "serve_connection",
    "text_frame",
]

logger: Final = logging.getLogger("quantmind.net")

T = TypeVar("T")

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
ABNORMAL: Final = 1006
TOO_BIG: Final = 1009
SERVER_FAULT: Final = 1011
TOO_SLOW: Final = 4008

READ_BYTES: Final = 1024
"""A read's worth of tiny frames is handled without a pause: this keeps it to two milliseconds."""

QUEUED_MESSAGES: Final = 8
"""Messages read ahead of `receive`; beyond them the peer is not read, which is all the back-pressure it needs."""

CLIENT_CLOSE_TIMEOUT_S: Final = 2.0
CLIENT_SLOW_TIMEOUT_S: Final = 30.0
CLIENT_QUEUED_BYTES: Final = 16 * 1024 * 1024

CLIENT_QUEUED_MESSAGES: Final = 1
"""Messages read ahead of a client's `receive`; `ClientConnection.ping` counts on it."""

# What input from outside makes trio-websocket, wsproto and h11 raise. UnicodeError: headers that are not ASCII.
_PEER_FAULTS: Final = (
    ProtocolError,
    h11.ProtocolError,
    UnicodeError,
    ConnectionClosed,
    ConnectionRejected,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


@attrs.frozen
class ConnectionLimits:
    """What one connection may cost."""

    max_message_bytes: int = 64 * 1024
    """A longer message closes the connection with 1009."""
    handshake_timeout_s: float = 10.0
    """From the first byte to the complete request."""
    close_timeout_s: float = 5.0
    """How long to wait for the peer's Close after ours, and for it to read our last words."""
    slow_client_timeout_s: float = 10.0
    """A peer that takes no byte for so long is dropped, and counted as 4008."""
    max_queued_bytes: int = 1024 * 1024
    """Control frames that wait for one peer; beyond it, it is dropped, and counted as 4008."""


# trio-websocket's reader task for one stream, in a nursery where it can fail without taking anyone along.
class _Reader(Generic[T]):
    def __init__(self) -> None:
        self.opened = trio.Event()
        self.done = trio.Event()
        self.value: T | None = None
        self.fault: Exception | None = None
        self.pings: set[trio.CancelScope] = set()
        self._opening = trio.CancelScope()

    # Called by the stream when nothing more will be read: whoever waits for the handshake would wait for ever.
    def input_ended(self) -> None:
        self._opening.cancel()

    async def run(self, start: Callable[[trio.Nursery], Awaitable[T]]) -> None:
        try:
            async with trio.open_nursery() as nursery:
                with self._opening:
                    self.value = await start(nursery)
                    self.opened.set()
        except* _PEER_FAULTS as faults:
            self.fault = _bare(_leaf(faults))
            logger.debug("fault.connection error=%r", self.fault)
        finally:
            self.done.set()
            self.opened.set()
            for scope in tuple(self.pings):
                scope.cancel()


def _leaf(group: BaseExceptionGroup[Exception]) -> Exception:
    error: Exception | BaseExceptionGroup[Exception] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


# An error of h11 is held by a frame that its own traceback holds: it, and all that it came through, would be left for
# the collector.
def _bare(error: Exception) -> Exception:
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__context__
    return error


class ServerConnection:
    """The server's end of one WebSocket; made by `serve_connection`."""

    def __init__(self, raw: socket.socket | TlsSocket, limits: ConnectionLimits, pace: Pace | None = None) -> None:
        self._limits = limits
        self._remote = remote_of(raw)
        self._reader: _Reader[WebSocketRequest] = _Reader()
        self._stream = OwnedStream(
            raw,
            slow_client_timeout_s=limits.slow_client_timeout_s,
            max_queued_bytes=limits.max_queued_bytes,
            on_end=self._reader.input_ended,
            pace=pace,
        )
        self._ws: WebSocketConnection | None = None
        self._request: WebSocketRequest | None = None
        self._answered = False
        self._closed_with: int | None = None
        self._peer_closed = False
        self._pings: set[trio.CancelScope] = set()
        # Bound once: a push costs one call.
        self.push_frame: Callable[[bytes], None] = self._stream.push
        """Write pre-encoded whole frames, like `push`: ahead of ticks that wait. A replay of a key is pushed before
        the key's first `push_ticks`, or an older tick would follow it."""
        self.push_ticks: Callable[[Sequence[tuple[Hashable, bytes]], bytes], None] = self._stream.push_ticks
        """Write pre-encoded frames of ticks, given by key and joined; while the peer is behind, keep the newest
        of each key. Never waits."""
        self.forget_ticks: Callable[[Iterable[Hashable]], None] = self._stream.forget_ticks
        """Drop ticks that wait under these keys: none then trails the reply to an unsubscribe."""

    # ------------------------------------------------------------------ what can be seen

    @property
    def remote(self) -> str:
        """Address and port of the peer."""
        return self._remote

    @property
    def alive(self) -> bool:
        """The handshake is done and neither side has begun to close."""
        return self._stream.open_for_push and not self._reader.done.is_set()

    @property
    def close_code(self) -> int | None:
        """The code it ended with, whoever said it; None while it lives.

        1006: the peer went away without a word. 4008: it was dropped, being too slow.
        """
        if self._closed_with is not None:
            return self._closed_with
        if self._stream.ending in (Ending.STALLED, Ending.OVERFLOW):
            return TOO_SLOW
        if self._ws is not None and self._ws.closed is not None:
            return self._ws.closed.code
        if self._reader.done.is_set() or self._stream.ending is not None:
            return ABNORMAL
        return None

    @property
    def unwritable_since(self) -> float | None:
        """Trio's time since when the peer has taken nothing; None while it keeps up."""
        return self._stream.unwritable_since

    def statistics(self) -> StreamStatistics:
        """Return what was written and what waits."""
        return self._stream.statistics()

    # ------------------------------------------------------------------ the handshake

    async def handshake(self) -> Handshake:
        """Return the peer's request; answer it with `accept` or `reject`. What is no request is answered with 4xx.

        Raises:
            PeerGone: the peer went away, sent something else, or took longer than `handshake_timeout_s`.
        """
        with trio.move_on_after(self._limits.handshake_timeout_s):
            await self._reader.opened.wait()
        request = self._request = self._reader.value
        if request is not None:
            return Handshake(request.path, headers_of(request.headers), self._remote)
        if not self._reader.done.is_set():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
            raise PeerGone(None, f"no handshake within {self._limits.handshake_timeout_s:g} s")
        raise PeerGone(None, str(self._reader.fault or "no WebSocket handshake came"))

    async def accept(self) -> None:
        """Open the connection; pushes are taken from then on.

        Raises:
            PeerGone: the peer has gone meanwhile.
        """
        request = self._take_request()
        try:
            self._ws = await request.accept()
        except _PEER_FAULTS as error:
            self._stream.drop()
            raise PeerGone(None, str(error)) from error
        self._stream.open_pushes()

    async def reject(self, status: int, body: bytes) -> None:
        """Answer the handshake with an HTTP error. A peer that has gone is none the wiser, and that is all right."""
        request = self._take_request()
        headers = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Connection", b"close")]
        with contextlib.suppress(*_PEER_FAULTS):
            await request.reject(status, extra_headers=headers, body=body)
        self._stream.end_input()

    def _take_request(self) -> WebSocketRequest:
        if self._request is None or self._answered:
            raise RuntimeError("a handshake is answered once, after `handshake` has returned it")
        self._answered = True
        return self._request

    # For a peer that never completed a request; trio-websocket answers those it can parse.
    def _refuse(self, status: HTTPStatus) -> None:
        text = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self._stream.put_last(text.encode())
        self._stream.end_input()

    # ------------------------------------------------------------------ messages

    async def receive(self) -> str | bytes:
        """Return the next message; bytes are a binary one.

        Cancelling loses no message.

        Raises:
            PeerGone: the connection is over; the code is `close_code`.
        """
        ws = self._open_ws()
        if self._closed_with is not None:
            raise self._gone()
        try:
            message = await ws.get_message()
        except ConnectionClosed:
            raise self._gone() from None
        if self._closed_with is not None:
            raise self._gone()
        if isinstance(message, str) and len(message.encode()) > self._limits.max_message_bytes:
            # trio-websocket counts characters.
            self._begin_close(TOO_BIG, f"longer than {self._limits.max_message_bytes} bytes")
            raise self._gone()
        return message

    def push(self, payload: bytes) -> None:
        """Send `payload`, UTF-8, as a text frame: never waits, never left out, in order with other pushes.

        It goes ahead of ticks that wait. What is pushed after the end is dropped.
        """
        self.push_frame(text_frame(payload))

    def push_many(self, frames: Sequence[bytes]) -> None:
        """Write many pre-encoded frames, like `push_frame`, without a bound on what waits of them."""
        self._stream.push_many(frames)

    async def controls_written(self) -> None:
        """Wait until what was pushed by now is written, but for ticks; returns at the end of the connection, too."""
        await self._stream.controls_written()

    async def ping(self) -> None:
        """Send a ping and wait for its pong; callers bound it.

        Raises:
            PeerGone: the connection ended first.
        """
        ws = self._open_ws()
        with trio.CancelScope() as scope:
            self._pings.add(scope)
            try:
                if self._reader.done.is_set():
                    raise self._gone()
                await ws.ping()
                return
            except (ConnectionClosed, ProtocolError):
                raise self._gone() from None
            finally:
                self._pings.discard(scope)
        raise self._gone()

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Send Close, wait at most `close_timeout_s` for the peer's, then drop it. Nothing is received meanwhile.

        Does nothing if the connection has ended, or the other side closes it already.
        """
        self._begin_close(code, reason)
        with trio.move_on_after(self._limits.close_timeout_s) as patience:
            await self._wait_closed()
        if patience.cancelled_caught:
            self._stream.drop()

    def _begin_close(self, code: int, reason: str) -> None:
        if self._ws is not None and self.close_code is None and not self._stream.close_sent:
            self._closed_with = code
            self._stream.put_last(close_frame(code, reason))

    # What the peer still sends is read, so that its Close can be seen, and thrown away.
    async def _wait_closed(self) -> None:
        if self._ws is not None:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self._ws.get_message()
        await self._stream.flush()

    def _open_ws(self) -> WebSocketConnection:
        if self._ws is None:
            raise RuntimeError("the handshake has not been accepted")
        return self._ws

    def _gone(self) -> PeerGone:
        code = self.close_code
        closed = None if self._ws is None else self._ws.closed
        ending = self._stream.ending
        if code == TOO_SLOW and ending is not None:
            reason = ending.value
        else:
            reason = (closed.reason if closed is not None else None) or ""
        return PeerGone(ABNORMAL if code is None else code, reason)

    # ------------------------------------------------------------------ what runs behind it

    async def _read(self) -> None:
        await self._reader.run(
            lambda nursery: wrap_server_stream(
                nursery,
                self._stream,
                message_queue_size=QUEUED_MESSAGES,
                max_message_size=self._limits.max_message_bytes,
                receive_buffer_size=READ_BYTES,
            )
        )
        closed = None if self._ws is None else self._ws.closed
        if self._reader.value is None and isinstance(self._reader.fault, UnicodeError):
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif closed is not None and closed.code != ABNORMAL:
            if not self._stream.close_sent:
                # It broke the protocol: trio-websocket would hang up without a word.
                self._stream.put_last(close_frame(closed.code, closed.reason or ""))
            else:
                # It hangs up when the peer has closed, and not when it closed by itself (1009).
                self._peer_closed = self._stream.hung_up
        self._stream.end_input()
        for scope in tuple(self._pings):
            scope.cancel()

    # Lets the peer read our last words.
    async def _say_goodbye(self) -> None:
        if self._stream.ending is None:
            await self._wait_closed()
            self._stream.end_input()
            await self._reader.done.wait()
            if not self._peer_closed:
                await self._stream.drain()

    def let_go(self) -> None:
        """Nothing reads any more: break the ring of reader, request and stream, so that they go at once."""
        self._reader.value = None

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[Self]:
        """Run the connection's tasks round the block; see `serve_connection`."""
        async with background() as nursery:
            nursery.start_soon(self._read)
            nursery.start_soon(self._stream.write_forever)
            try:
                yield self
            except trio.Cancelled:
                self._begin_close(GOING_AWAY, "server stopping")
                raise
            except BaseException:
                self._begin_close(SERVER_FAULT, "")
                raise
            else:
                self._begin_close(NORMAL, "")
            finally:
                try:
                    with trio.move_on_after(self._limits.close_timeout_s):
                        await self._say_goodbye()
                finally:
                    self._stream.close_now()


@contextlib.asynccontextmanager
async def serve_connection(
    raw: socket.socket | TlsSocket, limits: ConnectionLimits, pace: Pace | None = None
) -> AsyncIterator[ServerConnection]:
    """Serve the WebSocket handshake and messages of `raw`, which is owned from now on.

    Leaving the block closes the connection (with 1000; 1011 after an exception, 1001 when cancelled; unless `close`
    was called before), gives the peer at most `close_timeout_s` to read it, ends both tasks and closes the socket.
    When cancelled it gives the peer no time. Exceptions of the block come out as they are.
    """
    connection = ServerConnection(raw, limits, pace)
    try:
        async with connection.served():
            yield connection
    finally:
        connection.let_go()


# Who is expected at an address, for the texts of errors. A gateway is called by its address, others by name, host and
# port: their paths may hold secrets.
@attrs.frozen
class _Peer:
    name: str
    is_gateway: bool

    @property
    def doubt(self) -> str:
        return ": is it a QuantMind gateway?" if self.is_gateway else ""

    def unreached(self, error: OSError) -> str:
        if self.is_gateway:
            return f"no gateway answers at {self.name}: is it running?"
        return f"{self.name} can't be reached ({_why(error)})"


class ClientConnection:
    """A client's end of a WebSocket; made by `connect`."""

    def __init__(self, peer: _Peer, ws: WebSocketConnection, reader: _Reader[WebSocketConnection]) -> None:
        self._peer = peer
        self._ws = ws
        self._reader = reader
        self._pinged = 0

    @property
    def close_code(self) -> int | None:
        """The code it ended with; None while it lives."""
        return None if self._ws.closed is None else self._ws.closed.code

    async def receive(self) -> str:
        """Return the next message. Cancelling loses none.

        Raises:
            PeerGone: the connection is over.
            NetError: the message is a binary one, which no server that we know sends.
        """
        try:
            message = await self._ws.get_message()
        except ConnectionClosed as closed:
            raise _peer_gone(closed) from None
        if isinstance(message, bytes):
            raise NetError(f"{self._peer.name} sent a binary message{self._peer.doubt}")
        return message

    async def ping(self) -> None:
        """Send a ping and wait for its pong; callers bound it.

        If a task is in `receive`, or comes back to it without waiting for anything else, then it has all messages that
        came before the pong. Cancelled, the pong is not waited for any more.

        Raises:
            PeerGone: the connection is over.
        """
        with trio.CancelScope() as scope:
            self._reader.pings.add(scope)
            try:
                if self._reader.done.is_set():
                    raise self._gone()
                self._pinged += 1
                # The payload must be another one than of pings that were given up.
                await self._ws.ping(self._pinged.to_bytes(8, "big"))
                # Of what came before the pong, one message may have been handed over and others be queued: the
                # receiving task takes one in each of Trio's rounds.
                for _ in range(CLIENT_QUEUED_MESSAGES + 2):
                    await trio.lowlevel.checkpoint()
                return
            except (ConnectionClosed, ProtocolError):
                raise self._gone() from None
            finally:
                self._reader.pings.discard(scope)
        raise self._gone()

    def _gone(self) -> PeerGone:
        closed = self._ws.closed
        return PeerGone(ABNORMAL, "") if closed is None else PeerGone(closed.code, closed.reason or "")

    async def send(self, text: str) -> None:
        """Send a text message. Cancelling gives up the wait; the message is either sent whole or not at all.

        Raises:
            PeerGone: the connection is over.
        """
        try:
            await self._ws.send_message(text)
        except ConnectionClosed as closed:
            raise _peer_gone(closed) from None
        except ProtocolError as error:
            raise PeerGone(ABNORMAL, str(error)) from None

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Send Close and wait for the peer's; callers bound it."""
        with contextlib.suppress(*_PEER_FAULTS):
            await self._ws.aclose(code, reason or None)


@contextlib.asynccontextmanager
async def connect(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    max_message_bytes: int = 16 * 1024 * 1024,
    ca: str | Path | None = None,
    peer: str = "",
) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket to `url` (ws:// or wss://host:port/path) for the length of the block; callers bound the opening.

    Args:
        ca: for wss://, the file of the authority to trust; None: see `client_context`.
        max_message_bytes: a longer message ends the connection with 1009.
        peer: who is expected there, for the texts of errors, which then name host and port alone; empty: a gateway.

    Raises:
        HandshakeRefused: a server answered with an HTTP status.
        NetError: nothing answers there, it refuses, or it is not trusted; the text says which.
    """
    host, port, path, secure = parse_url(url)
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    expected = _Peer(f"{peer} at {where}" if peer else url, not peer)
    trust = client_context(ca) if secure else None
    try:
        tcp = await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise NetError(expected.unreached(error)) from error
    raw: socket.socket | TlsSocket = socket.socket(fileno=tcp.socket.detach())
    if trust is not None:
        raw = await _secured(expected.name, raw, trust, host)
    reader: _Reader[WebSocketConnection] = _Reader()
    stream = OwnedStream(
        raw,
        slow_client_timeout_s=CLIENT_SLOW_TIMEOUT_S,
        max_queued_bytes=CLIENT_QUEUED_BYTES,
        on_end=reader.input_ended,
    )
    # A server may well send a lot right after its answer.
    stream.open_pushes()

    async def read() -> None:
        await reader.run(
            lambda nursery: wrap_client_stream(
                nursery,
                # Declared for Trio's own streams only; any Stream will do.
                cast("Any", stream),
                where,
                path,
                extra_headers=[(name.encode(), value.encode()) for name, value in (headers or {}).items()],
                message_queue_size=CLIENT_QUEUED_MESSAGES,
                max_message_size=max_message_bytes,
            )
        )
        stream.end_input()

    async with background() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(stream.write_forever)
        try:
            await reader.opened.wait()
            if reader.value is None:
                raise _not_opened(expected.name, reader.fault, "" if expected.is_gateway else path)
            connection = ClientConnection(expected, reader.value, reader)
            yield connection
            with trio.move_on_after(CLIENT_CLOSE_TIMEOUT_S):
                async with trio.open_nursery() as closing:
                    closing.start_soon(_cancel_after, reader, closing.cancel_scope)
                    await connection.close()
                    closing.cancel_scope.cancel()
        finally:
            stream.close_now()


async def _secured(name: str, raw: socket.socket | TlsSocket, trust: ssl.SSLContext, host: str) -> TlsSocket:
    assert isinstance(raw, socket.socket)
    try:
        secured = TlsSocket(raw, trust, server_hostname=host)
        await secured.handshake()
    except ssl.SSLError as error:
        raw.close()
        raise NetError(distrust(name, error)) from error
    except OSError as error:
        raw.close()
        raise NetError(f"what answers at {name} closed the connection in the TLS handshake") from error
    except BaseException:
        raw.close()
        raise
    return secured


# Trio joins what each of a host's addresses said.
def _why(error: OSError) -> str:
    causes = error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else (error,)
    said = dict.fromkeys(cause.strerror or str(cause) for cause in causes if isinstance(cause, OSError))
    return "; ".join(said) or str(error)


# Ends the wait for a Close that will not come.
async def _cancel_after(reader: _Reader[Any], scope: trio.CancelScope) -> None:
    await reader.done.wait()
    scope.cancel()


# A server may say what it was asked for: `secret` is a path that nobody may see.
def _not_opened(name: str, fault: Exception | None, secret: str) -> NetError:
    if isinstance(fault, ConnectionRejected):
        body = (fault.body or b"").decode(errors="replace")
        for part in (secret, secret.rpartition("/")[2]):
            body = body.replace(part, "****") if len(part) > 1 else body
        body = body[:200]
        said = f"{name} refused the connection with HTTP status {fault.status_code}" + (f": {body}" if body else "")
        return HandshakeRefused(fault.status_code, said)
    return NetError(f"what answers at {name} is no WebSocket server" + (f" ({fault})" if fault is not None else ""))


def _peer_gone(closed: ConnectionClosed) -> PeerGone:
    if closed.reason is None:
        return PeerGone(ABNORMAL, "")
    return PeerGone(closed.reason.code, closed.reason.reason or "")
