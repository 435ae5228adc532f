"""Orders of the made-up futures exchange as they rest, trade and end."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload
from quantmind.testing.binance.futures_account import FuturesAccount, FuturesPosition
from quantmind.testing.binance.futures_orders import NOUGHT, OPEN, Expiry, FuturesOrder, FuturesTrade, exact
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.symbols import SymbolSettings, plain

_ENDLESS: Final = Decimal(1000)
"""What is said of a quantity that never runs out."""


def _ignore(_: object) -> None:
    """Nobody listens."""


@attrs.define(eq=False)
class Commissions:
    """Rates as a part of what is traded."""

    taker: Decimal = NOUGHT
    maker: Decimal = NOUGHT


@attrs.define(eq=False)
class OrderBook:
    """Our orders, and the trades that they had.

    Args:
        now: Unix milliseconds.
        tell, tell_market: get what `engine.Engine` promises its listeners.

    Attributes:
        on_end: called when an order is over, after its event.
        on_position: called when a position has changed, after the events of the trade.
    """

    symbols: Mapping[str, SymbolSettings]
    markets: Mapping[str, Market]
    account: FuturesAccount
    commissions: Commissions
    now: Callable[[], int]
    tell: Callable[[Payload], None]
    tell_market: Callable[[Payload], None]
    tells_lite: bool
    orders: dict[tuple[str, int], FuturesOrder] = attrs.field(factory=dict, init=False)
    trades: list[FuturesTrade] = attrs.field(factory=list, init=False)
    on_end: Callable[[FuturesOrder], None] = attrs.field(default=_ignore, init=False)
    on_position: Callable[[FuturesPosition], None] = attrs.field(default=_ignore, init=False)
    _order_ids: dict[str, Iterator[int]] = attrs.field(factory=dict, init=False)
    _trade_ids: dict[str, Iterator[int]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._order_ids = {name: itertools.count(1) for name in self.symbols}
        self._trade_ids = {name: itertools.count(1) for name in self.symbols}

    def open_orders(self, symbol: str | None = None) -> list[FuturesOrder]:
        """Those that rest, in the order in which they came."""
        return [each for each in self.orders.values() if each.status in OPEN and symbol in (None, each.symbol)]

    # --- one order ---------------------------------------------------------------------------------------------------

    def check_room(self, order: FuturesOrder, instead_of: FuturesOrder | None = None) -> None:
        """Cap what only reduces to its position; what opens must find margin.

        Raises:
            ApiFault: -2022 there is nothing to reduce, -2019 there is too little margin.
        """
        if order.reduces:
            against = self.account.position(order.symbol, order.position_side).against(order.sign)
            # In hedge mode an order that closes more than there is gets no help.
            if not against or (not order.reduce_only and order.left > against):
                raise ApiFault(400, -2022, "ReduceOnly Order is rejected.")
            order.quantity = min(order.quantity, order.filled + against)
            return
        others = [each for each in self.open_orders() if each is not instead_of]
        before = self.account.margin(self.open_orders())
        after = self.account.margin([*others, order])
        if after > before and after > before + self.account.available(self.open_orders()):
            raise ApiFault(400, -2019, "Margin is insufficient.")

    def accept(self, order: FuturesOrder, is_in: Callable[[], None] = lambda: None) -> Payload:
        """Let it in, and trade what can be traded at once. Returns how it was before it traded.

        Args:
            is_in: called when it has its id, before it is told.
        """
        order.order_id = next(self._order_ids[order.symbol])
        order.updated = self.now()
        self.orders[order.symbol, order.order_id] = order
        first = order.answer()
        is_in()
        self.tell(order.event(self.now(), "NEW"))
        self.match(order)
        if order.status in OPEN and order.kind == "MARKET":
            self.end(order, "EXPIRED", Expiry.MARKET)
        elif order.status in OPEN and order.tif in ("IOC", "FOK"):
            self.end(order, "EXPIRED", Expiry.IOC if order.tif == "IOC" else Expiry.FOK)
        return first

    def match(self, order: FuturesOrder) -> None:
        """Trade with the quote what it takes; FOK takes all or nothing."""
        market = self.markets[order.symbol]
        if not market.is_quoted or not (order.kind == "MARKET" or market.reaches(order.side, order.price)):
            return
        if order.tif != "FOK" or self._offered(order) == order.left:
            self._fill_by_quote(order, market.price_for(order.side), is_maker=False)

    def fill(self, order: FuturesOrder, price: Decimal, quantity: Decimal, *, is_maker: bool) -> None:
        """Let it trade. What only reduces trades no more than its position, and ends when that is gone."""
        position = self.account.position(order.symbol, order.position_side)
        if order.reduces:
            quantity = min(quantity, position.against(order.sign))
        if not quantity or order.status not in OPEN:
            return
        now = self.now()
        realized = position.trade(quantity * order.sign, price)
        position.updated = now
        rate = self.commissions.maker if is_maker else self.commissions.taker
        trade = FuturesTrade(
            trade_id=next(self._trade_ids[order.symbol]),
            order=order,
            price=price,
            quantity=quantity,
            commission=exact(quantity * price * rate),
            realized=realized,
            time=now,
            is_maker=is_maker,
        )
        order.filled += quantity
        order.paid += quantity * price
        order.updated = now
        order.status = "PARTIALLY_FILLED" if order.left else "FILLED"
        self.trades.append(trade)
        self.account.book(trade)
        self.tell(self.account.event(now, "ORDER", (position,)))
        if self.tells_lite:
            self.tell(trade.lite(now))
        self.tell(order.event(now, "TRADE", trade))
        self._tell_trade(trade.trade_id, order.symbol, price, quantity, (order.side == "BUY") is is_maker)
        if order.status == "FILLED":
            self.on_end(order)
        self._knock_out(position)
        self.on_position(position)

    def end(self, order: FuturesOrder, status: str, expiry: str = Expiry.NONE) -> None:
        """It is over: CANCELED or EXPIRED."""
        order.status, order.updated = status, self.now()
        self.tell(order.event(self.now(), status, expiry=expiry))
        self.on_end(order)

    # --- the market --------------------------------------------------------------------------------------------------

    def quoted(self, symbol: str) -> None:
        """The quote has moved: say so, and fill what it reaches, the best price first, then the oldest."""
        market, now = self.markets[symbol], self.now()
        sizes = {
            "B": plain(_ENDLESS if market.bid_qty is None else market.bid_qty),
            "A": plain(_ENDLESS if market.ask_qty is None else market.ask_qty),
        }
        said = {"e": "bookTicker", "u": market.update_id, "s": symbol, "b": plain(market.bid), "a": plain(market.ask)}
        self.tell_market({"kind": "bookTicker", "symbol": symbol, "data": said | sizes | {"T": now, "E": now}})
        for order in self._by_price(symbol):
            if market.reaches(order.side, order.price):
                self._fill_by_quote(order, order.price, is_maker=True)

    def traded(self, symbol: str, price: Decimal, quantity: Decimal) -> None:
        """Others have traded: what rests at that price or better has its part of it."""
        buyer_is_maker = price <= self.markets[symbol].bid
        self._tell_trade(next(self._trade_ids[symbol]), symbol, price, quantity, buyer_is_maker)
        left = quantity
        for order in self._by_price(symbol):
            if left > 0 and (order.price - price) * order.sign >= 0:
                before = order.filled
                self.fill(order, order.price, min(left, order.left), is_maker=True)
                left -= order.filled - before

    def _by_price(self, symbol: str) -> list[FuturesOrder]:
        return sorted(self.open_orders(symbol), key=lambda each: (-each.price * each.sign, each.order_id))

    # As far as it is quoted; what was traded is quoted no more.
    def _fill_by_quote(self, order: FuturesOrder, price: Decimal, *, is_maker: bool) -> None:
        before = order.filled
        self.fill(order, price, self._offered(order), is_maker=is_maker)
        self.markets[order.symbol].take(order.side, order.filled - before)

    def _offered(self, order: FuturesOrder) -> Decimal:
        offered = self.markets[order.symbol].offered_to(order.side)
        return order.left if offered is None else min(order.left, offered)

    # Orders that would reduce, and find nothing left to be reduced.
    def _knock_out(self, position: FuturesPosition) -> None:
        for order in self.open_orders(position.symbol):
            if order.position_side == position.side and order.reduces and not position.against(order.sign):
                self.end(order, "EXPIRED", Expiry.KNOCKED_OUT)

    def _tell_trade(self, number: int, symbol: str, price: Decimal, quantity: Decimal, buyer_is_maker: bool) -> None:
        now = self.now()
        self.markets[symbol].last = price
        said = {"e": "trade", "E": now, "T": now, "s": symbol, "t": number, "p": plain(price), "q": plain(quantity)}
        self.tell_market({"kind": "trade", "symbol": symbol, "data": said | {"X": "MARKET", "m": buyer_is_maker}})
