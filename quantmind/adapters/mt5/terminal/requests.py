"""Approved orders as MqlTradeRequest, or the code that a server would refuse them with: what must fail is not sent.

A server checks all of this, too; here it is checked first, because its codes come without a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.adapters.mt5.terminal.comments import pack
from quantmind.adapters.mt5.terminal.constants import Action, FillingMode, OrderKind, TimeKind
from quantmind.adapters.mt5.terminal.server_clock import ServerClock
from quantmind.adapters.mt5.terminal.symbols import Named
from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import Cancel, Close, Filling, Modify, Open, OrderType, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import Execution, SymbolSpec, TradeMode

Request = dict[str, Any]
_FILLING_NUMBERS: Final[Mapping[Filling, int]] = {
    Filling.FOK: FillingMode.FOK,
    Filling.IOC: FillingMode.IOC,
    Filling.RETURN: FillingMode.RETURN,
}
_PREFERRED: Final = (Filling.FOK, Filling.IOC, Filling.RETURN)
_MARKET: Final = {Side.BUY: OrderKind.BUY, Side.SELL: OrderKind.SELL}
_PENDING: Final = {
    (Side.BUY, OrderType.LIMIT): OrderKind.BUY_LIMIT,
    (Side.SELL, OrderType.LIMIT): OrderKind.SELL_LIMIT,
    (Side.BUY, OrderType.STOP): OrderKind.BUY_STOP,
    (Side.SELL, OrderType.STOP): OrderKind.SELL_STOP,
}
_MOST_DEVIATION: Final = 2**31 - 1


@attrs.frozen
class Market:
    """A symbol and its price now. No quote: it has no price yet."""

    symbol: Named
    quote: Quote | None

    @property
    def spec(self) -> SymbolSpec:
        return self.symbol.spec

    def fill(self, side: Side) -> Decimal:
        """What an order of this side would fill at; only where there is a price."""
        assert self.quote is not None
        return self.spec.round_price(Decimal(repr(self.quote.ask if side is Side.BUY else self.quote.bid)))


def refuse(code: Retcode, message: str) -> Refused:
    """What a server would say, with the reason."""
    return Refused(int(code), message[:400])


def open_request(order: Open, market: Market, tag: str, clock: ServerClock) -> Request | Refused:
    """A market order, or one that waits."""
    spec = market.spec
    if order.side is None:
        return refuse(Retcode.INVALID, "an order that is sent needs a side")
    wrong = _mode(spec, order.side) or _volume(spec, order.volume, reduce=order.reduce)
    if isinstance(wrong, Refused):
        return wrong
    if market.quote is None:
        return refuse(Retcode.PRICE_OFF, f"{spec.name} has no price yet: wait for its first tick")
    volume = spec.floor_volume(order.volume) if order.reduce else order.volume
    request: Request = {
        "symbol": market.symbol.terminal_name,
        "volume": float(volume),
        "magic": order.origin.magic,
        "comment": pack(tag, order.comment),
    }
    met = market.fill(order.side)
    if order.order_type is OrderType.MARKET:
        filling = _filling(spec, order.filling)
        if isinstance(filling, Refused):
            return filling
        wanted = order.price if order.price is not None and spec.execution is Execution.INSTANT else met
        refused = _grid(spec, "price", wanted) or _stops(spec, order.side, market, order.sl, order.tp, met)
        if refused is not None:
            return refused
        request.update(
            action=int(Action.DEAL),
            type=int(_MARKET[order.side]),
            price=float(wanted),
            type_filling=filling,
            type_time=int(TimeKind.GTC),
        )
        if order.deviation is not None:
            request["deviation"] = min(order.deviation, _MOST_DEVIATION)
        return _with_stops(request, order.sl, order.tp)
    if order.price is None:
        return refuse(Retcode.INVALID_PRICE, f"a {order.order_type.value} order needs a price")
    refused = (
        _grid(spec, "price", order.price)
        or _waits(spec, order.side, order.order_type, order.price, met)
        or _pending_stops(spec, order.side, order.price, order.sl, order.tp)
    )
    if refused is not None:
        return refused
    ends = _expiration(market.symbol, order.expiration, clock)
    if isinstance(ends, Refused):
        return ends
    request.update(
        action=int(Action.PENDING),
        type=int(_PENDING[order.side, order.order_type]),
        price=float(order.price),
        type_filling=int(FillingMode.RETURN),
        **ends,
    )
    return _with_stops(request, order.sl, order.tp)


def close_request(order: Close, position: Position | None, market: Market | None, tag: str) -> Request | Refused:
    """An opposite deal on the position's ticket; on a netting account it is the same."""
    wrong = _closable(order, position)
    if wrong is not None:
        return wrong
    assert position is not None
    if market is None or market.quote is None:
        return refuse(Retcode.PRICE_OFF, f"{position.symbol} has no price now: wait for its next tick")
    spec = market.spec
    if spec.trade_mode is TradeMode.DISABLED:
        return refuse(Retcode.TRADE_DISABLED, f"{spec.name} can't be traded at all now; ask the broker")
    volume = position.volume if order.volume is None else order.volume
    if volume > position.volume:
        return refuse(
            Retcode.INVALID_CLOSE_VOLUME,
            f"{volume} lots can't be closed: position {order.ticket} has {position.volume}",
        )
    if volume != position.volume:
        refused = _volume(spec, volume, reduce=False)
        if refused is not None:
            return refused
    side = position.side.opposite
    filling = _filling(spec, None)
    if isinstance(filling, Refused):
        return filling
    return {
        "action": int(Action.DEAL),
        "symbol": market.symbol.terminal_name,
        "volume": float(volume),
        "type": int(_MARKET[side]),
        "position": position.ticket,
        "price": float(market.fill(side)),
        "type_filling": filling,
        "type_time": int(TimeKind.GTC),
        "magic": position.magic,
        "comment": pack(tag, position.comment),
    }


