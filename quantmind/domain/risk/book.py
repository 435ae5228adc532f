"""What of an account must outlive a restart: the baseline of its day, its high-water marks, its trading days.

A baseline is what the account had at a reset of its firm's clock, and it is taken once: a clock that is set back takes
it no second time. A gateway that was down over a reset can reckon it from the broker's deals, if these explain the
balance to the cent; else it is not known, and nothing that adds exposure passes until somebody supplies it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import attrs

from quantmind.domain.accounts import Deal, Entry
from quantmind.domain.risk.policy import Base, Policy, Trailing
from quantmind.domain.risk.worth import ZERO

CLOSE_S = 60.0
"""A look at the account so near to a reset, before and after it, shows what there was at the reset."""
UNCHANGED_S = 300.0
"""How old what was last seen may get on the record while nothing changes."""
WATCHED_S = 20.0
"""The same while a highest equity counts that only who looks can know: a restart must not look like a long absence."""


@attrs.frozen
class Baseline:
    """What an account had at a reset (`day`, Unix seconds); `source` says how that is known."""

    day: float
    balance: Decimal
    equity: Decimal | None
    """None: it is not known, and a policy that counts from equity has no baseline."""
    source: str


@attrs.frozen
class Seen:
    """The account as it was last seen, at `at` (Unix seconds)."""

    at: float
    balance: Decimal
    equity: Decimal
    flat: bool
    """Nothing was open."""


@attrs.frozen
class RiskBook:
    """The durable state of one account. Money in its currency.

    `day` is the newest reset that was seen to pass; without a `baseline` of that day, what the day began with is not
    known. The high-water marks are None where they are not known.
    """

    day: float
    baseline: Baseline | None
    seen: Seen
    highest_balance: Decimal | None
    """At any reset."""
    highest_equity: Decimal | None
    """At any time."""
    trading_days: int = 0
    last_traded: float | None = None
    """The day (its reset) on which a position was last opened."""
    best_day: Decimal = ZERO
    profit_days: Decimal = ZERO
    """The sum of all days' closed profit that was positive."""

    @property
    def began_with(self) -> Baseline | None:
        """What the day began with; None: it is not known."""
        return self.baseline if self.baseline is not None and self.baseline.day == self.day else None

    @property
    def known(self) -> bool:
        """Whether it is known what the day began with."""
        return self.began_with is not None


def lacks(book: RiskBook | None, policy: Policy, wall: float) -> str | None:
    """What is not known that the policy counts from at a time (Unix seconds), in words; None: nothing is missing."""
    rules = policy.rules
    if book is None:
        return "the account has not been seen yet"
    if book.day < policy.reset.last(wall):
        return "what the account had when the day began (it is being looked at)"
    daily, overall = rules.daily_loss, rules.max_loss
    if daily is not None and daily.base is not Base.INITIAL:
        baseline = book.began_with
        if baseline is None:
            return "what the account had when the day began"
        if daily.base in (Base.EQUITY, Base.MAX) and baseline.equity is None:
            return "what equity the account had when the day began"
    days = rules.quadratic_throttle is not None or (rules.best_day is not None and rules.best_day.refuse)
    if days and not book.known:
        return "what the account had when the day began"
    if overall is not None:
        if overall.trailing is Trailing.END_OF_DAY and book.highest_balance is None:
            return "the highest balance that the account has had at a reset"
        if overall.trailing is Trailing.INTRADAY and book.highest_equity is None:
            return "the highest equity that the account has had"
    return None


def begin(seen: Seen, policy: Policy) -> RiskBook:
    """The book of an account that is seen for the first time.

    One that has exactly its initial capital and nothing open stands at its beginning. Of others the past is not known.
    """
    day = policy.reset.last(seen.at)
    initial = policy.initial_capital
    if initial is not None and seen.balance == seen.equity == initial and seen.flat:
        baseline = Baseline(day, initial, initial, "it begins with the initial capital")
        return RiskBook(day, baseline, seen, initial, initial)
    return RiskBook(day, None, seen, None, None)


