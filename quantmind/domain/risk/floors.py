"""The floors that an account's equity must not fall through: today's, and those of the next reset.

Source of the formulas: docs/risk.md, and each preset's firm.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from quantmind.domain.risk.book import RiskBook
from quantmind.domain.risk.policy import Base, DailyLoss, MaxLoss, Measure, Policy, Trailing
from quantmind.domain.risk.stops import HUNDRED

CENT = Decimal("0.01")


class Floor(NamedTuple):
    """A floor of one rule. Money in the account's currency.

    `now` is in force; `next` will be from the next reset on, if nothing more is made or lost until then. `inclusive`:
    at the floor it is broken. `amount` is the whole loss that the rule lets be made, from its base to its floor.
    `recovered` is `next` if what floats at a loss comes back until then: it lifts a base that follows the equity.

    A tuple, since each decision makes two of them.
    """

    rule: str
    now: Decimal
    next: Decimal
    amount: Decimal
    inclusive: bool
    measure: Measure
    recovered: Decimal

    @property
    def least(self) -> Decimal:
        """The least that may be left by now."""
        return self.now + CENT if self.inclusive else self.now

    @property
    def least_next(self) -> Decimal:
        """The least that may be left after the next reset, whatever floats at a loss until then."""
        return self.recovered + CENT if self.inclusive else self.recovered

    def broken_by(self, value: Decimal) -> bool:
        """Whether an equity (or balance, by `measure`) is below what may be left."""
        return value <= self.now if self.inclusive else value < self.now


def floors(policy: Policy, book: RiskBook, balance: Decimal, equity: Decimal) -> tuple[Floor, ...]:
    """The floors that a policy sets; those whose base is not known are left out (see `book.lacks`).

    Args:
        balance: what the account has now, without what floats.
        equity: with it.
    """
    found = (daily_floor(policy, book, balance, equity), overall_floor(policy, book, balance, equity))
    return tuple(floor for floor in found if floor is not None)


def daily_floor(policy: Policy, book: RiskBook, balance: Decimal, equity: Decimal) -> Floor | None:
    """That of the day; None where none is set, or its base is not known."""
    rule = policy.rules.daily_loss
    if rule is None:
        return None
    base = _base(rule.base, policy, book)
    if rule.base is Base.INITIAL:
        following = recovered = policy.initial_capital
    else:
        following = _by(rule.base, balance, equity)
        recovered = max(balance, following)
    if base is None or following is None or recovered is None:
        return None
    amount = _amount(rule, policy, base)
    later = amount if following == base else _amount(rule, policy, following)
    most = later if recovered == following else _amount(rule, policy, recovered)
    if amount is None or later is None or most is None:
        return None
    return Floor("daily_loss", base - amount, following - later, amount, rule.inclusive, rule.measure, recovered - most)


def day_of(policy: Policy, book: RiskBook) -> tuple[Decimal, Decimal] | None:
    """What the day is counted from and what may be lost of it; None where neither is set or known."""
    rule = policy.rules.daily_loss
    base = None if rule is None else _base(rule.base, policy, book)
    amount = None if rule is None or base is None else _amount(rule, policy, base)
    return None if base is None or amount is None else (base, amount)


def _base(base: Base, policy: Policy, book: RiskBook) -> Decimal | None:
    if base is Base.INITIAL:
        return policy.initial_capital
    baseline = book.began_with
    if baseline is None:
        return None
    if base is Base.BALANCE:
        return baseline.balance
    if baseline.equity is None:
        return None
    return _by(base, baseline.balance, baseline.equity)


def _by(base: Base, balance: Decimal, equity: Decimal) -> Decimal:
    if base is Base.BALANCE:
        return balance
    return equity if base is Base.EQUITY else max(balance, equity)


def _amount(rule: DailyLoss | MaxLoss, policy: Policy, base: Decimal) -> Decimal | None:
    if rule.amount is not None:
        return rule.amount
    whole = base if isinstance(rule, DailyLoss) and rule.percent_of_base else policy.initial_capital
    return None if whole is None or rule.percent is None else whole * rule.percent / HUNDRED


def overall_floor(policy: Policy, book: RiskBook, balance: Decimal, equity: Decimal) -> Floor | None:
    """That of the whole account; None where none is set, or its base is not known."""
    rule, initial = policy.rules.max_loss, policy.initial_capital
    if rule is None:
        return None
    amount = None if initial is None else _amount(rule, policy, initial)
    if initial is None or amount is None:
        return None
    high = following = initial
    if rule.trailing is Trailing.END_OF_DAY:
        if book.highest_balance is None:
            return None
        high = max(initial, book.highest_balance)
        following = max(high, balance)
    elif rule.trailing is Trailing.INTRADAY:
        if book.highest_equity is None:
            return None
        high = following = max(initial, book.highest_equity, equity)
    most = None if rule.lock_at is None else initial * rule.lock_at / HUNDRED
    now, later = high - amount, following - amount
    if most is not None:
        now, later = min(now, most), min(later, most)
    return Floor("max_loss", now, later, amount, rule.inclusive, rule.measure, later)
