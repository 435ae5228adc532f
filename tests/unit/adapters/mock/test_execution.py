"""Slippage, requotes, partial fills and filling modes of market orders."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock.execution import Executor, Fill
from quantmind.adapters.mock.market import Price
from quantmind.adapters.mock.symbol_terms import (
    USUAL,
    OrderKind,
    Slip,
    SymbolTerms,
    check_filling,
    check_kinds,
    check_session,
    check_trade_mode,
    kinds_of,
    usual_filling,
)
from quantmind.domain.orders import Filling, OrderType, Refused, Side
from quantmind.domain.sessions import weekly
from quantmind.domain.symbols import Execution, TradeMode, usual_spec

EXAMPLES = examples(1_000, 200)
EURUSD = usual_spec("EURUSD")
INSTANT = attrs.evolve(EURUSD, execution=Execution.INSTANT)
PRICE = Price(Decimal("1.08500"), Decimal("1.08510"), 1)
LOT = Decimal(1)


def fill(executor=None, spec=EURUSD, terms=USUAL, side=Side.BUY, volume=LOT, **more):
    return (executor or Executor()).fill(spec, terms, side, PRICE, volume, **more)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "1.08510"), (Side.SELL, "1.08500")])
def test_by_default_an_order_fills_whole_at_the_last_price(side, price):
    """Whatever was asked, and without a random number."""
    executor = Executor()

    assert fill(executor, side=side, asked=Decimal(1), deviation=0) == Fill(Decimal(price), LOT)
    assert executor.drawn == 0


@given(st.integers(1, 50), st.sampled_from(Slip), st.sampled_from(Side), st.integers(0, 2**63 - 1))
@settings(max_examples=EXAMPLES)
def test_slippage_keeps_to_its_limit_and_side(points, slip, side, seed):
    """At most so many points from the price, on the grid; `worse` is never better."""
    terms = SymbolTerms(slippage_points=points, slippage_side=slip)
    executor = Executor(seed)
    for _ in range(5):
        got = fill(executor, terms=terms, side=side)
        assert isinstance(got, Fill)
        worse = (got.price - PRICE.fill(side)) * side.sign / EURUSD.point
        assert worse == int(worse)
        assert (0 if slip is Slip.WORSE else -points) <= worse <= points


def test_slippage_reaches_each_point_about_as_often():
    """0 to 3 points: a thousand draws, no bucket below 200."""
    executor, terms = Executor(7), SymbolTerms(slippage_points=3)
    seen = [executor.slipped(EURUSD, terms, Side.BUY, PRICE.ask) for _ in range(1000)]

    assert {price: seen.count(price) > 200 for price in seen} == {
        PRICE.ask + each * EURUSD.point: True for each in range(4)
    }


def test_slippage_stays_on_a_coarse_grid():
    """With ticks of 25 points a slippage of 10 points is none."""
    spec = attrs.evolve(EURUSD, tick_size=Decimal("0.00025"))
    for points, steps in ((10, {0}), (60, {0, 1, 2})):
        executor = Executor()
        got = {
            (executor.slipped(spec, SymbolTerms(slippage_points=points), Side.BUY, Decimal("1.085")) - Decimal("1.085"))
            / spec.tick_size
            for _ in range(200)
        }
        assert got == steps


def test_a_price_never_slips_to_nothing():
    """A sell of a symbol worth one point."""
    terms, executor = SymbolTerms(slippage_points=1000), Executor()
    assert min(executor.slipped(EURUSD, terms, Side.SELL, EURUSD.point) for _ in range(100)) > 0


def test_the_same_seed_tells_the_same_story_and_another_a_different_one():
    """From the middle on, too, which is what a restart needs."""
    terms = SymbolTerms(slippage_points=100)

    def story(executor, length=20):
        return [fill(executor, terms=terms) for _ in range(length)]

    first = Executor(3)
    begun = story(first)
    assert begun == story(Executor(3))
    assert begun != story(Executor(4))
    assert story(first) == story(Executor(3, drawn=first.drawn - 20))


def test_instant_execution_fills_at_the_price_that_was_asked_for():
    """Or at the last one when none was."""
    assert fill(spec=INSTANT, asked=Decimal("1.08510")) == Fill(Decimal("1.08510"), LOT)
    assert fill(spec=INSTANT) == Fill(Decimal("1.08510"), LOT)
    assert fill(spec=INSTANT, asked=Decimal(0)) == Fill(Decimal("1.08510"), LOT)


@pytest.mark.parametrize(("deviation", "filled"), [(None, False), (0, False), (4, False), (5, True), (20, True)])
@pytest.mark.parametrize("asked", ["1.08505", "1.08515"])
def test_deviation_is_how_far_the_price_may_have_moved(deviation, filled, asked):
    """Within it the order fills at the new price, beyond it is 10004 with the new price."""
    got = fill(spec=INSTANT, asked=Decimal(asked), deviation=deviation)

    if filled:
        assert got == Fill(Decimal("1.08510"), LOT)
    else:
        assert isinstance(got, Refused)
        assert got.retcode == 10004
        assert "EURUSD is 1.08510 now, 5 points from" in got.comment


def test_requotes_come_as_often_as_configured_and_never_with_market_execution():
    """A quarter of a thousand, within what chance allows; always against the trader, at most so far."""
    terms = SymbolTerms(requote_probability=0.25, requote_points=3)
    executor = Executor()
    got = [fill(executor, spec=INSTANT, terms=terms, asked=PRICE.ask, deviation=3) for _ in range(1000)]

    moved = [(each.price - PRICE.ask) / EURUSD.point for each in got]
    assert set(moved) == {0, 1, 2, 3}
    assert 190 < sum(each > 0 for each in moved) < 310
    refused = [fill(executor, spec=INSTANT, terms=terms, asked=PRICE.ask) for _ in range(1000)]
    assert 190 < sum(isinstance(each, Refused) and each.retcode == 10004 for each in refused) < 310
    assert all(isinstance(fill(executor, terms=terms), Fill) for _ in range(100))


@pytest.mark.parametrize(
    ("filling", "expected"),
    [
        (Filling.IOC, Fill(Decimal("1.08510"), Decimal("2.50"), partial=True)),
        (Filling.FOK, 10006),
        (None, 10006),
        (Filling.RETURN, 10030),
    ],
)
def test_a_limited_volume_is_a_part_for_ioc_and_nothing_for_fok(filling, expected):
    """RETURN is no mode of market execution."""
    got = fill(terms=SymbolTerms(fill_volume_max=Decimal("2.505")), volume=Decimal(3), filling=filling)

    assert (got.retcode if isinstance(got, Refused) else got) == expected
    assert fill(terms=SymbolTerms(fill_volume_max=Decimal(3)), volume=Decimal(3), filling=Filling.FOK) == Fill(
        Decimal("1.08510"), Decimal(3)
    )


def test_less_than_the_smallest_volume_is_no_fill():
    """Of half a step nothing can be had."""
    got = fill(terms=SymbolTerms(fill_volume_max=Decimal("0.005")), filling=Filling.IOC)

    assert isinstance(got, Refused)
    assert got.retcode == 10006


def test_an_unknown_filling_mode_names_those_that_are_allowed():
    """10030, the usual stumbling block."""
    ioc_only = attrs.evolve(EURUSD, fillings=frozenset({Filling.IOC}))
    refused = check_filling(ioc_only, Filling.FOK, pending=False)

    assert refused is not None
    assert (refused.retcode, refused.comment) == (10030, "EURUSD fills no market order as fok: use ioc")
    assert usual_filling(ioc_only, pending=False) is Filling.IOC
    assert usual_filling(EURUSD, pending=False) is Filling.FOK
    assert check_filling(ioc_only, Filling.RETURN, pending=True) is None
    assert check_filling(ioc_only, None, pending=False) is None
    assert check_filling(attrs.evolve(ioc_only, execution=Execution.INSTANT), Filling.FOK, pending=False) is None


@pytest.mark.parametrize(
    ("mode", "buy", "sell", "closing"),
    [
        (TradeMode.FULL, None, None, None),
        (TradeMode.LONG_ONLY, None, 10042, None),
        (TradeMode.SHORT_ONLY, 10043, None, None),
        (TradeMode.CLOSE_ONLY, 10044, 10044, None),
        (TradeMode.DISABLED, 10017, 10017, 10017),
    ],
)
def test_trade_modes(mode, buy, sell, closing):
    """What opens is refused by its side; what closes goes through unless the symbol is disabled."""
    spec = attrs.evolve(EURUSD, trade_mode=mode)

    def code(side, **more):
        refused = check_trade_mode(spec, side, **more)
        return None if refused is None else refused.retcode

    assert code(Side.BUY, closing=False) == buy
    assert code(Side.SELL, closing=False) == sell
    assert code(Side.BUY, closing=True) == code(Side.SELL, closing=True) == closing


def test_order_kinds_that_are_not_allowed_are_10035_with_those_that_are():
    """A stop loss is a kind of its own, and a stop of 0 is none."""
    terms = SymbolTerms(order_kinds=frozenset({OrderKind.MARKET, OrderKind.TP}))

    assert check_kinds(EURUSD, terms, *kinds_of(OrderType.MARKET, Decimal(0), Decimal(1))) is None
    refused = check_kinds(EURUSD, terms, *kinds_of(OrderType.MARKET, Decimal(1), None))
    assert refused == Refused(10035, "EURUSD takes no sl orders: its order types are market, tp")
    assert check_kinds(EURUSD, USUAL, OrderKind.STOP_LIMIT) is not None


def test_outside_its_session_a_symbol_is_closed_and_says_when_it_opens():
    """10018; 2026-11-28 is a Saturday."""
    terms = SymbolTerms(sessions=weekly({"mon-fri": "00:05-23:55"}))
    saturday = 1_795_867_200_000

    refused = check_session(EURUSD, terms, saturday)
    assert refused is not None
    assert refused.retcode == 10018
    assert "EURUSD is closed at 2026-11-28T12:00:00.000Z" in refused.comment
    assert refused.comment.endswith("opens at 2026-11-30T00:05:00.000Z")
    assert check_session(EURUSD, terms, saturday - 86_400_000) is None


@pytest.mark.parametrize(
    "terms",
    [
        {"slippage_points": -1},
        {"requote_probability": 1.1},
        {"requote_probability": float("nan")},
        {"requote_points": 0},
        {"fill_volume_max": Decimal(0)},
    ],
)
def test_terms_that_nothing_could_be_traded_on_are_refused(terms):
    """Where they are made."""
    with pytest.raises(ValueError):
        SymbolTerms(**terms)
