"""The judge: no default approves, and what is approved passes as it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quantmind.domain.accounts import Account, PendingOrder, Position, Sample
from quantmind.domain.orders import Cancel, Close, Modify, Open, OrderType, Origin, Proposal, Side
from quantmind.domain.risk import (
    Approved,
    Closing,
    Denied,
    EaLimits,
    Mandate,
    MandateMode,
    Market,
    Policy,
    Reason,
    Reservation,
    Situation,
    Terms,
    TradingState,
    UnknownOrder,
    judge,
)
from quantmind.domain.risk.rules import ADDING, Cap, Refusal
from quantmind.domain.symbols import usual_spec

ACCOUNT = Account(1, "s", "USD", 100, "hedging", *[Decimal(1000)] * 5)
ORIGIN = Origin("alpha", 7)
SPEC = usual_spec("EURUSD")


def position(ticket: int, side: Side = Side.BUY, volume: str = "1", **more: Any) -> Position:
    return Position(ticket, "EURUSD", side, Decimal(volume), Decimal(1), Decimal(1), Decimal(0), 0, **more)


def situation(*positions: Position, **more: Any) -> Situation:
    given_: dict[str, Any] = {
        "now": 100.0,
        "incarnation": 3,
        "policy": Policy(),
        "state": TradingState.ACTIVE,
        "state_cause": "as configured",
        "sample": Sample("demo", ACCOUNT, positions, (), 99.5),
        "positions": {p.ticket: p for p in positions},
        "market": Market(SPEC, Decimal("1.1"), Decimal("1.2"), 0.1),
    }
    return Situation(**{**given_, **more})


def opening(volume: str | Decimal = "0.1", **more: Any) -> Open:
    return Open(ORIGIN, "demo", "EURUSD", Decimal(volume), Side.BUY, **more)


def decide(proposal: Proposal, at: Situation, **more: Any) -> Approved | Denied:
    return judge(proposal, at, approval_id="x", deadline=105.0, **more)


def spoke(verdict: Approved | Denied) -> set[str]:
    return {reason.rule for reason in verdict.terms.reasons}


steps = st.integers(1, 20_000).map(lambda n: Decimal(n) / 1000)
multipliers = st.integers(0, 100).map(lambda n: Decimal(n) / 100)
specs = st.builds(
    lambda step, low, high: attrs.evolve(SPEC, volume_step=step, volume_min=step * low, volume_max=step * (low + high)),
    st.sampled_from([Decimal(t) for t in ("0.001", "0.01", "0.1", "1", "0.25", "0.03")]),
    st.integers(1, 50),
    st.integers(0, 5000),
)
situations = st.builds(
    lambda spec, cap, ea, multiplier: situation(
        policy=Policy(max_volume=cap),
        market=Market(spec, Decimal(1), Decimal(1), 0.0),
        ea=EaLimits(ea, multiplier),
    ),
    specs,
    steps,
    st.none() | steps,
    multipliers,
)


@given(steps, situations, st.booleans())
def test_approved_passes_as_it_is(volume: Decimal, at: Situation, reduce: bool) -> None:
    """What is approved is on the grid and under every cap; without `reduce` it is exactly what was asked."""
    verdict = decide(opening(volume, reduce=reduce), at)
    spec = at.market.spec
    assert spec is not None
    largest = verdict.terms.max_volume
    assert largest is not None
    assert largest == 0 or spec.on_volume_grid(largest)
    caps = [at.policy.max_volume * at.ea.multiplier, spec.volume_max * at.ea.multiplier]
    if at.ea.max_volume is not None:
        caps.append(at.ea.max_volume * at.ea.multiplier)
    assert largest <= min(caps)
    if isinstance(verdict, Approved):
        assert isinstance(verdict.proposal, Open)
        traded = verdict.proposal.volume
        assert spec.on_volume_grid(traded)
        assert 0 < traded <= min(volume, largest)
        assert reduce or traded == volume
        assert (verdict.incarnation, verdict.deadline, verdict.reduces) == (3, 105.0, False)
        assert reduce or not verdict.terms.reasons
    else:
        assert verdict.terms.reasons, "a refusal says why"


@given(steps, situations)
def test_what_max_volume_says_is_approved(volume: Decimal, at: Situation) -> None:
    """Asking again for max_volume is approved."""
    largest = decide(opening(volume), at).terms.max_volume
    assume(largest)
    assert isinstance(decide(opening(largest or 0), at), Approved)


@given(steps, situations, multipliers)
def test_lower_multiplier_never_raises(volume: Decimal, at: Situation, other: Decimal) -> None:
    """A lower multiplier allows no more, and approves nothing that a higher one does not."""
    lower = attrs.evolve(at, ea=attrs.evolve(at.ea, multiplier=min(other, at.ea.multiplier)))
    high, low = decide(opening(volume), at), decide(opening(volume), lower)
    assert (low.terms.max_volume or 0) <= (high.terms.max_volume or 0)
    assert not (isinstance(low, Approved) and isinstance(high, Denied))


@given(steps, steps, situations)
def test_a_smaller_volume_passes_where_a_larger_does(one: Decimal, other: Decimal, at: Situation) -> None:
    """Of two tradable volumes the smaller passes wherever the larger does."""
    small, large = sorted((one, other))
    spec = at.market.spec
    assume(spec is not None and spec.on_volume_grid(small))
    if isinstance(decide(opening(large), at), Approved):
        assert isinstance(decide(opening(small), at), Approved)


@pytest.mark.parametrize("text", ["-1", "NaN", "Infinity", "-Infinity", "2"])
def test_odd_multipliers(text: str) -> None:
    """A multiplier that is no number from 0 to 1 counts as 0, one above as 1."""
    verdict = decide(opening(), situation(ea=EaLimits(None, Decimal(text))))
    assert verdict.terms.risk_multiplier == (1 if text == "2" else 0)
    assert isinstance(verdict, Approved if text == "2" else Denied)


@given(steps, situations, multipliers)
def test_the_mandate_caps_the_multiplier(volume: Decimal, at: Situation, cap: Decimal) -> None:
    """The verdict is that of an EA whose own multiplier is the smaller of the two, and it names which one binds."""
    mode = MandateMode.NORMAL if cap == 1 else MandateMode.REDUCED if cap else MandateMode.NONE
    mandated = decide(opening(volume), attrs.evolve(at, mandate=Mandate(mode, cap, "owner", "a bad week", 1.0)))
    alike = decide(opening(volume), attrs.evolve(at, ea=EaLimits(at.ea.max_volume, min(at.ea.multiplier, cap))))
    assert type(mandated) is type(alike)
    assert mandated.terms.risk_multiplier == min(at.ea.multiplier, cap)
    assert mandated.terms.max_volume == alike.terms.max_volume
    if "risk_multiplier" in spoke(alike) and cap:
        binds = "mandate" if cap < at.ea.multiplier else "risk_multiplier"
        (reason,) = (each for each in mandated.terms.reasons if each.rule in ("mandate", "risk_multiplier"))
        assert reason.rule == binds
        assert ("a bad week, by owner" in reason.message) == (binds == "mandate")


@pytest.mark.parametrize(
    ("proposal", "passes"),
    [
        (opening(), False),
        (Close(ORIGIN, "demo", "EURUSD", 1), True),
        (Modify(ORIGIN, "demo", 1, new_sl=Decimal("0.95")), True),
        (Modify(ORIGIN, "demo", 1, new_sl=Decimal("0.80")), False),
        (Cancel(ORIGIN, "demo", 9), True),
    ],
)
def test_under_the_mandate_none_only_reductions_pass(proposal: Proposal, passes: bool) -> None:
    """Whatever adds risk is refused by name, also a looser stop, which no multiplier touches."""
    at = situation(position(1, sl=Decimal("0.90")), mandate=Mandate(MandateMode.NONE, Decimal(0)))
    verdict = decide(proposal, at)
    assert isinstance(verdict, Approved) is passes
    assert spoke(verdict) == (set() if passes else {"mandate"})


def test_an_odd_multiplier_breaks_nothing_under_a_mandate() -> None:
    """An EA's multiplier that is no number counts as 0, mandate or not."""
    half = Mandate(MandateMode.REDUCED, Decimal("0.5"))
    verdict = decide(opening(), situation(ea=EaLimits(None, Decimal("NaN")), mandate=half))
    assert isinstance(verdict, Denied)
    assert verdict.terms.risk_multiplier == 0


