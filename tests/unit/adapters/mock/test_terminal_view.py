"""Trading a paper account by MetaTrader's requests: each action, each refusal, and any request at all."""

from __future__ import annotations

import math
from decimal import Decimal

import attrs
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.mock.account import PaperAccount
from quantmind.adapters.mock.rollover import Rollover
from quantmind.adapters.mock.symbol_terms import SymbolTerms
from quantmind.adapters.mock.terminal_view import InvalidRequest, TerminalView
from quantmind.adapters.mock.terminal_view.numbers import price_of, shown_price, volume_of
from quantmind.adapters.mock.terminal_view.request import TradeRequest
from quantmind.adapters.mock.terms import Terms
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import Execution, TradeMode, usual_spec

EXAMPLES = examples(1_000, 200)
NOW_MSC = 1_795_424_400_000  # 2026-11-23T09:00:00Z
NOW = NOW_MSC // 1000
EURUSD = usual_spec("EURUSD")
BUY = {"action": 1, "symbol": "EURUSD", "volume": 0.1, "type": 0, "type_filling": 0}
SELL = {**BUY, "type": 1}
LIMIT = {"action": 5, "symbol": "EURUSD", "volume": 0.1, "type": 2, "price": 1.08, "type_filling": 2}


def make(spec=EURUSD, symbol_terms=None, offset_s=0, **terms):
    specs = [spec, usual_spec("USDJPY"), usual_spec("GBPUSD")]
    account = PaperAccount(Terms(**terms), specs, symbol_terms)
    account.tick(Quote("EURUSD", 1.085, 1.0851, NOW_MSC))
    account.tick(Quote("USDJPY", 150.0, 150.02, NOW_MSC))
    return TerminalView(account, offset_s=offset_s)


def done(view, request):
    result = view.order_send(request)
    assert result["retcode"] == 10009, (result, view.reason)
    assert view.reason is None
    return result


def test_open_close_and_the_history_of_both():
    """A round trip costs the spread: 1 USD on 0.1 lots."""
    view = make()
    opened = done(view, {**BUY, "magic": 7, "comment": "c"})
    (position,) = view.positions_get()
    assert (position["ticket"], position["type"], position["reason"]) == (opened["order"], 0, 3)
    closed = done(view, {**SELL, "position": position["ticket"]})

    assert view.positions_get() == ()
    entry, leave = view.history_deals_get(position=position["ticket"])
    assert (entry["ticket"], leave["ticket"]) == (opened["deal"], closed["deal"])
    assert (entry["entry"], leave["entry"], leave["type"], leave["profit"]) == (0, 1, 1, -1.0)
    assert view.history_deals_get(ticket=closed["order"]) == (leave,)
    assert view.history_deals_get(NOW, NOW) == (entry, leave)
    assert view.history_deals_get(NOW + 1, NOW + 2) == ()
    assert view.history_deals_get(NOW, NOW, group="*JPY*") == ()
    assert view.history_deals_get() is None
    assert view.account_info()["balance"] == 9999.0


def test_a_part_of_a_position():
    """By the opposite type, its ticket and a smaller volume."""
    view = make()
    ticket = done(view, BUY)["order"]
    done(view, {**SELL, "position": ticket, "volume": 0.04})

    assert view.positions_get(ticket=ticket)[0]["volume"] == 0.06


def test_stops_are_both_replaced():
    """A take profit that is left out is removed, as on a server."""
    view = make()
    ticket = done(view, {**BUY, "sl": 1.08, "tp": 1.09})["order"]
    done(view, {"action": 6, "position": ticket, "sl": 1.081})

    (position,) = view.positions_get()
    assert (position["sl"], position["tp"]) == (shown_price(Decimal("1.081")), 0.0)


def test_a_netting_account_knows_the_position_by_its_symbol():
    """SLTP without a ticket; an opposite deal makes it smaller and turns it."""
    view = make(margin_mode="netting")
    done(view, BUY)
    done(view, {"action": 6, "symbol": "EURUSD", "sl": 1.08})
    done(view, {**SELL, "volume": 0.3})

    (position,) = view.positions_get(symbol="EURUSD")
    assert (position["type"], position["volume"]) == (1, 0.2)
    assert view.history_deals_get(NOW, NOW)[-1]["entry"] == 2
    assert view.account_info()["margin_mode"] == 0


