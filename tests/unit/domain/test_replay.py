"""Decisions under another policy: what changes, by which rule, and what a record can't tell."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.domain.test_judge import SPEC, decide, opening, position, situation

from quantmind.domain.accounts import Account, Sample
from quantmind.domain.orders import Close, Modify, Origin
from quantmind.domain.risk import Approved, Market, Policy, Reservation, Situation, TradingState
from quantmind.domain.risk.book import Baseline, RiskBook, Seen
from quantmind.domain.risk.news import Impact, NewsView
from quantmind.domain.risk.policy import (
    Allowances,
    Base,
    BestDay,
    DailyLoss,
    Exposure,
    Margin,
    MaxLoss,
    News,
    ProfitTarget,
    QuadraticThrottle,
    Rules,
    Sessions,
    Trailing,
    Weekend,
)
from quantmind.domain.risk.replay import Change, again, refusing, under
from quantmind.domain.risk.resets import Reset
from quantmind.domain.risk.state import Counts, Group
from quantmind.domain.risk.worst import WorstCase
from quantmind.domain.risk.worth import SAME, Rate, Worth

WALL = 1_795_424_400.0
DAY = Reset().last(WALL)
K = Decimal(10_000)
ACCOUNT = Account(1, "s", "USD", 100, "hedging", K, K, Decimal(0), K, Decimal(0))
WORTH = Worth("EURUSD", Decimal(100_000), Decimal("0.00001"), "EUR", "USD", SAME, Rate(K, K), Rate(K, K))
SEEN = Seen(WALL, K, K, flat=True)
BOOK = RiskBook(DAY, Baseline(DAY, K, K, "seen"), SEEN, K, K)
STOP = Decimal("1.195")
"""50 points below the ask, 500 a lot."""
DAILY = Rules(daily_loss=DailyLoss(percent=Decimal(5)))
OVERALL = Rules(max_loss=MaxLoss(percent=Decimal(10)))


def of(rules: Rules, **more: Any) -> Policy:
    return Policy(**{"max_volume": Decimal(100), "initial_capital": K, "rules": rules, **more})


def at(**more: Any) -> Situation:
    """An account that has never lost anything, with all that there is to know of it."""
    given_: dict[str, Any] = {
        "policy": of(Rules()),
        "sample": Sample("demo", ACCOUNT, (), (), 99.5),
        "market": Market(SPEC, Decimal("1.1999"), Decimal("1.2"), 0.1, WORTH),
        "wall": WALL,
        "worst": WorstCase(K),
        "book": BOOK,
    }
    return situation(**{**given_, **more})


def test_an_order_that_another_policy_refuses() -> None:
    """By the rule that does so; and no lots would have been traded."""
    what = under(of(DAILY), opening("2", sl=STOP), at())
    assert what.change(approved=True, volume=Decimal(2)) is Change.REFUSED
    assert [reason.rule for reason in what.verdict.terms.reasons] == ["daily_loss"]
    assert (what.lots, what.lacking) == (0, ())


def test_an_order_that_it_reduces_enlarges_allows_or_leaves() -> None:
    """With `reduce` the volume is what passes."""
    small, large = under(of(DAILY), opening("2", sl=STOP, reduce=True), at()), Decimal("0.5")
    assert small.lots == Decimal(1)
    assert small.change(approved=True, volume=Decimal(2)) is Change.REDUCED
    assert small.change(approved=True, volume=large) is Change.ENLARGED
    assert small.change(approved=False, volume=Decimal(0)) is Change.ALLOWED
    assert small.change(approved=True, volume=Decimal(1)) is Change.SAME
    refused = under(of(DAILY), opening("2", sl=STOP), at())
    assert refused.change(approved=False, volume=Decimal(0)) is Change.SAME


def test_what_reduces_risk_passes_under_any_policy() -> None:
    """Whatever the record lacks."""
    held = position(3)
    there = at(positions={3: held}, book=None, worst=None)
    what = under(of(DAILY), Close(Origin("alpha", 7), "demo", "EURUSD", 3), there)
    assert what.change(approved=True, volume=Decimal(0)) is Change.SAME
    flattens = Close(Origin("gateway", 0), "demo", "EURUSD", 3, Decimal("0.5"))
    assert isinstance(again(flattens, there, flattens=True), Approved)


LACKS: list[tuple[Rules, dict[str, Any], dict[str, Any], str]] = [
    (DAILY, {"book": None}, {}, "when the day began"),
    (DAILY, {"book": attrs.evolve(BOOK, baseline=None)}, {}, "when the day began"),
    (DAILY, {}, {"initial_capital": None}, "initial capital"),
    (DAILY, {}, {"reset": Reset(0, "Europe/Prague")}, "when the day began"),
    (DAILY, {"worst": None}, {}, "could lose"),
    (DAILY, {"market": Market(SPEC, Decimal("1.1"), Decimal("1.2"), 0.1)}, {}, "could lose"),
    (OVERALL, {}, {"initial_capital": None}, "initial capital"),
    (
        OVERALL,
        {"worst": WorstCase(K, unknown=("position 3 has no stop",))},
        {"allowances": Allowances(assumed_stop_percent=Decimal(1))},
        "without a stop",
    ),
    (
        Rules(max_loss=MaxLoss(percent=Decimal(10), trailing=Trailing.END_OF_DAY)),
        {"book": attrs.evolve(BOOK, highest_balance=None)},
        {},
        "highest balance",
    ),
    (
        Rules(max_loss=MaxLoss(percent=Decimal(10), trailing=Trailing.INTRADAY)),
        {"book": attrs.evolve(BOOK, highest_equity=None)},
        {},
        "highest equity",
    ),
    (Rules(quadratic_throttle=QuadraticThrottle()), {"book": None}, {}, "when the day began"),
    (Rules(profit_target=ProfitTarget(percent=Decimal(10))), {}, {"initial_capital": None}, "initial capital"),
    (Rules(best_day=BestDay(percent=Decimal(50), refuse=True)), {}, {}, "days have made"),
    (Rules(exposure=Exposure(symbol_percent=Decimal(1))), {}, {}, "net exposure"),
    (Rules(margin=Margin(free_percent=Decimal(1))), {"market": Market(SPEC, K, K, 0.1)}, {}, "margin"),
    (Rules(news=News()), {}, {}, "calendar"),
    (
        Rules(news=News(before_min=30)),
        {"policy": of(Rules(news=News())), "news": NewsView(WALL)},
        {},
        "beyond those",
    ),
    (
        Rules(news=News(impact="low")),
        {"policy": of(Rules(news=News())), "news": NewsView(WALL)},
        {},
        "beyond those",
    ),
    (Rules(max_trades_per_day=5), {}, {}, "how many trades"),
    (Rules(max_open_per_symbol=5), {"wall": 0.0}, {}, "earlier version"),
    (Rules(max_orders_per_minute=5), {"wall": 0.0}, {}, "earlier version"),
    (Rules(sessions=Sessions(hours=((0, 1),))), {"wall": 0.0}, {}, "earlier version"),
    (Rules(weekend=Weekend()), {"wall": 0.0}, {}, "earlier version"),
    (OVERALL, {"wall": 0.0}, {}, "earlier version"),
]


@pytest.mark.parametrize(("rules", "lacks", "more", "says"), LACKS)
def test_what_the_record_lacks_is_told(rules: Rules, lacks: dict[str, Any], more: dict[str, Any], says: str) -> None:
    """Such a rule neither refuses nor lets pass: what would have come of it can't be told, and why."""
    what = under(of(rules, **more), opening("0.1", sl=STOP), at(**lacks))
    assert what.change(approved=True, volume=Decimal("0.1")) is Change.UNTOLD
    assert says in dict(what.lacking)[next(name for name, value in attrs.asdict(rules).items() if value)]