def close_by_request(
    order: Close, position: Position | None, other: Position | None, *, hedging: bool, terminal_name: str, tag: str
) -> Request | Refused:
    """Two opposite positions against each other."""
    if not hedging:
        return refuse(
            Retcode.INVALID_ORDER,
            f"position {order.ticket} can't be closed by {order.by}: a netting account has no opposite positions",
        )
    wrong = _closable(order, position)
    if wrong is not None:
        return wrong
    assert position is not None
    if other is None:
        return refuse(Retcode.POSITION_CLOSED, f"there is no open position {order.by}")
    if other.ticket == position.ticket:
        return refuse(Retcode.INVALID, f"position {order.ticket} can't be closed by itself")
    if other.symbol != position.symbol:
        return refuse(Retcode.INVALID, f"position {order.by} is of {other.symbol}, not of {position.symbol}")
    if other.side is position.side:
        return refuse(Retcode.INVALID, f"positions {order.ticket} and {order.by} are both a {position.side.value}")
    if order.volume is not None:
        return refuse(Retcode.INVALID_VOLUME, "closing by another position takes no volume: it is the smaller of both")
    return {
        "action": int(Action.CLOSE_BY),
        "symbol": terminal_name,
        "position": position.ticket,
        "position_by": other.ticket,
        "magic": position.magic,
        "comment": pack(tag, position.comment),
    }


def stops_request(order: Modify, position: Position, market: Market) -> Request | Refused:
    """New stops of a position. The package replaces both, so the one that is not named is sent as it is."""
    if order.new_price is not None or order.new_expiration is not None:
        return refuse(
            Retcode.INVALID,
            f"{order.ticket} is a position and no pending order: it has a stop loss and a take profit, and neither a "
            "price nor an expiration to change",
        )
    spec = market.spec
    sl, tp = _kept(order.new_sl, position.sl), _kept(order.new_tp, position.tp)
    refused = _grid(spec, "stop loss", sl) or _grid(spec, "take profit", tp)
    if refused is not None:
        return refused
    if (sl, tp) == (position.sl, position.tp):
        return refuse(
            Retcode.NO_CHANGES,
            f"position {order.ticket} already has stop loss {sl or 'none'} and take profit {tp or 'none'}",
        )
    if market.quote is None:
        return refuse(Retcode.PRICE_OFF, f"{spec.name} has no price now: wait for its next tick")
    new_sl, new_tp = (None if sl == position.sl else sl), (None if tp == position.tp else tp)
    met = market.fill(position.side.opposite)
    refused = (
        _frozen(spec, f"position {order.ticket}", met, position.sl)
        or _frozen(spec, f"position {order.ticket}", met, position.tp)
        or _stops(spec, position.side, market, new_sl, new_tp, met)
    )
    if refused is not None:
        return refused
    return {
        "action": int(Action.SLTP),
        "symbol": market.symbol.terminal_name,
        "position": position.ticket,
        "sl": float(sl or 0),
        "tp": float(tp or 0),
        "magic": position.magic,
    }


