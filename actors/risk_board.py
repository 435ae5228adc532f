"""How each account stands to its limits, for whoever reads: /risk, heartbeats, pushes. Written by the governor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.risk.book import RiskBook
from quantmind.domain.risk.floors import CENT
from quantmind.domain.risk.policy import Policy
from quantmind.domain.risk.watch import Standing
from quantmind.domain.risk.worst import Exposed, WorstCase

NOTICEABLE: Final = Decimal("0.001")
"""A floor that moved by this part of the loss that its rule lets be made has changed; less waits until it adds up."""


@attrs.frozen
class Flattening:
    """What has to be closed and taken back until nothing is left: all of an account, or what is of one magic."""

    broker: str
    cause: str
    since: float
    """Unix seconds."""
    magic: int | None = None
    positions: bool = True
    orders: bool = True

    def of(
        self, positions: Iterable[Position], orders: Iterable[PendingOrder]
    ) -> tuple[tuple[Position, ...], tuple[PendingOrder, ...]]:
        """What of an account has to go."""
        mine = self.magic
        return (
            tuple(item for item in positions if self.positions and mine in (None, item.magic)),
            tuple(item for item in orders if self.orders and mine in (None, item.magic)),
        )

    @property
    def name(self) -> str:
        """One at a time of each."""
        return self.broker if self.magic is None else f"{self.broker}:{self.magic}"


@attrs.frozen
class RiskStatus:
    """An account as it was last looked at, at `at` (Unix seconds). Money in its currency."""

    policy: Policy
    book: RiskBook | None
    standings: tuple[Standing, ...]
    worst: WorstCase | None
    promised: Decimal | None
    exposed: Exposed
    lacks: str | None
    """What is not known that the policy counts from."""
    trades_today: int | None
    next_reset: float
    multiplier: Decimal
    """The throttles' product, without any EA's own."""
    at: float
    login: int = 0
    """The number of the account that it was reckoned from."""
    taken_at: float = -math.inf
    """When that account was read (monotonic seconds)."""

    def knows_floors(self, wall: float) -> bool:
        """Whether each floor that is set is known, of the day that it is at a time (Unix seconds)."""
        if not self.policy.counts_money:
            return True
        rules, known = self.policy.rules, {each.floor.rule for each in self.standings}
        wanted = {"daily_loss": rules.daily_loss, "max_loss": rules.max_loss}
        if not all(name in known for name, rule in wanted.items() if rule is not None):
            return False
        return self.book is not None and self.book.day >= self.policy.reset.last(wall)

    def floor(self) -> tuple[Decimal | None, Decimal | None]:
        """The highest floor now, and the highest from the next reset on."""
        if not self.standings:
            return None, None
        return max(each.floor.now for each in self.standings), max(each.floor.next for each in self.standings)

    @property
    def step(self) -> Decimal:
        """How far a floor must move to be told of."""
        return max(CENT, min((each.floor.amount for each in self.standings), default=CENT) * NOTICEABLE)


def _moved(before: Decimal | None, now: Decimal | None, step: Decimal) -> bool:
    if before is None or now is None:
        return before is not now
    return abs(now - before) >= step


@attrs.frozen
class _Told:
    """What was last told of without being asked."""

    floor: Decimal | None = None
    next_floor: Decimal | None = None
    next_reset: float | None = None
    multiplier: Decimal = Decimal(1)


@attrs.define(eq=False)
class RiskBoard:
    """By broker; and what has to be closed, by name.

    `on_floors` hears of an account whose floors or whose next reset changed noticeably, `on_multiplier` of one whose
    multiplier changed by 0.01 or more since it was heard of; not of each sample.
    """

    on_floors: Callable[[str], None] | None = None
    on_multiplier: Callable[[str], None] | None = None
    _told: dict[str, _Told] = attrs.field(factory=dict, init=False)
    _by_broker: dict[str, RiskStatus] = attrs.field(factory=dict, init=False)
    _flattenings: dict[str, Flattening] = attrs.field(factory=dict, init=False)

    def put(self, broker: str, status: RiskStatus) -> None:
        self._by_broker[broker] = status
        before, told = self._told.get(broker, _Told()), self.told(broker)
        floor, following, reset = told["floor"], told["next_floor"], told["next_reset"]
        if reset != before.next_reset or any(
            _moved(*pair, status.step) for pair in ((before.floor, floor), (before.next_floor, following))
        ):
            before = self._told[broker] = attrs.evolve(before, floor=floor, next_floor=following, next_reset=reset)
            if self.on_floors is not None:
                self.on_floors(broker)
        if abs(status.multiplier - before.multiplier) >= CENT:
            self._told[broker] = attrs.evolve(before, multiplier=status.multiplier)
            if self.on_multiplier is not None:
                self.on_multiplier(broker)

    def read(self, broker: str) -> RiskStatus | None:
        return self._by_broker.get(broker)

    def told(self, broker: str) -> dict[str, Any]:
        """What an EA hears of an account's floors; null where there are none."""
        status = self._by_broker.get(broker)
        now, later = (None, None) if status is None else status.floor()
        return {
            "floor": now,
            "next_floor": later,
            "next_reset": None if now is None or status is None else status.next_reset,
        }

    def multiplier(self, broker: str | None) -> Decimal:
        """What an account multiplies every EA's volume by."""
        status = None if broker is None else self._by_broker.get(broker)
        return Decimal(1) if status is None else status.multiplier

    def flattening(self, name: str, flattening: Flattening | None) -> None:
        """Have something closed, or (None) no longer."""
        if flattening is None:
            self._flattenings.pop(name, None)
        else:
            self._flattenings[name] = flattening

    def flattenings(self, broker: str) -> Mapping[str, Flattening]:
        """What has to be closed at a broker."""
        return {name: flattening for name, flattening in self._flattenings.items() if flattening.broker == broker}
