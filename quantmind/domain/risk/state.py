"""What a decision is made from: account, market, limits, promises that are still out."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeVar, cast

import attrs

from quantmind.domain.accounts import PendingOrder, Position, Sample
from quantmind.domain.orders import Side
from quantmind.domain.risk.book import RiskBook
from quantmind.domain.risk.floors import Floor, daily_floor, overall_floor
from quantmind.domain.risk.mandate import UNBOUND, Mandate
from quantmind.domain.risk.news import NewsView
from quantmind.domain.risk.policy import NO_EA_LIMITS, EaLimits, Policy
from quantmind.domain.risk.worst import Span, WorstCase
from quantmind.domain.risk.worth import Worth
from quantmind.domain.symbols import SymbolSpec

_T = TypeVar("_T")
_NOTHING = Decimal(0)


class TradingState(enum.Enum):
    """What an account may do. The order is from free to shut."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


@attrs.frozen
class Market:
    """A symbol at one broker: its specification, its last price with the age of its last confirmation (s), and what it
    is worth in the account's currency (None: a price that would tell is not there)."""

    spec: SymbolSpec | None
    bid: Decimal | None = None
    ask: Decimal | None = None
    age_s: float | None = None
    worth: Worth | None = None


@attrs.frozen
class StopChange:
    """A stop that is being changed: of a position or a pending order, to `sl` (None: it is taken away)."""

    ticket: int
    sl: Decimal | None


@attrs.frozen
class Reservation:
    """Exposure promised to an approval or an order in flight.

    `valid_until` is Unix seconds. `settled_at` (monotonic seconds) is when its result was reported: a later
    sample then ends it.
    """

    approval_id: str
    broker: str
    ea_name: str
    magic: int
    symbol: str
    side: Side | None
    volume: Decimal
    valid_until: float
    expires_at: float
    """`valid_until` on the monotonic clock."""
    executed: bool
    """The gateway places it itself; it ends with its outcome and not with `valid_until`."""
    settled_at: float | None = None
    unknown: bool = False
    since: float = 0.0
    """When it was promised, on the monotonic clock."""
    worst: Decimal | None = None
    """What it may lose to its stop (0 or less), money of the account; None: it is not known."""
    sl: Decimal | None = None
    moves: tuple[tuple[str, Decimal], ...] | None = None
    """What it is of each currency, in the account's (signed)."""
    margin: Decimal | None = None
    change: StopChange | None = None
    """It opens nothing, and changes a stop: what that may cost is counted anew each time, by what is open then."""
    worth: Worth | None = None
    """What its symbol is worth. On a netting account its stop becomes that of what is open of the symbol, and without
    this nothing else can be judged until it is settled, unless its stop is no further."""

    @property
    def opens(self) -> bool:
        """Whether it is of an order that may open something, and not of a change."""
        return self.volume > 0


@attrs.frozen
class Closing:
    """Lots of open positions that a close on its way takes: they may be gone already, or still there.

    `lots` is by ticket, None for all of a position. Times as in `Reservation`: a sample after `settled_at` ends it.
    """

    order_id: str
    lots: Mapping[int, Decimal | None]
    expires_at: float
    since: float = 0.0
    settled_at: float | None = None
    unknown: bool = False


@attrs.frozen
class UnknownOrder:
    """An order that went out and whose fate is not known; `since` is monotonic seconds."""

    order_id: str
    broker: str
    ea_name: str
    magic: int
    symbol: str
    since: float


@attrs.frozen
class Counts:
    """What was done lately: positions opened since the day began, and orders approved in the last minute."""

    trades_today: int | None = None
    """None: the broker's deals are not known."""
    orders_last_minute: int | None = None
    """None: they were not counted."""


@attrs.frozen
class Group:
    """The accounts that are judged together: equity, exposure by currency and by symbol, in this account's currency.

    `unknown` says of which of them something is not known.
    """

    equity: Decimal
    currencies: Mapping[str, Span]
    symbols: Mapping[str, Span]
    unknown: tuple[str, ...] = ()


class _Reckons:
    """Keeps what was reckoned of it. That is no field: it is neither compared nor recorded."""

    __slots__ = ("_reckoned",)

    _reckoned: dict[str, tuple[object, object]]

    def once(self, what: str, of: object, reckon: Callable[[], _T]) -> _T:
        """What can be reckoned from this and `of` alone. Several rules need the same; the first one pays."""
        try:
            reckoned = self._reckoned
        except AttributeError:
            reckoned = {}
            object.__setattr__(self, "_reckoned", reckoned)
        known = reckoned.get(what)
        if known is None or known[0] is not of:
            known = reckoned[what] = (of, reckon())
        return cast("_T", known[1])

    def take_reckoned(self, other: _Reckons, names: Iterable[str]) -> None:
        """Of what another one has reckoned take these, as far as it has."""
        known = getattr(other, "_reckoned", {})
        object.__setattr__(self, "_reckoned", {name: known[name] for name in names if name in known})


