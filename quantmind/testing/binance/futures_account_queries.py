"""What the made-up futures exchange answers to questions about the account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.testing.binance.engine import Payload
from quantmind.testing.binance.futures_account import FuturesPosition
from quantmind.testing.binance.futures_book import OrderBook
from quantmind.testing.binance.futures_checks import symbol_of
from quantmind.testing.binance.futures_orders import NOUGHT, QUOTE, worded
from quantmind.testing.binance.futures_queries import page
from quantmind.testing.binance.futures_settings import MOST_LEVERAGE
from quantmind.testing.binance.symbols import plain

Params = Mapping[str, str]
_MOST_NOTIONAL: Final = "1000000000"


@attrs.frozen(eq=False)
class AccountQueries:
    """Of one account. Version 2 of a question tells every symbol, version 3 those with a position or an order."""

    book: OrderBook

    def routes(self) -> Mapping[tuple[str, str], Callable[[Params], Any]]:
        """By method and path."""
        paths: dict[str, Callable[[Params], Any]] = {
            "v1/income": self._income,
            "v1/leverageBracket": self._brackets,
            "v1/symbolConfig": self._config,
            "v1/commissionRate": self._rates,
            "v1/positionSide/dual": lambda _: {"dualSidePosition": self.book.account.hedges},
            "v1/multiAssetsMargin": lambda _: {"multiAssetsMargin": False},
            "v2/balance": self._balances,
            "v3/balance": self._balances,
            "v2/account": self._account_2,
            "v3/account": self._account_3,
            "v2/positionRisk": self._risks_2,
            "v3/positionRisk": self._risks_3,
        }
        return {("GET", f"/fapi/{path}"): route for path, route in paths.items()}

    # --- settings ----------------------------------------------------------------------------------------------------

    def _config(self, params: Params) -> list[Payload]:
        account = self.book.account
        return [
            {
                "symbol": name,
                "marginType": account.margin_types.get(name, "CROSSED"),
                "isAutoAddMargin": False,
                "leverage": account.leverages[name],
                "maxNotionalValue": _MOST_NOTIONAL,
            }
            for name in self._names(params)
        ]

    # One bracket: as much leverage as is wanted, for any worth.
    def _brackets(self, params: Params) -> list[Payload]:
        bracket = {
            "bracket": 1,
            "initialLeverage": MOST_LEVERAGE,
            "notionalCap": int(_MOST_NOTIONAL),
            "notionalFloor": 0,
            "maintMarginRatio": 0.004,
            "cum": 0.0,
        }
        return [{"symbol": name, "notionalCoef": 1.0, "brackets": [bracket]} for name in self._names(params)]

    def _rates(self, params: Params) -> Payload:
        return {
            "symbol": symbol_of(self.book.symbols, params).name,
            "makerCommissionRate": plain(self.book.commissions.maker),
            "takerCommissionRate": plain(self.book.commissions.taker),
            "rpiCommissionRate": plain(self.book.commissions.maker),
        }

    def _income(self, params: Params) -> Any:
        name, kind = params.get("symbol"), params.get("incomeType")
        rows = [
            row
            for row in self.book.account.income
            if name in (None, row["symbol"]) and kind in (None, row["incomeType"])
        ]
        return page(rows, params, 100, "tranId")

    # --- money -------------------------------------------------------------------------------------------------------

    def _balances(self, params: Params) -> list[Payload]:
        del params
        account, now = self.book.account, self.book.now()
        free = max(NOUGHT, account.available(self.book.open_orders()))
        return [
            {
                "accountAlias": "SgsR",
                "asset": asset,
                "balance": plain(amount),
                "crossWalletBalance": plain(amount),
                "crossUnPnl": worded(account.unrealized()) if asset == QUOTE else "0",
                "availableBalance": worded(free) if asset == QUOTE else "0",
                "maxWithdrawAmount": worded(min(free, amount)) if asset == QUOTE else plain(amount),
                "marginAvailable": asset == QUOTE,
                "updateTime": now,
            }
            for asset, amount in account.wallets.items()
        ]

    def _account_2(self, params: Params) -> Payload:
        del params
        account = self.book.account
        rows = [
            self._position(each)
            | {
                "leverage": str(account.leverages[each.symbol]),
                "isolated": account.margin_types.get(each.symbol) == "ISOLATED",
                "entryPrice": worded(each.entry),
                "maxNotional": _MOST_NOTIONAL,
                "bidNotional": "0",
                "askNotional": "0",
            }
            for each in self._every()
        ]
        said = {
            "feeTier": 0,
            "feeBurn": True,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "updateTime": 0,
            "multiAssetsMargin": False,
            "tradeGroupId": -1,
        }
        return said | self._totals() | {"positions": rows}

    def _account_3(self, params: Params) -> Payload:
        del params
        return self._totals() | {"positions": [self._position(each) for each in self._touched()]}

    def _totals(self) -> Payload:
        account, orders = self.book.account, self.book.open_orders()
        wallet, profit = account.wallets.get(QUOTE, NOUGHT), account.unrealized()
        margin, held = account.margin(orders), account.margin(())
        free = max(NOUGHT, account.available(orders))
        asset = {
            "asset": QUOTE,
            "walletBalance": plain(wallet),
            "unrealizedProfit": worded(profit),
            "marginBalance": worded(wallet + profit),
            "maintMargin": "0",
            "initialMargin": worded(margin),
            "positionInitialMargin": worded(held),
            "openOrderInitialMargin": worded(margin - held),
            "crossWalletBalance": plain(wallet),
            "crossUnPnl": worded(profit),
            "availableBalance": worded(free),
            "maxWithdrawAmount": worded(min(free, wallet)),
            "marginAvailable": True,
            "updateTime": self.book.now(),
        }
        others = [
            {"asset": name, "walletBalance": plain(amount), "updateTime": self.book.now()}
            for name, amount in account.wallets.items()
            if name != QUOTE
        ]
        return {
            "totalInitialMargin": asset["initialMargin"],
            "totalMaintMargin": "0",
            "totalWalletBalance": asset["walletBalance"],
            "totalUnrealizedProfit": asset["unrealizedProfit"],
            "totalMarginBalance": asset["marginBalance"],
            "totalPositionInitialMargin": asset["positionInitialMargin"],
            "totalOpenOrderInitialMargin": asset["openOrderInitialMargin"],
            "totalCrossWalletBalance": asset["crossWalletBalance"],
            "totalCrossUnPnl": asset["crossUnPnl"],
            "availableBalance": asset["availableBalance"],
            "maxWithdrawAmount": asset["maxWithdrawAmount"],
            "assets": [asset, *others],
        }

    # --- positions ---------------------------------------------------------------------------------------------------

    def _position(self, position: FuturesPosition) -> Payload:
        account = self.book.account
        margin, both = self._margins(position)
        return {
            "symbol": position.symbol,
            "positionSide": position.side,
            "positionAmt": plain(position.amount),
            "unrealizedProfit": worded(account.unrealized(position)),
            "isolatedMargin": "0",
            "notional": plain(position.amount * self.book.markets[position.symbol].last),
            "isolatedWallet": "0",
            "initialMargin": worded(both),
            "positionInitialMargin": worded(margin),
            "openOrderInitialMargin": worded(both - margin),
            "maintMargin": "0",
            "updateTime": position.updated,
        }

    def _risks_2(self, params: Params) -> list[Payload]:
        account = self.book.account
        return [
            self._risk(each)
            | {
                "marginType": account.margin_types.get(each.symbol, "CROSSED").removesuffix("ED").lower(),
                "isAutoAddMargin": "false",
                "leverage": str(account.leverages[each.symbol]),
                "maxNotionalValue": _MOST_NOTIONAL,
            }
            for each in self._every()
            if each.symbol in self._names(params)
        ]

    def _risks_3(self, params: Params) -> list[Payload]:
        return [self._risk(each) for each in self._touched() if each.symbol in self._names(params)]

    def _risk(self, position: FuturesPosition) -> Payload:
        said = self._position(position)
        del said["unrealizedProfit"]
        return said | {
            "entryPrice": worded(position.entry),
            "breakEvenPrice": worded(position.entry),
            "markPrice": plain(self.book.markets[position.symbol].last),
            "unRealizedProfit": worded(self.book.account.unrealized(position)),
            "liquidationPrice": "0",
            "marginAsset": QUOTE,
            "adl": 0,
            "bidNotional": "0",
            "askNotional": "0",
        }

    def _margins(self, position: FuturesPosition) -> tuple[Decimal, Decimal]:
        key = (position.symbol, position.side)
        orders = [each for each in self.book.open_orders() if (each.symbol, each.position_side) == key]
        alone = attrs.evolve(self.book.account, positions={key: position})
        return alone.margin(()), alone.margin(orders)

    def _touched(self) -> list[FuturesPosition]:
        waits = {(each.symbol, each.position_side) for each in self.book.open_orders()}
        return [each for each in self._every() if each.amount or (each.symbol, each.side) in waits]

    def _every(self) -> list[FuturesPosition]:
        sides = ("LONG", "SHORT") if self.book.account.hedges else ("BOTH",)
        return [self.book.account.position(name, side) for name in self.book.symbols for side in sides]

    def _names(self, params: Params) -> list[str]:
        return [symbol_of(self.book.symbols, params).name] if "symbol" in params else list(self.book.symbols)