def test_a_pending_order_is_placed_changed_and_removed():
    """With the numbers of each."""
    view = make(offset_s=7200)
    order = done(view, {**LIMIT, "type_time": 2, "expiration": NOW + 7200 + 60})["order"]
    (shown,) = view.orders_get()
    assert (shown["ticket"], shown["type"], shown["state"], shown["type_time"]) == (order, 2, 1, 2)
    assert (shown["time_setup"], shown["time_expiration"]) == (NOW + 7200, NOW + 7200 + 60)
    assert shown["price_current"] == shown_price(Decimal("1.0851"))
    changed = done(view, {"action": 7, "order": order, "price": 1.079, "sl": 1.07})
    assert (changed["order"], changed["deal"]) == (order, 0)
    (shown,) = view.orders_get(symbol="EURUSD")
    assert (shown["price_open"], shown["sl"], shown["time_expiration"]) == (
        shown_price(Decimal("1.079")),
        shown_price(Decimal("1.07")),
        0,
    )
    assert done(view, {"action": 8, "order": order})["order"] == order
    assert view.orders_get() == ()


@pytest.mark.parametrize(
    ("more", "expires"),
    [
        ({"type_time": 1}, "2026-11-23T21:59:59"),
        ({"type_time": 3, "expiration": NOW + 7200 + 86_400}, "2026-11-24T21:59:59"),
    ],
)
def test_a_day_ends_on_the_servers_clock(more, expires):
    """Two hours ahead of UTC it ends at 22:00 UTC."""
    from datetime import UTC, datetime

    view = make(offset_s=7200)
    done(view, {**LIMIT, **more})

    (order,) = view.account.orders()
    assert order.expiration_msc == datetime.fromisoformat(expires).replace(tzinfo=UTC).timestamp() * 1000


def test_close_by():
    """Two opposite positions of a hedging account against each other, without a spread."""
    view = make()
    first, second = done(view, BUY)["order"], done(view, SELL)["order"]
    result = done(view, {"action": 10, "position": first, "position_by": second})

    assert result["deal"] > 0
    assert view.positions_get() == ()
    assert [deal["entry"] for deal in view.history_deals_get(NOW, NOW)] == [0, 0, 3, 3]


@pytest.mark.parametrize(
    ("request_", "retcode", "comment"),
    [
        ({}, 10013, "Invalid request"),
        ({"action": 2}, 10013, "Invalid request"),
        ({**BUY, "symbol": "NOPE"}, 10013, "Invalid request"),
        ({**BUY, "type": 2}, 10013, "Invalid request"),
        ({**BUY, "volume": 0.0}, 10014, "Invalid volume"),
        ({**BUY, "volume": 0.015}, 10014, "Invalid volume"),
        ({**BUY, "sl": 1.2}, 10016, "Invalid stops"),
        ({**BUY, "sl": 1.0700005}, 10015, "Invalid price"),
        ({**BUY, "symbol": "GBPUSD"}, 10021, "No prices"),
        ({**BUY, "volume": 100.0}, 10019, "No money"),
        ({**BUY, "type_filling": 2}, 10030, "Unsupported filling mode"),
        ({**BUY, "type_filling": 3}, 10030, "Unsupported filling mode"),
        ({**LIMIT, "type": 0}, 10035, "Invalid order"),
        ({**LIMIT, "type": 6}, 10035, "Invalid order"),
        ({**LIMIT, "price": 1.2}, 10015, "Invalid price"),
        ({**LIMIT, "type_time": 2}, 10022, "Invalid expiration"),
        ({**LIMIT, "type_time": 2, "expiration": NOW - 1}, 10022, "Invalid expiration"),
        ({**LIMIT, "type_time": 9}, 10022, "Invalid expiration"),
        ({**SELL, "position": 5}, 10036, "Position doesn't exist"),
        ({"action": 6, "position": 5}, 10036, "Position doesn't exist"),
        ({"action": 7, "order": 5, "price": 1.0}, 10013, "Invalid request"),
        ({"action": 8, "order": 5}, 10013, "Invalid request"),
        ({"action": 10, "position": 5, "position_by": 6}, 10036, "Position doesn't exist"),
    ],
)
def test_refusals_have_a_servers_code_and_words_and_our_reason(request_, retcode, comment):
    """Nothing changes, and `order_check` says the same before."""
    view = make()
    before = view.account.snapshot()
    checked = view.order_check(request_)
    assert (checked["retcode"], checked["comment"]) == (retcode, comment)
    assert view.reason
    result = view.order_send(request_)

    assert (result["retcode"], result["comment"]) == (retcode, comment)
    assert (result["deal"], result["order"], result["volume"], result["price"]) == (0, 0, 0.0, 0.0)
    assert view.reason
    assert view.account.snapshot() == before


