"""What each request of REST needs and weighs. From Binance's documents of spot and USD-M futures."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import attrs

from quantmind.testing.binance.settings import Kind


class Security(enum.Enum):
    """What a request must show."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


@attrs.frozen
class Rule:
    """What one request costs.

    Attributes:
        weight: with a symbol.
        without_symbol: without one; None: the same.
        orders: how many orders it counts for.
    """

    security: Security
    weight: int
    without_symbol: int | None = None
    orders: int = 0

    def weigh(self, params: Mapping[str, str]) -> int:
        """Its weight with these parameters."""
        return self.weight if self.without_symbol is None or "symbol" in params else self.without_symbol


_NONE, _KEY, _SIGNED = Security.NONE, Security.KEY, Security.SIGNED

_SPOT: Final = {
    "GET ping": Rule(_NONE, 1),
    "GET time": Rule(_NONE, 1),
    "GET exchangeInfo": Rule(_NONE, 20),
    "GET ticker/bookTicker": Rule(_NONE, 2, 4),
    "GET avgPrice": Rule(_NONE, 2),
    "GET trades": Rule(_NONE, 25),
    "GET account": Rule(_SIGNED, 20),
    "GET account/commission": Rule(_SIGNED, 20),
    "GET order": Rule(_SIGNED, 4),
    "GET openOrders": Rule(_SIGNED, 6, 80),
    "GET allOrders": Rule(_SIGNED, 20),
    "GET myTrades": Rule(_SIGNED, 20),
    "GET openOrderList": Rule(_SIGNED, 6),
    "GET orderList": Rule(_SIGNED, 4),
    "GET allOrderList": Rule(_SIGNED, 20),
    "GET rateLimit/order": Rule(_SIGNED, 40),
    "POST order": Rule(_SIGNED, 1, orders=1),
    "DELETE order": Rule(_SIGNED, 1),
    "DELETE openOrders": Rule(_SIGNED, 1),
    "POST order/cancelReplace": Rule(_SIGNED, 1, orders=1),
    "POST orderList/oco": Rule(_SIGNED, 1, orders=2),
    "POST orderList/oto": Rule(_SIGNED, 1, orders=2),
    "POST orderList/otoco": Rule(_SIGNED, 1, orders=3),
    "DELETE orderList": Rule(_SIGNED, 1),
}

_FUTURES: Final = {
    "GET v1/ping": Rule(_NONE, 1),
    "GET v1/time": Rule(_NONE, 1),
    "GET v1/exchangeInfo": Rule(_NONE, 1),
    "GET v1/ticker/bookTicker": Rule(_NONE, 2, 5),
    "GET v1/premiumIndex": Rule(_NONE, 1, 10),
    "GET v1/order": Rule(_SIGNED, 1),
    "GET v1/openOrder": Rule(_SIGNED, 1),
    "GET v1/openOrders": Rule(_SIGNED, 1, 40),
    "GET v1/allOrders": Rule(_SIGNED, 5),
    "GET v1/userTrades": Rule(_SIGNED, 5),
    "GET v1/algoOrder": Rule(_SIGNED, 1),
    "GET v1/openAlgoOrders": Rule(_SIGNED, 1, 40),
    "GET v1/allAlgoOrders": Rule(_SIGNED, 5),
    "GET v1/income": Rule(_SIGNED, 30),
    "GET v1/leverageBracket": Rule(_SIGNED, 1),
    "GET v1/symbolConfig": Rule(_SIGNED, 5),
    "GET v1/commissionRate": Rule(_SIGNED, 20),
    "GET v1/positionSide/dual": Rule(_SIGNED, 30),
    "GET v1/multiAssetsMargin": Rule(_SIGNED, 30),
    "GET v1/rateLimit/order": Rule(_SIGNED, 1),
    "GET v2/account": Rule(_SIGNED, 5),
    "GET v3/account": Rule(_SIGNED, 5),
    "GET v2/balance": Rule(_SIGNED, 5),
    "GET v3/balance": Rule(_SIGNED, 5),
    "GET v2/positionRisk": Rule(_SIGNED, 5),
    "GET v3/positionRisk": Rule(_SIGNED, 5),
    "POST v1/order": Rule(_SIGNED, 0, orders=1),
    "PUT v1/order": Rule(_SIGNED, 1, orders=1),
    "DELETE v1/order": Rule(_SIGNED, 1),
    "DELETE v1/allOpenOrders": Rule(_SIGNED, 1),
    "POST v1/algoOrder": Rule(_SIGNED, 0, orders=1),
    "DELETE v1/algoOrder": Rule(_SIGNED, 1),
    "DELETE v1/algoOpenOrders": Rule(_SIGNED, 1),
    "POST v1/leverage": Rule(_SIGNED, 1),
    "POST v1/marginType": Rule(_SIGNED, 1),
    "POST v1/positionSide/dual": Rule(_SIGNED, 1),
    "POST v1/countdownCancelAll": Rule(_SIGNED, 10),
    "POST v1/listenKey": Rule(_KEY, 1),
    "PUT v1/listenKey": Rule(_KEY, 1),
    "DELETE v1/listenKey": Rule(_KEY, 1),
}


def rule_of(kind: Kind, method: str, path: str) -> Rule | None:
    """What a request needs; None: there is no such path."""
    prefix, table = ("/api/v3/", _SPOT) if kind == "spot" else ("/fapi/", _FUTURES)
    return table.get(f"{method} {path.removeprefix(prefix)}") if path.startswith(prefix) else None
