"""The floors: no order passes that, with every stop hit, could take the account through one.

Source of the formulas: docs/risk.md. The worst case does not depend on the path of prices: see `worst`.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal
from typing import NamedTuple

from quantmind.domain.accounts import Sample
from quantmind.domain.orders import Modify, Open, Proposal
from quantmind.domain.risk.approval import Reason
from quantmind.domain.risk.book import RiskBook, lacks
from quantmind.domain.risk.floors import CENT, Floor
from quantmind.domain.risk.policy import Measure, OnTarget, Policy
from quantmind.domain.risk.rules.cost import Cost, cost_of
from quantmind.domain.risk.rules.finding import Cap, Finding, Refusal, no
from quantmind.domain.risk.state import Situation
from quantmind.domain.risk.stops import HUNDRED
from quantmind.domain.risk.worth import ZERO


class _Room(NamedTuple):
    """What may be lost before a floor is reached: today's, or (`later`) the next reset's.

    `left` is what the account has at its stops, `least` what must be left of it, `before` their difference. `fixed` is
    what the proposal takes away of it whatever its volume, `after` what then remains. A tuple, since each decision
    makes four of them.
    """

    left: Decimal
    least: Decimal
    before: Decimal
    fixed: Decimal
    after: Decimal
    later: bool


def _room(left: Decimal, least: Decimal, fixed: Decimal, *, later: bool) -> _Room:
    before = left - least
    return _Room(left, least, before, fixed, before - fixed, later)


def baseline_known(situation: Situation, proposal: Proposal) -> Finding:
    """What the policy counts from is not known."""
    del proposal
    policy = situation.policy
    rules = policy.rules
    days = rules.quadratic_throttle is not None or (rules.best_day is not None and rules.best_day.refuse)
    missing = lacks(situation.book, policy, situation.wall) if days or policy.counts_money else None
    if missing is None:
        return None
    return no(
        "baseline_known",
        f"{missing} is not known (the gateway was not there to see it); an admin can supply it with PUT /risk/baseline "
        "or `quantmind risk baseline`; only what a day begins with is else taken at the next reset",
    )


def daily_loss(situation: Situation, proposal: Proposal) -> Finding:
    """With every stop hit the account would be below what a day may lose, today's or the next one's."""
    return _floor("daily_loss", situation, proposal) if situation.policy.rules.daily_loss is not None else None


def max_loss(situation: Situation, proposal: Proposal) -> Finding:
    """With every stop hit the account would be below what may be lost at all."""
    return _floor("max_loss", situation, proposal) if situation.policy.rules.max_loss is not None else None


def _floor(rule: str, situation: Situation, proposal: Proposal) -> Finding:
    if not isinstance(proposal, (Open, Modify)):
        return None
    floor = situation.daily_floor if rule == "daily_loss" else situation.overall_floor
    case = situation.once("case", proposal, lambda: _case(situation, proposal))
    if floor is None:
        return no(rule, "the floor is not known")
    if isinstance(case, str):
        return no(rule, case)
    cost, rooms = case.cost, _rooms(floor, case)
    if isinstance(proposal, Modify):
        return _of_modify(rule, situation, proposal, rooms)
    now, later = rooms
    room = later if later.after < now.after else now
    asked = room.fixed + cost.a_lot * proposal.volume
    if room.after < 0:
        return Refusal(_said(rule, situation, room, asked, None))
    cap, share = _divided(room.after, cost.a_lot), situation.ea.room_percent
    if share is not None:
        part = share / HUNDRED
        mine = min(now.before * part - now.fixed, later.before * part - later.fixed)
        of_ea = _divided(max(ZERO, mine), cost.a_lot)
        if of_ea < cap:
            return Cap(of_ea, lambda: _share(proposal, share, mine + room.fixed, asked))
    return Cap(cap, lambda: _said(rule, situation, room, asked, proposal.volume))


def _divided(room: Decimal, a_lot: Decimal) -> Decimal:
    """Lots, never rounded up."""
    return _DOWN.divide(room, a_lot)


_DOWN = Context(prec=28, rounding=ROUND_DOWN)


class _Case(NamedTuple):
    """What both floors are compared with: what is left at the stops, of all and of losers alone, and what it may cost.

    `not_yet` is cash that is no balance yet.
    """

    cost: Cost
    left: Decimal
    losers: Decimal
    not_yet: Decimal


def _case(situation: Situation, proposal: Open | Modify) -> _Case | str:
    """In words why it is not known."""
    worst, promised, sample = situation.worst, situation.promised, situation.sample
    if worst is None or sample is None:
        return "the account is not known"
    if worst.unknown:
        what = "; ".join(worst.unknown)
        return (
            f"what could be lost at worst is not known: {what}; set its stop, or the account's "
            "allowances.assumed_stop_percent"
        )
    if promised is None:
        return "what an order on its way may lose is not known; wait until it is settled"
    cost = cost_of(situation, proposal)
    if isinstance(cost, str):
        return cost
    if isinstance(proposal, Open) and not (cost.a_lot.is_finite() and cost.a_lot > 0):
        return f"a lot of {proposal.symbol} would lose {cost.a_lot} to its stop, which can't be right"
    cash = worst.cash + worst.orders + promised
    not_yet = max(ZERO, worst.cash - sample.account.balance)
    return _Case(cost, cash + worst.at_stops, cash + worst.losses, not_yet)


def _rooms(floor: Floor, case: _Case) -> tuple[_Room, _Room]:
    """To today's floor and to the next one. A balance falls by losses alone: what stops lock in is none of it yet."""
    fixed, fixed_losses = case.cost.fixed, case.cost.fixed_losses
    if floor.measure is Measure.BALANCE:
        now = _room(case.losers - case.not_yet, floor.least, fixed_losses, later=False)
    else:
        now = _room(case.left, floor.least, fixed, later=False)
    return now, _room(case.losers, floor.least_next, fixed_losses, later=True)


