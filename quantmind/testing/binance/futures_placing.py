"""Requests about orders of the made-up futures exchange: to place, change and cancel them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import (
    ApiFault,
    Payload,
    integer_of,
    one_of,
    wanted,
    wanted_decimal,
    yes_or_no,
)
from quantmind.testing.binance.futures_book import OrderBook
from quantmind.testing.binance.futures_checks import (
    check_id,
    check_numbers,
    check_side,
    good_till,
    refuse_extra,
    symbol_of,
)
from quantmind.testing.binance.futures_orders import NOUGHT, OPEN, FuturesOrder
from quantmind.testing.binance.ledger import Done, Executed, Ledger

Params = Mapping[str, str]
CONDITIONAL: Final = ("STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP", "TAKE_PROFIT", "TRAILING_STOP_MARKET")
_TIFS: Final = ("GTC", "IOC", "FOK", "GTX", "GTD")
_TAKES: Final = (
    "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be "
    "recorded in the order history"
)
ABSENT: Final = (400, -2013, "Order does not exist.")
UNKNOWN: Final = (400, -2011, "Unknown order sent.")


@attrs.frozen(eq=False)
class Placing:
    """Into one book. Each method is one request."""

    book: OrderBook
    ledger: Ledger

    def find(self, params: Params, fault: tuple[int, int, str] = ABSENT) -> FuturesOrder:
        """The order that a request means: by its own id, or the newest of that name. Raises ApiFault."""
        symbol, order_id = symbol_of(self.book.symbols, params).name, integer_of(params, "orderId")
        if order_id is not None:
            found = self.book.orders.get((symbol, order_id))
        else:
            if not params.get("origClientOrderId"):
                text = "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!"
                raise ApiFault(400, -1102, text)
            key = (symbol, params["origClientOrderId"])
            same = [each for each in self.book.orders.values() if (each.symbol, each.client_id) == key]
            found = max(same, key=lambda each: each.order_id, default=None)
        if found is None:
            raise ApiFault(*fault)
        return found

    def place(self, params: Params) -> Payload:
        """POST /fapi/v1/order. With ACK, the default, the answer says how the order was before it traded."""
        answers = one_of(
            {"newOrderRespType": "ACK"} | dict(params),
            "newOrderRespType",
            ("ACK", "RESULT"),
            ApiFault(400, -1122, "Invalid newOrderRespType."),
        )
        order = self._wished(params)
        symbol, market = self.book.symbols[order.symbol], self.book.markets[order.symbol]
        if any(each.client_id == order.client_id for each in self.book.open_orders(order.symbol)):
            raise ApiFault(400, -4116, "ClientOrderId is duplicated.")
        check_numbers(symbol, market, order)
        if len(self.book.open_orders(order.symbol)) >= symbol.max_orders:
            raise ApiFault(400, -2025, "Reach max open order limit.")
        self.book.check_room(order)
        if order.tif == "GTX" and market.reaches(order.side, order.price):
            raise ApiFault(400, -5022, _TAKES)
        first = self.book.accept(order)
        waits = order.status in OPEN
        self._write(order, Done.PLACED, order.quantity if waits else order.filled, waits=waits)
        return order.answer() if answers == "RESULT" else first

    def modify(self, params: Params) -> Payload:
        """PUT /fapi/v1/order: another price and quantity of a limit order, which keeps its id.

        It is canceled instead where the quantity is filled already, and where a post-only order would take.
        """
        order = self.find(params)
        one_of(params, "side", (order.side,), ApiFault(400, -1117, "Invalid side."))
        quantity, price = wanted_decimal(params, "quantity"), wanted_decimal(params, "price")
        if order.status not in OPEN or order.kind != "LIMIT":
            raise ApiFault(*ABSENT)
        if (quantity, price) == (order.quantity, order.price):
            raise ApiFault(400, -5027, "No need to modify the order.")
        market = self.book.markets[order.symbol]
        changed = attrs.evolve(order, quantity=quantity, price=price)
        check_numbers(self.book.symbols[order.symbol], market, changed)
        if quantity > order.filled:
            self.book.check_room(changed, instead_of=order)
        if quantity <= order.filled or (order.tif == "GTX" and market.reaches(order.side, price)):
            return self._end(order)
        self._change(order, changed.quantity, price)
        self._write(order, Done.MODIFIED, None)
        return order.answer() | {"pair": order.symbol, "modifyId": order.modified}

    def cancel(self, params: Params) -> Payload:
        """DELETE /fapi/v1/order."""
        order = self.find(params, UNKNOWN)
        if order.status not in OPEN:
            raise ApiFault(*UNKNOWN)
        return self._end(order)

    def cancel_all(self, params: Params) -> Payload:
        """DELETE /fapi/v1/allOpenOrders: those of a symbol, and none of its conditional ones."""
        for order in self.book.open_orders(symbol_of(self.book.symbols, params).name):
            self._end(order)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    # --- inside ------------------------------------------------------------------------------------------------------

    def _wished(self, params: Params) -> FuturesOrder:
        symbol = symbol_of(self.book.symbols, params)
        side = one_of(params, "side", ("BUY", "SELL"), ApiFault(400, -1117, "Invalid side."))
        kind = wanted(params, "type")
        if kind in CONDITIONAL:
            raise ApiFault(
                400,
                -4120,
                "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
            )
        if kind not in ("MARKET", "LIMIT"):
            raise ApiFault(400, -1116, "Invalid orderType.")
        if yes_or_no(params, "closePosition"):
            raise ApiFault(400, -4136, f"Target strategy invalid for orderType {kind},closePosition true")
        refuse_extra(params, "stopPrice", "priceMatch", *(("price", "timeInForce") if kind == "MARKET" else ()))
        now, tif = self.book.now(), "GTC"
        if kind == "LIMIT":
            tif = one_of(params, "timeInForce", _TIFS, ApiFault(400, -1115, "Invalid timeInForce."))
        return FuturesOrder(
            client_id=check_id(params, "newClientOrderId") or f"web_{now}_{len(self.book.orders)}",
            symbol=symbol.name,
            side=side,
            kind=kind,
            tif=tif,
            quantity=wanted_decimal(params, "quantity"),
            price=wanted_decimal(params, "price") if kind == "LIMIT" else NOUGHT,
            reduce_only=yes_or_no(params, "reduceOnly"),
            position_side=check_side(params, hedges=self.book.account.hedges),
            time=now,
            good_till=good_till(params, tif, now),
        )

    def _change(self, order: FuturesOrder, quantity: Decimal, price: Decimal) -> None:
        order.quantity, order.price, order.updated = quantity, price, self.book.now()
        order.modified += 1
        self.book.tell(order.event(self.book.now(), "AMENDMENT"))
        self.book.match(order)

    def _end(self, order: FuturesOrder) -> Payload:
        self.book.end(order, "CANCELED")
        self._write(order, Done.CANCELED, None)
        return order.answer()

    def _write(self, order: FuturesOrder, done: Done, quantity: Decimal | None, *, waits: bool = False) -> None:
        self.ledger.write(Executed(order.client_id, order.order_id, order.symbol, quantity, waits, done))
