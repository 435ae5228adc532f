"""Each refusal of the paper account: MetaTrader 5's code, and a comment with the numbers."""

from decimal import Decimal

import attrs
import pytest

from quantmind.adapters.mock import PaperAccount, Terms
from quantmind.domain.orders import Close, Modify, Open, Origin, Placed, Refused, Side
from quantmind.domain.quotes import Quote
from quantmind.domain.retcodes import Retcode, sentence
from quantmind.domain.symbols import usual_spec

ORIGIN = Origin("ea", 7)


def eurusd(stops_level=0):
    return attrs.evolve(usual_spec("EURUSD"), stops_level=stops_level)


@pytest.fixture
def account():
    """10,000 USD at 1:100, EURUSD at 1.08500 / 1.08510 with a stops level of 20 points."""
    account = PaperAccount(Terms(), [eurusd(20), usual_spec("USDJPY"), usual_spec("GBPJPY")])
    account.tick(Quote("EURUSD", 1.08500, 1.08510, 1000))
    return account


def order(symbol="EURUSD", volume="0.1", side=Side.BUY, **more):
    return Open(ORIGIN, "demo", symbol, Decimal(volume), side, **more)


def refusal(account, proposal):
    """The refusal, after a check that it changed nothing."""
    before = account.state(), account.positions(), account.deals
    match proposal:
        case Open():
            outcome = account.open(proposal, "tag")
        case Close():
            outcome = account.close(proposal, "tag")
        case Modify():
            outcome = account.modify(proposal, "tag")
    assert isinstance(outcome, Refused)
    assert before == (account.state(), account.positions(), account.deals)
    assert account.find("tag") is None
    assert "not in MetaTrader 5's list" not in sentence(outcome.retcode)
    assert type(outcome.retcode) is int
    return outcome


def opened(account, **more):
    outcome = account.open(order(**more), "open")
    assert isinstance(outcome, Placed)
    return outcome.ticket


def test_an_order_without_a_side_is_invalid(account):
    """10013: nobody says which way."""
    assert refusal(account, order(side=None)).retcode == Retcode.INVALID


def test_a_symbol_that_is_not_there_is_invalid(account):
    """10013, and the comment names it."""
    outcome = refusal(account, order(symbol="AUDUSD"))
    assert outcome.retcode == Retcode.INVALID
    assert "AUDUSD" in outcome.comment


def test_a_close_of_another_symbol_is_invalid(account):
    """10013: a ticket and a symbol that don't belong together."""
    ticket = opened(account)
    assert refusal(account, Close(ORIGIN, "demo", "USDJPY", ticket)).retcode == Retcode.INVALID


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        ("0.001", "0.01"),
        ("0", "0.01"),
        ("-0.1", "0.01"),
        ("100.01", "100"),
        ("0.015", "steps of 0.01"),
        ("NaN", "not a volume"),
        ("Infinity", "not a volume"),
        ("1E+30", "100"),
    ],
)
def test_a_volume_off_the_grid_is_refused(account, volume, said):
    """10014 for too little, too much, between two steps, and what is no number."""
    outcome = refusal(account, order(volume=volume))
    assert outcome.retcode == Retcode.INVALID_VOLUME
    assert said in outcome.comment


@pytest.mark.parametrize("field", ["price", "sl", "tp"])
@pytest.mark.parametrize("value", ["-1", "1.084005", "NaN", "Infinity", "1E+15"])
def test_a_level_that_is_no_price_is_refused(account, field, value):
    """10015 for a price below 0, between two ticks, or that is no number."""
    assert refusal(account, order(**{field: Decimal(value)})).retcode == Retcode.INVALID_PRICE


def test_the_comment_of_a_price_between_ticks_offers_the_nearest(account):
    """The way out stands in the comment."""
    assert "1.08412" in refusal(account, order(sl=Decimal("1.084124"))).comment


@pytest.mark.parametrize(
    ("side", "stops"),
    [
        (Side.BUY, {"sl": "1.08500"}),  # at the bid: it would trigger at once
        (Side.BUY, {"sl": "1.08505"}),  # between bid and ask
        (Side.BUY, {"tp": "1.08500"}),
        (Side.SELL, {"sl": "1.08510"}),  # at the ask
        (Side.SELL, {"sl": "1.08505"}),
        (Side.SELL, {"tp": "1.08510"}),
        (Side.BUY, {"sl": "1.08481"}),  # 19 points from the bid, 20 are wanted
        (Side.BUY, {"tp": "1.08519"}),
        (Side.SELL, {"sl": "1.08529"}),
        (Side.SELL, {"tp": "1.08491"}),
    ],
)
def test_stops_on_the_wrong_side_or_too_near_are_refused(account, side, stops):
    """10016: stops of a buy are measured from the bid, those of a sell from the ask."""
    stops = {key: Decimal(value) for key, value in stops.items()}
    outcome = refusal(account, order(side=side, **stops))
    assert outcome.retcode == Retcode.INVALID_STOPS
    assert str(next(iter(stops.values()))) in outcome.comment
    ticket = opened(account, side=side)
    moved = {f"new_{key}": value for key, value in stops.items()}
    assert refusal(account, Modify(ORIGIN, "demo", ticket, **moved)).retcode == Retcode.INVALID_STOPS


