"""Spot's answers and events as records; the payloads are those of binance-spot-api-docs (2026-07), shortened."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_fuzz import reads_or_faults, refused, spoiled

from quantmind.adapters.binance import spot_wire
from quantmind.adapters.binance.errors import OutcomeUnknown
from quantmind.adapters.binance.records import (
    Balance,
    BalancesSaid,
    Ended,
    Fill,
    Life,
    Order,
    OrderSaid,
    OtherSaid,
    SpotAccount,
)
from quantmind.adapters.binance.ws_wire import Used, subscription_id
from quantmind.domain.orders import Side

D = Decimal

ACCOUNT = {
    "canTrade": True,
    "updateTime": 123456789,
    "balances": [
        {"asset": "BTC", "free": "4723846.89208129", "locked": "0.50000000"},
        {"asset": "LTC", "free": "4763368.68006011", "locked": "0.00000000"},
    ],
    "uid": 354937868,
}
ORDER = {
    "symbol": "LTCBTC",
    "orderId": 1,
    "orderListId": -1,
    "clientOrderId": "myOrder1",
    "price": "0.1",
    "origQty": "1.0",
    "executedQty": "0.5",
    "cummulativeQuoteQty": "0.04",
    "status": "PARTIALLY_FILLED",
    "type": "STOP_LOSS_LIMIT",
    "side": "BUY",
    "stopPrice": "0.2",
    "time": 1499827319559,
    "updateTime": 1499827319560,
}
PLACED = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": "6gCrw2kRUAF9CvJDGP16IP",
    "transactTime": 1507725176595,
    "price": "0.00000000",
    "origQty": "6.00000000",
    "executedQty": "6.00000000",
    "cummulativeQuoteQty": "23995.00000000",
    "status": "FILLED",
    "type": "MARKET",
    "side": "SELL",
    "fills": [
        {"price": "4000.0", "qty": "1.0", "commission": "4.0", "commissionAsset": "USDT", "tradeId": 56},
        {"price": "3999.0", "qty": "5.0", "commission": "19.995", "commissionAsset": "USDT", "tradeId": 57},
    ],
}
CANCELLED = {
    "symbol": "LTCBTC",
    "origClientOrderId": "myOrder1",
    "orderId": 4,
    "orderListId": -1,
    "clientOrderId": "cancelMyOrder1",
    "transactTime": 1684804350068,
    "price": "2.00000000",
    "origQty": "1.00000000",
    "executedQty": "0.00000000",
    "cummulativeQuoteQty": "0.00000000",
    "status": "CANCELED",
    "type": "LIMIT",
    "side": "BUY",
}
LIST = {"orderListId": 7, "contingencyType": "OCO", "orderReports": [CANCELLED, CANCELLED | {"orderId": 5}]}
LISTS = [
    {
        "orderListId": 31,
        "contingencyType": "OCO",
        "listStatusType": "EXEC_STARTED",
        "listOrderStatus": "EXECUTING",
        "listClientOrderId": "wuB13fmulKj3YjdqWEcsnp",
        "transactionTime": 1565246080644,
        "symbol": "LTCBTC",
        "orders": [{"symbol": "LTCBTC", "orderId": 4, "clientOrderId": "a"}],
    }
]
TRADES = [
    {
        "symbol": "BNBBTC",
        "id": 28457,
        "orderId": 100234,
        "price": "4.00000100",
        "qty": "12.00000000",
        "commission": "10.10000000",
        "commissionAsset": "BNB",
        "time": 1499865549590,
        "isBuyer": True,
        "isMaker": False,
    }
]
REPORT = {
    "e": "executionReport",
    "E": 1499405658658,
    "s": "ETHBTC",
    "c": "mUvoqJxFIILMdfAW5iGSOW",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "1.00000000",
    "p": "0.10264410",
    "P": "0.00000000",
    "g": -1,
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": 1499405658657,
    "t": -1,
    "w": True,
    "m": False,
    "O": 1499405658650,
    "Z": "0.00000000",
    "Y": "0.00000000",
}
POSITION = {
    "e": "outboundAccountPosition",
    "E": 1564034571105,
    "u": 1564034571073,
    "B": [{"a": "ETH", "f": "10000.000000", "l": "1.000000"}],
}
REPLY = {
    "id": "e2a8",
    "status": 400,
    "error": {"code": -2010, "msg": "Account has insufficient balance.", "data": {"retryAfter": 1}},
    "rateLimits": [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 13},
    ],
}
HALF = {
    "cancelResult": "SUCCESS",
    "newOrderResult": "FAILURE",
    "cancelResponse": CANCELLED,
    "newOrderResponse": {"code": -2010, "msg": "Order would immediately match and take."},
}


def raw(payload: Any) -> bytes:
    """As it comes."""
    return json.dumps(payload).encode()


def said(**changes: Any) -> OrderSaid:
    """The report with other values, wrapped as the WebSocket API has it."""
    event = spot_wire.user_event(raw({"subscriptionId": 0, "event": REPORT | changes}))
    assert isinstance(event, OrderSaid)
    return event


# --- answers ---------------------------------------------------------------------------------------------------------


def test_an_account_has_its_balances() -> None:
    """Free and locked are kept apart, to the last digit."""
    assert spot_wire.account(raw(ACCOUNT)) == SpotAccount(
        354937868,
        True,
        (Balance("BTC", D("4723846.89208129"), D("0.50000000")), Balance("LTC", D("4763368.68006011"), D(0))),
        123456789,
    )


def test_an_order_is_read_as_it_is() -> None:
    """Each field of an order has its place."""
    order = spot_wire.order(raw(ORDER))
    assert order == Order(
        symbol="LTCBTC",
        order_id=1,
        client_id="myOrder1",
        side=Side.BUY,
        kind="STOP_LOSS_LIMIT",
        status="PARTIALLY_FILLED",
        quantity=D("1.0"),
        filled=D("0.5"),
        quote_filled=D("0.04"),
        price=D("0.1"),
        trigger=D("0.2"),
        time_msc=1499827319559,
        updated_msc=1499827319560,
    )
    assert order.average == D("0.08")
    assert spot_wire.orders(raw([ORDER, ORDER])) == [order, order]
    assert spot_wire.orders(b"[]") == []


def test_the_worth_of_an_old_order_may_not_be_known() -> None:
    """The exchange says a worth below 0 of orders that are older than the field."""
    assert spot_wire.order(raw(ORDER | {"cummulativeQuoteQty": "-1.0"})).quote_filled == 0


def test_a_new_order_tells_its_trades() -> None:
    """The form FULL has them; the form RESULT has none."""
    order, fills = spot_wire.placed(raw(PLACED))
    assert (order.order_id, order.life, order.time_msc, order.updated_msc) == (
        28,
        Life.FILLED,
        1507725176595,
        1507725176595,
    )
    assert fills[1] == Fill(
        "BTCUSDT",
        57,
        28,
        Side.SELL,
        D("3999.0"),
        D("5.0"),
        D("19.995"),
        "USDT",
        1507725176595,
        client_id="6gCrw2kRUAF9CvJDGP16IP",
    )
    result = {key: value for key, value in PLACED.items() if key != "fills"}
    assert spot_wire.placed(raw(result)) == (order, ())


def test_an_acknowledgement_is_no_order() -> None:
    """The form ACK does not say how the order stands."""
    names = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")
    fault = refused(spot_wire.placed, {name: PLACED[name] for name in names})
    assert (fault.field, fault.value) == ("side", "missing")


def test_a_cancelled_order_keeps_its_name() -> None:
    """The answer has the cancellation's client order id, too, and no time at which the order was made."""
    order = spot_wire.order(raw(CANCELLED))
    assert (order.client_id, order.time_msc, order.updated_msc) == ("myOrder1", 0, 1684804350068)


