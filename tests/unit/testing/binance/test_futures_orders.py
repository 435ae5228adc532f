"""Orders at the made-up futures exchange: times in force, changes, limits, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from futures_desk import BTC, FuturesDesk, fault
from hypothesis import given
from hypothesis import strategies as st

from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.ledger import Done, Executed
from quantmind.testing.binance.symbols import FUTURES_SYMBOLS

D = Decimal


def reasons(desk: FuturesDesk) -> list[tuple[str, str]]:
    """Execution and expiry reason of each order event."""
    return [(each["o"]["x"], each["o"]["er"]) for each in desk.events if each["e"] == "ORDER_TRADE_UPDATE"]


@pytest.mark.parametrize(
    ("tif", "status", "filled", "reason"),
    [
        ("GTC", "PARTIALLY_FILLED", "0.04", None),
        ("IOC", "EXPIRED", "0.04", ("EXPIRED", "2")),
        ("FOK", "EXPIRED", "0", ("EXPIRED", "10")),
    ],
)
def test_what_becomes_of_the_rest(tif: str, status: str, filled: str, reason: tuple[str, str] | None) -> None:
    """The rest of a limit order waits with GTC and expires with IOC; FOK fills all of it or nothing."""
    desk = FuturesDesk()
    desk.quote("60000", "60001", None, "0.04")
    said = desk.limit("BUY", "0.1", "60010", tif)
    assert (said["status"], said["executedQty"], desk.held()) == (status, filled, D(filled))
    assert reasons(desk)[-1] == reason or reason is None


def test_a_market_order_is_filled_as_far_as_the_quote_goes() -> None:
    """What is quoted is filled, and the rest expires with the reason of market orders."""
    desk = FuturesDesk()
    desk.quote("60000", "60001", "0.05")
    said = desk.order("SELL", "0.1")
    assert (said["status"], said["executedQty"]) == ("EXPIRED", "0.05")
    assert reasons(desk) == [("NEW", "0"), ("TRADE", "0"), ("EXPIRED", "9")]
    assert desk.order("SELL", "0.1")["executedQty"] == "0"


def test_a_post_only_order_never_takes() -> None:
    """It is refused where it would, and nothing of it is kept; else it waits."""
    desk = FuturesDesk()
    assert fault(desk.limit, "BUY", "0.1", "60001", "GTX") == -5022
    assert (desk.ask("GET", "allOrders"), desk.events) == ([], [])
    assert desk.limit("BUY", "0.1", "60000", "GTX")["status"] == "NEW"


def test_an_acknowledgement_knows_no_fill() -> None:
    """ACK, the default, says how the order was before it traded; RESULT what became of it."""
    desk = FuturesDesk()
    said = desk.ask("POST", "order", side="BUY", type="MARKET", quantity="0.1")
    assert (said["status"], said["executedQty"], desk.held()) == ("NEW", "0", D("0.1"))
    assert desk.ask("GET", "order", orderId=said["orderId"])["status"] == "FILLED"
    assert fault(desk.order, "BUY", "0.1", newOrderRespType="FULL") == -1122


def test_the_better_price_is_filled_first() -> None:
    """Then the older one, by what is quoted; a public trade is shared in the same order."""
    desk = FuturesDesk()
    for price in ("59000", "59500", "59500"):
        desk.limit("BUY", "0.1", price)
    desk.quote("58999", "59000", None, "0.15")
    assert [each["executedQty"] for each in desk.ask("GET", "allOrders")] == ["0", "0.1", "0.05"]
    desk.quote("59600", "59601")
    desk.engine.trade(BTC, D("59000"), D("0.1"))
    assert [each["executedQty"] for each in desk.ask("GET", "allOrders")] == ["0.05", "0.1", "0.1"]
    assert {each["maker"] for each in desk.ask("GET", "userTrades")} == {True}
    with pytest.raises(ValueError, match="no trade"):
        desk.engine.trade(BTC, D(0), D(1))


def test_a_test_can_fill_a_resting_order() -> None:
    """At its own price, wherever the market is."""
    desk = FuturesDesk()
    said = desk.limit("BUY", "0.1", "59000")
    desk.engine.fill(BTC, said["orderId"], D("0.04"))
    assert desk.ask("GET", "openOrder", orderId=said["orderId"])["status"] == "PARTIALLY_FILLED"
    desk.engine.fill(BTC, said["orderId"])
    assert fault(desk.ask, "GET", "openOrder", orderId=said["orderId"]) == -2013
    with pytest.raises(ValueError, match="can't be filled"):
        desk.engine.fill(BTC, said["orderId"])


def test_what_reduces_is_knocked_out_with_the_position() -> None:
    """A reduce-only order that finds nothing to reduce any more expires; it needs no margin."""
    desk = FuturesDesk()
    desk.order("BUY", "0.1")
    before = desk.ask("GET", "v3/account")["totalInitialMargin"]
    desk.limit("SELL", "0.1", "61000", reduceOnly="true", newClientOrderId="rest")
    assert desk.ask("GET", "v3/account")["totalInitialMargin"] == before
    desk.events.clear()
    desk.order("SELL", "0.1")
    assert reasons(desk)[-1] == ("EXPIRED", "4")
    assert desk.ask("GET", "order", origClientOrderId="rest")["status"] == "EXPIRED"


def test_a_close_of_one_side_never_opens_the_other() -> None:
    """In hedge mode what rests to close a side ends when that is closed by another order."""
    desk = FuturesDesk()
    desk.ask("POST", "positionSide/dual", symbol=None, dualSidePosition="true")
    desk.order("BUY", "0.1", positionSide="LONG")
    rest = desk.limit("SELL", "0.1", "61000", positionSide="LONG")
    desk.order("SELL", "0.04", positionSide="LONG")
    desk.quote("61000", "61001")
    assert desk.held("LONG") == 0
    assert desk.ask("GET", "order", orderId=rest["orderId"])["executedQty"] == "0.06"
    assert desk.ask("GET", "order", orderId=rest["orderId"])["status"] == "EXPIRED"


def test_margin_is_asked_for_what_opens() -> None:
    """A limit order that would only turn the position needs what it has more; what is too much is refused."""
    desk = FuturesDesk(balances={"USDT": D(7000)})
    desk.ask("POST", "leverage", leverage=1)
    desk.order("BUY", "0.1")
    assert fault(desk.limit, "BUY", "0.1", "60000") == -2019
    desk.limit("SELL", "0.2", "61000", newClientOrderId="turn")
    assert fault(desk.limit, "SELL", "0.1", "61000") == -2019
    assert D(desk.ask("GET", "v3/account")["availableBalance"]) >= 0
    assert (
        fault(desk.ask, "PUT", "order", side="SELL", origClientOrderId="turn", quantity="0.3", price="61000") == -2019
    )


def test_a_changed_order_may_be_canceled_by_its_change() -> None:
    """Where so much is filled already, and where a post-only order would take."""
    desk = FuturesDesk()
    one = desk.limit("BUY", "0.1", "59000")["orderId"]
    desk.engine.fill(BTC, one, D("0.05"))
    assert desk.ask("PUT", "order", side="BUY", orderId=one, quantity="0.05", price="59000")["status"] == "CANCELED"
    two = desk.limit("BUY", "0.1", "59000", "GTX")["orderId"]
    assert desk.ask("PUT", "order", side="BUY", orderId=two, quantity="0.1", price="60002")["status"] == "CANCELED"
    three = desk.limit("BUY", "0.1", "59000")["orderId"]
    assert fault(desk.ask, "PUT", "order", side="SELL", orderId=three, quantity="0.1", price="59001") == -1117
    assert fault(desk.ask, "PUT", "order", side="BUY", orderId=one, quantity="0.1", price="59001") == -2013
    assert fault(desk.ask, "PUT", "order", side="BUY", orderId=three, quantity="0.1", price="59001.05") == -4014
    assert [each.done for each in desk.engine.executed()] == [
        Done.PLACED,
        Done.CANCELED,
        Done.PLACED,
        Done.CANCELED,
        Done.PLACED,
    ]


def test_what_is_gone_can_not_be_canceled() -> None:
    """By either id, -2011 where a question says -2013; and the ledger has what was done."""
    desk = FuturesDesk()
    desk.limit("BUY", "0.1", "59000", newClientOrderId="a")
    assert desk.ask("DELETE", "order", origClientOrderId="a")["status"] == "CANCELED"
    assert fault(desk.ask, "DELETE", "order", origClientOrderId="a") == -2011
    assert fault(desk.ask, "DELETE", "order", orderId=77) == -2011
    assert fault(desk.ask, "GET", "order", orderId=77) == -2013
    assert fault(desk.ask, "DELETE", "order") == -1102
    assert desk.engine.executed() == (
        Executed("a", 1, BTC, D("0.1"), waits=True),
        Executed("a", 1, BTC, None, waits=False, done=Done.CANCELED),
    )


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"kind": "LIMIT", "price": "59000", "timeInForce": "GTE_GTC"}, -1115),
        ({"kind": "LIMIT", "price": "59000"}, -1102),
        ({"kind": "LIMIT", "timeInForce": "GTC"}, -1102),
        ({"kind": "LIMIT", "price": "500", "timeInForce": "GTC"}, -4013),
        ({"kind": "LIMIT", "price": "0", "timeInForce": "GTC"}, -4001),
        ({"kind": "LIMIT", "price": "4529765", "timeInForce": "GTC"}, -4002),
        ({"kind": "LIMIT", "price": "56000", "timeInForce": "GTC", "side": "SELL"}, -4024),
        ({"kind": "LIMIT", "price": "-59000", "timeInForce": "GTC"}, -1100),
        ({"kind": "MARKET", "price": "59000"}, -1106),
        ({"kind": "MARKET", "closePosition": "true"}, -4136),
        ({"kind": "NONE"}, -1116),
        ({"side": "LONG"}, -1117),
        ({"quantity": "1e3"}, -1100),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "a b"}, -1100),
        ({"reduceOnly": "perhaps"}, -1102),
        ({"symbol": None}, -1102),
    ],
)
def test_what_is_no_order(params: dict[str, Any], code: int) -> None:
    """By the code of the documents, with nothing done."""
    desk = FuturesDesk()
    wish = {"side": "BUY", "quantity": "0.1", "kind": "MARKET"} | params
    assert fault(desk.order, wish.pop("side"), wish.pop("quantity"), wish.pop("kind"), **wish) == code
    assert (desk.events, desk.engine.executed(), desk.ask("GET", "allOrders")) == ([], (), [])


def test_limits_of_a_symbol() -> None:
    """So many orders and conditional orders, a market, and none that opens where it does not trade."""
    tight = attrs.evolve(FUTURES_SYMBOLS[0], max_orders=1, max_stops=1)
    desk = FuturesDesk(traded=[tight, attrs.evolve(FUTURES_SYMBOLS[1], status="SETTLING")])
    desk.limit("BUY", "0.1", "59000")
    assert fault(desk.limit, "BUY", "0.1", "59000") == -2025
    desk.algo("BUY", "STOP_MARKET", "62000", quantity="0.1")
    assert fault(desk.algo, "BUY", "STOP_MARKET", "63000", quantity="0.1") == -4045
    assert fault(desk.order, "BUY", "1", symbol="ETHUSDT") == -4140
    assert fault(FuturesDesk().order, "BUY", "1", symbol="ETHUSDT") == -4131


def test_lists_begin_where_they_are_asked_to() -> None:
    """From a number or a time on the oldest first, else the newest."""
    desk = FuturesDesk()
    for _ in range(5):
        desk.order("BUY", "0.01")
        desk.now_s += 1
    asked = [
        ({"limit": 2}, [4, 5]),
        ({"limit": 2, "orderId": 2}, [2, 3]),
        ({"startTime": int((desk.now_s - 2) * 1000)}, [4, 5]),
        ({"endTime": int((desk.now_s - 4) * 1000)}, [1, 2]),
    ]
    for params, numbers in asked:
        assert [each["orderId"] for each in desk.ask("GET", "allOrders", **params)] == numbers
    assert [each["id"] for each in desk.ask("GET", "userTrades", fromId=3, limit=2)] == [3, 4]
    assert [each["id"] for each in desk.ask("GET", "userTrades", orderId=3)] == [3]
    assert fault(desk.ask, "GET", "allOrders", limit=1001) == -1130
    assert fault(desk.ask, "GET", "allOrders", startTime=2, endTime=1) == -1023


NAMES = (
    *("symbol", "side", "type", "quantity", "price", "timeInForce", "triggerPrice", "closePosition", "orderId"),
    *("algoType", "newClientOrderId", "goodTillDate", "limit", "reduceOnly", "positionSide", "leverage"),
)
WORDS = ("BTCUSDT", "BUY", "SELL", "LIMIT", "MARKET", "STOP", "GTC", "GTD", "CONDITIONAL", "0.1", "59000", "true", "1")
ASKED = (
    ("POST", "order"),
    ("PUT", "order"),
    ("DELETE", "order"),
    ("POST", "algoOrder"),
    ("GET", "allOrders"),
    ("GET", "userTrades"),
    ("GET", "income"),
    ("POST", "leverage"),
    ("POST", "countdownCancelAll"),
)


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(st.sampled_from(WORDS), st.sampled_from(["", "NaN", "-1", "\u0663", "9" * 40]), st.text(max_size=8)),
    ),
    st.sampled_from(ASKED),
)
def test_any_parameters_are_refused_or_carried_out(params: dict[str, str], asked: tuple[str, str]) -> None:
    """There is no other way out, and what was refused has changed nothing."""
    desk = FuturesDesk()
    desk.limit("BUY", "0.1", "59000")
    desk.events.clear()
    before = (desk.engine.executed(), desk.ask("GET", "openOrders"), desk.wallet, [])
    refused = None
    try:
        desk.engine.handle(asked[0], f"/fapi/v1/{asked[1]}", params)
    except ApiFault as fault_:
        refused = fault_
    if refused is not None:
        assert (refused.status, refused.code < 0) == (400, True)
        assert (desk.engine.executed(), desk.ask("GET", "openOrders"), desk.wallet, desk.events) == before
