"""Margin call and stop out, commission, swap, and what a check says beforehand."""

from datetime import time
from decimal import Decimal
from zoneinfo import ZoneInfo

import attrs
import pytest

from quantmind.adapters.mock import PaperAccount, Terms
from quantmind.adapters.mock.check import TradeCheck
from quantmind.adapters.mock.margin_level import MarginState
from quantmind.adapters.mock.rollover import Rollover
from quantmind.adapters.mock.symbol_terms import SymbolTerms
from quantmind.domain.accounts import Cause, Entry
from quantmind.domain.orders import Cancel, Close, Open, OrderType, Origin, Placed, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode
from quantmind.domain.sessions import weekly
from quantmind.domain.symbols import usual_spec

ORIGIN = Origin("ea", 7)
BUY, SELL = Side.BUY, Side.SELL
MONDAY_MSC = 1_795_392_000_000
DAY_MSC = 86_400_000
UTC_MIDNIGHT = Rollover(time(0), ZoneInfo("UTC"), triple_day=2)


def make(*names, symbol_terms=None, swaps=("0", "0"), **terms):
    long, short = (Decimal(each) for each in swaps)
    specs = [attrs.evolve(usual_spec(name), swap_long=long, swap_short=short) for name in names or ("EURUSD",)]
    return PaperAccount(Terms(**terms), specs, symbol_terms)


def tick(account, bid, ask, symbol="EURUSD", time_msc=1000):
    return list(account.tick(Quote(symbol, bid, ask, time_msc)))


def trade(account, side=BUY, volume="0.1", symbol="EURUSD", **more):
    outcome = account.open(Open(ORIGIN, "demo", symbol, Decimal(volume), side, **more), "t")
    assert isinstance(outcome, Placed), outcome
    return outcome.ticket


# --- margin call and stop out --------------------------------------------------------------------------------------


def test_the_margin_call_is_a_state_that_comes_and_goes():
    """Below 100 per cent, not at it; nothing is closed."""
    account = make(initial_balance=Decimal(2000))
    tick(account, 1.00000, 1.00000)
    trade(account, volume="1")  # holds 1,000
    assert account.margin_state is MarginState.SOUND
    assert tick(account, 0.99000, 0.99000) == []  # equity 1,000: 100 per cent
    assert account.margin_state is MarginState.SOUND
    assert tick(account, 0.98999, 0.98999) == []
    assert account.margin_state is MarginState.MARGIN_CALL
    tick(account, 0.99000, 0.99000)
    assert account.margin_state is MarginState.SOUND


def test_the_stop_out_closes_at_its_level_and_not_a_point_before():
    """At 50 per cent: equity 500 for a margin of 1,000."""
    account = make(initial_balance=Decimal(2000))
    tick(account, 1.00000, 1.00000)
    ticket = trade(account, volume="1")
    assert tick(account, 0.98501, 0.98501) == []
    (deal,) = tick(account, 0.98500, 0.98500)
    assert (deal.cause, deal.position, deal.entry) == (Cause.STOP_OUT, ticket, Entry.OUT)
    assert (deal.price, deal.profit) == (Decimal("0.98500"), Decimal("-1500.00"))
    assert account.state().equity == account.balance == 500
    assert account.margin_state is MarginState.SOUND


def test_the_worst_loss_goes_first_and_no_more_than_needed():
    """The profitable position and the smaller losses stay once the level is above the stop out."""
    account = make(initial_balance=Decimal(3100))
    tick(account, 1.00000, 1.00000)
    small, large, smallest = (trade(account, volume=volume) for volume in ("0.5", "1", "0.1"))
    assert tick(account, 0.98563, 0.98563) == []  # equity 800.80, margin 1,600
    (deal,) = tick(account, 0.98400, 0.98400)
    assert (deal.position, deal.cause) == (large, Cause.STOP_OUT)
    assert [position.ticket for position in account.positions()] == [small, smallest]
    assert account.margin_state is MarginState.MARGIN_CALL  # 540 for 600


