"""A flattener: makes one account flat where that is wanted, and goes on until nothing is left.

Pending orders are taken back first, then positions are closed by their tickets, also where an order can't be taken
back; each by an order of its own that goes the way of every order: governor, journal, executor. A close of a whole
position can't act twice, so one that failed is tried again as long as a newer sample shows the position.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

import attrs
import trio

from actors.boards import Boards
from actors.messages import Judge, Reply
from actors.risk_board import Flattening
from actors.runtime import Inbox, MailboxPolicy, NotDelivered, Overflow, Ref, ReplyLost, run_until_stopping
from quantmind.domain.accounts import PendingOrder, Position, Sample
from quantmind.domain.clock import Clock
from quantmind.domain.stopwatch import Stopwatch
from quantmind.wire.commands import Envelope, Trade, fingerprint_of

logger = logging.getLogger("quantmind.flattener")

MAILBOX = MailboxPolicy(Overflow.REJECT, 1, reason="nobody writes to it: it reads the boards")
EA_NAME: Final = "gateway"
LOOK_EVERY_S: Final = 0.2
AGAIN_S: Final = 1.0
"""After a try that failed: a price may have moved away."""
OFTEN: Final = 10
"""So many tries; after each more the wait is twice as long."""
AGAIN_MOST_S: Final = 30.0
"""A market may be closed for days: firms count requests, and each one is on record."""
UNKNOWN_S: Final = 5.0
"""After one of which nobody knows what became of it: it is looked up meanwhile."""
AT_ONCE: Final = 4
"""Orders on their way: enough to keep a broker busy, and few enough for a release to reach the others."""
WITHIN_S: Final = 25.0
"""For one order, above what an executor gives its broker."""


@attrs.define
class Flattener:
    """See the module. Cancelled, an order may be on its way: the next incarnation sees by a sample what is left."""

    broker: str
    boards: Boards
    governor: Ref[Any]
    clock: Clock
    _not_before: dict[int, float] = attrs.field(factory=dict, init=False)
    """By ticket, when it may be tried again (monotonic seconds)."""
    _tried_at: dict[int, float] = attrs.field(factory=dict, init=False)
    """By ticket, when it was tried last: an older sample says nothing new."""
    _failed: dict[int, int] = attrs.field(factory=dict, init=False)
    """By ticket, how often in a row."""

    async def __call__(self, inbox: Inbox[Any]) -> None:
        inbox.ready()
        await run_until_stopping(inbox, self._look_for_ever)

    async def _look_for_ever(self) -> None:
        while True:
            wanted = self.boards.risk.flattenings(self.broker)
            sample = self.boards.links.of(self.broker).sample
            if not wanted:
                self._not_before.clear()
                self._tried_at.clear()
                self._failed.clear()
            elif sample is not None:
                for flattening in wanted.values():
                    await self._flatten(flattening, sample)
            await trio.sleep(LOOK_EVERY_S)

    async def _flatten(self, flattening: Flattening, sample: Sample) -> None:
        positions, orders = flattening.of(sample.positions, sample.orders)
        tried = False
        # What waits may fill, so it goes first; but one that can't be taken back must not hold up the rest.
        first = [order for order in orders if order.ticket not in self._tried_at]
        now: list[Position | PendingOrder] = [*first] if first else [*orders, *positions]
        async with trio.open_nursery() as nursery:
            at_once = trio.Semaphore(AT_ONCE)
            for item in now:
                if self._due(item.ticket, sample):
                    tried = True
                    nursery.start_soon(self._end_in_turn, at_once, item, flattening)
        if tried:
            self.boards.links.of(self.broker).changed.set()  # so that it is seen soon

    def _due(self, ticket: int, sample: Sample) -> bool:
        if sample.taken_at <= self._tried_at.get(ticket, float("-inf")):
            return False
        return trio.current_time() >= self._not_before.get(ticket, float("-inf"))

    async def _end_in_turn(
        self, at_once: trio.Semaphore, item: Position | PendingOrder, flattening: Flattening
    ) -> None:
        async with at_once:
            if self._wanted(flattening):
                await self._end(item, flattening)

    def _wanted(self, flattening: Flattening) -> bool:
        """Others may have taken long, and the account been released meanwhile."""
        return flattening.name in self.boards.risk.flattenings(self.broker)

    async def _end(self, item: Position | PendingOrder, flattening: Flattening) -> None:
        reply = await self._ask(item)
        now = trio.current_time()
        self._tried_at[item.ticket] = now
        status = str(reply.get("status"))
        if status == "success":
            self._not_before.pop(item.ticket, None)
            self._failed.pop(item.ticket, None)
            return
        failed = self._failed[item.ticket] = self._failed.get(item.ticket, 0) + 1
        wait_s = min(AGAIN_MOST_S, AGAIN_S * 2.0 ** min(max(0, failed - OFTEN), 10))
        self._not_before[item.ticket] = now + (max(UNKNOWN_S, wait_s) if status == "unknown" else wait_s)
        logger.error(
            "fail.flatten broker=%s ticket=%d status=%s message=%s cause=%s",
            self.broker,
            item.ticket,
            status,
            reply.get("message"),
            flattening.cause,
        )

    async def _ask(self, item: Position | PendingOrder) -> Reply:
        kind = "trade_close" if isinstance(item, Position) else "trade_cancel"
        command = Trade(
            envelope=Envelope(ea_name=EA_NAME, broker=self.broker),
            kind=kind,
            magic=item.magic,
            execute=True,
            symbol=item.symbol if isinstance(item, Position) else "",
            ticket=item.ticket,
        )
        body = command.body()
        start_by = self.clock.now() + WITHIN_S
        request = Judge(
            command.proposal(self.broker),
            execute=True,
            fingerprint=fingerprint_of(body),
            body=body,
            watch=Stopwatch(time.perf_counter()),
            start_by=start_by,
            via="flatten",
            by=EA_NAME,
            flattens=True,
        )
        try:
            with trio.fail_after(WITHIN_S):
                return await self.governor.ask(request)
        except NotDelivered as exc:
            return {"status": "error", "message": f"the governor is busy or restarting ({exc})"}
        except (ReplyLost, trio.TooSlowError):
            return {"status": "unknown", "message": "it was not heard what became of it"}
