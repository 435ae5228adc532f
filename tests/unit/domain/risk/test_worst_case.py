"""Worked examples of the worst case: what an order, a stop, a promise may cost, in money that was reckoned by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from risk_world import INITIAL, ORIGIN, SPECS, USDJPY, D, World

from quantmind.domain.accounts import PendingOrder, Position
from quantmind.domain.orders import Close, Modify, Open, OrderType, Side
from quantmind.domain.risk import Approved, Denied, EaLimits, Policy, Reservation, Situation, judge
from quantmind.domain.risk.policy import (
    Allowances,
    Base,
    DailyLoss,
    Exposure,
    Margin,
    MaxLoss,
    Measure,
    Rules,
    Trailing,
)
from quantmind.domain.risk.rules.cost import Cost, cost_of
from quantmind.domain.risk.state import Group
from quantmind.domain.risk.worst import Ledger, Span
from quantmind.domain.risk.worth import pairs_of, rate, tick_value, worth_of
from quantmind.domain.symbols import usual_spec

DAILY = DailyLoss(amount=D(500))
BUY, SELL = Side.BUY, Side.SELL


def policy(daily: DailyLoss | None = DAILY, overall: MaxLoss | None = None, **more: Any) -> Policy:
    return Policy(D(50), 100, initial_capital=INITIAL, **{"rules": Rules(daily_loss=daily, max_loss=overall), **more})


def world(rules: Policy | None = None, *, netting: bool = False) -> World:
    """10,000 USD, EURUSD at 1.10000 / 1.10020: a lot moves 1 USD a point."""
    return World(rules or policy(), netting)


def held(at: World, ticket: int, side: Side, volume: str, opened: str, sl: str | None, symbol: str = "EURUSD") -> None:
    at.positions[ticket] = Position(
        ticket, symbol, side, D(volume), D(opened), D(0), D(0), 0, sl=None if sl is None else D(sl)
    )


def order(volume: str, sl: str | None, side: Side = BUY, **more: Any) -> Open:
    return Open(ORIGIN, "demo", "EURUSD", D(volume), side, sl=None if sl is None else D(sl), **more)


def ask(at: Situation, proposal: Any) -> Approved | Denied:
    return judge(proposal, at, approval_id="x", deadline=1.0)


def largest(at: Situation, sl: str = "1.09520", side: Side = BUY) -> Decimal:
    """Of a buy that loses 500 points from the ask to its stop: 500 USD a lot."""
    found = ask(at, order("50", sl, side)).terms.max_volume
    assert found is not None
    return found


def test_a_buy_loses_from_the_ask_to_its_stop() -> None:
    """500 USD may be lost and a lot loses 500 USD: one lot, exactly, and no step more."""
    at = world().situation("EURUSD")
    assert largest(at) == 1
    assert isinstance(ask(at, order("1", "1.09520")), Approved)
    assert isinstance(ask(at, order("1.01", "1.09520")), Denied)


def test_at_an_inclusive_floor_a_step_less_passes() -> None:
    """Where the floor itself is a breach, what would leave exactly it is refused."""
    at = world(policy(attrs.evolve(DAILY, inclusive=True))).situation("EURUSD")
    assert largest(at) == D("0.99")


def test_commission_and_slippage_come_to_the_stop() -> None:
    """500 + 7 + 10 x 1 USD a lot: 0.96 of 500."""
    allowed = Allowances(slippage_points=D(10), commission_per_lot=D(7))
    at = world(policy(allowances=allowed)).situation("EURUSD")
    assert cost_of(at, order("1", "1.09520")) == Cost(D(0), D(517), D(0))
    assert largest(at) == D("0.96")
    stop = order("1", "1.09600", price=D("1.10100"), order_type=OrderType.STOP)
    assert cost_of(at, stop) == Cost(D(0), D(527), D(0)), "the entry of a stop order slips, too"
    limit = order("1", "1.09400", price=D("1.09900"), order_type=OrderType.LIMIT)
    assert cost_of(at, limit) == Cost(D(0), D(517), D(0)), "that of a limit order does not"


def test_a_stop_order_that_the_price_has_passed_enters_at_the_market() -> None:
    """A buy stop at 1.09000 fills at 1.10020: from there it loses 1,520 points to 1.08500."""
    passed = order("1", "1.08500", price=D("1.09000"), order_type=OrderType.STOP)
    assert cost_of(world().situation("EURUSD"), passed) == Cost(D(0), D(1520), D(0))


@pytest.mark.parametrize(("side", "sl"), [(BUY, "1.10010"), (BUY, "1.10500"), (SELL, "1.10010"), (SELL, "1.09500")])
def test_a_stop_within_the_spread_or_on_the_wrong_side_is_refused(side: Side, sl: str) -> None:
    """It is hit the moment that the order fills, at a price that it does not tell."""
    verdict = ask(world().situation("EURUSD"), order("0.01", sl, side))
    assert [each.rule for each in verdict.terms.reasons] == ["daily_loss"]


def test_positions_count_at_their_stops() -> None:
    """A buy of 0.4 from 1.10000 with its stop at 1.09500 may lose 200 of the 500."""
    at = world()
    held(at, 1, BUY, "0.4", "1.10000", "1.09500")
    assert largest(at.situation("EURUSD")) == D("0.6")


def test_a_locked_in_profit_is_room_today_and_none_at_the_next_reset() -> None:
    """0.5 lots with a stop 200 points in profit: 100 USD, which may be balance, and floor, after the reset."""
    at = world()
    at.prices["EURUSD"] = D("1.11000")
    held(at, 1, BUY, "0.5", "1.10000", "1.10200")
    assert largest(at.situation("EURUSD"), sl="1.10520") == 1
    only_now = policy(DailyLoss(amount=D(500), base=Base.INITIAL))
    assert largest(attrs.evolve(at.situation("EURUSD"), policy=only_now), sl="1.10520") == 1, "a constant floor, too"


def test_an_open_profit_is_no_room() -> None:
    """Without a stop that locks it in, it may be gone: the position counts at its stop, here -100."""
    at = world()
    at.prices["EURUSD"] = D("1.11000")
    held(at, 1, BUY, "0.2", "1.10000", "1.09500")
    assert largest(at.situation("EURUSD"), sl="1.10520") == D("0.8")


def test_a_measured_balance_falls_by_losses_alone() -> None:
    """A locked-in profit of 100 does not help a balance that a loss reaches first."""
    balance = policy(DailyLoss(amount=D(500), base=Base.INITIAL, measure=Measure.BALANCE))
    at = world(balance)
    at.prices["EURUSD"] = D("1.11000")
    held(at, 1, BUY, "0.5", "1.10000", "1.10200")
    held(at, 2, BUY, "0.2", "1.11000", "1.10500")
    assert largest(at.situation("EURUSD"), sl="1.10520") == D("0.8")


def test_where_the_base_follows_equity_a_recovered_loss_lifts_the_next_floor() -> None:
    """0.2 lots float at -100 with a stop at -300: at the reset they may be back at 0, and the floor at 9,500."""
    at = world(policy(attrs.evolve(DAILY, base=Base.EQUITY)))
    at.prices["EURUSD"] = D("1.10000")
    held(at, 1, BUY, "0.2", "1.10500", "1.09000")
    (floor,) = at.floors()
    assert (floor.now, floor.next, floor.recovered) == (9500, 9400, 9500)
    assert largest(at.situation("EURUSD")) == D("0.4")


def test_what_was_closed_since_the_sample_is_balance_at_the_next_reset() -> None:
    """1,000 of profit were taken a moment ago: the sample's balance does not show it, the next floor will."""
    at = world()
    held(at, 1, BUY, "1", "1.09000", "1.08000")
    sampled = at.situation("EURUSD")
    at.ledger.keep({}, {}, D(11_000), at.worth, netting=False)
    closed = attrs.evolve(sampled, positions={}, worst=at.ledger.worst)
    assert largest(closed) == 1


