"""Futures' answers and events as records.

Answers are shaped as the mock answers of Binance's own SDK (2026-08). The events are those of developers.binance.com,
"USDS-margined futures, user data streams": Event-Order-Update, Event-Algo-Order-Update, Event-Trade-Lite,
Event-Balance-and-Position-Update, Event-Margin-Call, Event-Account-Configuration-Update, Event-STRATEGY-UPDATE,
Event-GRID-UPDATE, Event-Conditional-Order-Trigger-Reject, Event-User-Data-Stream-Expired, as stored in 2025 and 2026.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_fuzz import reads_or_faults, refused, spoiled

from quantmind.adapters.binance import futures_wire
from quantmind.adapters.binance.faults import WireFault
from quantmind.adapters.binance.futures_wire import SymbolConfig
from quantmind.adapters.binance.records import (
    Balance,
    BalancesSaid,
    Ended,
    Fill,
    FuturesAccount,
    Holding,
    Life,
    Order,
    OrderSaid,
    OtherSaid,
)
from quantmind.domain.orders import Side

D = Decimal

ACCOUNT = {
    "totalInitialMargin": "1.50000000",
    "availableBalance": "126.72469206",
    "assets": [
        {"asset": "USDT", "walletBalance": "23.72469206", "updateTime": 1625474304765},
        {"asset": "BNB", "walletBalance": "0", "updateTime": 0},
    ],
    "positions": [
        {"symbol": "BTCUSDT", "positionSide": "LONG", "positionAmt": "1.000", "isolatedWallet": "0", "updateTime": 5},
        {"symbol": "ETHUSDT", "positionSide": "BOTH", "positionAmt": "0.000", "updateTime": 0},
    ],
}
POSITIONS = [
    {
        "symbol": "ADAUSDT",
        "positionSide": "BOTH",
        "positionAmt": "-30",
        "entryPrice": "0.385",
        "markPrice": "0.41047590",
        "isolatedMargin": "7",
        "isolatedWallet": "6.5",
        "updateTime": 1720736417660,
    },
    {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "0.000", "entryPrice": "0.0", "updateTime": 0},
]
ORDER = {
    "avgPrice": "9300.5",
    "clientOrderId": "abc",
    "cumQuote": "1860.1",
    "executedQty": "0.20",
    "orderId": 1917641,
    "origQty": "0.40",
    "price": "9301",
    "reduceOnly": True,
    "side": "BUY",
    "positionSide": "SHORT",
    "status": "PARTIALLY_FILLED",
    "stopPrice": "0",
    "closePosition": False,
    "symbol": "BTCUSDT",
    "time": 1579276756075,
    "type": "LIMIT",
    "updateTime": 1579276756080,
    "goodTillDate": 1693207680000,
}
ALGO = {
    "algoId": 2148627,
    "clientAlgoId": "MRumok0dkhrP4kCm12AHaB",
    "algoType": "CONDITIONAL",
    "orderType": "STOP_MARKET",
    "symbol": "BNBUSDT",
    "side": "SELL",
    "positionSide": "BOTH",
    "quantity": "0.01",
    "algoStatus": "NEW",
    "actualOrderId": "",
    "triggerPrice": "750.000",
    "price": "0.000",
    "icebergQuantity": "None",
    "closePosition": True,
    "reduceOnly": True,
    "createTime": 1750514941540,
    "updateTime": 1750514941541,
    "goodTillDate": 0,
}
TRADES = [
    {
        "buyer": False,
        "commission": "0.07819010",
        "commissionAsset": "USDT",
        "id": 698759,
        "maker": False,
        "orderId": 25851813,
        "price": "7819.01",
        "qty": "0.002",
        "realizedPnl": "-0.91539999",
        "side": "SELL",
        "positionSide": "SHORT",
        "symbol": "BTCUSDT",
        "time": 1569514978020,
    }
]
ORDER_TRADE_UPDATE = {
    "e": "ORDER_TRADE_UPDATE",
    "E": 1568879465651,
    "T": 1568879465650,
    "o": {
        "s": "BTCUSDT",
        "c": "TEST",
        "S": "SELL",
        "o": "TRAILING_STOP_MARKET",
        "f": "GTC",
        "q": "0.001",
        "p": "0",
        "ap": "0",
        "sp": "7103.04",
        "x": "NEW",
        "X": "NEW",
        "i": 8886774,
        "l": "0",
        "z": "0",
        "L": "0",
        "N": "USDT",
        "n": "0",
        "T": 1568879465649,
        "t": 0,
        "b": "0",
        "a": "9.91",
        "m": False,
        "R": False,
        "wt": "CONTRACT_PRICE",
        "ot": "TRAILING_STOP_MARKET",
        "ps": "LONG",
        "cp": False,
        "AP": "7476.89",
        "cr": "5.0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "rp": "0",
        "V": "EXPIRE_TAKER",
        "pm": "OPPONENT",
        "gtd": 0,
        "er": "0",
    },
}
ALGO_UPDATE = {
    "e": "ALGO_UPDATE",
    "T": 1750515742297,
    "E": 1750515742303,
    "o": {
        "caid": "Q5xaq5EGKgXXa0fD7fs0Ip",
        "aid": 2148719,
        "at": "CONDITIONAL",
        "o": "TAKE_PROFIT",
        "s": "BNBUSDT",
        "S": "SELL",
        "ps": "BOTH",
        "f": "GTC",
        "q": "0.01",
        "X": "CANCELED",
        "ai": "",
        "ap": "0.00000",
        "aq": "0.00000",
        "act": "0",
        "tp": "750",
        "p": "750",
        "V": "EXPIRE_MAKER",
        "wt": "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": False,
        "pP": False,
        "R": False,
        "tt": 0,
        "gtd": 0,
        "rm": "Reduce Only reject",
    },
}
ACCOUNT_UPDATE = {
    "e": "ACCOUNT_UPDATE",
    "E": 1564745798939,
    "T": 1564745798938,
    "a": {
        "m": "FUNDING_FEE",
        "B": [{"a": "USDT", "wb": "122624.12345678", "cw": "100.12345678", "bc": "50.12345678"}],
        "P": [
            {
                "s": "BTCUSDT",
                "pa": "-20",
                "ep": "6563.66500",
                "bep": "6563.6",
                "cr": "0",
                "up": "2850.21200",
                "mt": "isolated",
                "iw": "13200.70726908",
                "ps": "LONG",
            }
        ],
    },
}
OTHERS = [
    {
        "e": "MARGIN_CALL",
        "E": 1587727187525,
        "cw": "3.16812045",
        "p": [{"s": "ETHUSDT", "ps": "LONG", "pa": "1.327", "mt": "CROSSED", "iw": "0", "mp": "187.17127"}],
    },
    {"e": "ACCOUNT_CONFIG_UPDATE", "E": 1611646737479, "T": 1611646737476, "ai": {"j": True}},
    {
        "e": "TRADE_LITE",
        "E": 1721895408092,
        "T": 1721895408214,
        "s": "BTCUSDT",
        "q": "0.001",
        "p": "0",
        "m": False,
        "c": "z8hcUoOsqEdKMeKPSABslD",
        "S": "BUY",
        "L": "64089.20",
        "l": "0.040",
        "t": 109100866,
        "i": 8886774,
    },
    {
        "e": "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "E": 1685517224945,
        "T": 1685517224955,
        "or": {"s": "ETHUSDT", "i": 155618472834, "r": "Due to the order could not be filled immediately"},
    },
    {"e": "STRATEGY_UPDATE", "T": 1669261797627, "E": 1669261797628, "su": {"si": 176054594, "st": "GRID"}},
    {"e": "GRID_UPDATE", "T": 1669262908216, "E": 1669262908218, "gu": {"si": 176057039, "r": "-0.00300716"}},
]


def raw(payload: Any) -> bytes:
    """As it comes."""
    return json.dumps(payload).encode()


def order_said(at: int = 1568879465650, **changes: Any) -> OrderSaid:
    """The order's event with other values."""
    payload = ORDER_TRADE_UPDATE | {"T": at, "o": {**ORDER_TRADE_UPDATE["o"], **changes}}  # type: ignore[dict-item]
    event = futures_wire.user_event(raw(payload))
    assert isinstance(event, OrderSaid)
    return event


