"""The actor that says how each broker is: what came and went, what was tried, and what new risk is kept back by."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import trio

from actors.boards import Boards, Link, Recovered
from actors.condition_board import MEANINGS, Cause, Condition
from actors.halts import DEGRADED, Halt
from actors.looking import look_every
from actors.runtime import Inbox
from quantmind.domain.clock import Clock
from quantmind.domain.risk import TradingState
from quantmind.records import Event, Record

logger: Final = logging.getLogger("quantmind.health")

LOOK_EVERY_S: Final = 0.25
TOLD_AGAIN_S: Final = 15.0
"""What comes and goes all the time is written down this often at most."""
CALM_AFTER_S: Final = 60.0
"""What has not changed for so long is told at once again."""
ACCOUNT_WITHIN_S: Final = 10.0
"""An account that was not read for so long is unread."""

_FEED: Final = {
    "connecting": "feed_connecting",
    "degraded": "feed_unreachable",
    "stale": "feed_stale",
    "failed": "feed_failed",
}
_ORDERS: Final = {
    "connecting": "orders_starting",
    "reconciling": "orders_starting",
    "degraded": "orders_unreachable",
    "failed": "orders_failed",
}


@attrs.define(eq=False)
class _Told:
    """What was told last of something that changes; while it does not come to rest, with pauses that double."""

    what: object
    at: float = -math.inf
    pause_s: float = 0.0

    def due(self, what: object, now: float) -> bool:
        """Whether it is told now: it is another than was told last, and the pause is over."""
        if what == self.what or now < self.at + self.pause_s:
            return False
        calm = now - self.at >= CALM_AFTER_S
        self.pause_s = 0.0 if calm else min(max(2 * self.pause_s, LOOK_EVERY_S), TOLD_AGAIN_S)
        self.what, self.at = what, now
        return True


@attrs.define
class Health:
    """Looks at each broker's link and tells of what has changed: to the boards, the log and the journal.

    What flaps is written down ever more rarely, up to every 15 seconds; the boards say at any time what holds.

    An account that is degraded is shown as reduce-only, with the cause, wherever a trading state is shown: heartbeats,
    pushes, REST. Restarted it goes on with what the boards say, and tells nothing twice.

    Args:
        journal_down: why the journal can't write now, or None.
        note: writes an event down without waiting.
    """

    boards: Boards
    journal_down: Callable[[], str | None]
    note: Callable[[Sequence[Record]], None]
    clock: Clock
    _links: dict[str, _Told] = attrs.field(factory=dict, init=False)
    _conditions: dict[str, _Told] = attrs.field(factory=dict, init=False)
    _recovered: dict[str, Recovered] = attrs.field(factory=dict, init=False)

    async def __call__(self, inbox: Inbox[Any]) -> None:
        await look_every(inbox, LOOK_EVERY_S, self._look)

    async def _look(self) -> None:
        await trio.lowlevel.checkpoint()
        for broker in self.boards.catalog.brokers:
            self._tell_link(broker)
            self._tell_recovery(broker)
            self._tell_condition(broker)

    def _tell_link(self, broker: str) -> None:
        link = self.boards.links.of(broker)
        state = (link.feed, link.orders)
        if self._links.setdefault(broker, _Told(None)).due(state, trio.current_time()):
            why = link.feed_error or link.orders_error
            logger.info("change.broker broker=%s feed=%s orders=%s%s", broker, *state, f" reason={why}" if why else "")
            self._note("link", broker, feed=link.feed, orders=link.orders, reason=why)

    def _tell_recovery(self, broker: str) -> None:
        done = self.boards.links.of(broker).recovered
        if done is None or self._recovered.get(broker) is done:
            return
        self._recovered[broker] = done
        symbols = list(done.symbols[:20])
        self._note("recover", broker, step=done.step, symbols=symbols, silent_s=done.silent_s, error=done.error)

    def _tell_condition(self, broker: str) -> None:
        before = self.boards.conditions.of(broker)
        causes = causes_of(self.boards, broker, trio.current_time(), self.journal_down())
        told = self._conditions.setdefault(broker, _Told(() if before is None else before.codes))
        now = self.clock.now()
        since = now if before is None or bool(before.causes) != bool(causes) else before.since
        condition = Condition(causes, since)
        self.boards.conditions.set(broker, condition)
        message = "; ".join(cause.message for cause in causes)
        halt = Halt(TradingState.REDUCE_ONLY, message, since) if causes else None
        self.boards.halts.cloud(broker, DEGRADED, halt)
        if not told.due(condition.codes, trio.current_time()):
            return
        level = logging.WARNING if causes else logging.INFO
        logger.log(level, "change.condition broker=%s state=%s causes=%s", broker, condition.state, condition.codes)
        self._note(
            "condition",
            broker,
            state=condition.state,
            causes=[attrs.asdict(cause) for cause in causes],
            refused=condition.refused,
        )

    def _note(self, name: str, broker: str, **told: Any) -> None:
        self.note([Event(name, broker, told, self.clock.now())])


def causes_of(boards: Boards, broker: str, now: float, journal_down: str | None) -> tuple[Cause, ...]:
    """What keeps new risk from an account now. `now` is monotonic seconds.

    A market that is closed is no cause, and neither is a single symbol without a price: other symbols trade on.
    """
    link = boards.links.of(broker)
    found = [
        _told(_FEED.get(link.feed), link.feed_error),
        _told(_ORDERS.get(link.orders), link.orders_error),
        _told("closes_failed" if link.closes_error is not None else None, link.closes_error),
        _told("breaker" if (broken := link.breaker.refusal(now)) is not None else None, broken),
        _told("account_unread" if _unread(link, now) else None, _age(link, now)),
        _told("stops_missing" if (missing := _unprotected(link)) else None, missing),
        _told("journal" if journal_down is not None else None, journal_down),
    ]
    return tuple(cause for cause in found if cause is not None)


def _told(code: str | None, why: str | None) -> Cause | None:
    return None if code is None else Cause(code, MEANINGS[code] if why is None else f"{MEANINGS[code]} ({why})")


def _unread(link: Link, now: float) -> bool:
    return link.sample is None or now - link.sample.taken_at > ACCOUNT_WITHIN_S


def _age(link: Link, now: float) -> str:
    age = "never" if link.sample is None else f"last {now - link.sample.taken_at:.0f} s ago"
    return age if link.account_error is None else f"{age}: {link.account_error}"


def _unprotected(link: Link) -> str:
    return "" if link.sample is None else "; ".join(f"{who}: {why}" for who, why in link.sample.unprotected.items())
