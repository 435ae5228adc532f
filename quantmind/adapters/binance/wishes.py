"""The stops that are wanted: of an order until it fills, then of the position that it opened or made larger.

At the exchange a stop is an order of its own. What is wanted is written down first, and whoever keeps the stops
(`quantmind.adapters.binance.keeper`) makes the exchange's orders fit it, now or after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs

from quantmind.adapters.binance.carried import Before, Carried, CarriedFile
from quantmind.adapters.binance.orders_kept import OrdersKept
from quantmind.adapters.binance.records import NOUGHT, Life, Order
from quantmind.adapters.binance.walk import Walk
from quantmind.domain.accounts import Deal, Entry

Slot = tuple[str, str]
"""A symbol, and BOTH, LONG or SHORT."""


@attrs.define(eq=False)
class Wishes:
    """What is wanted of positions and waiting orders, kept in the file."""

    file: CarriedFile
    _handed_on: dict[Slot, Carried] = attrs.field(factory=dict, init=False)
    """By the slot: the wishes that its position takes over."""
    _over: set[int] = attrs.field(factory=set, init=False)
    """Positions in the file that were closed since they were written down there."""

    def of_order(self, ticket: int) -> Carried | None:
        """What is wanted of a waiting order."""
        return self.file.items.get(ticket)

    def waiting(self, symbol: str) -> set[str]:
        """What the orders of a symbol are called that wait as far as it was told, and of which something is wanted."""
        return {each.order_id for each in self.file.items.values() if each.waits and each.tag and each.symbol == symbol}

    def order(self, item: Carried, *, whatever: bool = False) -> None:
        """An order is about to be sent, or to be changed; `whatever`: it was.

        Raises:
            CarriedFileError: nothing is kept of it.
        """
        self.file.keep(item, whatever=whatever)

    def position(self, ticket: int, sl: Decimal, tp: Decimal, by: str, until: float, *, whatever: bool = False) -> None:
        """Other stops are wanted of an open position; until then it is not sure whether they come to be.

        Raises:
            CarriedFileError: what was wanted still is.
        """
        item = self.file.items[ticket]
        before = item.doubt or Before(item.sl, item.tp, item.by, until)
        item = attrs.evolve(item, sl=sl, tp=tp, by=by, doubt=attrs.evolve(before, until=until))
        self.file.keep(item, whatever=whatever)

    def done(self, ticket: int) -> None:
        """A change of stops was carried out."""
        item = self.file.items.get(ticket)
        if item is not None and item.doubt is not None:
            self.file.keep(attrs.evolve(item, doubt=None), whatever=True)

    def undone(self, ticket: int) -> None:
        """A change of stops was not, and never will be, carried out: what was wanted before is wanted again."""
        item = self.file.items.get(ticket)
        if item is not None and item.doubt is not None:
            before = item.doubt
            self.file.keep(attrs.evolve(item, sl=before.sl, tp=before.tp, by=before.by, doubt=None), whatever=True)

    def adopt(self, ticket: int, sl: Decimal, tp: Decimal, by: str = "") -> None:
        """These stops are at the exchange, and wanted from now on; `by` empty: somebody else has set them."""
        item = self.file.items[ticket]
        self.file.keep(attrs.evolve(item, sl=sl, tp=tp, by=by or item.by), whatever=True)

    def inherit(self, ticket: int, wish: Carried) -> None:
        """An open position without stops gets those of an order that has filled, and of whose trades nobody told."""
        item = attrs.evolve(self.file.items[ticket], sl=wish.sl, tp=wish.tp, by=wish.by or wish.tag)
        self.file.keep(item, drop=(wish.ticket,), whatever=True)

    def forget(self, ticket: int) -> None:
        """An order has surely not been placed."""
        item = self.file.items.get(ticket)
        if item is not None and item.waits:
            self.file.keep(drop=(ticket,), whatever=True)

    def closed(self, slot: Slot, mark: tuple[int, int]) -> None:
        """Its position is closed by, or right after, a trade, and what is wanted of it is over with it.

        What opens next is another one.
        """
        self._handed_on.pop(slot, None)
        known = self.file.position(*slot)
        if known is not None and mark >= known.last:
            self._over.add(known.ticket)

    def traded(self, slot: Slot, deal: Deal, mark: tuple[int, int]) -> None:
        """A trade has changed a position; `mark` is where it stands among others, and each counts once.

        One that opens it, makes it larger or turns it brings the wishes of its order, if there are any; a position that
        was turned has no others, since a stop on the other side would be none.
        """
        if deal.entry is Entry.OUT:
            return
        wish = self.file.items.get(deal.order)
        if wish is not None and wish.waits and (wish.sl or wish.tp):
            if mark > wish.last:
                self._handed_on[slot] = attrs.evolve(wish, last=mark)
        elif deal.entry is Entry.INOUT and self._is_news(slot, deal):
            self._handed_on[slot] = Carried(deal.position, *slot)

    # Trades are gone through again whenever the account is read: what was wanted since a position was turned stays.
    def _is_news(self, slot: Slot, deal: Deal) -> bool:
        known = self.file.position(*slot)
        return known is None or deal.time_msc > known.time_msc

    def settle(self, walks: Mapping[Slot, Walk], orders: OrdersKept, told_of: Callable[[Order], Decimal]) -> None:
        """Write down what there is now: positions with their wishes, and orders that still wait with theirs.

        `told_of`: how much of an order its trades tell of.
        """
        kept: list[Carried] = []
        dropped: list[int] = []
        open_tickets = set()
        for slot, walk in walks.items():
            wish = self._handed_on.pop(slot, None)
            if walk.is_flat:
                continue
            lot = walk.lot
            open_tickets.add(lot.ticket)
            before = self.file.items.get(lot.ticket) or self._before(slot)
            stops = wish or before or Carried(lot.ticket, *slot)
            if wish is None and stops.amount * lot.amount < 0:
                stops = Carried(lot.ticket, *slot)  # it was turned, and by which trade the exchange tells no more
            moved = "" if before is None or before.ticket != lot.ticket else before.moved
            kept.append(
                Carried(
                    lot.ticket,
                    *slot,
                    tag=lot.tag,
                    by=stops.by or stops.tag,
                    moved=moved,
                    time_msc=lot.time_msc,
                    sl=stops.sl,
                    tp=stops.tp,
                    amount=lot.amount,
                    cost=lot.cost,
                    doubt=stops.doubt if wish is None else None,
                    last=walk.last,
                )
            )
            if wish is not None and wish.waits and wish.ticket != lot.ticket:
                kept.append(attrs.evolve(wish, sl=NOUGHT, tp=NOUGHT))  # the position has them now
        for ticket, item in self.file.items.items():
            if ticket in open_tickets:
                continue
            order = orders.named(item.symbol, item.order_id) if item.tag else None
            life = None if order is None else order.life
            # What an answer says of a fill may come before the fill itself.
            if order is not None and item.waits and order.filled and order.filled > told_of(order):
                continue
            if life in (Life.ENDED, Life.FILLED) or (not item.waits and life is not Life.OPEN):
                dropped.append(ticket)
            elif not item.waits:  # its position is closed, and the rest of the order waits
                kept.append(attrs.evolve(item, waits=True, amount=NOUGHT, cost=NOUGHT))
        self._over.clear()
        still = [item for item in kept if item.ticket not in dropped]
        self.file.keep(*still, drop=tuple(dropped), whatever=True)

    # The same position under another number: what its first order is called is not told any more.
    def _before(self, slot: Slot) -> Carried | None:
        known = self.file.position(*slot)
        return None if known is None or known.ticket in self._over else known
