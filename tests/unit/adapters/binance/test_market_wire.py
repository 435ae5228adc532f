"""Messages of market streams; payloads as in binance-spot-api-docs (2026-07) and in the futures SDK (2026-08)."""

from __future__ import annotations

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_fuzz import reads_or_faults, refused, spoiled

from quantmind.adapters.binance.faults import WireFault
from quantmind.adapters.binance.market_wire import (
    BookTicker,
    OtherMarket,
    ServerShutdown,
    Subscribed,
    Trade,
    book_prices,
    book_rows,
    market_event,
)

D = Decimal
ROOT = Path(__file__).resolve().parents[4]
DATA = Path(os.environ.get("QUANTMIND_DATA") or ROOT.parent / "shared" / "data")

SPOT_BOOK = {"u": 400900217, "s": "BNBUSDT", "b": "25.35190000", "B": "31.21000000", "a": "25.36520000", "A": "40.66"}
FUTURES_BOOK = {
    "e": "bookTicker",
    "u": 400900217,
    "E": 1568014460893,
    "T": 1568014460891,
    "s": "BNBUSDT",
    "b": "25.35190000",
    "B": "31.21000000",
    "a": "25.36520000",
    "A": "40.66000000",
    "ps": "BNBUSDT",
    "st": 1,
}
TRADE = {
    "e": "trade",
    "E": 1672515782136,
    "s": "BNBBTC",
    "t": 12345,
    "p": "0.001",
    "q": "100",
    "T": 1672515782135,
    "m": True,
    "M": True,
}
DEPTH = {"e": "depthUpdate", "E": 1, "s": "BNBBTC", "U": 157, "u": 160, "b": [["0.0024", "10"]], "a": []}


def raw(payload: Any) -> bytes:
    """As it comes."""
    return json.dumps(payload).encode()


def combined(payload: Any, stream: str = "bnbusdt@bookTicker") -> bytes:
    """As a combined stream has it."""
    return raw({"stream": stream, "data": payload})


def test_best_prices_of_spot_have_no_time() -> None:
    """And no event type: they are known by what they have."""
    ticker = BookTicker("BNBUSDT", 400900217, 25.3519, 25.3652, 31.21, 40.66, None, None)
    assert market_event(raw(SPOT_BOOK)) == ticker
    assert market_event(combined(SPOT_BOOK)) == ticker


def test_best_prices_of_futures_have_two_times() -> None:
    """When the exchange said it, and when it was so."""
    ticker = BookTicker("BNBUSDT", 400900217, 25.3519, 25.3652, 31.21, 40.66, 1568014460893, 1568014460891)
    assert market_event(raw(FUTURES_BOOK)) == ticker
    assert market_event(combined(FUTURES_BOOK)) == ticker


def test_a_trade_is_read() -> None:
    """Raw and combined."""
    trade = Trade("BNBBTC", 12345, 0.001, 100.0, 1672515782136, 1672515782135, True)
    assert market_event(raw(TRADE)) == trade
    assert market_event(combined(TRADE, "bnbbtc@trade")) == trade


def test_microseconds_become_milliseconds() -> None:
    """Where times are asked for in microseconds they have 16 digits."""
    trade = market_event(raw(TRADE | {"E": 1672515782136999, "T": 1672515782135001}))
    assert isinstance(trade, Trade)
    assert (trade.event_msc, trade.trade_msc) == (1672515782136, 1672515782135)
    ticker = market_event(raw(FUTURES_BOOK | {"E": 1568014460893123, "T": 1568014460891123}))
    assert isinstance(ticker, BookTicker)
    assert (ticker.event_msc, ticker.transaction_msc) == (1568014460893, 1568014460891)


def test_an_empty_side_of_the_book_is_0() -> None:
    """The exchange says so of a symbol that is halted or new."""
    ticker = market_event(raw(SPOT_BOOK | {"b": "0.00000000", "B": "0.00000000"}))
    assert isinstance(ticker, BookTicker)
    assert (ticker.bid, ticker.bid_qty) == (0.0, 0.0)


@pytest.mark.parametrize(
    "body",
    [
        raw({"e": "serverShutdown", "E": 1770123456789}),
        combined({"e": "serverShutdown", "E": 1770123456789}, "!serverShutdown"),
        raw({"e": "serverShutdown", "E": 1770123456789123}),
    ],
)
def test_a_server_that_shuts_down_says_so(body: bytes) -> None:
    """Raw and combined."""
    assert market_event(body) == ServerShutdown(1770123456789)


def test_a_shutdown_may_have_no_time() -> None:
    """Its name is enough."""
    assert market_event(b'{"e":"serverShutdown"}') == ServerShutdown(0)


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ({"result": None, "id": 1}, Subscribed(1, None)),
        ({"result": ["btcusdt@aggTrade"], "id": "a"}, Subscribed("a", None)),
        (
            {"error": {"code": 2, "msg": "Invalid request: bad stream"}, "id": 3},
            Subscribed(3, "Invalid request: bad stream (2)"),
        ),
        ({"code": 3, "msg": "Invalid JSON", "id": None}, Subscribed(None, "Invalid JSON (3)")),
    ],
)
def test_an_answer_to_a_request_is_one(payload: Any, answer: Subscribed) -> None:
    """With the exchange's words where it refused."""
    assert market_event(raw(payload)) == answer


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (raw(DEPTH), "depthUpdate"),
        (combined(DEPTH, "bnbbtc@depth"), "depthUpdate"),
        (combined({"lastUpdateId": 160, "bids": [], "asks": []}, "bnbbtc@depth5"), "bnbbtc@depth5"),
        (raw({"lastUpdateId": 160, "bids": [], "asks": []}), ""),
        (raw({"e": "aggTrade", "E": 1, "s": "BNBBTC", "a": 12345, "p": "0.001"}), "aggTrade"),
        (raw({"e": "kline", "E": 1, "s": "BNBBTC", "k": {"t": 1}}), "kline"),
        (raw([{"e": "24hrMiniTicker"}]), ""),
        (combined([{"e": "24hrMiniTicker"}], "!miniTicker@arr"), "!miniTicker@arr"),
        (raw({"e": "brandNew", "p": {}}), "brandNew"),
    ],
)
def test_other_messages_are_no_fault(body: bytes, kind: str) -> None:
    """They use the same letters for other things."""
    assert market_event(body) == OtherMarket(kind)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (SPOT_BOOK | {"b": "nan"}, "b"),
        (SPOT_BOOK | {"a": "Infinity"}, "a"),
        (SPOT_BOOK | {"b": "-1"}, "b"),
        (SPOT_BOOK | {"B": "-0.5"}, "B"),
        (SPOT_BOOK | {"s": ""}, "s"),
        (SPOT_BOOK | {"a": None}, "a"),
        (SPOT_BOOK | {"b": []}, "b"),
        (FUTURES_BOOK | {"u": "x"}, "u"),
        ({key: value for key, value in FUTURES_BOOK.items() if key != "a"}, "a"),
        (TRADE | {"p": "nan"}, "p"),
        (TRADE | {"m": None}, "m"),
        (TRADE | {"T": "soon"}, "T"),
        ({key: value for key, value in TRADE.items() if key != "t"}, "t"),
    ],
)
def test_prices_that_make_no_sense_are_faults(payload: Any, field: str) -> None:
    """What is read here goes to traders; the error names the field, in a combined stream, too."""
    assert refused(market_event, payload).field.endswith(field)
    stream = "bnbusdt@trade" if payload.get("e") == "trade" else "bnbusdt@bookTicker"
    assert refused(market_event, {"stream": stream, "data": payload}).field.endswith(field)


def test_best_prices_without_a_number_are_a_fault() -> None:
    """In a combined stream their stream says what they should be."""
    assert isinstance(reads_or_faults(market_event, combined({"s": "BNBUSDT", "b": "1", "a": "2"})), WireFault)


