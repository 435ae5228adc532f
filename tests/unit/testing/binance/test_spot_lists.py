"""Order lists at the made-up spot exchange: OCO, OTO, OTOCO."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from spot_desk import BTC, SpotDesk, fault

from quantmind.testing.binance.ledger import Done, Executed
from quantmind.testing.binance.symbols import SPOT_SYMBOLS

BUY_OCO = {
    "side": "BUY",
    "aboveType": "STOP_LOSS",
    "abovePrice": None,
    "aboveStopPrice": "61000",
    "belowType": "LIMIT_MAKER",
    "belowPrice": "59000",
    "belowStopPrice": None,
}


def oto(desk: SpotDesk, **params: object) -> Any:
    """Buy 0.1 at 59500, then sell it at the market."""
    usual = {
        "workingType": "LIMIT",
        "workingSide": "BUY",
        "workingPrice": "59500",
        "workingQuantity": "0.1",
        "workingTimeInForce": "GTC",
        "pendingType": "MARKET",
        "pendingSide": "SELL",
        "pendingQuantity": "0.1",
    }
    return desk.ask("POST", "orderList/oto", **usual | params)


def list_events(desk: SpotDesk) -> list[tuple[int, str]]:
    """List id and status of each listStatus."""
    return [(event["g"], event["L"]) for event in desk.events if event["e"] == "listStatus"]


def test_an_oco_locks_once_for_both_legs() -> None:
    """Two legs of 0.1 lock 0.1; the stop is not in the book, and its order id is the lower one."""
    desk = SpotDesk()
    said = desk.oco(newOrderRespType="RESULT", listClientOrderId="mine")
    assert (said["orderListId"], said["contingencyType"], said["listClientOrderId"]) == (0, "OCO", "mine")
    assert [report["type"] for report in said["orderReports"]] == ["STOP_LOSS", "LIMIT_MAKER"]
    assert [report["workingTime"] == -1 for report in said["orderReports"]] == [True, False]
    assert desk.balance("BTC") == (Decimal("1.9"), Decimal("0.1"))
    assert list_events(desk) == [(0, "EXECUTING")]
    assert desk.engine.executed() == (Executed("mine", 0, BTC, Decimal("0.1"), waits=True, done=Done.LISTED),)


def test_a_buying_oco_locks_what_its_dearer_leg_needs() -> None:
    """That is the stop, which lies above."""
    desk = SpotDesk()
    desk.oco(**BUY_OCO)
    assert desk.balance("USDT") == (93900, 6100)
    desk.quote("58990", "59000")
    assert [desk.status(1), desk.status(2)] == ["EXPIRED", "FILLED"]
    assert desk.balance("USDT") == (94100, 0)


@pytest.mark.parametrize(("bid", "done", "gone", "price"), [("61000", 2, 1, "61000"), ("58900", 1, 2, "58900")])
def test_one_leg_ends_the_other(bid: str, done: int, gone: int, price: str) -> None:
    """The leg that fills or triggers expires the other, and the list is done."""
    desk = SpotDesk()
    desk.oco()
    desk.quote(bid, str(Decimal(bid) + 10))
    assert (desk.status(done), desk.status(gone)) == ("FILLED", "EXPIRED")
    assert Decimal(desk.ask("GET", "myTrades")[0]["price"]) == Decimal(price)
    assert desk.balance("BTC") == (Decimal("1.9"), 0)
    assert list_events(desk) == [(0, "EXECUTING"), (0, "ALL_DONE")]
    assert desk.ask("GET", "orderList", orderListId=0)["listOrderStatus"] == "ALL_DONE"
    assert desk.ask("GET", "openOrderList") == []


def test_a_part_of_one_leg_ends_the_other_too() -> None:
    """A partial fill expires the stop; the rest of the limit order waits alone, and the list with it."""
    desk = SpotDesk()
    desk.oco()
    desk.quote("61000", "61001", "0.04")
    assert (desk.status(1), desk.status(2)) == ("EXPIRED", "PARTIALLY_FILLED")
    assert desk.balance("BTC") == (Decimal("1.9"), Decimal("0.06"))
    assert list_events(desk) == [(0, "EXECUTING")]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"aboveType": "STOP_LOSS", "abovePrice": None, "aboveStopPrice": "61000"}, -1197),
        ({"belowType": "TAKE_PROFIT"}, -1199),
        ({"belowType": "LIMIT_MAKER", "belowPrice": "59000", "belowStopPrice": None}, -1168),
        (
            {
                "aboveType": "TAKE_PROFIT",
                "abovePrice": None,
                "aboveStopPrice": "61000",
                "belowType": "LIMIT_MAKER",
                "belowPrice": "59000",
                "belowStopPrice": None,
            },
            -1166,
        ),
        ({"side": "BUY"}, -1165),
        ({"side": "BUY", "aboveType": "TAKE_PROFIT", "abovePrice": None, "aboveStopPrice": "61000"}, -1196),
        (BUY_OCO | {"aboveType": "TAKE_PROFIT"}, -1198),
        ({"aboveType": "LIMIT", "aboveTimeInForce": "GTC"}, -1158),
        ({"abovePrice": "59900"}, -2010),
        ({"belowStopPrice": "60100"}, -2010),
        ({"quantity": "2.1"}, -2010),
        ({"quantity": None}, -1102),
    ],
)
def test_which_legs_an_oco_may_have(params: dict[str, Any], code: int) -> None:
    """One of them waits for a price, each is on its own side of the market, and nothing is done otherwise."""
    desk = SpotDesk()
    assert fault(lambda: desk.oco(**params)).code == code
    assert not desk.events
    assert not desk.engine.executed()
    assert desk.balance("BTC") == (2, 0)


def test_a_sell_oco_of_a_take_profit_and_a_stop_limit() -> None:
    """Both legs may wait for a price; the one that triggers expires the other at once."""
    desk = SpotDesk()
    desk.oco(
        aboveType="TAKE_PROFIT",
        abovePrice=None,
        aboveStopPrice="61000",
        belowType="STOP_LOSS_LIMIT",
        belowPrice="59500",
        belowTimeInForce="GTC",
    )
    desk.quote("58900", "58910")
    assert sorted([desk.status(1), desk.status(2)]) == ["EXPIRED", "NEW"]
    assert desk.balance("BTC") == (Decimal("1.9"), Decimal("0.1"))


@pytest.mark.parametrize("by", ["list", "leg"])
def test_a_list_is_canceled_as_a_whole(by: str) -> None:
    """By its id or by one of its orders, with the same answer."""
    desk = SpotDesk()
    desk.oco(listClientOrderId="mine")
    if by == "list":
        said = desk.ask("DELETE", "orderList", listClientOrderId="mine")
    else:
        said = desk.ask("DELETE", "order", orderId=1)
    assert said["listOrderStatus"] == "ALL_DONE"
    assert [(report["orderId"], report["status"]) for report in said["orderReports"]] == [
        (1, "CANCELED"),
        (2, "CANCELED"),
    ]
    assert desk.balance("BTC") == (2, 0)
    assert [entry.done for entry in desk.engine.executed()] == [Done.LISTED, Done.CANCELED, Done.CANCELED]
    assert fault(lambda: desk.ask("DELETE", "orderList", orderListId=0)).code == -2011
    assert fault(lambda: desk.ask("DELETE", "orderList")).code == -1102


def test_lists_have_names_of_their_own() -> None:
    """One that is open is taken; the list with the id 0 is found as any other."""
    desk = SpotDesk()
    desk.oco(listClientOrderId="mine")
    assert fault(lambda: desk.oco(listClientOrderId="mine")).message == "Duplicate order sent."
    assert desk.ask("GET", "orderList", origClientOrderId="mine")["orderListId"] == 0
    desk.ask("DELETE", "orderList", orderListId=0)
    assert desk.oco(listClientOrderId="mine")["orderListId"] == 1
    assert desk.ask("GET", "orderList", origClientOrderId="mine")["orderListId"] == 1
    assert [row["orderListId"] for row in desk.ask("GET", "allOrderList")] == [0, 1]
    assert [row["orderListId"] for row in desk.ask("GET", "allOrderList", fromId=1)] == [1]
    assert fault(lambda: desk.ask("GET", "orderList", orderListId=7)).code == -2018
    assert fault(lambda: desk.ask("GET", "orderList")).code == -1102


def test_legs_with_the_same_name() -> None:
    """Both orders of a list are open, so one client id can't be both."""
    desk = SpotDesk()
    found = fault(lambda: desk.oco(aboveClientOrderId="same", belowClientOrderId="same"))
    assert found.message == "Duplicate order sent."


