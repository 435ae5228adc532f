"""The trading conditions of a paper account: how each is written, what contradicts another, what becomes of it."""

from datetime import time
from decimal import Decimal

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock import build
from quantmind.adapters.mock.rollover import Rollover
from quantmind.adapters.mock.symbol_terms import OrderKind, Slip
from quantmind.config import MockBrokerConfig, loads
from quantmind.config.hours import ClockTime, SessionDays, SessionHours, ZoneName
from quantmind.config.kinds import Refused
from quantmind.config.tree import Scalar
from quantmind.domain.orders import Filling
from quantmind.domain.symbols import Execution, TradeMode

EXAMPLES = examples(2_000, 500)
ONE = "brokers: {demo: {type: mt5_mock, %s}}"
SYMBOL = "brokers: {demo: {type: mt5_mock, %s, symbols: {EURUSD: {%s}}}}"


def account_of(read, text):
    return build(read(ONE % text).brokers["demo"]).account


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "stop_out_percent: 120",
            (
                "stop_out_percent: stop_out_percent (120) must be at most margin_call_percent (100), or the account "
                "would be closed before it is warned; correct one of them"
            ),
        ),
        (
            "margin_call_percent: 20",
            (
                "margin_call_percent: stop_out_percent (50) must be at most margin_call_percent (20), or the account "
                "would be closed before it is warned; correct one of them"
            ),
        ),
        (
            "sessions: {mon-fri: 9-17}",
            (
                "sessions.mon-fri: must be hours such as 09:00-17:30, several with commas, was 9-17; "
                "write 09:00-17:30, more than one with commas"
            ),
        ),
        (
            'sessions: {mon-fri: "09:00-09:00"}',
            (
                'sessions.mon-fri: must be hours such as 09:00-17:30, several with commas, was "09:00-09:00"; '
                "write 00:00-24:00 for the whole day"
            ),
        ),
        (
            'sessions: {monday: "09:00-17:00"}',
            (
                "sessions.monday: the name of a session must be days: mon, tue, wed, thu, fri, sat or sun, a range "
                "such as mon-fri, or several with commas"
            ),
        ),
        (
            'sessions: {mon-fri: "09:00-17:00", wed: "10:00-11:00"}',
            'sessions: wed stands in "mon-fri" and in "wed": name each day once',
        ),
        (
            "sessions_zone: Europe/Lodnon",
            (
                'sessions_zone: must be a time zone such as America/New_York or UTC, was "Europe/Lodnon"; '
                'did you mean "Europe/London"?'
            ),
        ),
        ("swap: {time: 25:00}", 'swap.time: must be a time from 00:00 to 23:59, was "25:00"'),
        (
            "swap: {triple_day: wensday}",
            (
                "swap.triple_day: must be monday, tuesday, wednesday, thursday, friday, "
                'saturday or sunday, was "wensday"; did you mean "wednesday"?'
            ),
        ),
        ("swap: {tiem: 17:00}", 'swap.tiem: unknown key; did you mean "time"?'),
        ("swap: 3", 'swap: must be a mapping ("key: value"), was 3'),
        (
            "requotes: 0.1",
            'requotes: 0.1 never happens: only instant execution has requotes; write "execution: instant", or 0',
        ),
        ("requotes: 1.5, execution: instant", "requotes: must be a number from 0 to 1, was 1.5"),
        ("filling: []", "filling: without filling modes no order could be traded; write [fok, ioc], or remove the key"),
        ("filling: [return]", 'filling.1: must be fok or ioc, was "return"'),
        (
            "fill_volume_max: 0.001",
            "fill_volume_max: must be at least volume_min, which is 0.01 for EURUSD, was 0.001; correct one of them",
        ),
        ("execution_seed: -1", f"execution_seed: must be a whole number from 0 to {2**63 - 1}, was -1"),
    ],
)
def test_a_condition_that_can_not_be_kept_is_a_fault(report, text, fault):
    """With line, key, value and way out, like each other fault."""
    found = report(ONE % text)
    assert [each.split(";")[0] if "filling.1" in each else each for each in found] == [f"1: brokers.demo.{fault}"]


@pytest.mark.parametrize(
    ("broker", "symbol", "fault"),
    [
        (
            "leverage: 30",
            "swap_long: -5.2",
            'swap_long: -5.2 is never charged: the broker has no "swap"; write "swap: {}" for it, or remove this',
        ),
        (
            "swap: null",
            "swap_short: 1",
            'swap_short: 1 is never charged: the broker has no "swap"; write "swap: {}" for it, or remove this',
        ),
        (
            "execution: instant, requotes: 0.5",
            "execution: market, requotes: 0.2",
            'requotes: 0.2 never happens: only instant execution has requotes; write "execution: instant", or 0',
        ),
        (
            "leverage: 30",
            "order_types: []",
            "order_types: without order types no order could be traded; write [market], or remove the key",
        ),
        (
            "fill_volume_max: 5",
            "fill_volume_max: 0.5, volume_min: 1",
            "fill_volume_max: must be at least volume_min, which is 1 for EURUSD, was 0.5; correct one of them",
        ),
        (
            "leverage: 30",
            'sessions: {mon: "22:00-06:00", tue: "05:00-07:00"}',
            'sessions: "mon 22:00-06:00" and "tue 05:00-07:00" overlap: let one end before the next begins',
        ),
    ],
)
def test_a_symbols_condition_that_can_not_be_kept_is_a_fault(report, broker, symbol, fault):
    """What its broker says counts where it says nothing."""
    found = [each for each in report(SYMBOL % (broker, symbol)) if ".symbols." in each]
    assert found == [f"1: brokers.demo.symbols.EURUSD.{fault}"]


