"""What keeps new risk from an account for as long as it lasts: the degraded mode, its causes and its one meaning.

Degraded means: whatever adds exposure is refused at this account, and what reduces risk goes on: closes, cancels,
stops that come nearer, flattening. Every refusal is made by whoever decides, from the facts themselves; this says it
to others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

MEANINGS: Final[Mapping[str, str]] = {
    "feed_connecting": "the broker has not been reached yet",
    "feed_unreachable": "the broker can't be reached for prices; it is connected again and again",
    "feed_stale": "no price comes while the market is open; the feed is got going again step by step",
    "feed_failed": "the part that reads prices ended by an error; it is started again",
    "orders_starting": "orders of the record are looked up at the broker before new ones go out",
    "orders_unreachable": "orders of the record can't be looked up at the broker, or be read",
    "orders_failed": "the part that sends orders ended by an error; it is started again",
    "closes_failed": "the part that sends what reduces risk ended by an error; it is started again",
    "breaker": "calls to the broker failed in a row; after a while the next call decides",
    "account_unread": "the account was not read lately, so nobody knows what it holds",
    "stops_missing": "a position has not the stop loss that was asked for; it is tried again, and comes first",
    "journal": "the durable record can't be written; orders that reduce risk go out all the same",
}
"""Each cause by its code. docs/degraded.md has them in a table."""


@attrs.frozen
class Cause:
    """One of `MEANINGS`, and what it is this time."""

    code: str
    message: str


@attrs.frozen
class Condition:
    """How an account is: `degraded` by its causes, or `ok` without any. `since` is Unix seconds."""

    causes: tuple[Cause, ...] = ()
    since: float = 0.0

    @property
    def state(self) -> str:
        """`ok` or `degraded`."""
        return "degraded" if self.causes else "ok"

    @property
    def refused(self) -> str | None:
        """What is refused as long as it lasts, in words; None: nothing."""
        return "whatever adds exposure" if self.causes else None

    @property
    def codes(self) -> tuple[str, ...]:
        """Its causes by their codes."""
        return tuple(cause.code for cause in self.causes)


@attrs.define(eq=False)
class Conditions:
    """How each account was when it was last looked at. Written by the actor `health`; None: never."""

    _by_broker: dict[str, Condition] = attrs.field(factory=dict, init=False)

    def of(self, broker: str) -> Condition | None:
        return self._by_broker.get(broker)

    def set(self, broker: str, condition: Condition) -> None:
        self._by_broker[broker] = condition