def test_a_credit_is_not_counted_as_balance() -> None:
    """A bonus of 300 stands in the equity and in no floor."""
    at = world().situation("EURUSD")
    assert at.sample is not None
    assert at.worst is not None
    account = attrs.evolve(at.sample.account, equity=D(10_300), profit=D(0))
    bonus = attrs.evolve(
        at, sample=attrs.evolve(at.sample, account=account), worst=attrs.evolve(at.worst, cash=D(10_300))
    )
    assert largest(bonus) == D("1.6")


def test_promises_leave_less_and_never_more() -> None:
    """Two orders in flight that may lose 150 and 50; one that claims a profit gives nothing."""
    flight = Reservation("r", "demo", "a", 1, "EURUSD", BUY, D(1), 0.0, 0.0, executed=True, worst=D(-150))
    at = world().situation("EURUSD")
    others = (flight, attrs.evolve(flight, worst=D(-50)), attrs.evolve(flight, worst=D(70)))
    assert largest(attrs.evolve(at, reservations=others)) == D("0.6")
    unknown = attrs.evolve(at, reservations=(attrs.evolve(flight, worst=None),))
    assert isinstance(ask(unknown, order("0.01", "1.09520")), Denied)


def test_an_ea_may_risk_its_share_of_the_room() -> None:
    """25 % of 500 are a quarter of a lot, whatever is asked for; a stop is not loosened by more, either."""
    at = world()
    held(at, 1, BUY, "0.1", "1.10000", "1.09900")
    situation = attrs.evolve(at.situation("EURUSD"), ea=EaLimits(room_percent=D(25)))
    for asked in ("0.01", "0.24", "5"):
        assert ask(situation, order(asked, "1.09520")).terms.max_volume == D("0.24"), "of 490"
    assert {each.rule for each in ask(situation, order("5", "1.09520")).terms.reasons} == {"ea_limits"}
    assert isinstance(ask(situation, Modify(ORIGIN, "demo", 1, new_sl=D("1.08680"))), Approved), "122 of 122.50"
    assert isinstance(ask(situation, Modify(ORIGIN, "demo", 1, new_sl=D("1.08660"))), Denied)


