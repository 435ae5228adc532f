"""How an account stands to its floors: what of each is used up, what is broken, what a reset would break. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs

from quantmind.domain.risk.book import RiskBook
from quantmind.domain.risk.floors import Floor, floors
from quantmind.domain.risk.policy import Measure, Policy
from quantmind.domain.risk.stops import HUNDRED
from quantmind.domain.risk.worth import ZERO

LEVELS: Final = (50, 80, 95)
"""Percents of a limit at which is warned."""
BEFORE_RESET_S: Final = (3600.0, 900.0, 300.0)
"""So long before a reset that would break a floor is warned."""


@attrs.frozen
class Standing:
    """How an account stands to one floor. Money of the account."""

    floor: Floor
    value: Decimal
    """Equity or balance, whichever the rule measures."""

    @property
    def room(self) -> Decimal:
        """What may still be lost; below 0 when it is broken."""
        return self.value - self.floor.least

    @property
    def used_percent(self) -> Decimal:
        """How much of the loss that the rule lets be made has been made."""
        if self.floor.amount <= 0:
            return HUNDRED
        return max(ZERO, (self.floor.now + self.floor.amount - self.value) / self.floor.amount * HUNDRED)

    @property
    def broken(self) -> bool:
        return self.floor.broken_by(self.value)

    @property
    def broken_by_reset(self) -> bool:
        """The next reset would break it, if nothing changes until then."""
        return not self.broken and self.value < self.floor.least_next


def stand(policy: Policy, book: RiskBook, balance: Decimal, equity: Decimal) -> tuple[Standing, ...]:
    """How the account stands to each floor that is known. What is no number stands to none."""
    if not (balance.is_finite() and equity.is_finite()):
        return ()
    return tuple(
        Standing(floor, equity if floor.measure is Measure.EQUITY else balance)
        for floor in floors(policy, book, balance, equity)
    )


def level(used_percent: Decimal) -> int:
    """The highest level that is reached; 0 below the first."""
    return max((each for each in LEVELS if used_percent >= each), default=0)


def before_reset(left_s: float) -> int:
    """How many of the warnings before a reset are due so many seconds before it."""
    return sum(1 for each in BEFORE_RESET_S if left_s <= each)
