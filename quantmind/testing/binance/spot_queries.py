"""What the spot engine answers without changing anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload, integer_of, now_msc, yes_or_no
from quantmind.testing.binance.spot_account import Charge
from quantmind.testing.binance.spot_filters import symbol_info
from quantmind.testing.binance.spot_forms import list_row, order_row, trade_row
from quantmind.testing.binance.spot_matching import Matching
from quantmind.testing.binance.spot_placing import Placing, find
from quantmind.testing.binance.spot_requests import (
    BAD_COMBINATION,
    Params,
    limit_of,
    order_id_of,
    span_of,
    symbol_of,
    symbols_of,
)
from quantmind.testing.binance.symbols import eight

_UID: Final = 354937868
_NONE: Final = "0.00000000"
_ORDER_LIMITS: Final = (("SECOND", 10, 100, 10_000), ("DAY", 1, 200_000, 86_400_000))
_LIMITS: Final[tuple[Payload, ...]] = (
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
    {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
)


@attrs.define(eq=False)
class Queries:
    """The GET endpoints, but for that of one order list."""

    book: Matching
    placing: Placing

    def routes(self) -> dict[tuple[str, str], Callable[[Params], Any]]:
        """By method and path."""
        found: Mapping[str, Callable[[Params], Any]] = {
            "time": self._time,
            "ping": self._ping,
            "exchangeInfo": self._exchange_info,
            "ticker/bookTicker": self._book_ticker,
            "avgPrice": self._average_price,
            "trades": self._public_trades,
            "account": self._account,
            "account/commission": self._commission,
            "order": self._order,
            "openOrders": self._open_orders,
            "allOrders": self._all_orders,
            "myTrades": self._trades,
            "openOrderList": self._open_lists,
            "allOrderList": self._all_lists,
            "rateLimit/order": self._order_count,
        }
        return {("GET", f"/api/v3/{path}"): answer for path, answer in found.items()}

    # --- the exchange --------------------------------------------------------------------------------------------

    def _time(self, params: Params) -> Payload:
        del params
        return {"serverTime": now_msc(self.book.clock)}

    def _ping(self, params: Params) -> Payload:
        del params
        return {}

    def _exchange_info(self, params: Params) -> Payload:
        names, _ = symbols_of(params, self.book.symbols)
        return {
            "timezone": "UTC",
            "serverTime": now_msc(self.book.clock),
            "rateLimits": [dict(limit) for limit in _LIMITS],
            "exchangeFilters": [],
            "symbols": [symbol_info(self.book.symbols[name]) for name in names],
        }

    def _book_ticker(self, params: Params) -> Any:
        names, is_one = symbols_of(params, self.book.symbols)
        rows = [self.book.tape.best(name) for name in names]
        return rows[0] if is_one else rows

    def _average_price(self, params: Params) -> Payload:
        # That of the last trade: the quotes that a test sets have no history worth an average.
        market = self.book.markets[symbol_of(params, self.book.symbols)]
        return {"mins": 5, "price": eight(market.last), "closeTime": now_msc(self.book.clock)}

    def _public_trades(self, params: Params) -> list[Payload]:
        return self.book.tape.trades(symbol_of(params, self.book.symbols), limit_of(params))

    # --- the account ---------------------------------------------------------------------------------------------

    def _account(self, params: Params) -> Payload:
        rates, account = self.book.account.commission, self.book.account
        balances = account.balances()
        if yes_or_no(params, "omitZeroBalances"):
            balances = [each for each in balances if each["free"] != _NONE or each["locked"] != _NONE]
        return {
            "makerCommission": int(rates.maker * 10000),
            "takerCommission": int(rates.taker * 10000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": _rates(eight(rates.maker), eight(rates.taker)),
            "canTrade": True,
            "canWithdraw": True,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": account.updated_msc,
            "accountType": "SPOT",
            "balances": balances,
            "permissions": ["SPOT"],
            "uid": _UID,
        }

    def _commission(self, params: Params) -> Payload:
        symbol, rates = symbol_of(params, self.book.symbols), self.book.account.commission
        in_bnb = rates.charge is Charge.BNB
        return {
            "symbol": symbol,
            "standardCommission": _rates(eight(rates.maker), eight(rates.taker)),
            "specialCommission": _rates(_NONE, _NONE),
            "taxCommission": _rates(_NONE, _NONE),
            "discount": {
                "enabledForAccount": in_bnb,
                "enabledForSymbol": in_bnb,
                "discountAsset": "BNB",
                "discount": "0.75000000",
            },
        }

    def _order(self, params: Params) -> Payload:
        symbol = symbol_of(params, self.book.symbols)
        return order_row(find(self.book.orders[symbol], *order_id_of(params)))

    def _open_orders(self, params: Params) -> list[Payload]:
        names = [symbol_of(params, self.book.symbols)] if "symbol" in params else list(self.book.symbols)
        return [order_row(order) for name in names for order in self.book.open_orders(name)]

    def _all_orders(self, params: Params) -> list[Payload]:
        # From an id on they are the oldest ones, else the newest; always in the order of their ids.
        orders = self.book.orders[symbol_of(params, self.book.symbols)]
        first, limit = integer_of(params, "orderId"), limit_of(params)
        if first is not None:
            return [order_row(order) for order in orders if order.order_id >= first][:limit]
        start, end = span_of(params)
        rows = [order_row(order) for order in orders if _is_in(order.created_msc, start, end)]
        return rows[:limit] if "startTime" in params else rows[-limit:]

    def _trades(self, params: Params) -> list[Payload]:
        orders = self.book.orders[symbol_of(params, self.book.symbols)]
        of, first, limit = integer_of(params, "orderId"), integer_of(params, "fromId"), limit_of(params)
        start, end = span_of(params)
        if (of is not None or first is not None) and {"startTime", "endTime"} & set(params):
            raise ApiFault(400, -1128, BAD_COMBINATION)
        rows = [
            trade_row(order, trade)
            for order in orders
            for trade in order.trades
            if of in (None, order.order_id) and trade.trade_id >= (first or 0) and _is_in(trade.time_msc, start, end)
        ]
        rows.sort(key=lambda row: int(row["id"]))
        return rows[:limit] if first is not None or "startTime" in params else rows[-limit:]

    def _open_lists(self, params: Params) -> list[Payload]:
        del params
        return [list_row(orders) for orders in self.book.lists if not orders.is_done]

    def _all_lists(self, params: Params) -> list[Payload]:
        first, limit = integer_of(params, "fromId"), limit_of(params)
        start, end = span_of(params)
        if first is not None and {"startTime", "endTime"} & set(params):
            raise ApiFault(400, -1128, BAD_COMBINATION)
        rows = [
            list_row(orders)
            for orders in self.book.lists
            if orders.list_id >= (first or 0) and _is_in(orders.time_msc, start, end)
        ]
        return rows[:limit] if first is not None or "startTime" in params else rows[-limit:]

    def _order_count(self, params: Params) -> list[Payload]:
        # All orders that were placed; the exchange gives filled ones back, which this engine does not.
        del params
        now = now_msc(self.book.clock)
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": interval,
                "intervalNum": number,
                "limit": limit,
                "count": sum(placed > now - span for placed in self.placing.times_msc),
            }
            for interval, number, limit, span in _ORDER_LIMITS
        ]


def _is_in(time_msc: int, start: int, end: int | None) -> bool:
    return start <= time_msc and (end is None or time_msc <= end)


def _rates(maker: str, taker: str) -> Payload:
    return {"maker": maker, "taker": taker, "buyer": _NONE, "seller": _NONE}