def advance(book: RiskBook, last: Seen, seen: Seen, policy: Policy, deals: Sequence[Deal] | None) -> RiskBook:
    """The book after a look at the account.

    Args:
        last: the look before, which may be newer than the one in the book, or the one in the book.
        deals: the broker's deals since `last` and before it, in any order; None: they are not known.
    """
    if not (seen.balance.is_finite() and seen.equity.is_finite() and math.isfinite(seen.at)):
        return book
    if seen.at > last.at:
        book = _meanwhile(book, last, seen, deals)
    highest = book.highest_equity
    day = policy.reset.last(seen.at)
    if day > book.day:
        book = _new_day(book, last, seen, day, policy, deals)
    if highest is not None and book.highest_equity is not None and seen.equity > highest:
        book = attrs.evolve(book, highest_equity=seen.equity)
    trailing = policy.rules.max_loss is not None and policy.rules.max_loss.trailing is Trailing.INTRADAY
    most = WATCHED_S if trailing and book.highest_equity is not None and not seen.flat else UNCHANGED_S
    if seen.at >= book.seen.at and _tells_more(book.seen, seen, most):
        book = attrs.evolve(book, seen=seen)
    return book if deals is None else _traded(book, deals)


def overslept(book: RiskBook, last: Seen, seen: Seen, policy: Policy) -> bool:
    """Whether a reset passed while nobody looked, so that only the deals can tell what there was."""
    if policy.reset.last(seen.at) <= book.day:
        return False
    resets = policy.reset.between(book.day, seen.at)
    return len(resets) != 1 or not _near(resets[0], last, seen)


def under(book: RiskBook, policy: Policy) -> RiskBook:
    """The book under a policy whose reset may be another than when it was written.

    What there was at the other hour is no baseline, and of this hour's resets until it was last seen nothing is known.
    """
    if policy.reset.last(book.day) == book.day:
        return book
    return attrs.evolve(book, day=policy.reset.last(book.seen.at), baseline=None, highest_balance=None)


def again(book: RiskBook, last: Seen, seen: Seen, policy: Policy) -> RiskBook:
    """The book after a look, where a reset passes that it has had already: the clock was set back over it.

    Which of both times was the firm's nobody can tell, so the higher counts, which is on the safe side. What nobody saw
    is not known.
    """
    if last.at >= book.day:
        return book
    resets = [reset for reset in policy.reset.between(last.at, seen.at) if reset <= book.day]
    if not resets:
        return book
    if len(resets) > 1 or not _near(resets[0], last, seen):
        return attrs.evolve(book, baseline=None, highest_balance=None)
    balance, equity = max(last.balance, seen.balance), max(last.equity, seen.equity)
    known = book.began_with
    if known is None:
        baseline = Baseline(book.day, balance, equity, "seen at the reset")
    else:
        highest = None if known.equity is None else max(known.equity, equity)
        baseline = attrs.evolve(known, balance=max(known.balance, balance), equity=highest)
    high = None if book.highest_balance is None else max(book.highest_balance, balance)
    return attrs.evolve(book, baseline=baseline, highest_balance=high)


def jumped(book: RiskBook, last: Seen, seen: Seen, policy: Policy) -> RiskBook:
    """The book after the clock was set, or the machine slept, between two looks.

    Which resets passed meanwhile the clock can't tell, so a new day's beginning is not known; nor is how high the
    equity was, unless nothing was open.
    """
    highest = book.highest_equity
    if highest is not None and seen.at > last.at:
        highest = max(highest, seen.equity) if last.flat and seen.flat and last.balance == seen.balance else None
    day = policy.reset.last(seen.at)
    if day <= book.day:
        return attrs.evolve(book, highest_equity=highest)
    return attrs.evolve(book, day=day, baseline=None, highest_balance=None, highest_equity=highest, seen=seen)


def _meanwhile(book: RiskBook, last: Seen, seen: Seen, deals: Sequence[Deal] | None) -> RiskBook:
    """Nobody looked for a while: how high the equity was is then known only of an account that had nothing open."""
    if book.highest_equity is None or seen.at - last.at <= CLOSE_S:
        return book
    slept = last.flat and seen.flat and last.balance == seen.balance
    if slept and deals is not None and not _since(deals, last.at, seen.at):
        return book
    return attrs.evolve(book, highest_equity=None)


def _tells_more(before: Seen, now: Seen, most_s: float) -> bool:
    return (before.balance, before.flat) != (now.balance, now.flat) or now.at - before.at >= most_s


def _new_day(
    book: RiskBook, last: Seen, seen: Seen, day: float, policy: Policy, deals: Sequence[Deal] | None
) -> RiskBook:
    resets = policy.reset.between(book.day, seen.at)
    balances = _balances_at(resets, last, seen, deals)
    if balances is None:
        return attrs.evolve(book, day=day, baseline=None, highest_balance=None)
    before = None if book.began_with is None else book.began_with.balance
    for balance in balances:
        book = book if before is None else _day_over(book, balance - before)
        before = balance
    highest = None if book.highest_balance is None else max(book.highest_balance, *balances)
    equity = _equity_at(day, last, seen, deals)
    source = "seen at the reset" if _near(day, last, seen) else "reckoned from the broker's deals"
    return attrs.evolve(book, day=day, baseline=Baseline(day, balances[-1], equity, source), highest_balance=highest)


