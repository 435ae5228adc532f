"""Two opposite positions that close against each other, without a spread."""

from __future__ import annotations

from decimal import Decimal

import attrs

from quantmind.adapters.mock.checks import refuse
from quantmind.adapters.mock.positions import OpenPosition, split
from quantmind.domain.orders import Close, Refused
from quantmind.domain.retcodes import Retcode


@attrs.frozen
class Matched:
    """What of two positions closes against each other, and what stays of each (None: nothing)."""

    closed: OpenPosition
    rest: OpenPosition | None
    by: OpenPosition
    by_rest: OpenPosition | None

    @property
    def price(self) -> Decimal:
        """The price of both deals: that at which the second position was opened.

        So the first deal makes what the pair makes, and the second nothing.
        """
        return self.by.price_open


def match(order: Close, position: OpenPosition, by: OpenPosition | None) -> Matched | Refused:
    """Close `position` by another one, by the smaller of the two volumes, or why that can't be."""
    if by is None:
        return refuse(Retcode.POSITION_CLOSED, f"there is no open position {order.by} to close {order.ticket} by")
    if by.ticket == position.ticket:
        return refuse(Retcode.INVALID, f"position {position.ticket} can't close itself: name an opposite one")
    if by.symbol != position.symbol:
        return refuse(
            Retcode.INVALID,
            f"position {by.ticket} is of {by.symbol} and can't close {position.ticket} of {position.symbol}: "
            "both must be of one symbol",
        )
    if by.side is position.side:
        return refuse(
            Retcode.INVALID,
            f"positions {position.ticket} and {by.ticket} are both a {by.side.value}: only opposite ones close "
            "each other",
        )
    volume = min(position.volume, by.volume)
    if order.volume is not None and order.volume != volume:
        return refuse(
            Retcode.INVALID_CLOSE_VOLUME,
            f"{position.ticket} and {by.ticket} close by {volume} lots, the smaller of the two, and not by "
            f"{order.volume}: leave the volume out",
        )
    closed, rest = split(position, volume)
    other, other_rest = split(by, volume)
    return Matched(closed, rest, other, other_rest)
