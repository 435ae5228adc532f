"""What the made-up spot exchange answers, beside the examples of the real one's documents."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spot_desk import BTC, START, SpotDesk, fault

from quantmind.testing.binance.engine import ApiFault

ROOT = Path(__file__).resolve().parents[4]
DATA = Path(os.environ.get("QUANTMIND_DATA") or ROOT.parent / "shared" / "data")
EXAMPLES = DATA.parent / "facts" / "binance_examples"
NOW_MSC = int(START * 1000)


def example(file: str, section: str, caption: str = "", number: int = 0) -> Any:
    """One payload of the documents; skips where they are not."""
    path = EXAMPLES / file
    if not path.is_file():
        pytest.skip(f"the facts are not there: {path}; set QUANTMIND_DATA to the data folder beside them")
    found = [
        each["payload"]
        for each in json.loads(path.read_text(encoding="utf-8"))["examples"]
        if section in each["section"] and caption in each["caption"]
    ]
    return found[number]


def shape(value: Any) -> Any:
    """Names and kinds of values, without the values."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value[:1]]
    return type(value).__name__


REST = "spot_rest-api.json"


def busy() -> SpotDesk:
    """A desk with an order of each fate, and a list."""
    desk = SpotDesk()
    desk.order("BUY", "MARKET", "0.1")
    desk.limit("BUY", "0.1", "59000")
    desk.oco()
    return desk


@pytest.mark.parametrize(
    ("section", "caption", "path", "params"),
    [
        ("Check server time", "", "time", {"symbol": None}),
        ("Recent trades list", "", "trades", {}),
        ("Current average price", "", "avgPrice", {}),
        ("Symbol order book ticker", "Response", "ticker/bookTicker", {}),
        ("Symbol order book ticker", "OR", "ticker/bookTicker", {"symbol": None}),
        ("Account information", "", "account", {"symbol": None}),
        ("Query order (", "", "order", {"orderId": 2}),
        ("Current open orders", "", "openOrders", {}),
        ("All orders (", "", "allOrders", {}),
        ("Account trade list", "", "myTrades", {}),
        ("Query Order list", "", "orderList", {"orderListId": 0}),
        ("Query Open Order lists", "", "openOrderList", {"symbol": None}),
        ("Query all Order lists", "", "allOrderList", {"symbol": None}),
        ("Query Unfilled Order Count", "", "rateLimit/order", {"symbol": None}),
        ("Query Commission Rates", "", "account/commission", {}),
    ],
)
def test_answers_have_the_form_of_the_documents(section: str, caption: str, path: str, params: dict[str, Any]) -> None:
    """The same names with the same kinds of values."""
    assert shape(busy().ask("GET", path, **params)) == shape(example(REST, section, caption))


@pytest.mark.parametrize("form", ["ACK", "RESULT", "FULL"])
def test_a_new_order_is_answered_in_the_form_of_the_documents(form: str) -> None:
    """For each response type."""
    said = SpotDesk().order("BUY", "MARKET", "0.1", newOrderRespType=form)
    assert shape(said) == shape(example(REST, "New order (TRADE)", f"Response - {form}"))


def test_cancellations_are_answered_in_the_form_of_the_documents() -> None:
    """Of an order, a list, and both halves of a replacement."""
    desk = busy()
    assert shape(desk.ask("DELETE", "order", orderId=2)) == shape(example(REST, "Cancel order (TRADE)", "Response"))
    said = desk.ask("DELETE", "orderList", orderListId=0)
    assert shape(said) == shape(example(REST, "Cancel Order list (TRADE)"))
    desk.limit("BUY", "0.1", "59000")
    said = desk.ask(
        "POST",
        "order/cancelReplace",
        cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=5,
        side="BUY",
        type="LIMIT",
        quantity="0.1",
        price="59100",
        timeInForce="GTC",
    )
    assert shape(said) == shape(example(REST, "Cancel an Existing Order and Send", "Response SUCCESS"))


