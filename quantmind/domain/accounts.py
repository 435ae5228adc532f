"""Accounts, positions, pending orders and deals as a broker reports them.

Money in the account currency, volumes in lots, times UTC milliseconds.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from quantmind.domain.orders import OrderType, Side


@attrs.frozen
class Position:
    """One open position. `profit` is floating; `swap` is what has been charged so far."""

    ticket: int
    symbol: str
    side: Side
    volume: Decimal
    price_open: Decimal
    price_current: Decimal
    profit: Decimal
    time_msc: int
    sl: Decimal | None = None
    tp: Decimal | None = None
    swap: Decimal = Decimal(0)
    magic: int = 0
    comment: str = ""
    tag: str = ""
    """The client tag of the order that opened it, as the broker kept it; empty: none, or the broker keeps none."""


@attrs.frozen
class PendingOrder:
    """A limit or stop order that waits for its price. `expiration_msc` None: until it is cancelled."""

    ticket: int
    symbol: str
    side: Side
    order_type: OrderType
    volume: Decimal
    price: Decimal
    time_msc: int
    sl: Decimal | None = None
    tp: Decimal | None = None
    expiration_msc: int | None = None
    magic: int = 0
    comment: str = ""
    tag: str = ""
    """The client tag that it was placed with, as the broker kept it; empty: none, or the broker keeps none."""


class Entry(enum.Enum):
    """Whether a deal opened, closed, reversed, or closed by another position (MetaTrader 5: DEAL_ENTRY_*)."""

    IN = "in"
    OUT = "out"
    INOUT = "inout"
    OUT_BY = "out_by"


class Cause(enum.Enum):
    """Why a deal was made (MetaTrader 5: DEAL_REASON_CLIENT, _SL, _TP, _SO; a fee in a coin that is held is ours)."""

    CLIENT = "client"
    SL = "sl"
    TP = "tp"
    STOP_OUT = "stop_out"
    FEE = "fee"


@attrs.frozen
class Deal:
    """One execution. `side` is the deal's own: a long position closes by a sell. `profit` is 0 for an entry.

    What it did to the balance is `profit + commission + swap`; a charge is negative. `order` is 0 where none made it.
    """

    ticket: int
    order: int
    position: int
    symbol: str
    side: Side
    entry: Entry
    volume: Decimal
    price: Decimal
    profit: Decimal
    cause: Cause
    time_msc: int
    commission: Decimal = Decimal(0)
    swap: Decimal = Decimal(0)
    magic: int = 0
    comment: str = ""
    tag: str = ""
    """The client tag of the request that made it, as the broker kept it; empty: none (a stop, a stop out, a hand)."""
    net_volume: Decimal | None = None
    """Signed lots by which its position changed where those are not `volume`: a fee was paid in what was traded."""

    @property
    def change(self) -> Decimal:
        """By how many lots its position changed, below 0 for less of a long one or more of a short one."""
        return self.volume * self.side.sign if self.net_volume is None else self.net_volume


@attrs.frozen
class Account:
    """The state of an account at one moment."""

    login: int
    server: str
    currency: str
    leverage: int
    margin_mode: str
    balance: Decimal
    equity: Decimal
    margin: Decimal
    margin_free: Decimal
    profit: Decimal
    trade_allowed: bool = True

    @property
    def margin_level(self) -> Decimal | None:
        """Equity over margin in percent; None without positions."""
        return None if self.margin == 0 else self.equity / self.margin * 100


@attrs.frozen
class Sample:
    """Account, positions and pending orders, true together at `taken_at` (monotonic seconds of the gateway)."""

    broker: str
    account: Account
    positions: Sequence[Position]
    orders: Sequence[PendingOrder]
    taken_at: float
    unprotected: Mapping[str, str] = attrs.field(factory=dict)
    """Positions without the stop loss that they should have, as people name them, and why it can't be placed. Only of
    brokers that keep stops as orders of their own (exchanges)."""


def net_lots(positions: Sequence[Position], symbol: str) -> Decimal:
    """Long minus short lots of a symbol."""
    return sum((p.volume * p.side.sign for p in positions if p.symbol == symbol), Decimal(0))
