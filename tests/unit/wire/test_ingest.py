"""Ticks of terminals on the wire: exactly a tick, or a fault that names what was wrong."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.domain.quotes import Quote
from quantmind.wire.ingest import MAX_TICK_BYTES, IngestFault, decode_tick, encode_tick

EXAMPLES = examples(2_000, 500)
HANGS_S = 5.0
"""CPU seconds on one message that no message needs, and that a number taken at its word would: 1E+999999999."""
REASONS = {
    "oversize", "not_utf8", "invalid_json", "invalid_message", "invalid_symbol", "wrong_topic", "bad_number",
    "negative", "too_high", "no_price", "crossed",
}  # fmt: skip
TICK = {
    "symbol": "EURUSD", "bid": 1.0850, "ask": 1.0851, "last": 0.0, "volume": 0.0, "time_msc": 1_795_424_400_123,
}  # fmt: skip


def raw(message: Any) -> bytes:
    return json.dumps(message).encode()


def fault(body: Any, topic: bytes = b"tick.EURUSD") -> IngestFault:
    with pytest.raises(IngestFault) as caught:
        decode_tick(topic, body if isinstance(body, bytes) else raw(body))
    assert caught.value.reason in REASONS
    assert 0 < len(caught.value.message) < 600
    return caught.value


def outcome(topic: bytes, body: bytes) -> Quote | IngestFault:
    try:
        return decode_tick(topic, body)
    except IngestFault as found:
        return found


def test_a_tick():
    """A tick has its fields; last and volume may be left out."""
    assert decode_tick(b"tick.EURUSD", raw(TICK)) == Quote("EURUSD", 1.0850, 1.0851, 1_795_424_400_123)
    bare = {key: TICK[key] for key in ("symbol", "bid", "ask", "time_msc")}
    assert decode_tick(b"tick.EURUSD", raw(bare)) == Quote("EURUSD", 1.0850, 1.0851, 1_795_424_400_123)
    full = {**TICK, "last": 1.08505, "volume": 3}
    assert decode_tick(b"tick.EURUSD", raw(full)) == Quote("EURUSD", 1.085, 1.0851, 1_795_424_400_123, 1.08505, 3.0)


def test_equal_sides_are_no_cross():
    """A spread of nothing is a price."""
    assert decode_tick(b"tick.EURUSD", raw({**TICK, "ask": 1.085})).ask == 1.085


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"bid": -1.0}, "negative", "bid must not be negative"),
        ({"volume": -0.1}, "negative", "volume"),
        ({"last": -1}, "negative", "last"),
        ({"time_msc": -1}, "negative", "time_msc"),
        ({"bid": 0}, "no_price", "bid must be above 0"),
        ({"ask": 0.0}, "no_price", "ask"),
        ({"bid": 1.0852}, "crossed", "bid 1.0852 of EURUSD is above ask 1.0851"),
        ({"ask": 1e12, "bid": 1}, None, ""),
        ({"ask": 1000000000001}, "too_high", "ask must be at most"),
        ({"time_msc": 253402300800000}, "too_high", "time_msc"),
        ({"time_msc": 1795424400123.5}, "bad_number", "whole milliseconds"),
        ({"bid": "1.0850"}, "bad_number", "bid"),
        ({"bid": True}, "bad_number", "bid"),
        ({"bid": None}, "bad_number", "bid"),
        ({"bid": [1]}, "bad_number", "bid"),
        ({"symbol": "GBPUSD"}, "wrong_topic", "must be tick.GBPUSD"),
        ({"symbol": "EUR USD"}, "invalid_symbol", "symbol must be"),
        ({"symbol": "E" * 32}, "invalid_symbol", "31"),
        ({"symbol": ""}, "invalid_symbol", "symbol"),
        ({"symbol": 7}, "invalid_message", "symbol"),
        ({"bidd": 1}, "invalid_message", "bidd"),
    ],
)
def test_wrong_fields(fields: dict[str, Any], reason: str | None, words: str):
    """A wrong field is named with its value and what it may be."""
    message = {**TICK, **fields}
    if reason is None:
        assert decode_tick(b"tick.EURUSD", raw(message))
        return
    found = fault(message)
    assert found.reason == reason
    assert words in found.message


@pytest.mark.parametrize("name", ["symbol", "bid", "ask", "time_msc"])
def test_a_missing_field_is_named(name: str):
    """A tick without a side or a time is none."""
    found = fault({key: value for key, value in TICK.items() if key != name})
    assert found.reason == "invalid_message"
    assert name in found.message


@pytest.mark.parametrize(
    "number",
    [
        b"NaN", b"Infinity", b"-Infinity", b"1E+999999999", b"1e13", b"1e-13", b"1" * 21, b"0x10", b"+1", b".5", b"5.",
        b"01", b"1_0", b"1e", b"--1", b'"NaN"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["bid", "ask", "last", "volume", "time_msc"])
def test_numbers_that_are_none(number: bytes, field: str):
    """NaN, Infinity and numbers beyond bounds are refused, quickly."""
    values = {"bid": b"1", "ask": b"1", "time_msc": b"1", field: number}
    text = b'{"symbol":"EURUSD"' + b"".join(b',"%s":%s' % (key.encode(), value) for key, value in values.items()) + b"}"
    began = time.process_time()
    assert fault(text).reason in ("bad_number", "invalid_json", "too_high")
    assert time.process_time() - began < HANGS_S


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "invalid_json"),
        (b"tick", "invalid_json"),
        (b"[]", "invalid_message"),
        (b"null", "invalid_message"),
        (b"\xff\xfe", "not_utf8"),
        (raw(TICK)[:-1], "invalid_json"),
        (raw(TICK) + b"x", "invalid_json"),
        (raw(TICK)[:-1] + b',"bid":2}', "invalid_message"),
        (b'{"symbol":"EURUSD","b\\u0069d":1,"bid":1,"ask":1,"time_msc":1}', "invalid_message"),
        (b"[" * 500, "invalid_message"),
        (b'{"a":' * 200, "invalid_message"),
        (b" " * MAX_TICK_BYTES, "oversize"),
    ],
)
def test_what_is_no_object(body: bytes, reason: str):
    """No JSON, no object, a key twice, too deep, too long: each has its reason."""
    assert fault(body).reason == reason


@pytest.mark.parametrize("topic", [b"", b"tick.", b"tick.EURUSD.", b"tick.eurusd", b"TICK.EURUSD", b"tick.\xff\x00"])
def test_the_topic_is_that_of_the_symbol(topic: bytes):
    """Topic and object speak of one symbol, to the letter."""
    assert fault(TICK, topic).reason == "wrong_topic"


prices = st.floats(1e-6, 1e9, allow_nan=False)


@given(prices, prices, st.floats(0, 1e9), st.floats(0, 1e12), st.integers(0, 253_402_300_799_999))
@settings(max_examples=EXAMPLES // 4)
def test_what_is_encoded_is_decoded(one: float, other: float, last: float, volume: float, time_msc: int):
    """A tick that was sent is the tick that comes in, unless a number has more digits than the wire takes."""
    quote = Quote("EURUSD", min(one, other), max(one, other), time_msc, last, volume)
    found = outcome(*encode_tick(quote))
    if isinstance(found, IngestFault):
        assert found.reason == "bad_number"
        assert "digits" in found.message or "exponent" in found.message
    else:
        assert found == quote


def survives(topic: bytes, body: bytes) -> None:
    began = time.process_time()
    quote = outcome(topic, body)
    if isinstance(quote, IngestFault):
        assert quote.reason in REASONS
        assert len(quote.message) < 600
        quote.message.encode()
    else:
        assert topic == b"tick." + quote.symbol.encode()
        assert 0 < quote.bid <= quote.ask <= 1e12
        assert all(math.isfinite(value) and value >= 0 for value in (quote.last, quote.volume))
        assert 0 <= quote.time_msc <= 253_402_300_799_999
    assert time.process_time() - began < HANGS_S


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from([2**64, -1, 0])
)  # fmt: skip


@given(st.binary(max_size=60), st.binary(max_size=300))
@settings(max_examples=EXAMPLES)
def test_any_bytes(topic: bytes, body: bytes):
    """Any bytes: a tick or a named fault."""
    survives(topic, body)


@given(
    st.dictionaries(
        st.sampled_from([*TICK, "x"]),
        st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4),
        max_size=5,
    )
)
@settings(max_examples=EXAMPLES // 4)
def test_any_fields(wrong: dict[str, Any]):
    """Any values in any fields: a tick or a named fault."""
    survives(b"tick.EURUSD", json.dumps({**TICK, **wrong}).encode("utf-8", "surrogatepass"))
    survives(b"tick.EURUSD", json.dumps({**TICK, **wrong}, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@given(st.data())
@settings(max_examples=EXAMPLES // 4)
def test_damaged_ticks(data: Any):
    """A good tick with bytes changed, cut or put in: a tick or a named fault."""
    text = bytearray(raw(TICK))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        how = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if how == "set" and at < len(text):
            text[at] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del text[at : at + data.draw(st.integers(1, 9))]
        else:
            text[at:at] = data.draw(st.sampled_from([b"\x00", b'"', b"\\", b"{", b"1e9999999", b"\xed\xa0\x80", b","]))
    survives(b"tick.EURUSD", bytes(text))
