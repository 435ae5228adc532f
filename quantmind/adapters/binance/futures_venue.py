"""Binance USD-M futures over REST (docs: usds-margined futures, SDK of 2026-08).

Orders that wait for a trigger are conditional orders (`algoOrder`), with ids of their own; a new order on `/order` with
such a type is refused by the exchange (-4120), and `allOpenOrders` does not take them back.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.binance import futures_algo, futures_wire, market_wire
from quantmind.adapters.binance.asking import Asking
from quantmind.adapters.binance.book import Book, Exits
from quantmind.adapters.binance.errors import BinanceError, Refusal
from quantmind.adapters.binance.exchange_info import exchange_info
from quantmind.adapters.binance.futures_book import FuturesBook
from quantmind.adapters.binance.names import Role, client_id, number
from quantmind.adapters.binance.records import Fill, FuturesAccount, Life, Order
from quantmind.adapters.binance.refusals import OPEN_FIRST, refused
from quantmind.adapters.binance.rules import Rules
from quantmind.adapters.binance.venue import Difference, Kind, New, Stops, look_for_names, moved_in_two, taken_back

logger: Final = logging.getLogger("quantmind.binance")

MOST_TRADES: Final = 1000
ARMS_AT_ONCE: Final = 4
"""Of the requests that arm the dead man's switch, one for each symbol: orders must not wait for a connection."""
TYPES: Final = {Kind.MARKET: "MARKET", Kind.LIMIT: "LIMIT", Kind.STOP: "STOP_MARKET"}
_NO_CHANGE: Final = frozenset({-4046, -4059})
"""Margin type, position mode: it is so already."""
_MODE: Final = "/fapi/v1/positionSide/dual"
_MODES: Final = {True: "hedge", False: "one_way"}
_ACCOUNT: Final = "/fapi/v3/account"
_COUNTDOWN: Final = "/fapi/v1/countdownCancelAll"
_RISK: Final = "/fapi/v3/positionRisk"


