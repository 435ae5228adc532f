"""What an execution does to the position that is there: the one rule of a netting account."""

from __future__ import annotations

import attrs

from quantmind.adapters.mock.money import WIDE, ZERO
from quantmind.adapters.mock.positions import OpenPosition, split
from quantmind.domain.accounts import Entry


@attrs.frozen
class Joined:
    """What becomes of a position: the part of it that was closed, and what is open afterwards."""

    entry: Entry
    closed: OpenPosition | None
    rest: OpenPosition | None


def join(held: OpenPosition | None, new: OpenPosition) -> Joined:
    """Let `new` into the position of its symbol; None is none, or a hedging account, where it stands by itself.

    The same side adds: cost and margin add up, so the opening price is the mean by volume. The opposite side reduces,
    closes, or reverses: then the whole position is closed and the rest of `new` is open at the deal's price, with
    magic, comment, tag and time of the new order. The position keeps its number throughout. Stop loss and take profit
    are those of the newest order that made the position larger or turned it, also when it has none; an order that only
    reduces leaves them alone (MetaTrader 5 help, "Rules of inheriting of stop levels").
    """
    if held is None:
        return Joined(Entry.IN, None, new)
    if held.side is new.side:
        volume = held.volume + new.volume
        paid = WIDE.add(WIDE.multiply(held.margin_per_lot, held.volume), WIDE.multiply(new.margin_per_lot, new.volume))
        return Joined(
            Entry.IN,
            None,
            attrs.evolve(
                held,
                volume=volume,
                cost=WIDE.add(held.cost, new.cost),
                margin_per_lot=WIDE.divide(paid, volume),
                sl=new.sl,
                tp=new.tp,
            ),
        )
    if new.volume <= held.volume:
        return Joined(Entry.OUT, *split(held, new.volume))
    turned, _ = split(new, new.volume - held.volume)
    return Joined(Entry.INOUT, held, attrs.evolve(turned, ticket=held.ticket, swap=ZERO))