def modify_request(order: Modify, waits: PendingOrder, market: Market, clock: ServerClock) -> Request | Refused:
    """What a waiting order is to be. What is not named is sent as it is, since the package replaces all of it."""
    spec = market.spec
    where = waits.price if order.new_price is None else order.new_price
    sl, tp = _kept(order.new_sl, waits.sl), _kept(order.new_tp, waits.tp)
    ends_at = order.new_expiration
    if ends_at is None and waits.expiration_msc is not None:
        ends_at = waits.expiration_msc / 1000
    same_end = (ends_at or 0) * 1000 == (waits.expiration_msc or 0)
    if (where, sl, tp) == (waits.price, waits.sl, waits.tp) and same_end:
        return refuse(Retcode.NO_CHANGES, f"order {order.ticket} is already so")
    if market.quote is None:
        return refuse(Retcode.PRICE_OFF, f"{spec.name} has no price now: wait for its next tick")
    met = market.fill(waits.side)
    refused = (
        _grid(spec, "price", where)
        or _frozen(spec, f"order {order.ticket}", met, waits.price)
        or (_waits(spec, waits.side, waits.order_type, where, met) if where != waits.price else None)
        or _pending_stops(spec, waits.side, where, sl, tp)
    )
    if refused is not None:
        return refused
    ends = _expiration(market.symbol, ends_at or None, clock)
    if isinstance(ends, Refused):
        return ends
    return {
        "action": int(Action.MODIFY),
        "symbol": market.symbol.terminal_name,
        "order": waits.ticket,
        "price": float(where),
        "sl": float(sl or 0),
        "tp": float(tp or 0),
        "magic": waits.magic,
        **ends,
    }


def cancel_request(order: Cancel, waits: PendingOrder | None, market: Market | None) -> Request | Refused:
    """Take back a waiting order. It is frozen where the market is too near, if a price is known."""
    if waits is None:
        return refuse(Retcode.INVALID, f"there is no pending order {order.ticket}: read the orders again")
    if market is not None and market.quote is not None:
        refused = _frozen(market.spec, f"order {order.ticket}", market.fill(waits.side), waits.price)
        if refused is not None:
            return refused
    return {"action": int(Action.REMOVE), "order": waits.ticket, "magic": waits.magic}


# --- the checks -------------------------------------------------------------------------------------------------------


def _closable(order: Close, position: Position | None) -> Refused | None:
    if position is None:
        return refuse(Retcode.POSITION_CLOSED, f"there is no open position {order.ticket}")
    if order.symbol and order.symbol != position.symbol:
        return refuse(Retcode.INVALID, f"position {order.ticket} is of {position.symbol}, not of {order.symbol}")
    return None


def _mode(spec: SymbolSpec, side: Side) -> Refused | None:
    match spec.trade_mode:
        case TradeMode.FULL:
            return None
        case TradeMode.DISABLED:
            return refuse(Retcode.TRADE_DISABLED, f"{spec.name} can't be traded now; ask the broker")
        case TradeMode.CLOSE_ONLY:
            return refuse(Retcode.CLOSE_ONLY, f"positions of {spec.name} may only be closed")
        case TradeMode.LONG_ONLY:
            return None if side is Side.BUY else refuse(Retcode.LONG_ONLY, f"{spec.name} may only be bought")
        case TradeMode.SHORT_ONLY:
            return None if side is Side.SELL else refuse(Retcode.SHORT_ONLY, f"{spec.name} may only be sold")


def _volume(spec: SymbolSpec, volume: Decimal, *, reduce: bool) -> Refused | None:
    if not volume.is_finite() or volume <= 0:
        return refuse(Retcode.INVALID_VOLUME, f"{volume} is no volume")
    if spec.on_volume_grid(volume) or (reduce and spec.floor_volume(volume) > 0):
        return None
    return refuse(
        Retcode.INVALID_VOLUME,
        f"{volume} lots of {spec.name} can't be traded: use {spec.volume_min} to {spec.volume_max} in steps of "
        f"{spec.volume_step}",
    )