def raises(*_: object) -> Any:
    raise ZeroDivisionError("bug")


def says_yes(*_: object) -> Any:
    return True


def says_nan(*_: object) -> Any:
    return Cap(Decimal("NaN"), Reason("says_nan", ""))


def refuses(*_: object) -> Any:
    return Refusal(Reason("refuses", "no"))


class Nameless:
    """A rule without a name."""

    def __call__(self, *_: object) -> Any:
        raise KeyError("bug")


broken = st.sampled_from([raises, says_yes, says_nan, refuses, Nameless()])


@given(
    st.lists(st.sampled_from(ADDING), max_size=8), broken, st.integers(0, 8), st.sampled_from(["open", "leg", "loosen"])
)
def test_no_sequence_approves_when_a_rule_is_broken(rules: list[Any], bad: Any, at: int, what: str) -> None:
    """Whatever other rules there are: one that raises, or says what no rule may say, is a refusal that names it."""
    hedge = situation(position(1), position(2, Side.SELL), position(3, sl=Decimal("0.9")))
    proposal: Proposal = opening()
    if what == "leg":
        proposal = Close(ORIGIN, "demo", "EURUSD", 2)
    elif what == "loosen":
        proposal = Modify(ORIGIN, "demo", 3, new_sl=Decimal("0.8"))
    verdict = decide(proposal, hedge, rules=[*rules[:at], bad, *rules[at:]])
    assert isinstance(verdict, Denied)
    assert getattr(bad, "__name__", "Nameless") in spoke(verdict)


def test_no_rules_approve_nothing() -> None:
    """Without a rule that says how much, nothing passes."""
    assert isinstance(decide(opening(), situation(), rules=[]), Denied)


def test_only_the_judge_approves() -> None:
    """An approval can't be made by hand."""
    with pytest.raises(TypeError, match="only quantmind"):
        Approved("x", opening(), Terms(Decimal(1), None), 1, 1.0, True, object())


REFUSING: dict[str, dict[str, Any]] = {
    "journal": {"blocked": "it is full"},
    "trading_state": {"state": TradingState.HALTED},
    "mandate": {"mandate": Mandate(MandateMode.NONE, Decimal(0))},
    "no_unknown": {"unknowns": (UnknownOrder("o", "demo", "alpha", 7, "EURUSD", 99.0),)},
    "symbols": {"market": Market(None, Decimal(1), Decimal(1), 0.0)},
    "equity_fresh": {"sample": None},
    "stops_missing": {"sample": Sample("demo", ACCOUNT, (), (), 100.0, {"BTCUSDT": "its price is too far away"})},
    "price_fresh": {"market": Market(SPEC)},
    "max_open_positions": {"policy": Policy(max_open_positions=0)},
    "max_volume": {"policy": Policy(max_volume=Decimal("0.05"))},
}


@given(st.sets(st.sampled_from(sorted(REFUSING)), min_size=1))
def test_every_rule_that_speaks_stands_there(which: set[str]) -> None:
    """All reasons are named, not only the first."""
    at = situation()
    for name in sorted(which, key=lambda n: n == "symbols"):
        more = REFUSING[name]
        if {"stops_missing", "equity_fresh"} <= which and "sample" in more:
            more = {"sample": attrs.evolve(REFUSING["stops_missing"]["sample"], taken_at=0.0)}
        if name == "price_fresh" and "symbols" in which:
            more = {"market": Market(None)}
        elif name == "symbols" and "price_fresh" in which:
            continue
        elif name in ("max_open_positions", "max_volume"):
            old = at.policy
            new = more["policy"]
            more = {
                "policy": Policy(
                    max_open_positions=min(old.max_open_positions, new.max_open_positions),
                    max_volume=min(old.max_volume, new.max_volume),
                )
            }
        at = attrs.evolve(at, **more)
    verdict = decide(opening(), at)
    assert isinstance(verdict, Denied)
    # how much may be traded is said when nothing else refuses
    assert spoke(verdict) == (which - {"max_volume"} or which)


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"unknowns": (UnknownOrder("o", "demo", "alpha", 8, "EURUSD", 99.0),)}, False),
        ({"unknowns": (UnknownOrder("o", "demo", "alpha", 7, "GBPUSD", 99.0),)}, False),
        ({"unknowns": (UnknownOrder("o", "demo", "alpha", 7, "", 99.0),)}, True),
        ({"unknowns": (UnknownOrder("o", "demo", "beta", 8, "GBPUSD", 70.0),)}, True),
        ({"unknowns": (UnknownOrder("o", "demo", "beta", 8, "GBPUSD", 70.1),)}, False),
        ({"sample": Sample("demo", ACCOUNT, (), (), 98.0)}, False),
        ({"sample": Sample("demo", ACCOUNT, (), (), 97.9)}, True),
        ({"market": Market(SPEC, Decimal(1), Decimal(1), 5.0)}, False),
        ({"market": Market(SPEC, Decimal(1), Decimal(1), 5.1)}, True),
        ({"market": Market(SPEC, None, Decimal(1), 0.0)}, True),
    ],
)
def test_edges(more: dict[str, Any], refused: bool) -> None:
    """Ages count up to their limit, and an unknown order blocks its like."""
    assert isinstance(decide(opening(), situation(**more)), Denied if refused else Approved)


def test_an_old_account_says_why_it_is_old() -> None:
    """Whoever reads the refusal in an outage learns where to look."""
    for sample in (None, Sample("demo", ACCOUNT, (), (), 90.0)):
        verdict = decide(opening(), situation(sample=sample, unread="the exchange can't be reached"))
        assert isinstance(verdict, Denied)
        [why] = verdict.terms.reasons
        assert why.rule == "equity_fresh"
        assert "(the exchange can't be reached)" in why.message


def test_promises_count() -> None:
    """What is promised counts as if it were open."""
    held = Reservation("r", "demo", "a", 1, "EURUSD", None, Decimal(1), 0.0, 0.0, executed=False)
    at = situation(position(1), policy=Policy(max_open_positions=2), reservations=(held,))
    assert spoke(decide(opening(), at)) == {"max_open_positions"}


# --- reductions ----------------------------------------------------------------------------------------------------

HALTED = {"state": TradingState.HALTED, "blocked": "down", "sample": None, "market": Market(None)}


@pytest.mark.parametrize(
    ("positions", "ticket", "volume", "passes"),
    [
        ([position(1)], 1, None, True),
        ([position(1)], 1, "0.3", True),
        ([position(1), position(2, Side.SELL, "0.4")], 1, "0.5", True),
        ([position(1), position(2, Side.SELL, "0.4")], 1, None, True),
        ([position(1), position(2, Side.SELL, "0.4")], 2, None, False),
        ([position(1), position(2, Side.SELL, "0.5")], 1, None, False),
        ([position(1), position(2, Side.SELL)], 1, "0.1", False),
        ([position(1)], 99, None, True),
    ],
)
def test_a_close_reduces_when_the_net_falls(
    positions: list[Position], ticket: int, volume: str | None, passes: bool
) -> None:
    """A close passes whatever the rules say when the net falls; one leg of a hedge does not reduce."""
    close = Close(ORIGIN, "demo", "EURUSD", ticket, None if volume is None else Decimal(volume))
    at = attrs.evolve(situation(*positions), **HALTED)
    verdict = decide(close, at)
    assert isinstance(verdict, Approved if passes else Denied)
    if isinstance(verdict, Approved):
        assert verdict.reduces
    else:
        assert isinstance(decide(close, situation(*positions)), Approved), "while trading is active it may"


@given(
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 50)), min_size=1, max_size=5),
    st.integers(0, 4),
    st.none() | st.integers(1, 80),
)
def test_a_proved_reduction_never_grows_the_net(book: list[tuple[Side, int]], which: int, part: int | None) -> None:
    """What passes as a reduction leaves a smaller net in lots."""
    positions = [position(n, side, str(Decimal(lots) / 10)) for n, (side, lots) in enumerate(book, 1)]
    chosen = positions[which % len(positions)]
    close = Close(ORIGIN, "demo", "EURUSD", chosen.ticket, None if part is None else Decimal(part) / 10)
    verdict = decide(close, attrs.evolve(situation(*positions), **HALTED))
    net = sum(p.volume * p.side.sign for p in positions)
    after = net - min(close.volume or chosen.volume, chosen.volume) * chosen.side.sign
    assert isinstance(verdict, Approved) == (abs(after) < abs(net))


@pytest.mark.parametrize(
    ("side", "current", "new", "passes"),
    [
        (Side.BUY, "1.0", "1.1", True),
        (Side.BUY, "1.0", "1.0", True),
        (Side.BUY, "1.0", "0.9", False),
        (Side.BUY, "1.0", "0", False),
        (Side.BUY, None, "0.5", True),
        (Side.BUY, None, "0", True),
        (Side.BUY, "1.0", None, True),
        (Side.SELL, "1.0", "0.9", True),
        (Side.SELL, "1.0", "1.1", False),
        (Side.SELL, "1.0", "0", False),
    ],
)
def test_a_stop_that_comes_nearer_reduces(side: Side, current: str | None, new: str | None, passes: bool) -> None:
    """Tightening passes whatever the rules say; loosening and removing a stop is new risk."""
    held = position(1, side, sl=None if current is None else Decimal(current))
    change = Modify(ORIGIN, "demo", 1, None if new is None else Decimal(new), Decimal("1.5"))
    at = attrs.evolve(situation(held), **HALTED)
    assert isinstance(decide(change, at), Approved if passes else Denied)


@pytest.mark.parametrize("state", list(TradingState))
def test_stops_of_a_ticket_that_is_not_seen(state: TradingState) -> None:
    """The stops of a ticket that we don't see may change only while trading is active."""
    verdict = decide(Modify(ORIGIN, "demo", 99, Decimal(1)), situation(state=state))
    assert isinstance(verdict, Approved) == (state is TradingState.ACTIVE)


def test_decisions_can_be_made_again() -> None:
    """The same situation and proposal give the same verdict."""
    assert decide(opening("0.3"), situation()) == decide(opening("0.3"), situation())


NETTING = attrs.evolve(ACCOUNT, margin_mode="netting")
SHUT = {"state": TradingState.HALTED}


def netting(*positions: Position, **more: Any) -> Situation:
    return situation(*positions, **{"sample": Sample("demo", NETTING, positions, (), 99.5), **SHUT, **more})


def selling(volume: str, **more: Any) -> Open:
    return Open(ORIGIN, "demo", "EURUSD", Decimal(volume), Side.SELL, **more)


def in_flight(side: Side | None, volume: str, symbol: str = "EURUSD") -> Reservation:
    return Reservation("r", "demo", "beta", 1, symbol, side, Decimal(volume), 0.0, 200.0, True)


def on_its_way(lots: dict[int, Decimal | None]) -> Closing:
    return Closing("c", lots, 200.0)


def pending(side: Side, volume: str) -> PendingOrder:
    return PendingOrder(21, "EURUSD", side, OrderType.STOP, Decimal(volume), Decimal(1), 0)