def test_how_many_lists_may_be_open() -> None:
    """One more than that breaks a filter."""
    desk = SpotDesk(symbols=[attrs.evolve(SPOT_SYMBOLS[0], max_lists=1)])
    desk.oco()
    assert fault(desk.oco).message == "Filter failure: MAX_NUM_ORDER_LISTS"


def test_an_oto_waits_for_its_working_order() -> None:
    """The second order is PENDING_NEW, with its funds locked, until the first has filled fully."""
    desk = SpotDesk()
    said = oto(desk, newOrderRespType="RESULT")
    assert [report["status"] for report in said["orderReports"]] == ["NEW", "PENDING_NEW"]
    assert (desk.balance("USDT"), desk.balance("BTC")) == ((94050, 5950), (Decimal("1.9"), Decimal("0.1")))
    desk.quote("59400", "59500", None, "0.06")
    assert [desk.status(1), desk.status(2)] == ["PARTIALLY_FILLED", "PENDING_NEW"]
    desk.quote("59400", "59500")
    assert [desk.status(1), desk.status(2)] == ["FILLED", "FILLED"]
    assert (desk.balance("USDT"), desk.balance("BTC")) == ((99990, 0), (2, 0))
    assert list_events(desk) == [(0, "EXECUTING"), (0, "ALL_DONE")]


