"""A TCP proxy that makes the network's faults on demand, between any client and any server.

async with open_proxy("127.0.0.1", 8765) as proxy:
    proxy.set_faults(latency_s=0.1, slice_bytes=3)   # from now on, also for open connections
    ...                                              # connect to proxy.host, proxy.port
    proxy.reset_all()
"""

from __future__ import annotations

import contextlib
import math
import random
import socket
import struct
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import attrs
import trio

from quantmind.net.listen import accept_connections, close_listener, open_listener
from quantmind.net.nursery import background
from quantmind.testing.faults import DIRECTIONS, Direction, Faults, ProxyStatistics

__all__ = ["FaultProxy", "Faults", "ProxyStatistics", "open_proxy"]

READ_BYTES: Final = 64 * 1024
QUEUED_PIECES: Final = 64
"""Pieces that wait for their time in one direction; beyond them the sender is not read."""
MAX_CONNECTIONS: Final = 1024
"""Further ones are reset."""
CONNECT_WITHIN_S: Final = 10.0
STEPS_PER_S: Final = 20
"""With a limited bandwidth, how often in a second a piece is sent."""


@attrs.define(eq=False)
class _Connection:
    client: trio.SocketStream
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    server: trio.SocketStream | None = None
    passed: dict[Direction, int] = attrs.field(factory=lambda: dict.fromkeys(DIRECTIONS, 0))
    lost: set[Direction] = attrs.field(factory=set)
    """Where a byte was swallowed: nothing passes there any more."""
    used_at: float = attrs.field(factory=trio.current_time)
    """When something passed last."""
    dies_at: float = math.inf
    dies_by_reset: bool = False
    ended: bool = False
    reset: bool = False


@attrs.frozen
class _Piece:
    """Bytes on their way, since when, and which part of the jitter is theirs (0 to 1)."""

    data: bytes
    arrived: float
    share: float


