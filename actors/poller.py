"""The poller of one broker: its ticks on a fixed grid, its account beside them, and whether its feed lives."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs
import trio

from actors.boards import Boards, Link
from actors.messages import AccountSampled, FeedState, HubMessage, SymbolsKnown, TickBatch
from actors.runtime import Backoff, Inbox, NotDelivered, Ref
from quantmind.domain.accounts import Sample
from quantmind.domain.clock import Clock
from quantmind.domain.quotes import Quote
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Broker, Poll

logger: Final = logging.getLogger("quantmind.poller")

BATCH: Final = 256
"""Ticks in one message to the hub: what it can stamp in under a millisecond."""

STALE_AFTER_S: Final = 10.0
"""A feed that has confirmed no price for so long is stale, and clients are told."""

CHANGES_WITHIN_S: Final = 0.05
"""An account that an order has changed is read again this long after, and so at most 20 times a second."""

CHECK_S: Final = 0.5
CONNECT_WITHIN_S: Final = 30.0
HUB_RETRY_S: Final = 0.25

DEALS_EVERY_S: Final = 10.0
"""An account may trade to and fro between two samples and look as before, so its deals are also read without a sign."""

DEALS_OVERLAP_MSC: Final = 60_000
"""Read again each time: a broker may enter a deal behind a later one."""

DEALS_AGAIN: Final = 2
"""Samples after a change at which deals are read once more: a history may lag behind the positions."""


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
        wanted: waits until somebody wants ticks of the broker with this name.
    """

    broker: Broker
    hub: Ref[HubMessage]
    governor: Ref[Any]
    boards: Boards
    clock: Clock
    poll_interval_s: float
    account_interval_s: float
    lossless: bool = False
    start_feed: Callable[[], None] | None = None
    wanted: Callable[[str], Awaitable[None]] | None = None
    backoff: Backoff = attrs.field(factory=lambda: Backoff(first=0.5, cap=30.0))
    _last: dict[str, Quote] = attrs.field(factory=dict, init=False)
    _owed: dict[str, Quote] = attrs.field(factory=dict, init=False)
    _late: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Something waits for room at the hub: whatever comes now goes behind it."""
    _connected: trio.Event = attrs.field(factory=trio.Event, init=False)
    _attempt: int = attrs.field(default=0, init=False)
    _waiting: bool = attrs.field(default=False, init=False)
    _confirmed_at: float = attrs.field(default=0.0, init=False)
    _state: str | None = attrs.field(default=None, init=False)
    _told: str | None = attrs.field(default=None, init=False)
    _sampling: bool = attrs.field(default=True, init=False)
    _holds: Any = attrs.field(default=None, init=False)
    """What an account holds: any deal but a to and fro changes it."""
    _may_have_dealt: int = attrs.field(default=0, init=False)
    _dealt: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def _link(self) -> Link:
        return self.boards.links.of(self.broker.name)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        """Poll until asked to stop."""
        inbox.ready()
        self._confirmed_at = trio.current_time()
        self._show("connecting")
        try:
            async with trio.open_nursery() as nursery:
                if self.start_feed is not None and self.wanted is not None:
                    self._waiting = True
                    nursery.start_soon(self._start_when_wanted, self.start_feed, self.wanted)
                nursery.start_soon(self._run_feed)
                nursery.start_soon(self._watch_feed)
                nursery.start_soon(self._catch_up)
                nursery.start_soon(self._sample_account)
                nursery.start_soon(self._follow_deals)
                await inbox.wait_stopping()
                nursery.cancel_scope.cancel()
        except BaseException as end:  # a stop comes out of the block in order
            self._say_silent(end)
            raise

    async def _start_when_wanted(self, start: Callable[[], None], wanted: Callable[[str], Awaitable[None]]) -> None:
        await wanted(self.broker.name)
        self._waiting = False
        self._confirmed_at = trio.current_time()
        start()

    # ------------------------------------------------------------------ the feed

    async def _run_feed(self) -> None:
        while True:
            try:
                await self._connect()
                await self._poll_forever()
            except BrokerUnavailable as error:
                self._degrade(str(error))
            except trio.TooSlowError:
                self._degrade("it did not answer in time")
            self._connected = trio.Event()
            delay_s = self.backoff.delay(self._attempt)
            self._attempt += 1
            await trio.sleep(delay_s)

    async def _connect(self) -> None:
        with trio.fail_after(CONNECT_WITHIN_S):
            specs = await self.broker.connect()
        self.boards.catalog.set(self.broker.name, specs)
        self._connected.set()
        if self._link.feed in ("connecting", "degraded"):
            self._show("waiting" if self._waiting else "connecting")
        logger.info("connect.broker broker=%s symbols=%d", self.broker.name, len(specs))
        self._tell_hub(SymbolsKnown(self.broker.name, specs))

    # Ends only by BrokerUnavailable or TooSlowError.
    async def _poll_forever(self) -> None:
        due = trio.current_time()
        while True:
            # Asked before: the step that ends a replay makes it paced, and its ticks must not be dropped.
            lossless = self.lossless or not self.broker.paced
            asked_at = trio.current_time()
            with trio.fail_after(STALE_AFTER_S):
                poll = await self.broker.poll()
            self._attempt = 0
            await self._take(poll, asked_at, lossless)
            if not self.broker.paced and poll.quotes:
                due = trio.current_time()
                await trio.lowlevel.checkpoint()
            else:
                due = await self._keep_grid(due, self.poll_interval_s, count=True)

    # The next time on the grid; those that are over already are left out.
    async def _keep_grid(self, due: float, interval_s: float, *, count: bool = False) -> float:
        due += interval_s
        late_s = trio.current_time() - due
        if late_s > 0:
            skipped = math.ceil(late_s / interval_s)
            due += skipped * interval_s
            if count:
                self._link.overruns += skipped
        await trio.sleep_until(due)
        return due

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
            self._confirmed_at = asked_at
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
            while self._owed or self._untold:
                if self._owed:
                    await self._tell_owed()
                if self._untold:
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
        message = self._feed_state()
        try:
            await self.hub.tell(message)
        except NotDelivered:
            await trio.sleep(HUB_RETRY_S)
        else:
            self._told = message.state

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
            self._tell_state()

    @property
    def _untold(self) -> bool:
        return self._state is not None and self._state != self._told

    def _tell_state(self) -> None:
        if not self._untold:
            return
        if self._late.is_set() or not self._tell_hub(self._feed_state()):
            self._late.set()
        else:
            self._told = self._state

    def _feed_state(self) -> FeedState:
        age_ms = round((trio.current_time() - self._confirmed_at) * 1000)
        return FeedState(self.broker.name, None, self._state or "stale", age_ms)

    # Nobody watches the feed until the next incarnation does, and that may be parked for a minute.
    def _say_silent(self, end: BaseException) -> None:
        self._show("failed", f"its poller ended: {_told_of(end)}")
        self._state = "stale"
        self._tell_hub(self._feed_state())

    def _show(self, state: str, error: str | None = None) -> None:
        link = self._link
        if (link.feed, link.feed_error) == (state, error) and link.feed_since:
            return
        link.feed, link.feed_error, link.feed_since = state, error, self.clock.now()
        level = logging.WARNING if state in ("degraded", "stale", "failed") else logging.INFO
        logger.log(level, "change.feed broker=%s state=%s reason=%s", self.broker.name, state, error or "-")

    # In a task of its own, since a poll may hang.
    async def _watch_feed(self) -> None:
        while True:
            await trio.sleep(CHECK_S)
            now = trio.current_time()
            if self._waiting:
                self._confirmed_at = now
            elif now - self._confirmed_at >= STALE_AFTER_S and self._state not in ("stale", "ended"):
                self._state = "stale"
                if self._link.feed != "degraded":
                    self._show("stale", f"no price was confirmed for {STALE_AFTER_S:g} s")
            self._tell_state()

    # ------------------------------------------------------------------ the account

    async def _sample_account(self) -> None:
        due = trio.current_time()
        while True:
            if not self._connected.is_set():
                await self._connected.wait()
                due = trio.current_time()
            self._link.changed = trio.Event()
            await self._sample_once()
            if not await self._was_changed(due + self.account_interval_s):
                due = await self._keep_grid(due, self.account_interval_s)

    # Whoever has just traded looks at the account next. Orders that come together share one early sample.
    async def _was_changed(self, due: float) -> bool:
        with trio.move_on_at(due - CHANGES_WITHIN_S):
            await self._link.changed.wait()
            await trio.sleep(CHANGES_WITHIN_S)
            return True
        return False

    async def _sample_once(self) -> None:
        try:
            with trio.fail_after(STALE_AFTER_S):
                sample = await self.broker.sample()
        except (BrokerUnavailable, trio.TooSlowError) as error:
            if self._sampling:
                logger.warning("fail.sample broker=%s reason=%s", self.broker.name, error)
            self._sampling = False
            return
        self._sampling = True
        self._link.sample = sample
        self._look_for_deals(sample)
        try:
            self.governor.tell_nowait(AccountSampled(sample))
        except NotDelivered as error:  # the next one says all that this one does
            logger.debug("skip.sample broker=%s reason=%s", self.broker.name, error)

    # ------------------------------------------------------------------ the deals

    def _look_for_deals(self, sample: Sample) -> None:
        holds = (
            sample.account.balance,
            tuple((position.ticket, position.volume) for position in sample.positions),
            tuple((order.ticket, order.volume) for order in sample.orders),
        )
        if holds != self._holds:
            self._holds, self._may_have_dealt = holds, DEALS_AGAIN + 1
        if self._may_have_dealt:
            self._may_have_dealt -= 1
            self._dealt.set()

    # In a task of its own: a history that takes its time must not make the account look old.
    async def _follow_deals(self) -> None:
        while True:
            await self._connected.wait()
            self._dealt = trio.Event()
            if await self._read_deals():
                with trio.move_on_after(DEALS_EVERY_S):
                    await self._dealt.wait()
            else:
                await trio.sleep(max(self.account_interval_s, 1.0))

    async def _read_deals(self) -> bool:
        name, link = self.broker.name, self._link
        book = self.boards.deals.of(name)
        newest = book.newest_msc
        try:
            with trio.fail_after(STALE_AFTER_S):
                deals = await self.broker.deals(0 if newest is None else newest - DEALS_OVERLAP_MSC)
        except (BrokerUnavailable, trio.TooSlowError) as error:
            reason = str(error) or f"it did not answer within {STALE_AFTER_S:g} s"
            if link.deals_error is None:
                logger.warning("fail.deals broker=%s reason=%s", name, reason)
            link.deals_error = reason
            return False
        link.deals_error = None
        book.read_at = trio.current_time()
        book.add(deals)
        return True


def _told_of(end: BaseException) -> str:
    while isinstance(end, BaseExceptionGroup):
        end = end.exceptions[0]
    return f"{type(end).__name__}: {end}"