def algo_said(**changes: Any) -> OrderSaid:
    """The conditional order's event with other values."""
    event = futures_wire.user_event(raw(ALGO_UPDATE | {"o": {**ALGO_UPDATE["o"], **changes}}))  # type: ignore[dict-item]
    assert isinstance(event, OrderSaid)
    return event


# --- answers ---------------------------------------------------------------------------------------------------------


def test_an_account_has_wallets_and_positions() -> None:
    """Positions that are 0 are left out, and wallets are not."""
    assert futures_wire.account(raw(ACCOUNT)) == FuturesAccount(
        (Balance("USDT", D("23.72469206")), Balance("BNB", D(0))),
        (Holding("BTCUSDT", "LONG", D(1), D(0), 5),),
        D("1.5"),
        D("126.72469206"),
        1625474304765,
    )


def test_positions_have_their_entry_price() -> None:
    """A short one is below 0; one that is 0 is left out."""
    assert futures_wire.holdings(raw(POSITIONS)) == (
        Holding("ADAUSDT", "BOTH", D(-30), D("0.385"), 1720736417660, D("0.41047590"), D("6.5")),
    )


def test_balances_have_the_alias_of_the_account() -> None:
    """An account without any has no name."""
    rows = [{"accountAlias": "SgsR", "asset": "USDT", "balance": "122607.35137903"}]
    assert futures_wire.balances(raw(rows)) == ("SgsR", (Balance("USDT", D("122607.35137903")),))
    assert futures_wire.balances(b"[]") == ("", ())