def _grid(spec: SymbolSpec, what: str, level: Decimal | None) -> Refused | None:
    if not level:
        return None
    if not level.is_finite() or level < 0:
        return refuse(Retcode.INVALID_PRICE, f"the {what} {level} is no price")
    if spec.on_price_grid(level):
        return None
    return refuse(
        Retcode.INVALID_PRICE, f"the {what} {level} of {spec.name} is between two ticks: use steps of {spec.tick_size}"
    )


def _stops(
    spec: SymbolSpec, side: Side, market: Market, sl: Decimal | None, tp: Decimal | None, met: Decimal
) -> Refused | None:
    """Against the price at which the position would close."""
    del met
    return _sides(spec, side, market.fill(side.opposite), sl, tp)


def _pending_stops(
    spec: SymbolSpec, side: Side, where: Decimal, sl: Decimal | None, tp: Decimal | None
) -> Refused | None:
    return _sides(spec, side, where, sl, tp)


def _sides(spec: SymbolSpec, side: Side, at: Decimal, sl: Decimal | None, tp: Decimal | None) -> Refused | None:
    nearest = spec.stops_level * spec.point
    for what, level, sign in (("stop loss", sl, -1), ("take profit", tp, 1)):
        if not level:
            continue
        refused = _grid(spec, what, level)
        if refused is not None:
            return refused
        away = (level - at) * sign * side.sign
        if away <= 0 or away < nearest:
            where = "below" if sign * side.sign < 0 else "above"
            return refuse(
                Retcode.INVALID_STOPS,
                f"the {what} {level} of a {side.value} of {spec.name} must be {where} {at}"
                + (f", at least {spec.stops_level} points away" if spec.stops_level else ""),
            )
    return None


def _waits(spec: SymbolSpec, side: Side, kind: OrderType, where: Decimal, met: Decimal) -> Refused | None:
    # A limit order waits on the cheap side of the market, a stop order on the dear one.
    sign = side.sign if kind is OrderType.STOP else -side.sign
    away, nearest = (where - met) * sign, spec.stops_level * spec.point
    if away > 0 and away >= nearest:
        return None
    side_of = "above" if sign > 0 else "below"
    return refuse(
        Retcode.INVALID_PRICE,
        f"a {side.value} {kind} of {spec.name} must wait {side_of} {met}, was {where}".replace(str(kind), kind.value)
        + (f"; at least {spec.stops_level} points away" if spec.stops_level else ""),
    )


def _frozen(spec: SymbolSpec, what: str, met: Decimal, level: Decimal | None) -> Refused | None:
    if not level or not spec.freeze_level or abs(level - met) > spec.freeze_level * spec.point:
        return None
    return refuse(
        Retcode.FROZEN,
        f"{what} can't be changed: {level} is within {spec.freeze_level} points (freeze level) of the market at {met}",
    )


def _filling(spec: SymbolSpec, wanted: Filling | None) -> int | Refused:
    if wanted is not None:
        if wanted in spec.fillings:
            return int(_FILLING_NUMBERS[wanted])
        modes = ", ".join(sorted(each.value for each in spec.fillings))
        return refuse(Retcode.INVALID_FILL, f"{spec.name} has no filling mode {wanted.value}: it has {modes}")
    for filling in _PREFERRED:
        if filling in spec.fillings:
            return int(_FILLING_NUMBERS[filling])
    return refuse(Retcode.INVALID_FILL, f"{spec.name} has no filling mode that is known here")


def _expiration(symbol: Named, ends_at: float | None, clock: ServerClock) -> Request | Refused:
    if not ends_at:
        return {"type_time": int(TimeKind.GTC)}
    if not symbol.takes_time:
        return refuse(
            Retcode.INVALID_EXPIRATION,
            f"orders of {symbol.spec.name} can't end at a time at this broker: leave `expiration` out and cancel it",
        )
    return {"type_time": int(TimeKind.SPECIFIED), "expiration": clock.from_utc_s(ends_at)}


def _with_stops(request: Request, sl: Decimal | None, tp: Decimal | None) -> Request:
    if sl:
        request["sl"] = float(sl)
    if tp:
        request["tp"] = float(tp)
    return request


def _kept(new: Decimal | None, there: Decimal | None) -> Decimal | None:
    return there if new is None else (new or None)