@attrs.define(eq=False)
class FuturesVenue:
    """A `quantmind.adapters.binance.venue.Venue`.

    Args:
        hedges: the position mode that is wanted; None: as the account is.
        leverage: of each symbol that is followed; None: as it is.
        margin_type: CROSSED or ISOLATED, of each symbol that is followed; None: as it is.
    """

    asking: Asking
    book: FuturesBook
    hedges: bool | None = None
    leverage: int | None = None
    margin_type: str | None = None
    ends_orders: bool = True
    has_conditional: bool = True
    locks_holdings: bool = False
    unset: list[str] = attrs.field(factory=list, init=False)
    _prepared: set[str] = attrs.field(factory=set, init=False)

    async def rules(self, symbols: Sequence[str]) -> dict[str, Rules]:
        """What is traded, by symbol."""
        info = exchange_info(await self.asking.get("/fapi/v1/exchangeInfo", {}, weight=1), symbols)
        self.asking.limits(info.rate_limits)
        return info.symbols

    async def differences(self, symbols: Sequence[str]) -> Sequence[Difference]:
        """Position mode, and margin type and leverage of symbols that were not prepared yet."""
        found: list[Difference] = []
        dual = futures_wire.position_mode(await self._signed(_MODE, {}, 30))
        self.book.hedges = dual
        if self.hedges is not None and self.hedges is not dual:
            words = f"the position mode is {_MODES[dual]}, and {_MODES[self.hedges]} is wanted"
            found.append(Difference(words, _MODE, {"dualSidePosition": self.hedges}))
        for symbol in symbols:
            config = await self._config(symbol)
            if symbol in self._prepared:
                continue
            if self.margin_type not in (None, config.margin_type):
                words = f"the margin type of {symbol} is {config.margin_type}, and {self.margin_type} is wanted"
                params = {"symbol": symbol, "marginType": self.margin_type}
                found.append(Difference(words, "/fapi/v1/marginType", params))
            if self.leverage not in (None, config.leverage):
                words = f"the leverage of {symbol} is {config.leverage}, and {self.leverage} is wanted"
                found.append(Difference(words, "/fapi/v1/leverage", {"symbol": symbol, "leverage": self.leverage}))
        return found

    async def prepare(self, symbols: Sequence[str]) -> None:
        """Change what differs, once for each symbol; what the exchange refuses while positions or orders are open is
        `unset`, and tried again at the next start of the connection.
        """
        different = await self.differences(symbols)
        self.unset = []
        for each in different:
            try:
                await self._set(each.path, each.params)
            except Refusal as refusal:
                if refusal.code not in OPEN_FIRST:
                    raise
                # Who holds a position must be able to close it, and its stops must be kept.
                self.unset.append(f"{each.words}: {refused(refusal).comment}")
                logger.error("fail.setting reason=%s", ascii(self.unset[-1]))
            else:
                logger.info("change.setting reason=%s", ascii(each.words))
        if not self.unset:
            self._prepared.update(symbols)
        if different:
            await self.differences(symbols)  # what it is now

    async def snapshot(self, book: Book, symbols: Sequence[str]) -> None:
        """Read account, positions, open orders and the newest trades, and put them into the book."""
        assert isinstance(book, FuturesBook)
        begun = book.begun
        orders: list[Order] = []
        fills: dict[str, list[Fill]] = {}
        for symbol in symbols:
            orders += futures_wire.orders(await self._signed("/fapi/v1/openOrders", {"symbol": symbol}, 1))
            orders += futures_algo.algo_orders(await self._signed("/fapi/v1/openAlgoOrders", {"symbol": symbol}, 1))
            params = {"symbol": symbol, "limit": MOST_TRADES}
            trades = futures_wire.trades(await self._signed("/fapi/v1/userTrades", params, 5))
            fills[symbol] = await self._named(book, symbol, trades, {order.client_id for order in orders})
            await self._config(symbol)
        if not book.login:
            alias, _ = futures_wire.balances(await self._signed("/fapi/v3/balance", {}, 5))
            book.login = number("account", alias) if alias else 0  # the exchange has a name for it, and no number
        account = await self.account()
        if book.begun == begun:
            book.install(account, orders, fills, symbols)

    async def account(self) -> FuturesAccount:
        """Wallets and positions as they are now."""
        account = futures_wire.account(await self._signed(_ACCOUNT, {}, 5))
        return attrs.evolve(account, holdings=futures_wire.holdings(await self._signed(_RISK, {}, 5)))

    async def prices(self, symbols: Sequence[str]) -> list[tuple[str, Decimal, Decimal]]:
        """Best bid and ask of each symbol."""
        wanted = set(symbols)
        # Without a symbol it costs 5, with one 2.
        params = {"symbol": symbols[0]} if len(symbols) == 1 else {}
        body = await self.asking.get("/fapi/v1/ticker/bookTicker", params, weight=2 if params else 5)
        return [each for each in market_wire.book_prices(body) if each[0] in wanted]

    async def place(self, new: New) -> tuple[Order, Sequence[Fill]]:
        """POST /fapi/v1/order, or algoOrder; the answer has no trades."""
        params: dict[str, Any] = {
            "symbol": new.symbol,
            "side": new.side.value.upper(),
            "type": TYPES[new.kind],
            "quantity": new.quantity,
            **self._position_side(new.position_side),
        }
        if new.reduces and new.position_side == "BOTH":
            params["reduceOnly"] = True
        if new.kind is Kind.STOP:
            params |= {"algoType": "CONDITIONAL", "triggerPrice": new.trigger, "clientAlgoId": new.client_id}
            params |= _ending(new)
            body = await self.asking.trade("POST", "/fapi/v1/algoOrder", params, reserve=new.goes_first)
            return futures_algo.algo_order(body), ()
        params |= {"newClientOrderId": new.client_id, "newOrderRespType": "RESULT"}
        if new.kind is Kind.LIMIT:
            params |= {"price": new.price, "timeInForce": "IOC" if new.at_once else "GTC", **_ending(new)}
        body = await self.asking.trade("POST", "/fapi/v1/order", params, reserve=new.goes_first)
        return futures_wire.order(body), ()

    async def move(self, order: Order, new: New) -> Order:
        """PUT /fapi/v1/order for another price, which keeps the order's id and name; else cancel it and place it anew,
        and as it was if that can't be done.
        """
        if new.kind is Kind.LIMIT and new.expires_msc == order.expires_msc:
            params: dict[str, Any] = {
                "symbol": order.symbol,
                "side": order.side.value.upper(),
                "orderId": order.order_id,
                "quantity": order.quantity,
                "price": new.price,
            }
            body = await self.asking.trade("PUT", "/fapi/v1/order", params, reserve=new.goes_first)
            return attrs.evolve(futures_wire.order(body), time_msc=order.time_msc)
        return await moved_in_two(self, order, new)

    async def cancel(self, order: Order) -> Order | None:
        """DELETE /fapi/v1/order, or algoOrder, whose answer says no more than that it is done."""
        if order.conditional:
            await self.asking.trade("DELETE", "/fapi/v1/algoOrder", {"algoId": order.order_id}, counts=False)
            return None
        params = {"symbol": order.symbol, "orderId": order.order_id}
        return futures_wire.order(await self.asking.trade("DELETE", "/fapi/v1/order", params, counts=False))

    async def look(self, symbol: str, client_id: str, *, conditional: bool) -> Order | None:
        """GET /fapi/v1/order or algoOrder by its client order id.

        Under load the exchange denies conditional orders that are there, so those that are open are looked through.
        """
        if conditional:
            known = await self._look_conditional({"clientAlgoId": client_id})
            if known is not None:
                return known
            body = await self._signed("/fapi/v1/openAlgoOrders", {"symbol": symbol}, 1, reserve=True)
            return next((each for each in futures_algo.algo_orders(body) if each.client_id == client_id), None)
        return await self._look({"symbol": symbol, "origClientOrderId": client_id})

    async def look_again(self, order: Order) -> Order | None:
        """An order by its own id; of a conditional one that was set off, what it became."""
        if not order.conditional:
            return await self._look({"symbol": order.symbol, "orderId": order.order_id})
        now = await self._look_conditional({"algoId": order.order_id})
        if now is None or not now.becomes:
            return now
        became = await self._look({"symbol": order.symbol, "orderId": now.becomes})
        return now if became is None else attrs.evolve(became, client_id=order.client_id)

    async def fills_of(self, order: Order) -> Sequence[Fill]:
        """Its trades."""
        params = {"symbol": order.symbol, "orderId": order.order_id, "limit": MOST_TRADES}
        trades = futures_wire.trades(await self._signed("/fapi/v1/userTrades", params, 5, reserve=True))
        return [attrs.evolve(each, client_id=order.client_id) for each in trades]

    def is_conditional(self, new_kind: Kind) -> bool:
        """Stop orders are."""
        return new_kind is Kind.STOP

    async def set_stops(self, stops: Stops) -> Sequence[Order]:
        """Conditional orders that close whatever is open when their price comes."""
        placed = []
        for level, kind, role in (
            (stops.sl, "STOP_MARKET", Role.STOP_LOSS),
            (stops.tp, "TAKE_PROFIT_MARKET", Role.TAKE_PROFIT),
        ):
            if not level:
                continue
            params: dict[str, Any] = {
                "algoType": "CONDITIONAL",
                "symbol": stops.slot[0],
                "side": stops.side.value.upper(),
                "type": kind,
                "triggerPrice": level,
                "closePosition": True,
                "clientAlgoId": client_id(role, stops.tag),
                **self._position_side(stops.slot[1]),
            }
            body = await self.asking.trade("POST", "/fapi/v1/algoOrder", params)
            placed.append(futures_algo.algo_order(body))
            self.book.answered(placed[-1])
        return placed

    async def drop_stops(self, exits: Exits) -> Sequence[Order]:
        """Take them back, one by one."""
        return [await taken_back(self, order) for order in exits.orders]

    async def arm(self, seconds: float) -> None:
        """POST countdownCancelAll for each symbol that is followed: all its orders are taken back when time is over.

        It may use the weight that is kept for orders: untold, the exchange takes back those of a gateway that lives.
        How much of it that can be is bounded by the configuration. One that fails is raised when all others were told.
        """
        failed: list[BinanceError] = []
        turns = trio.CapacityLimiter(ARMS_AT_ONCE)

        async def one(symbol: str) -> None:
            params = {"symbol": symbol, "countdownTime": int(seconds * 1000)}
            async with turns:
                try:
                    await self.asking.trade("POST", _COUNTDOWN, params, counts=False, weight=10)
                except BinanceError as error:
                    failed.append(error)

        async with trio.open_nursery() as nursery:
            for symbol in self.book.specs:
                nursery.start_soon(one, symbol)
        if failed:
            raise failed[0]

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _signed(self, path: str, params: dict[str, Any], weight: int, *, reserve: bool = False) -> bytes:
        return await self.asking.get(path, params, weight=weight, signed=True, reserve=reserve)

    async def _config(self, symbol: str) -> futures_wire.SymbolConfig:
        config = futures_wire.symbol_config(await self._signed("/fapi/v1/symbolConfig", {"symbol": symbol}, 5))
        self.book.levered(symbol, config.leverage)
        return config

    async def _set(self, path: str, params: Mapping[str, Any]) -> None:
        try:
            await self.asking.trade("POST", path, params, counts=False)
        except Refusal as refusal:
            if refusal.code not in _NO_CHANGE:
                raise

    async def _look(self, params: dict[str, Any]) -> Order | None:
        body = await self.asking.look("/fapi/v1/order", params, weight=1)
        return None if body is None else futures_wire.order(body)

    async def _look_conditional(self, params: dict[str, Any]) -> Order | None:
        body = await self.asking.look("/fapi/v1/algoOrder", params, weight=1)
        return None if body is None else futures_algo.algo_order(body)

    # Trades say the number of their order, and not what it is called; one that came of a conditional order is called
    # as that one was.
    async def _named(
        self, book: FuturesBook, symbol: str, trades: Sequence[Fill], open_ones: Collection[str]
    ) -> list[Fill]:
        names = {each.order_id: book.client_id_of(symbol, each.order_id) for each in trades}
        if None in names.values():
            params = {"symbol": symbol, "limit": MOST_TRADES}
            orders = futures_wire.orders(await self._signed("/fapi/v1/allOrders", params, 5))
            names |= {order.order_id: order.client_id for order in orders}
            for order in futures_algo.algo_orders(await self._signed("/fapi/v1/allAlgoOrders", params, 5)):
                if order.life is not Life.OPEN:
                    book.orders.take(order)
                if order.becomes:
                    names[order.becomes] = order.client_id
                    book.became(order)
            for order in orders:
                if order.life is not Life.OPEN:
                    book.orders.take(attrs.evolve(order, client_id=names[order.order_id] or order.client_id))
            await look_for_names(names, book, lambda number: self._look({"symbol": symbol, "orderId": number}))
            for said in book.wishes.waiting(symbol).difference(open_ones, names.values()):
                old = await self._look_conditional({"clientAlgoId": said})
                if old is not None and old.becomes:
                    names[old.becomes] = old.client_id
                    book.became(old)
                    book.orders.take(old)
        return [attrs.evolve(each, client_id=names[each.order_id] or "") for each in trades]

    def _position_side(self, key: str) -> dict[str, str]:
        return {} if key == "BOTH" else {"positionSide": key}


def _ending(new: New) -> dict[str, Any]:
    return {"timeInForce": "GTD", "goodTillDate": new.expires_msc} if new.expires_msc else {}