def test_an_order_is_read_as_it_is() -> None:
    """Each field of an order has its place."""
    order = futures_wire.order(raw(ORDER))
    assert order == Order(
        symbol="BTCUSDT",
        order_id=1917641,
        client_id="abc",
        side=Side.BUY,
        kind="LIMIT",
        status="PARTIALLY_FILLED",
        quantity=D("0.40"),
        filled=D("0.20"),
        quote_filled=D("1860.1"),
        price=D(9301),
        time_msc=1579276756075,
        updated_msc=1579276756080,
        reduces=True,
        position_side="SHORT",
        expires_msc=1693207680000,
    )
    assert order.average == D("9300.5")
    assert futures_wire.orders(raw([ORDER])) == [order]


def test_what_was_paid_may_not_be_said() -> None:
    """Since 2026-07-15 answers may lack avgPrice and cumQuote; either of them is enough."""
    order = {key: value for key, value in ORDER.items() if key not in ("avgPrice", "cumQuote")}
    assert futures_wire.order(raw(order)).average is None
    assert futures_wire.order(raw(order | {"avgPrice": "9300.5"})).quote_filled == D("1860.1")


def test_a_new_order_was_made_when_it_says() -> None:
    """Its answer has one time; that of a cancellation is not the order's."""
    order = {key: value for key, value in ORDER.items() if key != "time"}
    assert futures_wire.order(raw(order | {"status": "NEW"})).time_msc == 1579276756080
    assert futures_wire.order(raw(order | {"status": "CANCELED"})).time_msc == 0


def test_a_conditional_order_is_one() -> None:
    """It has an id of its own, and no order in its place yet."""
    order = futures_wire.algo_order(raw(ALGO))
    assert order == Order(
        symbol="BNBUSDT",
        order_id=2148627,
        client_id="MRumok0dkhrP4kCm12AHaB",
        side=Side.SELL,
        kind="STOP_MARKET",
        status="NEW",
        quantity=D("0.01"),
        trigger=D(750),
        time_msc=1750514941540,
        updated_msc=1750514941541,
        reduces=True,
        closes_position=True,
        conditional=True,
    )
    assert futures_wire.algo_orders(raw([ALGO, ALGO])) == [order, order]


@pytest.mark.parametrize(("said", "becomes"), [("", 0), (None, 0), ("8886774", 8886774), (8886774, 8886774)])
def test_what_a_conditional_order_became(said: Any, becomes: int) -> None:
    """The id of that order is said as a word, and is empty before."""
    assert futures_wire.algo_order(raw(ALGO | {"actualOrderId": said})).becomes == becomes
    assert algo_said(X="TRIGGERED", ai=said).order.becomes == becomes


@pytest.mark.parametrize("empty", ["", None])
def test_a_conditional_order_may_leave_numbers_empty(empty: Any) -> None:
    """One that closes a position has no quantity of its own."""
    order = futures_wire.algo_order(raw(ALGO | {"quantity": empty, "price": empty}))
    assert (order.quantity, order.price) == (0, 0)


def test_trades_tell_what_they_made() -> None:
    """Futures book a profit with each trade."""
    assert futures_wire.trades(raw(TRADES)) == [
        Fill(
            "BTCUSDT",
            698759,
            25851813,
            Side.SELL,
            D("7819.01"),
            D("0.002"),
            D("0.0781901"),
            "USDT",
            1569514978020,
            D("-0.91539999"),
            "SHORT",
        )
    ]


