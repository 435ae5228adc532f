"""What we believe that a broker holds, compared with what it says: pure, so that each comparison can be made again.

A position's volume is what its deals make of it: the sum of their lots, a buy's with plus, a sell's with minus, less
what a fee took of them. So a position that came, changed or went is explained by deals, and one that is not is drift:
somebody else's history is missing, or ours is wrong. A broker's history may come a little after its account, so a
difference counts only when it has stood for `GRACE_S`, the same on both sides, and the deals were asked for again after
that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import attrs

from quantmind.domain.accounts import Deal, PendingOrder, Position, Sample

GRACE_S: Final = 3.0
"""Several account intervals and readings of the deals: a difference that lasts longer is none of timing."""

_ZERO: Final = Decimal(0)


@attrs.frozen
class Shape:
    """What of a position or a pending order is its own, and not the market's: a change of it is worth a record."""

    symbol: str
    volume: Decimal
    """Lots; of a position signed, long with plus."""
    sl: Decimal | None = None
    tp: Decimal | None = None
    price: Decimal | None = None
    """A pending order's."""
    expiration_msc: int | None = None


@attrs.frozen
class Explained:
    """Where a deal comes from: a word, and the order of ours that made it (None: none did)."""

    cause: str
    order_id: str | None = None


@attrs.frozen
class Drift:
    """A position whose volume its deals do not explain. Lots signed; `since` is monotonic seconds."""

    ticket: int
    symbol: str
    ours: Decimal
    theirs: Decimal
    since: float


@attrs.frozen
class Change:
    """To be written down: a deal, or a position or a pending order that came, changed or went (`item` None)."""

    kind: str
    ticket: int
    item: Position | PendingOrder | Deal | None
    cause: str
    order_id: str | None = None


@attrs.frozen
class Candidate:
    """What an account held before anything of it was recorded, at a moment (monotonic seconds)."""

    positions: Mapping[int, Shape]
    taken_at: float


@attrs.frozen
class Books:
    """What is recorded of one account. `begun` False: nothing ever was, so what is there is taken as it is.

    `volumes` is what the deals make of each position; `doubts` are differences that may be of timing, `flagged` those
    that a person has to look at.
    """

    begun: bool = False
    candidate: Candidate | None = None
    positions: Mapping[int, Shape] = attrs.field(factory=dict)
    orders: Mapping[int, Shape] = attrs.field(factory=dict)
    volumes: Mapping[int, Decimal] = attrs.field(factory=dict)
    doubts: Mapping[int, Drift] = attrs.field(factory=dict)
    flagged: Mapping[int, Drift] = attrs.field(factory=dict)

    @property
    def agree(self) -> bool:
        """Nothing is in doubt."""
        return self.begun and not self.doubts and not self.flagged


@attrs.frozen
class Comparison:
    """What a comparison found: the books as they are once `changes` are written down, and what is to be told."""

    books: Books
    changes: tuple[Change, ...] = ()
    drifted: tuple[Drift, ...] = ()
    """Differences that are drift from now on."""
    settled: tuple[Drift, ...] = ()
    """Flagged ones that are over."""


def shape_of_position(position: Position) -> Shape:
    """The shape of a position."""
    return Shape(position.symbol, position.volume * position.side.sign, position.sl, position.tp)


def shape_of_order(order: PendingOrder) -> Shape:
    """The shape of a pending order."""
    return Shape(order.symbol, order.volume, order.sl, order.tp, order.price, order.expiration_msc)


def compare(
    books: Books,
    sample: Sample,
    deals: Sequence[Deal],
    explained: Mapping[int, Explained],
    *,
    now: float,
    deals_read_at: float | None,
    adopt: bool,
) -> Comparison:
    """Compare the books with a sample and the deals that are new since the last comparison.

    Args:
        explained: where each new deal comes from, by its ticket.
        now: monotonic seconds.
        deals_read_at: when the deals that are known were asked for (monotonic seconds), None: never.
        adopt: drift is taken over; False: it is flagged.
    """
    if not books.begun:
        return _begin(books, sample, deals, deals_read_at)
    volumes = _add_deals(books.volumes, deals)
    changes = [_deal_change(deal, explained) for deal in deals]
    why = {deal.position: change for deal, change in zip(deals, changes, strict=True)}
    positions = dict(books.positions)
    doubts: dict[int, Drift] = {}
    flagged: dict[int, Drift] = {}
    drifted: list[Drift] = []
    there = {position.ticket: position for position in sample.positions}
    for ticket in dict.fromkeys((*volumes, *positions, *there)):
        position = there.get(ticket)
        shape = None if position is None else shape_of_position(position)
        ours, theirs = volumes.get(ticket, _ZERO), _ZERO if shape is None else shape.volume
        cause = why.get(ticket)
        if ours != theirs:
            drift = _doubt(books, ticket, shape, ours, theirs, now)
            lasting = now - drift.since >= GRACE_S
            over = lasting and deals_read_at is not None and deals_read_at - drift.since >= GRACE_S
            if not over:
                doubts[ticket] = drift
                continue
            known = books.flagged.get(ticket)
            if known is None or (known.ours, known.theirs) != (ours, theirs):
                drifted.append(drift)
            if not adopt:
                flagged[ticket] = drift
                continue
            volumes[ticket] = theirs
            cause = Change("position", ticket, None, "drift")
        if theirs == 0:
            volumes.pop(ticket, None)
        _note_shape(changes, positions, "position", ticket, shape, position, cause)
    orders = dict(books.orders)
    _compare_orders(orders, sample, deals, changes)
    settled = tuple(drift for ticket, drift in books.flagged.items() if ticket not in flagged and ticket not in doubts)
    kept = {ticket: drift for ticket, drift in books.flagged.items() if ticket in doubts}
    after = Books(True, None, positions, orders, volumes, doubts, {**kept, **flagged})
    return Comparison(after, tuple(changes), tuple(drifted), settled)


