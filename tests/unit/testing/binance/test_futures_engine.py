"""The made-up futures exchange: orders, conditional orders, positions and the account."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from futures_desk import BTC, START, FuturesDesk, fault
from hypothesis import given
from hypothesis import strategies as st

from quantmind.adapters.binance import futures_algo, futures_wire
from quantmind.adapters.binance.exchange_info import exchange_info
from quantmind.adapters.binance.futures_events import user_event
from quantmind.adapters.binance.records import BalancesSaid, OrderSaid, OtherSaid
from quantmind.testing.binance.engine import ApiFault
from quantmind.testing.binance.ledger import Done

D = Decimal


def test_a_market_order_fills_at_the_quote() -> None:
    """The account is told before the order; the answer has neither mean nor sum, the question has."""
    desk = FuturesDesk(taker=D("0.0004"))
    said = desk.order("BUY", "0.1", newClientOrderId="one")
    assert (said["status"], said["executedQty"]) == ("FILLED", "0.1")
    assert not {"avgPrice", "cumQuote"} & said.keys()
    assert desk.kinds() == ["ORDER_TRADE_UPDATE NEW", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE FILLED"]
    row = desk.ask("GET", "order", origClientOrderId="one")
    assert (row["avgPrice"], row["cumQuote"]) == ("60001", "6000.1")
    assert (desk.held(), desk.wallet) == (D("0.1"), D(100_000) - D("2.40004"))
    (trade,) = desk.ask("GET", "userTrades")
    assert (trade["price"], trade["commission"], trade["side"]) == ("60001", "2.40004", "BUY")


def test_a_position_is_turned_and_what_it_made_is_booked() -> None:
    """Realised profit goes to the wallet with the trade that closes."""
    desk = FuturesDesk()
    desk.order("BUY", "0.1")
    desk.quote("61001", "61002")
    desk.order("SELL", "0.3")
    assert (desk.held(), desk.wallet) == (D("-0.2"), D(100_100))
    assert [each["realizedPnl"] for each in desk.ask("GET", "userTrades")] == ["0", "100"]
    (position,) = desk.ask("GET", "v3/positionRisk", symbol=None)
    assert (position["positionAmt"], position["entryPrice"]) == ("-0.2", "61001")


def test_ids_are_unique_among_open_orders_alone() -> None:
    """After a fill the same one is taken again: a blind second sending would fill twice."""
    desk = FuturesDesk()
    desk.limit("BUY", "0.1", "58000", newClientOrderId="a")
    assert fault(desk.order, "BUY", "0.1", newClientOrderId="a") == -4116
    desk.quote("57999", "58000")
    desk.order("BUY", "0.1", newClientOrderId="a")
    assert desk.held() == D("0.2")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "121"}, -4005),
        ({"quantity": "0.001"}, -4164),
        ({"quantity": "0.1", "kind": "LIMIT", "price": "60000.05", "timeInForce": "GTC"}, -4014),
        ({"quantity": "0.1", "kind": "LIMIT", "price": "60000.055", "timeInForce": "GTC"}, -1111),
        ({"quantity": "0.1", "kind": "LIMIT", "price": "66000", "timeInForce": "GTC"}, -4016),
        ({"quantity": "100"}, -2019),
        ({"quantity": "0.1", "reduceOnly": "true"}, -2022),
        ({"quantity": "0.1", "kind": "STOP_MARKET"}, -4120),
        ({"quantity": "0.1", "positionSide": "LONG"}, -4061),
        ({"quantity": "0.1", "symbol": "NOSUCH"}, -1121),
        ({"quantity": "0.1", "kind": "LIMIT", "price": "59000", "timeInForce": "GTD", "goodTillDate": "1"}, -5040),
    ],
)
def test_what_is_refused(request_: dict[str, Any], code: int) -> None:
    """By the code of the documents, with nothing done."""
    desk = FuturesDesk()
    desk.ask("POST", "leverage", leverage=1)
    desk.events.clear()
    assert fault(desk.order, "BUY", **request_) == code
    assert (desk.events, desk.engine.executed(), desk.wallet) == ([], (), D(100_000))


def test_reduce_only_is_capped_to_the_position() -> None:
    """It never opens the other side."""
    desk = FuturesDesk()
    desk.order("BUY", "0.1")
    assert desk.order("SELL", "0.3", reduceOnly="true")["executedQty"] == "0.1"
    assert desk.held() == 0


def test_a_conditional_order_is_set_off() -> None:
    """It says that it was, becomes an order of the same name, and is finished when that has filled."""
    desk = FuturesDesk()
    desk.order("BUY", "0.1")
    algo = desk.algo("SELL", "STOP_MARKET", "59000", clientAlgoId="stop")
    assert (algo["algoStatus"], algo["timeInForce"], algo["reduceOnly"]) == ("NEW", "GTE_GTC", True)
    assert desk.ask("GET", "algoOrder", symbol=None, clientAlgoId="stop")["actualOrderId"] == ""
    desk.kinds()
    desk.quote("59000", "59001")
    assert desk.kinds() == [
        "ALGO_UPDATE TRIGGERING",
        "ALGO_UPDATE TRIGGERED",
        "ORDER_TRADE_UPDATE NEW",
        "ACCOUNT_UPDATE",
        "ORDER_TRADE_UPDATE FILLED",
        "ALGO_UPDATE FINISHED",
    ]
    assert (desk.held(), desk.wallet) == (0, D(100_000) - D("100.1"))
    row = desk.ask("GET", "algoOrder", symbol=None, clientAlgoId="stop")
    became = desk.ask("GET", "order", orderId=row["actualOrderId"])
    assert (became["clientOrderId"], became["reduceOnly"]) == ("stop", True)
    assert (became["type"], became["origType"], became["stopPrice"]) == ("MARKET", "STOP_MARKET", "59000")


def test_what_comes_of_a_conditional_order_may_have_another_name() -> None:
    """By a setting, for whoever must not rely on it."""
    desk = FuturesDesk(keeps_names=False)
    desk.order("BUY", "0.1")
    desk.algo("SELL", "STOP_MARKET", "59000", clientAlgoId="stop")
    desk.quote("59000", "59001")
    assert desk.ask("GET", "order", orderId=2)["clientOrderId"] == "algo_1"


def test_conditional_orders_have_rules_of_their_own() -> None:
    """One of a kind that closes a side, none that would be set off at once, and they outlive allOpenOrders."""
    desk = FuturesDesk()
    desk.order("BUY", "0.1")
    desk.algo("SELL", "STOP_MARKET", "59000", clientAlgoId="a")
    assert fault(desk.algo, "SELL", "STOP_MARKET", "58000") == -4130
    assert fault(desk.algo, "SELL", "TAKE_PROFIT_MARKET", "59000") == -2021
    assert fault(desk.algo, "SELL", "STOP_MARKET", "60000") == -4130
    desk.algo("SELL", "TAKE_PROFIT_MARKET", "61000", clientAlgoId="b")
    desk.limit("BUY", "0.1", "58000")
    desk.ask("DELETE", "allOpenOrders")
    assert (desk.ask("GET", "openOrders"), len(desk.ask("GET", "openAlgoOrders"))) == ([], 2)
    desk.ask("DELETE", "algoOpenOrders")
    assert desk.ask("GET", "openAlgoOrders") == []


def test_an_exit_ends_with_its_position() -> None:
    """Whoever closed it, and the other exit, too; none is taken without a position."""
    desk = FuturesDesk()
    assert fault(desk.algo, "SELL", "STOP_MARKET", "59000") == -4509
    desk.order("BUY", "0.1")
    assert fault(desk.algo, "BUY", "STOP_MARKET", "61000") == -4509
    desk.algo("SELL", "STOP_MARKET", "59000", clientAlgoId="a")
    desk.order("SELL", "0.05", reduceOnly="true")
    assert len(desk.ask("GET", "openAlgoOrders")) == 1
    desk.kinds()
    desk.order("SELL", "0.05", reduceOnly="true")
    assert desk.kinds()[-1] == "ALGO_UPDATE EXPIRED"
    desk.order("BUY", "0.1")
    desk.algo("SELL", "STOP_MARKET", "59000", clientAlgoId="stop")
    desk.algo("SELL", "TAKE_PROFIT_MARKET", "61000", clientAlgoId="take")
    desk.quote("61000", "61001")
    said = {each["clientAlgoId"]: each["algoStatus"] for each in desk.ask("GET", "allAlgoOrders")}
    assert said == {"a": "EXPIRED", "stop": "EXPIRED", "take": "FINISHED"}
    assert desk.held() == 0


def test_a_moved_order_keeps_its_id() -> None:
    """PUT changes price and quantity, and what it reaches then it trades."""
    desk = FuturesDesk()
    placed = desk.limit("BUY", "0.1", "58000", newClientOrderId="a")
    moved = desk.ask("PUT", "order", side="BUY", orderId=placed["orderId"], quantity="0.1", price="58500")
    assert (moved["orderId"], moved["clientOrderId"], moved["price"]) == (placed["orderId"], "a", "58500")
    again = {"side": "BUY", "orderId": placed["orderId"], "quantity": "0.1", "price": "58500"}
    assert fault(desk.ask, "PUT", "order", **again) == -5027
    desk.quote("58400", "58500")
    assert desk.held() == D("0.1")
    assert [each.done for each in desk.engine.executed()] == [Done.PLACED, Done.MODIFIED]


def test_time_ends_orders() -> None:
    """GTD orders, all orders of a symbol that nobody speaks for, and the listen key."""
    desk = FuturesDesk()
    until = int((START + 700) * 1000)
    desk.limit("BUY", "0.1", "58000", tif="GTD", goodTillDate=until)
    desk.limit("BUY", "0.1", "58001")
    desk.algo("BUY", "STOP_MARKET", "62000", quantity="0.1")
    desk.ask("POST", "listenKey", symbol=None)
    desk.now_s += 701
    desk.engine.run_timers()
    assert len(desk.ask("GET", "openOrders")) == 1
    desk.ask("POST", "countdownCancelAll", countdownTime=60_000)
    desk.now_s += 61
    desk.engine.run_timers()
    assert (desk.ask("GET", "openOrders"), len(desk.ask("GET", "openAlgoOrders"))) == ([], 1)
    desk.kinds()
    desk.now_s += 3600
    desk.engine.run_timers()
    assert desk.kinds() == ["listenKeyExpired"]


def test_hedge_mode_has_two_positions() -> None:
    """Sides must be named, reduceOnly must not, and the mode can't be changed while anything is open."""
    desk = FuturesDesk()
    assert fault(desk.ask, "POST", "positionSide/dual", symbol=None, dualSidePosition="false") == -4059
    desk.ask("POST", "positionSide/dual", symbol=None, dualSidePosition="true")
    assert fault(desk.order, "BUY", "0.1") == -4061
    desk.order("BUY", "0.1", positionSide="LONG")
    desk.order("SELL", "0.2", positionSide="SHORT")
    assert (desk.held("LONG"), desk.held("SHORT")) == (D("0.1"), D("-0.2"))
    assert fault(desk.order, "SELL", "0.2", positionSide="LONG") == -2022
    assert fault(desk.order, "SELL", "0.1", positionSide="LONG", reduceOnly="true") == -1106
    assert fault(desk.ask, "POST", "positionSide/dual", symbol=None, dualSidePosition="false") == -4068
    assert fault(desk.ask, "POST", "marginType", marginType="CROSSED") == -4046
    assert fault(desk.ask, "POST", "marginType", marginType="ISOLATED") == -4048


