"""The clients for programs without async: the same names, the same values, blocking calls.

    from quantmind.client import sync

    with sync.open_ticks("ws://127.0.0.1:8765/", ["EURUSD"]) as feed:
        for event in feed:
            ...

Trio runs in a thread behind each client. Every method may be called from any thread; Ctrl-C ends a call at once; and a
client that nobody closed ends with the interpreter, which never waits for it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import trio

from quantmind.client import commands, ticks
from quantmind.client.exchange import CommandSettings, CommandStatistics
from quantmind.client.feed_events import FeedEvent
from quantmind.client.outcomes import (
    Beat,
    ChangeOutcome,
    CloseOutcome,
    Failed,
    MultiplierSet,
    OpenOutcome,
    OrderOutcome,
    Reported,
    Unknown,
    VerdictOutcome,
)
from quantmind.client.portal import Portal
from quantmind.client.requests import Command, Number, Request
from quantmind.client.ticks import FeedSettings, FeedStatistics
from quantmind.net.zmq import Login

__all__ = ["Commands", "TickFeed", "open_commands", "open_ticks"]

T = TypeVar("T")

BATCH: Final = 64
"""Events taken in one crossing of threads. What was taken is not conflated any more, so few."""


class TickFeed:
    """Events of a feed, in order; made by `open_ticks`. Iterate over it; of several threads, each event goes to one.

    Iteration never ends by an outage. It raises `FeedRefused` when the gateway refused what was asked for, and
    `trio.ClosedResourceError` once the block was left.
    """

    def __init__(self, portal: Portal, feed: ticks.Feed) -> None:
        self._portal = portal
        self._feed = feed
        self._taken: deque[FeedEvent] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FeedEvent:
        while True:
            event = self._next(None)
            if event is not None:
                return event

    def take(self, within_s: float) -> FeedEvent | None:
        """The next event, or None if none comes within so many seconds."""
        return self._next(within_s)

    def _next(self, within_s: float | None) -> FeedEvent | None:
        with contextlib.suppress(IndexError):
            return self._taken.popleft()
        self._portal.call(partial(self._fetch, within_s))
        with contextlib.suppress(IndexError):
            return self._taken.popleft()
        return None

    # At least one, and what else is there. Put where the next call finds it, should this one be interrupted.
    async def _fetch(self, within_s: float | None) -> None:
        with trio.move_on_after(float("inf") if within_s is None else within_s):
            self._taken.append(await anext(self._feed))
            while len(self._taken) < BATCH and self._feed.statistics().buffered:
                event = self._feed.take()
                if event is None:
                    break
                self._taken.append(event)

    def add(self, *symbols: str) -> None:
        """As `Feed.add`."""
        self._portal.call_soon(partial(self._feed.add, *symbols))

    def remove(self, *symbols: str) -> None:
        """As `Feed.remove`."""
        self._portal.call_soon(partial(self._feed.remove, *symbols))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names that are wanted, in the order of asking."""
        return self._portal.call_soon(lambda: self._feed.symbols)

    def statistics(self) -> FeedStatistics:
        """Return what it has done so far."""
        return self._portal.call_soon(self._feed.statistics)


