"""What traders ask for, and what became of it."""

from __future__ import annotations

import enum
from decimal import Decimal

import attrs


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(enum.Enum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


@attrs.frozen
class Origin:
    """Who asks: the EA's name and magic, and the id that makes a repeat recognisable (None: it can't be)."""

    ea_name: str
    magic: int
    request_id: str | None = None


@attrs.frozen
class Open:
    """Open a position. `volume` in lots; `sl` and `tp` are prices, None for none."""

    origin: Origin
    broker: str
    symbol: str
    volume: Decimal
    side: Side | None = None
    order_type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    score: float | None = None
    reduce: bool = False
    comment: str = ""


@attrs.frozen
class Close:
    """Close the position of `ticket`; `volume` in lots for a part of it, None for all."""

    origin: Origin
    broker: str
    symbol: str
    ticket: int
    volume: Decimal | None = None


@attrs.frozen
class Modify:
    """Change stops. None keeps what is there, 0 removes it."""

    origin: Origin
    broker: str
    ticket: int
    new_sl: Decimal | None = None
    new_tp: Decimal | None = None


Proposal = Open | Close | Modify


@attrs.frozen
class Placed:
    """The broker carried it out. `price` is the fill's, `volume` what was filled, in lots."""

    retcode: int
    order: int = 0
    deal: int = 0
    ticket: int = 0
    price: Decimal | None = None
    volume: Decimal | None = None
    profit: Decimal | None = None
    sl: Decimal | None = None
    tp: Decimal | None = None
    comment: str = ""


@attrs.frozen
class Refused:
    """The broker did not carry it out, and says so."""

    retcode: int
    comment: str


@attrs.frozen
class Unknown:
    """It went out, and what became of it is not known yet. Never a reason to send again."""

    reason: str


Outcome = Placed | Refused | Unknown


@attrs.frozen
class Absent:
    """The broker has surely never had it."""