def adopt_flagged(books: Books) -> Books:
    """The books with what is flagged taken over: the next comparison writes it down."""
    volumes = dict(books.volumes)
    for drift in books.flagged.values():
        volumes[drift.ticket] = drift.theirs
    return attrs.evolve(books, volumes=volumes, flagged={})


def _begin(books: Books, sample: Sample, deals: Sequence[Deal], deals_read_at: float | None) -> Comparison:
    """Take over what there is, once it was the same before and after the deals were read: none is then missing."""
    positions = {item.ticket: shape_of_position(item) for item in sample.positions}
    before = books.candidate
    steady = before is not None and before.positions == positions
    if not steady or deals_read_at is None or before is None or not before.taken_at < deals_read_at < sample.taken_at:
        kept = before if steady else Candidate(positions, sample.taken_at)
        return Comparison(attrs.evolve(books, candidate=kept))
    orders = {item.ticket: shape_of_order(item) for item in sample.orders}
    changes = [
        *(Change("deal", deal.ticket, deal, "adopted", deal.tag or None) for deal in deals),
        *(Change("position", item.ticket, item, "adopted", item.tag or None) for item in sample.positions),
        *(Change("order", item.ticket, item, "adopted", item.tag or None) for item in sample.orders),
    ]
    volumes = {ticket: shape.volume for ticket, shape in positions.items()}
    return Comparison(Books(True, None, positions, orders, volumes), tuple(changes))


def _add_deals(volumes: Mapping[int, Decimal], deals: Sequence[Deal]) -> dict[int, Decimal]:
    after = dict(volumes)
    for deal in deals:
        after[deal.position] = after.get(deal.position, _ZERO) + deal.change
    return {ticket: volume for ticket, volume in after.items() if volume}


def _deal_change(deal: Deal, explained: Mapping[int, Explained]) -> Change:
    found = explained[deal.ticket]
    return Change("deal", deal.ticket, deal, found.cause, found.order_id)


def _doubt(books: Books, ticket: int, shape: Shape | None, ours: Decimal, theirs: Decimal, now: float) -> Drift:
    before = books.doubts.get(ticket) or books.flagged.get(ticket)
    if before is not None and (before.ours, before.theirs) == (ours, theirs):
        return before
    recorded = books.positions.get(ticket)
    symbol = shape.symbol if shape is not None else recorded.symbol if recorded is not None else ""
    return Drift(ticket, symbol, ours, theirs, now)


def _compare_orders(orders: dict[int, Shape], sample: Sample, deals: Sequence[Deal], changes: list[Change]) -> None:
    filled = {deal.order: change for deal, change in zip(deals, changes, strict=False)}
    there = {order.ticket: order for order in sample.orders}
    for ticket in dict.fromkeys((*orders, *there)):
        order = there.get(ticket)
        shape = None if order is None else shape_of_order(order)
        cause = None
        if order is None:
            by = filled.get(ticket)
            cause = Change(
                "order", ticket, None, "ended" if by is None else "filled", None if by is None else by.order_id
            )
        _note_shape(changes, orders, "order", ticket, shape, order, cause)


def _note_shape(
    changes: list[Change],
    recorded: dict[int, Shape],
    kind: str,
    ticket: int,
    shape: Shape | None,
    item: Position | PendingOrder | None,
    why: Change | None,
) -> None:
    """Record a shape that is another than before."""
    before = recorded.get(ticket)
    if shape == before:
        return
    tag = None if item is None else item.tag or None
    if why is None:
        cause = "changed" if before is not None and shape is not None else "order" if tag else "outside"
        why = Change(kind, ticket, None, cause)
    changes.append(Change(kind, ticket, item, why.cause, tag or why.order_id))
    if shape is None:
        del recorded[ticket]
    else:
        recorded[ticket] = shape
