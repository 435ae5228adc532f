"""A poller's part that reads the account: samples on a fixed grid, early after an order, and the deals beside them."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import trio

from actors.boards import Boards, Link
from actors.looking import next_on_grid
from actors.messages import AccountSampled, DealsRead
from actors.runtime import NotDelivered, Ref
from quantmind.domain.accounts import Sample
from quantmind.errors import BrokerUnavailable
from quantmind.ports import Broker

logger: Final = logging.getLogger("quantmind.poller")

CHANGES_WITHIN_S: Final = 0.05
"""An account that an order has changed is read again this long after, and so at most 20 times a second."""

DEALS_EVERY_S: Final = 10.0
"""An account may trade to and fro between two samples and look as before, so its deals are also read without a sign."""

DEALS_OVERLAP_MSC: Final = 60_000
"""Read again each time: a broker may enter a deal behind a later one."""

DEALS_AGAIN: Final = 2
"""Samples after a change at which deals are read once more: a history may lag behind the positions."""


@attrs.define(eq=False)
class Sampler:
    """Reads one broker's account as long as it is connected. Of one incarnation of its poller.

    Args:
        governor: gets each sample.
        bookkeeper: is told of each sample and each reading of the deals.
        connected: returns as soon as the broker is connected: whether that had to be waited for.
    """

    broker: Broker
    boards: Boards
    governor: Ref[Any]
    bookkeeper: Ref[Any] | None
    interval_s: float
    connected: Callable[[], Awaitable[bool]]
    _holds: Any = attrs.field(default=None, init=False)
    """What an account holds: any deal but a to and fro changes it."""
    _may_have_dealt: int = attrs.field(default=0, init=False)
    _dealt: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def _link(self) -> Link:
        return self.boards.links.of(self.broker.name)

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sample_account)
            nursery.start_soon(self._follow_deals)

    # --- the account ---------------------------------------------------------------------------------------------

    async def _sample_account(self) -> None:
        due = trio.current_time()
        while True:
            if await self.connected():
                due = trio.current_time()
            self._link.changed = trio.Event()
            await self._sample_once()
            if not await self._was_changed(due + self.interval_s):
                due, _ = next_on_grid(due, self.interval_s)
                await trio.sleep_until(due)

    # Whoever has just traded looks at the account next. Orders that come together share one early sample.
    async def _was_changed(self, due: float) -> bool:
        with trio.move_on_at(due - CHANGES_WITHIN_S):
            await self._link.changed.wait()
            await trio.sleep(CHANGES_WITHIN_S)
            return True
        return False

    async def _sample_once(self) -> None:
        try:
            sample = await self.broker.sample()
        except BrokerUnavailable as error:
            if self._link.account_error is None:
                logger.warning("fail.sample broker=%s reason=%s", self.broker.name, error)
            self._link.account_error = str(error)
            return
        self._link.account_error = None
        self._link.sample = sample
        self.boards.accounts.put(sample)
        self._look_for_deals(sample)
        try:
            self.governor.tell_nowait(AccountSampled(sample))
        except NotDelivered as error:  # the next one says all that this one does
            logger.debug("skip.sample broker=%s reason=%s", self.broker.name, error)
        self._tell_bookkeeper(AccountSampled(sample))

    def _tell_bookkeeper(self, fact: AccountSampled | DealsRead) -> None:
        if self.bookkeeper is None:
            return
        try:
            self.bookkeeper.tell_nowait(fact)
        except NotDelivered as error:  # as above
            logger.debug("skip.books broker=%s reason=%s", self.broker.name, error)

    # --- the deals -----------------------------------------------------------------------------------------------

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
            await self.connected()
            self._dealt = trio.Event()
            if await self._read_deals():
                with trio.move_on_after(DEALS_EVERY_S):
                    await self._dealt.wait()
            else:
                await trio.sleep(max(self.interval_s, 1.0))

    async def _read_deals(self) -> bool:
        name, link = self.broker.name, self._link
        book = self.boards.deals.of(name)
        newest = book.newest_msc
        asked_at = trio.current_time()  # what was made since may not be in the answer, however late that comes
        try:
            deals = await self.broker.deals(0 if newest is None else newest - DEALS_OVERLAP_MSC)
        except BrokerUnavailable as error:
            reason = str(error)
            if link.deals_error is None:
                logger.warning("fail.deals broker=%s reason=%s", name, reason)
            link.deals_error = reason
            return False
        link.deals_error = None
        book.add(deals)
        book.read_at = asked_at
        self._tell_bookkeeper(DealsRead(name))
        return True
