"""The spot engine's book: what becomes of orders when they are placed, and when the market moves.

The market is the quote that a test sets, and nobody else is in the book. The rules (see also `market.Market`):

* An order that takes is filled at the quote's price, up to the quoted quantity; one that rests, at its own price.
* A quote first triggers stops, oldest first, then fills what rests: buys before sells, the best price first, then the
  oldest. An order is dealt with, with all that follows of it and all its events, before the next one.
* An order of an OCO that trades or triggers expires the other. When the working order of an OTO has filled fully, the
  others are placed; one that would trigger or take at once though it must not expires (the documents say nothing of
  it). When an order ends in another way, its followers end likewise.
* A buy that triggers without a limit may cost more than was locked for its stop: what is free pays the rest as far as
  it goes, and the quantity that it does not pay for expires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from quantmind.testing.binance.engine import Payload, now_msc
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.spot_account import Key, SpotAccount
from quantmind.testing.binance.spot_forms import account_position, execution_report, list_status
from quantmind.testing.binance.spot_orders import NOUGHT, OrderList, SpotOrder, SpotTrade, quote_amount, whole_steps
from quantmind.testing.binance.spot_tape import Tape
from quantmind.testing.binance.symbols import SymbolSettings


@attrs.define(eq=False)
class Matching:
    """Orders, lists and the account that they belong to. Remembers every order: it lives as long as a test."""

    symbols: Mapping[str, SymbolSettings]
    markets: Mapping[str, Market]
    account: SpotAccount
    tape: Tape
    clock: Callable[[], float]
    tell: Callable[[Payload], None]
    orders: dict[str, list[SpotOrder]] = attrs.field(init=False)
    """By symbol, in the order of their ids."""
    lists: list[OrderList] = attrs.field(factory=list, init=False)
    """By their ids."""
    _open: dict[str, dict[int, SpotOrder]] = attrs.field(init=False)
    _last_ids: dict[str, int] = attrs.field(factory=dict, init=False)
    _executions: int = attrs.field(default=0, init=False)
    _filled_first: list[SpotOrder] = attrs.field(factory=list, init=False)
    """Working orders that are filled, and whose followers are to be placed."""

    def __attrs_post_init__(self) -> None:
        self.orders = {symbol: [] for symbol in self.symbols}
        self._open = {symbol: {} for symbol in self.symbols}

    def next_id(self, symbol: str) -> int:
        """The id of the next order of this symbol; other symbols have the same ones."""
        self._last_ids[symbol] = self._last_ids.get(symbol, 0) + 1
        return self._last_ids[symbol]

    def open_orders(self, symbol: str) -> list[SpotOrder]:
        """In the order of their ids."""
        return list(self._open[symbol].values())

    # --- what a request does -------------------------------------------------------------------------------------

    def accept(self, order: SpotOrder) -> None:
        """Take in an order that was checked. One that is NEW goes to work at once."""
        self.orders[order.symbol].append(order)
        self._open[order.symbol][order.order_id] = order
        order.updated_msc = order.created_msc
        self._hold(order)
        if order.status == "NEW" and not order.wish.is_stop:
            order.working_msc = order.created_msc
        self._report(order, "NEW")

    def work(self, order: SpotOrder) -> None:
        """Let an order that was accepted trade, unless it waits for something."""
        if order.rests:
            self._take(order)

    def cancel(self, orders: Iterable[SpotOrder], cancel_id: str) -> list[SpotOrder]:
        """End these at the user's wish. Returns those that were open."""
        ended = [order for order in orders if order.is_open]
        for order in ended:
            if order.is_open:  # and was not ended with the one that it follows
                self._end(order, "CANCELED", cancel_id)
        return ended

    def reject(self, order: SpotOrder, reason: str) -> None:
        """Say that a new order of a cancelReplace was refused; it is kept nowhere."""
        order.status = "REJECTED"
        self._report(order, "REJECTED", reason=reason)

    def settle(self) -> None:
        """Tell what has changed of balances and lists, and place what waited for an order that has filled."""
        self._tell_changes()
        while self._filled_first:
            first = self._filled_first.pop(0)
            for order in first.followers:
                self._activate(order)
            for order in first.followers:
                self.work(order)
            self._tell_changes()

    # --- what the market does ------------------------------------------------------------------------------------

    def quoted(self, symbol: str) -> None:
        """The quote has moved."""
        market = self.markets[symbol]
        self._trigger(symbol, market.price_for)
        for order in self._resting(symbol):
            if order.rests and market.reaches(order.side, order.wish.price):
                offered = market.offered_to(order.side)
                quantity = order.remaining if offered is None else min(order.remaining, offered)
                quantity = whole_steps(quantity, self.symbols[symbol].step)
                if quantity:
                    self.fill(order, order.wish.price, quantity, is_maker=True)
                    market.take(order.side, quantity)
                    self.settle()

    def traded(self, symbol: str, price: Decimal, quantity: Decimal) -> None:
        """Others have traded."""
        self._trigger(symbol, lambda _: price)
        left = quantity
        for order in self._resting(symbol):
            reached = price <= order.wish.price if order.side == "BUY" else price >= order.wish.price
            part = whole_steps(min(left, order.remaining), self.symbols[symbol].step)
            if order.rests and reached and part:
                self.fill(order, order.wish.price, part, is_maker=True)
                left -= part
                self.settle()

    def fill(self, order: SpotOrder, price: Decimal, quantity: Decimal, *, is_maker: bool) -> None:
        """Trade so much of an order that is open."""
        assert order.is_open, order.order_id
        assert 0 < quantity <= order.remaining, f"{quantity} of {order.remaining}"
        self._expire_rival(order)
        now, terms = now_msc(self.clock), self.symbols[order.symbol]
        worth = quote_amount(quantity, price)
        order.filled += quantity
        order.quote_filled += worth
        order.status = "FILLED" if not order.remaining else "PARTIALLY_FILLED"
        order.updated_msc = now
        self._hold(order)
        paid, brought = (terms.quote, terms.base) if order.side == "BUY" else (terms.base, terms.quote)
        costs, brings = (worth, quantity) if order.side == "BUY" else (quantity, worth)
        self.account.change(paid, -costs)
        self.account.change(brought, brings)
        asset, commission = self.account.charge(brought, brings, worth, is_maker)
        trade_id = self.tape.print(order.symbol, price, quantity, now, (order.side == "BUY") == is_maker)
        trade = SpotTrade(trade_id, price, quantity, worth, commission, asset, now, is_maker)
        order.trades.append(trade)
        self._report(order, "TRADE", trade=trade)
        if order.status == "FILLED":
            self._close(order)
            if order.followers:
                self._filled_first.append(order)

    # --- how -----------------------------------------------------------------------------------------------------

    def _take(self, order: SpotOrder) -> None:
        # What the quote offers at once; the rest waits or expires, as the order's kind and time in force have it.
        market, step = self.markets[order.symbol], self.symbols[order.symbol].step
        price = market.price_for(order.side)
        if not order.wish.has_limit:
            order.lock_price = NOUGHT  # it trades or ends now, at whatever price: nothing of a buy stays locked
            self._hold(order)
        limit = order.wish.price if order.wish.has_limit else price
        part = NOUGHT
        if market.reaches(order.side, limit):
            offered = market.offered_to(order.side)
            part = order.remaining if offered is None else min(order.remaining, offered)
            if order.side == "BUY":
                part = min(part, self._affordable(order) / price)
            part = whole_steps(part, step)
        if order.wish.tif == "FOK" and order.wish.has_limit and part < order.remaining:
            part = NOUGHT
        if part:
            self.fill(order, price, part, is_maker=False)
            market.take(order.side, part)
        if order.is_open and (not order.wish.has_limit or order.wish.tif != "GTC"):
            self._end(order, "EXPIRED")

    def _affordable(self, order: SpotOrder) -> Decimal:
        return self.account.free(self.symbols[order.symbol].quote) + self.account.held(_key(order))

    def _trigger(self, symbol: str, seen_by: Callable[[str], Decimal]) -> None:
        for order in self.open_orders(symbol):
            if order.awaits_price and order.wish.is_crossed(seen_by(order.side)):
                self._expire_rival(order)
                order.working_msc = order.updated_msc = now_msc(self.clock)
                self._report(order, "NEW")
                self._take(order)
                self.settle()

    def _activate(self, order: SpotOrder) -> None:
        if order.status != "PENDING_NEW":
            return
        market, now = self.markets[order.symbol], now_msc(self.clock)
        order.status, order.updated_msc = "NEW", now
        crosses = order.wish.is_stop and order.wish.is_crossed(market.price_for(order.side))
        takes = order.wish.kind == "LIMIT_MAKER" and market.reaches(order.side, order.wish.price)
        if crosses or takes:
            self._end(order, "EXPIRED")
            return
        if not order.wish.is_stop:
            order.working_msc = now
        self._report(order, "NEW")

    def _expire_rival(self, order: SpotOrder) -> None:
        if order.rival is not None and order.rival.is_open:
            self._end(order.rival, "EXPIRED")

    def _end(self, order: SpotOrder, status: str, cancel_id: str | None = None) -> None:
        order.status = status
        order.updated_msc = now_msc(self.clock)
        self._close(order)
        self._hold(order)
        self._report(order, status, cancel_id=cancel_id)
        for follower in order.followers:
            if follower.is_open:
                self._end(follower, status, cancel_id)

    def _close(self, order: SpotOrder) -> None:
        self._open[order.symbol].pop(order.order_id, None)

    def _hold(self, order: SpotOrder) -> None:
        # Both legs of an OCO share what the larger one needs: one of them alone will be filled.
        terms = self.symbols[order.symbol]
        need = max(order.need, order.rival.need if order.rival is not None else NOUGHT)
        self.account.hold(_key(order), terms.quote if order.side == "BUY" else terms.base, need)

    def _resting(self, symbol: str) -> list[SpotOrder]:
        resting = [order for order in self.open_orders(symbol) if order.rests]
        buys = sorted((each for each in resting if each.side == "BUY"), key=lambda each: -each.wish.price)
        sells = sorted((each for each in resting if each.side == "SELL"), key=lambda each: each.wish.price)
        return [*buys, *sells]

    def _report(
        self,
        order: SpotOrder,
        execution: str,
        *,
        trade: SpotTrade | None = None,
        cancel_id: str | None = None,
        reason: str = "NONE",
    ) -> None:
        self._executions += 1
        now = now_msc(self.clock)
        self.tell(
            execution_report(order, execution, now, self._executions, trade=trade, cancel_id=cancel_id, reason=reason)
        )

    def _tell_changes(self) -> None:
        now = now_msc(self.clock)
        for orders in self.lists:
            if not orders.is_done and orders.is_over:
                orders.is_done, orders.time_msc = True, now
                self.tell(list_status(orders, now))
        touched = self.account.touched()
        if touched:
            self.account.updated_msc = now
            self.tell(account_position(self.account.balances(touched), now, now))


def _key(order: SpotOrder) -> Key:
    ids = [order.order_id] if order.rival is None else [order.order_id, order.rival.order_id]
    return order.symbol, min(ids)
