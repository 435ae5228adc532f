"""A live connection to one address of the exchange, kept up, and replaced without a gap before it is cut.

Binance ends each connection after 24 hours, or says `serverShutdown` before it does. Then a second one is opened beside
the first; both feed whoever listens, who sorts out what is told twice, and the first is let go once the second has said
something of all that the first had, and what the first had still to say was heard. A connection that broke is a gap,
and is told as one, though the second one may be there already.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.binance.errors import BinanceError, NotSent, Refusal
from quantmind.adapters.binance.live import Attempts, Live
from quantmind.net.bell import Bell
from quantmind.net.errors import HandshakeRefused, NetError, PeerGone
from quantmind.net.ws import connect

__all__ = ["Attempts", "Live", "Shutdown", "StreamLine"]

logger: Final = logging.getLogger("quantmind.binance")

LIFE_S: Final = 23 * 3600 + 40 * 60.0
"""Twenty minutes before the exchange cuts it; up to ten of them are drawn, so that lines do not go all at once."""
SPREAD_S: Final = 600.0
OPENS_WITHIN_S: Final = 10.0
OVERLAPS_S: Final = 20.0
"""So long the first is kept beside the second at the most: a quiet symbol may say nothing for long."""
AGAIN_S: Final = 30.0
"""Between two replacements: one that is told at once that it will end, too, is not replaced without a pause."""
SETTLES_S: Final = 1.5
"""So long it is kept beside it at the least: the first may be behind, and has to catch up."""
PING_EVERY_S: Final = 15.0
PONG_WITHIN_S: Final = 10.0
RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
GOOD_AFTER_S: Final = 30.0
"""A connection that held so long is tried again from the shortest pause on."""
WELL_CLOSED: Final = frozenset({1000, 1001, 1008, 1011, 1012, 1013})
"""Close codes that are the exchange's: with others we have thrown messages away, or some were lost."""
BANNED_S: Final = 90.0
"""After a 429 or 418: what is tried too early makes a ban longer."""
MOST_MESSAGE_BYTES: Final = 1024 * 1024


class Shutdown:
    """What a listener returns of a message that says that the connection will end."""