def _near(reset: float, before: Seen, after: Seen) -> bool:
    return reset - before.at <= CLOSE_S and after.at - reset <= CLOSE_S


def _balances_at(
    resets: Sequence[float], before: Seen, after: Seen, deals: Sequence[Deal] | None
) -> list[Decimal] | None:
    """The balance at each reset, or None where that can't be told.

    Between two looks near to the reset it is what they agree on; where they don't, the higher one, which is on the safe
    side. Over a longer time the deals tell it, if they lead from the one balance to the other exactly. Their times are
    those of the broker's clock: of what was made near to the reset the highest balance counts that there was.
    """
    if len(resets) == 1 and _near(resets[0], before, after):
        return [max(before.balance, after.balance)]
    if deals is None:
        return None
    between = sorted(_since(deals, before.at, after.at), key=lambda deal: deal.time_msc)
    if before.balance + sum((_made(deal) for deal in between), ZERO) != after.balance:
        return None
    return [_highest_near(reset, before.balance, between) for reset in resets]


def _highest_near(reset: float, balance: Decimal, deals: Sequence[Deal]) -> Decimal:
    highest: Decimal | None = None
    for deal in deals:
        if deal.time_msc >= (reset + CLOSE_S) * 1000:
            break
        if deal.time_msc >= (reset - CLOSE_S) * 1000:
            highest = balance if highest is None else max(highest, balance)
        balance += _made(deal)
    return balance if highest is None else max(highest, balance)


def _equity_at(reset: float, before: Seen, after: Seen, deals: Sequence[Deal] | None) -> Decimal | None:
    if _near(reset, before, after):
        return max(before.equity, after.equity)
    if deals is None or _since(deals, before.at, after.at):
        return None
    if before.flat and after.flat and before.balance == after.balance == before.equity == after.equity:
        return after.equity
    return None


def _since(deals: Sequence[Deal], after: float, through: float) -> list[Deal]:
    return [deal for deal in deals if after * 1000 < deal.time_msc <= through * 1000]


def _made(deal: Deal) -> Decimal:
    return deal.profit + deal.commission + deal.swap


def _day_over(book: RiskBook, made: Decimal) -> RiskBook:
    """A day's closed profit goes into the account's days."""
    if made <= 0:
        return book
    return attrs.evolve(book, best_day=max(book.best_day, made), profit_days=book.profit_days + made)


def _traded(book: RiskBook, deals: Sequence[Deal]) -> RiskBook:
    opened = any(deal.entry in (Entry.IN, Entry.INOUT) and deal.time_msc >= book.day * 1000 for deal in deals)
    if not opened or book.last_traded == book.day:
        return book
    return attrs.evolve(book, trading_days=book.trading_days + 1, last_traded=book.day)


def supplied(
    book: RiskBook,
    policy: Policy,
    *,
    balance: Decimal,
    equity: Decimal | None,
    highest_balance: Decimal | None,
    highest_equity: Decimal | None,
    by: str,
) -> RiskBook:
    """The book with what somebody knows of the day's beginning. Only what is missing is taken.

    High-water marks are at least the initial capital and what is known already.

    Raises:
        ValueError: a number is none, which no rule could count from.
    """
    for number in (balance, equity, highest_balance, highest_equity):
        if number is not None and not number.is_finite():
            raise ValueError(f"a baseline of {number} can't be counted from; send a number")
    baseline = book.began_with
    if baseline is None:
        baseline = Baseline(book.day, balance, equity, by)
    elif baseline.equity is None and equity is not None:
        baseline = attrs.evolve(baseline, equity=equity, source=f"{baseline.source}; equity {by}")
    floor = policy.initial_capital or ZERO
    marks = (
        _mark(book.highest_balance, highest_balance, floor, balance),
        _mark(book.highest_equity, highest_equity, floor, balance if equity is None else equity),
    )
    return attrs.evolve(book, baseline=baseline, highest_balance=marks[0], highest_equity=marks[1])


def _mark(known: Decimal | None, said: Decimal | None, initial: Decimal, now: Decimal) -> Decimal | None:
    if known is not None or said is None:
        return known
    return max(said, initial, now)
