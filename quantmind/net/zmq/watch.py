"""Bounds what each peer of a socket may bring in, which libzmq does not: a message of endless frames, endless topics,
and how many peers there may be.

libzmq keeps the frames of a message until the last one is there, and takes subscriptions in within a send of ours. It
has no limit for either, and no way to close one connection. What it does tell is which descriptor a connection has. So
a thread asks the kernel how many bytes each has brought (TCP_INFO), and shuts down those that bring more than any
honest peer would; libzmq then sees a peer that has gone, and frees what it kept of it. It runs in a thread because the
loop itself may be what is held up.

Linux only: elsewhere nothing is watched, and `PeerCounts.watched` says so.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final

import attrs
import zmq
from zmq.utils.monitor import recv_monitor_message

from quantmind.domain.rarely import Rarely

logger: Final = logging.getLogger("quantmind.zmq")

LOOK_EVERY_S: Final = 0.02
LOOK_COSTS_S: Final = 0.001
"""For each connection: with many of them the looks are rarer, so that they never take more than a few percent."""
IDLE_MS: Final = 250
"""How soon the thread sees that it is to end, or that there is one more socket, when there is nobody to watch."""

LOG_EVERY_S: Final = 10.0

SUPPORTED: Final = sys.platform == "linux"
_SO_COOKIE: Final = 57
_TCP_INFO: Final = 11
_INFO_BYTES: Final = 136
_RECEIVED_AT: Final = 128
"""Where `tcpi_bytes_received` is in `struct tcp_info` (Linux 4.1)."""


@attrs.frozen
class PeerLimits:
    """What may come in: bytes a second, and so many at once, of one peer and of all together."""

    per_s: float
    at_once: float
    all_per_s: float
    all_at_once: float
    most: int = 500
    """Connections; one more is shut down."""


@attrs.define(eq=False)
class PeerCounts:
    """For /status."""

    watched: bool = SUPPORTED
    connections: int = 0
    """Open now; 0 where nothing is watched."""
    cut: int = 0
    """Connections that were shut down, since they brought too much or were too many."""


@attrs.define(eq=False)
class _Peer:
    cookie: bytes
    seen: int
    room: float


@attrs.define(eq=False)
class _Watched:
    """One bound socket, its connections by descriptor, and how much more all of them may bring."""

    name: str
    port: int
    monitor: zmq.Socket[bytes]
    limits: PeerLimits
    counts: PeerCounts
    room: float
    peers: dict[int, _Peer] = attrs.field(factory=dict)
    looked_at: float = attrs.field(factory=time.monotonic)
    rarely: Rarely = attrs.field(factory=lambda: Rarely(LOG_EVERY_S))


class PeerWatch:
    """Watches the sockets of one context in a thread of its own, from the first one until `close`."""

    def __init__(self) -> None:
        self._watched: list[_Watched] = []
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._stop = False

    def add(self, opened: zmq.Socket[bytes], name: str, port: int, limits: PeerLimits) -> PeerCounts:
        """Watch a socket that is bound to `port`; call it in the thread that owns the socket."""
        counts = PeerCounts()
        if not SUPPORTED:
            return counts
        monitor = opened.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED)
        with self._lock:
            self._watched.append(_Watched(name, port, monitor, limits, counts, limits.all_at_once))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="zmq-watch", daemon=True)
            self._thread.start()
        return counts

    def close(self) -> None:
        """End the thread. Closing twice is harmless."""
        self._stop = True
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop:
            with self._lock:
                watched = list(self._watched)
            for each in watched:
                self._hear(each)
                each.counts.connections = len(each.peers)
                now = time.monotonic()
                if each.peers and now - each.looked_at >= max(LOOK_EVERY_S, len(each.peers) * LOOK_COSTS_S):
                    look(each, now)
            if any(each.peers for each in watched):
                time.sleep(LOOK_EVERY_S)
            else:
                _wait_for_news(watched)
        for each in self._watched:
            each.monitor.close(0)

    def _hear(self, watched: _Watched) -> None:
        while int(watched.monitor.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            event = recv_monitor_message(watched.monitor)
            if event["event"] == zmq.EVENT_ACCEPTED:
                with _opened(event["value"], watched.port) as peer:
                    if peer is not None:
                        seen = _Peer(_cookie(peer), 0, watched.limits.at_once)
                        watched.peers[event["value"]] = seen
                if len(watched.peers) > watched.limits.most:
                    _cut(watched, event["value"], 0)
            else:
                watched.peers.pop(event["value"], None)


def _wait_for_news(watched: list[_Watched]) -> None:
    poller = zmq.Poller()
    for each in watched:
        poller.register(each.monitor, zmq.POLLIN)
    poller.poll(IDLE_MS)


def look(watched: _Watched, now: float) -> None:
    """See what each peer has brought since the last look, and cut who brought too much."""
    limits, after_s = watched.limits, now - watched.looked_at
    watched.looked_at = now
    watched.room = min(limits.all_at_once, watched.room + after_s * limits.all_per_s)
    brought: list[tuple[int, int]] = []
    for number, peer in list(watched.peers.items()):
        received: int | None = None
        with _opened(number, watched.port) as raw:
            if raw is not None and _cookie(raw) == peer.cookie:
                received = _received(raw)
        if received is None:
            del watched.peers[number]
            continue
        grown, peer.seen = received - peer.seen, received
        peer.room = min(limits.at_once, peer.room + after_s * limits.per_s) - grown
        watched.room -= grown
        brought.append((grown, number))
    # Beyond what all may bring, those go first that brought most.
    for grown, number in sorted(brought, reverse=True):
        if watched.peers[number].room < 0 or watched.room < 0:
            watched.room += grown
            _cut(watched, number, grown)


def _cut(watched: _Watched, number: int, grown: int) -> None:
    peer = watched.peers.pop(number, None)
    with _opened(number, watched.port) as raw:
        if raw is not None and peer is not None and _cookie(raw) == peer.cookie:
            raw.shutdown(socket.SHUT_RDWR)
            watched.counts.cut += 1
            count = watched.rarely.due("cut", time.monotonic())
            if count:
                logger.warning("cut.peer door=%s bytes=%d lately=%d count=%d", watched.name, peer.seen, grown, count)


@contextlib.contextmanager
def _opened(number: int, port: int) -> Iterator[socket.socket | None]:
    """Libzmq's connection, by a descriptor of ours for as short as possible; None: it is another one's by now."""
    raw = _duplicate(number)
    try:
        with contextlib.suppress(OSError):  # it may end at any moment
            yield raw if raw is not None and _local_port(raw) == port else None
    finally:
        if raw is not None:
            raw.close()


def _duplicate(number: int) -> socket.socket | None:
    try:
        copy = os.dup(number)
    except OSError:
        return None
    try:
        return socket.socket(fileno=copy)
    except OSError:  # it is no socket any more
        os.close(copy)
        return None


def _local_port(raw: socket.socket) -> int | None:
    try:
        name = raw.getsockname()
    except OSError:
        return None
    return name[1] if isinstance(name, tuple) and raw.type == socket.SOCK_STREAM else None


def _cookie(raw: socket.socket) -> bytes:
    return raw.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)


def _received(raw: socket.socket) -> int:
    info = raw.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _INFO_BYTES)
    return int(struct.unpack_from("=Q", info, _RECEIVED_AT)[0])
