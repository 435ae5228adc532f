"""Orders, lists and trades of the spot engine: what they are, and what they need to be open."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Final

import attrs

NOUGHT: Final = Decimal(0)
_FINEST: Final = Decimal("1E-8")
SIDES: Final = ("BUY", "SELL")
KINDS: Final = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
STOPS: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
LIMITS: Final = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
OPEN: Final = frozenset({"NEW", "PENDING_NEW", "PARTIALLY_FILLED"})


@attrs.frozen
class NewOrder:
    """What a request wants. A price, stop or quantity that it does not have is 0."""

    symbol: str
    side: str
    kind: str
    quantity: Decimal = NOUGHT
    quote_quantity: Decimal = NOUGHT
    price: Decimal = NOUGHT
    stop: Decimal = NOUGHT
    tif: str = "GTC"
    client_id: str = ""

    @property
    def is_stop(self) -> bool:
        """Whether it waits for a price before it goes into the book."""
        return self.kind in STOPS

    @property
    def has_limit(self) -> bool:
        """Whether it can rest in the book; the others are carried out at the market."""
        return self.kind in LIMITS

    def is_crossed(self, price: Decimal) -> bool:
        """Whether a market at this price triggers it."""
        rising = (self.side == "BUY") == self.kind.startswith("STOP_LOSS")
        return price >= self.stop if rising else price <= self.stop


@attrs.frozen
class SpotTrade:
    """A fill of ours. `commission` is a charge."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    time_msc: int
    is_maker: bool


@attrs.define(eq=False)
class SpotOrder:
    """An order, open or not.

    Attributes:
        lock_price: what is locked for each unit of a buy; its limit, its stop, or the ask when it was accepted.
        working_msc: when it went into the book, -1 before.
        rival: the other leg of an OCO.
        followers: what waits (PENDING_NEW) until this one is filled.
    """

    wish: NewOrder
    order_id: int
    client_id: str
    quantity: Decimal
    created_msc: int
    lock_price: Decimal
    list_id: int = -1
    status: str = "NEW"
    filled: Decimal = NOUGHT
    quote_filled: Decimal = NOUGHT
    updated_msc: int = 0
    working_msc: int = -1
    trades: list[SpotTrade] = attrs.field(factory=list)
    rival: SpotOrder | None = None
    followers: Sequence[SpotOrder] = ()

    @property
    def symbol(self) -> str:
        return self.wish.symbol

    @property
    def side(self) -> str:
        return self.wish.side

    @property
    def is_open(self) -> bool:
        """Whether it can still be filled or canceled."""
        return self.status in OPEN

    @property
    def is_working(self) -> bool:
        """Whether it is, or was, in the book: not one that waits for its price, or for another order."""
        return self.working_msc >= 0

    @property
    def awaits_price(self) -> bool:
        """Whether a price may trigger it."""
        return self.status == "NEW" and self.wish.is_stop and not self.is_working

    @property
    def rests(self) -> bool:
        """Whether it is in the book now."""
        return self.is_open and self.is_working

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def need(self) -> Decimal:
        """What must be locked for it: of the quote asset for a buy, of the base asset for a sell."""
        if not self.is_open:
            return NOUGHT
        return quote_amount(self.remaining, self.lock_price) if self.side == "BUY" else self.remaining


@attrs.define(eq=False)
class OrderList:
    """An order list. `kind` is OCO or OTO, and an OTOCO says that it is an OTO."""

    list_id: int
    client_id: str
    symbol: str
    kind: str
    orders: Sequence[SpotOrder]
    time_msc: int
    is_done: bool = False

    @property
    def is_over(self) -> bool:
        """Whether none of its orders is open any more."""
        return not any(order.is_open for order in self.orders)


def quote_amount(quantity: Decimal, price: Decimal) -> Decimal:
    """What a quantity is worth, with the eight decimals that a balance has."""
    return (quantity * price).quantize(_FINEST, ROUND_DOWN)


def whole_steps(quantity: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of the step that is not above it."""
    return quantity - quantity % step if step else quantity
