"""Decisions made once more from their record: under the same policy, or as they would have been under another one.

Under another policy a record can't tell everything. It holds what the rules of its own policy looked at, so a rule that
looks at more is left out and named, with why; what passes without it can then not be told. And each decision is judged
by itself: what would have come of a first one that is different, no record knows.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import attrs

from quantmind.domain.orders import Open, Proposal
from quantmind.domain.risk.approval import Approved, Verdict
from quantmind.domain.risk.book import RiskBook, Seen, lacks
from quantmind.domain.risk.judge import judge, judge_flattening
from quantmind.domain.risk.news import Impact
from quantmind.domain.risk.policy import Base, Policy, Rules
from quantmind.domain.risk.state import Situation, promised

NO_LOTS: Final = Decimal(0)


class Change(enum.Enum):
    """What another policy makes of a decision."""

    SAME = "same"
    REFUSED = "refused"
    ALLOWED = "allowed"
    REDUCED = "reduced"
    """Fewer lots pass."""
    ENLARGED = "enlarged"
    """More lots pass, of an order that took what it could get."""
    UNTOLD = "untold"
    """The record lacks what a rule looks at, and no other rule refuses."""


@attrs.frozen
class WhatIf:
    """A decision under another policy. `lacking` says by rule what the record lacks; those rules were left out."""

    verdict: Verdict
    lacking: tuple[tuple[str, str], ...] = ()

    @property
    def untold(self) -> bool:
        """It passes what can be told, and more would have been asked."""
        return bool(self.lacking) and isinstance(self.verdict, Approved) and not self.verdict.reduces

    def change(self, *, approved: bool, volume: Decimal) -> Change:
        """What it is beside what was decided, for how many lots (0: it opens nothing)."""
        if self.untold:
            return Change.UNTOLD
        if not isinstance(self.verdict, Approved):
            return Change.REFUSED if approved else Change.SAME
        if not approved:
            return Change.ALLOWED
        now = self.lots
        if now == volume:
            return Change.SAME
        return Change.REDUCED if now < volume else Change.ENLARGED

    @property
    def lots(self) -> Decimal:
        """What it opens."""
        proposal = self.verdict.proposal
        opens = isinstance(self.verdict, Approved) and isinstance(proposal, Open)
        return proposal.volume if opens and isinstance(proposal, Open) else NO_LOTS


def again(proposal: Proposal, situation: Situation, *, flattens: bool = False) -> Verdict:
    """The verdict once more. It differs from the first in the approval's id and its end alone."""
    decide = judge_flattening if flattens else judge
    return decide(proposal, situation, approval_id="", deadline=0.0)


def under(policy: Policy, proposal: Proposal, situation: Situation, *, flattens: bool = False) -> WhatIf:
    """What another policy makes of a decision; one that would only observe is taken as if it refused."""
    policy = attrs.evolve(policy, observe_only=False)
    book = _book(policy, situation)
    seen = attrs.evolve(situation, book=book)
    lacking = {
        rule: why
        for rule, look in _LOOKS.items()
        if _is_set(policy.rules, rule) and (why := look(policy, seen)) is not None
    }
    if "daily_loss" in lacking and policy.rules.quadratic_throttle is not None:
        lacking.setdefault("quadratic_throttle", lacking["daily_loss"])  # it counts from the day's limit
    without: dict[str, Any] = dict.fromkeys(lacking)
    rules = attrs.evolve(policy.rules, **without)
    told = attrs.evolve(seen, policy=attrs.evolve(policy, rules=rules))
    if not isinstance(proposal, Open):
        lacking = {rule: why for rule, why in lacking.items() if rule in _MONEY}
    return WhatIf(again(proposal, told, flattens=flattens), tuple(lacking.items()))


def refusing(proposal: Proposal, situation: Situation, *, flattens: bool = False) -> WhatIf:
    """What a policy that was only observed would have said, had it not been."""
    policy = attrs.evolve(situation.policy, observe_only=False)
    return WhatIf(again(proposal, attrs.evolve(situation, policy=policy), flattens=flattens))


# --- what the record lacks -----------------------------------------------------------------------------------------

_MONEY: Final = frozenset({"daily_loss", "max_loss", "quadratic_throttle"})
"""Rules that have a say in more than orders that open."""
_OLD: Final = "what an earlier version did not write down"


def _is_set(rules: Rules, rule: str) -> bool:
    return getattr(rules, rule) is not None


def _is_old(situation: Situation) -> bool:
    """Records with a time have all the rest."""
    return situation.wall == 0.0


