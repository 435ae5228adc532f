"""What a decision is made from: account, market, limits, promises that are still out."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import attrs

from quantmind.domain.accounts import PendingOrder, Position, Sample
from quantmind.domain.orders import Side
from quantmind.domain.symbols import SymbolSpec


class TradingState(enum.Enum):
    """What an account may do. The order is from free to shut."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


@attrs.frozen
class Policy:
    """Limits of one account. Volumes in lots, ages in seconds."""

    max_volume: Decimal = Decimal(1)
    max_open_positions: int = 10
    equity_fresh_s: float = 2.0
    price_fresh_s: float = 5.0
    unknown_grace_s: float = 30.0
    """How long an unknown order blocks only its own EA, magic and symbol before it blocks its account."""


@attrs.frozen
class EaLimits:
    """What is set for one EA: its share of volume and its own multiplier (0 to 1)."""

    max_volume: Decimal | None = None
    multiplier: Decimal = Decimal(1)


@attrs.frozen
class Market:
    """A symbol at one broker: its specification and its last price with the age of its last confirmation (s)."""

    spec: SymbolSpec | None
    bid: Decimal | None = None
    ask: Decimal | None = None
    age_s: float | None = None


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
class Situation:
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
    ea: EaLimits = EaLimits()
    blocked: str | None = None
    """Why nothing that adds exposure may pass at all (no durable record, state not restored), or None."""

    @property
    def sample_age_s(self) -> float | None:
        """Seconds since account and positions were sampled."""
        return None if self.sample is None else max(0.0, self.now - self.sample.taken_at)

    @property
    def netting(self) -> bool:
        """Whether the account is known to hold one position a symbol, which an opposite deal reduces."""
        return self.sample is not None and self.sample.account.margin_mode == "netting"