def test_lists_are_answered_in_the_form_of_the_documents() -> None:
    """OTOCO exactly; of an OCO the example has an iceberg."""
    desk = SpotDesk()
    said = desk.otoco(newOrderRespType="RESULT")
    wanted = example(REST, "New Order list - OTOCO")
    assert shape(said) == shape(wanted)
    assert [shape(each) for each in said["orderReports"]] == [shape(each) for each in wanted["orderReports"]]
    oco, wanted = desk.oco(newOrderRespType="RESULT"), example(REST, "New Order list - OCO")
    for report in wanted["orderReports"]:
        report.pop("icebergQty", None)
    assert [shape(each) for each in oco["orderReports"]] == [shape(each) for each in wanted["orderReports"]]


def test_events_have_the_form_of_the_documents() -> None:
    """Order, list, balances and deposit; `v` of the example is said for prevented matches alone."""
    desk = busy()
    desk.engine.deposit("USDT", Decimal(1))
    wanted = [
        example("spot_user-data-stream.json", section)["event"]
        for section in ("Order Update", "Order Reject Reason", "Account Update", "Balance Update")
    ]
    wanted[0].pop("v")
    for each in wanted:
        assert shape(next(event for event in desk.events if event["e"] == each["e"])) == shape(each)


def test_market_events_have_the_form_of_the_documents() -> None:
    """bookTicker has no `e` and no time."""
    desk = busy()
    for section in ("> Individual Symbol Book Ticker Streams", "> Trade Streams"):
        wanted = example("spot_web-socket-streams.json", section)
        kind = "bookTicker" if "Book" in section else "trade"
        assert shape(next(each["data"] for each in desk.market if each["kind"] == kind)) == shape(wanted)


def test_the_exchange_says_its_rules() -> None:
    """Every filter has the form of the documents, and a symbol what the documents give it."""
    said = SpotDesk().ask("GET", "exchangeInfo")
    wanted = example(REST, "Exchange information")
    assert set(said) == set(wanted) - {"sors"}
    assert set(said["symbols"][0]) == set(wanted["symbols"][0])
    for each in said["symbols"][0]["filters"]:
        name = each["filterType"]
        assert shape(each) == shape(
            next(
                payload["payload"]
                for payload in json.loads((EXAMPLES / "spot_filters.json").read_text(encoding="utf-8"))["examples"]
                if payload["payload"].get("filterType") == name
            )
        )


def test_symbols_are_chosen_by_one_by_a_list_or_not_at_all() -> None:
    """`symbol`, `symbols` as JSON, or all."""
    desk = SpotDesk()
    desk.engine.set_quote("ETHUSDT", Decimal(3000), Decimal(3001))

    def names(**params: object) -> list[str]:
        return [each["symbol"] for each in desk.ask("GET", "exchangeInfo", **params)["symbols"]]

    assert names() == [BTC]
    assert names(symbol=None) == [BTC, "ETHUSDT"]
    assert names(symbol=None, symbols='["ETHUSDT"]') == ["ETHUSDT"]
    for params, code in (
        ({"symbols": "[]"}, -1121),
        ({"symbols": '["NOPE"]'}, -1121),
        ({"symbols": "nope"}, -1100),
        ({"symbols": '["ETHUSDT","ETHUSDT"]'}, -1151),
        ({"symbol": BTC, "symbols": "[]"}, -1128),
    ):
        assert fault(lambda params=params: desk.ask("GET", "exchangeInfo", **{"symbol": None} | params)).code == code


def test_orders_are_found() -> None:
    """By id or client id; -2013 where there is none; and the history in the order of the ids."""
    desk = busy()
    assert fault(lambda: desk.ask("GET", "order", orderId=99)).code == -2013
    assert fault(lambda: desk.ask("GET", "order", orderId=2, origClientOrderId="other")).code == -2013
    assert fault(lambda: desk.ask("GET", "order")).code == -1102
    assert [row["orderId"] for row in desk.ask("GET", "allOrders")] == [1, 2, 3, 4]
    assert [row["orderId"] for row in desk.ask("GET", "allOrders", limit=2)] == [3, 4]
    assert [row["orderId"] for row in desk.ask("GET", "allOrders", orderId=2, limit=2)] == [2, 3]
    assert desk.ask("GET", "allOrders", startTime=NOW_MSC + 1) == []
    assert fault(lambda: desk.ask("GET", "allOrders", limit=0)).code == -1100
    assert fault(lambda: desk.ask("GET", "allOrders", startTime=0, endTime=86_400_001)).code == -1127


