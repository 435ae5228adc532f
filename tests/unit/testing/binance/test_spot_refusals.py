"""What the made-up spot exchange refuses, and requests that are half done."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from spot_desk import SpotDesk, fault

from quantmind.testing.binance.ledger import Done
from quantmind.testing.binance.symbols import SPOT_SYMBOLS


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"kind": "STOP_LOSS", "stopPrice": "60000"}, "Stop price would trigger immediately."),
        ({"kind": "TAKE_PROFIT", "stopPrice": "60000"}, "Stop price would trigger immediately."),
        ({"kind": "LIMIT_MAKER", "price": "60000"}, "Order would immediately match and take."),
        ({"kind": "MARKET", "quantity": "3"}, "Account has insufficient balance for requested action."),
    ],
)
def test_what_the_matching_engine_refuses(params: dict[str, Any], said: str) -> None:
    """With -2010, and nothing is done, said or written down."""
    desk = SpotDesk()
    found = fault(lambda: desk.order("SELL", **{"quantity": "0.1"} | params))
    assert (found.status, found.code, found.message) == (400, -2010, said)
    assert not desk.events
    assert not desk.engine.executed()
    assert desk.balance("BTC") == (2, 0)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"price": "59000.005"}, "PRICE_FILTER"),
        ({"price": "0.001"}, "PRICE_FILTER"),
        ({"price": "2000000"}, "PRICE_FILTER"),
        ({"price": "20000"}, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.000015"}, "LOT_SIZE"),
        ({"quantity": "0.000001"}, "LOT_SIZE"),
        ({"quantity": "9001"}, "LOT_SIZE"),
        ({"quantity": "0.00002"}, "NOTIONAL"),
        ({"kind": "STOP_LOSS", "price": None, "timeInForce": None, "stopPrice": "59000.001"}, "PRICE_FILTER"),
        ({"kind": "MARKET", "price": None, "timeInForce": None, "quantity": "0.00008"}, "NOTIONAL"),
        ({"kind": "MARKET", "price": None, "timeInForce": None, "quantity": "101"}, "MARKET_LOT_SIZE"),
    ],
)
def test_filters(params: dict[str, Any], name: str) -> None:
    """An order that breaks a rule of its symbol is -1013 with the filter's name."""
    symbols = [attrs.evolve(SPOT_SYMBOLS[0], market_max_qty=Decimal(100)), SPOT_SYMBOLS[1]]
    desk = SpotDesk(symbols=symbols)
    usual = {"kind": "LIMIT", "quantity": "0.1", "price": "59000", "timeInForce": "GTC"}
    found = fault(lambda: desk.order("BUY", **usual | params))
    assert (found.code, found.message) == (-1013, f"Filter failure: {name}")
    assert not desk.engine.executed()


def test_how_many_orders_may_be_open() -> None:
    """All of them, and those that wait for a price."""
    desk = SpotDesk(symbols=[attrs.evolve(SPOT_SYMBOLS[0], max_orders=3, max_stops=1)])
    stop = {"stopPrice": "59000"}
    desk.order("SELL", "STOP_LOSS", "0.1", **stop)
    assert fault(lambda: desk.order("SELL", "STOP_LOSS", "0.1", **stop)).message.endswith("MAX_NUM_ALGO_ORDERS")
    for _ in range(2):
        desk.limit("BUY", "0.1", "59000")
    assert fault(lambda: desk.limit("BUY", "0.1", "59000")).message.endswith("MAX_NUM_ORDERS")