@pytest.mark.parametrize(("side", "sl", "tp"), [(Side.BUY, "1.08480", "1.08520"), (Side.SELL, "1.08530", "1.08490")])
def test_stops_at_the_stops_level_are_taken(account, side, sl, tp):
    """Exactly 20 points away is far enough."""
    assert isinstance(account.open(order(side=side, sl=Decimal(sl), tp=Decimal(tp)), "t"), Placed)


def test_too_little_free_margin_is_refused(account):
    """10019: 9.22 lots need 10,004.62 USD at 1:100, 9.21 lots 9,993.77."""
    outcome = refusal(account, order(volume="9.22"))
    assert outcome.retcode == Retcode.NO_MONEY
    assert "10004.62" in outcome.comment
    assert "10000.00" in outcome.comment
    assert isinstance(account.open(order(volume="9.21"), "t"), Placed)


def test_no_tick_yet_is_no_price(account):
    """10021: a symbol without a tick can't be traded."""
    outcome = refusal(account, order(symbol="USDJPY"))
    assert outcome.retcode == Retcode.PRICE_OFF
    assert "USDJPY" in outcome.comment


def test_no_rate_to_the_account_currency_is_refused_and_says_what_is_missing(account):
    """10021: GBPJPY on a USD account needs USDJPY and GBPUSD; its own price is no substitute."""
    account.tick(Quote("GBPJPY", 190.500, 190.520, 1000))
    outcome = refusal(account, order(symbol="GBPJPY"))
    assert outcome.retcode == Retcode.PRICE_OFF
    assert "GBPUSD" in outcome.comment
    account = PaperAccount(Terms(), [usual_spec(name) for name in ("GBPJPY", "GBPUSD")])
    account.tick(Quote("GBPJPY", 190.500, 190.520, 1000))
    account.tick(Quote("GBPUSD", 1.27000, 1.27010, 1000))
    outcome = refusal(account, order(symbol="GBPJPY"))
    assert outcome.retcode == Retcode.PRICE_OFF
    assert "USDJPY" in outcome.comment


def test_a_change_of_nothing_is_refused(account):
    """10025, whether the same levels are sent or none."""
    ticket = opened(account, sl=Decimal("1.08000"))
    for proposal in (
        Modify(ORIGIN, "demo", ticket),
        Modify(ORIGIN, "demo", ticket, new_sl=Decimal("1.08")),
        Modify(ORIGIN, "demo", ticket, new_tp=Decimal(0)),
    ):
        assert refusal(account, proposal).retcode == Retcode.NO_CHANGES


def test_a_position_that_is_closed_is_refused(account):
    """10036 for a ticket that is gone or never was, closing and changing."""
    ticket = opened(account)
    assert isinstance(account.close(Close(ORIGIN, "demo", "EURUSD", ticket), "c"), Placed)
    for gone in (ticket, 42, 0, -1):
        assert refusal(account, Close(ORIGIN, "demo", "EURUSD", gone)).retcode == Retcode.POSITION_CLOSED
        assert refusal(account, Modify(ORIGIN, "demo", gone, new_sl=Decimal("1.08"))).retcode == Retcode.POSITION_CLOSED


def test_more_than_is_open_can_not_be_closed(account):
    """10038, with both volumes in the comment."""
    ticket = opened(account, volume="0.10")
    outcome = refusal(account, Close(ORIGIN, "demo", "EURUSD", ticket, Decimal("0.11")))
    assert outcome.retcode == Retcode.INVALID_CLOSE_VOLUME
    assert "0.11" in outcome.comment
    assert "0.10" in outcome.comment


@pytest.mark.parametrize("volume", ["0", "-0.05", "0.055", "0.001", "NaN", "sNaN", "Infinity"])
def test_a_part_that_is_no_volume_can_not_be_closed(account, volume):
    """10014: a part keeps to the volume grid."""
    ticket = opened(account)
    assert refusal(account, Close(ORIGIN, "demo", "EURUSD", ticket, Decimal(volume))).retcode == Retcode.INVALID_VOLUME
