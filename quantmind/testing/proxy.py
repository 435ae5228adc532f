"""A TCP proxy that makes the network's faults on demand, between any client and any server.

async with open_proxy("127.0.0.1", 8765) as proxy:
    proxy.set_faults(latency_s=0.1, slice_bytes=3)   # from now on, also for open connections
    ...                                              # connect to proxy.host, proxy.port
    proxy.reset_all()
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import attrs
import trio

from quantmind.net.listen import accept_connections, close_listener, open_listener
from quantmind.net.nursery import background

READ_BYTES: Final = 64 * 1024
QUEUED_PIECES: Final = 64
"""Pieces that wait for their time in one direction; beyond them the sender is not read."""
MAX_CONNECTIONS: Final = 1024
"""Further ones are reset."""
CONNECT_WITHIN_S: Final = 10.0
STEPS_PER_S: Final = 20
"""With a limited bandwidth, how often in a second a piece is sent."""


def _positive(_instance: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ValueError(f"{attribute.name} is {value}; give a number above 0, or None for no such fault")


@attrs.frozen
class Faults:
    """What goes wrong, for each connection and each direction; the default is nothing."""

    latency_s: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))
    """Each byte arrives so much later. Order and bandwidth stay."""
    bytes_per_s: float | None = attrs.field(default=None, validator=_positive)
    """No more than so many bytes a second."""
    slice_bytes: int | None = attrs.field(default=None, validator=_positive)
    """What arrives is passed on in pieces of at most so many bytes, each sent on its own."""
    cut_after_bytes: int | None = attrs.field(default=None, validator=_positive)
    """A connection ends after so many bytes, both directions counted together, wherever that falls in a message."""
    cut_by_reset: bool = False
    """It ends so by a reset and not in order."""
    swallow: bool = False
    """Half-open: connections stay, are taken, and nothing passes. One that has lost a byte never passes any again."""
    refuse: bool = False
    """New connections are reset as soon as they are taken."""


@attrs.frozen
class ProxyStatistics:
    """What went through a proxy."""

    open: int
    accepted: int
    refused: int
    """Reset at the door, or because the server was not there."""
    cut: int
    """Ended by the proxy, in whatever way."""
    swallowed_bytes: int
    passed_bytes: int


@attrs.define(eq=False)
class _Connection:
    client: trio.SocketStream
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    server: trio.SocketStream | None = None
    passed: int = 0
    swallowing: bool = False
    reset: bool = False


class FaultProxy:
    """A running proxy; made by `open_proxy`. Its methods never wait, and act on what is open at once."""

    def __init__(self, target_host: str, target_port: int, listener: socket.socket, faults: Faults) -> None:
        self._target = (target_host, target_port)
        self._listener = listener
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._faults = faults
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
        """Put these faults in place; None: no faults. What was swallowed stays lost."""
        self._faults = Faults() if faults is None else faults
        self._changed.set()
        self._changed = trio.Event()

    def cut_all(self) -> int:
        """End every open connection in order (FIN), in mid-message as it comes; returns how many."""
        return self._end_all(reset=False)

    def reset_all(self) -> int:
        """End every open connection by a reset (RST); returns how many."""
        return self._end_all(reset=True)

    def swallow_all(self) -> int:
        """Make every open connection half-open for good; new ones work. Returns how many."""
        for connection in self._connections:
            connection.swallowing = True
        return len(self._connections)

    def _end_all(self, *, reset: bool) -> int:
        for connection in self._connections:
            self._end(connection, reset=reset)
        return len(self._connections)

    def _end(self, connection: _Connection, *, reset: bool) -> None:
        connection.reset = connection.reset or reset
        self._cut += not connection.scope.cancel_called
        connection.scope.cancel()

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
                nursery.start_soon(self._serve, connection)

            await accept_connections(self._listener, handle)

    async def _serve(self, connection: _Connection) -> None:
        try:
            with connection.scope:
                await self._join(connection)
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
            nursery.start_soon(self._pass_on, connection, connection.client, connection.server)
            nursery.start_soon(self._pass_on, connection, connection.server, connection.client)

    # One direction, from its first byte to its end.
    async def _pass_on(self, connection: _Connection, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        send, receive = trio.open_memory_channel[tuple[float, bytes]](QUEUED_PIECES)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, connection, sink, receive)
                async with send:
                    await self._read(source, send)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            # One side was reset: so is the other.
            if not connection.swallowing:
                connection.reset = True
                connection.scope.cancel()

    async def _read(self, source: trio.SocketStream, send: trio.MemorySendChannel[tuple[float, bytes]]) -> None:
        while True:
            data = await source.receive_some(READ_BYTES)
            if not data:
                return
            arrived = trio.current_time()
            size = self._piece_bytes()
            for at in range(0, len(data), size):
                await send.send((arrived, bytes(data[at : at + size])))

    def _piece_bytes(self) -> int:
        size = self._faults.slice_bytes or READ_BYTES
        if self._faults.bytes_per_s is not None:
            size = min(size, max(1, int(self._faults.bytes_per_s / STEPS_PER_S)))
        return size

    async def _write(
        self,
        connection: _Connection,
        sink: trio.SocketStream,
        receive: trio.MemoryReceiveChannel[tuple[float, bytes]],
    ) -> None:
        async for arrived, piece in receive:
            await self._wait_latency(arrived)
            if connection.swallowing or self._faults.swallow:
                connection.swallowing = True
                self._swallowed += len(piece)
                continue
            limit = self._faults.cut_after_bytes
            left = len(piece) if limit is None else max(0, limit - connection.passed)
            await sink.send_all(piece[:left])
            passed = min(left, len(piece))
            connection.passed += passed
            self._passed += passed
            if limit is not None and connection.passed >= limit:
                self._end(connection, reset=self._faults.cut_by_reset)
            if self._faults.bytes_per_s is not None:
                await trio.sleep(passed / self._faults.bytes_per_s)
            else:
                # So that a small piece leaves as a segment of its own, and others get a turn.
                await trio.lowlevel.checkpoint()
        if not (connection.swallowing or self._faults.swallow):
            await sink.send_eof()

    # The latency may change while something waits.
    async def _wait_latency(self, arrived: float) -> None:
        while True:
            due, changed = arrived + self._faults.latency_s, self._changed
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
) -> AsyncIterator[FaultProxy]:
    """Pass connections to `host`:`port` on to the target, for the length of the block, with faults.

    The server need not be there yet: a connection is reset as long as it is not. Leaving the block ends every
    connection. Port 0 takes any free one, see `FaultProxy.port`.

    Raises:
        quantmind.net.errors.AddressTaken: another program listens there.
        quantmind.net.errors.NetError: the address can't be used.
    """
    listener = open_listener(host, port)
    proxy = FaultProxy(target_host, target_port, listener, faults or Faults())
    try:
        async with background() as nursery:
            nursery.start_soon(proxy.run)
            yield proxy
    finally:
        close_listener(listener)
