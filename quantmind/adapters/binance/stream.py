"""A live connection to one address of the exchange, kept up, and replaced without a gap before it is cut.

Binance ends each connection after 24 hours, or says `serverShutdown` before it does. Then a second one is opened beside
the first; both feed whoever listens, who sorts out what is told twice, and the first is let go once the second has said
something of all that the first had. A connection that broke is a gap, and is told as one.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.binance.errors import BinanceError, NotSent
from quantmind.net.errors import NetError
from quantmind.net.ws import ClientConnection, connect

logger: Final = logging.getLogger("quantmind.binance")

LIFE_S: Final = 23 * 3600 + 40 * 60.0
"""Twenty minutes before the exchange cuts it; up to ten of them are drawn, so that lines do not go all at once."""
SPREAD_S: Final = 600.0
OPENS_WITHIN_S: Final = 10.0
OVERLAPS_S: Final = 20.0
"""So long the first is kept beside the second at the most: a quiet symbol may say nothing for long."""
PING_EVERY_S: Final = 15.0
PONG_WITHIN_S: Final = 10.0
RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
GOOD_AFTER_S: Final = 30.0
"""A connection that held so long is tried again from the shortest pause on."""
BARRIER: Final = 6
"""Turns of the loop in which messages that were read before a pong have been handed on: one waits, one is in hand."""
MOST_MESSAGE_BYTES: Final = 1024 * 1024
MOST_ATTEMPTS: Final = 200
"""In five minutes, of all lines of a broker: the exchange takes 300 from one address."""
ATTEMPTS_WINDOW_S: Final = 300.0


class Shutdown:
    """What a listener returns of a message that says that the connection will end."""


@attrs.define(eq=False)
class Attempts:
    """Holds back connections that would be too many."""

    most: int = MOST_ATTEMPTS
    _made: deque[float] = attrs.field(factory=deque, init=False)

    async def turn(self) -> None:
        """Wait until one more may be made. Cancelled it counts for nothing."""
        while True:
            now = trio.current_time()
            while self._made and now - self._made[0] > ATTEMPTS_WINDOW_S:
                self._made.popleft()
            if len(self._made) < self.most:
                self._made.append(now)
                return
            await trio.sleep(self._made[0] + ATTEMPTS_WINDOW_S - now)


@attrs.define(eq=False)
class Live:
    """One connection, from its first try to its end."""

    connection: ClientConnection | None = None
    why: str = ""
    """Why it ended."""
    seen: set[Hashable] = attrs.field(factory=set)
    """What it has told of."""
    up: trio.Event = attrs.field(factory=trio.Event)
    over: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    stirred: trio.Event = attrs.field(factory=trio.Event)
    ends_soon: bool = False
    since: float = attrs.field(factory=trio.current_time)

    def stir(self) -> None:
        """Wake who waits for anything of it."""
        stirred, self.stirred = self.stirred, trio.Event()
        stirred.set()


Listener = Callable[[bytes, Live], Hashable]
"""Given each message, at once; what it tells of, `Shutdown`, or None."""


@attrs.define(eq=False)
class StreamLine:
    """One address.

    Args:
        name: for people: of the path.
        address: gives the URL of a new connection. May raise BinanceError.
        listen: see `Listener`. Never waits.
        begin: what has to be said on a new connection before it counts as open, while messages come in already. Raises
            BinanceError.
        attempts: shared by all lines of a broker.
        opened, lost: told when it is open after a gap, and when a gap begins and why.
    """

    name: str
    address: Callable[[], Awaitable[str]]
    listen: Listener
    attempts: Attempts
    begin: Callable[[Live], Awaitable[None]] | None = None
    on_open: Callable[[], None] = lambda: None
    on_lost: Callable[[str], None] = lambda _: None
    life_s: float = LIFE_S
    rng: random.Random = attrs.field(factory=random.Random)
    lost: str | None = attrs.field(default="it is being connected", init=False)
    """Why nothing is told now; None: it is open."""
    received: int = attrs.field(default=0, init=False)
    heard_at: float = attrs.field(default=0.0, init=False)
    """When the last message came, of Trio's clock."""
    replaced: int = attrs.field(default=0, init=False)
    gaps: dict[str, int] = attrs.field(factory=dict, init=False)
    """Connections that broke, by why."""
    last_error: str | None = attrs.field(default=None, init=False)
    _live: Live | None = attrs.field(default=None, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _failures: int = attrs.field(default=0, init=False)

    async def run(self) -> None:
        """Keep it up until cancelled. Trouble is told, and tried again."""
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    live = self._live = await self._bring_up(nursery)
                    self.lost = None
                    self._tell()
                    self.on_open()
                    live = await self._keep(live, nursery)
                    self._gap(live.why)
                    if trio.current_time() - live.since >= GOOD_AFTER_S:
                        self._failures = 0
        finally:
            self._live = None
            if self.lost is None:
                self.lost = "its connection was closed"
                self.on_lost(self.lost)

    async def opened(self) -> None:
        """Wait until it is open."""
        while self.lost is not None:
            await self._news.wait()

    def restart(self, why: str) -> None:
        """Let the connection go, and make another."""
        live = self._live
        if live is not None:
            live.why = why
            live.scope.cancel()

    async def prove(self) -> None:
        """A ping and its pong: what was told before has been heard. Callers bound it.

        Raises:
            NotSent: it is not open, or ended meanwhile.
        """
        live = self._live
        if live is None or live.connection is None or self.lost is not None:
            raise NotSent(self.lost or "it is being connected")
        try:
            await live.connection.ping()
        except NetError as error:
            raise NotSent(f"{self.name}: {error}") from None
        for _ in range(BARRIER):
            await trio.lowlevel.checkpoint()

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        now, live = trio.current_time(), self._live
        return {
            "lost": self.lost,
            "open_s": None if live is None or self.lost is not None else round(now - live.since, 1),
            "quiet_s": round(now - self.heard_at, 1) if self.heard_at else None,
            "received": self.received,
            "replaced": self.replaced,
            "gaps": dict(self.gaps),
            "last_error": self.last_error,
        }

    # --- inside ------------------------------------------------------------------------------------------------------

    # As many tries as it takes.
    async def _bring_up(self, nursery: trio.Nursery) -> Live:
        while True:
            live = await self._try(nursery)
            if live is not None:
                return live
            pause = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
            self._failures += 1
            await trio.sleep(self.rng.uniform(pause / 2, pause))

    async def _try(self, nursery: trio.Nursery) -> Live | None:
        await self.attempts.turn()
        live = Live()
        nursery.start_soon(self._serve, live)
        with trio.move_on_after(OPENS_WITHIN_S) as patience:
            while not (live.up.is_set() or live.over.is_set()):
                await live.stirred.wait()
        if live.up.is_set() and not live.over.is_set():
            return live
        why = f"nothing opened within {OPENS_WITHIN_S:g} s" if patience.cancelled_caught else live.why
        live.scope.cancel()
        self.last_error = why
        if self.lost is not None:
            self.lost = f"{self.name}: {why}"
        logger.warning("fail.stream name=%s reason=%s", self.name, ascii(why))
        return None

    # One connection. What it ends of stands in `why`.
    async def _serve(self, live: Live) -> None:
        try:
            with live.scope:
                url = await self.address()
                async with connect(url, max_message_bytes=MOST_MESSAGE_BYTES, peer="Binance") as connection:
                    live.connection = connection
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._start, live)
                        nursery.start_soon(self._beat, live)
                        while True:
                            self._take((await connection.receive()).encode(), live)
        except* (NetError, BinanceError) as group:
            live.why = live.why or _first_words(group)
        finally:
            live.why = live.why or "it was let go"
            live.connection = None
            live.over.set()
            live.stir()

    def _take(self, body: bytes, live: Live) -> None:
        self.received += 1
        self.heard_at = trio.current_time()
        told = self.listen(body, live)
        if told is Shutdown:
            live.ends_soon = True
            live.stir()
        elif told is not None and told not in live.seen:
            live.seen.add(told)
            live.stir()

    async def _start(self, live: Live) -> None:
        if self.begin is not None:
            await self.begin(live)
        live.since = trio.current_time()
        live.up.set()
        live.stir()

    async def _beat(self, live: Live) -> None:
        connection = live.connection
        assert connection is not None
        while True:
            await trio.sleep(PING_EVERY_S)
            with trio.move_on_after(PONG_WITHIN_S) as patience:
                await connection.ping()
            if patience.cancelled_caught:
                live.why = f"no pong within {PONG_WITHIN_S:g} s"
                live.scope.cancel()

    # Until a connection breaks; on the way it is replaced by others.
    async def _keep(self, live: Live, nursery: trio.Nursery) -> Live:
        due = trio.current_time() + self._life()
        while not live.over.is_set():
            with trio.move_on_at(due):
                if not live.ends_soon and not live.over.is_set():
                    await live.stirred.wait()
            if live.over.is_set() or (not live.ends_soon and trio.current_time() < due):
                continue
            fresh = await self._try(nursery)
            if fresh is None:
                due = trio.current_time() + self.rng.uniform(1.0, RETRY_S[-1])
                live.ends_soon = False
                continue
            await self._overlap(live, fresh)
            self._live, due = fresh, trio.current_time() + self._life()
            live.scope.cancel()
            live = fresh
            self.replaced += 1
            logger.info("replace.stream name=%s", self.name)
        return live

    async def _overlap(self, old: Live, fresh: Live) -> None:
        with trio.move_on_after(OVERLAPS_S):
            while not (old.over.is_set() or fresh.over.is_set() or old.seen <= fresh.seen):
                await fresh.stirred.wait()

    def _life(self) -> float:
        return self.life_s - self.rng.uniform(0.0, min(SPREAD_S, self.life_s / 4))

    def _gap(self, why: str) -> None:
        self._live = None
        self.lost = f"{self.name}: {why}"
        self.last_error = why
        kind = why.partition(":")[0].partition("(")[0].strip()[:60]
        if kind not in self.gaps and len(self.gaps) >= 20:
            kind = "other"
        self.gaps[kind] = self.gaps.get(kind, 0) + 1
        logger.warning("lose.stream name=%s reason=%s", self.name, ascii(why))
        self.on_lost(self.lost)

    def _tell(self) -> None:
        news, self._news = self._news, trio.Event()
        news.set()


def _first_words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