@pytest.mark.parametrize(
    ("proposal", "more", "passes"),
    [
        (selling("1"), {}, True),
        (selling("0.4"), {}, True),
        (selling("1.01"), {}, False),
        (selling("0.4", sl=Decimal(2)), {}, False),
        (selling("0.4", tp=Decimal(1)), {}, False),
        (selling("0.4", order_type=OrderType.LIMIT, price=Decimal(2)), {}, False),
        (opening("0.1"), {}, False),
        (attrs.evolve(selling("0.1"), side=None), {}, False),
        (attrs.evolve(selling("0.1"), symbol="GBPUSD"), {}, False),
        (selling("0.5"), {"reservations": (in_flight(Side.SELL, "0.5"),)}, True),
        (selling("0.5"), {"reservations": (in_flight(Side.SELL, "0.6"),)}, False),
        (selling("0.5"), {"reservations": (in_flight(None, "0.6"),)}, False),
        (selling("1"), {"reservations": (in_flight(Side.BUY, "0.6"), in_flight(Side.SELL, "1", "X"))}, True),
        (selling("0.5"), {"orders": {21: pending(Side.SELL, "0.6")}}, False),
        (selling("1"), {"orders": {21: pending(Side.BUY, "0.6")}}, True),
        (selling("0.4"), {"closings": (on_its_way({11: Decimal("0.6")}),)}, True),
        (selling("0.4"), {"closings": (on_its_way({11: Decimal("0.61")}),)}, False),
        (selling("0.4"), {"closings": (on_its_way({11: None}),)}, False),
        (selling("1"), {"closings": (on_its_way({99: None}),)}, True),
        (selling("1"), {"now": 101.4}, True),
        (selling("1"), {"now": 101.6}, False),
        (selling("1"), {"sample": None}, False),
        (selling("1"), {"sample": Sample("demo", ACCOUNT, (), (), 99.5)}, False),
    ],
)
def test_an_open_that_closes_on_a_netting_account(proposal: Open, more: dict[str, Any], passes: bool) -> None:
    """It reduces where it can't turn the position round, whatever else is on its way; else the rules judge it."""
    verdict = decide(proposal, netting(position(11), **more))
    assert isinstance(verdict, Approved) is passes
    if isinstance(verdict, Approved):
        assert verdict.reduces
        assert verdict.terms.max_volume == proposal.volume


@pytest.mark.parametrize(
    ("proposal", "passes"),
    [
        (Cancel(ORIGIN, "demo", 21), True),
        (Cancel(ORIGIN, "demo", 99), True),
        (Close(ORIGIN, "demo", "EURUSD", 11, by=12), True),
        (Close(ORIGIN, "demo", "EURUSD", 11, by=13), False),
        (Close(ORIGIN, "demo", "EURUSD", 11, by=99), False),
        (Modify(ORIGIN, "demo", 21, new_price=Decimal("0.9")), False),
        (Modify(ORIGIN, "demo", 21, new_expiration=0.0), False),
        (Modify(ORIGIN, "demo", 21, new_sl=Decimal("0.6")), True),
        (Modify(ORIGIN, "demo", 21, new_sl=Decimal("0.4")), False),
        (Modify(ORIGIN, "demo", 21, new_sl=Decimal(0)), False),
        (Modify(ORIGIN, "demo", 21, new_tp=Decimal(0)), True),
    ],
)
def test_what_reduces_of_pending_orders_and_pairs(proposal: Proposal, passes: bool) -> None:
    """Taking an order back, closing a pair and a nearer stop pass a halt; moving an order's price does not."""
    order = attrs.evolve(pending(Side.BUY, "1"), sl=Decimal("0.5"))
    at = situation(position(11), position(12, Side.SELL), position(13), orders={21: order}, **SHUT)
    assert isinstance(decide(proposal, at), Approved) is passes


def test_pending_orders_count_as_positions() -> None:
    """An order in the book will be a position."""
    at = situation(position(11), orders={21: pending(Side.BUY, "1")}, policy=Policy(max_open_positions=2))
    verdict = decide(opening(), at)
    assert spoke(verdict) == {"max_open_positions"}
    assert isinstance(decide(opening(), attrs.evolve(at, orders={})), Approved)


