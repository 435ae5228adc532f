"""A feed of ticks and private channels that outlives its connections.

    async with open_ticks("ws://127.0.0.1:8765/", ["EURUSD"]) as feed:
        async for event in feed:
            ...

The thin shell round `FeedState`: a socket, a clock, and a buffer between the socket and whoever iterates.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Final, Self

import attrs
import trio

from quantmind.client.backoff import Backoff
from quantmind.client.errors import FeedRefused
from quantmind.client.feed_buffer import FeedBuffer
from quantmind.client.feed_channels import FeedChannels
from quantmind.client.feed_events import Disconnected, FeedEvent, Tick
from quantmind.client.feed_state import PING, FeedState, GatewayFault
from quantmind.net.errors import NetError, PeerGone
from quantmind.net.handshake import parse_url
from quantmind.net.nursery import background
from quantmind.net.ws import ClientConnection, connect

logger: Final = logging.getLogger("quantmind.client")

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""An answer names every symbol that was asked for."""

MAX_OUTGOING: Final = 256
"""Messages that wait for the socket. Beyond them the connection is given up: a new one subscribes to everything."""

GOODBYE_S: Final = 0.5
BAD_TOKEN: Final = 4001


@attrs.frozen
class FeedSettings:
    """How patient a feed is. Durations in seconds."""

    buffer: int = attrs.field(default=10_000, validator=attrs.validators.ge(1))
    """Events that wait for the consumer before they are conflated to the newest of each symbol."""
    quiet_s: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    """After so long without a word the gateway is asked whether it lives: a quiet market looks like a dead line."""
    answer_within_s: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))
    """How long it may take to answer that before the connection is given up."""
    open_within_s: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    """From the first packet to the answered subscription."""
    first_pause_s: float = attrs.field(default=0.25, validator=attrs.validators.gt(0))
    """The longest pause before the first new try; it doubles from try to try."""
    most_pause_s: float = attrs.field(default=15.0, validator=attrs.validators.gt(0))
    """The longest pause there is."""
    good_after_s: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    """A connection that held so long lets the pauses begin anew."""


@attrs.frozen
class FeedStatistics:
    """What a feed has done so far."""

    connected: bool
    connections: int
    """How often it was connected, the first time included."""
    ticks: int
    """Ticks put before the consumer."""
    conflated: int
    """Of these, dropped again since the consumer was behind."""
    buffered: int
    """Events that wait for the consumer now."""
    peak: int
    """The most events that ever waited."""


