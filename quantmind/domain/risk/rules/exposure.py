"""Exposure over the accounts of a group, margin, and what the broker asks of a stop."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, Context, Decimal
from typing import NamedTuple

from quantmind.domain.orders import Close, Modify, Open, OrderType, Proposal, Side
from quantmind.domain.risk.approval import Reason
from quantmind.domain.risk.floors import CENT
from quantmind.domain.risk.policy import Exposure as ExposureRule
from quantmind.domain.risk.rules.finding import Cap, Finding, Refusal, no
from quantmind.domain.risk.state import Group, Situation
from quantmind.domain.risk.stops import HUNDRED
from quantmind.domain.risk.worst import NO_SPAN, Span, moves
from quantmind.domain.risk.worth import ZERO, Worth

_DOWN = Context(prec=28, rounding=ROUND_DOWN)


def exposure(situation: Situation, proposal: Proposal) -> Finding:
    """Net exposure of the symbol, or of one of its currencies, would be above its share of the group's equity.

    Closing one leg of a hedge adds to it as an order of the other side does.
    """
    rule = situation.policy.rules.exposure
    if rule is None or not isinstance(proposal, (Open, Close)):
        return None
    if rule.symbol_percent is None and rule.currency_percent is None:
        return None
    group, worth = situation.group, situation.market.worth
    if group is None or worth is None:
        return no("exposure", "the accounts of the group, or a rate, are not known")
    if group.unknown:
        return no("exposure", f"of the group not all is known: {'; '.join(group.unknown)}")
    if group.equity <= 0:
        return no("exposure", f"the group has no equity ({group.equity:.2f})", ZERO, group.equity)
    if worth.base is None:
        return no("exposure", f"no rate tells what {worth.currency_base} is worth")
    if not worth.base.age_s <= situation.policy.price_fresh_s:
        return no("exposure", f"the rate of {worth.currency_base} is {worth.base.age_s:.1f} s old")
    signs = _signs(situation, proposal)
    if not signs:
        return None
    each = [_tightest(rule, group, worth, proposal.symbol, sign) for sign in signs]
    tightest = each[0] if len(each) == 1 else min(each, key=_volume)
    if isinstance(proposal, Open):
        return Cap(tightest.volume, tightest.reason)
    position = situation.positions[proposal.ticket]
    closed = position.volume if proposal.volume is None else min(proposal.volume, position.volume)
    return Refusal(tightest.reason()) if closed > tightest.volume else None


def _signs(situation: Situation, proposal: Open | Close) -> tuple[int, ...]:
    """Which way it may move the net: +1 up, -1 down."""
    if isinstance(proposal, Close):
        position = situation.positions.get(proposal.ticket)
        return () if position is None else (-position.side.sign,)
    return (1, -1) if proposal.side is None else (proposal.side.sign,)


class _Limit(NamedTuple):
    """`volume` lots keep what is `held` of a symbol or a currency in one direction within `most`."""

    volume: Decimal
    whose: str
    held: Decimal
    most: Decimal
    percent: Decimal

    def reason(self) -> Reason:
        message = (
            f"net exposure of {self.whose} is {self.held:.0f} in that direction, {self.most:.0f} is allowed "
            f"({self.percent} % of all equity)"
        )
        return Reason("exposure", message, self.most.quantize(CENT), self.held.quantize(CENT))


def _volume(limit: _Limit) -> Decimal:
    return limit.volume


def _tightest(rule: ExposureRule, group: Group, worth: Worth, symbol: str, sign: int) -> _Limit:
    """Of a lot in one direction: what its symbol and its currencies leave. It moves each of them by as much."""
    lot = moves(worth, Decimal(sign))
    if lot is None:
        raise ValueError(f"no rate tells what {worth.currency_base} is worth")
    limits: list[tuple[str, Mapping[str, Span], Decimal, Decimal]] = []
    if rule.currency_percent is not None:
        limits += [(name, group.currencies, amount, rule.currency_percent) for name, amount in lot]
    if rule.symbol_percent is not None:
        limits.append((symbol, group.symbols, lot[0][1], rule.symbol_percent))
    rooms: list[tuple[Decimal, str, Decimal, Decimal, Decimal]] = []
    for name, spans, amount, percent in limits:
        most, before = group.equity * percent / HUNDRED, spans.get(name, NO_SPAN)
        held = before.net + before.up if amount >= 0 else -(before.net + before.down)
        room = most - held
        if not room.is_finite():
            raise ValueError(f"net exposure of {name} is {held} of {most}")
        rooms.append((room, name, held, most, percent))
    room, name, held, most, percent = min(rooms)
    return _Limit(_DOWN.divide(max(ZERO, room), abs(lot[0][1])), name, held, most, percent)


def margin(situation: Situation, proposal: Proposal) -> Finding:
    """Too little of the equity would stay free of margin, were all pending orders filled."""
    rule = situation.policy.rules.margin
    if rule is None or not isinstance(proposal, Open):
        return None
    worth, worst = situation.market.worth, situation.worst
    if situation.sample is None or worth is None or worst is None:
        return no("margin", "the account, or a rate, is not known")
    account = situation.sample.account
    lot = worth.margin_of_a_lot(account.leverage)
    if lot is None or lot <= 0 or worth.margin is None:
        return no("margin", "the account's leverage, or the rate of the margin currency, is not known")
    if not worth.margin.age_s <= situation.policy.price_fresh_s:
        return no("margin", f"the rate of the margin currency is {worth.margin.age_s:.1f} s old")
    if worst.waiting is None:
        return no("margin", "what margin a pending order needs is not known")
    held = worst.waiting / account.leverage
    for item in situation.reservations:
        if item.margin is None:
            return no("margin", "what margin an order on its way takes is not known; wait until it is settled")
        held += item.margin
    least = account.equity * rule.free_percent / HUNDRED
    free = account.margin_free - held
    if not (free.is_finite() and least.is_finite()):
        return no("margin", f"{free} are free of margin and {least} must stay, which can't be right")

    def reason() -> Reason:
        message = (
            f"{free:.2f} are free of margin and {least:.2f} ({rule.free_percent} % of the equity) must stay; a lot "
            f"takes {lot:.2f}"
        )
        return Reason("margin", message, least.quantize(CENT), (free - lot * proposal.volume).quantize(CENT))

    return Cap(_DOWN.divide(max(ZERO, free - least), lot), reason)


def stop_required(situation: Situation, proposal: Proposal) -> Finding:
    """The order has no stop, or the change takes it away."""
    if not situation.policy.rules.stop_required:
        return None
    if isinstance(proposal, Open) and not proposal.sl:
        return no("stop_required", "the order has no stop; send one as sl")
    if isinstance(proposal, Modify) and proposal.new_sl == 0:
        return no("stop_required", "the change takes the stop away; keep one")
    return None


def min_stop_distance(situation: Situation, proposal: Proposal) -> Finding:
    """The stop is nearer to the price than the broker takes, or on the wrong side of it."""
    if not situation.policy.rules.min_stop_distance or not isinstance(proposal, Open) or proposal.sl is None:
        return None
    spec, bid, ask = situation.market.spec, situation.market.bid, situation.market.ask
    if spec is None or bid is None or ask is None:
        return no("min_stop_distance", "there is no price to measure from")
    least = spec.point * spec.stops_level
    for side in (Side.BUY, Side.SELL) if proposal.side is None else (proposal.side,):
        at = bid if side is Side.BUY else ask
        if proposal.order_type is not OrderType.MARKET and proposal.price is not None:
            at = proposal.price
        distance = (at - proposal.sl) * side.sign
        if distance < least or distance <= 0:
            return no(
                "min_stop_distance",
                f"the stop {proposal.sl} is {distance} from {at} on the side of the loss, the broker asks for {least}",
                least,
                distance,
            )
    return None