def test_a_stop_may_go_away_as_far_as_there_is_room() -> None:
    """0.5 lots: 500 points more are 250 USD. Two changes in flight count both."""
    at = world()
    held(at, 1, BUY, "0.5", "1.10000", "1.09500")
    change = Modify(ORIGIN, "demo", 1, new_sl=D("1.09000"))
    assert isinstance(ask(at.situation("EURUSD"), change), Approved)
    assert isinstance(ask(at.situation("EURUSD"), attrs.evolve(change, new_sl=D("1.08999"))), Denied)
    going = at.asked(attrs.evolve(change, new_sl=D("1.09400")), "EURUSD")
    assert going is not None
    at.promise(going, "EURUSD")
    assert isinstance(ask(at.situation("EURUSD"), change), Denied)
    assert isinstance(ask(at.situation("EURUSD"), attrs.evolve(change, new_sl=D("1.09100"))), Approved)


def test_a_locked_in_profit_may_be_given_back_where_only_the_next_floor_is_near() -> None:
    """From +100 to +50 at the stop nothing is lost that the next floor counts; from +100 to -50 it is 50."""
    at = world(policy(DailyLoss(amount=D(10))))
    at.balance = D(10_200)
    at.prices["EURUSD"] = D("1.11000")
    held(at, 1, BUY, "0.5", "1.10000", "1.10200")
    assert isinstance(ask(at.situation("EURUSD"), Modify(ORIGIN, "demo", 1, new_sl=D("1.10100"))), Approved)
    assert isinstance(ask(at.situation("EURUSD"), Modify(ORIGIN, "demo", 1, new_sl=D("1.09900"))), Denied)
    # and where today's floor is the nearer one, it is asked though the next one has nothing against it
    at.balance = D(9_980)
    assert isinstance(ask(at.situation("EURUSD"), Modify(ORIGIN, "demo", 1, new_sl=D("1.09920"))), Denied)


