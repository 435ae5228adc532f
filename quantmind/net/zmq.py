"""ZeroMQ sockets on Trio, drained synchronously: what is there is taken in one go, without a task switch each.

libzmq tells of news by one file descriptor that is edge-triggered: after "readable", `EVENTS` has to be read, and any
call that processes libzmq's commands (each send does) may use up the edge that a waiting task needs. So every
operation here ends with a look at `EVENTS` if a task is parked, and wakes it. A socket belongs to one thread.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self, cast

import attrs
import trio
import zmq

from quantmind.net.errors import AddressTaken, NetError

HIGH_WATER: Final = 10_000
"""Messages queued per peer and direction. Sending beyond it fails (ROUTER, DEALER) or drops (PUB) for that peer alone;
receiving beyond it is left to TCP."""

MAX_MESSAGE_BYTES: Final = 64 * 1024
HEARTBEAT_S: Final = 10.0
HANDSHAKE_S: Final = 10.0

DRAIN_LIMIT: Final = 256
"""Messages taken in one go before other tasks get a turn."""

DRAIN_BYTES: Final = 1024 * 1024
"""And so many bytes at most, but for the message that goes beyond: large ones are few in a batch, or whoever sends
them would fill the memory and hold up everybody else."""

UNBIND_TRIES: Final = 40
UNBIND_PAUSE_S: Final = 0.005
"""Blocking the loop for at most 0.2 s, and only for a port that this process has just given up."""

MOST_FRAMES: Final = 8
"""Frames kept of one message: the route through a few proxies, and a body. libzmq sets no limit."""

_TAKEN: Final = frozenset({errno.EADDRINUSE, zmq.EADDRINUSE} | ({errno.EACCES} if sys.platform == "win32" else set()))


@attrs.frozen
class Incoming:
    """A message that came in.

    Exactly one of `body` and `fault` is set. `route` is what `RouterSocket.reply` needs; of a SubSocket, the topic.
    """

    route: tuple[bytes, ...]
    body: bytes | None
    fault: str | None


@attrs.frozen
class ZmqStatistics:
    """What went through one socket."""

    received: int
    """Messages taken, malformed ones included."""
    sent: int
    """Messages that libzmq took."""
    unroutable: int
    """Messages to a peer that has gone, or by a socket that was closed."""
    full: int
    """Messages not sent since the queue was full; of a PubSocket, how often a subscriber's queue became full."""
    malformed: int
    """Messages with a fault."""


class ZmqContext:
    """libzmq's context: its own I/O thread and the sockets opened in it.

    Closing never waits: what is still queued is lost (LINGER 0).
    """

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._sockets: list[ZmqSocket] = []
        self._left: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self, kind: int) -> zmq.Socket[bytes]:
        """Return a new libzmq socket of this kind."""
        return self._context.socket(kind)

    def adopt(self, opened: ZmqSocket) -> None:
        """Close this socket with the context."""
        self._sockets.append(opened)

    def release(self, closed: ZmqSocket) -> None:
        """Forget a socket that was closed before the context."""
        self._left.add(closed.port)
        if closed in self._sockets:
            self._sockets.remove(closed)

    def has_left(self, port: int) -> bool:
        """Whether a socket of this context was closed on `port`: libzmq may not have let go of it yet."""
        return port in self._left

    def close(self) -> None:
        """Close the sockets, the last one opened first, and the context. Closing twice is harmless."""
        while self._sockets:
            self._sockets.pop().close()
        self._context.destroy(0)


