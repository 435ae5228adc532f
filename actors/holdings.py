"""What an account holds by now: its newest sample, corrected by what was executed since that was taken.

Plain state without I/O. A sample is up to half a second old, and a decision must not forget what was just done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Generic, TypeVar

import attrs

from quantmind.domain.accounts import PendingOrder, Position, Sample
from quantmind.domain.orders import Cancel, Close, Modify, Open, Placed, Proposal

Held = TypeVar("Held", Position, PendingOrder)


@attrs.frozen
class _Change(Generic[Held]):
    """What an execution left of a ticket (None: nothing), until a later sample shows it."""

    at: float
    left: Held | None


@attrs.define(eq=False)
class Holdings:
    """Positions and pending orders of one account, by ticket."""

    sample: Sample | None = None
    positions: Mapping[int, Position] = attrs.field(factory=dict)
    orders: Mapping[int, PendingOrder] = attrs.field(factory=dict)
    _changed_positions: dict[int, _Change[Position]] = attrs.field(factory=dict, init=False)
    _changed_orders: dict[int, _Change[PendingOrder]] = attrs.field(factory=dict, init=False)

    def sampled(self, sample: Sample) -> bool:
        """Take a newer sample; False: it is older than the one that is here, and was not taken."""
        if self.sample is not None and sample.taken_at < self.sample.taken_at:
            return False
        self.sample = sample
        self._changed_positions = _since(self._changed_positions, sample.taken_at)
        self._changed_orders = _since(self._changed_orders, sample.taken_at)
        self._refresh()
        return True

    def symbol(self, ticket: int) -> str:
        """The symbol of a position or a pending order; empty when there is none with this ticket."""
        item = self.positions.get(ticket) or self.orders.get(ticket)
        return "" if item is None else item.symbol

    def executed(self, proposal: Proposal, placed: Placed, at: float, since: float = math.inf) -> bool:
        """Correct by what was carried out between `since` and `at` (monotonic seconds, when its answer was there).

        False: what it left can't be told from here, but by a sample that is taken after `at`.
        """
        taken_at = -math.inf if self.sample is None else self.sample.taken_at
        if taken_at > at:
            return True  # the sample shows it already
        if taken_at > since and not self._leaves_the_same(proposal, placed):
            return False  # the sample was taken meanwhile: whether it shows it nobody knows, and it must count once
        told = self._apply(proposal, placed, at)
        self._refresh()
        return told

    def _leaves_the_same(self, proposal: Proposal, placed: Placed) -> bool:
        """Whether what it leaves is the same with or without it in the sample: a state, and not a sum."""
        match proposal:
            case Open():
                return placed.pending or not self._nets
            case Close():
                position = self.positions.get(proposal.ticket)
                whole = position is not None and (placed.volume is None or position.volume <= placed.volume)
                return whole and proposal.volume is None and proposal.by is None
            case _:
                return True

    def _apply(self, proposal: Proposal, placed: Placed, at: float) -> bool:
        match proposal:
            case Open():
                return self._opened(proposal, placed, at)
            case Close():
                return self._closed(proposal, placed, at)
            case Modify():
                return self._modified(proposal, placed, at)
            case Cancel():
                self._changed_orders[proposal.ticket] = _Change(at, None)
                return True

    # --- what became of it ---------------------------------------------------------------------------------------

    def _opened(self, order: Open, placed: Placed, at: float) -> bool:
        volume = order.volume if placed.volume is None else placed.volume
        if order.side is None or not placed.ticket:
            return False
        if placed.pending:
            if order.price is None:
                return False
            end = order.expiration
            self._changed_orders[placed.ticket] = _Change(
                at,
                PendingOrder(
                    ticket=placed.ticket,
                    symbol=order.symbol,
                    side=order.side,
                    order_type=order.order_type,
                    volume=volume,
                    price=order.price,
                    time_msc=0,
                    sl=placed.sl,
                    tp=placed.tp,
                    expiration_msc=None if end is None else round(end * 1000),
                    magic=order.origin.magic,
                ),
            )
            return True
        if placed.price is None:
            return False
        new = Position(
            ticket=placed.ticket,
            symbol=order.symbol,
            side=order.side,
            volume=volume,
            price_open=placed.price,
            price_current=placed.price,
            profit=Decimal(0),
            time_msc=0,
            sl=placed.sl,
            tp=placed.tp,
            magic=order.origin.magic,
        )
        before = self._netted_with(new)
        if before is None:
            self._changed_positions[new.ticket] = _Change(at, new)
        else:
            self._changed_positions[before.ticket] = _Change(at, _net(before, new))
        return True

    @property
    def _nets(self) -> bool:
        return self.sample is not None and self.sample.account.margin_mode == "netting"

    def _netted_with(self, new: Position) -> Position | None:
        if not self._nets:
            return None
        return next((position for position in self.positions.values() if position.symbol == new.symbol), None)

    def _closed(self, order: Close, placed: Placed, at: float) -> bool:
        position = self.positions.get(order.ticket)
        if position is None:
            return False
        if order.by is None:
            self._reduce(position, position.volume if placed.volume is None else placed.volume, at)
            return True
        other = self.positions.get(order.by)
        if other is None:
            return False
        both = min(position.volume, other.volume)
        self._reduce(position, both, at)
        self._reduce(other, both, at)
        return True

    def _reduce(self, position: Position, volume: Decimal, at: float) -> None:
        left = position.volume - volume
        self._changed_positions[position.ticket] = _Change(at, _part(position, left) if left > 0 else None)

    def _modified(self, order: Modify, placed: Placed, at: float) -> bool:
        position = self.positions.get(order.ticket)
        if position is not None:
            self._changed_positions[order.ticket] = _Change(at, attrs.evolve(position, sl=placed.sl, tp=placed.tp))
            return True
        pending = self.orders.get(order.ticket)
        if pending is None:
            return False
        end = order.new_expiration
        changed = attrs.evolve(
            pending,
            sl=placed.sl,
            tp=placed.tp,
            price=pending.price if order.new_price is None else order.new_price,
            expiration_msc=pending.expiration_msc if end is None else (round(end * 1000) or None),
        )
        self._changed_orders[order.ticket] = _Change(at, changed)
        return True

    def _refresh(self) -> None:
        sample = self.sample
        self.positions = _with(
            {} if sample is None else {p.ticket: p for p in sample.positions}, self._changed_positions
        )
        self.orders = _with({} if sample is None else {o.ticket: o for o in sample.orders}, self._changed_orders)


def _since(changes: Mapping[int, _Change[Held]], taken_at: float) -> dict[int, _Change[Held]]:
    return {ticket: change for ticket, change in changes.items() if change.at >= taken_at}


def _with(held: dict[int, Held], changes: Mapping[int, _Change[Held]]) -> Mapping[int, Held]:
    for ticket, change in changes.items():
        if change.left is None:
            held.pop(ticket, None)
        else:
            held[ticket] = change.left
    return held


def _part(position: Position, left: Decimal) -> Position:
    """What stays open of a position: what floated of the rest is cash by now."""
    share = left / position.volume
    return attrs.evolve(position, volume=left, profit=position.profit * share, swap=position.swap * share)


def _net(before: Position, new: Position) -> Position | None:
    """The one position of the symbol after a deal on a netting account; None when it is flat."""
    signed = before.volume * before.side.sign + new.volume * new.side.sign
    if signed == 0:
        return None
    sl, tp = before.sl if new.sl is None else new.sl, before.tp if new.tp is None else new.tp
    if before.side is new.side:
        paid = before.price_open * before.volume + new.price_open * new.volume
        return attrs.evolve(before, volume=abs(signed), price_open=paid / abs(signed), sl=sl, tp=tp)
    if (signed > 0) == (before.side.sign > 0):
        return attrs.evolve(_part(before, abs(signed)), sl=sl, tp=tp)
    return attrs.evolve(
        before,
        side=new.side,
        volume=abs(signed),
        price_open=new.price_open,
        profit=Decimal(0),
        swap=Decimal(0),
        sl=new.sl,
        tp=new.tp,
    )