class FaultProxy:
    """A running proxy; made by `open_proxy`. Its methods never wait, and act on what is open at once."""

    def __init__(
        self, target_host: str, target_port: int, listener: socket.socket, faults: Faults, seed: int = 1
    ) -> None:
        self._target = (target_host, target_port)
        self._listener = listener
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._faults = faults
        self._random = random.Random(seed)
        self._changed = trio.Event()
        self._connections: set[_Connection] = set()
        self._accepted = self._refused = self._cut = self._swallowed = self._passed = 0

    @property
    def host(self) -> str:
        """Where it listens."""
        return self._address[0]

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._address[1]

    # ------------------------------------------------------------------ what goes wrong

    @property
    def faults(self) -> Faults:
        """What goes wrong now."""
        return self._faults

    def set_faults(self, **changes: Any) -> Faults:
        """Change some fields of `faults`; returns those before, for `restore`.

        Raises:
            TypeError: there is no such field.
            ValueError: a value can't be.
        """
        before = self._faults
        self.restore(attrs.evolve(before, **changes))
        return before

    def restore(self, faults: Faults | None = None) -> None:
        """Put these faults in place; None: no faults. What was swallowed stays lost, what is dying dies."""
        self._faults = Faults() if faults is None else faults
        for connection in self._connections:
            self._set_end(connection)
        self._changed.set()
        self._changed = trio.Event()

    def cut_all(self) -> int:
        """End every open connection in order (FIN), in mid-message as it comes; returns how many."""
        return self._end_all(reset=False)

    def reset_all(self) -> int:
        """End every open connection by a reset (RST); returns how many."""
        return self._end_all(reset=True)

    def swallow_all(self, only: Direction | None = None) -> int:
        """Make every open connection half-open for good, or one direction of it; new ones work. Returns how many."""
        for connection in self._connections:
            connection.lost.update(DIRECTIONS if only is None else (only,))
        return len(self._connections)

    def _end_all(self, *, reset: bool) -> int:
        for connection in self._connections:
            self._end(connection, reset=reset)
        return len(self._connections)

    def _end(self, connection: _Connection, *, reset: bool, cut: bool = True) -> None:
        connection.reset = connection.reset or reset
        self._cut += cut and not connection.ended
        connection.ended = True
        connection.scope.cancel()

    # The deadline of its scope ends a connection by itself: a time-out for good, idleness until it is used again.
    def _set_end(self, connection: _Connection) -> None:
        faults = self._faults
        if faults.timeout_s is not None:
            connection.lost.update(DIRECTIONS)
            if connection.dies_at == math.inf:
                connection.dies_at = trio.current_time() + faults.timeout_s
                connection.dies_by_reset = faults.cut_by_reset
        idle_until = math.inf if faults.idle_s is None else connection.used_at + faults.idle_s
        connection.scope.deadline = min(connection.dies_at, idle_until)

    def statistics(self) -> ProxyStatistics:
        """Return what went through."""
        return ProxyStatistics(
            open=len(self._connections),
            accepted=self._accepted,
            refused=self._refused,
            cut=self._cut,
            swallowed_bytes=self._swallowed,
            passed_bytes=self._passed,
        )

    # ------------------------------------------------------------------ connections

    async def run(self) -> None:
        """Take connections until cancelled. `open_proxy` runs it."""
        async with trio.open_nursery() as nursery:

            def handle(raw: socket.socket) -> None:
                if self._faults.refuse or len(self._connections) >= MAX_CONNECTIONS:
                    self._refused += 1
                    _reset_on_close(raw)
                    raw.close()
                    return
                self._accepted += 1
                connection = _Connection(trio.SocketStream(trio.socket.from_stdlib_socket(raw)))
                self._connections.add(connection)
                self._set_end(connection)
                nursery.start_soon(self._serve, connection)

            await accept_connections(self._listener, handle)

    async def _serve(self, connection: _Connection) -> None:
        try:
            with connection.scope:
                await self._join(connection)
            if connection.scope.cancelled_caught and not connection.ended:
                dead = trio.current_time() >= connection.dies_at
                self._end(connection, reset=connection.dies_by_reset if dead else self._faults.cut_by_reset)
        finally:
            self._connections.discard(connection)
            for stream in (connection.client, connection.server):
                if stream is not None:
                    if connection.reset:
                        _reset_on_close(stream.socket)
                    # Not aclose: it would wait, and there is nothing to wait for.
                    stream.socket.close()

    async def _join(self, connection: _Connection) -> None:
        try:
            with trio.fail_after(CONNECT_WITHIN_S):
                connection.server = await trio.open_tcp_stream(*self._target)
        except (OSError, trio.TooSlowError):
            self._refused += 1
            connection.reset = True
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass_on, connection, "up", connection.client, connection.server)
            nursery.start_soon(self._pass_on, connection, "down", connection.server, connection.client)

    # One direction, from its first byte to its end.
    async def _pass_on(
        self, connection: _Connection, way: Direction, source: trio.SocketStream, sink: trio.SocketStream
    ) -> None:
        send, receive = trio.open_memory_channel[_Piece](QUEUED_PIECES)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, connection, way, sink, receive)
            nursery.start_soon(self._read, connection, way, source, send)

    # One side was reset: so is the other, unless nothing passes on the way to it.
    def _pass_reset(self, connection: _Connection, way: Direction) -> None:
        if not self._swallows(connection, way):
            self._end(connection, reset=True, cut=False)

    async def _read(
        self,
        connection: _Connection,
        way: Direction,
        source: trio.SocketStream,
        send: trio.MemorySendChannel[_Piece],
    ) -> None:
        async with send:
            while True:
                try:
                    data = await source.receive_some(READ_BYTES)
                except trio.BrokenResourceError:
                    self._pass_reset(connection, way)
                    return
                if not data:
                    return
                arrived = trio.current_time()
                size = self._piece_bytes(way)
                for at in range(0, len(data), size):
                    await send.send(_Piece(bytes(data[at : at + size]), arrived, self._random.random()))

    def _piece_bytes(self, way: Direction) -> int:
        if not self._faults.meets(way):
            return READ_BYTES
        size = self._faults.slice_bytes or READ_BYTES
        if self._faults.bytes_per_s is not None:
            size = min(size, max(1, int(self._faults.bytes_per_s / STEPS_PER_S)))
        return size

    async def _write(
        self,
        connection: _Connection,
        way: Direction,
        sink: trio.SocketStream,
        receive: trio.MemoryReceiveChannel[_Piece],
    ) -> None:
        async for piece in receive:
            await self._wait_latency(way, piece)
            if self._swallows(connection, way):
                connection.lost.add(way)
                self._swallowed += len(piece.data)
                continue
            left = self._left(connection, way)
            data = piece.data if left is None else piece.data[:left]
            try:
                await sink.send_all(data)
            except trio.BrokenResourceError:
                # News of it goes the other way. Where that is lost, whoever sends is told nothing, and goes on.
                self._pass_reset(connection, "down" if way == "up" else "up")
                connection.lost.add(way)
                continue
            connection.passed[way] += len(data)
            connection.used_at = trio.current_time()
            self._passed += len(data)
            if self._left(connection, way) == 0:
                self._end(connection, reset=self._faults.cut_by_reset)
            elif self._faults.idle_s is not None:
                self._set_end(connection)
            if self._faults.bytes_per_s is not None and self._faults.meets(way):
                await trio.sleep(len(data) / self._faults.bytes_per_s)
            else:
                # So that a small piece leaves as a segment of its own, and others get a turn.
                await trio.lowlevel.checkpoint()
        if not self._swallows(connection, way):
            with contextlib.suppress(trio.BrokenResourceError):  # it has gone, and news of that was lost
                await sink.send_eof()

    # Bytes until a cut; None without one.
    def _left(self, connection: _Connection, way: Direction) -> int | None:
        faults = self._faults
        if faults.cut_after_bytes is None or not faults.meets(way):
            return None
        return max(
            0, faults.cut_after_bytes - sum(connection.passed[each] for each in DIRECTIONS if faults.meets(each))
        )

    def _swallows(self, connection: _Connection, way: Direction) -> bool:
        return way in connection.lost or (self._faults.swallow and self._faults.meets(way))

    # The latency may change while something waits.
    async def _wait_latency(self, way: Direction, piece: _Piece) -> None:
        while True:
            faults, changed = self._faults, self._changed
            late_s = faults.latency_s + piece.share * faults.jitter_s if faults.meets(way) else 0.0
            due = piece.arrived + late_s
            if due <= trio.current_time():
                return
            with trio.move_on_at(due):
                await changed.wait()


def _reset_on_close(raw: socket.socket | trio.socket.SocketType) -> None:
    form = "hh" if sys.platform == "win32" else "ii"
    with contextlib.suppress(OSError):  # it has gone already
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))


@contextlib.asynccontextmanager
async def open_proxy(
    target_host: str,
    target_port: int,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Faults | None = None,
    seed: int = 1,
) -> AsyncIterator[FaultProxy]:
    """Pass connections to `host`:`port` on to the target, for the length of the block, with faults.

    The server need not be there yet: a connection is reset as long as it is not. Leaving the block ends every
    connection. Port 0 takes any free one, see `FaultProxy.port`. `seed` is that of the jitter.

    Raises:
        quantmind.net.errors.AddressTaken: another program listens there.
        quantmind.net.errors.NetError: the address can't be used.
    """
    listener = open_listener(host, port)
    proxy = FaultProxy(target_host, target_port, listener, faults or Faults(), seed)
    try:
        async with background() as nursery:
            nursery.start_soon(proxy.run)
            yield proxy
    finally:
        close_listener(listener)