def test_a_list_has_its_orders() -> None:
    """An OCO's orders, with their own names also when the list was cancelled."""
    list_id, orders = spot_wire.order_list(raw(LIST))
    assert list_id == 7
    assert [(each.order_id, each.client_id) for each in orders] == [(4, "myOrder1"), (5, "myOrder1")]


def test_open_lists_name_their_orders() -> None:
    """Ids and client order ids; how the orders stand is asked elsewhere."""
    (found,) = spot_wire.open_order_lists(raw(LISTS))
    assert (found.list_id, found.symbol, found.status, found.orders) == (31, "LTCBTC", "EXECUTING", ((4, "a"),))


def test_trades_have_a_side() -> None:
    """Whoever is the buyer has bought."""
    (fill,) = spot_wire.trades(raw(TRADES))
    assert fill == Fill(
        "BNBBTC", 28457, 100234, Side.BUY, D("4.000001"), D(12), D("10.1"), "BNB", 1499865549590, client_id=""
    )
    assert spot_wire.trades(raw([TRADES[0] | {"isBuyer": False}]))[0].side is Side.SELL


def test_what_replaces_an_order_is_the_new_one() -> None:
    """Of cancelReplace the new order counts."""
    assert spot_wire.replaced(raw({"cancelResponse": CANCELLED, "newOrderResponse": ORDER})).client_id == "myOrder1"


