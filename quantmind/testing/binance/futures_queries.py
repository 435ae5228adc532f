"""What the made-up futures exchange answers to questions about the market and orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload, integer_of
from quantmind.testing.binance.futures_book import OrderBook
from quantmind.testing.binance.futures_checks import symbol_of
from quantmind.testing.binance.futures_conditional import Conditionals
from quantmind.testing.binance.futures_orders import OPEN, QUOTE
from quantmind.testing.binance.futures_placing import ABSENT, Placing
from quantmind.testing.binance.symbols import SymbolSettings, plain

Params = Mapping[str, str]
_FUNDING_EVERY_MS: Final = 8 * 3_600_000
_WEEK_MS: Final = 7 * 86_400_000
_MOST: Final = 1000


def page(
    rows: Iterable[Payload],
    params: Params,
    usual: int,
    number: str,
    start: str = "",
    time: str = "time",
    last_week_of: int | None = None,
) -> Any:
    """Of rows from the oldest on: the first ones from a number or a time on, else the newest.

    Args:
        last_week_of: the time now, where rows are of the last seven days unless it is said from when on.
        usual: how many there are where `limit` was not sent; 1000 at the most.
        number: the field that `start` is compared with.
        start: the parameter that names the lowest number; empty: there is none.
    """
    lowest = integer_of(params, start) if start else None
    since, until = integer_of(params, "startTime"), integer_of(params, "endTime")
    if since is not None and until is not None and since > until:
        raise ApiFault(400, -1023, "Start time is greater than end time.")
    limit = integer_of(params, "limit")
    if limit is not None and not 0 < limit <= _MOST:
        raise ApiFault(400, -1130, "Data sent for parameter 'limit' is not valid.")
    if last_week_of is not None and lowest is None and until is None:
        since_usual = last_week_of - _WEEK_MS
        rows = [row for row in rows if since is not None or row[time] >= since_usual]
    found = [
        row
        for row in rows
        if (lowest is None or row[number] >= lowest)
        and (since is None or row[time] >= since)
        and (until is None or row[time] <= until)
    ]
    most = limit or usual
    return found[:most] if lowest is not None or since is not None else found[-most:]


@attrs.frozen(eq=False)
class MarketQueries:
    """Of one exchange."""

    book: OrderBook
    placing: Placing
    conditionals: Conditionals

    def routes(self) -> Mapping[tuple[str, str], Callable[[Params], Any]]:
        """By method and path."""
        paths: dict[str, Callable[[Params], Any]] = {
            "ping": lambda _: {},
            "time": lambda _: {"serverTime": self.book.now()},
            "exchangeInfo": self._info,
            "ticker/bookTicker": self._best,
            "premiumIndex": self._premium,
            "order": lambda params: self.placing.find(params).row(),
            "openOrder": self._open_order,
            "openOrders": lambda params: [each.row() for each in self.book.open_orders(self._symbol(params))],
            "allOrders": self._all_orders,
            "userTrades": self._trades,
            "algoOrder": lambda params: self.conditionals.find(params).row(),
            "openAlgoOrders": self._open_algos,
            "allAlgoOrders": self._all_algos,
        }
        return {("GET", f"/fapi/v1/{path}"): route for path, route in paths.items()}

    # --- the market --------------------------------------------------------------------------------------------------

    def _info(self, params: Params) -> Payload:
        del params
        return {
            "exchangeFilters": [],
            "rateLimits": [],
            "serverTime": self.book.now(),
            "assets": [{"asset": QUOTE, "marginAvailable": True, "autoAssetExchange": "0"}],
            "symbols": [_symbol(each) for each in self.book.symbols.values()],
            "timezone": "UTC",
        }

    def _best(self, params: Params) -> Any:
        rows = [
            {
                "symbol": name,
                "bidPrice": plain(market.bid),
                "bidQty": plain(_size(market.bid_qty)),
                "askPrice": plain(market.ask),
                "askQty": plain(_size(market.ask_qty)),
                "lastUpdateId": market.update_id,
                "time": self.book.now(),
            }
            for name, market in self.book.markets.items()
        ]
        return self._one_or_all(rows, params)

    def _premium(self, params: Params) -> Any:
        now = self.book.now()
        rows = [
            {
                "symbol": name,
                "markPrice": plain(market.last),
                "indexPrice": plain(market.last),
                "estimatedSettlePrice": plain(market.last),
                "lastFundingRate": "0",
                "interestRate": "0",
                "nextFundingTime": (now // _FUNDING_EVERY_MS + 1) * _FUNDING_EVERY_MS,
                "time": now,
            }
            for name, market in self.book.markets.items()
        ]
        return self._one_or_all(rows, params)

    def _one_or_all(self, rows: list[Payload], params: Params) -> Any:
        name = self._symbol(params)
        return rows if name is None else next(row for row in rows if row["symbol"] == name)

    # --- orders ------------------------------------------------------------------------------------------------------

    def _open_order(self, params: Params) -> Payload:
        order = self.placing.find(params)
        if order.status not in OPEN:
            raise ApiFault(*ABSENT)
        return order.row()

    def _all_orders(self, params: Params) -> Any:
        symbol = symbol_of(self.book.symbols, params).name
        rows = [each.row() for each in self.book.orders.values() if each.symbol == symbol]
        return page(rows, params, 500, "orderId", "orderId", last_week_of=self.book.now())

    def _trades(self, params: Params) -> Any:
        symbol, order_id = symbol_of(self.book.symbols, params).name, integer_of(params, "orderId")
        found = [each for each in self.book.trades if each.order.symbol == symbol]
        rows = [each.row() for each in found if order_id in (None, each.order.order_id)]
        return page(rows, params, 500, "id", "fromId", last_week_of=None if order_id else self.book.now())

    def _open_algos(self, params: Params) -> list[Payload]:
        algo_id = integer_of(params, "algoId")
        found = self.conditionals.open_algos(self._symbol(params))
        return [each.row() for each in found if algo_id in (None, each.algo_id)]

    def _all_algos(self, params: Params) -> Any:
        symbol = symbol_of(self.book.symbols, params).name
        rows = [each.row() for each in self.conditionals.algos.values() if each.symbol == symbol]
        return page(rows, params, 500, "algoId", "algoId", "createTime", last_week_of=self.book.now())

    def _symbol(self, params: Params) -> str | None:
        return symbol_of(self.book.symbols, params).name if "symbol" in params else None


def _size(quantity: Decimal | None) -> Decimal:
    return Decimal(1000) if quantity is None else quantity


def _symbol(settings: SymbolSettings) -> Payload:
    least, most, step = plain(settings.min_qty), plain(settings.max_qty), plain(settings.step)
    filters: list[Payload] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": plain(settings.min_price),
            "maxPrice": plain(settings.max_price),
            "tickSize": plain(settings.tick),
        },
        {"filterType": "LOT_SIZE", "minQty": least, "maxQty": most, "stepSize": step},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": least,
            "maxQty": plain(settings.most_at_market),
            "stepSize": step,
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": settings.max_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": settings.max_stops},
        {"filterType": "MIN_NOTIONAL", "notional": plain(settings.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": plain(1 + settings.percent),
            "multiplierDown": plain(1 - settings.percent),
            "multiplierDecimal": "4",
        },
    ]
    return {
        "symbol": settings.name,
        "pair": settings.name,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": settings.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": settings.base,
        "quoteAsset": settings.quote,
        "marginAsset": settings.quote,
        "pricePrecision": settings.price_digits,
        "quantityPrecision": settings.quantity_digits,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": filters,
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }
