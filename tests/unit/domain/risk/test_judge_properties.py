"""What holds of every verdict where money is counted, whatever the account, the market and the rules are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from risk_world import INITIAL, ORIGIN, SIDES, SPECS, SYMBOLS, D, World, allowances, daily_losses, max_losses

from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Proposal, Side
from quantmind.domain.risk import (
    Approved,
    Denied,
    EaLimits,
    Market,
    Policy,
    Reservation,
    Situation,
    TradingState,
    judge,
)
from quantmind.domain.risk.book import Baseline
from quantmind.domain.risk.policy import (
    DailyLoss,
    Exposure,
    Margin,
    OnTarget,
    ProfitTarget,
    QuadraticThrottle,
    Rules,
    Tiers,
)
from quantmind.domain.risk.rules import throttles
from quantmind.domain.risk.state import Closing, Group
from quantmind.domain.risk.worst import Span, WorstCase

CASES = examples(800, 200)


def judged(proposal: Proposal, at: Situation) -> Approved | Denied:
    return judge(proposal, at, approval_id="x", deadline=105.0)


cents = st.integers(-200_000, 200_000).map(lambda n: D(n) / 100)
shares = st.none() | st.sampled_from([D(10), D(33), D(50), D(100)])


@st.composite
def situations(draw: Any) -> Situation:
    """An account with a position or two, a promise, and rules of every kind that say how much."""
    policy = Policy(
        max_volume=draw(st.sampled_from([D(1), D("3.7"), D(50)])),
        max_open_positions=100,
        initial_capital=INITIAL,
        allowances=draw(allowances),
        rules=Rules(
            daily_loss=draw(daily_losses),
            max_loss=draw(max_losses),
            exposure=draw(st.none() | st.just(Exposure(symbol_percent=D(3000), currency_percent=D(2500)))),
            margin=draw(st.none() | st.just(Margin(free_percent=D(70)))),
        ),
    )
    world = World(policy, draw(st.booleans()))
    for ticket in range(draw(st.integers(0, 2))):
        symbol, side = draw(st.sampled_from(SYMBOLS)), draw(st.sampled_from(SIDES))
        points = draw(st.integers(-300, 900))
        point, price = SPECS[symbol].point, world.price(symbol, side)
        if world.netting and any(item.symbol == symbol for item in world.positions.values()):
            continue
        opened = price + points * point * side.sign
        sl = min(opened, price) if side is Side.BUY else max(opened, price)
        world.positions[ticket] = Position(
            ticket, symbol, side, D("0.2"), opened, price, D(0), 0, sl=sl - 150 * point * side.sign
        )
    world.balance += draw(cents) / 10
    at = world.situation("EURUSD")
    promised = ()
    if draw(st.booleans()):
        worst = -abs(draw(cents)) / 20
        promised = (Reservation("r", "demo", "b", 1, "EURUSD", Side.SELL, D("0.1"), 0.0, 0.0, True, worst=worst,
                                sl=D("1.2"), margin=D(110), worth=at.market.worth),)  # fmt: skip
    step, least = draw(st.sampled_from([("0.01", 1), ("0.03", 2), ("0.1", 1), ("0.25", 1), ("1", 1)]))
    spec = attrs.evolve(SPECS["EURUSD"], volume_step=D(step), volume_min=D(step) * least)
    return attrs.evolve(
        at,
        market=attrs.evolve(at.market, spec=spec),
        reservations=promised,
        ea=EaLimits(multiplier=draw(st.sampled_from([D(1), D("0.7"), D("0.33")])), room_percent=draw(shares)),
        group=Group(INITIAL, {}, {"EURUSD": Span(draw(cents) * 10, D(5000), D(-300))}),
        symbol_counts={},
    )


distances = st.integers(21, 2000)
volumes = st.integers(1, 60_000).map(lambda n: D(n) / 1000)


def buying(volume: Decimal, points: int, **more: Any) -> Open:
    return Open(ORIGIN, "demo", "EURUSD", volume, Side.BUY, sl=D("1.10020") - points * D("0.00001"), **more)


@settings(max_examples=CASES, deadline=None)
@given(situations(), volumes, distances)
def test_max_volume_passes_and_a_step_more_does_not(at: Situation, volume: Decimal, points: int) -> None:
    """Whatever was asked for: what the answer calls the largest volume is it."""
    largest = judged(buying(volume, points), at).terms.max_volume
    assert largest is not None
    spec = at.market.spec
    assert spec is not None
    if largest > 0:
        assert spec.on_volume_grid(largest)
        verdict = judged(buying(largest, points), at)
        assert isinstance(verdict, Approved)
        assert verdict.terms.max_volume == largest
    more = max(largest + spec.volume_step, spec.volume_min)
    assert isinstance(judged(buying(more, points), at), Denied)


@settings(max_examples=CASES, deadline=None)
@given(situations(), volumes, distances)
def test_rounding_never_raises_a_volume(at: Situation, volume: Decimal, points: int) -> None:
    """With `reduce` less than asked may be approved, never more, and never more than the multiplier leaves."""
    verdict = judged(buying(volume, points, reduce=True), at)
    if isinstance(verdict, Approved):
        assert isinstance(verdict.proposal, Open)
        assert verdict.proposal.volume <= min(volume, at.policy.max_volume * at.ea.multiplier)
        assert verdict.proposal.volume <= (verdict.terms.max_volume or 0)
    else:
        assert not verdict.terms.max_volume or volume < D(1), "what passes by itself is offered"


@settings(max_examples=CASES, deadline=None)
@given(situations(), volumes, distances, st.integers(0, 500))
def test_a_nearer_stop_never_allows_less(at: Situation, volume: Decimal, points: int, nearer: int) -> None:
    """Nor does a promise less, or less that a promise may lose."""
    far = judged(buying(volume, points), at).terms.max_volume or D(0)
    near = judged(buying(volume, max(21, points - nearer)), at).terms.max_volume or D(0)
    assert near >= far
    freed = attrs.evolve(at, reservations=())
    assert (judged(buying(volume, points), freed).terms.max_volume or D(0)) >= far


# --- throttles ------------------------------------------------------------------------------------------------------

THROTTLES = Rules(
    daily_loss=None,
    quadratic_throttle=QuadraticThrottle(hard_stop_buffer=D(100)),
    profit_target=ProfitTarget(percent=D(8), on_target=OnTarget.PRESERVE),
)


@settings(max_examples=CASES, deadline=None)
@given(daily_losses.filter(lambda rule: rule is not None), cents, cents.map(abs), st.booleans())
def test_more_loss_never_means_a_larger_multiplier(daily: Any, made: Decimal, lost: Decimal, tiers: bool) -> None:
    """From any equity on, what is lost leaves the multiplier as it is or makes it smaller."""
    rules = attrs.evolve(THROTTLES, daily_loss=daily, profit_target=None)
    if tiers:
        rules = attrs.evolve(rules, tiers=Tiers(scaling=D(1), guardian=D(2)))
    at = World(Policy(initial_capital=INITIAL, rules=rules), False).situation("EURUSD")
    assert at.sample is not None

    def factor(equity: Decimal) -> Decimal:
        sample = attrs.evolve(at.sample, account=attrs.evolve(at.sample.account, equity=equity))
        return throttles.multiplier(attrs.evolve(at, sample=sample))[0]

    before, after = factor(INITIAL + made), factor(INITIAL + made - lost)
    assert 0 <= after <= before <= 1


@pytest.mark.parametrize(
    ("equity", "factor"), [("10100", "1"), ("10000", "1"), ("9800", "0.75"), ("9600", "0"), ("9000", "0")]
)
def test_the_quadratic_throttle_on_given_losses(equity: str, factor: str) -> None:
    """500 a day less a buffer of 100: 200 lost of 400 leave three quarters."""
    at = World(Policy(initial_capital=INITIAL, rules=attrs.evolve(THROTTLES, daily_loss=daily_of(500))), False)
    situation = at.situation("EURUSD")
    account = attrs.evolve(situation.sample.account, equity=D(equity))  # type: ignore[union-attr]
    sample = attrs.evolve(situation.sample, account=account)  # type: ignore[type-var]
    assert throttles.multiplier(attrs.evolve(situation, sample=sample))[0] == D(factor)


def daily_of(amount: int) -> Any:
    return DailyLoss(amount=D(amount))


@pytest.mark.parametrize("missing", ["book", "baseline", "sample", "buffer", "daily", "nan"])
def test_a_throttle_without_its_numbers_multiplies_by_nothing(missing: str) -> None:
    """No baseline, no limit above the buffer, no equity that is a number: the multiplier is 0."""
    rules = attrs.evolve(THROTTLES, daily_loss=None if missing == "daily" else daily_of(500), profit_target=None)
    if missing == "buffer":
        rules = attrs.evolve(rules, quadratic_throttle=QuadraticThrottle(hard_stop_buffer=D(500)))
    at = World(Policy(initial_capital=INITIAL, rules=rules), False).situation("EURUSD")
    assert at.book is not None
    assert at.sample is not None
    broken = attrs.evolve(at.sample, account=attrs.evolve(at.sample.account, equity=D("NaN")))
    changed: dict[str, dict[str, Any]] = {
        "book": {"book": None},
        "baseline": {"book": attrs.evolve(at.book, baseline=None)},
        "sample": {"sample": None},
        "nan": {"sample": broken},
    }
    verdict = judged(buying(D("0.01"), 100), attrs.evolve(at, **changed.get(missing, {})))
    assert isinstance(verdict, Denied)
    assert verdict.terms.risk_multiplier == 0


@pytest.mark.parametrize("factor", ["risk_multiplier", "mandate", "throttle"])
def test_a_throttle_that_breaks_multiplies_by_nothing(factor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a rule that raises refuses."""

    def broken(_: object) -> Any:
        raise ZeroDivisionError(factor)

    at = World(Policy(initial_capital=INITIAL, rules=THROTTLES), False).situation("EURUSD")
    assert isinstance(judged(buying(D("0.01"), 100), attrs.evolve(at, policy=Policy())), Approved)
    monkeypatch.setattr(throttles, {"risk_multiplier": "_own", "throttle": "_quadratic"}.get(factor, "_within"), broken)
    verdict = judged(buying(D("0.01"), 100), at)
    assert isinstance(verdict, Denied)
    assert verdict.terms.risk_multiplier == 0


# --- reductions -----------------------------------------------------------------------------------------------------

NAN = D("NaN")
nothings: dict[str, Any] = {
    "sample": [None],
    "state": list(TradingState),
    "market": [Market(None), Market(SPECS["EURUSD"], NAN, NAN, float("nan"))],
    "book": [None],
    "worst": [None, WorstCase(NAN, NAN, NAN, NAN)],
    "group": [None, Group(NAN, {"EUR": Span(NAN, NAN, NAN)}, {})],
    "blocked": ["it is full"],
    "ea_silent_s": [None, float("nan")],
    "now": [float("nan"), 1e12],
    "wall": [float("nan")],
    "ea": [EaLimits(NAN, NAN, 0, NAN, 0.0)],
    "symbol_counts": [None],
    "reservations": [
        (Reservation("r", "d", "e", 1, "EURUSD", None, NAN, 0.0, 0.0, False, worst=NAN, sl=NAN, margin=NAN),)
    ],
}
broken_situations = st.fixed_dictionaries({}, optional={name: st.sampled_from(of) for name, of in nothings.items()})


@settings(max_examples=CASES, deadline=None)
@given(situations(), broken_situations, st.booleans(), st.sampled_from(["close", "part", "cancel", "by", "tighten"]))
def test_a_reduction_is_never_refused(at: Situation, broken: dict[str, Any], observed: bool, what: str) -> None:
    """Whatever else is missing or no number: a smaller net, a cancelled order, a nearer stop passes."""
    money = {"price_open": NAN, "price_current": NAN, "profit": NAN, "swap": NAN}
    mine = Position(91, "EURUSD", Side.BUY, D(5), **money, time_msc=0, sl=D("1.0"))
    other = Position(92, "EURUSD", Side.SELL, D(1), **money, time_msc=0, sl=NAN)
    stray = Position(93, "EURJPY", Side.SELL, NAN, **money, time_msc=0, sl=NAN)
    waiting = PendingOrder(94, "EURJPY", Side.SELL, OrderType.LIMIT, NAN, NAN, 0, sl=NAN)
    proposal: Proposal = {
        "close": Close(ORIGIN, "demo", "EURUSD", 91),
        "part": Close(ORIGIN, "demo", "EURUSD", 91, D("0.1")),
        "by": Close(ORIGIN, "demo", "EURUSD", 91, by=92),
        "cancel": Cancel(ORIGIN, "demo", 94),
        "tighten": Modify(ORIGIN, "demo", 91, new_sl=D("1.05")),
    }[what]
    policy = attrs.evolve(at.policy, observe_only=observed, initial_capital=NAN, max_volume=NAN)
    book = None if at.book is None else attrs.evolve(at.book, baseline=Baseline(0.0, NAN, NAN, ""), highest_equity=NAN)
    worse = attrs.evolve(
        at,
        **{
            "policy": policy,
            "book": book,
            "positions": {91: mine, 92: other, 93: stray},
            "orders": {94: waiting},
            "closings": (Closing("c", {93: NAN}, 0.0),) if what != "part" else (),
            **broken,
        },
    )
    verdict = judged(proposal, worse)
    assert isinstance(verdict, Approved)
    assert verdict.reduces