def test_half_a_replacement_says_why() -> None:
    """Only where the old order is gone and the new one was refused."""
    refusal = spot_wire.half_replaced(raw(HALF))
    assert refusal is not None
    assert (refusal.code, refusal.said) == (-2010, "Order would immediately match and take.")
    assert spot_wire.half_replaced(raw(HALF | {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None})) is None
    assert spot_wire.half_replaced(raw(HALF | {"cancelResult": "FAILURE", "newOrderResult": "SUCCESS"})) is None
    assert spot_wire.half_replaced(b"") is None


def test_microseconds_become_milliseconds() -> None:
    """Where times are asked for in microseconds they have 16 digits."""
    assert spot_wire.order(raw(ORDER | {"time": 1499827319559123})).time_msc == 1499827319559
    assert said(T=1499405658657999).order.updated_msc == 1499405658657


# --- events ----------------------------------------------------------------------------------------------------------


def test_an_event_is_the_same_wrapped_or_not() -> None:
    """The WebSocket API wraps events with the number of their subscription."""
    assert spot_wire.user_event(raw(REPORT)) == said()
    assert said() == OrderSaid(
        Order(
            "ETHBTC",
            4293153,
            "mUvoqJxFIILMdfAW5iGSOW",
            Side.BUY,
            "LIMIT",
            "NEW",
            D(1),
            price=D("0.10264410"),
            time_msc=1499405658650,
            updated_msc=1499405658657,
        ),
        1499405658658,
        execution="NEW",
    )


def test_a_trade_has_its_fill() -> None:
    """What was traded just now, and what the order came to."""
    event = said(x="TRADE", X="FILLED", l="0.4", z="1.0", L="0.1", n="0.001", N="BNB", t=77, Z="0.1", C="")
    assert event.fill == Fill(
        "ETHBTC",
        77,
        4293153,
        Side.BUY,
        D("0.1"),
        D("0.4"),
        D("0.001"),
        "BNB",
        1499405658657,
        client_id="mUvoqJxFIILMdfAW5iGSOW",
    )
    assert (event.order.filled, event.order.quote_filled, event.order.life) == (D("1.0"), D("0.1"), Life.FILLED)


def test_a_cancellation_has_the_name_of_the_order() -> None:
    """`c` is the cancellation's id then, and `C` the order's."""
    event = said(x="CANCELED", X="CANCELED", c="cancel1", C="mine")
    assert (event.order.client_id, event.original_client_id) == ("mine", "mine")
    assert said(x="CANCELED", X="CANCELED", c="mine", C="").order.client_id == "mine"


def test_an_order_that_was_amended_has_its_new_name() -> None:
    """`C` is what it was called before."""
    event = said(x="REPLACED", c="new", C="old")
    assert (event.order.client_id, event.original_client_id) == ("new", "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"r": "INSUFFICIENT_BALANCES"}, "INSUFFICIENT_BALANCES"),
        ({"eR": 3}, "expiry reason 3"),
        ({"eR": "OCO_TRIGGER"}, "expiry reason OCO_TRIGGER"),
    ],
)
def test_a_reason_is_in_the_words_of_the_exchange(changes: dict[str, Any], reason: str) -> None:
    """Why an order was refused or ended; NONE is none."""
    assert said(**changes).reason == reason


def test_an_order_that_ends_by_itself_has_no_fill() -> None:
    """Prevention of trades with oneself says quantities that were not traded."""
    assert said(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH", l="0").fill is None


def test_balances_are_those_of_the_change() -> None:
    """Their time is that of the account's last change, as in an answer."""
    assert spot_wire.user_event(raw({"subscriptionId": 1, "event": POSITION})) == BalancesSaid(
        (Balance("ETH", D(10000), D(1)),), 1564034571073
    )


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("balanceUpdate", OtherSaid("balanceUpdate", True)),
        ("listStatus", OtherSaid("listStatus", True)),
        ("externalLockUpdate", OtherSaid("externalLockUpdate", True)),
        ("serverShutdown", OtherSaid("serverShutdown", True)),
        ("brandNew", OtherSaid("brandNew", False)),
    ],
)
def test_other_events_are_named(kind: str, event: OtherSaid) -> None:
    """Those that change nothing here are known, and new ones are not."""
    assert spot_wire.user_event(raw({"subscriptionId": 0, "event": {"e": kind, "E": 1}})) == event


