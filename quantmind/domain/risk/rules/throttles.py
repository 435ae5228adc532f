"""What an EA's volume is multiplied by: its own multiplier, the mandate, and what is left of a day or a target.

None of them is ever above 1, and more loss never means a larger one. Source of the formulas: docs/risk.md.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from quantmind.domain.accounts import Sample
from quantmind.domain.risk.book import RiskBook
from quantmind.domain.risk.floors import day_of
from quantmind.domain.risk.policy import OnTarget, Policy, QuadraticThrottle
from quantmind.domain.risk.rules.money import reached_target
from quantmind.domain.risk.state import THROTTLES, Situation
from quantmind.domain.risk.worth import ZERO

_ONE = Decimal(1)
FINE = Decimal("0.0001")
"""The digits of a multiplier that is told."""
_DIGITS = -4
TIERS = ("growth", "scaling", "guardian")


def multiplier(situation: Situation) -> tuple[Decimal, str]:
    """The multiplier (0 to 1), and whose is the smallest of those that it is made of."""
    own = _own(situation)
    cap = min(max(situation.mandate.cap, ZERO), _ONE)
    parts = [("mandate", cap)] if cap < own else [("risk_multiplier", own)]
    policy, book, sample = situation.policy, situation.book, situation.sample
    parts += situation.once(THROTTLES, None, lambda: _of_account(policy, book, sample))
    product = _ONE
    for _, part in parts:
        product *= part
    return _fine(product), min(parts, key=lambda part: part[1])[0]


def _own(situation: Situation) -> Decimal:
    return _within(situation.ea.multiplier)


def account_multiplier(policy: Policy, book: RiskBook | None, sample: Sample | None) -> Decimal:
    """What an account multiplies every EA's volume by (0 to 1)."""
    product = _ONE
    for _, part in _of_account(policy, book, sample):
        product *= part
    return product


def _of_account(policy: Policy, book: RiskBook | None, sample: Sample | None) -> list[tuple[str, Decimal]]:
    parts, rules, target = [], policy.rules, policy.rules.profit_target
    if rules.quadratic_throttle is not None and _throttled(policy, sample):
        parts.append(("quadratic_throttle", _quadratic(policy, rules.quadratic_throttle, book, sample)))
    if target is not None and target.on_target is OnTarget.PRESERVE and reached_target(policy, sample):
        parts.append(("profit_target", _within(target.multiplier)))
    return parts


def tier(policy: Policy, sample: Sample | None) -> str | None:
    """The tier that the account's equity is in; None without tiers, or where the equity is not known."""
    rule = policy.rules.tiers
    if rule is None or sample is None or not sample.account.equity.is_finite():
        return None
    equity = sample.account.equity
    return TIERS[(equity >= rule.scaling) + (equity >= rule.guardian)]


def _throttled(policy: Policy, sample: Sample | None) -> bool:
    rule, now = policy.rules.tiers, tier(policy, sample)
    return rule is None or now is None or TIERS.index(now) >= TIERS.index(rule.throttle_from)


def _quadratic(policy: Policy, rule: QuadraticThrottle, book: RiskBook | None, sample: Sample | None) -> Decimal:
    """max(0, 1 - (loss / limit)^2): loss since the day began, limit of the day less the hard stop's buffer."""
    if book is None or sample is None or not book.known:
        return ZERO
    day = day_of(policy, book)
    if day is None:
        return ZERO
    base, amount = day
    limit, loss = amount - rule.hard_stop_buffer, max(ZERO, base - sample.account.equity)
    if not (limit.is_finite() and loss.is_finite()) or limit <= 0:
        return ZERO
    used = loss / limit
    return _within(_ONE - used * used)


def _fine(value: Decimal) -> Decimal:
    """With as many digits as are told, never more."""
    exponent = value.as_tuple().exponent
    return value.quantize(FINE, ROUND_DOWN) if isinstance(exponent, int) and exponent < _DIGITS else value


def _within(value: Decimal) -> Decimal:
    """A number from 0 to 1; what is none is 0."""
    if not value.is_finite() or value < 0:
        return ZERO
    return min(value, _ONE)