class ZmqSocket:
    """What all kinds have in common. One task at a time may wait; any task may send."""

    def __init__(self, context: ZmqContext, kind: int, max_message_bytes: int, high_water: int) -> None:
        self._context = context
        self._socket = context.open(kind)
        context.adopt(self)
        self._fd = cast("int", self._socket.getsockopt(zmq.FD))
        self._closed = False
        self._parked: trio.CancelScope | None = None
        self._port = 0
        self._received = 0
        self._sent = 0
        self._unroutable = 0
        self._full = 0
        self._malformed = 0
        heartbeat_ms = int(HEARTBEAT_S * 1000)
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.SNDHWM, high_water),
            (zmq.RCVHWM, high_water),
            # libzmq drops the peer that sends a larger frame; it gets no reply.
            (zmq.MAXMSGSIZE, max_message_bytes),
            (zmq.HANDSHAKE_IVL, int(HANDSHAKE_S * 1000)),
            # A peer that died without closing is noticed by either.
            (zmq.HEARTBEAT_IVL, heartbeat_ms),
            (zmq.HEARTBEAT_TIMEOUT, 3 * heartbeat_ms),
            (zmq.HEARTBEAT_TTL, 3 * heartbeat_ms),
            (zmq.TCP_KEEPALIVE, 1),
            (zmq.TCP_KEEPALIVE_IDLE, 60),
            (zmq.TCP_KEEPALIVE_INTVL, 15),
        ):
            self._socket.setsockopt(option, value)

    # ------------------------------------------------------------------ what can be seen

    @property
    def port(self) -> int:
        """The TCP port bound or connected to."""
        return self._port

    def statistics(self) -> ZmqStatistics:
        """Return what went through."""
        return ZmqStatistics(
            received=self._received,
            sent=self._sent,
            unroutable=self._unroutable,
            full=self._full,
            malformed=self._malformed,
        )

    # ------------------------------------------------------------------ receiving

    def drain(self, limit: int = DRAIN_LIMIT) -> list[Incoming]:
        """Return what has arrived, at most `limit` messages or about `DRAIN_BYTES`, without waiting.

        Raises:
            trio.ClosedResourceError: the socket was closed.
        """
        if self._closed:
            raise trio.ClosedResourceError
        taken: list[Incoming] = []
        size = 0
        while len(taken) < limit and size < DRAIN_BYTES:
            try:
                frames = self._receive()
            except zmq.Again:
                break
            size += sum(map(len, frames))
            incoming = self._sort(frames)
            if incoming.fault is not None:
                self._malformed += 1
            taken.append(incoming)
        self._received += len(taken)
        self._wake_parked()
        return taken

    async def wait_incoming(self) -> None:
        """Wait until `drain` has something to return. Cancelling loses nothing.

        Raises:
            trio.ClosedResourceError: the socket was closed.
            trio.BusyResourceError: another task waits already.
        """
        if self._parked is not None:
            raise trio.BusyResourceError("another task waits on this socket")
        if not self._closed and self._has_incoming():
            await trio.lowlevel.checkpoint()
            return
        # No await between the look at EVENTS and parking.
        while not self._closed and not self._has_incoming():
            with trio.CancelScope() as self._parked:
                try:
                    await trio.lowlevel.wait_readable(self._fd)
                finally:
                    self._parked = None
        if self._closed:
            raise trio.ClosedResourceError

    async def receive_batch(self, limit: int = DRAIN_LIMIT) -> list[Incoming]:
        """Wait for messages and return at most `limit` of them. Cancelling loses none."""
        while True:
            await self.wait_incoming()
            taken = self.drain(limit)
            if taken:
                return taken

    def _has_incoming(self) -> bool:
        return bool(cast("int", self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    # After any call that may have used up the descriptor's edge.
    def _wake_parked(self) -> None:
        if self._parked is not None and self._has_incoming():
            self._parked.cancel()

    # A message arrives whole; of one with too many frames the rest is thrown away.
    def _receive(self) -> list[bytes]:
        socket = self._socket
        frames = [socket.recv(zmq.NOBLOCK)]
        while socket.getsockopt(zmq.RCVMORE):
            frame = socket.recv(zmq.NOBLOCK)
            if len(frames) <= MOST_FRAMES:
                frames.append(frame)
        return frames

    def _sort(self, frames: list[bytes]) -> Incoming:
        if len(frames) == 1:
            return Incoming((), frames[0], None)
        return Incoming((), None, f"one frame is a message; this one has {len(frames)}")

    # ------------------------------------------------------------------ sending

    # False also after closing: an answer may come when its edge is down already, and that is nobody's crash.
    def _send(self, frames: Sequence[bytes]) -> bool:
        if self._closed:
            self._unroutable += 1
            return False
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            self._full += 1
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise NetError(f"ZeroMQ did not send: {error}") from error
            self._unroutable += 1
            return False
        else:
            self._sent += 1
            return True
        finally:
            self._wake_parked()

    # ------------------------------------------------------------------ opening and closing

    def close(self) -> None:
        """Close at once; whoever waits gets `ClosedResourceError`. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        if self._parked is not None:
            trio.lowlevel.notify_closing(self._fd)
        self._socket.close(0)
        self._context.release(self)

    def _bind(self, host: str, port: int) -> None:
        # libzmq closes in its own thread, some milliseconds later: whoever is restarted gets its own port back.
        tries = UNBIND_TRIES if self._context.has_left(port) else 1
        where = self._endpoint(host, port)
        while True:
            tries -= 1
            try:
                self._socket.bind(where)
                break
            except zmq.ZMQError as error:
                if error.errno in _TAKEN and tries:
                    time.sleep(UNBIND_PAUSE_S)
                    continue
                self.close()
                if error.errno in _TAKEN:
                    raise AddressTaken(host, port) from error
                raise NetError(f"cannot listen on {host}:{port}: {error}") from error
        endpoint = cast("bytes", self._socket.getsockopt(zmq.LAST_ENDPOINT))
        self._port = int(endpoint.rstrip(b"\0").rsplit(b":", 1)[1])

    def _connect(self, host: str, port: int) -> None:
        try:
            self._socket.connect(self._endpoint(host, port))
        except zmq.ZMQError as error:
            self.close()
            raise NetError(f"cannot connect to {host}:{port}: {error}") from error
        self._port = port

    def _endpoint(self, host: str, port: int) -> str:
        if ":" in host:
            self._socket.setsockopt(zmq.IPV6, 1)
            host = f"[{host}]"
        return f"tcp://{host}:{port or '*'}"


class RouterSocket(ZmqSocket):
    """Serves REQ and DEALER peers; each gets its replies by its route.

    REQ frames arrive as (identity, empty, body), with REQ_CORRELATE with one more frame before the empty one;
    a DEALER may send the empty delimiter or leave it out.
    """

    @classmethod
    def bind(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
    ) -> Self:
        """Listen on `host`:`port`; port 0 takes any free one, see `port`.

        Raises:
            AddressTaken: another program listens there.
            NetError: the address can't be used.
        """
        opened = cls(context, zmq.ROUTER, max_message_bytes, high_water)
        # A peer that has gone is an answer and not a silence; and nobody takes over another's identity.
        opened._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        opened._socket.setsockopt(zmq.ROUTER_HANDOVER, 0)
        opened._bind(host, port)
        return opened

    def reply(self, route: tuple[bytes, ...], payload: bytes) -> bool:
        """Send `payload` back by `route`; False: the peer has gone, or does not read and its queue is full."""
        return self._send((*route, payload))

    def _sort(self, frames: list[bytes]) -> Incoming:
        return sort_routed(frames)


def sort_routed(frames: Sequence[bytes]) -> Incoming:
    """Tell the route from the body in the frames of a ROUTER; what is wrong becomes a fault that can be answered."""
    delimiter = next((at for at, frame in enumerate(frames) if at and not frame), None)
    # One empty frame alone is a body and not a delimiter.
    split = 1 if delimiter is None or len(frames) == 2 else delimiter + 1
    route, rest = tuple(frames[:split]), frames[split:]
    if len(frames) > MOST_FRAMES:
        return Incoming(route, None, f"a message has at most {MOST_FRAMES} frames")
    if not rest:
        return Incoming(route, None, "the message has no body")
    if len(rest) > 1:
        return Incoming(route, None, f"one frame is a message; this one has {len(rest)}")
    if not rest[0]:
        return Incoming(route, None, "the message is empty")
    return Incoming(route, rest[0], None)


class DealerSocket(ZmqSocket):
    """A client with any number of requests in flight; replies come in any order."""

    @classmethod
    def connect(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
    ) -> Self:
        """Connect in the background, and again whenever the connection is lost; messages queue meanwhile."""
        opened = cls(context, zmq.DEALER, max_message_bytes, high_water)
        opened._connect(host, port)
        return opened

    def send(self, payload: bytes) -> bool:
        """Send one message; False: the queue is full."""
        return self._send((payload,))

    def send_frames(self, frames: Sequence[bytes]) -> bool:
        """Send one message of several frames; False: the queue is full."""
        return self._send(frames)

    def _sort(self, frames: list[bytes]) -> Incoming:
        if len(frames) == 2 and not frames[0]:
            return Incoming((), frames[1], None)
        return super()._sort(frames)


class ReqSocket(ZmqSocket):
    """The plain request-reply client. A request given up does not block the next one, and its late reply is dropped."""

    @classmethod
    def connect(cls, context: ZmqContext, host: str, port: int, *, max_message_bytes: int = MAX_MESSAGE_BYTES) -> Self:
        """Connect in the background, and again whenever the connection is lost."""
        opened = cls(context, zmq.REQ, max_message_bytes, HIGH_WATER)
        opened._socket.setsockopt(zmq.REQ_RELAXED, 1)
        opened._socket.setsockopt(zmq.REQ_CORRELATE, 1)
        opened._connect(host, port)
        return opened

    async def request(self, payload: bytes) -> bytes:
        """Send `payload` and return the reply; callers bound it. One request at a time.

        Raises:
            NetError: it could not be sent, or the reply is not one frame.
        """
        if not self._send((payload,)):
            raise NetError("the request could not be sent: its queue is full")
        (incoming,) = await self.receive_batch(1)
        if incoming.body is None:
            raise NetError(incoming.fault or "the reply has no body")
        return incoming.body


class PubSocket(ZmqSocket):
    """Publishes to whoever subscribed; one that does not read misses messages, and holds up nobody.

    libzmq drops for a subscriber whose queue is at `high_water` and does not say so; the subscriber sees the gap by
    the `seq` in the payload. What can be told is when such a queue is found full for the first time: XPUB_NODROP is
    set so that the send is refused then, counted in `ZmqStatistics.full`, and repeated without it. Leaving it set
    would let one subscriber silence all the others.
    """

    @classmethod
    def bind(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
    ) -> Self:
        """Listen on `host`:`port`; port 0 takes any free one, see `port`.

        Raises:
            AddressTaken: another program listens there.
            NetError: the address can't be used.
        """
        opened = cls(context, zmq.PUB, max_message_bytes, high_water)
        opened._socket.setsockopt(zmq.XPUB_NODROP, 1)
        opened._bind(host, port)
        return opened

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send `payload` to the subscribers of `topic`; never waits."""
        frames = (topic, payload)
        if not self._send(frames) and not self._closed:
            self._socket.setsockopt(zmq.XPUB_NODROP, 0)
            self._send(frames)
            self._socket.setsockopt(zmq.XPUB_NODROP, 1)


class SubSocket(ZmqSocket):
    """Receives what is published under the topics it subscribed to; `Incoming.route` is the topic."""

    @classmethod
    def bind(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
    ) -> Self:
        """Listen on `host`:`port` for publishers that connect; port 0 takes any free one, see `port`."""
        opened = cls(context, zmq.SUB, max_message_bytes, high_water)
        opened._bind(host, port)
        return opened

    @classmethod
    def connect(
        cls,
        context: ZmqContext,
        host: str,
        port: int,
        *,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        high_water: int = HIGH_WATER,
    ) -> Self:
        """Connect in the background, and again whenever the connection is lost."""
        opened = cls(context, zmq.SUB, max_message_bytes, high_water)
        opened._connect(host, port)
        return opened

    def subscribe(self, topic: bytes) -> None:
        """Receive what is published under topics that begin with `topic`; empty: everything."""
        self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        self._wake_parked()

    def unsubscribe(self, topic: bytes) -> None:
        """Take back one `subscribe`."""
        self._socket.setsockopt(zmq.UNSUBSCRIBE, topic)
        self._wake_parked()

    def _sort(self, frames: list[bytes]) -> Incoming:
        if len(frames) == 2:
            return Incoming((frames[0],), frames[1], None)
        return Incoming(tuple(frames[:1]), None, f"a topic and one frame make a message; this one has {len(frames)}")
