"""The poller of one broker: its ticks on a fixed grid, its account beside them, and whether its feed lives.

A feed that falls silent while its market is open is told of, and got going again in three steps (`actors.feed_watch`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs
import trio

from actors.boards import Boards, Link, Recovered, Silent
from actors.feed_watch import STALE_AFTER_S, FeedWatch, Step
from actors.looking import next_on_grid
from actors.messages import FeedState, HubMessage, SymbolsKnown, TickBatch
from actors.runtime import Backoff, Inbox, NotDelivered, Ref
from actors.sampler import Sampler
from quantmind.domain.clock import Clock
from quantmind.domain.quotes import Quote
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Broker, Poll, Recovery

logger: Final = logging.getLogger("quantmind.poller")

BATCH: Final = 256
"""Ticks in one message to the hub: what it can stamp in under a millisecond."""

CHECK_S: Final = 0.5
HUB_RETRY_S: Final = 0.25


@attrs.define(eq=False)
class Poller:
    """One incarnation of a broker's poller. Ready at once: a broker that can't be reached is a state.

    A live feed never waits for the hub: while there is no room it keeps the newest tick of each symbol, and counts
    those that it replaced. What it owes then waits in line as everyone's messages do, so that clients who keep the
    hub's mailbox full hold it up and never starve it. A replay waits.

    Args:
        hub: gets ticks and the state of the feed.
        governor: gets account samples.
        clock: wall-clock time of `Link.feed_since`.
        lossless: wait for the hub also while the feed is paced (a replay in real time); one that is not paced
            always waits.
        start_feed: begins a feed that waits for its first subscriber, once `wanted` has returned. Safe to repeat.
        bookkeeper: is told of each sample and each reading of the deals.
        wanted: waits until somebody wants ticks of the broker with this name.
        stale_after_s: how long the feed may confirm no price while its market is open.
        symbol_stale_after_s: the same for one symbol; None: as long as the feed.
    """

    broker: Broker
    hub: Ref[HubMessage]
    governor: Ref[Any]
    boards: Boards
    clock: Clock
    poll_interval_s: float
    account_interval_s: float
    bookkeeper: Ref[Any] | None = None
    lossless: bool = False
    start_feed: Callable[[], None] | None = None
    wanted: Callable[[str], Awaitable[None]] | None = None
    stale_after_s: float = STALE_AFTER_S
    symbol_stale_after_s: float | None = None
    backoff: Backoff = attrs.field(factory=lambda: Backoff(first=0.5, cap=30.0))
    _last: dict[str, Quote] = attrs.field(factory=dict, init=False)
    _owed: dict[str, Quote] = attrs.field(factory=dict, init=False)
    _late: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Something waits for room at the hub: whatever comes now goes behind it."""
    _connected: trio.Event = attrs.field(factory=trio.Event, init=False)
    _attempt: int = attrs.field(default=0, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    """Around one connection and the pause after it."""
    _due: Step | None = attrs.field(default=None, init=False)
    """What is to be done before the next connection."""
    _busy: int = attrs.field(default=0, init=False)
    """Connections that are being made, and what is tried with a silent feed: nothing else is begun meanwhile."""
    _waiting: bool = attrs.field(default=False, init=False)
    _state: str | None = attrs.field(default=None, init=False)
    _told: dict[str | None, str] = attrs.field(factory=dict, init=False)
    """What the hub was told last, of the feed (None) and of symbols that are not live."""
    _watch: FeedWatch = attrs.field(init=False)

    @property
    def _link(self) -> Link:
        return self.boards.links.of(self.broker.name)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Poll until asked to stop."""
        inbox.ready()
        symbol_s = self.stale_after_s if self.symbol_stale_after_s is None else self.symbol_stale_after_s
        self._watch = FeedWatch(self.stale_after_s, symbol_s, trio.current_time())
        self._link.silent = {}
        self._show("connecting")
        sampler = Sampler(
            self.broker, self.boards, self.governor, self.bookkeeper, self.account_interval_s, self._wait_connected
        )
        try:
            async with trio.open_nursery() as nursery:
                if self.start_feed is not None and self.wanted is not None:
                    self._waiting = True
                    nursery.start_soon(self._start_when_wanted, self.start_feed, self.wanted)
                nursery.start_soon(self._run_feed)
                nursery.start_soon(self._watch_feed, nursery)
                nursery.start_soon(self._catch_up)
                nursery.start_soon(sampler.run)
                await inbox.wait_stopping()
                nursery.cancel_scope.cancel()
        except BaseException as end:  # a stop comes out of the block in order
            self._say_silent(end)
            raise

    async def _start_when_wanted(self, start: Callable[[], None], wanted: Callable[[str], Awaitable[None]]) -> None:
        await wanted(self.broker.name)
        self._waiting = False
        self._watch.wait_anew(trio.current_time())
        start()

    async def _wait_connected(self) -> bool:
        if self._connected.is_set():
            return False
        await self._connected.wait()
        return True

    # ------------------------------------------------------------------ the feed

    async def _run_feed(self) -> None:
        while True:
            with trio.CancelScope() as self._scope:
                try:
                    await self._follow_feed()
                finally:
                    if self._connected.is_set():  # else somebody waits for this one
                        self._connected = trio.Event()
                delay_s = self.backoff.delay(self._attempt)
                self._attempt += 1
                await trio.sleep(delay_s)
            step, self._due = self._due, None
            if step is not None:
                await self._recover(step)

    # Ends only by BrokerUnavailable, of which it tells.
    async def _follow_feed(self) -> None:
        try:
            await self._connect()
            await self._poll_forever()
        except BrokerUnavailable as error:
            self._degrade(str(error))

    async def _connect(self) -> None:
        self._busy += 1
        try:
            specs = await self.broker.connect()
        finally:
            self._busy -= 1
        self._watch.connected(trio.current_time())
        self.boards.catalog.set(self.broker.name, specs)
        if not self.lossless:  # a recording is as quiet as its market was
            self._watch.follow({spec.name: self.broker.sessions(spec.name) for spec in specs}, trio.current_time())
            for name in set(self._link.silent) - {spec.name for spec in specs}:
                del self._link.silent[name]
        self._connected.set()
        if self._link.feed in ("connecting", "degraded"):
            self._show("waiting" if self._waiting else "connecting")
        logger.info("connect.broker broker=%s symbols=%d", self.broker.name, len(specs))
        self._tell_hub(SymbolsKnown(self.broker.name, specs))

    # Ends only by BrokerUnavailable.
    async def _poll_forever(self) -> None:
        due = trio.current_time()
        while True:
            # Asked before: the step that ends a replay makes it paced, and its ticks must not be dropped.
            lossless = self.lossless or not self.broker.paced
            asked_at = trio.current_time()
            poll = await self.broker.poll()
            self._attempt = 0
            await self._take(poll, asked_at, lossless)
            if not self.broker.paced and poll.quotes:
                due = trio.current_time()
                await trio.lowlevel.checkpoint()
            else:
                due, skipped = next_on_grid(due, self.poll_interval_s)
                self._link.overruns += skipped
                await trio.sleep_until(due)

    # A price is as old as the question: how long the answer lay about (a slow broker, a laptop that slept) nobody
    # can tell, and new risk is judged by its age.
    async def _take(self, poll: Poll, asked_at: float, lossless: bool) -> None:
        name = self.broker.name
        crossed = poll.crossed
        newest: dict[str, Quote] = {}
        changed: list[Quote] = []
        for quote in poll.quotes:
            if quote.crossed or not quote.ask < math.inf:
                crossed += 1
                continue
            newest[quote.symbol] = quote
            last = self._last.get(quote.symbol)
            if last is None or not quote.same_prices(last):
                self._last[quote.symbol] = quote
                changed.append(quote)
        if crossed:
            self._link.crossed += crossed
            logger.debug("drop.crossed broker=%s count=%d", name, crossed)
        if newest:
            self.boards.prices.confirm(name, newest.values(), asked_at)
        confirmed = [symbol for symbol in poll.confirmed if symbol in self._last]
        if confirmed:
            self.boards.prices.confirm_again(name, confirmed, asked_at)
        heard = [*newest, *confirmed]
        if heard:
            self._watch.heard(heard, asked_at)
            if self._link.silent:
                for symbol in heard:
                    self._link.silent.pop(symbol, None)
            self._enter("live")
        if changed:
            await self._tell_ticks(changed, asked_at, lossless)
        if poll.ended:
            self.boards.prices.confirm_all(name, asked_at)
            self._enter("ended")

    async def _tell_ticks(self, quotes: Sequence[Quote], now: float, lossless: bool) -> None:
        if lossless and self._owed:
            quotes = [*self._owed.values(), *quotes]
            self._owed.clear()
        name, link = self.broker.name, self._link
        for start in range(0, len(quotes), BATCH):
            batch = TickBatch(name, quotes[start : start + BATCH], now)
            if lossless:
                await self._tell_surely(batch)
            elif self._late.is_set() or not self._tell_hub(batch):
                self._owe(quotes[start:])
                return
            link.ticks += len(batch.quotes)

    # A symbol may be quiet after this, so its newest tick must reach the hub whatever happens.
    def _owe(self, quotes: Sequence[Quote]) -> None:
        for quote in quotes:
            if quote.symbol in self._owed:
                self._link.dropped += 1
            self._owed[quote.symbol] = quote
        self._late.set()

    # In a task of its own, since it waits. Both in turn: under load there are always new ticks.
    async def _catch_up(self) -> None:
        while True:
            await self._late.wait()
            while self._owed or self._untold is not None:
                if self._owed:
                    await self._tell_owed()
                if self._untold is not None:
                    await self._tell_late_state()
            self._late = trio.Event()

    async def _tell_owed(self) -> None:
        quotes = [self._owed.pop(symbol) for symbol in list(self._owed)[:BATCH]]
        try:
            await self.hub.tell(TickBatch(self.broker.name, quotes, trio.current_time()))
        except NotDelivered:
            newer = self._owed
            self._owed = {quote.symbol: quote for quote in quotes}
            self._owe(list(newer.values()))
            await trio.sleep(HUB_RETRY_S)
        else:
            self._link.ticks += len(quotes)

    async def _tell_late_state(self) -> None:
        if (message := self._untold) is None:
            return
        try:
            await self.hub.tell(message)
        except NotDelivered:
            await trio.sleep(HUB_RETRY_S)
        else:
            self._note_told(message)

    async def _tell_surely(self, batch: TickBatch) -> None:
        while True:
            try:
                await self.hub.tell(batch)
            except NotDelivered:
                await trio.sleep(HUB_RETRY_S)
            else:
                return

    def _tell_hub(self, message: HubMessage) -> bool:
        try:
            self.hub.tell_nowait(message)
        except NotDelivered:
            return False
        return True

    # ------------------------------------------------------------------ how it is

    def _degrade(self, reason: str) -> None:
        self._show("degraded", reason)

    # What clients are told of.
    def _enter(self, state: str) -> None:
        if self._link.feed != state:
            self._show(state)
        if self._state != state:
            self._state = state
            self._tell_states()

    # What can't be reached stays degraded until it is; then it may be silent all the same.
    def _be_silent(self, state: str, why: str | None = None) -> None:
        self._state = state
        if self._link.feed not in ("degraded", state):
            self._show(state, why)

    # Of a feed that is not live there is nothing to say of single symbols.
    @property
    def _untold(self) -> FeedState | None:
        if self._state is None:
            return None
        if self._told.get(None) != self._state:
            return self._feed_state(None, self._state)
        silent = self._link.silent if self._state == "live" else {}
        for name, one in silent.items():
            if self._told.get(name) != one.state:
                return self._feed_state(name, one.state)
        back = next((name for name in self._told if name is not None and name not in silent), None)
        return None if back is None else self._feed_state(back, "live")

    def _note_told(self, message: FeedState) -> None:
        if message.symbol is None:
            self._told = {None: message.state}  # the hub takes it for what is said of each symbol
        elif message.state == "live":
            self._told.pop(message.symbol, None)
        else:
            self._told[message.symbol] = message.state

    def _tell_states(self) -> None:
        while (message := self._untold) is not None:
            if self._late.is_set() or not self._tell_hub(message):
                self._late.set()
                return
            self._note_told(message)

    def _feed_state(self, symbol: str | None, state: str) -> FeedState:
        age_ms = round(self._watch.silent_s(symbol, trio.current_time()) * 1000)
        return FeedState(self.broker.name, symbol, state, age_ms)

    # Nobody watches the feed until the next incarnation does, and that may be parked for a minute.
    def _say_silent(self, end: BaseException) -> None:
        self._show("failed", f"its poller ended: {_told_of(end)}")
        self._tell_hub(self._feed_state(None, "stale"))

    def _show(self, state: str, error: str | None = None) -> None:
        link = self._link
        if (link.feed, link.feed_error) == (state, error) and link.feed_since:
            return
        link.feed, link.feed_error, link.feed_since = state, error, self.clock.now()
        level = logging.WARNING if state in ("degraded", "stale", "failed") else logging.INFO
        logger.log(level, "change.feed broker=%s state=%s reason=%s", self.broker.name, state, error or "-")

    # In a task of its own, since a poll may hang.
    async def _watch_feed(self, nursery: trio.Nursery) -> None:
        while True:
            await trio.sleep(CHECK_S)
            now = trio.current_time()
            if self._waiting:
                self._watch.wait_anew(now)
            look = self._watch.look(now, int(self.clock.now() * 1000), act=not self._busy)
            self._show_symbols(look.symbols)
            if self._state != "ended":
                if look.closed:
                    self._be_silent("closed")
                elif look.silent_s >= self.stale_after_s:
                    self._be_silent("stale", f"no price was confirmed for {self.stale_after_s:g} s")
                if not self.lossless:
                    self._begin(look.steps, nursery)
            self._tell_states()

    def _show_symbols(self, changes: Sequence[tuple[str, str, float]]) -> None:
        for name, state, silent_s in changes:
            if state == "live":
                self._link.silent.pop(name, None)
            else:
                self._link.silent[name] = Silent(state, self.clock.now())
            level = logging.WARNING if state == "stale" else logging.INFO
            logger.log(
                level, "change.symbol broker=%s symbol=%s state=%s silent_s=%.0f",
                self.broker.name, name, state, silent_s,
            )  # fmt: skip

    # ------------------------------------------------------------------ getting it going again

    # Where there is no connection another one is tried for already, again and again.
    def _begin(self, steps: Sequence[Step], nursery: trio.Nursery) -> None:
        for step in steps:
            if step.recovery is Recovery.RESTART or (step.recovery is Recovery.RECONNECT and self._connected.is_set()):
                self._due = step
                self._scope.cancel()
            elif step.recovery is Recovery.RESUBSCRIBE and self._connected.is_set():
                nursery.start_soon(self._recover, step)

    async def _recover(self, step: Step) -> None:
        link, name = self._link, step.recovery.value
        link.recoveries[name] = link.recoveries.get(name, 0) + 1
        error: str | None = None
        logger.warning(
            "recover.feed broker=%s step=%s symbols=%d silent_s=%.0f",
            self.broker.name, name, len(step.symbols), step.silent_s,
        )  # fmt: skip
        self._busy += 1
        try:
            await self.broker.recover(step.recovery, step.symbols)
        except BrokerUnavailable as unavailable:
            error = str(unavailable)
            if not self._connected.is_set():  # else it can be reached, and is as silent as it was
                self._degrade(f"{name} failed: {error}")
        finally:
            self._busy -= 1
        link.recovered = Recovered(name, step.symbols, round(step.silent_s, 3), self.clock.now(), error)


def _told_of(end: BaseException) -> str:
    while isinstance(end, BaseExceptionGroup):
        end = end.exceptions[0]
    return f"{type(end).__name__}: {end}"