def test_what_another_rule_refuses_is_told_all_the_same() -> None:
    """Whatever the record lacks beside it."""
    rules = attrs.evolve(DAILY, stop_required=True)
    what = under(of(rules), opening("0.1"), at(book=None))
    assert what.change(approved=True, volume=Decimal("0.1")) is Change.REFUSED
    assert [reason.rule for reason in what.verdict.terms.reasons] == ["stop_required"]


def test_a_floor_that_never_moves_needs_no_book() -> None:
    """10 % of the initial capital are known without a day's beginning."""
    rules = attrs.evolve(OVERALL, daily_loss=DailyLoss(percent=Decimal(5)))
    what = under(of(rules), opening("3", sl=STOP), at(book=None))
    assert [reason.rule for reason in what.verdict.terms.reasons] == ["max_loss"]
    small = under(of(rules), opening("1", sl=STOP), at(book=None))
    assert small.untold
    assert dict(small.lacking) == {"daily_loss": "what the account had when the day began"}


def test_the_same_moment_is_the_same_reset() -> None:
    """Midnight is midnight, whatever the zone is called."""
    policy = of(DAILY, reset=Reset(0, "Etc/UTC"))
    assert not under(policy, opening("0.1", sl=STOP), at()).lacking


def test_only_rules_that_have_a_say_are_missed() -> None:
    """A stop that is moved away is no opened position: an exposure that nobody knows does not matter."""
    held = position(3, sl=Decimal("1.19"))
    change = Modify(Origin("alpha", 7), "demo", 3, Decimal("1.0"))
    rules = Rules(exposure=Exposure(symbol_percent=Decimal(1)))
    assert under(of(rules), change, at(positions={3: held})).lacking == ()
    assert under(of(DAILY), change, at(positions={3: held}, book=None)).untold


