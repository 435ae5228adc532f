"""What a position or an order comes to at a stop: its loss by what a lot is worth, and what a stop may cost beyond."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import OrderType, Side
from quantmind.domain.risk.policy import Allowances
from quantmind.domain.risk.worth import ZERO, Worth

HUNDRED = Decimal(100)


class More(NamedTuple):
    """What is lost more by a stop that is moved away: of all there is, and of what counts as a loss alone."""

    all: Decimal
    losses: Decimal

    def plus(self, other: More) -> More:
        return More(self.all + other.all, self.losses + other.losses)


NOTHING_MORE = More(ZERO, ZERO)


def worst_at(item: Position | PendingOrder, sl: Decimal | None, worth: Worth, allowances: Allowances) -> Decimal | None:
    """What a position or a pending order comes to at a stop. None: it has no stop."""
    if isinstance(item, Position):
        return at_stop(item, sl, worth, allowances)
    lost = loss_of_a_lot(item.side, item.price, sl, worth, allowances, slips=item.order_type is OrderType.STOP)
    return None if lost is None else -lost * item.volume


def further(
    item: Position | PendingOrder,
    old: Decimal | None,
    stops: Iterable[Decimal | None],
    worth: Worth,
    allowances: Allowances,
) -> More | None:
    """What it may lose more at the worst of some stops than at the old one (0 or more). None: that is not known."""
    before, more = worst_at(item, old, worth, allowances), NOTHING_MORE
    for stop in stops:
        after = worst_at(item, stop, worth, allowances)
        if before is None or after is None:
            return None
        whole, losses = before - after, min(ZERO, before) - min(ZERO, after)
        more = More(max(more.all, whole), max(more.losses, losses))
    return more


def furthest(side: Side, stops: Sequence[Decimal | None]) -> tuple[Decimal | None, ...]:
    """Those of the stops that can be the worst for lots of a side: the furthest one, and none at all."""
    there = [stop for stop in stops if stop is not None]
    found: list[Decimal | None] = [] if len(there) == len(stops) else [None]
    if there:
        found.append(min(there) if side is Side.BUY else max(there))
    return tuple(found)


def at_stop(position: Position, sl: Decimal | None, worth: Worth, allowances: Allowances) -> Decimal | None:
    """What a position comes to at a stop, swap and allowances included; never more than now. None: it has no stop."""
    floating = position.profit + position.swap
    volume, beyond = position.volume, _beyond(worth, allowances) * position.volume
    if sl is not None:
        made = worth.change(volume, (sl - position.price_open) * position.side.sign) + position.swap
        return min(made, floating) - beyond
    if allowances.assumed_stop_percent is None:
        return None
    distance = position.price_current * allowances.assumed_stop_percent / HUNDRED
    return floating + worth.change(volume, -distance) - beyond


def loss_of_a_lot(
    side: Side,
    entry: Decimal,
    sl: Decimal | None,
    worth: Worth,
    allowances: Allowances,
    *,
    slips: bool = False,
) -> Decimal | None:
    """What a lot loses (0 or more) from its entry to its stop, allowances included. None: it has no stop.

    `slips`: the entry is a stop, too, and may fill worse.
    """
    if sl is None:
        if allowances.assumed_stop_percent is None:
            return None
        distance = entry * allowances.assumed_stop_percent / HUNDRED
    else:
        distance = max(ZERO, (entry - sl) * side.sign)
    if slips:
        distance += allowances.slippage_points * worth.point
    return -worth.change(Decimal(1), -distance) + _beyond(worth, allowances)


def _beyond(worth: Worth, allowances: Allowances) -> Decimal:
    """What a lot may cost beyond the price of its stop."""
    if not allowances.slippage_points:
        return allowances.commission_per_lot
    return allowances.commission_per_lot - worth.change(Decimal(1), -allowances.slippage_points * worth.point)