def test_settings_are_read() -> None:
    """Position mode, and margin type and leverage of a symbol."""
    assert futures_wire.position_mode(b'{"dualSidePosition":true}') is True
    rows = [{"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 21, "maxNotionalValue": "1000000"}]
    assert futures_wire.symbol_config(raw(rows)) == SymbolConfig("BTCUSDT", "CROSSED", 21)
    assert refused(futures_wire.symbol_config, []).value == "[]"
    assert refused(futures_wire.symbol_config, rows * 2).value == '["BTCUSDT","BTCUSDT"]'


def test_a_listen_key_fits_into_an_address() -> None:
    """One that would lead elsewhere is refused."""
    assert futures_wire.listen_key(b'{"listenKey":"pqia91ma19a5s61cv6a81va65sdf19v8a65a1"}').startswith("pqia91")
    for wrong in ("", "../x", "a?b", "a b", "a" * 257):
        assert refused(futures_wire.listen_key, {"listenKey": wrong}).field == "listenKey"


# --- events ----------------------------------------------------------------------------------------------------------


def test_an_order_that_is_new() -> None:
    """It was made at its own time, and changed at that of the event."""
    assert order_said() == OrderSaid(
        Order(
            "BTCUSDT",
            8886774,
            "TEST",
            Side.SELL,
            "TRAILING_STOP_MARKET",
            "NEW",
            D("0.001"),
            trigger=D("7103.04"),
            time_msc=1568879465649,
            updated_msc=1568879465650,
            position_side="LONG",
        ),
        1568879465651,
        None,
        "NEW",
    )


def test_a_trade_has_its_fill() -> None:
    """With what it made; and the order what it was paid in all."""
    event = order_said(
        x="TRADE", X="PARTIALLY_FILLED", l="0.0004", z="0.0006", L="7100", ap="7101", n="0.02", t=55, rp="1.5"
    )
    assert event.fill == Fill(
        "BTCUSDT",
        55,
        8886774,
        Side.SELL,
        D(7100),
        D("0.0004"),
        D("0.02"),
        "USDT",
        1568879465649,
        D("1.5"),
        "LONG",
        "TEST",
    )
    assert (event.order.average, event.order.time_msc) == (D(7101), 0)


def test_a_commission_may_be_left_out() -> None:
    """It is not said where there is none."""
    said: dict[str, Any] = {**ORDER_TRADE_UPDATE["o"], "x": "TRADE", "l": "1", "z": "1", "t": 9}  # type: ignore[dict-item]
    del said["n"], said["N"]
    event = futures_wire.user_event(raw(ORDER_TRADE_UPDATE | {"o": said}))
    assert isinstance(event, OrderSaid)
    assert event.fill is not None
    assert (event.fill.commission, event.fill.commission_asset) == (0, "")


def test_what_is_done_by_force_is_a_fill_where_it_has_a_number() -> None:
    """A liquidation; without a number it could not be told from others, and userTrades have it."""
    forced = {"c": "autoclose-1596107620040000020", "x": "CALCULATED", "X": "FILLED", "l": "0.001", "z": "0.001"}
    assert order_said(**forced, t=7).fill is not None
    assert order_said(**forced, t=0).fill is None


@pytest.mark.parametrize(("said", "reason"), [("0", ""), (0, ""), ("6", "expiry reason 6"), (8, "expiry reason 8")])
def test_why_an_order_ended(said: Any, reason: str) -> None:
    """The exchange says a number; 0 is none."""
    assert order_said(x="EXPIRED", X="EXPIRED", er=said).reason == reason


def test_a_conditional_order_that_changed() -> None:
    """With the exchange's reason; its times are named the wrong way round in the documents."""
    assert algo_said() == OrderSaid(
        Order(
            "BNBUSDT",
            2148719,
            "Q5xaq5EGKgXXa0fD7fs0Ip",
            Side.SELL,
            "TAKE_PROFIT",
            "CANCELED",
            D("0.01"),
            price=D(750),
            trigger=D(750),
            updated_msc=1750515742297,
            conditional=True,
        ),
        1750515742303,
        None,
        "CANCELED",
        "Reduce Only reject",
    )
    assert algo_said(X="TRIGGERING").order.life is Life.TRIGGERED
    assert algo_said(X="NEW", rm=None).order.time_msc == 1750515742297


def test_balances_and_positions_are_those_of_the_change() -> None:
    """A position that was closed is told as 0."""
    assert futures_wire.user_event(raw(ACCOUNT_UPDATE)) == BalancesSaid(
        (Balance("USDT", D("122624.12345678")),),
        1564745798938,
        (Holding("BTCUSDT", "LONG", D(-20), D("6563.665"), 1564745798938, margin=D("13200.70726908")),),
        "FUNDING_FEE",
    )
    nothing = {"a": {"m": "ORDER", "B": [], "P": [{"s": "BTCUSDT", "pa": "0", "ep": "0", "ps": "BOTH"}]}}
    event = futures_wire.user_event(raw(ACCOUNT_UPDATE | nothing))
    assert isinstance(event, BalancesSaid)
    assert [each.amount for each in event.holdings] == [0]


def test_an_event_is_the_same_in_a_combined_stream() -> None:
    """A private stream can be one of several."""
    wrapped = {"stream": "pqia91ma", "data": ORDER_TRADE_UPDATE}
    assert futures_wire.user_event(raw(wrapped)) == order_said()


@pytest.mark.parametrize("time", [1736996475556, "1736996475556"])
def test_a_key_that_expired_ends_the_stream(time: Any) -> None:
    """Its time is a number, or a word."""
    event = futures_wire.user_event(raw({"e": "listenKeyExpired", "E": time, "listenKey": "WsCMN0a4"}))
    assert isinstance(event, Ended)


@pytest.mark.parametrize("payload", OTHERS, ids=lambda payload: payload["e"])
def test_other_events_are_known(payload: dict[str, Any]) -> None:
    """They change nothing that is kept, or are told by another event, too."""
    assert futures_wire.user_event(raw(payload)) == OtherSaid(payload["e"], True)


def test_a_new_kind_of_event_is_not_known() -> None:
    """And no fault."""
    assert futures_wire.user_event(b'{"e":"BRAND_NEW","o":5}') == OtherSaid("BRAND_NEW", False)


# --- what can't be read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decoder", "payload", "field"),
    [
        (futures_wire.order, ORDER | {"origQty": "Infinity"}, "origQty"),
        (futures_wire.order, ORDER | {"reduceOnly": "true"}, "reduceOnly"),
        (futures_wire.algo_order, ALGO | {"actualOrderId": "abc"}, "actualOrderId"),
        (futures_wire.user_event, ORDER_TRADE_UPDATE | {"o": {}}, "o.s"),
        (futures_wire.user_event, ACCOUNT_UPDATE | {"a": {"B": [{"a": "USDT", "wb": 5}]}}, "a.B[0].wb"),
        (futures_wire.account, ACCOUNT | {"assets": None}, "assets"),
    ],
)
def test_a_fault_names_the_field(decoder: Any, payload: Any, field: str) -> None:
    """Whoever reads it sees where."""
    assert refused(decoder, payload).field == field


DECODERS = [
    (futures_wire.account, ACCOUNT),
    (futures_wire.holdings, POSITIONS),
    (futures_wire.order, ORDER),
    (futures_wire.orders, [ORDER, ORDER]),
    (futures_wire.algo_order, ALGO),
    (futures_wire.algo_orders, [ALGO]),
    (futures_wire.trades, TRADES),
    (futures_wire.balances, [{"accountAlias": "SgsR", "asset": "USDT", "balance": "1"}]),
    (futures_wire.listen_key, {"listenKey": "pqia91ma"}),
    (futures_wire.position_mode, {"dualSidePosition": True}),
    (futures_wire.symbol_config, [{"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 21}]),
    (futures_wire.user_event, ORDER_TRADE_UPDATE),
    (futures_wire.user_event, ALGO_UPDATE),
    (futures_wire.user_event, {"stream": "k", "data": ACCOUNT_UPDATE}),
]


@given(st.data())
def test_anything_is_read_or_is_a_fault(data: st.DataObject) -> None:
    """There is no other error, and no number that is not finite."""
    decoder, payload = data.draw(st.sampled_from(DECODERS))
    record = reads_or_faults(decoder, data.draw(spoiled(payload)))
    assert record is not None
    if isinstance(record, WireFault):
        return
    for order in [record.order if isinstance(record, OrderSaid) else record]:
        if isinstance(order, Order):
            assert all(each.is_finite() for each in (order.price, order.quantity, order.filled, order.trigger))
            assert order.becomes >= 0
