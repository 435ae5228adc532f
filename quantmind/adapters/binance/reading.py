"""How what is held, and the newest trades of it, become a position: it is gone through from what there was before them.

What was paid for it, and what it is called, may be older than the trades that the exchange still tells: that is carried
over from what was written down, or is what the exchange says of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import attrs

from quantmind.adapters.binance.carried import Carried
from quantmind.adapters.binance.names import number
from quantmind.adapters.binance.records import NOUGHT, Fill
from quantmind.adapters.binance.walk import Left, Lot, Walk, left_by_no_trade, mark_of
from quantmind.domain.accounts import Deal

Note = Callable[[Deal | None, Fill], None]


@attrs.frozen
class Reading:
    """Of one position, or of a place where none is open.

    Args:
        held: what the exchange says, below 0 for a short one.
        trades: the newest, in order.
        known: what was written down of it.
        price: that of now, for what nobody knows the cost of.
        price_held: the mean price of what is held, as the exchange says it; 0: it does not.
    """

    held: Decimal
    trades: Sequence[Fill]
    known: Carried | None
    price: Decimal
    price_held: Decimal

    def go_through(self, walk: Walk, note: Note) -> None:
        """Let the walk begin before the trades and take each of them; `note` is told of each once it was taken."""
        then = self._then(walk)
        before = self._lot_before(walk, then.begin)
        walk.begin(before)
        for fill, lost in zip(self.trades, then.gone, strict=True):
            deal = walk.take(fill)
            walk.lose(lost)
            note(deal, fill)
        if before.amount and self.price_held and walk.lot.amount == self.held:
            walk.lot = attrs.evolve(walk.lot, cost=abs(self.held) * self.price_held)
        if self.known is not None and self.known.ticket == walk.lot.ticket:
            self._keep_cost(walk, self.known, then)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _then(self, walk: Walk) -> Left:
        changes = [walk.amount_of(fill) for fill in self.trades]
        if not walk.base:
            return Left(self.held - sum(changes, NOUGHT), [NOUGHT] * len(changes))
        if self.known is None:
            return left_by_no_trade(self.held, changes)
        old = sum(mark_of(fill) <= self.known.last for fill in self.trades)
        return left_by_no_trade(self.held, changes, old, self.known.amount)

    # What was open before the first trade that the exchange tells: its number and its mean price are carried.
    def _lot_before(self, walk: Walk, amount: Decimal) -> Lot:
        if amount == 0:
            return Lot()
        known, price = self.known, self.price
        if known is not None and known.amount and (known.amount > 0) == (amount > 0):
            price = known.cost / abs(known.amount)
        ticket = number("held", walk.symbol, walk.key) if known is None else known.ticket
        tag, time_msc = ("", 0) if known is None else (known.tag, known.time_msc)
        return Lot(ticket, tag, time_msc, amount, abs(amount) * price)

    # What was paid for a position of which the exchange does not tell all trades any more is what was carried, and the
    # trades since. Reckoned from the mean price and the oldest trade that is told it would be another each time.
    def _keep_cost(self, walk: Walk, known: Carried, then: Left) -> None:
        since = Walk(walk.symbol, walk.key, walk.step, walk.charge, base=walk.base)
        since.begin(Lot(known.ticket, known.tag, known.time_msc, known.amount, known.cost))
        since.lose(then.first)
        for fill, lost in zip(self.trades, then.gone, strict=True):
            if mark_of(fill) > known.last:
                since.take(fill)
                since.lose(lost)
        if (since.lot.ticket, since.lot.amount) == (walk.lot.ticket, walk.lot.amount):
            walk.lot = since.lot
            walk.last = max(walk.last, known.last)
