"""When a tick triggers a stop: exactly, and by four comparisons that spare nearly every tick the exact look."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

import attrs

from quantmind.adapters.mock.market import Price
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.domain.accounts import Cause
from quantmind.domain.orders import Side
from quantmind.domain.quotes import Quote


@attrs.frozen
class Guard:
    """Prices between which no stop of one symbol can trigger.

    Floats and a point too narrow: what `spares` lets pass has surely triggered nothing, what it holds may have.
    """

    bid_low: float
    bid_high: float
    ask_low: float
    ask_high: float

    def spares(self, quote: Quote) -> bool:
        """Whether the tick surely triggers nothing."""
        return self.bid_low < quote.bid < self.bid_high and self.ask_low < quote.ask < self.ask_high


def cause_of(position: OpenPosition, price: Price) -> Cause | None:
    """Why the position closes at this price, or None. The stops of a buy look at the bid, of a sell at the ask."""
    level, sign = price.exit(position.side), position.side.sign
    if position.sl is not None and (level - position.sl) * sign <= 0:
        return Cause.SL
    if position.tp is not None and (level - position.tp) * sign >= 0:
        return Cause.TP
    return None


def guard_of(positions: Iterable[OpenPosition], point: Decimal) -> Guard | None:
    """The guard of one symbol's positions; None when none of them has a stop."""
    low = dict.fromkeys(Side, -math.inf)
    high = dict.fromkeys(Side, math.inf)
    slack = float(point)
    guarded = False
    for position in positions:
        side = position.side
        below, above = (position.sl, position.tp) if side is Side.BUY else (position.tp, position.sl)
        if below is not None:
            guarded = True
            low[side] = max(low[side], float(below) + slack)
        if above is not None:
            guarded = True
            high[side] = min(high[side], float(above) - slack)
    return Guard(low[Side.BUY], high[Side.BUY], low[Side.SELL], high[Side.SELL]) if guarded else None