def test_funding_is_told_with_its_reason() -> None:
    """It changes the wallet without a trade."""
    desk = FuturesDesk()
    desk.order("BUY", "0.1")
    desk.events.clear()
    desk.engine.fund(BTC, D("0.0001"))
    (event,) = desk.events
    assert (event["a"]["m"], event["a"]["B"][0]["wb"]) == ("FUNDING_FEE", "99999.39999")


def test_its_answers_have_the_documents_names() -> None:
    """Each is read by decoders that were written from the documents' own examples."""
    desk = FuturesDesk()
    desk.order("BUY", "0.1", newClientOrderId="a")
    desk.algo("SELL", "STOP_MARKET", "59000")
    read = {
        "exchangeInfo": lambda body: exchange_info(body, [BTC]).symbols[BTC],
        "v3/account": futures_wire.account,
        "v3/positionRisk": futures_wire.holdings,
        "v3/balance": futures_wire.balances,
        "userTrades": futures_wire.trades,
        "allOrders": futures_wire.orders,
        "openAlgoOrders": futures_algo.algo_orders,
        "symbolConfig": futures_wire.symbol_config,
        "positionSide/dual": futures_wire.position_mode,
    }
    for path, decode in read.items():
        assert decode(msgspec.json.encode(desk.ask("GET", path))) is not None, path
    for event in desk.events:
        said = user_event(msgspec.json.encode(event))
        assert isinstance(said, OrderSaid | BalancesSaid) or (isinstance(said, OtherSaid) and said.known)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(10, 400), st.booleans()),
        st.tuples(st.just("move"), st.integers(-400, 400), st.just(False)),
        st.tuples(st.just("stop"), st.integers(1, 30), st.booleans()),
    ),
    max_size=30,
)


