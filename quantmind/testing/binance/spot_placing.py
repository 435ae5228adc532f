"""How the spot engine places, cancels and replaces single orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload, now_msc, one_of
from quantmind.testing.binance.ledger import Done, Executed, Ledger
from quantmind.testing.binance.spot_filters import check, check_counts
from quantmind.testing.binance.spot_forms import canceled, list_row, placed
from quantmind.testing.binance.spot_matching import Matching
from quantmind.testing.binance.spot_orders import NOUGHT, NewOrder, OrderList, SpotOrder, quote_amount, whole_steps
from quantmind.testing.binance.spot_requests import (
    Names,
    Params,
    answer_form,
    client_id_of,
    new_order,
    order_id_of,
    symbol_of,
)

_SHORT: Final = "Account has insufficient balance for requested action."
_TRIGGERS: Final = "Stop price would trigger immediately."
_TAKES: Final = "Order would immediately match and take."
_REASONS: Final = {
    _SHORT: "INSUFFICIENT_BALANCES",
    _TRIGGERS: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    _TAKES: "WOULD_MATCH_IMMEDIATELY",
}
_UNKNOWN: Final = ApiFault(400, -2011, "Unknown order sent.")
_MODES: Final = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
_RESTRICTIONS: Final = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}


@attrs.define(eq=False)
class Placing:
    """Single orders. What it does is done, told and written into the ledger when a method returns."""

    book: Matching
    ledger: Ledger
    times_msc: list[int] = attrs.field(factory=list, init=False)
    """When orders were placed, for GET rateLimit/order."""
    _named: int = attrs.field(default=0, init=False)

    # --- requests ------------------------------------------------------------------------------------------------

    def place(self, params: Params) -> Payload:
        """POST /api/v3/order."""
        wish = new_order(params, self.book.symbols, Names())
        form = answer_form(params, wish.kind)
        self.check([wish])
        order = self._place(wish)
        return placed(order, now_msc(self.book.clock), form)

    def cancel(self, params: Params) -> Payload:
        """DELETE /api/v3/order. That of one order of a list cancels all of it, and is answered as that is."""
        symbol = symbol_of(params, self.book.symbols)
        said = self._cancel(symbol, *order_id_of(params), params)
        self.book.settle()
        return said

    def cancel_all(self, params: Params) -> list[Payload]:
        """DELETE /api/v3/openOrders. Raises ApiFault -2011: there are none."""
        symbol = symbol_of(params, self.book.symbols)
        orders = self.book.open_orders(symbol)
        if not orders:
            raise _UNKNOWN
        cancel_id = self.name()
        lists = {order.list_id for order in orders} - {-1}
        said = [self._cancel_one(order, cancel_id) for order in orders if order.list_id == -1]
        said += [self.cancel_list(each, cancel_id) for each in self.book.lists if each.list_id in lists]
        self.book.settle()
        return said

    def replace(self, params: Params) -> Payload:
        """POST /api/v3/order/cancelReplace. Filters come before both halves: nothing is canceled for an order that
        breaks one. Raises ApiFault -2021 (409, one half was done) or -2022 (none was)."""
        wish = new_order(params, self.book.symbols, Names())
        form = answer_form(params, wish.kind)
        fault = ApiFault(400, -1100, "Illegal characters found in parameter 'cancelReplaceMode'; legal range is ''.")
        mode = one_of(params, "cancelReplaceMode", _MODES, fault)
        number, client_id = order_id_of(params, "cancelOrderId", "cancelOrigClientOrderId")
        self.check([wish])
        said: Payload = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
        try:
            said["cancelResponse"] = self._cancel(wish.symbol, number, client_id, params, "cancelNewClientOrderId")
        except ApiFault as cancel_fault:
            said |= {"cancelResult": "FAILURE", "cancelResponse": cancel_fault.body()}
            if mode == "STOP_ON_FAILURE":
                said |= {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
                raise ApiFault(400, -2022, "Order cancel-replace failed.", said) from None
        try:
            order = self._place(wish, says_rejected=said["cancelResult"] == "SUCCESS")
            said["newOrderResponse"] = placed(order, now_msc(self.book.clock), form)
        except ApiFault as new_fault:
            self.book.settle()
            said |= {"newOrderResult": "FAILURE", "newOrderResponse": new_fault.body()}
        results = {said["cancelResult"], said["newOrderResult"]}
        if results == {"FAILURE"}:
            raise ApiFault(400, -2022, "Order cancel-replace failed.", said)
        if "FAILURE" in results:
            raise ApiFault(409, -2021, "Order cancel-replace partially failed.", said)
        return said

    # --- parts that lists use, too -------------------------------------------------------------------------------

    def check(self, wishes: Sequence[NewOrder]) -> None:
        """Raises ApiFault -1013: one of these breaks a rule of the symbol, or they are too many."""
        for wish in wishes:
            check(wish, self.book.symbols[wish.symbol], self.book.markets[wish.symbol])
        symbol = wishes[0].symbol
        check_counts(wishes, self.book.open_orders(symbol), self.book.symbols[symbol])

    def made(self, wish: NewOrder, *, list_id: int = -1, status: str = "NEW") -> SpotOrder:
        """An order with its ids, which nobody knows yet."""
        market, now = self.book.markets[wish.symbol], now_msc(self.book.clock)
        price = market.price_for(wish.side)
        quantity = wish.quantity
        if wish.quote_quantity and price:
            quantity = whole_steps(wish.quote_quantity / price, self.book.symbols[wish.symbol].step)
        return SpotOrder(
            wish,
            self.book.next_id(wish.symbol),
            wish.client_id or self.name(),
            quantity,
            now,
            lock_price=wish.price or wish.stop or price,
            list_id=list_id,
            status=status,
        )

    def check_names(self, symbol: str, client_ids: Sequence[str]) -> None:
        """Raises ApiFault -2010: an open order, or another one of these, has the same client id."""
        taken = {order.client_id for order in self.book.open_orders(symbol)}
        for client_id in client_ids:
            if client_id and client_id in taken:
                raise ApiFault(400, -2010, "Duplicate order sent.")
            taken.add(client_id)

    def check_price(self, wish: NewOrder) -> None:
        """Raises ApiFault -2010: it would trigger, or take, at once though it must not."""
        market = self.book.markets[wish.symbol]
        if wish.is_stop and market.is_quoted and wish.is_crossed(market.price_for(wish.side)):
            raise ApiFault(400, -2010, _TRIGGERS)
        if wish.kind == "LIMIT_MAKER" and market.reaches(wish.side, wish.price):
            raise ApiFault(400, -2010, _TAKES)

    def check_balance(self, orders: Sequence[tuple[NewOrder, ...]]) -> None:
        """Raises ApiFault -2010: not enough is free. Orders that share a lock come together."""
        wanted = {terms.quote: NOUGHT for terms in self.book.symbols.values()}
        for sharing in orders:
            terms, market = self.book.symbols[sharing[0].symbol], self.book.markets[sharing[0].symbol]
            needs = []
            for wish in sharing:
                price = wish.price or wish.stop or market.price_for(wish.side)
                quantity = wish.quantity or (whole_steps(wish.quote_quantity / price, terms.step) if price else NOUGHT)
                needs.append(quote_amount(quantity, price) if wish.side == "BUY" else quantity)
            asset = terms.quote if sharing[0].side == "BUY" else terms.base
            wanted[asset] = wanted.get(asset, NOUGHT) + max(needs)
        if not self.book.account.can_hold(wanted):
            raise ApiFault(400, -2010, _SHORT)

    def cancel_list(self, orders: OrderList, cancel_id: str) -> Payload:
        """End all of a list that is open; the caller settles."""
        now = now_msc(self.book.clock)
        ended = self.book.cancel(orders.orders, cancel_id)
        for order in ended:
            self.ledger.write(Executed(order.client_id, order.order_id, order.symbol, None, False, Done.CANCELED))
        said = list_row(orders) | {"listStatusType": "ALL_DONE", "listOrderStatus": "ALL_DONE"}
        return said | {"orderReports": [canceled(order, now, cancel_id) for order in ended]}

    def name(self) -> str:
        """A client id for an order, a list or a cancellation that was given none."""
        self._named += 1
        return f"auto-{self._named:017d}"

    # --- how -----------------------------------------------------------------------------------------------------

    def _place(self, wish: NewOrder, *, says_rejected: bool = False) -> SpotOrder:
        try:
            self.check_names(wish.symbol, [wish.client_id])
            self.check_price(wish)
            self.check_balance([(wish,)])
        except ApiFault as fault:
            if says_rejected:
                self.book.reject(self.made(wish), _REASONS.get(fault.message, "NONE"))
            raise
        order = self.made(wish)
        if not order.quantity:
            raise ApiFault(400, -2010, "Order book liquidity is less than symbol minimum quantity.")
        self.times_msc.append(order.created_msc)
        self.book.accept(order)
        self.book.work(order)
        quantity = order.quantity if order.is_open else order.filled
        self.ledger.write(Executed(order.client_id, order.order_id, order.symbol, quantity, order.is_open))
        self.book.settle()
        return order

    def _cancel(
        self, symbol: str, number: int | None, client_id: str, params: Params, names_it: str = "newClientOrderId"
    ) -> Payload:
        cancel_id = client_id_of(params, names_it) or self.name()
        found = [
            order
            for order in self.book.open_orders(symbol)
            if (number is None or order.order_id == number) and client_id in ("", order.client_id)
        ]
        if not found:
            raise _UNKNOWN
        order = found[0]
        restriction = params.get("cancelRestrictions")
        if restriction is not None and restriction not in _RESTRICTIONS:
            raise ApiFault(400, -1145, "Invalid cancelRestrictions")
        if restriction is not None and order.status != _RESTRICTIONS[restriction]:
            raise ApiFault(400, -2011, "Order was not canceled due to cancel restrictions.")
        if order.list_id != -1:
            return self.cancel_list(self.book.lists[order.list_id], cancel_id)
        return self._cancel_one(order, cancel_id)

    def _cancel_one(self, order: SpotOrder, cancel_id: str) -> Payload:
        self.book.cancel([order], cancel_id)
        self.ledger.write(Executed(order.client_id, order.order_id, order.symbol, None, False, Done.CANCELED))
        return canceled(order, now_msc(self.book.clock), cancel_id)


def find(orders: Sequence[SpotOrder], number: int | None, client_id: str) -> SpotOrder:
    """Which order is meant; of several with one client id the open one, else the newest. Raises ApiFault -2013."""
    found = [
        order for order in orders if (number is None or order.order_id == number) and client_id in ("", order.client_id)
    ]
    if not found:
        raise ApiFault(400, -2013, "Order does not exist.")
    return next((order for order in found if order.is_open), found[-1])
