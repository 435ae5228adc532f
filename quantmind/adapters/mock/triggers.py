"""When a tick triggers a stop: exactly, and by four comparisons that spare nearly every tick the exact look."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

import attrs

from quantmind.adapters.mock.market import Price
from quantmind.adapters.mock.pending import direction
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.domain.accounts import Cause, PendingOrder
from quantmind.domain.orders import Side
from quantmind.domain.quotes import Quote


@attrs.frozen
class Guard:
    """Prices between which nothing of one symbol can trigger.

    Floats and a point too narrow: what `spares` lets pass has surely triggered nothing, what it holds may have.
    """

    bid_low: float
    bid_high: float
    ask_low: float
    ask_high: float

    def spares(self, quote: Quote) -> bool:
        """Whether the tick surely triggers nothing."""
        return self.bid_low < quote.bid < self.bid_high and self.ask_low < quote.ask < self.ask_high


_EVERYWHERE = (-math.inf, math.inf, -math.inf, math.inf)
ALWAYS_LOOK = Guard(math.inf, -math.inf, math.inf, -math.inf)
"""Spares nothing."""


def cause_of(position: OpenPosition, price: Price) -> Cause | None:
    """Why the position closes at this price, or None. The stops of a buy look at the bid, of a sell at the ask."""
    level, sign = price.exit(position.side), position.side.sign
    if position.sl is not None and (level - position.sl) * sign <= 0:
        return Cause.SL
    if position.tp is not None and (level - position.tp) * sign >= 0:
        return Cause.TP
    return None


def guard_of(
    positions: Iterable[OpenPosition], orders: Iterable[PendingOrder], point: Decimal, zone: Guard | None = None
) -> Guard | None:
    """The guard of one symbol's positions and pending orders; None when nothing of it can trigger at any price.

    Args:
        zone: the prices between which the margin level needs no look, None for all.
    """
    # A buy's stops and a sell order look at the bid, a sell's stops and a buy order at the ask.
    bid_low, bid_high, ask_low, ask_high = _EVERYWHERE if zone is None else attrs.astuple(zone)
    slack = float(point)
    guarded = zone is not None
    for position in positions:
        buys = position.side is Side.BUY
        below, above = (position.sl, position.tp) if buys else (position.tp, position.sl)
        if below is not None:
            guarded, level = True, float(below) + slack
            bid_low, ask_low = (max(bid_low, level), ask_low) if buys else (bid_low, max(ask_low, level))
        if above is not None:
            guarded, level = True, float(above) - slack
            bid_high, ask_high = (min(bid_high, level), ask_high) if buys else (bid_high, min(ask_high, level))
    for order in orders:
        guarded = True
        buys, rises = order.side is Side.BUY, direction(order.order_type, order.side) > 0
        level = float(order.price) - slack if rises else float(order.price) + slack
        if rises:
            bid_high, ask_high = (bid_high, min(ask_high, level)) if buys else (min(bid_high, level), ask_high)
        else:
            bid_low, ask_low = (bid_low, max(ask_low, level)) if buys else (max(bid_low, level), ask_low)
    return Guard(bid_low, bid_high, ask_low, ask_high) if guarded else None