class Feed:
    """Events of the feed, in order; made by `open_ticks`. Iterate over it.

    Iteration never ends by an outage. It raises `FeedRefused` when the gateway refused what was asked for, after
    everything that came before. Cancelling an iteration loses no event.
    """

    def __init__(
        self,
        url: str,
        symbols: Iterable[str],
        token: str | None,
        settings: FeedSettings,
        channels: Iterable[str] = (),
        ca: str | Path | None = None,
    ) -> None:
        parse_url(url)
        if "token=" in url.lower():
            raise ValueError("a token in an address ends up in logs; give it as `token`")
        self._url = url
        self._ca = ca
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._settings = settings
        self._state = FeedState(FeedChannels.of(channels))
        self._state.add(symbols)
        self._buffer = FeedBuffer(settings.buffer)
        self._backoff = Backoff(settings.first_pause_s, settings.most_pause_s, settings.good_after_s)
        self._arrived = trio.Event()
        self._outgoing: deque[str] = deque()
        self._work = trio.Event()
        self._failure: FeedRefused | None = None
        self._closing = trio.Event()
        self._talking = trio.CancelScope()
        self._connections = 0
        self._ticks = 0

    # ------------------------------------------------------------------ for the consumer

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FeedEvent:
        while True:
            await trio.lowlevel.checkpoint()
            event = self._buffer.take()
            if event is not None:
                return event
            if self._failure is not None:
                raise self._failure
            if self._closing.is_set():
                raise trio.ClosedResourceError
            await self._arrived.wait()

    def take(self) -> FeedEvent | None:
        """The next event if there is one, without waiting. Raises as an iteration does."""
        event = self._buffer.take()
        if event is None and self._failure is not None:
            raise self._failure
        return event

    def add(self, *symbols: str) -> None:
        """Want these symbols too: now, and after each reconnection. `Subscribed` or `SymbolRejected` tells of each."""
        self._say(self._state.add(symbols))

    def remove(self, *symbols: str) -> None:
        """Want these symbols no more. What was buffered of them still comes."""
        self._say(self._state.remove(symbols))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names that are wanted, in the order of asking."""
        return self._state.symbols

    def statistics(self) -> FeedStatistics:
        """Return what it has done so far."""
        return FeedStatistics(
            connected=self._state.up,
            connections=self._connections,
            ticks=self._ticks,
            conflated=self._buffer.conflated,
            buffered=len(self._buffer),
            peak=self._buffer.peak,
        )

    # ------------------------------------------------------------------ connections, one after the other

    async def run(self) -> None:
        """Connect, and again, until `close` or a refusal. `open_ticks` runs it."""
        tries = 0
        try:
            while not self._closing.is_set():
                began = self._connections
                started = trio.current_time()
                reason = await self._connection()
                if self._closing.is_set():
                    return
                now = trio.current_time()
                self._state.lost(now)
                if self._connections > began:
                    tries = 0
                    self._backoff.noted(now - started)
                tries += 1
                pause_s = self._backoff.next_s()
                logger.info("lose.feed url=%s reason=%s tries=%d pause_s=%.2f", self._url, reason, tries, pause_s)
                self._put((Disconnected(reason, tries, pause_s),))
                with trio.CancelScope() as self._talking:
                    if not self._closing.is_set():
                        await trio.sleep(pause_s)
        except FeedRefused as refused:
            logger.warning("refuse.feed url=%s reason=%s", self._url, refused)
            self._failure = refused
        finally:
            self._state.lost(trio.current_time())
            self._arrived.set()

    def close(self) -> None:
        """End the connection in order; `run` returns soon."""
        self._closing.set()
        self._talking.cancel()
        self._arrived.set()

    # One connection from its opening to its end; returns why it ended.
    async def _connection(self) -> str:
        within_s = self._settings.open_within_s
        try:
            with trio.CancelScope(deadline=trio.current_time() + within_s) as opening:
                async with connect(
                    self._url, headers=self._headers, max_message_bytes=MAX_MESSAGE_BYTES, ca=self._ca
                ) as connection:
                    with trio.CancelScope() as self._talking:
                        if self._closing.is_set():
                            return "closed"
                        await self._talk(connection, opening)
        except PeerGone as gone:
            if gone.code == BAD_TOKEN:
                raise FeedRefused("unauthorized: the token is not known; check it against the gateway's") from gone
            return str(gone)
        except (NetError, GatewayFault) as fault:
            return str(fault)
        if opening.cancelled_caught:
            return f"{self._url} has not answered a subscription within {within_s:g} s"
        return "closed" if self._closing.is_set() else f"{self._url} did not take what was to be said"

    async def _talk(self, connection: ClientConnection, opening: trio.CancelScope) -> None:
        self._outgoing.clear()
        self._say(self._state.opened())
        async with background() as nursery:
            nursery.start_soon(self._write, connection)
            while True:
                text = await self._hear(connection)
                was_up, was_due_at = self._state.up, self._state.due_at
                events = self._state.received(text, trio.current_time())
                if self._state.up and not was_up:
                    opening.deadline = math.inf
                    self._connections += 1
                if events:
                    self._ticks += sum(isinstance(event, Tick) for event in events)
                    self._put(events)
                if self._state.due_at != was_due_at:
                    self._work.set()

    # The next message. Whoever is silent for too long is asked, and given up when nothing comes at all.
    async def _hear(self, connection: ClientConnection) -> str:
        with trio.move_on_after(self._settings.quiet_s):
            return await connection.receive()
        self._say([PING])
        with trio.move_on_after(self._settings.answer_within_s):
            return await connection.receive()
        silent_s = self._settings.quiet_s + self._settings.answer_within_s
        raise GatewayFault(f"{self._url} has not said a word for {silent_s:g} s")

    # The only one who sends. A connection that breaks is told by its reader, which knows the close code.
    async def _write(self, connection: ClientConnection) -> None:
        with contextlib.suppress(PeerGone):
            while True:
                self._outgoing.extend(self._state.due(trio.current_time()))
                if self._outgoing:
                    await connection.send(self._outgoing.popleft())
                    continue
                self._work = trio.Event()
                due_at = self._state.due_at
                with trio.move_on_at(math.inf if due_at is None else due_at):
                    await self._work.wait()

    def _say(self, messages: Sequence[str]) -> None:
        self._outgoing.extend(messages)
        if len(self._outgoing) > MAX_OUTGOING:
            self._outgoing.clear()
            self._talking.cancel()
        self._work.set()

    def _put(self, events: Iterable[FeedEvent]) -> None:
        self._buffer.extend(events)
        if self._buffer.take_lost():
            self._say(self._state.channels_dropped())
        self._arrived.set()
        self._arrived = trio.Event()


@contextlib.asynccontextmanager
async def open_ticks(
    url: str,
    symbols: Iterable[str] = (),
    *,
    token: str | None = None,
    settings: FeedSettings | None = None,
    channels: Iterable[str] = (),
    ca: str | Path | None = None,
) -> AsyncIterator[Feed]:
    """Keep ticks of `symbols` and what `channels` tell coming, for the length of the block.

    It connects in the background and again whenever the connection is lost; a gateway that is not there is no error
    but a `Disconnected` event. After an outage it goes on where it was, if the gateway still has what was missed. The
    socket is read at all times: when you are slower than the feed, the newest tick of each symbol stays, and a `Gap`
    names what went. Cancelling ends the connection at once.

    Args:
        url: as `ws://127.0.0.1:8765/`, or `wss://` with TLS.
        symbols: names as the gateway knows them, `NAME@broker` for one of several brokers. May be empty; see `add`.
        token: needed where the gateway asks for one, and for channels.
        settings: how patient it is.
        channels: of `account`, `orders`, `risk` and `events`.
        ca: for wss://, the file of the authority to trust; None: that of QUANTMIND_CA, else the system's. A gateway
            that is not trusted is a `Disconnected` event whose reason says so, and is tried again.

    Raises:
        ValueError: a symbol or a channel can't be one, or the address contains a token.
        quantmind.net.errors.NetError: `url` is no address of the form ws://host:port/.
    """
    feed = Feed(url, symbols, token, settings or FeedSettings(), channels, ca)
    async with background() as nursery:
        ended = trio.Event()

        async def run() -> None:
            try:
                await feed.run()
            finally:
                ended.set()

        nursery.start_soon(run)
        yield feed
        feed.close()
        with trio.move_on_after(GOODBYE_S):
            await ended.wait()