def test_a_profit_goes_last():
    """With several losses the next worst follows, each at the same tick."""
    account = make("EURUSD", "GBPUSD", initial_balance=Decimal(4000))
    tick(account, 1.00000, 1.00000)
    tick(account, 1.00000, 1.00000, symbol="GBPUSD")
    gains = trade(account, SELL, "0.1", symbol="GBPUSD")
    tick(account, 0.99000, 0.99000, symbol="GBPUSD")
    less, more = trade(account, volume="1"), trade(account, volume="1.1")
    deals = tick(account, 0.98300, 0.98300)  # equity 530, margin 2,200, and 1,100 without the first
    assert [deal.position for deal in deals] == [more, less]
    assert [position.ticket for position in account.positions()] == [gains]


def test_swap_counts_for_which_loss_is_worst():
    """A position that has paid a night more is the first of two equal ones."""
    account = make(initial_balance=Decimal(2000), rollover=UTC_MIDNIGHT, swaps=("-10", "0"))
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + 1)
    old = trade(account, volume="0.5")
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + DAY_MSC + 1)
    trade(account, volume="0.5")
    deals = tick(account, 0.98500, 0.98500, time_msc=MONDAY_MSC + DAY_MSC + 2)
    assert [deal.position for deal in deals] == [old]


def test_waiting_orders_hold_no_margin_and_outlive_a_stop_out():
    """They are asked for money again when their price comes."""
    account = make(initial_balance=Decimal(2000))
    tick(account, 1.00000, 1.00000)
    trade(account, volume="1")
    trade(account, order_type=OrderType.LIMIT, price=Decimal("0.9"))
    assert len(tick(account, 0.98000, 0.98000)) == 1
    assert len(account.orders()) == 1


def test_a_stop_out_by_a_rate_and_on_a_netting_account():
    """The yen falls and the euro account with it: the tick of USDJPY closes EURJPY though its own price stood still."""
    account = make("EURJPY", "USDJPY", "EURUSD", margin_mode="netting", leverage=500, initial_balance=Decimal(2500))
    for symbol, price in (("EURJPY", 160.0), ("USDJPY", 150.0), ("EURUSD", 1.06667)):
        tick(account, price, price, symbol=symbol)
    trade(account, SELL, "2", symbol="EURJPY")
    assert tick(account, 161.6, 161.6, symbol="EURJPY") == []  # 320,000 yen lost: 2,133.33 USD, equity 366.67
    assert account.margin_state is MarginState.MARGIN_CALL
    assert tick(account, 1.3, 1.3, symbol="EURUSD") == []
    (deal,) = tick(account, 139.0, 139.0, symbol="USDJPY")
    assert (deal.symbol, deal.cause, deal.profit) == ("EURJPY", Cause.STOP_OUT, Decimal("-2302.16"))


def test_over_a_gap_the_balance_may_go_below_zero_and_stays_there():
    """Nobody tops it up; nothing more can be opened."""
    account = make(initial_balance=Decimal(2000))
    tick(account, 1.00000, 1.00000)
    trade(account, volume="1")
    tick(account, 0.90000, 0.90000)
    assert account.balance == -8000
    outcome = account.open(Open(ORIGIN, "demo", "EURUSD", Decimal("0.01"), BUY), "x")
    assert isinstance(outcome, Refused)
    assert outcome.retcode == Retcode.NO_MONEY


def test_a_closed_market_can_not_be_stopped_out():
    """The state shows it, and any tick after the opening closes."""
    hours = {"EURUSD": SymbolTerms(sessions=weekly({"mon-fri": "00:00-24:00"}))}
    account = make("EURUSD", "GBPUSD", symbol_terms=hours, initial_balance=Decimal(2000))
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC - 3 * DAY_MSC)
    tick(account, 1.2, 1.2, symbol="GBPUSD", time_msc=MONDAY_MSC - 3 * DAY_MSC)
    trade(account, volume="1")
    assert tick(account, 0.98000, 0.98000, time_msc=MONDAY_MSC - DAY_MSC) == []
    assert account.margin_state is MarginState.STOP_OUT
    (deal,) = tick(account, 1.2, 1.2, symbol="GBPUSD", time_msc=MONDAY_MSC)
    assert (deal.cause, deal.symbol) == (Cause.STOP_OUT, "EURUSD")


# --- commission ----------------------------------------------------------------------------------------------------


