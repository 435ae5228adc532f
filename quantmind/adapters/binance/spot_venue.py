"""Binance spot over REST (docs: binance-spot-api-docs, rest-api.md of 2026-07)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.binance import market_wire, spot_wire
from quantmind.adapters.binance.asking import Asking
from quantmind.adapters.binance.book import Book, Exits
from quantmind.adapters.binance.errors import OutcomeUnknown, Refusal
from quantmind.adapters.binance.exchange_info import exchange_info
from quantmind.adapters.binance.names import Role, client_id
from quantmind.adapters.binance.records import Fill, Life, Order, SpotAccount
from quantmind.adapters.binance.rules import Rules
from quantmind.adapters.binance.spot_book import SpotBook
from quantmind.adapters.binance.venue import (
    Difference,
    Kind,
    New,
    Stops,
    look_for_names,
    moved_in_two,
    placed_as_it_was,
    taken_back,
)
from quantmind.domain.orders import Side

_INVALID_SYMBOL: Final = -1121
_HALF_DONE: Final = 409
"""The status of a cancelReplace of which one half was done, and the other was not (spot docs)."""
_FAILED: Final = -2022
"""The code of a cancelReplace of which neither half was done."""
MOST_TRADES: Final = 1000
"""In one answer of myTrades and allOrders."""
TYPES: Final = {Kind.MARKET: "MARKET", Kind.LIMIT: "LIMIT", Kind.STOP: "STOP_LOSS"}
# Weights of rest-api.md; those of several symbols or of none are higher.
_W_INFO: Final = 20
_W_ACCOUNT: Final = 20
_W_ORDER: Final = 4
_W_OPEN: Final = 6
_W_TRADES: Final = 20
_W_ALL_ORDERS: Final = 20
_W_BOOK: Final = 4


@attrs.define(eq=False)
class SpotVenue:
    """A `quantmind.adapters.binance.venue.Venue`."""

    asking: Asking
    ends_orders: bool = False
    has_conditional: bool = False
    locks_holdings: bool = True
    unset: list[str] = attrs.field(factory=list, init=False)

    async def rules(self, symbols: Sequence[str]) -> dict[str, Rules]:
        """What is traded, by symbol."""
        try:
            return await self._rules(symbols)
        except Refusal as refusal:
            if refusal.code != _INVALID_SYMBOL:
                raise
        # One of them is not known there, and the exchange does not say which.
        found: dict[str, Rules] = {}
        for symbol in symbols:
            try:
                found |= await self._rules([symbol])
            except Refusal as refusal:
                if refusal.code != _INVALID_SYMBOL:
                    raise
        return found

    async def differences(self, symbols: Sequence[str]) -> Sequence[Difference]:
        """None: there is nothing to set."""
        del symbols
        await trio.lowlevel.checkpoint()
        return ()

    async def prepare(self, symbols: Sequence[str]) -> None:
        """Nothing: a spot account has no modes."""
        del symbols

    async def snapshot(self, book: Book, symbols: Sequence[str]) -> None:
        """Read account, open orders and the newest trades, and put them into the book."""
        assert isinstance(book, SpotBook)
        begun = book.begun
        orders: list[Order] = []
        fills: dict[str, list[Fill]] = {}
        for symbol in symbols:
            orders += spot_wire.orders(await self._signed("openOrders", {"symbol": symbol}, _W_OPEN))
            trades = spot_wire.trades(
                await self._signed("myTrades", {"symbol": symbol, "limit": MOST_TRADES}, _W_TRADES)
            )
            fills[symbol] = await self._named(book, symbol, trades)
        account = await self.account()
        if book.begun == begun:
            book.install(account, orders, fills, symbols)

    async def account(self) -> SpotAccount:
        """Balances as they are now."""
        return spot_wire.account(await self._signed("account", {"omitZeroBalances": True}, _W_ACCOUNT))

    async def prices(self, symbols: Sequence[str]) -> list[tuple[str, Decimal, Decimal]]:
        """Best bid and ask of each symbol."""
        path, wanted = "/api/v3/ticker/bookTicker", set(symbols)
        try:
            body = await self.asking.get(path, {"symbols": _list(symbols)}, weight=_W_BOOK)
        except Refusal as refusal:
            if refusal.code != _INVALID_SYMBOL:
                raise
            # One of them was taken off the exchange. Those of all symbols cost no more.
            body = await self.asking.get(path, {}, weight=_W_BOOK)
        return [each for each in market_wire.book_prices(body) if each[0] in wanted]

    async def place(self, new: New) -> tuple[Order, Sequence[Fill]]:
        """POST /api/v3/order; the answer of a market order has its trades."""
        params: dict[str, Any] = {
            "symbol": new.symbol,
            "side": new.side.value.upper(),
            "type": TYPES[new.kind],
            "quantity": new.quantity,
            "newClientOrderId": new.client_id,
            "newOrderRespType": "FULL",
        }
        if new.kind is Kind.LIMIT:
            params |= {"price": new.price, "timeInForce": "IOC" if new.at_once else "GTC"}
        elif new.kind is Kind.STOP:
            params["stopPrice"] = new.trigger
        return spot_wire.placed(await self.asking.trade("POST", "/api/v3/order", params, reserve=new.goes_first))

    async def move(self, order: Order, new: New) -> Order:
        """Cancel it and place it anew in one request; one whose second half fails is placed as it was.

        One that is filled in part may have filled further meanwhile, which one request can't take into account.
        """
        if order.filled:
            return await moved_in_two(self, order, new)
        params: dict[str, Any] = {
            "symbol": order.symbol,
            "side": order.side.value.upper(),
            "type": order.kind,
            "cancelReplaceMode": "STOP_ON_FAILURE",
            # One that fills meanwhile is not replaced: more would be ordered than was asked for.
            "cancelRestrictions": "ONLY_NEW",
            "cancelOrderId": order.order_id,
            "quantity": order.quantity,
            "newClientOrderId": new.client_id,
            "newOrderRespType": "RESULT",
        }
        params |= {"stopPrice": new.trigger} if new.kind is Kind.STOP else {"price": new.price, "timeInForce": "GTC"}
        try:
            body = await self.asking.trade("POST", "/api/v3/order/cancelReplace", params, reserve=new.goes_first)
        except Refusal as refusal:
            half = spot_wire.half_replaced(refusal.data) if refusal.status == _HALF_DONE else None
            if half is not None:
                told = Refusal(half.code, half.said, refusal.status)
                told.restored = await placed_as_it_was(self, order, new, order.quantity, half)
                raise told from None
            if refusal.status == _HALF_DONE or (refusal.code == _FAILED and not spot_wire.is_untouched(refusal.data)):
                raise OutcomeUnknown(f"nobody can say what was done of it: {refusal}") from None
            raise
        return spot_wire.replaced(body)

    async def cancel(self, order: Order) -> Order | None:
        """DELETE /api/v3/order, or the list that it is in."""
        if order.list_id == -1:
            body = await self.asking.trade(
                "DELETE", "/api/v3/order", {"symbol": order.symbol, "orderId": order.order_id}, counts=False
            )
            return spot_wire.order(body)
        _, orders = spot_wire.order_list(
            await self.asking.trade(
                "DELETE", "/api/v3/orderList", {"symbol": order.symbol, "orderListId": order.list_id}, counts=False
            )
        )
        return next((each for each in orders if each.order_id == order.order_id), None)

    async def look(self, symbol: str, client_id: str, *, conditional: bool) -> Order | None:
        """GET /api/v3/order by its client order id."""
        del conditional
        return await self._look({"symbol": symbol, "origClientOrderId": client_id})

    async def look_again(self, order: Order) -> Order | None:
        """GET /api/v3/order by its own id."""
        return await self._look({"symbol": order.symbol, "orderId": order.order_id})

    async def fills_of(self, order: Order) -> Sequence[Fill]:
        """Its trades."""
        params = {"symbol": order.symbol, "orderId": order.order_id, "limit": MOST_TRADES}
        trades = spot_wire.trades(await self._signed("myTrades", params, _W_TRADES, reserve=True))
        return [attrs.evolve(each, client_id=order.client_id) for each in trades]

    def is_conditional(self, new_kind: Kind) -> bool:
        """None is: stop orders are orders as others are."""
        del new_kind
        return False

    async def set_stops(self, stops: Stops) -> Sequence[Order]:
        """An OCO where both are wanted, else one order. Each sells at the market once its price is there."""
        if not (stops.sl and stops.tp):
            return [(await self._place_stop(stops))[0]]
        above, below = ("tp", "sl") if stops.side is Side.SELL else ("sl", "tp")
        level = {"sl": stops.sl, "tp": stops.tp}
        kind = {"sl": "STOP_LOSS", "tp": "TAKE_PROFIT"}
        role = {"sl": Role.STOP_LOSS, "tp": Role.TAKE_PROFIT}
        params: dict[str, Any] = {
            "symbol": stops.slot[0],
            "listClientOrderId": client_id(Role.LIST, stops.tag),
            "side": stops.side.value.upper(),
            "quantity": stops.quantity,
            "aboveType": kind[above],
            "aboveClientOrderId": client_id(role[above], stops.tag),
            "aboveStopPrice": level[above],
            "belowType": kind[below],
            "belowClientOrderId": client_id(role[below], stops.tag),
            "belowStopPrice": level[below],
            "newOrderRespType": "RESULT",
        }
        _, orders = spot_wire.order_list(await self.asking.trade("POST", "/api/v3/orderList/oco", params, reserve=True))
        return orders

    async def drop_stops(self, exits: Exits) -> Sequence[Order]:
        """Take back the list, or the order, that closes a position."""
        dropped: list[Order] = []
        lists: set[int] = set()
        for order in exits.orders:
            if order.list_id != -1 and order.list_id in lists:
                dropped.append(attrs.evolve(order, status="CANCELED"))
                continue
            lists.add(order.list_id)
            dropped.append(await taken_back(self, order))
        return dropped

    async def arm(self, seconds: float) -> None:
        """Nothing: spot has no such switch."""
        del seconds

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _rules(self, symbols: Sequence[str]) -> dict[str, Rules]:
        body = await self.asking.get("/api/v3/exchangeInfo", {"symbols": _list(symbols)}, weight=_W_INFO)
        info = exchange_info(body, symbols)
        self.asking.limits(info.rate_limits)
        return info.symbols

    async def _signed(self, what: str, params: dict[str, Any], weight: int, *, reserve: bool = False) -> bytes:
        return await self.asking.get(f"/api/v3/{what}", params, weight=weight, signed=True, reserve=reserve)

    async def _look(self, params: dict[str, Any]) -> Order | None:
        body = await self.asking.look("/api/v3/order", params, weight=_W_ORDER)
        return None if body is None else spot_wire.order(body)

    # Trades say the number of their order, and not what it is called.
    async def _named(self, book: SpotBook, symbol: str, trades: Sequence[Fill]) -> list[Fill]:
        names = {each.order_id: book.client_id_of(symbol, each.order_id) for each in trades}
        if None in names.values():
            body = await self._signed("allOrders", {"symbol": symbol, "limit": MOST_TRADES}, _W_ALL_ORDERS)
            for order in spot_wire.orders(body):
                names[order.order_id] = order.client_id
                if order.life is not Life.OPEN:
                    book.orders.take(order)
            await look_for_names(names, book, lambda number: self._look({"symbol": symbol, "orderId": number}))
        return [attrs.evolve(each, client_id=names[each.order_id] or "") for each in trades]

    async def _place_stop(self, stops: Stops) -> tuple[Order, Sequence[Fill]]:
        is_stop = bool(stops.sl)
        params: dict[str, Any] = {
            "symbol": stops.slot[0],
            "side": stops.side.value.upper(),
            "type": "STOP_LOSS" if is_stop else "TAKE_PROFIT",
            "quantity": stops.quantity,
            "stopPrice": stops.sl or stops.tp,
            "newClientOrderId": client_id(Role.STOP_LOSS if is_stop else Role.TAKE_PROFIT, stops.tag),
            "newOrderRespType": "RESULT",
        }
        return spot_wire.placed(await self.asking.trade("POST", "/api/v3/order", params, reserve=True))


def _list(symbols: Sequence[str]) -> str:
    return "[" + ",".join(f'"{symbol}"' for symbol in symbols) + "]"
