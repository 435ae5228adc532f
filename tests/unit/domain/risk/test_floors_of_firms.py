"""The floors of known plans on given histories, in numbers reckoned by hand, and the three kinds of trailing."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from risk_world import INITIAL, ORIGIN, D, World

from quantmind.domain.accounts import Position
from quantmind.domain.orders import Open, Side
from quantmind.domain.risk import Approved, Denied, Policy, judge
from quantmind.domain.risk.book import Baseline, RiskBook, Seen, lacks
from quantmind.domain.risk.floors import floors
from quantmind.domain.risk.policy import (
    Base,
    BestDay,
    DailyLoss,
    MaxLoss,
    QuadraticThrottle,
    Rules,
    Trailing,
)
from quantmind.domain.risk.resets import Reset

PRAGUE = Reset(0, "Europe/Prague")
SERVER = Reset(0, "Etc/GMT-3")


def plan(initial: int, daily: DailyLoss | None, overall: MaxLoss | None, reset: Reset = PRAGUE) -> Policy:
    return Policy(initial_capital=D(initial), reset=reset, rules=Rules(daily_loss=daily, max_loss=overall))


def of(percent: int, **more: Any) -> DailyLoss:
    return DailyLoss(percent=D(percent), **more)


def overall(percent: int, **more: Any) -> MaxLoss:
    return MaxLoss(percent=D(percent), **more)


END = Trailing.END_OF_DAY
PLANS = {
    "FTMO 2-step": plan(100_000, of(5), overall(10)),
    "FTMO 1-step": plan(100_000, of(3), overall(10, trailing=END)),
    "Stellar 2-step": plan(100_000, of(5), overall(10), SERVER),
    "Stellar 1-step": plan(100_000, of(3), overall(6), SERVER),
    "Stellar Lite": plan(100_000, of(4), overall(8), SERVER),
    "High Stakes": plan(100_000, of(5, base=Base.MAX, percent_of_base=True), overall(10), SERVER),
    "Alpha Capital": plan(100_000, of(5, percent_of_base=True), None, Reset(0, "Etc/GMT-2")),
    "Topstep 50K": plan(
        50_000,
        DailyLoss(amount=D(1000), inclusive=True),
        MaxLoss(amount=D(2000), trailing=END, lock_at=D(100), inclusive=True),
        Reset(17 * 60, "America/Chicago"),
    ),
}


def book(balance: int, equity: int | None, highest_balance: int | None, highest_equity: int | None = None) -> RiskBook:
    """Day 0 began with so much."""
    marks = [None if mark is None else D(mark) for mark in (highest_balance, highest_equity)]
    baseline = Baseline(0.0, D(balance), None if equity is None else D(equity), "seen")
    return RiskBook(0.0, baseline, Seen(1.0, D(balance), D(balance), True), marks[0], marks[1])


LIVELY = book(102_000, 103_000, 104_000, 105_000)
"""The day began with an open profit; the best evening had 104,000, the best moment 105,000."""


@pytest.mark.parametrize(
    ("name", "history", "balance", "equity", "expected"),
    [
        ("FTMO 2-step", book(100_000, 100_000, 100_000), 100_000, 100_000, [(95_000, 95_000), (90_000, 90_000)]),
        ("FTMO 2-step", LIVELY, 101_000, 100_500, [(97_000, 96_000), (90_000, 90_000)]),
        ("FTMO 2-step", book(93_000, 93_000, 100_000), 92_000, 92_000, [(88_000, 87_000), (90_000, 90_000)]),
        ("FTMO 1-step", LIVELY, 101_000, 100_500, [(99_000, 98_000), (94_000, 94_000)]),
        ("FTMO 1-step", LIVELY, 106_000, 106_000, [(99_000, 103_000), (94_000, 96_000)]),
        ("FTMO 1-step", book(97_000, 97_000, 100_000), 97_000, 97_000, [(94_000, 94_000), (90_000, 90_000)]),
        ("Stellar 2-step", LIVELY, 101_000, 100_500, [(97_000, 96_000), (90_000, 90_000)]),
        ("Stellar 1-step", LIVELY, 101_000, 100_500, [(99_000, 98_000), (94_000, 94_000)]),
        ("Stellar Lite", LIVELY, 101_000, 100_500, [(98_000, 97_000), (92_000, 92_000)]),
        ("High Stakes", LIVELY, 101_000, 100_500, [(97_850, 95_950), (90_000, 90_000)]),
        ("High Stakes", book(102_000, 99_000, 100_000), 101_000, 101_500, [(96_900, 96_425), (90_000, 90_000)]),
        ("Alpha Capital", LIVELY, 101_000, 100_500, [(96_900, 95_950)]),
        ("Topstep 50K", book(50_000, 50_000, 50_000), 50_000, 50_000, [(49_000, 49_000), (48_000, 48_000)]),
        ("Topstep 50K", book(51_500, 51_500, 51_500), 52_200, 52_200, [(50_500, 51_200), (49_500, 50_000)]),
        ("Topstep 50K", book(51_000, 51_000, 53_000), 50_900, 50_900, [(50_000, 49_900), (50_000, 50_000)]),
    ],
)
def test_floors(name: str, history: RiskBook, balance: int, equity: int, expected: list[tuple[int, int]]) -> None:
    """(today's, the next reset's) of the day, then overall."""
    found = floors(PLANS[name], history, D(balance), D(equity))
    assert [(floor.now, floor.next) for floor in found] == expected


def test_a_floor_is_broken_below_it_or_at_it() -> None:
    """As the plan says."""
    ftmo = floors(PLANS["FTMO 2-step"], LIVELY, D(101_000), D(101_000))[0]
    assert (ftmo.broken_by(D("97000")), ftmo.broken_by(D("96999.99"))) == (False, True)
    topstep = floors(PLANS["Topstep 50K"], book(50_000, 50_000, 50_000), D(50_000), D(50_000))[1]
    assert (topstep.broken_by(D("48000.01")), topstep.broken_by(D(48_000))) == (False, True)
    assert (topstep.least, topstep.least_next) == (D("48000.01"), D("48000.01"))


@pytest.mark.parametrize(
    ("rules", "history", "what"),
    [
        (Rules(daily_loss=of(5)), None, "not been seen"),
        (Rules(daily_loss=of(5)), attrs.evolve(LIVELY, baseline=None), "when the day began"),
        (Rules(daily_loss=of(5)), attrs.evolve(LIVELY, day=86_400.0), "when the day began"),
        (Rules(daily_loss=of(5, base=Base.MAX)), book(1, None, 1), "what equity"),
        (Rules(daily_loss=of(5, base=Base.EQUITY)), book(1, None, 1), "what equity"),
        (Rules(max_loss=overall(5, trailing=END)), book(1, 1, None, 1), "highest balance"),
        (Rules(max_loss=overall(5, trailing=Trailing.INTRADAY)), book(1, 1, 1, None), "highest equity"),
        (Rules(quadratic_throttle=QuadraticThrottle()), attrs.evolve(LIVELY, baseline=None), "when the day began"),
        (Rules(best_day=BestDay(percent=D(50), refuse=True)), attrs.evolve(LIVELY, baseline=None), "the day began"),
        (Rules(daily_loss=of(5, base=Base.INITIAL)), attrs.evolve(LIVELY, baseline=None), None),
        (Rules(max_loss=overall(5)), attrs.evolve(LIVELY, baseline=None, highest_balance=None), None),
        (Rules(best_day=BestDay(percent=D(50))), attrs.evolve(LIVELY, baseline=None), None),
    ],
)
def test_what_is_lacking_is_told(rules: Rules, history: RiskBook | None, what: str | None) -> None:
    """What the policy counts from, and nothing else."""
    wall = 0.0 if history is None else history.day
    told = lacks(history, Policy(initial_capital=D(100_000), rules=rules), wall + 86_399)
    assert told is None if what is None else told is not None and what in told


def test_a_day_that_nobody_has_looked_at_is_not_known() -> None:
    """From the reset on, until the account is seen: yesterday's floors say nothing."""
    policy = Policy(initial_capital=D(100_000), rules=Rules(max_loss=overall(5)))
    assert lacks(LIVELY, policy, 86_399.9) is None
    assert "day began" in (lacks(LIVELY, policy, 86_400.0) or "")


