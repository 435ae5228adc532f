"""Ticks on the wire."""

from __future__ import annotations

import json
import math
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec
from quantmind.wire.market import encode_object, encode_tick, make_tick, spread_pips, tick_message

EURUSD = usual_spec("EURUSD")
QUOTE = Quote("EURUSD", 1.0850, 1.0851, 1795424400123)


def test_tick_is_the_object_of_the_protocol() -> None:
    """The message has exactly the fields and values that the protocol shows, in its order."""
    message = json.loads(encode_tick(QUOTE, EURUSD, 121, "demo"))
    assert message == {
        "type": "tick",
        "data": {
            "symbol": "EURUSD",
            "bid": 1.0850,
            "ask": 1.0851,
            "last": 0.0,
            "volume": 0.0,
            "time": "2026-11-23T09:00:00.123Z",
            "time_msc": 1795424400123,
            "spread": 1.0,
            "seq": 121,
            "broker": "demo",
        },
    }
    assert list(message["data"]) == [
        "symbol",
        "bid",
        "ask",
        "last",
        "volume",
        "time",
        "time_msc",
        "spread",
        "seq",
        "broker",
    ]


def test_snapshot_is_marked_beside_the_same_object() -> None:
    """A snapshot differs from a tick by its mark alone, so PUB, REST and WebSocket share one object."""
    encoded = encode_object(make_tick(QUOTE, EURUSD, 1, "demo"))
    snapshot = json.loads(tick_message(encoded, snapshot=True))
    assert snapshot.pop("snapshot") is True
    assert snapshot == json.loads(tick_message(encoded))
    assert snapshot["data"] == json.loads(encoded)


@pytest.mark.parametrize(
    ("bid", "ask", "digits", "pips"),
    [
        (1.0850, 1.0851, 5, 1.0),
        (1.08500, 1.08512, 5, 1.2),
        (1.0850, 1.0852, 4, 2.0),
        (150.000, 150.015, 3, 1.5),
        (2650.00, 2650.30, 2, 30.0),
        (5000.0, 5001.0, 0, 1.0),
        (1.1, 1.1, 5, 0.0),
    ],
)
def test_spread_is_in_pips(bid: float, ask: float, digits: int, pips: float) -> None:
    """A pip is 10 points on 3- and 5-digit symbols, else one point."""
    assert spread_pips(bid, ask, digits) == pips


def test_prices_are_rounded_to_the_digits() -> None:
    """What arithmetic on floats leaves behind is not shown."""
    tick = make_tick(Quote("EURUSD", 1.1 + 0.2, 1.30001 + 1e-12, 0), EURUSD, 1, "demo")
    assert (tick.bid, tick.ask) == (1.3, 1.30001)


@pytest.mark.parametrize(
    ("time_msc", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1795424400999, "2026-11-23T09:00:00.999Z"),
        (1795424401000, "2026-11-23T09:00:01.000Z"),
    ],
)
def test_time_has_milliseconds_and_z(time_msc: int, text: str) -> None:
    """Times are UTC with three decimals, also across a second and before 1970."""
    assert make_tick(Quote("EURUSD", 1.0, 1.0, time_msc), EURUSD, 1, "demo").time == text


@given(
    st.floats(min_value=1e-5, max_value=1e7),
    st.floats(min_value=0, max_value=100),
    st.integers(min_value=0, max_value=4_000_000_000_000),
)
def test_any_quote_becomes_valid_json(bid: float, spread: float, time_msc: int) -> None:
    """The numbers that come out are the rounded ones that went in."""
    data = json.loads(encode_tick(Quote("EURUSD", bid, bid + spread, time_msc), EURUSD, 1, "demo"))["data"]
    assert data["bid"] == round(bid, 5)
    assert data["time_msc"] == time_msc
    assert math.isfinite(data["spread"])


def test_encoding_is_quick() -> None:
    """About 2 µs a tick; the bound only catches a change of kind."""
    runs = 2_000
    best = min(timeit.repeat(lambda: encode_tick(QUOTE, EURUSD, 1, "demo"), number=runs, repeat=5)) / runs
    assert best < 50e-6