def _of_modify(rule: str, situation: Situation, proposal: Modify, rooms: tuple[_Room, _Room]) -> Finding:
    share = situation.ea.room_percent
    for room in rooms:
        # What takes nothing away from a room may be done however little there is of it.
        if room.fixed > 0 and room.after < 0:
            return Refusal(_said(rule, situation, room, room.fixed, None))
    for room in rooms if share is not None else ():
        mine = room.before * (share or ZERO) / HUNDRED
        if room.fixed > max(ZERO, mine):
            return Refusal(_share(proposal, share or ZERO, mine, room.fixed))
    return None


def _share(proposal: Proposal, share: Decimal, mine: Decimal, asked: Decimal) -> Reason:
    message = (
        f"EA {proposal.origin.ea_name} may risk {share} % of the room that the floors leave with one order, which is "
        f"{mine:.2f}"
    )
    return Reason("ea_limits", message, mine.quantize(CENT), asked.quantize(CENT))


def _said(rule: str, situation: Situation, room: _Room, cost: Decimal, volume: Decimal | None) -> Reason:
    value = room.left - cost
    when = f"from the next reset ({situation.policy.reset}) on" if room.later else "now"
    what = f"{volume} lots with their stop" if volume is not None else "this"
    return Reason(
        rule,
        f"with every stop hit {what} would leave {value:.2f}, and the floor {when} is {room.least:.2f}; without it "
        f"{room.left:.2f} would be left; a nearer stop, less volume or a closed position makes room",
        room.least.quantize(CENT),
        value.quantize(CENT),
    )


# --- targets and days ----------------------------------------------------------------------------------------------


def reached_target(policy: Policy, sample: Sample | None) -> bool:
    """The balance has reached the profit target."""
    rule, initial = policy.rules.profit_target, policy.initial_capital
    if rule is None or initial is None or sample is None:
        return False
    return sample.account.balance >= initial * (1 + rule.percent / HUNDRED)


def profit_target(situation: Situation, proposal: Proposal) -> Finding:
    """The target is reached: what remains is to keep it."""
    rule = situation.policy.rules.profit_target
    if rule is None:
        return None
    if situation.policy.initial_capital is None:
        return no("profit_target", "no initial_capital is set to count the target from")
    if not isinstance(proposal, Open) or not reached_target(situation.policy, situation.sample):
        return None
    if rule.on_target is OnTarget.HALT:
        return no("profit_target", f"the target of {rule.percent} % is reached; nothing new is opened", rule.percent)
    if proposal.score is not None and proposal.score >= rule.min_score:
        return None
    return no(
        "profit_target",
        f"the target of {rule.percent} % is reached: only orders with a score of {rule.min_score:g} or more pass",
        rule.min_score,
        proposal.score,
    )


def made_today(book: RiskBook, balance: Decimal) -> Decimal:
    """The day's closed profit; 0 where it is a loss, or where it is not known what the day began with."""
    return ZERO if book.began_with is None else max(ZERO, balance - book.began_with.balance)


def share_of_best_day(book: RiskBook, balance: Decimal) -> Decimal | None:
    """How much of all profit the best day has made, in percent, today among them; None: nothing was made."""
    today = made_today(book, balance)
    whole = book.profit_days + today
    return max(book.best_day, today) / whole * HUNDRED if whole > 0 else None


def best_day(situation: Situation, proposal: Proposal) -> Finding:
    """One day has made more of all the profit than the firm likes; refuses only where the policy says so."""
    rule, book = situation.policy.rules.best_day, situation.book
    if rule is None or not rule.refuse or not isinstance(proposal, Open):
        return None
    if book is None or situation.sample is None or not book.known:
        return no("best_day", "the account's days are not known")
    if not (book.best_day.is_finite() and book.profit_days.is_finite()):
        return no("best_day", f"the days made {book.profit_days}, the best one {book.best_day}, which can't be right")
    balance = situation.sample.account.balance
    share = share_of_best_day(book, balance)
    if share is None or made_today(book, balance) < book.best_day or share <= rule.percent:
        return None
    return no(
        "best_day",
        f"today has made {share:.0f} % of all profit, {rule.percent} % are allowed; trade on another day",
        rule.percent,
        share.quantize(CENT),
    )