def test_an_oto_wants_the_funds_of_both_orders() -> None:
    """Who has not got what the pending order sells is refused, though the working one would bring it."""
    desk = SpotDesk()
    assert fault(lambda: oto(desk, workingQuantity="1", pendingQuantity="2.1")).code == -2010


def test_a_working_order_that_fills_at_once() -> None:
    """The answer still says that the other is pending; a query says what became of it."""
    desk = SpotDesk()
    said = oto(desk, workingPrice="60001", newOrderRespType="RESULT")
    assert [report["status"] for report in said["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert desk.status(2) == "FILLED"


@pytest.mark.parametrize(("tif", "status"), [("IOC", "EXPIRED"), ("GTC", "CANCELED")])
def test_a_working_order_that_ends_takes_the_others_along(tif: str, status: str) -> None:
    """One that expires as well as one that is canceled, also when a part of it was filled."""
    desk = SpotDesk()
    desk.quote("60000", "60001", None, "0.04")
    desk.otoco(workingPrice="60001", workingTimeInForce=tif)
    if tif == "GTC":
        desk.ask("DELETE", "order", orderId=1)
    assert [desk.status(number) for number in (1, 2, 3)] == [status] * 3
    assert (desk.balance("USDT")[1], desk.balance("BTC")[1]) == (0, 0)
    assert list_events(desk)[-1] == (0, "ALL_DONE")


@pytest.mark.parametrize(("bid", "done", "gone"), [("61000", 3, 2), ("58900", 2, 3)])
def test_an_otoco_ends_with_one_of_its_legs(bid: str, done: int, gone: int) -> None:
    """Working order, then an OCO of stop and limit."""
    desk = SpotDesk()
    desk.otoco()
    desk.quote(bid, str(Decimal(bid) + 1)) if bid == "61000" else None
    assert desk.status(2) == "PENDING_NEW"
    desk.quote("59450", "59500")
    assert [desk.status(number) for number in (1, 2, 3)] == ["FILLED", "NEW", "NEW"]
    assert desk.balance("BTC") == (2, Decimal("0.1"))
    desk.quote(bid, str(Decimal(bid) + 1))
    assert (desk.status(done), desk.status(gone)) == ("FILLED", "EXPIRED")
    assert desk.balance("BTC") == (2, 0)
    assert list_events(desk) == [(0, "EXECUTING"), (0, "ALL_DONE")]


def test_a_leg_that_would_trigger_when_it_is_placed() -> None:
    """It expires: nothing is sold at a price that was passed before the order was there."""
    desk = SpotDesk()
    desk.otoco()
    desk.quote("58000", "58001")
    assert (desk.status(1), desk.status(2), desk.status(3)) == ("FILLED", "EXPIRED", "NEW")
    assert desk.balance("BTC") == (2, Decimal("0.1"))


def test_a_working_order_is_a_limit_order() -> None:
    """Others are refused by their type, and the legs of an OTOCO lie apart."""
    desk = SpotDesk()
    assert fault(lambda: oto(desk, workingType="MARKET")).code == -1116
    assert fault(lambda: desk.otoco(pendingBelowStopPrice="61000")).code == -2010
    assert (
        fault(lambda: oto(desk, workingType="LIMIT_MAKER", workingTimeInForce=None, workingPrice="60001")).code == -2010
    )


def test_events_of_a_list_in_order() -> None:
    """The orders, then the list, then the balances."""
    desk = SpotDesk()
    desk.oco()
    assert [event["e"] for event in desk.events] == [
        "executionReport",
        "executionReport",
        "listStatus",
        "outboundAccountPosition",
    ]
    assert [event["O"] for event in desk.events if event["e"] == "listStatus"] == [
        [{"s": BTC, "i": event["i"], "c": event["c"]} for event in desk.events[:2]]
    ]


def test_a_list_needs_no_more_than_it_locks() -> None:
    """An OCO of all that is there is placed; an OTOCO wants what its legs sell, though its working order brings it."""
    desk = SpotDesk()
    desk.oco(quantity="1.95")
    found = fault(desk.otoco)
    assert (found.code, found.message) == (-2010, "Account has insufficient balance for requested action.")
    assert desk.balance("USDT") == (100000, 0)
    desk.otoco(pendingQuantity="0.05")
    assert desk.balance("BTC") == (0, 2)