@pytest.mark.parametrize("body", [b"", b"{", b'"x"', b"5", b"null", b'{"e":5}', b'{"s":"\xff"}', b'{"data":' * 5000])
def test_what_is_no_message_is_a_fault(body: bytes) -> None:
    """Also too many brackets, and bytes that are no text."""
    assert isinstance(reads_or_faults(market_event, body), WireFault)


@given(st.decimals(min_value=0, max_value=10**9, allow_nan=False, allow_infinity=False, places=8))
def test_a_price_is_the_float_nearest_to_what_was_said(price: Decimal) -> None:
    """To the last bit."""
    ticker = market_event(raw(SPOT_BOOK | {"b": f"{price:f}"}))
    assert isinstance(ticker, BookTicker)
    assert ticker.bid == float(f"{price:f}")


@given(
    st.one_of(
        spoiled(SPOT_BOOK),
        spoiled({"stream": "bnbusdt@bookTicker", "data": FUTURES_BOOK}),
        spoiled({"stream": "bnbbtc@trade", "data": TRADE}),
        spoiled({"result": None, "id": 1}),
    )
)
def test_anything_is_read_or_is_a_fault(body: bytes) -> None:
    """There is no other error, and no price that is below 0 or not finite."""
    event = reads_or_faults(market_event, body)
    if isinstance(event, BookTicker):
        assert event.symbol
        assert all(0 <= each < float("inf") for each in (event.bid, event.ask, event.bid_qty, event.ask_qty))
    elif isinstance(event, Trade):
        assert event.symbol
        assert all(0 <= each < float("inf") for each in (event.price, event.quantity, event.trade_msc))


@pytest.mark.parametrize(
    "name", ["binance_spot_btcusdt_20240808_rawws.gz", "binance_usdm_btcusdt_20240808_rawws_first60000.gz"]
)
def test_a_recorded_day_is_read_to_the_last_bit(name: str) -> None:
    """Each message of a real stream says what a plain JSON reader finds in it."""
    path = DATA / "crypto" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there; set QUANTMIND_DATA to the folder of recorded data")
    seen: dict[str, int] = {}
    with gzip.open(path) as lines:
        for line in lines:
            body = line.split(b" ", 1)[1]
            event = market_event(body)
            message = json.loads(body)
            data, stream = message.get("data", message), message.get("stream", "")
            kind = stream.partition("@")[2]
            seen[kind] = seen.get(kind, 0) + 1
            if kind == "bookTicker":
                assert event == BookTicker(
                    data["s"],
                    data["u"],
                    float(data["b"]),
                    float(data["a"]),
                    float(data["B"]),
                    float(data["A"]),
                    data.get("E"),
                    data.get("T"),
                )
            elif kind == "trade":
                assert event == Trade(
                    data["s"], data["t"], float(data["p"]), float(data["q"]), data["E"], data["T"], data["m"]
                )
            else:
                assert isinstance(event, OtherMarket)
    assert seen["bookTicker"] > 20_000
    assert seen["trade"] > 9_000


def test_best_prices_over_rest_are_one_or_several() -> None:
    """Futures say their time."""
    one = {"symbol": "LTCBTC", "bidPrice": "4.00000000", "bidQty": "431", "askPrice": "4.00000200", "askQty": "9"}
    assert book_prices(raw(one)) == [("LTCBTC", D(4), D("4.000002"))]
    assert book_rows(raw([one, one | {"time": 1589437530011}])) == [
        ("LTCBTC", D(4), D("4.000002"), None),
        ("LTCBTC", D(4), D("4.000002"), 1589437530011),
    ]
    assert refused(book_rows, [one | {"askPrice": "-"}]).field == "[0].askPrice"


@given(spoiled([{"symbol": "LTCBTC", "bidPrice": "4", "askPrice": "5", "time": 1}]))
def test_any_answer_of_best_prices_is_read_or_is_a_fault(body: bytes) -> None:
    """There is no other error."""
    reads_or_faults(book_rows, body)
