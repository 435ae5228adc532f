"""The freeze level: what the market is about to trigger can't be changed any more (MetaTrader 5: 10029)."""

from __future__ import annotations

from quantmind.adapters.mock.checks import refuse
from quantmind.adapters.mock.market import Price
from quantmind.adapters.mock.pending import distance
from quantmind.adapters.mock.positions import OpenPosition
from quantmind.domain.accounts import PendingOrder
from quantmind.domain.orders import Refused
from quantmind.domain.retcodes import Retcode
from quantmind.domain.symbols import SymbolSpec


def check_frozen_position(spec: SymbolSpec, position: OpenPosition, price: Price) -> Refused | None:
    """Whether a stop of the position is no farther than the freeze level from the price that triggers it.

    Then it can't be changed or closed, wholly or in part. A freeze level of 0 freezes nothing.
    """
    if spec.freeze_level <= 0:
        return None
    frozen = spec.freeze_level * spec.point
    level = price.exit(position.side)
    for what, stop in (("stop loss", position.sl), ("take profit", position.tp)):
        if stop is not None and abs(stop - level) <= frozen:
            return refuse(
                Retcode.FROZEN,
                f"position {position.ticket} is frozen: its {what} {stop} is {abs(stop - level) / spec.point:.0f} "
                f"points from the market at {level}, within the freeze level of {spec.freeze_level}; wait until the "
                "price has moved away",
            )
    return None


def check_frozen_order(spec: SymbolSpec, order: PendingOrder, price: Price) -> Refused | None:
    """Whether the order is no farther than the freeze level from the market: then it can't be changed or cancelled."""
    if spec.freeze_level <= 0:
        return None
    apart = distance(order, price)
    if apart > spec.freeze_level * spec.point:
        return None
    return refuse(
        Retcode.FROZEN,
        f"order {order.ticket} is frozen: its price {order.price} is {apart / spec.point:.0f} points from the market "
        f"at {price.fill(order.side)}, within the freeze level of {spec.freeze_level}; wait until the price has moved "
        "away",
    )
