"""How the spot engine places and cancels order lists: OCO, OTO and OTOCO, in the form of 2024 (above and below).

Funds are locked as the documents let one conclude (faqs/opo.md: only an OPO wants no more than its working order):
those of the working order and those of what waits for it, both when the list is placed. The two legs of an OCO share a
lock, of what the larger one needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import ApiFault, Payload, integer_of, now_msc, one_of
from quantmind.testing.binance.ledger import Done, Executed, Ledger
from quantmind.testing.binance.spot_filters import check_lists
from quantmind.testing.binance.spot_forms import list_row, list_status, placed
from quantmind.testing.binance.spot_matching import Matching
from quantmind.testing.binance.spot_orders import NewOrder, OrderList, SpotOrder
from quantmind.testing.binance.spot_placing import Placing
from quantmind.testing.binance.spot_requests import Names, Params, answer_form, client_id_of, new_order, symbol_of

_LIMIT_LEGS: Final = ("LIMIT_MAKER",)
_STOP_LOSSES: Final = ("STOP_LOSS", "STOP_LOSS_LIMIT")
_TAKE_PROFITS: Final = ("TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
_BAD_PRICES: Final = "The relationship of the prices for the orders is not correct."


@attrs.define(eq=False)
class Lists:
    """Order lists of the account."""

    book: Matching
    placing: Placing
    ledger: Ledger

    # --- requests ------------------------------------------------------------------------------------------------

    def oco(self, params: Params) -> Payload:
        """POST /api/v3/orderList/oco."""
        above, below = (new_order(params, self.book.symbols, Names.of_oco(place)) for place in ("above", "below"))
        self._check_kinds(above, below)
        list_name = self._list_name(params, above.symbol)
        form = answer_form(params, above.kind)
        self.placing.check([above, below])
        self._check_names(above.symbol, list_name, [above, below])
        self._check_prices(above, below)
        self.placing.check_balance([(above, below)])
        list_id = len(self.book.lists)
        # The stop first, as Binance does: the limit order may be filled as soon as it is there.
        legs = self._pair(above, below, list_id, "NEW")
        return self._start(OrderList(list_id, list_name, above.symbol, "OCO", legs, self._now()), form)

    def oto(self, params: Params) -> Payload:
        """POST /api/v3/orderList/oto."""
        working = self._working(params)
        pending = new_order(params, self.book.symbols, Names.of("pending"))
        list_name = self._list_name(params, working.symbol)
        form = answer_form(params, working.kind)
        self.placing.check([working, pending])
        self._check_names(working.symbol, list_name, [working, pending])
        self.placing.check_price(working)
        self.placing.check_balance([(working,), (pending,)])
        list_id = len(self.book.lists)
        first = self.placing.made(working, list_id=list_id)
        first.followers = [self.placing.made(pending, list_id=list_id, status="PENDING_NEW")]
        orders = [first, *first.followers]
        return self._start(OrderList(list_id, list_name, working.symbol, "OTO", orders, self._now()), form)

    def otoco(self, params: Params) -> Payload:
        """POST /api/v3/orderList/otoco."""
        working = self._working(params)
        above, below = (
            new_order(params, self.book.symbols, Names.of(f"pending{place}", "pending")) for place in ("Above", "Below")
        )
        self._check_kinds(above, below)
        list_name = self._list_name(params, working.symbol)
        form = answer_form(params, working.kind)
        self.placing.check([working, above, below])
        self._check_names(working.symbol, list_name, [working, above, below])
        if _upper(above) <= _upper(below):
            raise ApiFault(400, -2010, _BAD_PRICES)
        self.placing.check_price(working)
        self.placing.check_balance([(working,), (above, below)])
        list_id = len(self.book.lists)
        first = self.placing.made(working, list_id=list_id)
        first.followers = self._pair(above, below, list_id, "PENDING_NEW")
        orders = [first, *first.followers]
        return self._start(OrderList(list_id, list_name, working.symbol, "OTO", orders, self._now()), form)

    def cancel(self, params: Params) -> Payload:
        """DELETE /api/v3/orderList. Raises ApiFault -2011: no open list is named so."""
        symbol = symbol_of(params, self.book.symbols)
        number, name = integer_of(params, "orderListId"), params.get("listClientOrderId", "")
        if number is None and not name:
            raise _no_name("listClientOrderId")
        cancel_id = client_id_of(params, "newClientOrderId") or self.placing.name()
        for orders in self.book.lists:
            if orders.symbol == symbol and not orders.is_done and _is_meant(orders, number, name):
                said = self.placing.cancel_list(orders, cancel_id)
                self.book.settle()
                return said
        raise ApiFault(400, -2011, "Unknown order list sent.")

    def query(self, params: Params) -> Payload:
        """GET /api/v3/orderList. Raises ApiFault -2018: there is none."""
        number, name = integer_of(params, "orderListId"), params.get("origClientOrderId", "")
        if number is None and not name:
            raise _no_name("origClientOrderId")
        found = [orders for orders in self.book.lists if _is_meant(orders, number, name)]
        if not found:
            raise ApiFault(400, -2018, "Order list does not exist.")
        return list_row(next((orders for orders in found if not orders.is_done), found[-1]))

    # --- how -----------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return now_msc(self.book.clock)

    def _start(self, orders: OrderList, form: str) -> Payload:
        now = self._now()
        self.book.lists.append(orders)
        self.placing.times_msc.extend([now] * len(orders.orders))
        # Filled orders' followers wait until `settle`: the answer still says that they are pending, as Binance's does.
        for order in orders.orders:
            self.book.accept(order)
        self.book.tell(list_status(orders, now))
        for order in orders.orders:
            if order.status == "NEW":
                self.book.work(order)
        quantity = orders.orders[0].quantity
        self.ledger.write(
            Executed(orders.client_id, orders.list_id, orders.symbol, quantity, not orders.is_over, Done.LISTED)
        )
        said = list_row(orders) | {"orderReports": [placed(order, now, form) for order in orders.orders]}
        self.book.settle()
        return said

    def _pair(self, above: NewOrder, below: NewOrder, list_id: int, status: str) -> Sequence[SpotOrder]:
        wishes = sorted((above, below), key=lambda wish: wish.kind in _LIMIT_LEGS)
        first, second = (self.placing.made(wish, list_id=list_id, status=status) for wish in wishes)
        first.rival, second.rival = second, first
        return [first, second]

    def _working(self, params: Params) -> NewOrder:
        fault = ApiFault(400, -1116, "Invalid orderType.")
        one_of(params, "workingType", ("LIMIT", "LIMIT_MAKER"), fault)
        return new_order(params, self.book.symbols, Names.of("working"))

    def _list_name(self, params: Params, symbol: str) -> str:
        open_lists = [orders for orders in self.book.lists if orders.symbol == symbol and not orders.is_done]
        check_lists(len(open_lists), self.book.symbols[symbol])
        return client_id_of(params, "listClientOrderId") or self.placing.name()

    def _check_names(self, symbol: str, list_name: str, wishes: Sequence[NewOrder]) -> None:
        if any(orders.client_id == list_name and not orders.is_done for orders in self.book.lists):
            raise ApiFault(400, -2010, "Duplicate order sent.")
        self.placing.check_names(symbol, [wish.client_id for wish in wishes])

    def _check_kinds(self, above: NewOrder, below: NewOrder) -> None:
        # Above and below are seen from the market's price: what must rise to it, and what must fall.
        if {above.kind, below.kind} & {"LIMIT", "MARKET"}:
            raise ApiFault(400, -1158, "Order type not supported in OCO.")
        if above.kind in _LIMIT_LEGS and below.kind in _LIMIT_LEGS:
            raise ApiFault(400, -1168, "At least one OCO order must be contingent.")
        if above.side == "BUY":
            if above.kind in _LIMIT_LEGS:
                raise ApiFault(400, -1165, "A limit order in a buy OCO must be below.")
            if below.kind in _STOP_LOSSES:
                raise ApiFault(400, -1196, "A stop loss order in a buy OCO must be above.")
            if above.kind in _TAKE_PROFITS:
                raise ApiFault(400, -1198, "A take profit order in a buy OCO must be below.")
            return
        if below.kind in _LIMIT_LEGS:
            raise ApiFault(400, -1166, "A limit order in a sell OCO must be above.")
        if above.kind in _STOP_LOSSES:
            raise ApiFault(400, -1197, "A stop loss order in a sell OCO must be below.")
        if below.kind in _TAKE_PROFITS:
            raise ApiFault(400, -1199, "A take profit order in a sell OCO must be above.")

    def _check_prices(self, above: NewOrder, below: NewOrder) -> None:
        try:
            self.placing.check_price(above)
            self.placing.check_price(below)
        except ApiFault:
            raise ApiFault(400, -2010, _BAD_PRICES) from None
        if _upper(above) <= _upper(below):
            raise ApiFault(400, -2010, _BAD_PRICES)


def _upper(wish: NewOrder) -> Decimal:
    return wish.stop or wish.price


def _is_meant(orders: OrderList, number: int | None, name: str) -> bool:
    return orders.list_id == number if number is not None else orders.client_id == name


def _no_name(name: str) -> ApiFault:
    return ApiFault(400, -1102, f"Param '{name}' or 'orderListId' must be sent, but both were empty/null!")
