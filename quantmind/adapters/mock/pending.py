"""Limit and stop orders that wait: where they may stand, what ends the waiting, and what changes them."""

from __future__ import annotations

import math
from decimal import Decimal

import attrs

from quantmind.adapters.mock.checks import check_price, check_stops_at, refuse, stop_level
from quantmind.adapters.mock.market import Price
from quantmind.adapters.mock.rollover import LAST_MSC
from quantmind.domain.accounts import PendingOrder
from quantmind.domain.clock import iso_from_msc
from quantmind.domain.orders import Modify, Open, OrderType, Refused, Side
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import SymbolSpec


def direction(order_type: OrderType, side: Side) -> int:
    """+1 when the price must rise to the order (buy stop, sell limit), -1 when it must fall."""
    return side.sign if order_type is OrderType.STOP else -side.sign


def distance(order: PendingOrder, price: Price) -> Decimal:
    """How far the market is from the order, above 0 while it waits. A buy looks at the ask, a sell at the bid."""
    return (order.price - price.fill(order.side)) * direction(order.order_type, order.side)


def is_due(order: PendingOrder, price: Price) -> bool:
    """Whether this price activates the order."""
    return distance(order, price) <= 0


def has_expired(order: PendingOrder, time_msc: int) -> bool:
    """Whether the order's time is over; the moment of its expiration is the first at which it is."""
    return order.expiration_msc is not None and order.expiration_msc <= time_msc


def new_order(
    order: Open, spec: SymbolSpec, side: Side, price: Price, time_msc: int, tag: str
) -> PendingOrder | Refused:
    """The order as it would wait, still without a ticket, or why it can't. Its shape was checked by `check_open`."""
    if not order.price:
        return refuse(Retcode.INVALID_PRICE, f"a {order.order_type.value} order needs a price: none was given")
    expiration_msc = expiration_of(order.expiration, time_msc)
    if isinstance(expiration_msc, Refused):
        return expiration_msc
    waiting = PendingOrder(
        ticket=0,
        symbol=order.symbol,
        side=side,
        order_type=order.order_type,
        volume=order.volume,
        price=order.price.quantize(spec.point),
        time_msc=time_msc,
        sl=stop_level(spec, order.sl),
        tp=stop_level(spec, order.tp),
        expiration_msc=expiration_msc,
        magic=order.origin.magic,
        comment=order.comment,
        tag=tag,
    )
    return (
        check_side(spec, waiting, price)
        or check_stops_at(spec, side, waiting.price, "the order's price", waiting.sl, waiting.tp)
        or waiting
    )


def changed_order(
    order: PendingOrder, change: Modify, spec: SymbolSpec, price: Price, time_msc: int
) -> PendingOrder | Refused:
    """The order with its changes, or why it can't have them.

    None keeps what is there, 0 removes a stop or the expiration. Only what changes is checked; a new price counts as
    a change of the stops, too, because they are measured from it.
    """
    if change.new_price is not None and change.new_price == 0:
        return refuse(Retcode.INVALID_PRICE, f"order {order.ticket} needs a price above 0: cancel it to remove it")
    wrong = (
        check_price(spec, "price", change.new_price)
        or check_price(spec, "stop loss", change.new_sl)
        or check_price(spec, "take profit", change.new_tp)
    )
    if wrong is not None:
        return wrong
    expiration_msc = order.expiration_msc
    if change.new_expiration is not None:
        asked = None if change.new_expiration == 0 else change.new_expiration
        found = expiration_of(asked, time_msc)
        if isinstance(found, Refused):
            return found
        expiration_msc = found
    changed = attrs.evolve(
        order,
        price=order.price if change.new_price is None else change.new_price.quantize(spec.point),
        sl=order.sl if change.new_sl is None else stop_level(spec, change.new_sl),
        tp=order.tp if change.new_tp is None else stop_level(spec, change.new_tp),
        expiration_msc=expiration_msc,
    )
    if changed == order:
        return refuse(
            Retcode.NO_CHANGES,
            f"order {order.ticket} already has price {order.price}, stop loss {order.sl or 'none'}, take profit "
            f"{order.tp or 'none'} and expiration "
            f"{'none' if order.expiration_msc is None else iso_from_msc(order.expiration_msc)}",
        )
    moved = changed.price != order.price
    sl = changed.sl if moved or changed.sl != order.sl else None
    tp = changed.tp if moved or changed.tp != order.tp else None
    return (
        (check_side(spec, changed, price) if moved else None)
        or check_stops_at(spec, order.side, changed.price, "the order's price", sl, tp)
        or changed
    )


def expiration_of(expiration: float | None, time_msc: int) -> int | Refused | None:
    """An expiration (Unix seconds) in milliseconds, None for none; 10022 unless it lies ahead."""
    if expiration is None:
        return None
    if not math.isfinite(expiration) or not 0 < expiration * 1000 < LAST_MSC:
        return refuse(
            Retcode.INVALID_EXPIRATION, f"expiration {expiration} is not a time: use Unix seconds, or none at all"
        )
    expiration_msc = round(expiration * 1000)
    if expiration_msc <= time_msc:
        return refuse(
            Retcode.INVALID_EXPIRATION,
            f"expiration {iso_from_msc(expiration_msc)} is not after {iso_from_msc(time_msc)}, which it is now: "
            "use a later time, or none at all",
        )
    return expiration_msc


def check_side(spec: SymbolSpec, order: PendingOrder, price: Price) -> Refused | None:
    """Whether the order stands on its side of the market, and the stops level away from it: 10015."""
    market = price.fill(order.side)
    whose = "ask" if order.side is Side.BUY else "bid"
    where = "above" if direction(order.order_type, order.side) > 0 else "below"
    apart = distance(order, price)
    what = f"price {order.price} of a {order.side.value} {order.order_type.value}"
    if apart <= 0:
        return refuse(Retcode.INVALID_PRICE, f"{what} must be {where} the {whose}, which is {market}")
    if apart < spec.stops_level * spec.point:
        return refuse(
            Retcode.INVALID_PRICE,
            f"{what} is {apart / spec.point:.0f} points from the {whose} {market}, "
            f"{spec.name} wants at least {spec.stops_level}",
        )
    return None
