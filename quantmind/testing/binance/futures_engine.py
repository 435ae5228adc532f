"""A Binance USD-M futures exchange with one account, as a pure state machine: see `engine.Engine` for its promises.

Margin is crossed and reckoned with the leverage of each symbol alone; the last price stands for the mark price. Not
there, and refused as such: trailing stops, batch orders, price match, candles, depth. Not there at all: liquidation,
margin brackets, isolated margin (the setting is kept), the multi-assets mode, BNB for commissions.

Order and trade ids count up from 1 for each symbol, those of conditional orders for the account. What conditional
orders do is told in `futures_conditional`. A trade is told by ACCOUNT_UPDATE, TRADE_LITE and ORDER_TRADE_UPDATE, in
this order; Binance promises none between them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload, now_msc, say_nothing
from quantmind.testing.binance.futures_account import FuturesAccount
from quantmind.testing.binance.futures_account_queries import AccountQueries
from quantmind.testing.binance.futures_book import Commissions, OrderBook
from quantmind.testing.binance.futures_conditional import Conditionals
from quantmind.testing.binance.futures_orders import NOUGHT, OPEN, QUOTE, exact
from quantmind.testing.binance.futures_placing import Placing
from quantmind.testing.binance.futures_queries import MarketQueries
from quantmind.testing.binance.futures_settings import AccountSettings
from quantmind.testing.binance.ledger import Executed, Ledger
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.symbols import FUTURES_SYMBOLS, SymbolSettings

Route = Callable[[Mapping[str, str]], Any]
_LEVERAGE: Final = 20


@attrs.define(eq=False)
class FuturesEngine:
    """An `engine.Engine`. It keeps every order, trade and conditional order as long as it lives.

    Args:
        traded: the symbols and their filters.
        balances: the wallets at the start.
        taker, maker: commission rates.
        keeps_names: the order that comes of a conditional one has its name as client order id.
        tells_lite: each trade is told by TRADE_LITE, too.
        clock: Unix seconds of the exchange.
    """

    traded: Iterable[SymbolSettings] = FUTURES_SYMBOLS
    balances: Mapping[str, Decimal] = attrs.field(factory=lambda: {QUOTE: Decimal(100_000)})
    taker: Decimal = NOUGHT
    maker: Decimal = NOUGHT
    keeps_names: bool = True
    tells_lite: bool = True
    clock: Callable[[], float] = time.time
    on_event: Callable[[Payload], None] = say_nothing
    on_market: Callable[[Payload], None] = say_nothing
    symbols: Mapping[str, SymbolSettings] = attrs.field(init=False)
    markets: dict[str, Market] = attrs.field(init=False)
    account: FuturesAccount = attrs.field(init=False)
    book: OrderBook = attrs.field(init=False)
    conditionals: Conditionals = attrs.field(init=False)
    _settings: AccountSettings = attrs.field(init=False)
    _ledger: Ledger = attrs.field(factory=Ledger, init=False)
    _routes: Mapping[tuple[str, str], Route] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.symbols = {each.name: each for each in self.traded}
        self.markets = {name: Market() for name in self.symbols}
        self.account = FuturesAccount(dict(self.balances), self.markets, dict.fromkeys(self.symbols, _LEVERAGE))
        self.book = OrderBook(
            symbols=self.symbols,
            markets=self.markets,
            account=self.account,
            commissions=Commissions(self.taker, self.maker),
            now=self._now,
            tell=self._tell,
            tell_market=self._tell_market,
            tells_lite=self.tells_lite,
        )
        self.conditionals = conditionals = Conditionals(self.book, self._ledger, self.keeps_names)
        self._settings = settings = AccountSettings(self.book, conditionals)
        placing = Placing(self.book, self._ledger)
        self._routes = {
            **MarketQueries(self.book, placing, conditionals).routes(),
            **AccountQueries(self.book).routes(),
            ("POST", "/fapi/v1/order"): placing.place,
            ("PUT", "/fapi/v1/order"): placing.modify,
            ("DELETE", "/fapi/v1/order"): placing.cancel,
            ("DELETE", "/fapi/v1/allOpenOrders"): placing.cancel_all,
            ("POST", "/fapi/v1/algoOrder"): conditionals.place,
            ("DELETE", "/fapi/v1/algoOrder"): conditionals.cancel,
            ("DELETE", "/fapi/v1/algoOpenOrders"): conditionals.cancel_all,
            ("POST", "/fapi/v1/leverage"): settings.set_leverage,
            ("POST", "/fapi/v1/marginType"): settings.set_margin_type,
            ("POST", "/fapi/v1/positionSide/dual"): settings.set_mode,
            ("POST", "/fapi/v1/countdownCancelAll"): settings.count_down,
            ("POST", "/fapi/v1/listenKey"): settings.open_key,
            ("PUT", "/fapi/v1/listenKey"): settings.keep_key,
            ("DELETE", "/fapi/v1/listenKey"): settings.close_key,
        }

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> Any:
        """See `engine.Engine.handle`."""
        route = self._routes.get((method, path))
        if route is None:
            raise ApiFault(404, -5000, f"Path {path}, Method {method} is invalid")
        return route(params)

    def set_quote(
        self, symbol: str, bid: Decimal, ask: Decimal, bid_qty: Decimal | None = None, ask_qty: Decimal | None = None
    ) -> None:
        """See `engine.Engine.set_quote`: resting orders first, then what is set off. Raises ValueError: no market."""
        market = self.markets[symbol]
        market.move(bid, ask, bid_qty, ask_qty)
        self.book.quoted(symbol)
        self.conditionals.set_off(symbol, {"BUY": market.ask, "SELL": market.bid})

    def trade(self, symbol: str, price: Decimal, qty: Decimal) -> None:
        """See `engine.Engine.trade`. Of a trade that fills ours, both are told. Raises ValueError: it is no trade."""
        if not (price > 0 and qty > 0):
            raise ValueError(f"{qty} at {price} is no trade: both must be above 0")
        self.book.traded(symbol, price, qty)
        self.conditionals.set_off(symbol, {"BUY": price, "SELL": price})

    def fill(self, symbol: str, order_id: int, quantity: Decimal | None = None) -> None:
        """Let a resting order be filled at its own price, so much or all of it, wherever the market is.

        Raises:
            ValueError: no such order rests, or not so much of it.
        """
        order = self.book.orders.get((symbol, order_id))
        part = quantity if quantity is not None else NOUGHT if order is None else order.left
        if order is None or order.status not in OPEN or not 0 < part <= order.left:
            raise ValueError(f"{part} of the order {order_id} can't be filled: it does not rest, or not so much of it")
        self.book.fill(order, order.price, part, is_maker=True)

    def fund(self, symbol: str, rate: Decimal) -> None:
        """Let a funding fee be paid: a long position pays the rate of its worth; without a position nothing happens."""
        held = sum((each.amount for each in self.account.positions.values() if each.symbol == symbol), NOUGHT)
        paid = exact(-held * self.markets[symbol].last * rate)
        if paid:
            self.account.pay("FUNDING_FEE", paid, self._now(), symbol)
            self._tell(self.account.event(self._now(), "FUNDING_FEE", changed=paid))

    def deposit(self, amount: Decimal) -> None:
        """Let something arrive in the wallet; below 0: be withdrawn. Raises ValueError: so much is not free."""
        if self.account.available(self.book.open_orders()) + amount < 0:
            raise ValueError(f"{-amount} {QUOTE} can't be withdrawn: so much is not free")
        self.account.pay("TRANSFER", amount, self._now())
        reason = "DEPOSIT" if amount > 0 else "WITHDRAW"
        self._tell(self.account.event(self._now(), reason, changed=amount))

    def executed(self) -> Sequence[Executed]:
        """See `engine.Engine.executed`."""
        return tuple(self._ledger.entries)

    def run_timers(self) -> None:
        """See `engine.Engine.run_timers`: ends of orders, countdowns, the listen key."""
        for order in self.book.open_orders():
            if order.good_till and order.good_till <= self._now():
                self.book.end(order, "EXPIRED")
        self.conditionals.run_timers()
        self._settings.run_timers()

    # The server may give itself as a listener, or another clock, later on: they are looked up each time.

    def _now(self) -> int:
        return now_msc(self.clock)

    def _tell(self, event: Payload) -> None:
        self.on_event(event)

    def _tell_market(self, event: Payload) -> None:
        self.on_market(event)
