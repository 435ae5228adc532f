"""A Binance USD-M futures exchange with one account, as a pure state machine: see `engine.Engine` for its promises.

Margin is crossed and reckoned with the leverage of each symbol alone: there are no brackets, no liquidation and no
multi-assets mode. Not there, and refused as such: trailing stops, batch orders, price match, candles, depth.

Order and trade ids count up for each symbol, those of conditional orders for the account. An order that came of a
conditional one has a client order id of the exchange's own, unless `keeps_names`: which of them Binance does is not in
its documents. A conditional order with closePosition that finds no position when it is set off expires.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.testing.binance.engine import (
    ApiFault,
    Payload,
    decimal_of,
    integer_of,
    now_msc,
    one_of,
    say_nothing,
    wanted,
    wanted_decimal,
    yes_or_no,
)
from quantmind.testing.binance.futures_account import FuturesAccount
from quantmind.testing.binance.futures_checks import check_conditional, check_numbers, check_side
from quantmind.testing.binance.futures_orders import (
    NOUGHT,
    OPEN,
    QUOTE,
    AlgoOrder,
    FuturesOrder,
    FuturesTrade,
)
from quantmind.testing.binance.futures_queries import FuturesQueries
from quantmind.testing.binance.ledger import Done, Executed, Ledger
from quantmind.testing.binance.market import Market
from quantmind.testing.binance.symbols import FUTURES_SYMBOLS, SymbolSettings, plain

Params = Mapping[str, str]
_ALGO_KINDS: Final = ("STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP", "TAKE_PROFIT")
_LEAST_GTD_MS: Final = 600_000
_ABSENT: Final = (400, -2013, "Order does not exist.")


@attrs.define(eq=False)
class FuturesEngine:
    """An `engine.Engine`.

    Args:
        traded: the symbols and their filters.
        balances: the wallets at the start.
        taker, maker: commission rates.
        keeps_names: an order that came of a conditional one is called as it was.
    """

    traded: Iterable[SymbolSettings] = FUTURES_SYMBOLS
    balances: Mapping[str, Decimal] = attrs.field(factory=lambda: {QUOTE: Decimal(100_000)})
    taker: Decimal = NOUGHT
    maker: Decimal = NOUGHT
    keeps_names: bool = False
    clock: Callable[[], float] = time.time
    on_event: Callable[[Payload], None] = say_nothing
    on_market: Callable[[Payload], None] = say_nothing
    symbols: Mapping[str, SymbolSettings] = attrs.field(init=False)
    markets: dict[str, Market] = attrs.field(init=False)
    account: FuturesAccount = attrs.field(init=False)
    orders: dict[tuple[str, int], FuturesOrder] = attrs.field(factory=dict, init=False)
    algos: dict[int, AlgoOrder] = attrs.field(factory=dict, init=False)
    trades: list[FuturesTrade] = attrs.field(factory=list, init=False)
    _ledger: Ledger = attrs.field(factory=Ledger, init=False)
    _order_ids: dict[str, Iterator[int]] = attrs.field(init=False)
    _trade_ids: dict[str, Iterator[int]] = attrs.field(init=False)
    _algo_ids: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _countdowns: dict[str, int] = attrs.field(factory=dict, init=False)
    _key_until: int = attrs.field(default=0, init=False)
    _keys: int = attrs.field(default=0, init=False)
    _routes: Mapping[tuple[str, str], Callable[[Params], Any]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.symbols = {each.name: each for each in self.traded}
        self.markets = {name: Market() for name in self.symbols}
        self.account = FuturesAccount(dict(self.balances), self.markets, dict.fromkeys(self.symbols, 20))
        self._order_ids = {name: itertools.count(1) for name in self.symbols}
        self._trade_ids = {name: itertools.count(1) for name in self.symbols}
        routes: dict[tuple[str, str], Callable[[Params], Any]] = {
            ("POST", "/fapi/v1/order"): self._place,
            ("PUT", "/fapi/v1/order"): self._modify,
            ("DELETE", "/fapi/v1/order"): self._cancel,
            ("DELETE", "/fapi/v1/allOpenOrders"): self._cancel_all,
            ("POST", "/fapi/v1/algoOrder"): self._place_algo,
            ("DELETE", "/fapi/v1/algoOrder"): self._cancel_algo,
            ("DELETE", "/fapi/v1/algoOpenOrders"): self._cancel_algos,
            ("POST", "/fapi/v1/leverage"): self._set_leverage,
            ("POST", "/fapi/v1/marginType"): self._set_margin_type,
            ("POST", "/fapi/v1/positionSide/dual"): self._set_mode,
            ("POST", "/fapi/v1/countdownCancelAll"): self._count_down,
            ("POST", "/fapi/v1/listenKey"): self._open_key,
            ("PUT", "/fapi/v1/listenKey"): self._open_key,
            ("DELETE", "/fapi/v1/listenKey"): self._close_key,
        }
        self._routes = {**FuturesQueries(self).routes(), **routes}

    def handle(self, method: str, path: str, params: Params) -> Any:
        """See `engine.Engine.handle`."""
        route = self._routes.get((method, path))
        if route is None:
            raise ApiFault(404, -5000, f"Path {path}, Method {method} is invalid")
        return route(params)

    def executed(self) -> Sequence[Executed]:
        """See `engine.Engine.executed`."""
        return tuple(self._ledger.entries)

    # --- the market --------------------------------------------------------------------------------------------------

    def set_quote(
        self, symbol: str, bid: Decimal, ask: Decimal, bid_qty: Decimal | None = None, ask_qty: Decimal | None = None
    ) -> None:
        """See `engine.Engine.set_quote`: resting orders first, by their ids, then what is set off."""
        market = self.markets[symbol]
        market.move(bid, ask, bid_qty, ask_qty)
        now = self.now
        said = {"e": "bookTicker", "u": market.update_id, "s": symbol, "b": plain(bid), "a": plain(ask)}
        sizes = {"B": plain(bid_qty or Decimal(1)), "A": plain(ask_qty or Decimal(1)), "T": now, "E": now}
        self.on_market({"kind": "bookTicker", "symbol": symbol, "data": said | sizes})
        for order in self.open_orders(symbol):
            if market.reaches(order.side, order.price):
                self._fill(order, order.price, self._offered(order), is_maker=True)
        self._set_off(symbol, {"BUY": market.ask, "SELL": market.bid})

    def trade(self, symbol: str, price: Decimal, qty: Decimal) -> None:
        """See `engine.Engine.trade`."""
        self._tell_trade(symbol, price, qty, is_buyer_maker=False)
        left = qty
        better = sorted(self.open_orders(symbol), key=lambda each: (-each.price * each.sign, each.order_id))
        for order in better:
            if left > 0 and (order.price >= price if order.side == "BUY" else order.price <= price):
                part = min(left, order.left)
                left -= part
                self._fill(order, order.price, part, is_maker=True)
        self._set_off(symbol, {"BUY": price, "SELL": price})

    def run_timers(self) -> None:
        """See `engine.Engine.run_timers`: ends of orders, countdowns, the listen key."""
        now = self.now
        for order in self.open_orders():
            if order.good_till and order.good_till <= now:
                self._end(order, "EXPIRED")
        for algo in self.open_algos():
            if algo.good_till and algo.good_till <= now:
                self._end_algo(algo, "EXPIRED", "good till date")
        for symbol, due in list(self._countdowns.items()):
            if due <= now:
                del self._countdowns[symbol]
                for order in self.open_orders(symbol):
                    self._end(order, "CANCELED")
        if self._key_until and self._key_until <= now:
            self._key_until = 0
            self.on_event({"e": "listenKeyExpired", "E": now, "listenKey": self.listen_key})

    def fund(self, symbol: str, rate: Decimal) -> None:
        """Let a funding fee be paid: a long position pays the rate of its worth."""
        paid = NOUGHT
        for position in self.account.positions.values():
            if position.symbol == symbol and position.amount:
                paid += position.amount * self.markets[symbol].last * rate
        self.account.wallets[QUOTE] -= paid
        self.on_event(self.account.event(self.now, "FUNDING_FEE", ()))

    @property
    def now(self) -> int:
        """Unix milliseconds."""
        return now_msc(self.clock)

    @property
    def listen_key(self) -> str:
        return f"listen-key-{self._keys}"

    def open_orders(self, symbol: str | None = None) -> list[FuturesOrder]:
        """Those that rest in the book, by symbol and id."""
        return [each for each in self.orders.values() if each.status in OPEN and symbol in (None, each.symbol)]

    def open_algos(self, symbol: str | None = None) -> list[AlgoOrder]:
        """Conditional orders that wait, by id."""
        return [each for each in self.algos.values() if each.status == "NEW" and symbol in (None, each.symbol)]

    def order_of(self, params: Params) -> FuturesOrder:
        """The order that a request means. Raises ApiFault -2013, -1102."""
        symbol, order_id = self.symbol_of(params).name, integer_of(params, "orderId")
        if order_id is not None:
            found = self.orders.get((symbol, order_id))
        else:
            said = wanted(params, "origClientOrderId")
            same = [each for each in self.orders.values() if (each.symbol, each.client_id) == (symbol, said)]
            found = max(same, key=lambda each: each.order_id, default=None)
        if found is None:
            raise ApiFault(*_ABSENT)
        return found

    def algo_of(self, params: Params) -> AlgoOrder:
        """The conditional order that a request means. Raises ApiFault -2013."""
        algo_id = integer_of(params, "algoId")
        said = "" if algo_id is not None else wanted(params, "clientAlgoId")
        same = [each for each in self.algos.values() if algo_id == each.algo_id or said == each.client_id]
        found = max(same, key=lambda each: each.algo_id, default=None)
        if found is None:
            raise ApiFault(*_ABSENT)
        return found

    def symbol_of(self, params: Params) -> SymbolSettings:
        """The symbol that a request names. Raises ApiFault -1121."""
        found = self.symbols.get(wanted(params, "symbol"))
        if found is None:
            raise ApiFault(400, -1121, "Invalid symbol.")
        return found

    # --- orders ------------------------------------------------------------------------------------------------------

    def _place(self, params: Params) -> Payload:
        symbol = self.symbol_of(params)
        side = one_of(params, "side", ("BUY", "SELL"), ApiFault(400, -1117, "Invalid side."))
        kind = wanted(params, "type")
        if kind in _ALGO_KINDS or kind == "TRAILING_STOP_MARKET":
            raise ApiFault(400, -4120, "Order type not supported for this endpoint. Please use the Algo Order API.")
        if kind not in ("MARKET", "LIMIT"):
            raise ApiFault(400, -1116, "Invalid orderType.")
        quantity = wanted_decimal(params, "quantity")
        price = wanted_decimal(params, "price") if kind == "LIMIT" else NOUGHT
        tif = wanted(params, "timeInForce") if kind == "LIMIT" else "GTC"
        order_id = next(self._order_ids[symbol.name])
        order = FuturesOrder(
            order_id=order_id,
            client_id=params.get("newClientOrderId") or f"web_{order_id}",
            symbol=symbol.name,
            side=side,
            kind=kind,
            tif=tif,
            quantity=quantity,
            price=price,
            reduce_only=yes_or_no(params, "reduceOnly"),
            position_side=check_side(params, hedges=self.account.hedges),
            time=self.now,
            good_till=self._good_till(params, tif),
            updated=self.now,
        )
        if any(each.client_id == order.client_id for each in self.open_orders(symbol.name)):
            raise ApiFault(400, -4116, "ClientOrderId is duplicated.")
        check_numbers(symbol, self.markets[symbol.name], order)
        self._check_room(order)
        self._accept(order)
        waits = order.status in OPEN
        self._ledger.write(
            Executed(order.client_id, order.order_id, symbol.name, order.quantity if waits else order.filled, waits)
        )
        return order.answer()

    # Let it into the book, and trade what can be traded at once.
    def _accept(self, order: FuturesOrder) -> None:
        self.orders[order.symbol, order.order_id] = order
        self._tell(order, "NEW")
        market = self.markets[order.symbol]
        takes = order.kind == "MARKET" or market.reaches(order.side, order.price)
        if takes and market.is_quoted:
            self._fill(order, market.price_for(order.side), self._offered(order), is_maker=False)
        if order.status in OPEN and (order.kind == "MARKET" or order.tif in ("IOC", "FOK")):
            self._end(order, "EXPIRED")

    def _offered(self, order: FuturesOrder) -> Decimal:
        offered = self.markets[order.symbol].offered_to(order.side)
        return order.left if offered is None else min(order.left, offered)

    # Reduces what is there, or is refused; what opens needs margin.
    def _check_room(self, order: FuturesOrder) -> None:
        held = self.account.position(order.symbol, order.position_side).amount
        against = max(NOUGHT, -held * order.sign)
        if order.reduce_only:
            if not against:
                raise ApiFault(400, -2022, "ReduceOnly Order is rejected.")
            order.quantity = min(order.quantity, against)
            return
        if order.position_side != "BOTH" and (order.side == "BUY") is not (order.position_side == "LONG"):
            if order.quantity > against:
                raise ApiFault(400, -2022, "ReduceOnly Order is rejected.")
            return
        price = order.price or self.markets[order.symbol].price_for(order.side)
        opens = max(NOUGHT, order.quantity - against)
        needed = opens * price / self.account.leverages[order.symbol]
        if needed > self.account.available(self.open_orders()):
            raise ApiFault(400, -2019, "Margin is insufficient.")

    def _fill(self, order: FuturesOrder, price: Decimal, quantity: Decimal, *, is_maker: bool) -> None:
        position = self.account.position(order.symbol, order.position_side)
        if order.reduce_only:
            quantity = min(quantity, max(NOUGHT, -position.amount * order.sign))
            if not quantity:
                self._end(order, "EXPIRED")
                return
        if not quantity:
            return
        now, market = self.now, self.markets[order.symbol]
        market.take(order.side, quantity)
        realized = position.trade(quantity * order.sign, price)
        position.updated = now
        commission = quantity * price * (self.maker if is_maker else self.taker)
        self.account.wallets[QUOTE] += realized - commission
        order.filled += quantity
        order.paid += quantity * price
        order.updated = now
        order.status = "FILLED" if not order.left else "PARTIALLY_FILLED"
        one = FuturesTrade(
            next(self._trade_ids[order.symbol]), order, price, quantity, commission, realized, now, is_maker
        )
        self.trades.append(one)
        self.on_event(self.account.event(now, "ORDER", (position,)))
        self._tell(order, "TRADE", one)
        self._tell_trade(
            order.symbol, price, quantity, is_buyer_maker=(order.side == "BUY") is is_maker, number=one.trade_id
        )
        self._finish_algo(order)

    def _end(self, order: FuturesOrder, status: str) -> None:
        order.status, order.updated = status, self.now
        self._tell(order, status)
        self._finish_algo(order)

    def _cancel(self, params: Params) -> Payload:
        order = self.order_of(params)
        if order.status not in OPEN:
            raise ApiFault(400, -2011, "Unknown order sent.")
        self._end(order, "CANCELED")
        self._ledger.write(
            Executed(order.client_id, order.order_id, order.symbol, None, waits=False, done=Done.CANCELED)
        )
        return order.answer()

    def _cancel_all(self, params: Params) -> Payload:
        for order in self.open_orders(self.symbol_of(params).name):
            self._end(order, "CANCELED")
            self._ledger.write(
                Executed(order.client_id, order.order_id, order.symbol, None, waits=False, done=Done.CANCELED)
            )
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _modify(self, params: Params) -> Payload:
        order = self.order_of(params)
        if order.status not in OPEN or order.kind != "LIMIT":
            raise ApiFault(*_ABSENT)
        changed = attrs.evolve(
            order, quantity=wanted_decimal(params, "quantity"), price=wanted_decimal(params, "price"), updated=self.now
        )
        if (changed.quantity, changed.price) == (order.quantity, order.price):
            raise ApiFault(400, -5027, "No need to modify the order.")
        check_numbers(self.symbols[order.symbol], self.markets[order.symbol], changed)
        order.quantity, order.price, order.updated = changed.quantity, changed.price, changed.updated
        self._tell(order, "AMENDMENT")
        market = self.markets[order.symbol]
        if market.reaches(order.side, order.price):
            self._fill(order, market.price_for(order.side), self._offered(order), is_maker=False)
        self._ledger.write(
            Executed(order.client_id, order.order_id, order.symbol, None, waits=False, done=Done.MODIFIED)
        )
        return order.answer()

    def _good_till(self, params: Params, tif: str) -> int:
        if tif != "GTD":
            return 0
        until = integer_of(params, "goodTillDate") or 0
        if until < self.now + _LEAST_GTD_MS:
            raise ApiFault(400, -4204, "Invalid goodTillDate.")
        return until // 1000 * 1000

    # --- conditional orders ------------------------------------------------------------------------------------------

    def _place_algo(self, params: Params) -> Payload:
        symbol = self.symbol_of(params)
        one_of(params, "algoType", ("CONDITIONAL",), ApiFault(400, -4122, "Invalid algo type."))
        kind = one_of(params, "type", _ALGO_KINDS, ApiFault(400, -1116, "Invalid orderType."))
        closes = yes_or_no(params, "closePosition")
        algo_id = next(self._algo_ids)
        algo = AlgoOrder(
            algo_id=algo_id,
            client_id=params.get("clientAlgoId") or f"web_algo_{algo_id}",
            symbol=symbol.name,
            side=one_of(params, "side", ("BUY", "SELL"), ApiFault(400, -1117, "Invalid side.")),
            kind=kind,
            tif=params.get("timeInForce", "GTC"),
            quantity=NOUGHT if closes else wanted_decimal(params, "quantity"),
            price=decimal_of(params, "price") or NOUGHT,
            trigger=wanted_decimal(params, "triggerPrice"),
            reduce_only=yes_or_no(params, "reduceOnly"),
            closes_position=closes,
            position_side=check_side(params, hedges=self.account.hedges),
            time=self.now,
            good_till=self._good_till(params, params.get("timeInForce", "GTC")),
            updated=self.now,
        )
        check_conditional(symbol, self.markets[symbol.name], algo, self.open_algos(symbol.name))
        self.algos[algo.algo_id] = algo
        self.on_event(algo.event(self.now))
        quantity = None if closes else algo.quantity
        self._ledger.write(Executed(algo.client_id, algo.algo_id, symbol.name, quantity, waits=True))
        return algo.row()

    def _cancel_algo(self, params: Params) -> Payload:
        algo = self.algo_of(params)
        if algo.status != "NEW":
            raise ApiFault(400, -2011, "Unknown order sent.")
        self._take_back(algo)
        return {"algoId": algo.algo_id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}

    def _cancel_algos(self, params: Params) -> Payload:
        for algo in self.open_algos(self.symbol_of(params).name):
            self._take_back(algo)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _take_back(self, algo: AlgoOrder) -> None:
        self._end_algo(algo, "CANCELED", "")
        self._ledger.write(Executed(algo.client_id, algo.algo_id, algo.symbol, None, waits=False, done=Done.CANCELED))

    def _end_algo(self, algo: AlgoOrder, status: str, reason: str) -> None:
        algo.status, algo.updated = status, self.now
        self.on_event(algo.event(self.now, reason))

    def _set_off(self, symbol: str, prices: Mapping[str, Decimal]) -> None:
        for algo in self.open_algos(symbol):
            if algo.status != "NEW" or not algo.is_reached(prices[algo.side]):
                continue
            held = self.account.position(symbol, algo.position_side).amount
            sign = 1 if algo.side == "BUY" else -1
            against = max(NOUGHT, -held * sign)
            if (algo.closes_position or algo.reduce_only) and not against:
                self._end_algo(algo, "EXPIRED", "there is no position")
                continue
            order = FuturesOrder(
                order_id=next(self._order_ids[symbol]),
                client_id=algo.client_id if self.keeps_names else f"algo_{algo.algo_id}",
                symbol=symbol,
                side=algo.side,
                kind="MARKET" if algo.kind.endswith("_MARKET") else "LIMIT",
                tif="GTC",
                quantity=against if algo.closes_position else algo.quantity,
                price=algo.price,
                reduce_only=algo.reduce_only or algo.closes_position,
                position_side=algo.position_side,
                time=self.now,
                updated=self.now,
                closes_position=algo.closes_position,
            )
            algo.becomes = order.order_id
            self._end_algo(algo, "TRIGGERED", "")
            try:
                self._check_room(order)
            except ApiFault as fault:
                self._end_algo(algo, "REJECTED", fault.message)
                continue
            self._accept(order)

    def _finish_algo(self, order: FuturesOrder) -> None:
        if order.status in OPEN:
            return
        for algo in self.algos.values():
            if (algo.symbol, algo.becomes, algo.status) == (order.symbol, order.order_id, "TRIGGERED"):
                self._end_algo(algo, "FINISHED", "")

    # --- the account -------------------------------------------------------------------------------------------------

    def _set_leverage(self, params: Params) -> Payload:
        symbol, leverage = self.symbol_of(params).name, integer_of(params, "leverage") or 0
        if not 1 <= leverage <= 125:
            raise ApiFault(400, -4028, f"Leverage {leverage} is not valid")
        self.account.leverages[symbol] = leverage
        said = {"e": "ACCOUNT_CONFIG_UPDATE", "E": self.now, "T": self.now, "ac": {"s": symbol, "l": leverage}}
        self.on_event(said)
        return {"leverage": leverage, "maxNotionalValue": "1000000", "symbol": symbol}

    def _set_margin_type(self, params: Params) -> Payload:
        symbol = self.symbol_of(params).name
        said = one_of(
            params, "marginType", ("CROSSED", "ISOLATED"), ApiFault(400, -4049, "Add margin only support for isolated")
        )
        if self.account.margin_types.get(symbol, "CROSSED") == said:
            raise ApiFault(400, -4046, "No need to change margin type.")
        if self.open_orders(symbol):
            raise ApiFault(400, -4047, "Margin type cannot be changed if there exists open orders.")
        if self.account.is_held(symbol):
            raise ApiFault(400, -4048, "Margin type cannot be changed if there exists position.")
        self.account.margin_types[symbol] = said
        return {"code": 200, "msg": "success"}

    def _set_mode(self, params: Params) -> Payload:
        hedges = yes_or_no(params, "dualSidePosition")
        if hedges is self.account.hedges:
            raise ApiFault(400, -4059, "No need to change position side.")
        if self.open_orders() or self.open_algos():
            raise ApiFault(400, -4067, "Position side cannot be changed if there exists open orders.")
        if any(self.account.is_held(symbol) for symbol in self.symbols):
            raise ApiFault(400, -4068, "Position side cannot be changed if there exists position.")
        self.account.hedges = hedges
        return {"code": 200, "msg": "success"}

    def _count_down(self, params: Params) -> Payload:
        symbol, milliseconds = self.symbol_of(params).name, integer_of(params, "countdownTime") or 0
        self._countdowns.pop(symbol, None)
        if milliseconds:
            self._countdowns[symbol] = self.now + milliseconds
        return {"symbol": symbol, "countdownTime": str(milliseconds)}

    def _open_key(self, params: Params) -> Payload:
        del params
        if not self._key_until:
            self._keys += 1
        self._key_until = self.now + 3_600_000
        return {"listenKey": self.listen_key}

    def _close_key(self, params: Params) -> Payload:
        del params
        self._key_until = 0
        return {}

    # --- what is told ------------------------------------------------------------------------------------------------

    def _tell(self, order: FuturesOrder, execution: str, trade: FuturesTrade | None = None) -> None:
        now = self.now
        said: Payload = {
            "s": order.symbol,
            "c": order.client_id,
            "S": order.side,
            "o": order.kind,
            "f": order.tif,
            "q": plain(order.quantity),
            "p": plain(order.price),
            "ap": plain(order.average),
            "sp": "0",
            "x": execution,
            "X": order.status,
            "i": order.order_id,
            "l": "0" if trade is None else plain(trade.quantity),
            "z": plain(order.filled),
            "L": "0" if trade is None else plain(trade.price),
            "n": "0" if trade is None else plain(trade.commission),
            "N": QUOTE,
            "T": now,
            "t": 0 if trade is None else trade.trade_id,
            "b": "0",
            "a": "0",
            "m": trade is not None and trade.is_maker,
            "R": order.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": order.kind,
            "ps": order.position_side,
            "cp": order.closes_position,
            "rp": "0" if trade is None else plain(trade.realized),
            "pP": False,
            "si": 0,
            "ss": 0,
            "V": "NONE",
            "pm": "NONE",
            "gtd": order.good_till,
        }
        self.on_event({"e": "ORDER_TRADE_UPDATE", "E": now, "T": now, "o": said})

    def _tell_trade(
        self, symbol: str, price: Decimal, qty: Decimal, *, is_buyer_maker: bool, number: int | None = None
    ) -> None:
        market, now = self.markets[symbol], self.now
        market.last = price
        number = next(self._trade_ids[symbol]) if number is None else number
        said = {"e": "trade", "E": now, "T": now, "s": symbol, "t": number, "p": plain(price), "q": plain(qty)}
        self.on_market({"kind": "trade", "symbol": symbol, "data": said | {"X": "MARKET", "m": is_buyer_maker}})