Listener = Callable[[bytes, Live], Hashable]
"""Given each message at once, when it came stands in `Live.heard_at`; what it tells of, `Shutdown`, or None."""


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
        on_open, on_lost: told when it is open after a gap, and when a gap begins and why.
        on_end: told when a connection has ended, whichever.
    """

    name: str
    address: Callable[[], Awaitable[str]]
    listen: Listener
    attempts: Attempts
    begin: Callable[[Live], Awaitable[None]] | None = None
    on_open: Callable[[], None] = lambda: None
    on_lost: Callable[[str], None] = lambda _: None
    on_end: Callable[[Live], None] = lambda _: None
    life_s: float = LIFE_S
    rng: random.Random = attrs.field(factory=random.Random)
    lost: str | None = attrs.field(default="it is being connected", init=False)
    """Why nothing is told now; None: it is open."""
    received: int = attrs.field(default=0, init=False)
    heard_at: float = attrs.field(default=0.0, init=False)
    """When the last message came, of Trio's clock."""
    replaced: int = attrs.field(default=0, init=False)
    unseen: int = attrs.field(default=0, init=False)
    """Replacements that had not said something of all in time: of what is quiet."""
    gaps: dict[str, int] = attrs.field(factory=dict, init=False)
    """Connections that broke, by why."""
    last_error: str | None = attrs.field(default=None, init=False)
    refusal: Refusal | None = attrs.field(default=None, init=False)
    """What the exchange has answered to the last try; None: it was let in, or has no answer."""
    _live: Live | None = attrs.field(default=None, init=False)
    _news: Bell = attrs.field(factory=Bell, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _banned_until: float = attrs.field(default=0.0, init=False)

    async def run(self) -> None:
        """Keep it up until cancelled. Trouble is told, and tried again."""
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    live = await self._bring_up(nursery)
                    self._stand(live)
                    live = await self._keep(live, nursery)
                    self._gap(live.why)
                    self._failures = 0 if trio.current_time() - live.since >= GOOD_AFTER_S else self._failures + 1
        finally:
            self._live = None
            if self.lost is None:
                self.lost = "its connection was closed"
                self.on_lost(self.lost)

    async def opened(self) -> None:
        """Wait until it is open."""
        while self.lost is not None:
            await self.news()

    async def news(self) -> None:
        """Wait until it is open after a gap, or a try has failed."""
        await self._news.wait()

    def restart(self, why: str) -> None:
        """Let the connection go, and make another."""
        live = self._live
        if live is not None:
            self._failures = 0
            live.end(why)

    async def prove(self) -> None:
        """A ping and its pong: what was told before has been heard. Callers bound it.

        Raises:
            NotSent: it is not open, or ended meanwhile.
        """
        while True:
            live = self._live
            if live is None or self.lost is not None:
                raise NotSent(self.lost or "it is being connected")
            try:
                return await live.prove()
            except NotSent as error:
                if self._live is live or self._live is None:
                    raise NotSent(f"{self.name}: {error}") from None
                # It was replaced meanwhile, and the other one has told the same.

    def snapshot(self) -> dict[str, Any]:
        """For /status."""
        now, live = trio.current_time(), self._live
        return {
            "lost": self.lost,
            "open_s": None if live is None or self.lost is not None else round(now - live.since, 1),
            "quiet_s": round(now - self.heard_at, 1) if self.heard_at else None,
            "received": self.received,
            "replaced": self.replaced,
            "unseen": self.unseen,
            "gaps": dict(self.gaps),
            "last_error": self.last_error,
        }

    # --- inside ------------------------------------------------------------------------------------------------------

    # As many tries as it takes. After a connection that held the first one is made at once.
    async def _bring_up(self, nursery: trio.Nursery) -> Live:
        while True:
            await trio.sleep(self._pause_s())
            live = await self._try(nursery)
            if live is not None:
                return live
            self._failures += 1

    def _pause_s(self) -> float:
        pause = 0.0
        if self._failures:
            longest = RETRY_S[min(self._failures, len(RETRY_S)) - 1]
            pause = self.rng.uniform(longest / 2, longest)
        return max(pause, self._banned_until - trio.current_time())

    async def _try(self, nursery: trio.Nursery) -> Live | None:
        live = Live(await self.attempts.turn())
        nursery.start_soon(self._serve, live)
        with trio.move_on_after(OPENS_WITHIN_S) as patience:
            while not (live.up.is_set() or live.over.is_set()):
                await live.stirred.wait()
        if live.is_open:
            return live
        why = f"nothing opened within {OPENS_WITHIN_S:g} s" if patience.cancelled_caught else live.why
        live.end(why)
        if live.is_refused:
            self._banned_until = trio.current_time() + self.rng.uniform(BANNED_S, 1.5 * BANNED_S)
        self.last_error = why
        if self.lost is not None:
            self.lost = f"{self.name}: {why}"
        self.refusal = live.refusal
        self._news.ring()
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
            error = _first(group)
            live.why = live.why or str(error) or type(error).__name__
            live.refusal = error if isinstance(error, Refusal) else None
            live.was_closed = isinstance(error, PeerGone) and error.code in WELL_CLOSED
            live.is_refused = isinstance(error, HandshakeRefused) and error.status in (418, 429)
        finally:
            live.why = live.why or "it was let go"
            live.connection = None
            live.over.set()
            live.stir()
            self.on_end(live)

    def _take(self, body: bytes, live: Live) -> None:
        self.received += 1
        self.heard_at = live.heard_at = trio.current_time()
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
        while True:
            await trio.sleep(PING_EVERY_S)
            with trio.move_on_after(PONG_WITHIN_S) as patience, contextlib.suppress(NotSent):
                await live.prove()
            if patience.cancelled_caught:
                live.end(f"no pong within {PONG_WITHIN_S:g} s")

    # Until a connection breaks; on the way it is replaced by others.
    async def _keep(self, live: Live, nursery: trio.Nursery) -> Live:
        due, again_at = trio.current_time() + self._life(), 0.0
        while not live.over.is_set():
            with trio.move_on_at(due):
                while not (live.ends_soon or live.over.is_set()):
                    await live.stirred.wait()
            with trio.move_on_at(again_at):
                await live.over.wait()
            if live.over.is_set():
                break
            fresh = await self._try(nursery)
            if fresh is None or not await self._takes_over(live, fresh):
                due = max(trio.current_time() + self.rng.uniform(1.0, RETRY_S[-1]), self._banned_until)
                live.ends_soon = False
                continue
            live, due, again_at = fresh, trio.current_time() + self._life(), trio.current_time() + AGAIN_S
        return live

    # False: the new one has broken.
    async def _takes_over(self, old: Live, fresh: Live) -> bool:
        settled = trio.current_time() + SETTLES_S
        with trio.move_on_after(OVERLAPS_S) as patience:
            async with trio.open_nursery() as nursery:
                for each in (old, fresh):
                    nursery.start_soon(_cancel_with, each.over, nursery.cancel_scope)
                nursery.start_soon(_see_beside, old)
                while not old.seen <= fresh.seen:
                    await fresh.stirred.wait()
                await trio.sleep_until(settled)
                nursery.cancel_scope.cancel()
        self.unseen += patience.cancelled_caught
        told_all = not fresh.over.is_set() and await self._has_told_all(old)
        if fresh.over.is_set():
            return False
        if told_all:
            self._live = fresh
            self.replaced += 1
            logger.info("replace.stream name=%s", self.name)
        else:
            self._gap(old.why)
            self._stand(fresh)
        return True

    # Whether nothing of what the old one was to tell is missing. It is let go.
    async def _has_told_all(self, old: Live) -> bool:
        if not old.over.is_set():
            with trio.move_on_after(PONG_WITHIN_S):
                try:
                    await old.prove()
                except NotSent:
                    await old.over.wait()  # what came before its end is still being heard
                else:
                    old.end("it was replaced")
                    return True
        if not old.over.is_set():
            old.end(f"no pong within {PONG_WITHIN_S:g} s")
            await old.over.wait()
        return old.was_closed and old.was_beside

    # After a gap.
    def _stand(self, live: Live) -> None:
        self._live, self.lost, self.refusal = live, None, None
        self._news.ring()
        self.on_open()

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


# That it lived when the new one was open: what it told until its Close is without a gap to what the new one tells.
async def _see_beside(old: Live) -> None:
    with contextlib.suppress(NotSent):
        await old.prove()
        old.was_beside = True


async def _cancel_with(over: trio.Event, scope: trio.CancelScope) -> None:
    await over.wait()
    scope.cancel()


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