def test_each_deal_pays_its_commission():
    """Per lot and side, in whole cents, halves away from zero; a part pays for its part."""
    account = make(commission_per_lot=Decimal("3.5"))
    tick(account, 1.00000, 1.00000)
    ticket = trade(account, volume="0.13")
    assert account.deals[-1].commission == Decimal("-0.46")  # 0.455
    assert account.balance == Decimal("9999.54")
    account.close(Close(ORIGIN, "demo", "", ticket, Decimal("0.03")), "c")
    assert account.deals[-1].commission == Decimal("-0.11")  # 0.105
    account.close(Close(ORIGIN, "demo", "", ticket), "c")
    assert account.balance == Decimal("9999.08")
    assert account.balance == 10_000 + sum(deal.profit + deal.commission for deal in account.deals)


def test_a_reversal_pays_for_its_whole_volume_and_a_close_by_for_both_deals():
    """Each is a deal as others are."""
    account = make(commission_per_lot=Decimal(10), margin_mode="netting")
    tick(account, 1.00000, 1.00000)
    trade(account, volume="0.1")
    trade(account, SELL, "0.3")
    assert account.deals[-1].commission == Decimal("-3.00")
    account = make(commission_per_lot=Decimal(10))
    tick(account, 1.00000, 1.00000)
    long, short = trade(account, volume="0.1"), trade(account, SELL, "0.3")
    account.close(Close(ORIGIN, "demo", "", long, by=short), "c")
    assert [deal.commission for deal in account.deals[-2:]] == [Decimal("-1.00"), Decimal("-1.00")]


def test_commission_counts_when_money_is_asked_for():
    """What the margin leaves must pay it."""
    account = make(initial_balance=Decimal(1000), commission_per_lot=Decimal(10))
    tick(account, 1.00000, 1.00000)
    outcome = account.open(Open(ORIGIN, "demo", "EURUSD", Decimal(1), BUY), "x")
    assert isinstance(outcome, Refused)
    assert "commission of 10.00" in outcome.comment
    trade(account, volume="0.99")


# --- swap ----------------------------------------------------------------------------------------------------------


def test_swap_is_charged_at_the_rollover_and_realised_by_the_close():
    """-7.5 points of 0.2 lots are -1.50 USD a night; equity has it at once, the balance with the deal."""
    account = make(rollover=UTC_MIDNIGHT, swaps=("-7.5", "2"))
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + 1)
    ticket = trade(account, volume="0.2")
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + DAY_MSC - 1)
    assert account.positions()[0].swap == 0
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + DAY_MSC)
    assert account.positions()[0].swap == Decimal("-1.50")
    state = account.state()
    assert (state.balance, state.equity, state.profit, account.profit) == (
        10_000,
        Decimal("9998.50"),
        Decimal("-1.50"),
        0,
    )
    account.close(Close(ORIGIN, "demo", "", ticket), "c")
    assert (account.deals[-1].profit, account.deals[-1].swap) == (0, Decimal("-1.50"))
    assert account.balance == Decimal("9998.50")


def test_each_night_counts_once_and_the_triple_day_three_times():
    """From Monday to Monday: Tuesday, Wednesday (3), Thursday, Friday, Monday; by ticks or by time alone."""
    for days in (range(1, 8), [7]):
        account = make(rollover=UTC_MIDNIGHT, swaps=("-10", "10"))
        tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + 1)
        trade(account, BUY, "0.1")
        trade(account, SELL, "0.2")
        for day in days:
            account.pass_time(MONDAY_MSC + day * DAY_MSC)
            account.pass_time(MONDAY_MSC + day * DAY_MSC + 5)
        assert [p.swap for p in account.positions()] == [Decimal("-7.00"), Decimal("14.00")]


def test_a_position_that_was_not_open_at_the_rollover_pays_nothing():
    """Opened after it, it waits for the next one."""
    account = make(rollover=UTC_MIDNIGHT, swaps=("-10", "0"))
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + DAY_MSC)
    trade(account)
    account.pass_time(MONDAY_MSC + 2 * DAY_MSC - 1)
    assert account.swap == 0
    account.pass_time(MONDAY_MSC + 2 * DAY_MSC)
    assert account.swap == Decimal("-3.00")