FLOORS, THROTTLES = "floors", "throttles"
OF_THE_ACCOUNT = (FLOORS, THROTTLES)
"""What is reckoned of policy, book, sample and worst case alone, whatever is asked for."""


@attrs.frozen
class Situation(_Reckons):
    """Everything that one decision is made from. `now` is monotonic seconds, `incarnation` the governor's.

    `positions` and pending `orders` are the sample's, corrected by what has been executed since it was taken.
    """

    now: float
    incarnation: int
    policy: Policy
    state: TradingState
    state_cause: str
    sample: Sample | None
    positions: Mapping[int, Position]
    market: Market
    orders: Mapping[int, PendingOrder] = attrs.field(factory=dict)
    reservations: tuple[Reservation, ...] = ()
    closings: tuple[Closing, ...] = ()
    unknowns: tuple[UnknownOrder, ...] = ()
    ea: EaLimits = NO_EA_LIMITS
    mandate: Mandate = UNBOUND
    wall: float = 0.0
    """The time of the decision in Unix seconds."""
    book: RiskBook | None = None
    worst: WorstCase | None = None
    """Of positions and pending orders; what is promised comes to it."""
    symbol_counts: Mapping[str, int] | None = None
    """How many positions and pending orders each symbol has. None: they were not counted."""
    group: Group | None = None
    """None: exposure is not counted."""
    counts: Counts = Counts()
    news: NewsView | None = None
    """None: no calendar is set."""
    ea_silent_s: float | None = None
    """Since the EA's last heartbeat, or since it could have sent one."""
    unwatched: str | None = None
    """Why the account's limits are not watched now, or None."""
    unread: str | None = None
    """Why the account could not be read last, or None."""
    broken: str | None = None
    """Why nothing new is sent to the broker now (its circuit breaker), or None."""
    blocked: str | None = None
    """Why nothing that adds exposure may pass at all (no durable record, state not restored), or None."""

    @property
    def sample_age_s(self) -> float | None:
        """Seconds since account and positions were sampled; None: they were not, or at no time that can be told."""
        if self.sample is None:
            return None
        age = self.now - self.sample.taken_at
        return max(0.0, age) if math.isfinite(age) else None

    @property
    def netting(self) -> bool:
        """Whether the account is known to hold one position a symbol, which an opposite deal reduces."""
        return self.sample is not None and self.sample.account.margin_mode == "netting"

    @property
    def balance(self) -> Decimal | None:
        """The balance by now; None: the account was not read.

        What was closed since the sample is cash already, and will be the balance of the next reset. Credit never is.
        """
        if self.sample is None:
            return None
        account, worst = self.sample.account, self.worst
        if worst is None:
            return account.balance
        credit = max(_NOTHING, account.equity - account.profit - account.balance)
        return max(account.balance, worst.cash - credit)

    @property
    def daily_floor(self) -> Floor | None:
        """That of the day; None: none is set, or what it is counted from is not known."""
        return self._floors[0]

    @property
    def overall_floor(self) -> Floor | None:
        """That of the whole account; None as above."""
        return self._floors[1]

    def carry_over(self, before: Situation) -> None:
        """Take over what was reckoned of the account alone, where it is the same account at the same moment."""
        if (
            before.policy is self.policy
            and before.book is self.book
            and before.sample is self.sample
            and before.worst is self.worst
        ):
            self.take_reckoned(before, OF_THE_ACCOUNT)

    @property
    def _floors(self) -> tuple[Floor | None, Floor | None]:
        return self.once(FLOORS, None, self._count_floors)

    def _count_floors(self) -> tuple[Floor | None, Floor | None]:
        book, sample, balance = self.book, self.sample, self.balance
        if book is None or sample is None or balance is None:
            return None, None
        equity = sample.account.equity
        return daily_floor(self.policy, book, balance, equity), overall_floor(self.policy, book, balance, equity)

    @property
    def promised(self) -> Decimal | None:
        """What promises and orders on their way may lose (0 or less); None: of one of them it is not known."""
        return promised(self.reservations)


def promised(reservations: Iterable[Reservation]) -> Decimal | None:
    """What all of them may lose (0 or less); None: of one of them it is not known."""
    lost = _NOTHING
    for item in reservations:
        if item.worst is None:
            return None
        lost += min(item.worst, _NOTHING)
    return lost
