"""Which method of the WebSocket API is which request of REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quantmind.testing.binance.settings import Kind

_SPOT: Final = {
    "ping": "GET ping",
    "time": "GET time",
    "exchangeInfo": "GET exchangeInfo",
    "ticker.book": "GET ticker/bookTicker",
    "avgPrice": "GET avgPrice",
    "trades.recent": "GET trades",
    "account.status": "GET account",
    "account.commission": "GET account/commission",
    "account.rateLimits.orders": "GET rateLimit/order",
    "order.place": "POST order",
    "order.cancel": "DELETE order",
    "order.status": "GET order",
    "order.cancelReplace": "POST order/cancelReplace",
    "openOrders.status": "GET openOrders",
    "openOrders.cancelAll": "DELETE openOrders",
    "allOrders": "GET allOrders",
    "myTrades": "GET myTrades",
    "orderList.place.oco": "POST orderList/oco",
    "orderList.place.oto": "POST orderList/oto",
    "orderList.place.otoco": "POST orderList/otoco",
    "orderList.cancel": "DELETE orderList",
    "orderList.status": "GET orderList",
    "openOrderLists.status": "GET openOrderList",
    "allOrderLists": "GET allOrderList",
}

_FUTURES: Final = {
    "ping": "GET v1/ping",
    "time": "GET v1/time",
    "ticker.book": "GET v1/ticker/bookTicker",
    "account.status": "GET v2/account",
    "account.balance": "GET v2/balance",
    "account.position": "GET v2/positionRisk",
    "v2/account.status": "GET v3/account",
    "v2/account.balance": "GET v3/balance",
    "v2/account.position": "GET v3/positionRisk",
    "order.place": "POST v1/order",
    "order.modify": "PUT v1/order",
    "order.cancel": "DELETE v1/order",
    "order.status": "GET v1/order",
    "algoOrder.place": "POST v1/algoOrder",
    "algoOrder.cancel": "DELETE v1/algoOrder",
    "userDataStream.start": "POST v1/listenKey",
    "userDataStream.ping": "PUT v1/listenKey",
    "userDataStream.stop": "DELETE v1/listenKey",
}

_PATHS: Final = {"spot": "/ws-api/v3", "futures": "/ws-fapi/v1"}


def path_of(kind: Kind) -> str:
    """Where the WebSocket API is."""
    return _PATHS[kind]


def request_of(kind: Kind, method: str) -> tuple[str, str] | None:
    """Method and path of REST; None: there is no such method, or it is one of the session."""
    table: Mapping[str, str] = _SPOT if kind == "spot" else _FUTURES
    found = table.get(method)
    if found is None:
        return None
    verb, _, path = found.partition(" ")
    return verb, ("/api/v3/" if kind == "spot" else "/fapi/") + path