class Commands:
    """Commands of one EA; made by `open_commands`. The methods are those of `CommandClient`, and block.

    Ctrl-C in the midst of an order leaves it among `unsettled`, which can be read after the block, too.
    """

    def __init__(self, portal: Portal, client: commands.CommandClient) -> None:
        self._portal = portal
        self._client = client

    def open_position(
        self,
        symbol: str,
        volume: Number,
        side: str,
        *,
        sl: Number | None = None,
        tp: Number | None = None,
        order_type: str = "market",
        price: Number | None = None,
        expiration: float | None = None,
        deviation: int | None = None,
        filling: str | None = None,
        comment: str = "",
        reduce: bool = False,
        magic: int | None = None,
        broker: str | None = None,
        request_id: str | None = None,
    ) -> OpenOutcome:
        """As `CommandClient.open_position`."""
        return self._call(
            self._client.open_position,
            symbol,
            volume,
            side,
            sl=sl,
            tp=tp,
            order_type=order_type,
            price=price,
            expiration=expiration,
            deviation=deviation,
            filling=filling,
            comment=comment,
            reduce=reduce,
            magic=magic,
            broker=broker,
            request_id=request_id,
        )

    def close_position(
        self,
        symbol: str,
        ticket: int,
        *,
        volume: Number | None = None,
        close_by: int | None = None,
        magic: int | None = None,
        broker: str | None = None,
        request_id: str | None = None,
    ) -> CloseOutcome:
        """As `CommandClient.close_position`."""
        return self._call(
            self._client.close_position,
            symbol,
            ticket,
            volume=volume,
            close_by=close_by,
            magic=magic,
            broker=broker,
            request_id=request_id,
        )

    def modify(
        self,
        ticket: int,
        *,
        sl: Number | None = None,
        tp: Number | None = None,
        price: Number | None = None,
        expiration: float | None = None,
        magic: int | None = None,
        broker: str | None = None,
        request_id: str | None = None,
    ) -> ChangeOutcome:
        """As `CommandClient.modify`."""
        return self._call(
            self._client.modify,
            ticket,
            sl=sl,
            tp=tp,
            price=price,
            expiration=expiration,
            magic=magic,
            broker=broker,
            request_id=request_id,
        )

    def cancel(
        self, ticket: int, *, magic: int | None = None, broker: str | None = None, request_id: str | None = None
    ) -> ChangeOutcome:
        """As `CommandClient.cancel`."""
        return self._call(self._client.cancel, ticket, magic=magic, broker=broker, request_id=request_id)

    def execute(self, request: Request, *, request_id: str | None = None) -> OrderOutcome:
        """As `CommandClient.execute`."""
        return self._call(self._client.execute, request, request_id=request_id)

    def ask(self, request: Request, *, request_id: str | None = None) -> VerdictOutcome:
        """As `CommandClient.ask`."""
        return self._call(self._client.ask, request, request_id=request_id)

    @property
    def unsettled(self) -> tuple[Unknown, ...]:
        """As `CommandClient.unsettled`; also once the block was left, as an interrupted program needs it."""
        try:
            return self._portal.call_soon(lambda: self._client.unsettled)
        except trio.ClosedResourceError:
            return self._client.unsettled  # the loop has ended, and changes it no more

    def ask_again(self, unknown: Unknown | Command) -> OrderOutcome:
        """As `CommandClient.ask_again`."""
        return self._call(self._client.ask_again, unknown)

    def settle(self, unknown: Unknown | Command, within_s: float) -> OrderOutcome:
        """Ask again until the outcome is known, for at most so many seconds; then it is `Unknown` still."""

        async def settle() -> OrderOutcome:
            with trio.move_on_after(within_s):
                return await self._client.settle(unknown)
            if isinstance(unknown, Unknown):
                return unknown
            return Unknown(unknown.request_id, f"not known after {within_s:g} s; ask again later", unknown)

        return self._portal.call(settle)

    def report_result(
        self,
        approval_id: str,
        volume: Number,
        *,
        ticket: int | None = None,
        price: Number | None = None,
        retcode: int | None = None,
    ) -> Reported | Failed:
        """As `CommandClient.report_result`."""
        return self._call(self._client.report_result, approval_id, volume, ticket=ticket, price=price, retcode=retcode)

    def heartbeat(
        self,
        *,
        symbol: str | None = None,
        magic: int | None = None,
        balance: Number | None = None,
        equity: Number | None = None,
        version: str | None = None,
    ) -> Beat | Failed:
        """As `CommandClient.heartbeat`."""
        return self._call(
            self._client.heartbeat, symbol=symbol, magic=magic, balance=balance, equity=equity, version=version
        )

    def risk_update(self, risk_multiplier: Number) -> MultiplierSet | Failed:
        """As `CommandClient.risk_update`."""
        return self._call(self._client.risk_update, risk_multiplier)

    def statistics(self) -> CommandStatistics:
        """Return what it has done so far."""
        return self._portal.call_soon(self._client.statistics)

    def _call(self, method: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        return self._portal.call(partial(method, *args, **kwargs))


@contextlib.contextmanager
def open_ticks(
    url: str,
    symbols: Iterable[str] = (),
    *,
    token: str | None = None,
    settings: FeedSettings | None = None,
    channels: Iterable[str] = (),
    ca: str | Path | None = None,
) -> Iterator[TickFeed]:
    """Keep ticks and what channels tell coming, for the length of the block. As `quantmind.client.open_ticks`."""
    opening = partial(ticks.open_ticks, url, symbols, token=token, settings=settings, channels=channels, ca=ca)
    with Portal.running(opening, name="quantmind ticks") as (portal, feed):
        yield TickFeed(portal, feed)


@contextlib.contextmanager
def open_commands(
    url: str,
    *,
    ea_name: str,
    token: str | None = None,
    broker: str | None = None,
    magic: int = 0,
    settings: CommandSettings | None = None,
    login: Login | None = None,
) -> Iterator[Commands]:
    """A client for trade commands, for the length of the block. As `quantmind.client.open_commands`."""
    opening = partial(
        commands.open_commands,
        url,
        ea_name=ea_name,
        token=token,
        broker=broker,
        magic=magic,
        settings=settings,
        login=login,
    )
    with Portal.running(opening, name="quantmind commands") as (portal, client):
        yield Commands(portal, client)