def test_a_stream_that_ends_says_so() -> None:
    """Nothing more comes of that subscription."""
    event = spot_wire.user_event(raw({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}))
    assert isinstance(event, Ended)


# --- the WebSocket API -----------------------------------------------------------------------------------------------


def test_a_reply_has_its_error_and_what_is_used() -> None:
    """The data of an error stay raw."""
    reply = spot_wire.ws_reply(raw(REPLY))
    assert reply is not None
    assert (reply.id, reply.status, reply.code, reply.said) == ("e2a8", 400, -2010, "Account has insufficient balance.")
    assert json.loads(reply.data) == {"retryAfter": 1}
    assert (reply.result, reply.used) == (b"", (Used("ORDERS", "SECOND", 10, 50, 13),))


def test_a_reply_has_its_result() -> None:
    """Raw, for whoever asked."""
    reply = spot_wire.ws_reply(raw({"id": 7, "status": 200, "result": {"subscriptionId": 4}}))
    assert reply is not None
    assert (reply.id, reply.code, subscription_id(reply.result)) == (7, 0, 4)


def test_an_event_is_no_reply() -> None:
    """Both come over the same connection."""
    assert spot_wire.ws_reply(raw({"subscriptionId": 0, "event": REPORT})) is None
    assert spot_wire.ws_reply(raw({"event": {"e": "serverShutdown", "E": 1}})) is None


# --- what can't be read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decoder", "payload", "field", "value"),
    [
        (spot_wire.order, ORDER | {"price": "NaN"}, "price", '"NaN"'),
        (spot_wire.order, ORDER | {"price": 1.5}, "price", "1.5"),
        (spot_wire.order, ORDER | {"price": "1e5"}, "price", '"1e5"'),
        (spot_wire.order, ORDER | {"side": "HOLD"}, "side", '"HOLD"'),
        (spot_wire.order, ORDER | {"orderId": "1"}, "orderId", '"1"'),
        (spot_wire.order, ORDER | {"time": -5}, "time", "-5"),
        (spot_wire.orders, [ORDER, ORDER | {"symbol": None}], "[1].symbol", "null"),
        (spot_wire.placed, PLACED | {"fills": [{}]}, "fills[0].price", "missing"),
        (spot_wire.account, {"balances": []}, "canTrade", "missing"),
        (spot_wire.user_event, REPORT | {"l": "x" * 100}, "l", '"' + "x" * 59 + "..."),
        (spot_wire.user_event, REPORT | {"S": "\x1b[2J"}, "side", '"\\u001b[2J"'),
    ],
)
def test_a_fault_names_field_and_value(decoder: Any, payload: Any, field: str, value: str) -> None:
    """Who reads it sees at once what the exchange has changed; long values are cut short."""
    fault = refused(decoder, payload)
    assert (fault.field, fault.value) == (field, value)
    assert field in str(fault)
    assert isinstance(fault, OutcomeUnknown)


DECODERS = [
    (spot_wire.account, ACCOUNT),
    (spot_wire.order, ORDER),
    (spot_wire.orders, [ORDER, CANCELLED]),
    (spot_wire.placed, PLACED),
    (spot_wire.order_list, LIST),
    (spot_wire.open_order_lists, LISTS),
    (spot_wire.trades, TRADES),
    (spot_wire.replaced, {"newOrderResponse": ORDER}),
    (spot_wire.half_replaced, HALF),
    (spot_wire.user_event, {"subscriptionId": 0, "event": REPORT | {"x": "TRADE", "l": "1"}}),
    (spot_wire.user_event, POSITION),
    (spot_wire.ws_reply, REPLY),
    (subscription_id, {"subscriptionId": 0}),
]


@given(st.data())
def test_anything_is_read_or_is_a_fault(data: st.DataObject) -> None:
    """There is no other error, and no number that is not finite."""
    decoder, payload = data.draw(st.sampled_from(DECODERS))
    record = reads_or_faults(decoder, data.draw(spoiled(payload)))
    if isinstance(record, Order):
        assert all(each.is_finite() for each in (record.price, record.quantity, record.filled, record.quote_filled))
        assert record.quote_filled >= 0
