"""Promises: exposure that was promised is held until it is seen to be over, through any sequence and any restart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.messages import Executed, ReportResult
from actors.promises import LOST_AFTER_S, Promises
from quantmind.domain.accounts import Account, Position, Sample
from quantmind.domain.orders import Close, Modify, Open, Origin, Placed, Refused, Side, Unknown
from quantmind.domain.risk import EaLimits, Market, Policy, Situation, TradingState, judge
from quantmind.domain.risk.risked import Risked
from quantmind.domain.symbols import usual_spec
from quantmind.records import Decision, Intent

ACCOUNT = Account(1, "s", "USD", 100, "hedging", *[Decimal(1000)] * 5)
ORIGIN = Origin("alpha", 7, "r")
WALL = 1_000_000.0
RISKED = Risked()
PLACED = Placed(10009, order=1, deal=1, ticket=11, price=Decimal("1.1"), volume=Decimal("0.1"))


def opening() -> Open:
    return Open(ORIGIN, "demo", "EURUSD", Decimal("0.1"), Side.BUY)


def position(ticket: int = 11, volume: str = "0.1") -> Position:
    return Position(ticket, "EURUSD", Side.BUY, Decimal(volume), *[Decimal(1)] * 2, Decimal(0), 0)


def sample(at: float, *positions: Position) -> Sample:
    return Sample("demo", ACCOUNT, positions, (), at)


def approve(approval_id: str, at: float, seconds: float = 5) -> Any:
    market = Market(usual_spec("EURUSD"), Decimal(1), Decimal(1), 0.0)
    situation = Situation(at, 1, Policy(), TradingState.ACTIVE, "", sample(at), {}, market, ea=EaLimits())
    return judge(opening(), situation, approval_id=approval_id, deadline=at + seconds)


def promised(at: float, *, executed: bool = False) -> Promises:
    promises = Promises()
    promises.reserve(approve("a", at), opening(), RISKED, executed=executed, valid_until=WALL + at + 5)
    return promises


def held(promises: Promises) -> list[str]:
    return [item.approval_id for item in promises.reservations("demo")]


def result(volume: str | None = "0.1", approval_id: str = "a", ea: str = "alpha") -> ReportResult:
    return ReportResult(approval_id, ea, None, None if volume is None else Decimal(volume), None)


def test_without_a_result_it_ends_2_s_after_its_end() -> None:
    """Only a sample taken 2 s or more after valid_until shows what an EA did with an approval."""
    promises = promised(100)
    for at in (100.5, 105, 106.9):
        assert not promises.sampled(sample(at), WALL)
        assert held(promises) == ["a"]
    (released,) = promises.sampled(sample(107), WALL)
    assert released.decision_id == "a"
    assert held(promises) == []
    assert promises.report(result(), 108)["reserved"] == 0


@pytest.mark.parametrize("volume", ["0", "0.1", "0.05"])
def test_a_result_waits_for_a_later_sample(volume: str) -> None:
    """A result is confirmed by a sample taken after it, and by no older one."""
    promises = promised(100)
    assert promises.report(result(volume), 102)["reserved"] == Decimal("0.1")
    promises.sampled(sample(101), WALL)
    promises.sampled(sample(102), WALL)
    assert held(promises) == ["a"]
    assert promises.report(result(volume), 103)["reserved"] == Decimal("0.1")  # told twice; the first counts
    assert len(promises.sampled(sample(102.5), WALL)) == 1
    assert held(promises) == []


def test_nobody_elses_result_counts() -> None:
    """Another EA's word, or one on an approval that isn't there, is an error and frees nothing."""
    promises = promised(100)
    assert promises.report(result(ea="beta"), 101)["code"] == "unknown_approval"
    assert promises.report(result(approval_id="b"), 101)["code"] == "unknown_approval"
    promises.sampled(sample(102), WALL)
    assert held(promises) == ["a"]


@pytest.mark.parametrize("outcome", [Refused(10006, "no"), None])
def test_what_was_not_carried_out_is_free_at_once(outcome: Any) -> None:
    """A refused order, or one that was never sent, holds nothing."""
    promises = promised(100, executed=True)
    promises.executed(Executed("a", opening(), outcome, 101))
    assert held(promises) == []
    assert promises.holdings("demo").positions == {}


def test_a_fill_becomes_a_position_until_the_sample_shows_it() -> None:
    """The exposure moves from promise to position in one step, and the sample then says the rest."""
    promises = promised(100, executed=True)
    promises.sampled(sample(100), WALL)
    promises.executed(Executed("a", opening(), PLACED, 101))
    assert (held(promises), list(promises.holdings("demo").positions)) == ([], [11])
    promises.sampled(sample(100.9), WALL)
    assert list(promises.holdings("demo").positions) == [11]
    promises.sampled(sample(102), WALL)
    assert promises.holdings("demo").positions == {}  # closed by its stop meanwhile


@pytest.mark.parametrize("missing", [{"ticket": 0}, {"price": None}])
def test_a_fill_that_can_not_be_shown_stays_promised(missing: dict[str, Any]) -> None:
    """A broker that does not say ticket or price leaves the promise until a later sample."""
    promises = promised(100, executed=True)
    promises.executed(Executed("a", opening(), attrs.evolve(PLACED, **missing), 101))
    assert held(promises) == ["a"]
    promises.sampled(sample(101), WALL)
    assert held(promises) == ["a"]
    promises.sampled(sample(101.1, position()), WALL)
    assert held(promises) == []


def test_a_close_counts_once_however_often_it_is_told() -> None:
    """An outcome that is told again, found again, or overtaken by a sample does not reduce the position twice."""
    promises = Promises()
    promises.sampled(sample(100, position(volume="0.5")), WALL)
    close = Close(ORIGIN, "demo", "EURUSD", 11, Decimal("0.2"))
    fact = Executed("c", close, attrs.evolve(PLACED, volume=Decimal("0.2")), 101)
    for _ in range(3):
        promises.executed(fact)
        assert promises.holdings("demo").positions[11].volume == Decimal("0.3")
    promises.executed(attrs.evolve(fact, order_id="found", at=103, reconciled=True))
    assert promises.holdings("demo").positions[11].volume == Decimal("0.3")
    promises.sampled(sample(110, position(volume="0.1")), WALL)
    promises.executed(attrs.evolve(fact, order_id="late", at=109))
    assert promises.holdings("demo").positions[11].volume == Decimal("0.1")
    promises.executed(Executed("all", Close(ORIGIN, "demo", "EURUSD", 11), attrs.evolve(PLACED, volume=None), 111))
    assert promises.holdings("demo").positions == {}


def test_a_close_on_its_way_is_held_until_a_sample_surely_shows_it() -> None:
    """From when it is given until it was refused, or counted, or a sample was taken after its answer."""

    def given(close: Close) -> Promises:
        promises = Promises()
        promises.sampled(sample(100, position(volume="0.5")), WALL)
        promises.close(approve("c", 101), close, now=101)
        assert [dict(item.lots) for item in promises.closings("demo")] == [{11: close.volume}]
        return promises

    close = Close(ORIGIN, "demo", "EURUSD", 11, Decimal("0.2"))
    filled = attrs.evolve(PLACED, volume=Decimal("0.2"))
    for outcome in (Refused(10006, "no"), None, filled):
        promises = given(close)
        promises.executed(Executed("c", close, outcome, 102))
        assert promises.closings("demo") == ()
    promises = given(close)
    promises.sampled(sample(101.5, position(volume="0.3")), WALL)
    promises.executed(Executed("c", close, filled, 102))
    assert promises.holdings("demo").positions[11].volume == Decimal("0.3"), "counted once"
    assert len(promises.closings("demo")) == 1
    promises.sampled(sample(102.1, position(volume="0.3")), WALL)
    assert promises.closings("demo") == ()
    promises = given(attrs.evolve(close, volume=None))
    promises.sampled(sample(106 + LOST_AFTER_S, position()), WALL)
    assert promises.closings("demo") == (), "never told"


def test_an_unknown_close_is_held_over_restarts() -> None:
    """Whether it took its lots is not known before its executor says so."""
    close = Close(ORIGIN, "demo", "EURUSD", 11, by=12)
    body = {"type": "trade_close", "ticket": 11, "close_by": 12, "volume": None}
    told, restored = Promises(), Promises()
    told.executed(Executed("c", close, Unknown("lost"), 101))
    restored.restore_intent(Intent("c", "demo", "alpha", 7, "EURUSD", "c", "f", body, WALL), now=101, wall=WALL)
    for promises in (told, restored):
        promises.sampled(sample(1000, position()), WALL)
        (held_,) = promises.closings("demo")
        assert held_.lots == {11: None, 12: None}
        promises.executed(Executed("c", close, PLACED, 1001, reconciled=True))
        promises.sampled(sample(1002), WALL)
        assert promises.closings("demo") == ()


def test_a_change_of_stops_is_seen() -> None:
    """New stops count for the next judgement."""
    promises = Promises()
    promises.sampled(sample(100, position()), WALL)
    change = Modify(ORIGIN, "demo", 11, Decimal("1.05"))
    promises.executed(Executed("m", change, Placed(10009, sl=Decimal("1.05")), 101))
    assert promises.holdings("demo").positions[11].sl == Decimal("1.05")


def test_unknown_stays_until_it_is_known() -> None:
    """An unknown order holds its exposure through every sample, and its age does not begin anew."""
    promises = promised(100, executed=True)
    promises.executed(Executed("a", opening(), Unknown("lost"), 101))
    promises.executed(Executed("a", opening(), Unknown("still"), 150))
    (order,) = promises.unknowns("demo")
    assert order.since == 101
    promises.sampled(sample(1000, position()), WALL)
    assert held(promises) == ["a"]
    promises.executed(Executed("a", opening(), PLACED, 1001, reconciled=True))
    assert (promises.unknowns("demo"), held(promises)) == ((), ["a"])
    promises.executed(Executed("a", opening(), Unknown("an old word"), 1001))
    assert promises.unknowns("demo") == ()
    promises.sampled(sample(1002, position()), WALL)
    assert held(promises) == []


def test_unknown_that_nobody_promised_is_promised_now() -> None:
    """A governor that hears of an unknown open for the first time holds its exposure."""
    promises = Promises()
    promises.executed(Executed("a", opening(), Unknown("lost"), 101))
    assert held(promises) == ["a"]
    promises.executed(Executed("m", Modify(ORIGIN, "demo", 11, Decimal(1)), Unknown("lost"), 101))
    assert {order.symbol for order in promises.unknowns("demo")} == {"EURUSD", ""}
    promises.executed(Executed("a", opening(), None, 102))
    assert held(promises) == []


def test_an_outcome_that_is_never_told_is_let_go_at_last() -> None:
    """A promise whose executor never said anything does not leak for ever."""
    promises = promised(100, executed=True)
    promises.sampled(sample(105 + LOST_AFTER_S - 0.1), WALL)
    assert held(promises) == ["a"]
    assert promises.sampled(sample(105 + LOST_AFTER_S), WALL) == []
    assert held(promises) == []


@pytest.mark.parametrize(("wall", "ends"), [(0.0, 105.0), (3.0, 102.0), (60.0, 100.0), (-3600.0, 105.0)])
def test_a_restart_and_the_clock(wall: float, ends: float) -> None:
    """A restored promise ends when it would have; a clock set back or ahead does not hold it longer than its life."""
    record = promised(100).record("a")
    decision = Decision("a", "demo", "alpha", 7, "EURUSD", None, "f", True, {}, {}, WALL + 100, record)
    restored = Promises()
    restored.restore([decision], now=100, wall=WALL + 100 + wall)
    (item,) = restored.reservations("demo")
    assert item.expires_at == pytest.approx(ends)


def test_an_unknown_order_is_as_old_as_its_intent() -> None:
    """A restart of everything does not begin the 30 s of an unknown order anew."""
    intent = Intent("x", "demo", "alpha", 7, "EURUSD", "x", "f", {"type": "trade_modify"}, WALL)
    promises = Promises()
    promises.restore_intent(intent, now=5, wall=WALL + 40)
    assert promises.unknowns("demo")[0].since == -35
    (held,) = promises.reservations("demo")
    assert (held.volume, held.worst, held.unknown) == (0, None, True), "what the change may cost nobody knows"


def test_an_older_sample_is_ignored() -> None:
    """Samples that come out of order change nothing."""
    promises = Promises()
    promises.sampled(sample(100, position()), WALL)
    promises.sampled(sample(99), WALL)
    assert list(promises.holdings("demo").positions) == [11]


class Restarts(RuleBasedStateMachine):
    """Any sequence of promises, results, outcomes, samples and restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.count = 0
        self.promises = Promises()
        self.decisions: dict[str, Decision] = {}
        self.intents: dict[str, Intent] = {}
        self.must_hold: dict[str, str] = {}
        """What may surely not be free yet, and why."""

    @rule()
    def verdict(self) -> None:
        self.count += 1
        name = f"v{self.count}"
        approved = approve(name, self.now)
        self.promises.reserve(approved, opening(), RISKED, executed=False, valid_until=WALL + self.now + 5)
        self.decisions[name] = Decision(
            name, "demo", "alpha", 7, "EURUSD", None, "f", True, {}, {}, WALL + self.now, self.promises.record(name)
        )
        self.must_hold[name] = "approved"

    @rule()
    def intent(self) -> None:
        self.count += 1
        name = f"x{self.count}"
        self.promises.reserve(approve(name, self.now), opening(), RISKED, executed=True, valid_until=WALL + self.now)
        body = {"type": "trade_open", "volume": "0.3", "approved_volume": "0.1", "side": "buy"}
        self.intents[name] = Intent(name, "demo", "alpha", 7, "EURUSD", name, "f", body, WALL + self.now)
        self.must_hold[name] = "in flight"

    @precondition(lambda self: self.intents)
    @rule(data=st.data(), how=st.sampled_from(["placed", "refused", "unknown", "found", "absent"]))
    def outcome(self, data: Any, how: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.intents)))
        outcome: Any = {"placed": PLACED, "found": PLACED, "refused": Refused(1, ""), "unknown": Unknown("")}.get(how)
        self.promises.executed(Executed(name, opening(), outcome, self.now, reconciled=how == "found"))
        if how != "unknown":
            del self.intents[name]
            self.must_hold.pop(name)

    @precondition(lambda self: self.decisions)
    @rule(data=st.data())
    def report(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.decisions)))
        self.promises.report(result(approval_id=name), self.now)
        if name in self.must_hold:
            self.must_hold[name] = "reported"

    @rule()
    def sample(self) -> None:
        for released in self.promises.sampled(sample(self.now), WALL + self.now):
            ends = self.decisions[released.decision_id].at - WALL + 7
            assert self.now >= ends - 1e-6 or self.must_hold[released.decision_id] == "reported"
            del self.decisions[released.decision_id]
            self.must_hold.pop(released.decision_id)

    @rule(seconds=st.sampled_from([0.01, 0.5, 2.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(skew=st.sampled_from([0.0, -60.0, 1.0]))
    def restart(self, skew: float) -> None:
        before = {item.approval_id: item.volume for item in self.promises.reservations("demo")}
        fresh = Promises()
        fresh.restore(self.decisions.values(), now=self.now, wall=WALL + self.now + min(skew, 0.0))
        for intent in self.intents.values():
            fresh.restore_intent(intent, now=self.now, wall=WALL + self.now)
        after = {item.approval_id: item.volume for item in fresh.reservations("demo")}
        for name in self.must_hold:
            assert after[name] >= before.get(name, Decimal(0)), "a restart freed exposure"
        assert len(fresh.unknowns("demo")) == len(self.intents)
        self.promises = fresh

    @invariant()
    def nothing_is_free_too_early(self) -> None:
        assert set(self.must_hold) <= set(held(self.promises))


Restarts.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRestarts = Restarts.TestCase