# --- verdicts -------------------------------------------------------------------------------------------------------


def judged(world: World, points: int, lots: str = "1") -> Approved | Denied:
    """A buy at 1.10020 with its stop so many points below: as many USD a lot."""
    sl = D("1.10020") - points * D("0.00001")
    order = Open(ORIGIN, "demo", "EURUSD", D(lots), Side.BUY, sl=sl)
    return judge(order, world.situation("EURUSD"), approval_id="x", deadline=1.0)


@pytest.mark.parametrize(
    ("trailing", "floor", "largest"),
    [(Trailing.NONE, 9_500, "1.33"), (Trailing.END_OF_DAY, 9_800, "0.33"), (Trailing.INTRADAY, 10_100, "0")],
)
def test_one_path_of_equity_has_three_verdicts(trailing: Trailing, floor: int, largest: str) -> None:
    """10,600 were seen, the evening had 10,300, now there are 9,900: a buy may lose 400, 100, or nothing at all."""
    rules = Rules(max_loss=MaxLoss(amount=D(500), trailing=trailing))
    world = World(Policy(D(50), 100, initial_capital=INITIAL, rules=rules), netting=False)
    world.positions[1] = Position(1, "EURUSD", Side.BUY, D(1), D("1.1"), D(0), D(0), 0, sl=D("1.09"))
    world.prices["EURUSD"] = D("1.10600")
    world.passes(50)
    world.look()
    assert world.equity == 10_600
    world.closed(world.positions[1], D("1.10300"))
    world.prices["EURUSD"] = D("1.10000")
    for at in (-1.0, 1.0):
        world.at = 1_700_006_400.0 + at  # midnight in UTC
        world.last = attrs.evolve(world.last, at=world.at - 1)
        world.look()
    world.balance = D(9_900)
    world.look()
    (found,) = world.floors()
    assert found.now == floor
    verdict = judged(world, 300, "50")
    assert verdict.terms.max_volume == D(largest)
    assert isinstance(judged(world, 300, "1.33"), Approved) == (trailing is Trailing.NONE)
    assert isinstance(judged(world, 300, "0.33"), Approved) == (trailing is not Trailing.INTRADAY)