@pytest.mark.parametrize("parts", [["0.01"] * 6, ["0.03", "0.02", "0.01"]])
def test_the_swap_of_parts_adds_up_to_the_whole(parts):
    """In cents, though the shares are not: 0.07 lots were charged 1 cent."""
    account = make(rollover=UTC_MIDNIGHT, swaps=("-0.2", "0"))
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + 1)
    ticket = trade(account, volume="0.07")
    account.pass_time(MONDAY_MSC + DAY_MSC)
    charged = account.swap
    assert charged == Decimal("-0.01")
    for part in parts:
        account.close(Close(ORIGIN, "demo", "", ticket, Decimal(part)), "c")
    assert account.swap + sum(deal.swap for deal in account.deals) == charged
    account.close(Close(ORIGIN, "demo", "", ticket), "c")
    assert sum(deal.swap for deal in account.deals) == charged
    assert account.balance == 10_000 + charged


def test_swap_is_changed_into_the_account_currency():
    """Points of a yen pair on a dollar account: a charge at the dear side of the rate."""
    account = make("USDJPY", rollover=UTC_MIDNIGHT, swaps=("-20", "0"))
    tick(account, 150.000, 160.000, symbol="USDJPY", time_msc=MONDAY_MSC + 1)
    trade(account, volume="0.1", symbol="USDJPY")
    account.pass_time(MONDAY_MSC + DAY_MSC)
    assert account.swap == Decimal("-1.33")  # 200 yen at 150


def test_swap_can_bring_the_stop_out():
    """Time alone closes."""
    account = make(initial_balance=Decimal(1000), rollover=UTC_MIDNIGHT, swaps=("-500", "0"))
    tick(account, 1.00000, 1.00000, time_msc=MONDAY_MSC + 1)
    trade(account, volume="1")
    (deal,) = account.pass_time(MONDAY_MSC + DAY_MSC)
    assert (deal.cause, deal.swap) == (Cause.STOP_OUT, Decimal("-500.00"))


# --- check ---------------------------------------------------------------------------------------------------------


def test_a_check_says_what_the_account_would_be():
    """MetaTrader 5's fields, with retcode 0; and nothing has changed."""
    account = make(commission_per_lot=Decimal(5))
    tick(account, 1.00000, 1.00010)
    before = account.snapshot()
    request = Open(ORIGIN, "demo", "EURUSD", Decimal(1), BUY)
    check = account.check(request)
    assert account.snapshot() == before
    assert check == TradeCheck(
        retcode=0,
        balance=Decimal("9995.00"),
        equity=Decimal("9985.00"),
        profit=Decimal("-10.00"),
        margin=Decimal("1000.10"),
        margin_free=Decimal("8984.90"),
        margin_level=Decimal("9985.00") / Decimal("1000.10") * 100,
        comment="Done",
    )
    assert isinstance(account.open(request, "t"), Placed)
    assert account.state().margin_free == check.margin_free


def test_a_check_refuses_what_the_account_would_refuse():
    """With its code and comment, and the account as it stands; for all kinds of requests."""
    account = make()
    tick(account, 1.00000, 1.00010)
    check = account.check(Open(ORIGIN, "demo", "EURUSD", Decimal(50), BUY))
    assert (check.retcode, check.margin, check.margin_level) == (Retcode.NO_MONEY, 0, None)
    assert "more margin" in check.comment
    assert account.check(Close(ORIGIN, "demo", "", 5)).retcode == Retcode.POSITION_CLOSED
    assert account.check(Cancel(ORIGIN, "demo", 5)).retcode == Retcode.INVALID


def test_a_check_draws_no_random_number():
    """The slippage that it sees is that of the order after it."""
    terms = {"EURUSD": SymbolTerms(slippage_points=1000)}
    account = make(symbol_terms=terms)
    tick(account, 1.00000, 1.00010)
    request = Open(ORIGIN, "demo", "EURUSD", Decimal(1), BUY)
    checks = [account.check(request) for _ in range(3)]
    account.open(request, "t")
    assert {check.equity for check in checks} == {account.state().equity}
