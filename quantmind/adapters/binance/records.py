"""What Binance says, in words that spot and futures share. The dialects are decoded into these.

Prices are in the quote asset, quantities in the base asset, times UTC milliseconds. A value that is an enum there is
kept as it was said: one that is new to us is seen by whoever reads it, and never guessed at.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import attrs

from quantmind.domain.orders import Side

NOUGHT: Final = Decimal(0)


class Life(enum.Enum):
    """What a status of the exchange comes to."""

    OPEN = "open"
    """It is in the book, or waits for its trigger or for another order."""
    FILLED = "filled"
    """All of it was filled."""
    ENDED = "ended"
    """It is over; a part of it may have been filled."""
    TRIGGERED = "triggered"
    """A conditional order whose price came: an order of its own is, or soon will be, in its place."""
    STRANGE = "strange"
    """A word that is not known here."""


_LIVES: Final = {
    "NEW": Life.OPEN,
    "PENDING_NEW": Life.OPEN,
    "PARTIALLY_FILLED": Life.OPEN,
    "PENDING_CANCEL": Life.OPEN,
    "FILLED": Life.FILLED,
    "CANCELED": Life.ENDED,
    "REJECTED": Life.ENDED,
    "EXPIRED": Life.ENDED,
    "EXPIRED_IN_MATCH": Life.ENDED,
    # Of conditional orders on futures, beside NEW, CANCELED, REJECTED and EXPIRED.
    "TRIGGERING": Life.TRIGGERED,
    "TRIGGERED": Life.TRIGGERED,
    "FINISHED": Life.TRIGGERED,
}


@attrs.frozen
class Order:
    """An order as the exchange has it. `kind` is its type there (MARKET, LIMIT, STOP_MARKET, ...).

    `price` and `trigger` are 0 where it has none. `conditional`: it is one of futures' algo orders, `order_id` is its
    algoId, and `becomes` the id of the order that it became (0: none yet). `closes_position`: it closes whatever is
    open when its price comes, and has no quantity of its own. `list_id` -1: it is in no list.
    """

    symbol: str
    order_id: int
    client_id: str
    side: Side
    kind: str
    status: str
    quantity: Decimal
    filled: Decimal = NOUGHT
    quote_filled: Decimal = NOUGHT
    price: Decimal = NOUGHT
    trigger: Decimal = NOUGHT
    time_msc: int = 0
    updated_msc: int = 0
    reduces: bool = False
    closes_position: bool = False
    position_side: str = "BOTH"
    list_id: int = -1
    conditional: bool = False
    becomes: int = 0
    expires_msc: int = 0

    @property
    def life(self) -> Life:
        """What its status comes to."""
        return _LIVES.get(self.status, Life.STRANGE)

    @property
    def average(self) -> Decimal | None:
        """The mean price of what was filled; None: nothing was."""
        return self.quote_filled / self.filled if self.filled > 0 and self.quote_filled > 0 else None


@attrs.frozen
class Fill:
    """A trade of ours. `commission` is positive for a charge, `realized` what futures booked as profit."""

    symbol: str
    trade_id: int
    order_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    commission: Decimal
    commission_asset: str
    time_msc: int
    realized: Decimal = NOUGHT
    position_side: str = "BOTH"
    client_id: str = ""
    """Of its order, where it was said with it."""


@attrs.frozen
class Balance:
    """What there is of an asset. On futures `free` is the wallet's balance and `locked` 0."""

    asset: str
    free: Decimal
    locked: Decimal = NOUGHT

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


@attrs.frozen
class Holding:
    """A position on futures; `amount` is below 0 for a short one. `mark` 0: it was not said."""

    symbol: str
    position_side: str
    amount: Decimal
    entry_price: Decimal
    updated_msc: int = 0
    mark: Decimal = NOUGHT
    margin: Decimal = NOUGHT


# --- what an account looks like at one moment ------------------------------------------------------------------------


@attrs.frozen
class SpotAccount:
    """GET /api/v3/account. `updated_msc`: balances in an event of that time or later are newer."""

    uid: int
    can_trade: bool
    balances: Sequence[Balance]
    updated_msc: int


@attrs.frozen
class FuturesAccount:
    """GET /fapi/v3/account with /fapi/v3/positionRisk: wallets, and positions that are not 0."""

    balances: Sequence[Balance]
    holdings: Sequence[Holding]
    margin: Decimal
    """Initial margin of positions and open orders, in the margin asset."""
    available: Decimal
    updated_msc: int = 0


# --- what a user stream says -----------------------------------------------------------------------------------------


@attrs.frozen
class OrderSaid:
    """An order changed. `fill` is what was traded just now. `event_msc`: when the exchange said so.

    `original_client_id`: of a cancellation, whose `client_id` is another one's; else empty.
    """

    order: Order
    event_msc: int
    fill: Fill | None = None
    execution: str = ""
    """What happened (spot and futures `x`): NEW, TRADE, CANCELED, ..."""
    reason: str = ""
    """Why it was refused or ended, in the exchange's words; empty: it is not said."""
    original_client_id: str = ""


@attrs.frozen
class BalancesSaid:
    """Balances as they are now, of the assets that may have changed; on futures holdings, too."""

    balances: Sequence[Balance]
    event_msc: int
    holdings: Sequence[Holding] = ()
    reason: str = ""
    """Futures: ORDER, FUNDING_FEE, DEPOSIT, ...; empty on spot."""


@attrs.frozen
class LeverageSaid:
    """Futures: a symbol has another leverage."""

    symbol: str
    leverage: int


@attrs.frozen
class Ended:
    """The stream says nothing more: its key expired, or its subscription was ended."""

    why: str


@attrs.frozen
class OtherSaid:
    """An event that changes nothing that we keep, or one that is new to us (`known` False)."""

    kind: str
    known: bool


UserEvent = OrderSaid | BalancesSaid | LeverageSaid | Ended | OtherSaid