# --- netting --------------------------------------------------------------------------------------------------------


def test_on_a_netting_account_an_order_moves_the_stop_of_all_lots() -> None:
    """1 lot with its stop 100 points away, an order of 0.1 with its stop 400 away: 400 for all of them."""
    at = world(netting=True)
    held(at, 1, BUY, "1", "1.10020", "1.09920")
    cost = cost_of(at.situation("EURUSD"), order("0.1", "1.09620"))
    assert cost == Cost(D(300), D(400), D(300))
    assert cost_of(attrs.evolve(at, netting=False).situation("EURUSD"), order("0.1", "1.09620")) == Cost(
        D(0), D(400), D(0)
    )


def test_on_a_netting_account_a_pending_order_threatens_what_is_open() -> None:
    """A nearer stop now does not help: the pending order brings the far one when it fills."""
    at = world(netting=True)
    at.orders[9] = PendingOrder(9, "EURUSD", BUY, OrderType.LIMIT, D("0.1"), D("1.09900"), 0, sl=D("1.09500"))
    held(at, 1, BUY, "0.5", "1.10000", "1.09900")
    situation = at.situation("EURUSD")
    assert situation.worst is not None
    assert situation.worst.equity == 10_000 - D("0.5") * 500 - D("0.1") * 400
    assert situation.worst.equity_of_losers == situation.worst.equity
    assert cost_of(situation, order("1", "1.09920")) == Cost(D(0), D(520), D(0)), "from the ask to the far stop"


def test_on_a_netting_account_an_order_in_flight_threatens_every_symbol() -> None:
    """It was judged when little was open. Where its worth is not known, the others wait."""
    at = world(netting=True)
    held(at, 1, BUY, "0.5", "1.10000", "1.09900")
    flight = Reservation("r", "demo", "a", 1, "EURUSD", BUY, D("0.01"), 0.0, 0.0, True, worst=D(-4), sl=D("1.09600"))
    other = Open(ORIGIN, "demo", "EURJPY", D("0.1"), SELL, sl=D("160.500"))
    known = attrs.evolve(flight, worth=at.worth("EURUSD"))
    cost = cost_of(attrs.evolve(at.situation("EURJPY"), reservations=(known,)), other)
    assert isinstance(cost, Cost)
    assert cost.fixed == D("0.5") * 300
    assert isinstance(cost_of(attrs.evolve(at.situation("EURJPY"), reservations=(flight,)), other), str)


def test_an_order_without_a_stop_takes_that_of_a_netting_position_away() -> None:
    """It counts then at the assumed one, 1 % of the price; without an assumed one it is refused."""
    at = world(policy(allowances=Allowances(assumed_stop_percent=D(1))), netting=True)
    held(at, 1, BUY, "0.1", "1.10000", "1.09900")
    cost = cost_of(at.situation("EURUSD"), order("0.1", None))
    assert cost == Cost(D(100), D("1100.2"), D(100)), "110 from now instead of 10"


# --- currencies, margin, exposure -----------------------------------------------------------------------------------


def test_the_recorded_tick_value_of_a_jpy_cross() -> None:
    """A terminal showed 0.717340 for a 3-digit JPY cross with USDJPY at 139.40: 100 JPY at 139.404, to 6 digits."""
    pairs = pairs_of([SPECS["USDJPY"]])
    yen = rate("JPY", "USD", pairs, lambda _: (D("139.404"), D("139.404"), 0.0))
    assert yen is not None
    assert round(tick_value(usual_spec("EURJPY"), yen), 6) == D("0.717340")


def test_a_loss_in_yen_is_counted_by_the_dear_rate() -> None:
    """500 points of EURJPY are 50,000 JPY a lot, at the bid of USDJPY 358.73 USD; a profit comes at the ask."""
    worth = world().worth("EURJPY")
    assert worth is not None
    assert round(worth.change(D(1), D("-0.5")), 2) == D("-358.73")
    assert round(worth.change(D(1), D("0.5")), 2) == D("358.63")
    assert worth_of(SPECS["EURJPY"], "USD", {}, lambda _: (*USDJPY, 0.0)) is None