def test_the_same_side_closes_nothing():
    """A buy with the ticket of a long position is a slip of somebody who wanted to close it."""
    view = make()
    ticket = done(view, BUY)["order"]

    assert view.order_send({**BUY, "position": ticket})["retcode"] == 10013
    assert len(view.positions_get()) == 1


def test_a_requote_names_the_new_prices():
    """Instant execution: beyond the deviation, with bid and ask."""
    view = make(attrs.evolve(EURUSD, execution=Execution.INSTANT))
    result = view.order_send({**BUY, "price": 1.0849, "deviation": 10})

    assert (result["retcode"], result["comment"], result["bid"], result["ask"]) == (10004, "Requote", 1.085, 1.0851)
    assert done(view, {**BUY, "price": 1.0849, "deviation": 20})["price"] == shown_price(Decimal("1.0851"))


def test_a_partial_fill_is_10010():
    """With the volume that there was."""
    view = make(symbol_terms={"EURUSD": SymbolTerms(fill_volume_max=Decimal("0.04"))})
    result = view.order_send({**BUY, "type_filling": 1})

    assert (result["retcode"], result["volume"]) == (10010, 0.04)
    assert result["comment"] == "Request executed partially"


def test_a_check_says_what_would_be():
    """Its retcode is 0 and not 10009; nothing is traded."""
    view = make()
    checked = view.order_check(BUY)

    assert (checked["retcode"], checked["comment"]) == (0, "Done")
    assert (checked["balance"], checked["margin"], checked["equity"]) == (10000.0, 108.51, 9999.0)
    assert checked["margin_free"] == 9999.0 - 108.51
    assert view.positions_get() == ()
    assert checked["request"] == attrs.asdict(TradeRequest(**BUY))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("volume", "0.1"),
        ("volume", None),
        ("volume", True),
        ("volume", math.nan),
        ("price", math.inf),
        ("action", 1.0),
        ("magic", -1),
        ("order", 2**64),
        ("comment", 5),
        ("symbol", None),
        ("volum", 0.1),
    ],
)
def test_a_malformed_request_is_no_request(field, value):
    """The package returns None for it; the error names the field."""
    view = make()
    for call in (view.order_send, view.order_check):
        with pytest.raises(InvalidRequest, match=field) as caught:
            call({**BUY, field: value})
        assert caught.value.field == field
    assert view.next_request_id == 1


def test_what_there_is_none_of_is_none():
    """A symbol that is not there, a tick before the first, a calculation without a rate."""
    view = make()
    assert view.symbol_info("NOPE") is None
    assert view.symbol_info_tick("GBPUSD") is None
    assert view.symbol_info("GBPUSD")["bid"] == 0.0
    assert view.order_calc_margin(0, "NOPE", 1.0, 1.0) is None
    assert view.order_calc_margin(0, "GBPUSD", 1.0, 1.2) is None
    assert view.order_calc_margin(2, "EURUSD", 1.0, 1.2) is None
    assert view.order_calc_margin(0, "EURUSD", -1.0, 1.2) is None
    assert view.order_calc_profit(0, "EURUSD", 1.0, math.nan, 1.2) is None


def test_calculations():
    """A lot of USDJPY is 100,000 USD at 1:100; 100 points of a yen pair are 10,000 JPY, a loss at the dear side."""
    view = make()
    assert view.order_calc_margin(0, "USDJPY", 1.0, 150.02) == 1000.0
    assert view.order_calc_profit(0, "EURUSD", 0.1, 1.08, 1.09) == 100.0
    assert view.order_calc_profit(1, "EURUSD", 0.1, 1.08, 1.09) == -100.0
    assert view.order_calc_profit(0, "USDJPY", 1.0, 150.0, 150.1) == 66.66
    assert view.order_calc_profit(1, "USDJPY", 1.0, 150.0, 150.1) == -66.67


@pytest.mark.parametrize(
    ("group", "names"),
    [
        (None, ["EURUSD", "USDJPY", "GBPUSD"]),
        ("*", ["EURUSD", "USDJPY", "GBPUSD"]),
        ("*USD", ["EURUSD", "GBPUSD"]),
        ("*,!*JPY*", ["EURUSD", "GBPUSD"]),
        ("!EUR*", ["USDJPY", "GBPUSD"]),
        ("EUR*, USD*", ["EURUSD", "USDJPY"]),
        ("X*", []),
    ],
)
def test_groups(group, names):
    """Masks, several with commas, and `!` for all but."""
    assert [each["name"] for each in make().symbols_get(group)] == names


