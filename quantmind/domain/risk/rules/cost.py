"""What an order, or a change of stops, may lose at worst: in the account's currency, to its stop.

On a netting account the stop of the order that fills last becomes that of all the symbol's lots of its side, so
there an order may also cost what is open already. Source of the formulas: docs/risk.md.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import attrs

from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import Modify, Open, OrderType, Side
from quantmind.domain.risk.state import Reservation, Situation
from quantmind.domain.risk.stops import NOTHING_MORE, More, further, furthest, loss_of_a_lot, worst_at
from quantmind.domain.risk.worth import ZERO, Worth

_ASSUMED = "the account's allowances.assumed_stop_percent"
_NOT_KNOWN = "what is open would lose by this stop, or by one that is on its way, is not known; wait"
_SIDES = (Side.BUY, Side.SELL)


class Cost(NamedTuple):
    """What a proposal may lose: `fixed` whatever its volume, `a_lot` for each lot.

    `fixed_losses` is the part of `fixed` that is a loss, and no profit that a stop has locked in until now.
    """

    fixed: Decimal
    a_lot: Decimal
    fixed_losses: Decimal


def cost_of(situation: Situation, proposal: Open | Modify) -> Cost | str:
    """What it may lose at worst; in words why that is not known."""
    worth = situation.market.worth
    if worth is None:
        return "no price or rate tells what the symbol is worth in the account's currency"
    if not worth.profit.age_s <= situation.policy.price_fresh_s:
        return f"the rate of {worth.currency_profit} to the account's currency is {worth.profit.age_s:.1f} s old"
    if not (ZERO < worth.profit.low <= worth.profit.high and worth.contract_size > 0):
        return f"a rate of {worth.profit.low} to {worth.profit.high}, or a contract of {worth.contract_size}, is wrong"
    if isinstance(proposal, Open):
        return _of_open(situation, proposal, worth)
    return _of_change(situation, proposal, worth)


def _of_open(situation: Situation, proposal: Open, worth: Worth) -> Cost | str:
    """Of an order of either side the worse one."""
    found: Cost | None = None
    allowances = situation.policy.allowances
    slips = proposal.order_type is OrderType.STOP
    for side in _SIDES if proposal.side is None else (proposal.side,):
        entry, against = _entry(situation, proposal, side), _against(situation, proposal, side)
        if entry is None or against is None:
            return "there is no price to enter at"
        if proposal.sl is not None and (against - proposal.sl) * side.sign <= 0:
            return f"the stop {proposal.sl} is not below a buy or above a sell at {against}"
        stops: tuple[Decimal | None, ...] = (proposal.sl,)
        more = NOTHING_MORE
        if situation.netting:
            stops, moved = _netted(situation, proposal.symbol, side, (proposal.sl,), worth)
            others = _others(situation, proposal.symbol, side, worth)
            if moved is None or others is None:
                return _NOT_KNOWN
            more = moved.plus(others)
        else:
            changed = _changing(situation)
            if changed is None:
                return _NOT_KNOWN
            more = changed
        for stop in stops:
            lot = loss_of_a_lot(side, entry, stop, worth, allowances, slips=slips)
            if lot is None:
                return f"the order has no stop, so it may lose anything: give it an sl, or set {_ASSUMED}"
            cost = Cost(more.all, lot, more.losses)
            found = cost if found is None else _dearer(found, cost)
    return found or "there is no side to judge"


def _dearer(one: Cost, other: Cost) -> Cost:
    return Cost(max(one.fixed, other.fixed), max(one.a_lot, other.a_lot), max(one.fixed_losses, other.fixed_losses))


def _entry(situation: Situation, proposal: Open, side: Side) -> Decimal | None:
    """The price that it fills at."""
    market, price = situation.market.ask if side is Side.BUY else situation.market.bid, proposal.price
    if proposal.order_type is OrderType.MARKET or price is None:
        return market
    if proposal.order_type is OrderType.STOP and market is not None:
        # One whose price has been passed already fills at the market.
        return max(price, market) if side is Side.BUY else min(price, market)
    return price


def _against(situation: Situation, proposal: Open, side: Side) -> Decimal | None:
    """The price that its stop is measured from: what it could be closed at, the moment that it fills."""
    if proposal.order_type is OrderType.MARKET or proposal.price is None:
        return situation.market.bid if side is Side.BUY else situation.market.ask
    return proposal.price


def _netted(
    situation: Situation,
    symbol: str,
    side: Side,
    coming: tuple[Decimal | None, ...],
    worth: Worth | None,
    but: int | None = None,
) -> tuple[tuple[Decimal | None, ...], More | None]:
    """On a netting account the stop of whatever fills last becomes that of all the symbol's lots of a side.

    The stops that these may end with, also by `coming` ones, and what those there are would lose more by it than is
    counted already; None: that is not known. `but` is the ticket of one whose own stop is being changed.
    """
    allowances = situation.policy.allowances
    there: list[Position | PendingOrder] = [
        item
        for held in (situation.positions, situation.orders)
        for item in held.values()
        if item.symbol == symbol and item.side is side
    ]
    promised = [item for item in situation.reservations if item.symbol == symbol and item.side in (side, None)]
    stops = [item.sl for item in there if item.ticket != but]
    counted = furthest(side, [item.sl for item in there])
    stops += [item.sl for item in promised if item.opens]
    stops += [item.change.sl for item in promised if item.change is not None]
    worst = furthest(side, [*stops, *coming])
    if worst == counted and all(not item.opens or (item.sl,) == worst for item in promised):
        return worst, NOTHING_MORE
    if worth is None:
        return worst, None
    more = NOTHING_MORE
    for item in there:
        before = further(item, item.sl, counted, worth, allowances)
        after = further(item, item.sl, worst, worth, allowances)
        if before is None or after is None:
            return worst, None
        more = more.plus(More(max(ZERO, after.all - before.all), max(ZERO, after.losses - before.losses)))
    for lots in promised:
        for stop in worst:
            lost = _promised_more(situation, lots, stop, side, worth)
            if lost is None:
                return worst, None
            more = more.plus(More(lost, lost))
    return worst, more


def _others(situation: Situation, symbol: str, side: Side, worth: Worth) -> More | None:
    """What orders on their way may do to what is open of other symbols, and of the symbol's other side.

    It is counted anew each time: when they were approved, less may have been open than by now.
    """
    more, done = NOTHING_MORE, {(symbol, side)}
    for item in situation.reservations:
        for of in _SIDES if item.side is None else (item.side,):
            if (item.symbol, of) not in done:
                done.add((item.symbol, of))
                known = worth if item.symbol == symbol else item.worth
                _, moved = _netted(situation, item.symbol, of, (), known)
                if moved is None:
                    return None
                more = more.plus(moved)
    return more


def _changing(situation: Situation) -> More | None:
    """What changes of stops on their way may cost, each of what is open by now; None: that is not known.

    One that was approved as nearer may arrive after another, and be further by then.
    """
    more = NOTHING_MORE
    coming: dict[int, list[Decimal | None]] = {}
    worths: dict[int, Worth | None] = {}
    for each in situation.reservations:
        if each.change is not None:
            coming.setdefault(each.change.ticket, []).append(each.change.sl)
            worths[each.change.ticket] = each.worth
    for ticket, stops in coming.items():
        item, worth = situation.positions.get(ticket) or situation.orders.get(ticket), worths[ticket]
        if item is None:
            continue
        if worth is None:
            return None
        lost = further(item, item.sl, stops, worth, situation.policy.allowances)
        if lost is None:
            return None
        more = more.plus(lost)
    return more


def _promised_more(
    situation: Situation, item: Reservation, stop: Decimal | None, side: Side, worth: Worth
) -> Decimal | None:
    """What lots on their way lose more at another stop than at their own."""
    if stop == item.sl or not item.opens:
        return ZERO
    if stop is not None and item.sl is not None:
        return max(ZERO, -worth.change(item.volume, (stop - item.sl) * side.sign))
    # Where it fills is not known here; from the price now it is counted whole, beside what is counted of it already.
    entry = situation.market.ask if side is Side.BUY else situation.market.bid
    if entry is None:
        return None
    lot = loss_of_a_lot(side, entry, stop, worth, situation.policy.allowances)
    return None if lot is None else lot * item.volume


def _of_change(situation: Situation, proposal: Modify, worth: Worth) -> Cost | str:
    allowances = situation.policy.allowances
    item = situation.positions.get(proposal.ticket) or situation.orders.get(proposal.ticket)
    if item is None:
        return f"ticket {proposal.ticket} is not among the account's positions and orders"
    sl = item.sl if proposal.new_sl is None else (proposal.new_sl or None)
    changed = item
    if isinstance(item, PendingOrder) and proposal.new_price is not None:
        changed = attrs.evolve(item, price=proposal.new_price)
    before, after = worst_at(item, item.sl, worth, allowances), worst_at(changed, sl, worth, allowances)
    more: More | None = None
    if before is not None and after is not None:
        more = More(max(ZERO, before - after), max(ZERO, min(ZERO, before) - min(ZERO, after)))
    if more is not None and situation.netting:
        _, shared = _netted(situation, item.symbol, item.side, (sl,), worth, item.ticket)
        others = _others(situation, item.symbol, item.side, worth)
        if shared is None or others is None:
            return _NOT_KNOWN
        # Among what shares the stop is the item itself, at its old price.
        more = (shared if changed is item else more.plus(shared)).plus(others)
    if more is not None and not situation.netting:
        changing = _changing(situation)
        if changing is None:
            return _NOT_KNOWN
        more = more.plus(changing)
    if more is None:
        return f"without a stop it may lose anything: keep one, or set {_ASSUMED}"
    return Cost(more.all, ZERO, more.losses)
