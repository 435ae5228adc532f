"""How a door's places are shared out: one sender that floods, or one broker that hangs, leaves places for all others.

A command has a place of the whole door, of its sender's share and, if it waits for a broker, of that broker's. The last
eighth of each is for what reduces risk: a close still gets in where opens no longer do. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any, Final

import attrs

OF_A_SENDER: Final = 4
"""A sender has a quarter of the door,"""
AT_LEAST: Final = 16
"""and so many places at least, where the door has them."""
FOR_REDUCTIONS: Final = 8
"""And an eighth is kept for what reduces risk."""


@attrs.frozen
class Claim:
    """What a command needs a place of. `broker`: the one that it will wait for; None: it waits for none."""

    sender: Hashable = None
    broker: str | None = None
    reduces: bool = False


@attrs.define(eq=False)
class Bulkheads:
    """The places of one door.

    Args:
        most: of the whole door.
        brokers: how many there are, so that each has its part.
    """

    most: int
    brokers: int = 1
    _taken: int = attrs.field(default=0, init=False)
    _senders: Counter[Hashable] = attrs.field(factory=Counter, init=False)
    _brokers: Counter[str] = attrs.field(factory=Counter, init=False)

    def refusal(self, claim: Claim) -> tuple[str, str] | None:
        """What has no place left (`door`, `sender` or `broker`), and that in words; None: there is one."""
        kept = 0 if claim.reduces else self.most // FOR_REDUCTIONS
        if self._taken >= self.most - kept:
            return "door", f"{self._taken} commands are in flight already"
        share = max(self.most // OF_A_SENDER, min(self.most, AT_LEAST))
        extra = share // FOR_REDUCTIONS if claim.reduces else 0
        if claim.sender is not None and self._senders[claim.sender] >= share + extra:
            return "sender", f"{self._senders[claim.sender]} commands of this sender are in flight already"
        part = max(1, (self.most - kept) // self.brokers)
        if claim.broker is not None and self._brokers[claim.broker] >= part:
            return "broker", f"{self._brokers[claim.broker]} commands wait for {claim.broker} already"
        return None

    def take(self, claim: Claim) -> None:
        """Take a place; `refusal` was asked before."""
        self._taken += 1
        if claim.sender is not None:
            self._senders[claim.sender] += 1
        if claim.broker is not None:
            self._brokers[claim.broker] += 1

    def leave(self, claim: Claim) -> None:
        """Give the place back."""
        self._taken -= 1
        if claim.sender is not None:
            _less(self._senders, claim.sender)
        if claim.broker is not None:
            _less(self._brokers, claim.broker)


def _less(counts: Counter[Any], key: Hashable) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
