"""Conditional (algo) orders of the made-up futures exchange: they wait beside the book until their price comes.

What is known of them, beyond the documents, from what users have seen of the exchange (2025-12 to 2026-09):

* One with closePosition is GTE_GTC, whatever was asked for: it needs a position that it would close (-4509), and it
  expires (`EXPIRED`) as soon as that position is gone or turned, whoever closed it. Orders do not count, positions do.
* There is one of a kind (stop, take profit) with closePosition for each side and position side (-4130).
* The order that comes of one has its clientAlgoId as client order id. It may be told before TRIGGERED is; here it is
  told after it.
* Margin is looked at when they are set off (`REJECTED`), and not before. They can't be modified.

`workingType` is not looked at: triggers see what `Market` says they see. Stricter than the exchange has been seen to
be: a trigger price must be on the tick. Not there, and refused as such: trailing stops.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

import attrs

from quantmind.testing.binance.engine import (
    ApiFault,
    Payload,
    integer_of,
    one_of,
    wanted_decimal,
    yes_or_no,
)
from quantmind.testing.binance.futures_account import FuturesPosition
from quantmind.testing.binance.futures_algo_orders import GTE, AlgoOrder
from quantmind.testing.binance.futures_book import OrderBook
from quantmind.testing.binance.futures_checks import (
    check_id,
    check_price,
    check_quantity,
    check_side,
    good_till,
    refuse_extra,
    symbol_of,
)
from quantmind.testing.binance.futures_orders import NOUGHT, OPEN, FuturesOrder
from quantmind.testing.binance.futures_placing import ABSENT, UNKNOWN
from quantmind.testing.binance.ledger import Done, Executed, Ledger

Params = Mapping[str, str]
_KINDS: Final = ("STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP", "TAKE_PROFIT")
_TIFS: Final = ("GTC", "IOC", "FOK", "GTX", "GTD", GTE)


@attrs.define(eq=False)
class Conditionals:
    """Of one account.

    Args:
        keeps_names: the order that comes of one is called as it was; else `algo_<algoId>`.
    """

    book: OrderBook
    ledger: Ledger
    keeps_names: bool
    algos: dict[int, AlgoOrder] = attrs.field(factory=dict, init=False)
    _ids: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)

    def __attrs_post_init__(self) -> None:
        self.book.on_end = self._ended
        self.book.on_position = self._position_changed

    def open_algos(self, symbol: str | None = None) -> list[AlgoOrder]:
        """Those that wait, in the order in which they came."""
        return [each for each in self.algos.values() if each.status == "NEW" and symbol in (None, each.symbol)]

    def find(self, params: Params, fault: tuple[int, int, str] = ABSENT) -> AlgoOrder:
        """The one that a request means: by its own id, or the newest of that name. Raises ApiFault."""
        algo_id = integer_of(params, "algoId")
        if algo_id is not None:
            found = self.algos.get(algo_id)
        else:
            if not params.get("clientAlgoId"):
                text = "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!"
                raise ApiFault(400, -1102, text)
            same = [each for each in self.algos.values() if each.client_id == params["clientAlgoId"]]
            found = max(same, key=lambda each: each.algo_id, default=None)
        if found is None:
            raise ApiFault(*fault)
        return found

    # --- requests ----------------------------------------------------------------------------------------------------

    def place(self, params: Params) -> Payload:
        """POST /fapi/v1/algoOrder."""
        algo = self._wished(params)
        self._check(algo)
        algo.algo_id = next(self._ids)
        self.algos[algo.algo_id] = algo
        self.book.tell(algo.event(self.book.now()))
        quantity = None if algo.closes_position else algo.quantity
        self.ledger.write(Executed(algo.client_id, algo.algo_id, algo.symbol, quantity, waits=True))
        return algo.answer()

    def cancel(self, params: Params) -> Payload:
        """DELETE /fapi/v1/algoOrder."""
        algo = self.find(params, UNKNOWN)
        if algo.status != "NEW":
            raise ApiFault(*UNKNOWN)
        self._take_back(algo)
        return {"algoId": algo.algo_id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}

    def cancel_all(self, params: Params) -> Payload:
        """DELETE /fapi/v1/algoOpenOrders: those of a symbol."""
        for algo in self.open_algos(symbol_of(self.book.symbols, params).name):
            self._take_back(algo)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    # --- what happens to them ----------------------------------------------------------------------------------------

    def set_off(self, symbol: str, prices: Mapping[str, Decimal]) -> None:
        """Let those go whose price has come, the oldest first.

        Args:
            prices: what a BUY and a SELL look at.
        """
        for algo in self.open_algos(symbol):
            # One that went before it may have closed the position that it was for.
            if algo.status == "NEW" and algo.is_reached(prices[algo.side]):
                self._let_go(algo)

    def run_timers(self) -> None:
        """End what was good until now."""
        for algo in self.open_algos():
            if algo.good_till and algo.good_till <= self.book.now():
                self._become(algo, "EXPIRED")

    # --- inside ------------------------------------------------------------------------------------------------------

    def _wished(self, params: Params) -> AlgoOrder:
        symbol = symbol_of(self.book.symbols, params)
        one_of(params, "algoType", ("CONDITIONAL",), ApiFault(400, -4122, "Invalid algo type."))
        side = one_of(params, "side", ("BUY", "SELL"), ApiFault(400, -1117, "Invalid side."))
        kind = one_of(params, "type", _KINDS, ApiFault(400, -1116, "Invalid orderType."))
        closes, is_limit = yes_or_no(params, "closePosition"), not kind.endswith("_MARKET")
        refuse_extra(params, *(() if is_limit else ("price",)), *(("quantity", "reduceOnly") if closes else ()))
        if closes and is_limit:
            raise ApiFault(400, -4136, f"Target strategy invalid for orderType {kind},closePosition true")
        said = {"timeInForce": "GTC"} | dict(params)
        tif = one_of(said, "timeInForce", _TIFS, ApiFault(400, -1115, "Invalid timeInForce."))
        now = self.book.now()
        return AlgoOrder(
            client_id=check_id(params, "clientAlgoId") or f"web_algo_{now}_{len(self.algos)}",
            symbol=symbol.name,
            side=side,
            kind=kind,
            tif=GTE if closes else tif,
            quantity=NOUGHT if closes else wanted_decimal(params, "quantity"),
            price=wanted_decimal(params, "price") if is_limit else NOUGHT,
            trigger=wanted_decimal(params, "triggerPrice"),
            reduce_only=closes or yes_or_no(params, "reduceOnly"),
            closes_position=closes,
            position_side=check_side(params, hedges=self.book.account.hedges),
            time=now,
            good_till=good_till(params, tif, now),
            updated=now,
        )

    # Raises ApiFault.
    def _check(self, algo: AlgoOrder) -> None:
        symbol, market = self.book.symbols[algo.symbol], self.book.markets[algo.symbol]
        beside = self.open_algos(algo.symbol)
        if any(each.client_id == algo.client_id for each in self.open_algos()):
            raise ApiFault(400, -4116, "ClientOrderId is duplicated.")
        check_price(symbol, algo.trigger)
        if algo.price:
            check_price(symbol, algo.price)
        if not algo.closes_position:
            check_quantity(symbol, algo.quantity, symbol.max_qty if algo.price else symbol.most_at_market)
        elif any(each.closes_position and each.way == algo.way for each in beside):
            raise ApiFault(
                400, -4130, "An open stop or take profit order with GTE and closePosition in the direction is existing."
            )
        if algo.tif == GTE and not self._against(algo):
            raise ApiFault(
                400,
                -4509,
                "Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are "
                "available.",
            )
        if market.is_quoted and algo.is_reached(market.price_for(algo.side)):
            raise ApiFault(400, -2021, "Order would immediately trigger.")
        if len(beside) >= symbol.max_stops:
            raise ApiFault(400, -4045, "Reach max stop order limit.")

    def _against(self, algo: AlgoOrder) -> Decimal:
        return self.book.account.position(algo.symbol, algo.position_side).against(1 if algo.side == "BUY" else -1)

    def _let_go(self, algo: AlgoOrder) -> None:
        now = self.book.now()
        algo.triggered = now
        self._become(algo, "TRIGGERING")
        order = FuturesOrder(
            client_id=algo.client_id if self.keeps_names else f"algo_{algo.algo_id}",
            symbol=algo.symbol,
            side=algo.side,
            kind="LIMIT" if algo.price else "MARKET",
            tif=algo.tif if algo.price and algo.tif != GTE else "GTC",
            quantity=self._against(algo) if algo.closes_position else algo.quantity,
            price=algo.price,
            reduce_only=algo.reduce_only,
            position_side=algo.position_side,
            time=now,
            good_till=algo.good_till if algo.price else 0,
            closes_position=algo.closes_position,
            came_of=algo.kind,
            trigger=algo.trigger,
        )
        try:
            self.book.check_room(order)
        except ApiFault as fault:
            self._become(algo, "REJECTED", fault.message)
            return
        self.book.accept(order, lambda: self._became(algo, order))

    def _became(self, algo: AlgoOrder, order: FuturesOrder) -> None:
        algo.becomes = order
        self._become(algo, "TRIGGERED")

    def _take_back(self, algo: AlgoOrder) -> None:
        self._become(algo, "CANCELED")
        self.ledger.write(Executed(algo.client_id, algo.algo_id, algo.symbol, None, waits=False, done=Done.CANCELED))

    def _become(self, algo: AlgoOrder, status: str, reason: str = "") -> None:
        algo.status, algo.updated = status, self.book.now()
        self.book.tell(algo.event(self.book.now(), reason))

    # What came of one is over, and so is the conditional order itself.
    def _ended(self, order: FuturesOrder) -> None:
        if not order.came_of:
            return
        for algo in self.algos.values():
            if algo.becomes is order and algo.status == "TRIGGERED" and order.status not in OPEN:
                self._become(algo, "FINISHED")

    def _position_changed(self, position: FuturesPosition) -> None:
        for algo in self.open_algos(position.symbol):
            if algo.tif == GTE and algo.position_side == position.side and not self._against(algo):
                self._become(algo, "EXPIRED")