def test_trades_are_found() -> None:
    """By order, from an id on, or in a time, always in the order of their ids."""
    desk = SpotDesk()
    for _ in range(3):
        desk.order("BUY", "MARKET", "0.1")
        desk.now_s += 10
    assert [row["id"] for row in desk.ask("GET", "myTrades")] == [1, 2, 3]
    assert [row["id"] for row in desk.ask("GET", "myTrades", limit=2)] == [2, 3]
    assert [row["id"] for row in desk.ask("GET", "myTrades", fromId=2, limit=1)] == [2]
    assert [row["id"] for row in desk.ask("GET", "myTrades", orderId=3)] == [3]
    assert [row["id"] for row in desk.ask("GET", "myTrades", startTime=NOW_MSC + 10_000)] == [2, 3]
    assert [row["id"] for row in desk.ask("GET", "myTrades", endTime=NOW_MSC)] == [1]
    assert fault(lambda: desk.ask("GET", "myTrades", fromId=1, startTime=1)).code == -1128


def test_orders_are_counted() -> None:
    """Those of the last ten seconds, and those of the last day."""
    desk = SpotDesk()
    desk.order("BUY", "MARKET", "0.1")
    desk.now_s += 11
    desk.oco()
    assert [each["count"] for each in desk.ask("GET", "rateLimit/order", symbol=None)] == [2, 3]


def test_balances_that_are_nought_can_be_left_out() -> None:
    """What is locked counts."""
    desk = SpotDesk()
    desk.order("SELL", "STOP_LOSS", "2", stopPrice="59000")
    desk.engine.deposit("ETH", Decimal(-20))
    rows = desk.ask("GET", "account", symbol=None, omitZeroBalances="true")["balances"]
    assert [row["asset"] for row in rows] == ["BNB", "BTC", "USDT"]
    assert desk.balance("BTC") == (0, 2)


def test_what_is_not_there() -> None:
    """A path or method that does not exist is 404."""
    found = fault(lambda: SpotDesk().ask("GET", "klines"))
    assert found.status == 404
    assert SpotDesk().ask("GET", "ping") == {}


def words(text: str) -> list[str]:
    """A list in short."""
    return text.split()


PATHS = words(
    "order order/cancelReplace orderList/oco orderList/oto orderList/otoco orderList allOrders myTrades openOrders "
    "exchangeInfo account allOrderList trades"
)
NAMES = words(
    "symbol symbols side type timeInForce quantity price stopPrice quoteOrderQty newClientOrderId newOrderRespType "
    "orderId origClientOrderId limit startTime endTime fromId aboveType abovePrice belowType belowStopPrice "
    "workingType workingSide workingPrice workingQuantity pendingType pendingSide pendingQuantity cancelReplaceMode "
    "cancelOrderId orderListId listClientOrderId omitZeroBalances"
)
WORDS = words(
    f"{BTC} BUY SELL LIMIT MARKET STOP_LOSS LIMIT_MAKER GTC IOC 0.1 60000 59000 61000 0 1 true FULL STOP_ON_FAILURE "
    "99999999999999999999 999999999999999999999999999999 []"
)
PARAMS = st.dictionaries(st.sampled_from(NAMES), st.one_of(st.sampled_from(WORDS), st.text(max_size=30)), max_size=12)


@given(st.sampled_from(["GET", "POST", "DELETE", "PUT"]), st.sampled_from(PATHS), PARAMS)
def test_any_request_is_answered_or_refused(method: str, path: str, params: dict[str, str]) -> None:
    """Whatever is sent, the answer is JSON, or the fault is one of Binance's."""
    desk = busy()
    try:
        said = desk.engine.handle(method, f"/api/v3/{path}", params)
    except ApiFault as refused:
        said = refused.body()
    assert json.loads(json.dumps(said)) == said
