"""What the made-up futures exchange answers to questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload, integer_of
from quantmind.testing.binance.futures_orders import NOUGHT, OPEN, QUOTE, FuturesPosition
from quantmind.testing.binance.symbols import SymbolSettings, plain

if TYPE_CHECKING:
    from quantmind.testing.binance.futures_engine import FuturesEngine

Params = Mapping[str, str]


@attrs.frozen(eq=False)
class FuturesQueries:
    """Of one engine."""

    engine: FuturesEngine

    def routes(self) -> Mapping[tuple[str, str], Callable[[Params], Any]]:
        """By method and path."""
        paths: dict[str, Callable[[Params], Any]] = {
            "/fapi/v1/time": lambda _: {"serverTime": self.engine.now},
            "/fapi/v1/ping": lambda _: {},
            "/fapi/v1/exchangeInfo": self._info,
            "/fapi/v1/ticker/bookTicker": self._book,
            "/fapi/v1/premiumIndex": self._premium,
            "/fapi/v1/order": lambda params: self.engine.order_of(params).row(),
            "/fapi/v1/openOrder": self._open_order,
            "/fapi/v1/openOrders": self._open_orders,
            "/fapi/v1/allOrders": self._all_orders,
            "/fapi/v1/userTrades": self._trades,
            "/fapi/v1/algoOrder": lambda params: self.engine.algo_of(params).row(),
            "/fapi/v1/openAlgoOrders": self._open_algos,
            "/fapi/v1/allAlgoOrders": self._all_algos,
            "/fapi/v1/symbolConfig": self._config,
            "/fapi/v1/positionSide/dual": lambda _: {"dualSidePosition": self.engine.account.hedges},
            "/fapi/v1/multiAssetsMargin": lambda _: {"multiAssetsMargin": False},
            "/fapi/v2/balance": self._balance,
            "/fapi/v3/balance": self._balance,
            "/fapi/v2/account": self._account,
            "/fapi/v3/account": self._account,
            "/fapi/v2/positionRisk": self._positions,
            "/fapi/v3/positionRisk": self._positions,
        }
        return {("GET", path): route for path, route in paths.items()}

    # --- the market --------------------------------------------------------------------------------------------------

    def _info(self, params: Params) -> Payload:
        del params
        return {
            "exchangeFilters": [],
            "rateLimits": [],
            "serverTime": self.engine.now,
            "assets": [{"asset": QUOTE, "marginAvailable": True, "autoAssetExchange": "0"}],
            "symbols": [_symbol(each) for each in self.engine.symbols.values()],
            "timezone": "UTC",
        }

    def _book(self, params: Params) -> Any:
        rows = [
            {
                "symbol": name,
                "bidPrice": plain(market.bid),
                "bidQty": "1",
                "askPrice": plain(market.ask),
                "askQty": "1",
                "time": self.engine.now,
            }
            for name, market in self.engine.markets.items()
        ]
        return self._one_or_all(rows, params)

    def _premium(self, params: Params) -> Any:
        rows = [
            {
                "symbol": name,
                "markPrice": plain(market.last),
                "indexPrice": plain(market.last),
                "lastFundingRate": "0",
                "nextFundingTime": 0,
                "time": self.engine.now,
            }
            for name, market in self.engine.markets.items()
        ]
        return self._one_or_all(rows, params)

    def _one_or_all(self, rows: list[Payload], params: Params) -> Any:
        if "symbol" not in params:
            return rows
        name = self.engine.symbol_of(params).name
        return next(row for row in rows if row["symbol"] == name)

    # --- orders ------------------------------------------------------------------------------------------------------

    def _open_order(self, params: Params) -> Payload:
        order = self.engine.order_of(params)
        if order.status not in OPEN:
            raise ApiFault(400, -2013, "Order does not exist.")
        return order.row()

    def _open_orders(self, params: Params) -> list[Payload]:
        return [each.row() for each in self.engine.open_orders(self._symbol(params))]

    def _all_orders(self, params: Params) -> list[Payload]:
        symbol = self.engine.symbol_of(params).name
        rows = [each.row() for each in self.engine.orders.values() if each.symbol == symbol]
        return rows[-_limit(params) :]

    def _trades(self, params: Params) -> list[Payload]:
        symbol, order_id = self.engine.symbol_of(params).name, integer_of(params, "orderId")
        found = [each for each in self.engine.trades if each.order.symbol == symbol]
        rows = [each.row() for each in found if order_id in (None, each.order.order_id)]
        return rows[-_limit(params) :]

    def _open_algos(self, params: Params) -> list[Payload]:
        return [each.row() for each in self.engine.open_algos(self._symbol(params))]

    def _all_algos(self, params: Params) -> list[Payload]:
        symbol = self.engine.symbol_of(params).name
        return [each.row() for each in self.engine.algos.values() if each.symbol == symbol][-_limit(params) :]

    def _symbol(self, params: Params) -> str | None:
        return self.engine.symbol_of(params).name if "symbol" in params else None

    # --- the account -------------------------------------------------------------------------------------------------

    def _config(self, params: Params) -> list[Payload]:
        account = self.engine.account
        names = [self.engine.symbol_of(params).name] if "symbol" in params else list(self.engine.symbols)
        return [
            {
                "symbol": name,
                "marginType": account.margin_types.get(name, "CROSSED"),
                "isAutoAddMargin": False,
                "leverage": account.leverages[name],
                "maxNotionalValue": "1000000",
            }
            for name in names
        ]

    def _balance(self, params: Params) -> list[Payload]:
        del params
        return [
            {
                "accountAlias": "SgsR",
                "asset": asset,
                "balance": plain(amount),
                "crossWalletBalance": plain(amount),
                "crossUnPnl": "0",
                "availableBalance": plain(amount),
                "maxWithdrawAmount": plain(amount),
                "marginAvailable": True,
                "updateTime": self.engine.now,
            }
            for asset, amount in self.engine.account.wallets.items()
        ]

    def _account(self, params: Params) -> Payload:
        del params
        engine, account = self.engine, self.engine.account
        orders = engine.open_orders()
        profit = sum((account.unrealized(each) for each in account.positions.values()), NOUGHT)
        wallet, margin = account.wallets.get(QUOTE, NOUGHT), account.margin(orders)
        held = [each for each in account.positions.values() if each.amount]
        return {
            "totalInitialMargin": plain(margin),
            "totalMaintMargin": "0",
            "totalWalletBalance": plain(wallet),
            "totalUnrealizedProfit": plain(profit),
            "totalMarginBalance": plain(wallet + profit),
            "availableBalance": plain(account.available(orders)),
            "maxWithdrawAmount": plain(wallet),
            "assets": [
                {"asset": asset, "walletBalance": plain(amount), "updateTime": engine.now}
                for asset, amount in account.wallets.items()
            ],
            "positions": [
                {
                    "symbol": each.symbol,
                    "positionSide": each.side,
                    "positionAmt": plain(each.amount),
                    "unrealizedProfit": plain(account.unrealized(each)),
                    "updateTime": each.updated,
                }
                for each in held
            ],
        }

    def _positions(self, params: Params) -> list[Payload]:
        del params
        return [self._position(each) for each in self.engine.account.positions.values() if each.amount]

    def _position(self, position: FuturesPosition) -> Payload:
        account, last = self.engine.account, self.engine.markets[position.symbol].last
        return {
            "symbol": position.symbol,
            "positionSide": position.side,
            "positionAmt": plain(position.amount),
            "entryPrice": plain(position.entry),
            "breakEvenPrice": plain(position.entry),
            "markPrice": plain(last),
            "unRealizedProfit": plain(account.unrealized(position)),
            "liquidationPrice": "0",
            "isolatedMargin": "0",
            "notional": plain(position.amount * last),
            "marginAsset": QUOTE,
            "isolatedWallet": "0",
            "initialMargin": plain(account.margin_of(position)),
            "maintMargin": "0",
            "updateTime": position.updated,
        }


def _limit(params: Params) -> int:
    return min(integer_of(params, "limit") or 500, 1000)


def _symbol(settings: SymbolSettings) -> Payload:
    filters: list[Payload] = [
        {
            "filterType": "PRICE_FILTER",
            "maxPrice": plain(settings.max_price),
            "minPrice": plain(settings.min_price),
            "tickSize": plain(settings.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "maxQty": plain(settings.max_qty),
            "minQty": plain(settings.min_qty),
            "stepSize": plain(settings.step),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "maxQty": plain(settings.most_at_market),
            "minQty": plain(settings.min_qty),
            "stepSize": plain(settings.step),
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
        "status": settings.status,
        "baseAsset": settings.base,
        "quoteAsset": settings.quote,
        "marginAsset": settings.quote,
        "pricePrecision": settings.price_digits,
        "quantityPrecision": settings.quantity_digits,
        "filters": filters,
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "triggerProtect": "0.05",
        "marketTakeBound": "0.05",
    }