def test_what_is_legal_at_23_59_and_a_breach_at_00_00_is_refused_at_23_59() -> None:
    """4,000 were made today: today's floor is 95,000, from midnight on it is 99,000, and 4,500 float below 104,000."""
    policy = attrs.evolve(PLANS["FTMO 2-step"], max_volume=D(50))
    world = World(policy, netting=False, balance=D(100_000))
    midnight = PRAGUE.next(world.at)
    world.at = midnight - 60
    world.balance = D(104_000)
    world.positions[1] = Position(1, "EURUSD", Side.BUY, D(5), D("1.10900"), D(0), D(0), 0, sl=D("1.09980"))
    world.look()
    assert world.equity == 99_500
    assert [floor.now for floor in world.floors()] == [95_000, 90_000]
    assert isinstance(judged(world, 400), Approved), "99,400 at the stop, less 400"
    refused = judged(world, 401)
    assert isinstance(refused, Denied)
    (reason,) = refused.terms.reasons
    assert (reason.rule, reason.limit, reason.value) == ("daily_loss", 99_000, 98_999)
    assert "from the next reset (00:00 Europe/Prague) on" in reason.message

    world.at = midnight + 1
    world.look()
    assert [floor.now for floor in world.floors()] == [99_000, 90_000]
    assert isinstance(judged(world, 400), Approved), "what passed before the reset is no breach after it"
    assert isinstance(judged(world, 401), Denied)


def test_a_floating_loss_alone_can_be_a_breach_at_midnight() -> None:
    """6,000 below a balance of 104,000 is legal until then, and nothing more passes however small it is."""
    world = World(PLANS["FTMO 2-step"], netting=False, balance=D(100_000))
    world.balance = D(104_000)
    world.positions[1] = Position(1, "EURUSD", Side.BUY, D(5), D("1.11200"), D(0), D(0), 0, sl=D("1.09980"))
    world.look()
    floor = world.floors()[0]
    assert (floor.broken_by(world.equity), world.equity < floor.next) == (False, True)
    assert judged(world, 21, "0.01").terms.max_volume == 0
