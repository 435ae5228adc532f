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


class Filling(enum.Enum):
    """What to do with volume that can't be filled at once (MetaTrader 5: ORDER_FILLING_FOK, _IOC, _RETURN)."""

    FOK = "fok"
    IOC = "ioc"
    RETURN = "return"


@attrs.frozen
class Origin:
    """Who asks: the EA's name and magic, and the id that makes a repeat recognisable (None: it can't be)."""

    ea_name: str
    magic: int
    request_id: str | None = None


@attrs.frozen
class Open:
    """Open a position, or place a limit or stop order that will. `volume` in lots; prices, None for none.

    `expiration` (Unix seconds) ends a limit or stop order, None: it stays until it is cancelled. `deviation` is how
    far from `price` a market order may fill, in points. `filling` None leaves the mode to the symbol.
    """

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
    expiration: float | None = None
    deviation: int | None = None
    filling: Filling | None = None


@attrs.frozen
class Close:
    """Close the position of `ticket`; `volume` in lots for a part of it, None for all.

    `by` is the ticket of an opposite position of the symbol: both close against each other, without a spread, by the
    smaller of the two volumes (MetaTrader 5: TRADE_ACTION_CLOSE_BY; hedging accounts only).
    """

    origin: Origin
    broker: str
    symbol: str
    ticket: int
    volume: Decimal | None = None
    by: int | None = None


@attrs.frozen
class Modify:
    """Change the stops of a position, or stops, price and expiration of a pending order.

    None keeps what is there; 0 removes a stop or the expiration. `new_price` is for a pending order only.
    """

    origin: Origin
    broker: str
    ticket: int
    new_sl: Decimal | None = None
    new_tp: Decimal | None = None
    new_price: Decimal | None = None
    new_expiration: float | None = None


@attrs.frozen
class Cancel:
    """Take back the pending order of `ticket`."""

    origin: Origin
    broker: str
    ticket: int


Proposal = Open | Close | Modify | Cancel


class Ending(enum.Enum):
    """How a limit or stop order ended that was not filled (MetaTrader 5: ORDER_STATE_CANCELED, _EXPIRED, _REJECTED)."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


@attrs.frozen
class Placed:
    """The broker carried it out. `price` is the fill's, `volume` what was filled, in lots.

    Of an order that waits in the book (`pending`) `price` and `deal` are none, `volume` is the order's and `ticket` its
    number; of a position that was closed by another `profit` is that of both. `ended` is set, and `volume` 0, of an
    order that waits no more and was not filled.
    """

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
    pending: bool = False
    ended: Ending | None = None


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