@given(STEPS)
def test_money_and_positions_add_up(steps: list[tuple[str, int, bool]]) -> None:
    """Positions are what the trades come to, the wallet what they realised less commissions; events say the same."""
    desk = FuturesDesk(taker=D("0.0004"), maker=D("0.0002"))
    level = 60_000
    for what, number, flag in steps:
        if what == "move":
            level = max(50_000, min(70_000, level + number))
            desk.quote(str(level), str(level + 1))
            continue
        # What is refused does nothing.
        with contextlib.suppress(ApiFault):
            if what == "stop":
                trigger = level - number * 10 if flag else level + number * 10
                desk.algo("SELL" if flag else "BUY", "STOP_MARKET", trigger)
            elif flag:
                desk.limit(what, D(number) / 1000, level - 50 if what == "BUY" else level + 50)
            else:
                desk.order(what, D(number) / 1000)
    trades = desk.ask("GET", "userTrades", limit=1000)
    signed = sum((D(each["qty"]) * (1 if each["side"] == "BUY" else -1) for each in trades), D(0))
    made = sum((D(each["realizedPnl"]) - D(each["commission"]) for each in trades), D(0))
    assert desk.held() == signed
    assert abs(desk.wallet - D(100_000) - made) < D("1E-18")
    told = [each for each in desk.events if each["e"] == "ACCOUNT_UPDATE"]
    if told:
        assert D(told[-1]["a"]["B"][0]["wb"]) == desk.wallet
        assert D(told[-1]["a"]["P"][0]["pa"]) == signed
    assert desk.engine.account.position(BTC, "BOTH").cost >= 0