@pytest.mark.parametrize(
    ("volumes", "limit", "passes"),
    [
        (["1"], 2, True),
        (["1.01"], 2, False),
        (["2.5", "0.01"], 5, True),
        (["2.5", "0.01"], 4, False),
        (["0.02"], 1, False),
    ],
)
def test_orders_that_add_up_count_on_a_netting_account(volumes: list[str], limit: int, passes: bool) -> None:
    """One position takes as many orders as one likes, so each `max_volume` of it counts as one; not when hedging."""
    symbols = ["EURUSD", "GBPUSD"]
    held = [
        attrs.evolve(position(n, volume=volume), symbol=symbol)
        for n, (volume, symbol) in enumerate(zip(volumes, symbols, strict=False))
    ]
    policy = Policy(max_open_positions=limit)
    verdict = decide(opening(), netting(*held, policy=policy, state=TradingState.ACTIVE))
    assert isinstance(verdict, Approved) is passes
    assert passes or spoke(verdict) == {"max_open_positions"}
    assert isinstance(decide(opening(), situation(*held, policy=policy)), Approved) is (len(held) < limit)


HALF = Decimal("0.5")


@pytest.mark.parametrize(
    ("ticket", "volume", "going", "passes"),
    [
        (11, HALF, {}, True),
        (11, HALF, {11: HALF}, False),
        (11, Decimal("0.7"), {11: None}, True),
        (11, HALF, {11: None}, True),
        (11, Decimal("0.1"), {11: Decimal("0.1")}, True),
        (11, HALF, {14: None}, True),
        (11, HALF, {13: Decimal("0.2")}, False),
        (11, HALF, {12: None}, True),
        (12, None, {11: None}, False),
        (14, None, {11: None, 13: None, 12: None}, True),
    ],
)
def test_closes_on_their_way_are_counted(
    ticket: int, volume: Decimal | None, going: dict[int, Decimal | None], passes: bool
) -> None:
    """A close reduces only if it does so with and without what else is being closed; a repeat of one closes nothing."""
    hedged = (position(11, volume="0.8"), position(12, Side.SELL), position(13, volume="0.6"))
    other = attrs.evolve(position(14), symbol="GBPUSD")
    at = situation(*hedged, other, closings=(on_its_way(going),) if going else (), **SHUT)
    assert isinstance(decide(Close(ORIGIN, "demo", "EURUSD", ticket, volume), at), Approved) is passes


@given(
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 6)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=6),
    st.data(),
)
def test_closes_that_pass_together_reduce_in_any_order(
    held: list[tuple[Side, int]], asked: list[tuple[int, int]], data: st.DataObject
) -> None:
    """What passes a halt while others are on their way never raises the net exposure, whichever of them goes first."""
    positions = {n: position(n, side, str(lots)) for n, (side, lots) in enumerate(held)}
    passed: list[Close] = []
    for ticket, lots in asked:
        proposal = Close(ORIGIN, "demo", "EURUSD", ticket % len(held), Decimal(lots))
        going = tuple(Closing(str(n), {each.ticket: each.volume}, 200.0) for n, each in enumerate(passed))
        if isinstance(decide(proposal, situation(*positions.values(), closings=going, **SHUT)), Approved):
            passed.append(proposal)
    left = {ticket: item.volume for ticket, item in positions.items()}

    def net() -> Decimal:
        return sum((left[n] * held[n][0].sign for n in left), Decimal(0))

    before = abs(net())
    for close in data.draw(st.permutations(passed)):
        left[close.ticket] = max(Decimal(0), left[close.ticket] - (close.volume or 0))
    assert abs(net()) <= before


@pytest.mark.parametrize("stop", ["0", "0.5"])
def test_what_the_refusal_for_a_missing_stop_advises_passes(stop: str) -> None:
    """What is worth too little to be closed, or to have a stop, would else keep the account from trading for ever."""
    unprotected = Sample("demo", ACCOUNT, (), (), 99.5, {"EURUSD": "it is worth too little"})
    at = attrs.evolve(situation(position(1)), sample=unprotected)
    refused = decide(opening(), at)
    assert isinstance(refused, Denied)
    (reason,) = refused.terms.reasons
    assert "another stop or none (sl 0)" in reason.message
    assert isinstance(decide(Modify(ORIGIN, "demo", 1, new_sl=Decimal(stop)), at), Approved)
