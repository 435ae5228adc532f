"""Orders and trades of the made-up futures exchange, and how they are said."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.symbols import plain

NOUGHT: Final = Decimal(0)
OPEN: Final = frozenset({"NEW", "PARTIALLY_FILLED"})
QUOTE: Final = "USDT"
"""The margin asset."""
_FINEST: Final = Decimal("1E-8")


class Expiry:
    """Why an order has ended by itself: `er` of ORDER_TRADE_UPDATE."""

    NONE: Final = "0"
    IOC: Final = "2"
    KNOCKED_OUT: Final = "4"
    """A reduce-only order that finds nothing to reduce any more."""
    MARKET: Final = "9"
    FOK: Final = "10"


def exact(value: Decimal) -> Decimal:
    """An amount of money as it is booked: with eight decimals."""
    return value.quantize(_FINEST, ROUND_HALF_EVEN)


def worded(value: Decimal) -> str:
    """As futures say what was divided: eight decimals at most."""
    return plain(exact(value))


@attrs.define(eq=False)
class FuturesOrder:
    """One order. `paid` is price times quantity of its fills; `order_id` 0: it is not in the book yet.

    `came_of` is the type of the conditional order that it came of, with its `trigger`.
    """

    client_id: str
    symbol: str
    side: str
    kind: str
    tif: str
    quantity: Decimal
    price: Decimal
    reduce_only: bool
    position_side: str
    time: int
    good_till: int = 0
    closes_position: bool = False
    came_of: str = ""
    trigger: Decimal = NOUGHT
    order_id: int = 0
    status: str = "NEW"
    filled: Decimal = NOUGHT
    paid: Decimal = NOUGHT
    updated: int = 0
    modified: int = 0

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def average(self) -> Decimal:
        return self.paid / self.filled if self.filled else NOUGHT

    @property
    def reduces(self) -> bool:
        """Whether it must not open anything: it says so, or its side closes that position side (hedge mode)."""
        return self.reduce_only or (self.position_side, self.side) in (("LONG", "SELL"), ("SHORT", "BUY"))

    def answer(self) -> Payload:
        """What POST, PUT and DELETE answer: without means and sums, since 2026-07-15."""
        return {
            "orderId": self.order_id,
            "symbol": self.symbol,
            "status": self.status,
            "clientOrderId": self.client_id,
            "price": plain(self.price),
            "origQty": plain(self.quantity),
            "executedQty": plain(self.filled),
            "cumQty": plain(self.filled),
            "timeInForce": self.tif,
            "type": self.kind,
            "reduceOnly": self.reduce_only,
            "closePosition": self.closes_position,
            "side": self.side,
            "positionSide": self.position_side,
            "stopPrice": plain(self.trigger),
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": self.came_of or self.kind,
            "priceMatch": "NONE",
            "selfTradePreventionMode": "NONE",
            "goodTillDate": self.good_till,
            "updateTime": self.updated,
        }

    def row(self) -> Payload:
        """What GET answers."""
        said = self.answer()
        del said["cumQty"]
        return said | {"avgPrice": worded(self.average), "cumQuote": worded(self.paid), "time": self.time}

    def event(self, now: int, execution: str, trade: FuturesTrade | None = None, expiry: str = Expiry.NONE) -> Payload:
        """ORDER_TRADE_UPDATE; only one of a trade says a commission."""
        said: Payload = {
            "s": self.symbol,
            "c": self.client_id,
            "S": self.side,
            "o": self.kind,
            "f": self.tif,
            "q": plain(self.quantity),
            "p": plain(self.price),
            "ap": worded(self.average),
            "sp": plain(self.trigger),
            "x": execution,
            "X": self.status,
            "i": self.order_id,
            "l": "0" if trade is None else plain(trade.quantity),
            "z": plain(self.filled),
            "L": "0" if trade is None else plain(trade.price),
            "T": now,
            "t": 0 if trade is None else trade.trade_id,
            "b": "0",
            "a": "0",
            "m": trade is not None and trade.is_maker,
            "R": self.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": self.came_of or self.kind,
            "ps": self.position_side,
            "cp": self.closes_position,
            "rp": "0" if trade is None else plain(trade.realized),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "NONE",
            "pm": "NONE",
            "gtd": self.good_till,
            "er": expiry,
        }
        if trade is not None:
            said |= {"n": plain(trade.commission), "N": QUOTE}
        return {"e": "ORDER_TRADE_UPDATE", "E": now, "T": now, "o": said}


@attrs.frozen
class FuturesTrade:
    """One fill of ours."""

    trade_id: int
    order: FuturesOrder
    price: Decimal
    quantity: Decimal
    commission: Decimal
    realized: Decimal
    time: int
    is_maker: bool

    def row(self) -> Payload:
        """What userTrades answers."""
        return {
            "buyer": self.order.side == "BUY",
            "commission": plain(self.commission),
            "commissionAsset": QUOTE,
            "id": self.trade_id,
            "maker": self.is_maker,
            "orderId": self.order.order_id,
            "price": plain(self.price),
            "qty": plain(self.quantity),
            "quoteQty": plain(self.price * self.quantity),
            "realizedPnl": plain(self.realized),
            "side": self.order.side,
            "positionSide": self.order.position_side,
            "symbol": self.order.symbol,
            "time": self.time,
        }

    def lite(self, now: int) -> Payload:
        """TRADE_LITE, which comes before the order's own event."""
        return {
            "e": "TRADE_LITE",
            "E": now,
            "T": now,
            "s": self.order.symbol,
            "q": plain(self.order.quantity),
            "p": plain(self.order.price),
            "m": self.is_maker,
            "c": self.order.client_id,
            "S": self.order.side,
            "L": plain(self.price),
            "l": plain(self.quantity),
            "t": self.trade_id,
            "i": self.order.order_id,
        }
