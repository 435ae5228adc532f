"""A conditional order of the made-up futures exchange, and how it is said."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.futures_orders import FuturesOrder, worded
from quantmind.testing.binance.symbols import plain

GTE: Final = "GTE_GTC"
"""Good till the position is gone."""


@attrs.define(eq=False)
class AlgoOrder:
    """One conditional order. `becomes`: the order that came of it."""

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
    algo_id: int = 0
    status: str = "NEW"
    becomes: FuturesOrder | None = None
    triggered: int = 0
    updated: int = 0

    @property
    def way(self) -> tuple[str, str, bool]:
        """Of two with closePosition that go the same way the second is refused."""
        return (self.side, self.position_side, self.kind.startswith("STOP"))

    def is_reached(self, price: Decimal) -> bool:
        """Whether a price sets it off: a stop is beyond the market, a take profit before it."""
        rises = (self.side == "BUY") is self.kind.startswith("STOP")
        return price >= self.trigger if rises else price <= self.trigger

    def answer(self) -> Payload:
        """What POST answers."""
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
            "triggerPrice": plain(self.trigger),
            "price": plain(self.price),
            "icebergQuantity": None,
            "selfTradePreventionMode": "NONE",
            "workingType": "CONTRACT_PRICE",
            "priceMatch": "NONE",
            "closePosition": self.closes_position,
            "priceProtect": False,
            "reduceOnly": self.reduce_only,
            "createTime": self.time,
            "updateTime": self.updated,
            "triggerTime": self.triggered,
            "goodTillDate": self.good_till,
        }

    def row(self) -> Payload:
        """What GET answers."""
        order = self.becomes
        return self.answer() | {
            "actualOrderId": "" if order is None else str(order.order_id),
            "actualPrice": "0" if order is None else worded(order.average),
            "actualQty": "0" if order is None else plain(order.filled),
            "actualType": "" if order is None else order.kind,
            "tpTriggerPrice": "0",
            "tpPrice": "0",
            "slTriggerPrice": "0",
            "slPrice": "0",
            "tpOrderType": "",
        }

    def event(self, now: int, reason: str = "") -> Payload:
        """ALGO_UPDATE."""
        order = self.becomes
        said: Payload = {
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
            "ai": "",
            "tp": plain(self.trigger),
            "p": plain(self.price),
            "V": "NONE",
            "wt": "CONTRACT_PRICE",
            "pm": "NONE",
            "cp": self.closes_position,
            "pP": False,
            "R": self.reduce_only,
            "tt": self.triggered,
            "gtd": self.good_till,
            "ia": False,
        }
        if order is not None:
            said |= {
                "ai": str(order.order_id),
                "ap": worded(order.average),
                "aq": plain(order.filled),
                "act": order.kind,
            }
        if reason:
            said["rm"] = reason
        return {"e": "ALGO_UPDATE", "T": self.updated, "E": now, "o": said}