def test_orders_on_their_way_that_may_lose_anything() -> None:
    """What an earlier version promised has no worst case."""
    sent = Reservation("a", "demo", "alpha", 7, "EURUSD", None, Decimal(1), WALL, 105.0, executed=True)
    what = under(of(OVERALL), opening("0.1", sl=STOP), at(reservations=(sent,)))
    assert dict(what.lacking) == {"max_loss": "what an order on its way may lose"}


def test_a_halt_of_then_is_a_halt() -> None:
    """What operators and the gateway itself had set is as it was."""
    what = under(of(Rules()), opening(), at(state=TradingState.HALTED))
    assert what.change(approved=False, volume=Decimal(0)) is Change.SAME


def test_an_observed_policy_would_have_refused() -> None:
    """What a trial week is for."""
    policy = of(DAILY, observe_only=True)
    there = at(policy=policy)
    assert isinstance(decide(opening("2", sl=STOP), there), Approved)
    assert refusing(opening("2", sl=STOP), there).change(approved=True, volume=Decimal(2)) is Change.REFUSED
    assert under(policy, opening("2", sl=STOP), at()).change(approved=True, volume=Decimal(2)) is Change.REFUSED


policies = st.builds(
    lambda daily, overall, base, stop, multiplier: of(
        Rules(
            daily_loss=None if daily is None else DailyLoss(percent=daily, base=base),
            max_loss=None if overall is None else MaxLoss(percent=overall),
            stop_required=stop,
            quadratic_throttle=QuadraticThrottle() if multiplier and daily is not None else None,
        )
    ),
    st.none() | st.integers(1, 10).map(Decimal),
    st.none() | st.integers(1, 20).map(Decimal),
    st.sampled_from(Base),
    st.booleans(),
    st.booleans(),
)


@given(policies, st.integers(1, 500).map(lambda lots: Decimal(lots) / 100), st.booleans(), st.booleans())
def test_its_own_policy_changes_nothing(policy: Policy, lots: Decimal, reduce: bool, stopped: bool) -> None:
    """A decision under the policy that it was made by is what it was, and nothing is missing."""
    there = at(policy=policy, group=Group(K, {}, {}), counts=Counts(0))
    proposal = opening(lots, reduce=reduce, sl=STOP if stopped else None)
    was = decide(proposal, there)
    what = under(policy, proposal, there)
    assert what.lacking == ()
    assert what.verdict.terms == was.terms
    volume = was.proposal.volume if isinstance(was, Approved) else Decimal(0)  # type: ignore[union-attr]
    assert what.change(approved=isinstance(was, Approved), volume=volume) is Change.SAME


def test_an_event_that_the_record_has() -> None:
    """A narrower window than its own is within it."""
    there = at(policy=of(Rules(news=News(before_min=5, after_min=5))), news=NewsView(WALL))
    what = under(of(Rules(news=News(before_min=2, after_min=2, impact=Impact.HIGH.value))), opening("0.1"), there)
    assert what.lacking == ()
    assert isinstance(what.verdict, Approved)
