"""Orders, conditional orders and positions of the made-up futures exchange, and how they are said."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.symbols import plain

NOUGHT: Final = Decimal(0)
OPEN: Final = frozenset({"NEW", "PARTIALLY_FILLED"})
QUOTE: Final = "USDT"
"""The margin asset."""


@attrs.define(eq=False)
class FuturesOrder:
    """One order. `paid` is price times quantity of its fills."""

    order_id: int
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
    status: str = "NEW"
    filled: Decimal = NOUGHT
    paid: Decimal = NOUGHT
    updated: int = 0
    closes_position: bool = False

    @property
    def left(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def average(self) -> Decimal:
        return self.paid / self.filled if self.filled else NOUGHT

    def answer(self) -> Payload:
        """What POST, PUT and DELETE answer: without means and sums, since 2026-07-15."""
        return {
            "clientOrderId": self.client_id,
            "cumQty": plain(self.filled),
            "executedQty": plain(self.filled),
            "orderId": self.order_id,
            "origQty": plain(self.quantity),
            "price": plain(self.price),
            "reduceOnly": self.reduce_only,
            "side": self.side,
            "positionSide": self.position_side,
            "status": self.status,
            "stopPrice": "0",
            "closePosition": self.closes_position,
            "symbol": self.symbol,
            "timeInForce": self.tif,
            "type": self.kind,
            "origType": self.kind,
            "updateTime": self.updated,
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "priceMatch": "NONE",
            "selfTradePreventionMode": "NONE",
            "goodTillDate": self.good_till,
        }

    def row(self) -> Payload:
        """What GET answers."""
        return self.answer() | {"avgPrice": plain(self.average), "cumQuote": plain(self.paid), "time": self.time}


@attrs.define(eq=False)
class AlgoOrder:
    """One conditional order. `becomes` is the order that it became; 0: none."""

    algo_id: int
    client_id: str
    symbol: str
    side: str
    kind: str
    tif: str
    quantity: Decimal
    price: Decimal
    trigger: Decimal
    reduce_only: bool
    closes_position: bool
    position_side: str
    time: int
    good_till: int = 0
    status: str = "NEW"
    becomes: int = 0
    updated: int = 0

    def is_reached(self, price: Decimal) -> bool:
        """Whether a price sets it off: a stop is beyond the market, a take profit before it."""
        rises = (self.side == "BUY") is self.kind.startswith("STOP")
        return price >= self.trigger if rises else price <= self.trigger

    def row(self) -> Payload:
        """What POST and GET answer."""
        return {
            "algoId": self.algo_id,
            "clientAlgoId": self.client_id,
            "algoType": "CONDITIONAL",
            "orderType": self.kind,
            "symbol": self.symbol,
            "side": self.side,
            "positionSide": self.position_side,
            "timeInForce": self.tif,
            "quantity": plain(self.quantity),
            "algoStatus": self.status,
            "actualOrderId": str(self.becomes or ""),
            "triggerPrice": plain(self.trigger),
            "price": plain(self.price),
            "icebergQuantity": "None",
            "selfTradePreventionMode": "NONE",
            "workingType": "CONTRACT_PRICE",
            "priceMatch": "NONE",
            "closePosition": self.closes_position,
            "priceProtect": False,
            "reduceOnly": self.reduce_only,
            "createTime": self.time,
            "updateTime": self.updated,
            "triggerTime": 0,
            "goodTillDate": self.good_till,
        }

    def event(self, now: int, reason: str = "") -> Payload:
        """ALGO_UPDATE."""
        return {
            "e": "ALGO_UPDATE",
            "T": self.updated,
            "E": now,
            "o": {
                "caid": self.client_id,
                "aid": self.algo_id,
                "at": "CONDITIONAL",
                "o": self.kind,
                "s": self.symbol,
                "S": self.side,
                "ps": self.position_side,
                "f": self.tif,
                "q": plain(self.quantity),
                "X": self.status,
                "ai": str(self.becomes or ""),
                "tp": plain(self.trigger),
                "p": plain(self.price),
                "V": "NONE",
                "wt": "CONTRACT_PRICE",
                "pm": "NONE",
                "cp": self.closes_position,
                "pP": False,
                "R": self.reduce_only,
                "gtd": self.good_till,
                "rm": reason,
            },
        }


@attrs.define(eq=False)
class FuturesPosition:
    """`amount` is below 0 for a short one; `cost` is price times amount without its sign."""

    symbol: str
    side: str
    amount: Decimal = NOUGHT
    cost: Decimal = NOUGHT
    updated: int = 0

    @property
    def entry(self) -> Decimal:
        return self.cost / abs(self.amount) if self.amount else NOUGHT

    def trade(self, signed: Decimal, price: Decimal) -> Decimal:
        """Take in a fill; what it realised."""
        if not self.amount or (signed > 0) == (self.amount > 0):
            self.amount += signed
            self.cost += abs(signed) * price
            return NOUGHT
        closed = min(abs(signed), abs(self.amount))
        entry, sign = self.entry, 1 if self.amount > 0 else -1
        part = self.cost if closed == abs(self.amount) else entry * closed
        realized = (closed * price - part) * sign
        self.amount += signed
        self.cost -= part
        if abs(signed) > closed:
            self.cost = abs(self.amount) * price
        return realized

    def worth(self, price: Decimal) -> Decimal:
        """What it would realise at a price."""
        return (abs(self.amount) * price - self.cost) * (1 if self.amount > 0 else -1)


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
