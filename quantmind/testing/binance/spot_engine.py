"""A Binance spot exchange with one account, as a pure state machine: see `engine.Engine` for what it promises.

Not there, and refused as such: icebergs, trailing stops, pegged orders, OPO lists, amendments, order book depth,
candles, SOR. Order and trade ids count up from 1 for each symbol, list ids from 0 for the account.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload, now_msc, say_nothing
from quantmind.testing.binance.ledger import Executed, Ledger
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.spot_account import Commission, SpotAccount
from quantmind.testing.binance.spot_lists import Lists
from quantmind.testing.binance.spot_matching import Matching
from quantmind.testing.binance.spot_placing import Placing, find
from quantmind.testing.binance.spot_queries import Queries
from quantmind.testing.binance.spot_requests import Params
from quantmind.testing.binance.spot_tape import Tape
from quantmind.testing.binance.symbols import SPOT_SYMBOLS, SymbolSettings

_BALANCES: Final = {"USDT": Decimal(100000), "BTC": Decimal(2), "ETH": Decimal(20), "BNB": Decimal(10)}
Route = Callable[[Params], Any]


@attrs.define(eq=False)
class SpotEngine:
    """An `engine.Engine`. It keeps every order, trade and list as long as it lives.

    Args:
        traded: the symbols and their filters.
        balances: what is free at the start.
        commission: rates, and in which asset they are paid.
        clock: Unix seconds of the exchange.
    """

    traded: Iterable[SymbolSettings] = SPOT_SYMBOLS
    balances: Mapping[str, Decimal] = attrs.field(factory=lambda: dict(_BALANCES))
    commission: Commission = attrs.field(factory=Commission)
    clock: Callable[[], float] = time.time
    on_event: Callable[[Payload], None] = say_nothing
    on_market: Callable[[Payload], None] = say_nothing
    symbols: Mapping[str, SymbolSettings] = attrs.field(init=False)
    markets: Mapping[str, Market] = attrs.field(init=False)
    account: SpotAccount = attrs.field(init=False)
    book: Matching = attrs.field(init=False)
    _tape: Tape = attrs.field(init=False)
    _ledger: Ledger = attrs.field(factory=Ledger, init=False)
    _routes: Mapping[tuple[str, str], Route] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.symbols = {each.name: each for each in self.traded}
        self.markets = {name: Market() for name in self.symbols}
        assets = {asset for each in self.symbols.values() for asset in (each.base, each.quote)} | {"BNB"}
        self.account = SpotAccount(self.commission, dict.fromkeys(assets, Decimal(0)) | dict(self.balances))
        self._tape = Tape(self.markets, self._tell_market)
        self.book = Matching(self.symbols, self.markets, self.account, self._tape, self._now_s, self._tell)
        placing = Placing(self.book, self._ledger)
        lists = Lists(self.book, placing, self._ledger)
        queries = Queries(self.book, placing)
        self._routes = queries.routes() | {
            ("POST", "/api/v3/order"): placing.place,
            ("DELETE", "/api/v3/order"): placing.cancel,
            ("DELETE", "/api/v3/openOrders"): placing.cancel_all,
            ("POST", "/api/v3/order/cancelReplace"): placing.replace,
            ("POST", "/api/v3/orderList/oco"): lists.oco,
            ("POST", "/api/v3/orderList/oto"): lists.oto,
            ("POST", "/api/v3/orderList/otoco"): lists.otoco,
            ("DELETE", "/api/v3/orderList"): lists.cancel,
            ("GET", "/api/v3/orderList"): lists.query,
        }

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> Any:
        """See `engine.Engine.handle`."""
        route = self._routes.get((method, path))
        if route is None:
            raise ApiFault(404, -1000, f"There is no {method} {path}.")
        return route(params)

    def set_quote(
        self, symbol: str, bid: Decimal, ask: Decimal, bid_qty: Decimal | None = None, ask_qty: Decimal | None = None
    ) -> None:
        """See `engine.Engine.set_quote`. Raises ValueError: it is no market."""
        self.markets[symbol].move(bid, ask, bid_qty, ask_qty)
        self._tape.quote(symbol)
        self.book.quoted(symbol)

    def trade(self, symbol: str, price: Decimal, qty: Decimal) -> None:
        """See `engine.Engine.trade`. Of a trade that fills ours, both are on the tape. Raises ValueError: no trade."""
        if not (price > 0 and qty > 0):
            raise ValueError(f"{qty} at {price} is no trade: both must be above 0")
        self._tape.print(symbol, price, qty, now_msc(self.clock), buyer_is_maker=price <= self.markets[symbol].bid)
        self.book.traded(symbol, price, qty)

    def fill(self, symbol: str, order_id: int, quantity: Decimal | None = None) -> None:
        """Let a resting order be filled at its own price, so much or all of it, wherever the market is.

        Raises:
            ValueError: no such order rests, or not so much of it.
        """
        order = find(self.book.orders[symbol], order_id, "")
        part = order.remaining if quantity is None else quantity
        if not order.rests or not 0 < part <= order.remaining:
            raise ValueError(f"{part} of the order {order_id} can't be filled: {order.status}, {order.remaining} left")
        self.book.fill(order, order.wish.price, part, is_maker=True)
        self.book.settle()

    def deposit(self, asset: str, amount: Decimal) -> None:
        """Let something arrive; below 0: be withdrawn. Raises ValueError: so much is not free."""
        if self.account.free(asset) + amount < 0:
            raise ValueError(f"{-amount} {asset} can't be withdrawn: {self.account.free(asset)} are free")
        now = now_msc(self.clock)
        self.account.change(asset, amount)
        self.on_event({"e": "balanceUpdate", "E": now, "a": asset, "d": f"{amount:.8f}", "T": now})
        self.book.settle()

    def executed(self) -> Sequence[Executed]:
        """See `engine.Engine.executed`."""
        return tuple(self._ledger.entries)

    def run_timers(self) -> None:
        """Nothing on spot is due by time."""

    # The server may give itself as a listener, or another clock, later on: they are looked up each time.

    def _now_s(self) -> float:
        return self.clock()

    def _tell(self, event: Payload) -> None:
        self.on_event(event)

    def _tell_market(self, event: Payload) -> None:
        self.on_market(event)
