"""What every kind of socket does: drain without waiting, wait without losing a wake-up, send without blocking.

libzmq tells of news by one file descriptor that is edge-triggered: after "readable", `EVENTS` has to be read, and any
call that processes libzmq's commands (each send does) may use up the edge that a waiting task needs. So every
operation here ends with a look at `EVENTS` if a task is parked, and wakes it. A socket belongs to one thread.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, cast

import attrs
import trio
import zmq

from quantmind.net.errors import AddressTaken, NetError
from quantmind.net.zmq.context import ZmqContext
from quantmind.net.zmq.security import set_open
from quantmind.net.zmq.watch import PeerCounts, PeerLimits

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
    `user` is who the ZAP handler said the sender is, where the socket asks for that; the sender can't set it. The body
    is not shown: there may be a token in it.
    """

    route: tuple[bytes, ...]
    body: bytes | None = attrs.field(repr=False)
    fault: str | None
    user: str = ""


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
    cut: int = 0
    """Connections that were shut down, since they brought too much or were too many; see `ZmqSocket.watch`."""


class ZmqSocket:
    """What all kinds have in common. One task at a time may wait; any task may send."""

    most_frames: ClassVar[int] = MOST_FRAMES
    _asks: bool = False
    _user: str = ""

    def __init__(
        self, context: ZmqContext, kind: int, max_message_bytes: int, high_water: int, *, unasked: bool = False
    ) -> None:
        self._context = context
        self._socket = context.open(kind, apart=unasked)
        if unasked:
            set_open(self._socket)
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
        self._peers: PeerCounts | None = None
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
            cut=0 if self._peers is None else self._peers.cut,
        )

    def watch(self, name: str, limits: PeerLimits) -> PeerCounts:
        """Bound from now on what each peer of this socket, which is bound, may bring in. Linux only.

        Args:
            name: for the log.
        """
        self._peers = self._context.watch.add(self._socket, name, self._port, limits)
        return self._peers

    # ------------------------------------------------------------------ receiving

    def drain(self, limit: int = DRAIN_LIMIT) -> list[Incoming]:
        """Return what has arrived, at most `limit` messages or about `DRAIN_BYTES`, without waiting.

        Raises:
            trio.ClosedResourceError: the socket was closed.
        """
        taken: list[Incoming] = []
        for frames in self._take(limit):
            incoming = self._sort(frames)
            if incoming.fault is not None:
                self._malformed += 1
            taken.append(incoming)
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

    # One message after the other, for who takes all of them at once.
    def _take(self, limit: int) -> Iterator[list[bytes]]:
        if self._closed:
            raise trio.ClosedResourceError
        count = size = 0
        while count < limit and size < DRAIN_BYTES:
            try:
                frames = self._receive()
            except zmq.Again:
                break
            size += sum(map(len, frames))
            count += 1
            yield frames
        self._received += count
        self._wake_parked()

    # A message arrives whole; of one with too many frames the rest is thrown away.
    def _receive(self) -> list[bytes]:
        socket = self._socket
        frames = [self._receive_first()]
        while socket.getsockopt(zmq.RCVMORE):
            frame = socket.recv(zmq.NOBLOCK)
            if len(frames) <= self.most_frames:
                frames.append(frame)
        return frames

    def _receive_first(self) -> bytes:
        if not self._asks:
            return self._socket.recv(zmq.NOBLOCK)
        frame = self._socket.recv(zmq.NOBLOCK, copy=False)
        # libzmq takes the handler's word before a property of that name which the peer may send.
        try:
            self._user = str(frame["User-Id"])
        except zmq.ZMQError:
            self._user = ""
        return frame.bytes

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

    def _bind_inproc(self, endpoint: str) -> None:
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise NetError(f"cannot listen on {endpoint}: {error}") from error

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