def test_pending_orders_take_margin() -> None:
    """At a leverage of 100 a lot of EURUSD takes 1,100.20; two of them wait, and half of 10,000 must stay free."""
    at = world(policy(None, rules=Rules(margin=Margin(free_percent=D(50)))))
    assert largest(at.situation("EURUSD")) == D("4.54")
    at.orders[9] = PendingOrder(9, "EURUSD", BUY, OrderType.LIMIT, D(2), D("1.05"), 0, sl=D("1.04"))
    assert largest(at.situation("EURUSD")) == D("2.54")


def test_closing_a_leg_of_a_hedge_may_be_too_much_exposure() -> None:
    """Two buys of 1 lot and a sell of 1.5: net 0.5. Without the sell it is 2 lots, 22 times the equity."""
    at = world(policy(None, rules=Rules(exposure=Exposure(symbol_percent=D(1500)))))
    held(at, 1, BUY, "2", "1.1", None)
    held(at, 2, SELL, "1.5", "1.1", None)
    lots = Span(D("0.5") * D(110_010))
    group = Group(INITIAL, {}, {"EURUSD": lots})
    situation = attrs.evolve(at.situation("EURUSD"), group=group)
    assert [
        each.rule for each in ask(situation, Close(ORIGIN, "demo", "EURUSD", 2, D("1.5"))).terms.reasons
    ] == ["exposure"]  # fmt: skip
    assert isinstance(ask(situation, Close(ORIGIN, "demo", "EURUSD", 2, D("0.8"))), Approved), "1.3 lots: 143,013"
    assert isinstance(ask(situation, Close(ORIGIN, "demo", "EURUSD", 1)), Denied), "it would be 1.5 lots the other way"
    assert isinstance(ask(situation, Close(ORIGIN, "demo", "EURUSD", 1, D("0.9"))), Approved), "a reduction"


def test_exposure_counts_what_waits_in_its_own_direction() -> None:
    """Net +0.2 with 0.5 waiting up and 0.3 down: up 0.7 and down 0.1 are taken, of 100 % of 10,000."""
    at = world(policy(None, rules=Rules(exposure=Exposure(symbol_percent=D(1000)))))
    lot = D(110_010)
    group = Group(INITIAL, {}, {"EURUSD": Span(D("0.2") * lot, D("0.5") * lot, D("-0.3") * lot)})
    situation = attrs.evolve(at.situation("EURUSD"), group=group)
    assert largest(situation) == D("0.20"), "0.909 lots are 100,000"
    assert largest(situation, "1.2", SELL) == D("0.80")
    assert largest(situation, "1.2") == D("0.20")


def test_what_is_no_number_is_not_known() -> None:
    """A broken number in one position leaves nothing known, and breaks nothing."""
    for field in ("profit", "volume", "price_open", "swap", "sl"):
        at = world()
        held(at, 1, BUY, "1", "1.1", "1.09")
        broken = attrs.evolve(at.marked(at.positions[1]), **{field: D("NaN")})
        ledger = Ledger(Allowances())
        ledger.keep({1: broken}, {}, INITIAL, at.worth, netting=False)
        assert ledger.worst is not None
        assert ledger.worst.unknown, field


def test_a_volume_is_never_rounded_up() -> None:
    """A quotient of 28 digits is rounded; the steps that fit are not."""
    spec = attrs.evolve(usual_spec("EURUSD"), volume_step=D("0.03"), volume_min=D("0.03"))
    assert spec.floor_volume(D("0.8999999999999999999999999999")) == D("0.87")


def test_intraday_trailing_counts_an_equity_that_the_book_has_not_seen() -> None:
    """An equity of 10,400 now lifts the floor before anybody writes it down."""
    at = world(policy(None, MaxLoss(amount=D(500), trailing=Trailing.INTRADAY)))
    at.prices["EURUSD"] = D("1.10500")
    held(at, 1, BUY, "1", "1.10100", "1.10400")
    (floor,) = at.floors()
    assert floor.now == 9_900