def _book(policy: Policy, situation: Situation) -> RiskBook | None:
    """The account's book as far as it holds under the policy's reset: a baseline is of its own reset and no other."""
    book, sample = situation.book, situation.sample
    if sample is None:
        return book
    day = policy.reset.last(situation.wall)
    if book is None:
        seen = Seen(situation.wall, sample.account.balance, sample.account.equity, not situation.positions)
        return RiskBook(day, None, seen, None, None)
    if policy.reset == situation.policy.reset:
        return book
    baseline = book.began_with if book.day == day else None
    return attrs.evolve(book, day=day, baseline=baseline, highest_balance=None)


def _money(policy: Policy, situation: Situation, rule: str) -> str | None:
    if _is_old(situation):
        return _OLD
    if situation.worst is None or situation.market.worth is None:
        return "what the account or the symbol could lose"
    assumed = policy.allowances.assumed_stop_percent
    if situation.worst.unknown and assumed != situation.policy.allowances.assumed_stop_percent:
        return "what positions without a stop are taken to lose"
    if promised(situation.reservations) is None:
        return "what an order on its way may lose"
    parameters: dict[str, Any] = {rule: getattr(policy.rules, rule)}
    alone = attrs.evolve(policy, rules=Rules(**parameters))
    return lacks(situation.book, alone, situation.wall)


def _initial(policy: Policy) -> str | None:
    return None if policy.initial_capital is not None else "the initial capital"


def _daily_loss(policy: Policy, situation: Situation) -> str | None:
    rule = policy.rules.daily_loss
    assert rule is not None
    counts = rule.base is Base.INITIAL or (rule.amount is None and not rule.percent_of_base)
    return (_initial(policy) if counts else None) or _money(policy, situation, "daily_loss")


def _max_loss(policy: Policy, situation: Situation) -> str | None:
    return _initial(policy) or _money(policy, situation, "max_loss")


def _quadratic_throttle(policy: Policy, situation: Situation) -> str | None:
    if _is_old(situation):
        return _OLD
    alone = attrs.evolve(policy, rules=Rules(quadratic_throttle=policy.rules.quadratic_throttle))
    return lacks(situation.book, alone, situation.wall)


def _profit_target(policy: Policy, situation: Situation) -> str | None:
    del situation
    return _initial(policy)


def _best_day(policy: Policy, situation: Situation) -> str | None:
    rule = policy.rules.best_day
    if rule is None or not rule.refuse:
        return None
    if _is_old(situation):
        return _OLD
    kept = situation.policy.keeps_book and policy.reset == situation.policy.reset
    return None if kept else "what the account's days have made"


def _max_open_per_symbol(policy: Policy, situation: Situation) -> str | None:
    del policy
    return _OLD if _is_old(situation) else None


def _max_trades_per_day(policy: Policy, situation: Situation) -> str | None:
    if _is_old(situation):
        return _OLD
    same = policy.reset.last(situation.wall) == situation.policy.reset.last(situation.wall)
    return None if same and situation.counts.trades_today is not None else "how many trades the day had"


def _max_orders_per_minute(policy: Policy, situation: Situation) -> str | None:
    del policy
    return _OLD if _is_old(situation) else None


def _exposure(policy: Policy, situation: Situation) -> str | None:
    if _is_old(situation):
        return _OLD
    same = policy.group == situation.policy.group
    return None if same and situation.group is not None else "the net exposure of the account's group"


def _margin(policy: Policy, situation: Situation) -> str | None:
    del policy
    if _is_old(situation):
        return _OLD
    known = situation.market.worth is not None and all(item.margin is not None for item in situation.reservations)
    return None if known else "what margin a lot, or an order on its way, takes"


def _news(policy: Policy, situation: Situation) -> str | None:
    rule, kept = policy.rules.news, situation.policy.rules.news
    assert rule is not None
    if kept is None or situation.news is None:
        return "the calendar of events"
    wider = rule.before_min > kept.before_min or rule.after_min > kept.after_min
    if wider or not Impact(rule.impact).at_least(Impact(kept.impact)):
        return "events beyond those that its own policy looked at"
    return None


def _clock(policy: Policy, situation: Situation) -> str | None:
    del policy
    return _OLD if _is_old(situation) else None


_LOOKS: Final[dict[str, Callable[[Policy, Situation], str | None]]] = {
    "daily_loss": _daily_loss,
    "max_loss": _max_loss,
    "quadratic_throttle": _quadratic_throttle,
    "profit_target": _profit_target,
    "best_day": _best_day,
    "max_open_per_symbol": _max_open_per_symbol,
    "max_trades_per_day": _max_trades_per_day,
    "max_orders_per_minute": _max_orders_per_minute,
    "exposure": _exposure,
    "margin": _margin,
    "news": _news,
    "sessions": _clock,
    "weekend": _clock,
}
"""By rule: what of all that it looks at the record lacks, in words; None: nothing."""