def test_a_symbol_that_is_not_traded() -> None:
    """A symbol on halt takes no order."""
    desk = SpotDesk(symbols=[attrs.evolve(SPOT_SYMBOLS[0], status="HALT")])
    found = fault(lambda: desk.order("BUY", "MARKET", "0.1"))
    assert (found.code, found.message) == (-1013, "Market is closed.")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": "NOPE"}, -1121),
        ({"symbol": None}, -1102),
        ({"side": "HOLD"}, -1117),
        ({"type": "TRAILING"}, -1116),
        ({"timeInForce": "GTX"}, -1115),
        ({"timeInForce": None}, -1102),
        ({"price": None}, -1102),
        ({"price": ""}, -1105),
        ({"price": "0"}, -1100),
        ({"quantity": "1e-1"}, -1100),
        ({"quantity": "0.123456789"}, -1111),
        ({"quantity": "1" + "0" * 16}, -1108),
        ({"stopPrice": "59000"}, -1106),
        ({"type": "MARKET"}, -1106),
        ({"type": "MARKET", "price": None, "timeInForce": None, "quoteOrderQty": "10"}, -1128),
        ({"newClientOrderId": "with space"}, -1100),
        ({"newClientOrderId": "x" * 37}, -1100),
        ({"newOrderRespType": "SOME"}, -1100),
        ({"icebergQty": "0.01"}, -2010),
        ({"trailingDelta": "100"}, -2010),
    ],
)
def test_what_an_order_must_say(params: dict[str, Any], code: int) -> None:
    """A parameter that misses, is none, or has no place there is refused by its number, and nothing is done."""
    desk = SpotDesk()
    usual = {"side": "BUY", "type": "LIMIT", "quantity": "0.1", "price": "59000", "timeInForce": "GTC"}
    assert fault(lambda: desk.ask("POST", "order", **usual | params)).code == code
    assert not desk.engine.executed()
    assert not desk.events


REPLACE = {"side": "BUY", "type": "LIMIT", "quantity": "0.1", "price": "58000", "timeInForce": "GTC"}


def replace(desk: SpotDesk, **params: object) -> Any:
    """Replace order 1."""
    usual = REPLACE | {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrderId": 1}
    return desk.ask("POST", "order/cancelReplace", **usual | params)


def test_an_order_is_replaced() -> None:
    """What the old one had locked is free for the new one."""
    desk = SpotDesk()
    desk.limit("BUY", "1.6", "59000", newClientOrderId="old")
    said = replace(desk, quantity="1.7", newClientOrderId="new")
    assert (said["cancelResult"], said["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert said["cancelResponse"]["origClientOrderId"] == "old"
    assert said["newOrderResponse"]["orderId"] == 2
    assert desk.balance("USDT") == (1400, 98600)
    assert [entry.done for entry in desk.engine.executed()] == [Done.PLACED, Done.CANCELED, Done.PLACED]


def test_a_replacement_whose_new_order_is_refused() -> None:
    """The old one is canceled: 409 with both answers, and the refusal is an event."""
    desk = SpotDesk()
    desk.limit("BUY", "0.1", "59000")
    found = fault(lambda: replace(desk, quantity="1.8"))
    assert (found.status, found.code) == (409, -2021)
    assert (found.data["cancelResult"], found.data["newOrderResult"]) == ("SUCCESS", "FAILURE")
    assert found.data["newOrderResponse"]["code"] == -2010
    assert desk.status(1) == "CANCELED"
    rejected = next(event for event in desk.events if event.get("x") == "REJECTED")
    assert (rejected["X"], rejected["r"]) == ("REJECTED", "INSUFFICIENT_BALANCES")
    assert desk.balance("USDT") == (100000, 0)


@pytest.mark.parametrize(
    ("mode", "quantity", "status", "code", "new"),
    [
        ("STOP_ON_FAILURE", "0.1", 400, -2022, "NOT_ATTEMPTED"),
        ("ALLOW_FAILURE", "0.1", 409, -2021, "SUCCESS"),
        ("ALLOW_FAILURE", "1.8", 400, -2022, "FAILURE"),
    ],
)
def test_a_replacement_of_nothing(mode: str, quantity: str, status: int, code: int, new: str) -> None:
    """The new one is placed only where a failed cancellation is allowed."""
    desk = SpotDesk()
    found = fault(lambda: replace(desk, cancelReplaceMode=mode, quantity=quantity))
    assert (found.status, found.code, found.data["newOrderResult"]) == (status, code, new)
    assert found.data["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    assert len(desk.engine.executed()) == (new == "SUCCESS")


def test_a_replacement_that_breaks_a_filter() -> None:
    """It is refused before the old one is touched."""
    desk = SpotDesk()
    desk.limit("BUY", "0.1", "59000")
    assert fault(lambda: replace(desk, quantity="0.00001")).code == -1013
    assert desk.status(1) == "NEW"
