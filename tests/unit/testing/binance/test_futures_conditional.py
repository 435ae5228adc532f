"""Conditional orders at the made-up futures exchange, beyond the plain ones in test_futures_engine."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from futures_desk import BTC, START, FuturesDesk, fault

from quantmind.testing.binance.ledger import Done, Executed

D = Decimal


def said(desk: FuturesDesk, name: str) -> dict[str, Any]:
    """What GET algoOrder says of one."""
    return desk.ask("GET", "algoOrder", symbol=None, clientAlgoId=name)


def test_a_stop_limit_order_rests_when_it_is_set_off() -> None:
    """It is in the book with its own price, and is over when that order is."""
    desk = FuturesDesk()
    desk.algo("BUY", "STOP", "61000", quantity="0.1", price="60500", clientAlgoId="a")
    desk.quote("60999", "61000")
    assert said(desk, "a")["algoStatus"] == "TRIGGERED"
    (order,) = desk.ask("GET", "openOrders")
    assert (order["clientOrderId"], order["type"], order["origType"], order["price"]) == ("a", "LIMIT", "STOP", "60500")
    assert str(order["orderId"]) == said(desk, "a")["actualOrderId"]
    desk.ask("DELETE", "order", orderId=order["orderId"])
    assert said(desk, "a")["algoStatus"] == "FINISHED"


def test_a_public_trade_sets_them_off() -> None:
    """It is looked at by both sides."""
    desk = FuturesDesk()
    desk.algo("BUY", "STOP_MARKET", "61000", quantity="0.1", clientAlgoId="a")
    desk.engine.trade(BTC, D("61000"), D("0.001"))
    assert (said(desk, "a")["algoStatus"], desk.held()) == ("FINISHED", D("0.1"))
    assert said(desk, "a")["actualPrice"] == "60001"


def test_margin_is_looked_at_when_they_are_set_off() -> None:
    """Not when they are placed; then it is told why there is no order."""
    desk = FuturesDesk(balances={"USDT": D(100)})
    desk.algo("BUY", "STOP_MARKET", "61000", quantity="1", clientAlgoId="a")
    desk.algo("BUY", "STOP_MARKET", "61001", quantity="0.1", reduceOnly="true", clientAlgoId="b")
    desk.events.clear()
    desk.quote("61001", "61002")
    told = [(each["o"]["caid"], each["o"]["X"], each["o"].get("rm")) for each in desk.events]
    assert told == [
        ("a", "TRIGGERING", None),
        ("a", "REJECTED", "Margin is insufficient."),
        ("b", "TRIGGERING", None),
        ("b", "REJECTED", "ReduceOnly Order is rejected."),
    ]
    assert desk.ask("GET", "allOrders") == []


def test_a_turn_ends_the_exits_of_the_old_side() -> None:
    """A position that is turned is gone for those that would close it."""
    desk = FuturesDesk()
    desk.order("BUY", "0.1")
    desk.algo("SELL", "STOP_MARKET", "59000", clientAlgoId="a")
    desk.algo("SELL", "STOP_MARKET", "59000", quantity="0.1", timeInForce="GTE_GTC", clientAlgoId="b")
    desk.algo("SELL", "STOP_MARKET", "59000", quantity="0.1", clientAlgoId="c")
    desk.order("SELL", "0.3")
    assert [each["clientAlgoId"] for each in desk.ask("GET", "openAlgoOrders")] == ["c"]
    assert said(desk, "b")["algoStatus"] == "EXPIRED"


def test_exits_of_the_sides_are_apart_in_hedge_mode() -> None:
    """Each closes its own, and ends with its own."""
    desk = FuturesDesk()
    desk.ask("POST", "positionSide/dual", symbol=None, dualSidePosition="true")
    desk.order("BUY", "0.1", positionSide="LONG")
    desk.order("SELL", "0.2", positionSide="SHORT")
    desk.algo("SELL", "STOP_MARKET", "59000", positionSide="LONG", clientAlgoId="long")
    desk.algo("BUY", "STOP_MARKET", "61000", positionSide="SHORT", clientAlgoId="short")
    assert fault(desk.algo, "BUY", "TAKE_PROFIT_MARKET", "58000", positionSide="LONG") == -4509
    assert fault(desk.algo, "BUY", "STOP_MARKET", "61500") == -4061
    desk.quote("58999", "59000")
    assert (desk.held("LONG"), desk.held("SHORT")) == (0, D("-0.2"))
    assert [each["clientAlgoId"] for each in desk.ask("GET", "openAlgoOrders")] == ["short"]


def test_one_that_was_set_off_can_not_be_taken_back() -> None:
    """-2011, as for one that never was; a question about that says -2013."""
    desk = FuturesDesk()
    one = desk.algo("BUY", "STOP_MARKET", "61000", quantity="0.1", clientAlgoId="a")["algoId"]
    two = desk.algo("BUY", "STOP_MARKET", "62000", quantity="0.1", clientAlgoId="b")["algoId"]
    desk.quote("61000", "61001")
    assert fault(desk.ask, "DELETE", "algoOrder", symbol=None, algoId=one) == -2011
    assert desk.ask("DELETE", "algoOrder", symbol=None, clientAlgoId="b")["algoId"] == two
    assert fault(desk.ask, "DELETE", "algoOrder", symbol=None, algoId=77) == -2011
    assert fault(desk.ask, "GET", "algoOrder", symbol=None, algoId=77) == -2013
    assert fault(desk.ask, "GET", "algoOrder") == -1102
    assert [(each["algoId"], each["algoStatus"]) for each in desk.ask("GET", "allAlgoOrders")] == [
        (one, "FINISHED"),
        (two, "CANCELED"),
    ]
    assert desk.engine.executed() == (
        Executed("a", one, BTC, D("0.1"), waits=True),
        Executed("b", two, BTC, D("0.1"), waits=True),
        Executed("b", two, BTC, None, waits=False, done=Done.CANCELED),
    )


def test_names_are_unique_among_those_that_wait() -> None:
    """After that the same one is taken again, and a question means the newest."""
    desk = FuturesDesk()
    desk.algo("BUY", "STOP_MARKET", "61000", quantity="0.1", clientAlgoId="a")
    assert fault(desk.algo, "BUY", "STOP_MARKET", "61000", quantity="0.1", clientAlgoId="a") == -4116
    desk.ask("DELETE", "algoOpenOrders")
    desk.algo("BUY", "STOP_MARKET", "61000", quantity="0.2", clientAlgoId="a")
    assert (said(desk, "a")["algoId"], said(desk, "a")["quantity"]) == (2, "0.2")


def test_one_with_a_date_ends_then() -> None:
    """It says the date, in whole seconds."""
    desk = FuturesDesk()
    until = int(START * 1000) + 700_123
    placed = desk.algo(
        "BUY", "STOP_MARKET", "61000", quantity="0.1", timeInForce="GTD", goodTillDate=until, clientAlgoId="a"
    )
    assert placed["goodTillDate"] == until - 123
    desk.now_s += 701
    desk.engine.run_timers()
    assert said(desk, "a")["algoStatus"] == "EXPIRED"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"quantity": "0.1", "trigger": "61000.05"}, -4014),
        ({"quantity": "0.1", "trigger": "61000.055"}, -1111),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "121"}, -4005),
        ({"quantity": "0.1", "price": "61000"}, -1106),
        ({"quantity": "0.1", "closePosition": "true"}, -1106),
        ({"closePosition": "true", "reduceOnly": "true"}, -1106),
        ({"kind": "STOP", "quantity": "0.1"}, -1102),
        ({"kind": "STOP", "price": "61000", "closePosition": "true"}, -4136),
        ({"kind": "TRAILING_STOP_MARKET", "quantity": "0.1"}, -1116),
        ({"kind": "TAKE_PROFIT_MARKET", "quantity": "0.1"}, -2021),
        ({"quantity": "0.1", "trigger": "60001"}, -2021),
        ({"quantity": "0.1", "clientAlgoId": "x" * 37}, -4015),
        ({"quantity": "0.1", "timeInForce": "DAY"}, -1115),
        ({"quantity": "0.1", "timeInForce": "GTD"}, -5040),
        ({"quantity": "0.1", "algoType": "TWAP"}, -4122),
        ({"quantity": "0.1", "trigger": None}, -1102),
    ],
)
def test_what_is_no_conditional_order(params: dict[str, Any], code: int) -> None:
    """By the code of the documents, with nothing done."""
    desk = FuturesDesk()
    wish = {
        "symbol": BTC,
        "algoType": "CONDITIONAL",
        "side": "BUY",
        "type": params.pop("kind", "STOP_MARKET"),
        "triggerPrice": params.pop("trigger", "61000"),
    }
    assert fault(desk.ask, "POST", "algoOrder", **(wish | params)) == code
    assert (desk.events, desk.engine.executed(), desk.ask("GET", "allAlgoOrders")) == ([], (), [])