def test_a_symbol_says_how_it_is_traded():
    """Swap, its triple day counted from Sunday, trade mode, execution, filling mask."""
    spec = attrs.evolve(EURUSD, swap_long=Decimal("-5.2"), trade_mode=TradeMode.LONG_ONLY, execution=Execution.INSTANT)
    info = make(spec, rollover=Rollover(triple_day=4)).symbol_info("EURUSD")

    assert (info["swap_mode"], info["swap_long"], info["swap_short"], info["swap_rollover3days"]) == (1, -5.2, 0.0, 5)
    assert (info["trade_mode"], info["trade_exemode"], info["filling_mode"], info["order_mode"]) == (1, 1, 3, 119)
    assert (info["spread"], info["trade_tick_value"], info["time"]) == (10, 1.0, NOW)
    assert make(spec).symbol_info("EURUSD")["swap_mode"] == 0


def test_the_account_shows_its_margin():
    """A level only while something holds margin."""
    view = make()
    assert view.account_info()["margin_level"] == 0.0
    done(view, BUY)
    info = view.account_info()
    assert (info["margin"], info["equity"], info["margin_so_call"], info["margin_so_so"]) == (
        108.51,
        9999.0,
        100.0,
        50.0,
    )
    assert info["margin_level"] == pytest.approx(9999.0 / 108.51 * 100)


@given(st.floats(0.0001, 100_000), st.sampled_from(["EURUSD", "USDJPY", "XAUUSD"]))
@settings(max_examples=EXAMPLES)
def test_a_price_goes_there_and_back(value, name):
    """Whatever the doubles of a terminal look like, they mean the price that they came from."""
    spec = usual_spec(name)
    price = spec.round_price(Decimal(repr(value)))
    assert price_of(shown_price(price), spec) == price
    assert price_of(float(price), spec) == price
    assert volume_of(float(Decimal("0.1") * 3) + 1e-17) == Decimal("0.3")


SOME = st.one_of(
    st.integers(-1, 11),
    st.integers(),
    st.floats(),
    st.sampled_from([0.1, 1.085, 1.08, 1.09, 150.0, 1e308, -0.0]),
    st.sampled_from(["", "EURUSD", "USDJPY", "x"]),
    st.text(max_size=5),
    st.booleans(),
    st.none(),
)
TICKETS = st.integers(999_999, 1_000_006)
REQUESTS = st.fixed_dictionaries(
    {"action": st.sampled_from([1, 5, 6, 7, 8, 10]), "symbol": st.sampled_from(["EURUSD", "USDJPY"])},
    optional={
        "type": st.integers(0, 8),
        "volume": st.sampled_from([0.1, 0.2, 0.05, 1e9]) | st.floats(-1, 10),
        "price": st.sampled_from([0.0, 1.08, 1.0851, 1.09, 150.0]) | st.floats(),
        "sl": st.sampled_from([0.0, 1.07, 1.1]) | st.floats(0, 2),
        "tp": st.sampled_from([0.0, 1.07, 1.1]) | st.floats(0, 2),
        "type_filling": st.integers(0, 4),
        "type_time": st.integers(0, 4),
        "expiration": st.integers(0, 2**64 - 1) | st.integers(NOW, NOW + 10**6),
        "deviation": st.integers(0, 2**64 - 1),
        "magic": st.integers(0, 2**64 - 1),
        "order": TICKETS,
        "position": TICKETS | st.just(0),
        "position_by": TICKETS,
        "comment": st.text(max_size=40),
    },
)


@given(st.lists(REQUESTS, max_size=6), st.dictionaries(st.sampled_from(list(attrs.fields_dict(TradeRequest))), SOME))
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_request_has_a_result_or_is_malformed(requests, wild):
    """Never another error; the check says beforehand what the send says; money and positions stay consistent."""
    view = make(offset_s=7200)
    for request in [*requests, wild]:
        try:
            checked = view.order_check(request)
            result = view.order_send(request)
        except InvalidRequest:
            continue
        assert result["retcode"] in ([checked["retcode"]] if checked["retcode"] else [10009, 10010])
        assert (result["retcode"] in (10009, 10010)) == (view.reason is None)
    account = view.account_info()
    assert account["equity"] == pytest.approx(account["balance"] + account["profit"])
    assert len(view.positions_get()) == len(view.account.positions())
    assert all(order["volume_current"] > 0 for order in view.orders_get())