@pytest.mark.parametrize(
    "text",
    [
        "swap: {}",
        "swap: null",
        "swap:",
        "sessions: {}",
        "swap: {time: 0:00, zone: UTC, triple_day: friday}, symbols: {EURUSD: {swap_long: -1, swap_short: 0.5}}",
        "symbols: {EURUSD: {swap_long: 0}}",
        "requotes: 0",
        "requotes: 0.5, symbols: {EURUSD: {execution: instant}, USDJPY: {}}",
        "margin_call_percent: 20, stop_out_percent: 20",
        "margin_mode: netting, commission_per_lot: 3.5, persist: true",
        'sessions: {mon-thu: "00:05-23:55", fri: "00:05-12:00, 13:00-22:00"}, sessions_zone: Europe/Athens',
    ],
)
def test_conditions_that_go_together(report, text):
    """Each of these is a broker that may be."""
    assert report(ONE % text) == []


def test_what_is_said_reaches_the_account(read):
    """Key by key."""
    account = account_of(
        read,
        "margin_mode: netting, commission_per_lot: 3.5, margin_call_percent: 80, stop_out_percent: 20, "
        "max_pending_orders: 7, execution_seed: 9, swap: {time: 22:00, zone: UTC, triple_day: friday}, "
        "execution: instant, requotes: 0.1, requote_points: 3, slippage: 2, slippage_side: both, fill_volume_max: 5, "
        'filling: [ioc], sessions: {mon: "01:00-02:00"}, sessions_zone: America/New_York, '
        "symbols: {EURUSD: {swap_long: -5.2, swap_short: 1.1, trade_mode: close_only, freeze_level: 4, "
        "order_types: [market, sl], slippage: 0, execution: market, filling: [fok, ioc], sessions: {}}, USDJPY: {}}",
    )
    terms, euro, yen = account.terms, account.market.specs["EURUSD"], account.market.specs["USDJPY"]

    assert (terms.margin_mode, terms.commission_per_lot, terms.max_pending_orders) == ("netting", Decimal("3.5"), 7)
    assert (terms.margin_call_percent, terms.stop_out_percent, terms.execution_seed) == (80, 20, 9)
    assert isinstance(terms.rollover, Rollover)
    assert (terms.rollover.at, str(terms.rollover.zone), terms.rollover.triple_day) == (time(22), "UTC", 4)
    assert (euro.swap_long, euro.swap_short, euro.freeze_level) == (Decimal("-5.2"), Decimal("1.1"), 4)
    assert (euro.trade_mode, euro.execution) == (TradeMode.CLOSE_ONLY, Execution.MARKET)
    assert (yen.trade_mode, yen.execution) == (TradeMode.FULL, Execution.INSTANT)
    assert (euro.fillings, yen.fillings) == ({Filling.FOK, Filling.IOC}, {Filling.IOC})
    euro_terms, yen_terms = account.terms_of("EURUSD"), account.terms_of("USDJPY")
    assert euro_terms.order_kinds == {OrderKind.MARKET, OrderKind.SL}
    assert (euro_terms.slippage_points, yen_terms.slippage_points) == (0, 2)
    assert (euro_terms.sessions.ranges, yen_terms.sessions.ranges) == ((), ((60, 120),))
    assert str(yen_terms.sessions.zone) == "America/New_York"
    assert (yen_terms.requote_probability, yen_terms.requote_points, yen_terms.slippage_side) == (0.1, 3, Slip.BOTH)
    assert yen_terms.fill_volume_max == 5


def test_by_default_the_account_is_what_it_was(read):
    """Market execution at the last price, at any hour, without charges."""
    account = account_of(read, "leverage: 100")
    default = build(MockBrokerConfig(name="demo")).account

    assert account.terms_of("EURUSD") == default.terms_of("EURUSD")
    assert account.terms.rollover is None
    assert (account.terms.commission_per_lot, account.terms.margin_mode) == (0, "hedging")
    assert account.terms_of("EURUSD").sessions.is_open(0)
    assert (account.terms.margin_call_percent, account.terms.stop_out_percent) == (100, 50)


@given(
    st.text(st.characters(codec=None), max_size=80), st.sampled_from([SessionDays, SessionHours, ClockTime, ZoneName])
)
@settings(max_examples=EXAMPLES)
def test_any_text_is_a_value_or_refused(text, kind):
    """No kind lets another error out, and what it takes it takes again."""
    scalar = Scalar(line=1, text=text, plain=True)
    try:
        value = kind().parse(scalar)
    except Refused:
        return
    assert value == text


def test_a_configuration_with_all_of_it_can_be_shown(read):
    """`check --json` has every key as plain values."""
    config = read(ONE % 'swap: {}, sessions: {mon: "01:00-02:00"}, symbols: {EURUSD: {sessions: {}, filling: [ioc]}}')
    shown = config.describe()["brokers"]["demo"]

    assert shown["swap"] == {"time": "17:00", "zone": "America/New_York", "triple_day": "wednesday"}
    assert shown["sessions"] == {"mon": "01:00-02:00"}
    assert shown["symbols"]["EURUSD"]["filling"] == ["ioc"]
    assert loads(ONE % "swap: null", name="b.yaml", environ={}).describe()["brokers"]["demo"]["swap"] is None
