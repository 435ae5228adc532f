"""Commands of the wire: each field, each fault, and every hostile text an answer in good time."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.domain.orders import Cancel, Close, Filling, Modify, Open, OrderType, Origin, Side
from quantmind.wire.commands import (
    TYPES,
    Heartbeat,
    RiskUpdate,
    Trade,
    TradeResult,
    decode,
)
from quantmind.wire.guards import CommandFault, too_deep

EXAMPLES = examples(2_000, 500)
HANGS_S = 5.0
"""CPU seconds on one message that no message needs, and that a number taken at its word would: 1E+999999999."""
CODES = {"invalid_json", "invalid_message", "unknown_type", "unknown_field"}

OPEN = {"type": "trade_open", "ea_name": "alpha", "symbol": "EURUSD", "volume": 0.1, "magic": 7}
CLOSE = {"type": "trade_close", "ea_name": "alpha", "symbol": "EURUSD", "ticket": 5, "profit": -1.5}
MODIFY = {"type": "trade_modify", "ea_name": "alpha", "ticket": 5, "new_sl": 1.08, "new_tp": 0}
CANCEL = {"type": "trade_cancel", "ea_name": "alpha", "ticket": 5}
RESULT = {"type": "trade_result", "ea_name": "alpha", "approval_id": "a", "volume": 0}
BEAT = {"type": "heartbeat", "ea_name": "alpha", "symbol": "EURUSD", "magic": 7}
UPDATE = {"type": "risk_update", "ea_name": "alpha", "risk_multiplier": 0.5}
ALL = {message["type"]: message for message in (OPEN, CLOSE, MODIFY, CANCEL, RESULT, BEAT, UPDATE)}


def raw(message: Any) -> bytes:
    return json.dumps(message).encode()


def fault(message: Any) -> CommandFault:
    with pytest.raises(CommandFault) as caught:
        decode(message if isinstance(message, bytes) else raw(message))
    assert caught.value.code in CODES
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 600
    return caught.value


# --- what is understood --------------------------------------------------------------------------------------------


def test_open() -> None:
    """An open has its fields, numbers exact."""
    text = b'{"type":"trade_open","ea_name":"alpha","symbol":"EURUSD","volume":0.10,"magic":18446744073709551615,'
    text += b'"side":"SELL","order_type":"limit","price":1.08501,"sl":1.0900,"tp":1.0800,"score":0.7,"execute":true,'
    text += (
        b'"reduce":true,"comment":"hi","expires_at":10.5,"request_id":"r","broker":"demo","token":"t","timestamp":9,'
    )
    text += b'"current_balance":10000}'
    command = decode(text)
    assert isinstance(command, Trade)
    proposal = command.proposal("demo")
    assert isinstance(proposal, Open)
    assert (str(proposal.volume), str(proposal.price), str(proposal.sl)) == ("0.10", "1.08501", "1.0900")
    assert (proposal.side, proposal.order_type, proposal.reduce) == (Side.SELL, OrderType.LIMIT, True)
    assert (proposal.origin.magic, proposal.origin.request_id) == (2**64 - 1, "r")
    assert (command.envelope.expires_at, command.envelope.timestamp, command.envelope.token) == (10.5, 9.0, "t")


def test_the_others() -> None:
    """Close, modify, result, heartbeat and update have theirs."""
    close = decode(raw({**CLOSE, "volume": 0.2}))
    assert isinstance(close, Trade)
    assert close.proposal("b") == Close(close.proposal("b").origin, "b", "EURUSD", 5, Decimal("0.2"))
    modify = decode(raw(MODIFY))
    assert isinstance(modify, Trade)
    assert modify.proposal("b") == Modify(modify.proposal("b").origin, "b", 5, Decimal("1.08"), Decimal(0))
    cancel = decode(raw({**CANCEL, "execute": True}))
    assert isinstance(cancel, Trade)
    assert cancel.proposal("b") == Cancel(Origin("alpha", 0), "b", 5)
    result = decode(raw({**RESULT, "retcode": 10009, "ticket": 2**64 - 1, "price": 1.1}))
    assert isinstance(result, TradeResult)
    assert (result.volume, result.ticket) == (Decimal(0), 2**64 - 1)
    beat = decode(raw({**BEAT, "balance": 1000.25, "equity": -5, "version": "1.2"}))
    assert isinstance(beat, Heartbeat)
    assert (beat.balance, beat.equity) == (Decimal("1000.25"), Decimal(-5))
    update = decode(raw(UPDATE))
    assert isinstance(update, RiskUpdate)
    assert update.risk_multiplier == Decimal("0.5")


@pytest.mark.parametrize(
    ("message", "one", "other"),
    [
        (OPEN, "sl", "stop_loss"),
        (OPEN, "tp", "take_profit"),
        (MODIFY, "new_sl", "new_stop_loss"),
        (MODIFY, "new_tp", "new_take_profit"),
    ],
)
def test_aliases(message: dict[str, Any], one: str, other: str) -> None:
    """Either name means the same; both may stand there if they agree."""
    bare = {k: v for k, v in message.items() if k not in (one, other)}
    assert (
        decode(raw({**bare, one: 1.5}))
        == decode(raw({**bare, other: 1.5}))
        == decode(raw({**bare, one: 1.5, other: 1.5}))
    )
    assert "differ" in fault({**bare, one: 1.5, other: 1.6}).message


def test_pending_orders() -> None:
    """A limit or stop order may say its end, an order its deviation and filling, a modification a new price and end."""
    command = decode(
        raw({**OPEN, "order_type": "stop", "price": 1.1, "expiration": 1e9, "deviation": 20, "filling": "IOC"})
    )
    assert isinstance(command, Trade)
    proposal = command.proposal("b")
    assert isinstance(proposal, Open)
    assert (proposal.expiration, proposal.deviation, proposal.filling) == (1e9, 20, Filling.IOC)
    plain = decode(raw({**OPEN, "expiration": 0}))
    assert isinstance(plain, Trade)
    assert plain.expiration is None
    modify = decode(
        raw({"type": "trade_modify", "ea_name": "alpha", "ticket": 5, "new_price": 1.2, "new_expiration": 0})
    )
    assert isinstance(modify, Trade)
    assert modify.proposal("b") == Modify(Origin("alpha", 0), "b", 5, None, None, Decimal("1.2"), 0.0)
    close = decode(raw({**CLOSE, "close_by": 6}))
    assert isinstance(close, Trade)
    assert close.proposal("b") == Close(Origin("alpha", 0), "b", "EURUSD", 5, None, 6)


def test_what_is_not_said_leaves_no_trace() -> None:
    """A body without the later fields is what it was before there were any: journals keep fingerprints."""
    command = decode(raw(OPEN))
    assert isinstance(command, Trade)
    assert set(command.body()) == {
        "type", "broker", "magic", "execute", "symbol", "ticket", "volume", "side", "order_type", "price", "sl", "tp",
        "reduce", "comment",
    }  # fmt: skip


def test_ea_alias() -> None:
    """`ea` is `ea_name`; one of them must be there."""
    bare = {k: v for k, v in BEAT.items() if k != "ea_name"}
    assert decode(raw({**bare, "ea": "alpha"})) == decode(raw(BEAT))
    assert fault(bare).code == "invalid_message"
    assert fault({**bare, "ea": ""}).code == "invalid_message"
    assert fault({**BEAT, "ea": "beta"}).code == "invalid_message"


def test_zero_stops() -> None:
    """In an open 0 is no stop, as in MQL5; in a modify 0 removes one and absent keeps it."""
    command = decode(raw({**OPEN, "sl": 0, "tp": 0.0}))
    assert isinstance(command, Trade)
    assert (command.sl, command.tp) == (None, None)
    command = decode(raw({k: v for k, v in MODIFY.items() if k != "new_tp"}))
    assert isinstance(command, Trade)
    assert (command.sl, command.tp) == (Decimal("1.08"), None)
    assert "nothing would change" in fault({k: v for k, v in MODIFY.items() if not k.startswith("new")}).message


# --- what is not ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (b"", "invalid_json", "empty"),
        (b"  \n", "invalid_json", "empty"),
        (b"{", "invalid_json", "not JSON"),
        (b"\xff\xfe", "invalid_json", "not JSON"),
        (b'{"type":"heartbeat","ea_name":"\xff"}', "invalid_json", "not JSON"),
        (b'{"type":"heartbeat","ea_name":"\\ud800"}', "invalid_json", "not JSON"),
        (b"{}{}", "invalid_json", "not JSON"),
        (b"[]", "invalid_message", "object"),
        (b"null", "invalid_message", "object"),
        (b"{}", "invalid_message", "type"),
        (b'{"type":7}', "invalid_message", "type"),
        (b'{"type":"trade_opne"}', "unknown_type", "did you mean trade_open"),
        (b'{"type":"zzz"}', "unknown_type", "known are"),
        (b"[" * 100_000, "invalid_json", "nested"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "invalid_json", "nested"),
    ],
)
def test_no_command(message: bytes, code: str, words: str) -> None:
    """What is no command is answered with what it is."""
    found = fault(message)
    assert found.code == code
    assert words in found.message


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("trade_open", {"volume": 0}, "above 0"),
        ("trade_open", {"volume": -0.1}, "above 0"),
        ("trade_open", {"volume": None}, "missing"),
        ("trade_open", {"volume": "0.1"}, "not a number"),
        ("trade_open", {"volume": True}, "not a number"),
        ("trade_open", {"volume": [0.1]}, "not a number"),
        ("trade_open", {"magic": 2**64}, "from"),
        ("trade_open", {"magic": -(2**63) - 1}, "from"),
        ("trade_open", {"magic": 1.0}, "int"),
        ("trade_open", {"magic": True}, "int"),
        ("trade_open", {"magic": "7"}, "int"),
        ("trade_open", {"side": "long"}, "buy, sell"),
        ("trade_open", {"order_type": "iceberg"}, "market"),
        ("trade_open", {"price": -1}, "negative"),
        ("trade_open", {"sl": -1}, "negative"),
        ("trade_open", {"symbol": ""}, "symbol"),
        ("trade_open", {"symbol": "EUR USD"}, "symbol"),
        ("trade_open", {"symbol": "E" * 40}, "symbol"),
        ("trade_open", {"symbol": "EURUSD\n"}, "symbol"),
        ("trade_open", {"comment": "x" * 32}, "31"),
        ("trade_open", {"comment": "a\nb"}, "printed"),
        ("trade_open", {"score": "high"}, "number"),
        ("trade_open", {"current_balance": "much"}, "number"),
        ("trade_open", {"execute": "yes"}, "bool"),
        ("trade_open", {"execute": 1}, "bool"),
        ("trade_open", {"ea_name": "x" * 65}, "64"),
        ("trade_open", {"request_id": ""}, "64"),
        ("trade_open", {"request_id": "x" * 65}, "64"),
        ("trade_open", {"request_id": 5}, "str"),
        ("trade_open", {"expires_at": "soon"}, "number"),
        ("trade_open", {"order_type": "limit"}, "price is missing"),
        ("trade_open", {"expiration": 1e9}, "limit and stop"),
        ("trade_open", {"order_type": "limit", "price": 1, "expiration": -1}, "Unix seconds"),
        ("trade_open", {"order_type": "limit", "price": 1, "expiration": 1e12}, "Unix seconds"),
        ("trade_open", {"deviation": -1}, "from 0"),
        ("trade_open", {"deviation": 0.5}, "int"),
        ("trade_open", {"filling": "all"}, "fok, ioc, return"),
        ("trade_close", {"ticket": 0}, "from 1"),
        ("trade_close", {"close_by": 5}, "itself"),
        ("trade_close", {"close_by": 0}, "from 1"),
        ("trade_close", {"close_by": 6, "volume": 0.1}, "go together"),
        ("trade_modify", {"new_price": 0}, "cancel"),
        ("trade_modify", {"new_price": -1}, "negative"),
        ("trade_modify", {"new_expiration": "never"}, "number"),
        ("trade_cancel", {"ticket": 0}, "from 1"),
        ("trade_close", {"ticket": 2**64}, "from"),
        ("trade_close", {"volume": 0}, "above 0"),
        ("trade_close", {"profit": "good"}, "number"),
        ("trade_modify", {"new_sl": -1}, "negative"),
        ("trade_result", {"volume": -1}, "0 says"),
        ("trade_result", {"volume": None}, "0 says"),
        ("trade_result", {"approval_id": "x" * 65}, "64"),
        ("heartbeat", {"balance": "rich"}, "number"),
        ("risk_update", {"risk_multiplier": 1.01}, "0 to 1"),
        ("risk_update", {"risk_multiplier": -0.01}, "0 to 1"),
        ("risk_update", {"risk_multiplier": None}, "0 to 1"),
    ],
)
def test_wrong_fields(kind: str, fields: dict[str, Any], words: str) -> None:
    """A wrong field is named with what it may be, and the request's id comes back."""
    message = {"request_id": "r", **ALL[kind], **fields}
    found = fault(message)
    assert found.code == "invalid_message"
    assert words in found.message
    if fields.get("request_id", "r") == "r":
        assert found.request_id == "r"


NUMBERS = [
    b"1E+999999999",
    b"1e13",
    b"1e-13",
    b"123456789012345678901",
    b"0.000000000000000000001",
    b"1" * 400,
    b"1" * 5000,
    b"1e99999999999999999999",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"0x10",
    b"1_000",
    b"+1",
    b".5",
    b"5.",
    b"01",
    b"--1",
    b"\xef\xbc\x91",
]


@pytest.mark.parametrize("number", NUMBERS, ids=[str(number[:24]) for number in NUMBERS])
@pytest.mark.parametrize(
    "field", ["volume", "price", "sl", "expires_at", "timestamp", "score", "current_balance", "magic"]
)
def test_numbers_that_are_none(number: bytes, field: str) -> None:
    """NaN, Infinity, and numbers of more than 20 digits or an exponent beyond 12 are refused at once."""
    text = b'{"type":"trade_open","ea_name":"a","symbol":"EURUSD","request_id":"r"'
    for name, value in {"volume": b"0.1", "magic": b"7", field: number}.items():
        text += b',"%s":%s' % (name.encode(), value)
    began = time.thread_time()
    assert fault(text + b"}").code in ("invalid_message", "invalid_json")
    assert time.thread_time() - began < HANGS_S


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"trade_open","ea_name":"a","symbol":"EURUSD","magic":1,"volume":0.1,"volume":10}',
        b'{"type":"trade_open","ea_name":"a","symbol":"EURUSD","magic":1,"volume":10,"vol\\u0075me":10}',
        b'{"type":"trade_open","ea_name":"a","ea_name":"a","symbol":"EURUSD","magic":1,"volume":1}',
        b'{"type":"trade_open","type":"trade_open","ea_name":"a","symbol":"EURUSD","magic":1,"volume":1}',
        b'{"type":"trade_open","ea_name":"a","symbol":"EURUSD","magic":1,"volume":1,"comment":"\\"","comment":"\\""}',
    ],
)
def test_a_repeated_key_is_refused(text: bytes) -> None:
    """Which of two volumes counts is not for a parser to choose."""
    found = fault(text)
    assert found.code == "invalid_message"
    assert "twice" in found.message


def test_quotes_in_texts_are_no_repeated_key() -> None:
    """An escaped quote takes the slower look and passes."""
    assert decode(raw({**OPEN, "comment": 'a "b" \\ c', "request_id": "\u00e9\U0001f600"}))


@pytest.mark.parametrize("kind", TYPES)
def test_a_misspelt_field_is_named(kind: str) -> None:
    """An unknown field is an error that names it and the nearest known one."""
    found = fault({**ALL[kind], "ea_nam": "x", "request_id": "r"})
    assert (found.code, found.request_id) == ("unknown_field", "r")
    assert "ea_nam" in found.message
    assert "did you mean ea_name" in found.message
    assert fault({**ALL[kind], "zzzzzz": None}).code == "unknown_field"


def test_a_misspelt_stop() -> None:
    """`stoploss` is not silently no stop."""
    assert "stop_loss" in fault({**OPEN, "stoploss": 1.08}).message


# --- what makes it this order --------------------------------------------------------------------------------------


def prints(message: dict[str, Any] | bytes) -> str:
    command = decode(message if isinstance(message, bytes) else raw(message))
    assert isinstance(command, Trade)
    return command.fingerprint()


def test_fingerprint() -> None:
    """Equal orders have equal fingerprints however they are written; any other order has another."""
    first = prints(OPEN)
    same = b'{"magic":7,"volume":1.00e-1,"symbol":"EURUSD","ea":"alpha","type":"trade_open"}'
    assert prints(same) == first
    assert prints({**OPEN, "timestamp": 5, "token": "t", "request_id": "x", "sl": 0}) == first
    others = [
        {"volume": 0.11}, {"magic": 8}, {"symbol": "GBPUSD"}, {"side": "buy"}, {"sl": 1}, {"tp": 1}, {"price": 1},
        {"execute": True}, {"reduce": True}, {"order_type": "limit", "price": 1}, {"broker": "demo"}, {"comment": "x"},
    ]  # fmt: skip
    seen = {first} | {prints({**OPEN, **other}) for other in others}
    assert len(seen) == len(others) + 1


@given(st.decimals(Decimal("0.00000001"), Decimal(10**8), places=8))
@settings(max_examples=EXAMPLES)
def test_numbers_are_exact(value: Decimal) -> None:
    """A volume is what was written, to the last digit."""
    text = format(value, "f").encode()
    command = decode(b'{"type":"trade_open","ea_name":"a","symbol":"E","magic":1,"volume":%s}' % text)
    assert isinstance(command, Trade)
    assert command.volume == value
    assert Decimal(command.body()["volume"]) == value


# --- hostile -------------------------------------------------------------------------------------------------------


def survives(text: bytes) -> None:
    began = time.thread_time()
    found: CommandFault | None = None
    try:
        command = decode(text)
    except CommandFault as exc:
        found = exc
    if found is not None:
        assert found.code in CODES
        found.message.encode()  # can be sent
        (found.request_id or "").encode()
    else:
        assert isinstance(command, Trade | TradeResult | Heartbeat | RiskUpdate)
        if isinstance(command, Trade):
            command.fingerprint()
            command.proposal("demo")
        assert command.envelope.ea_name
        command.envelope.ea_name.encode()
    took = time.thread_time() - began
    assert took < HANGS_S, f"{took} s for {text[:60]!r}"


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=70)
    | st.sampled_from([2**64, -1, 0, "EURUSD"])
)
fields = st.sampled_from(sorted({name for message in ALL.values() for name in message} | {
    "request_id", "broker", "token", "timestamp", "expires_at", "side",
    "expiration", "deviation", "filling", "close_by", "new_price", "new_expiration",
    "sl", "stop_loss", "execute", "reduce", "x",
}))  # fmt: skip


@given(st.binary(max_size=300))
@settings(max_examples=EXAMPLES)
def test_any_bytes(text: bytes) -> None:
    """Any bytes: a command or a named fault."""
    survives(text)


@given(
    st.sampled_from([*ALL.values()]),
    st.dictionaries(fields, st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=4), max_size=5),
)
@settings(max_examples=EXAMPLES // 2)  # each is looked at twice
def test_any_fields(message: dict[str, Any], wrong: dict[str, Any]) -> None:
    """Any values in any fields: a command or a named fault."""
    survives(json.dumps({**message, **wrong}).encode("utf-8", "surrogatepass"))
    survives(json.dumps({**message, **wrong}, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@given(st.sampled_from([*ALL.values()]), st.data())
@settings(max_examples=EXAMPLES)
def test_damaged_messages(message: dict[str, Any], data: Any) -> None:
    """A good message with bytes changed, cut or repeated: a command or a named fault."""
    text = bytearray(raw(message))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        how = data.draw(st.sampled_from(["set", "cut", "insert", "double"]))
        if how == "set" and at < len(text):
            text[at] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del text[at : at + data.draw(st.integers(1, 9))]
        elif how == "insert":
            text[at:at] = data.draw(
                st.sampled_from([b"\x00", b'"', b"\\", b"{", b"]", b"1e999999999", b"\xed\xa0\x80", b","])
            )
        else:
            text[at:at] = text[at : at + 20]
    survives(bytes(text))


MIB = 2**20


@pytest.mark.parametrize(
    "text",
    [
        b"a" * MIB,
        b"[" * MIB,
        b"[]" * (MIB // 2),
        b"{" * MIB,
        b'{"a":' * (MIB // 5),
        b'"' + b"\\u0041" * (MIB // 6) + b'"',
        b'{"type":"' + b"a" * MIB + b'"}',
        b'{"type":"heartbeat","' + b"a" * MIB + b'":1}',
        b'{"type":"heartbeat","ea_name":"' + b"a" * MIB + b'"}',
        b'{"type":"heartbeat","ea_name":"a","balance":' + b"1" * MIB + b"}",
        b'{"type":"heartbeat","ea_name":"a","magic":' + b"1" * MIB + b"}",
        b'{"type":"heartbeat","ea_name":"a","balance":0.' + b"0" * MIB + b"1}",
        b'{"type":"heartbeat","ea_name":"a","balance":"' + b'\\"' * (MIB // 2) + b'"}',
        b'{"type":"heartbeat","ea_name":"a"' + b',"ea_name":"a"' * (MIB // 14) + b"}",
        b"{" + b",".join(b'"%d":1' % n for n in range(100_000)) + b"}",
        b" " * MIB,
        b'{"type":"heartbeat",' + b" " * MIB + b'"ea_name":"a"}',
    ],
    ids=lambda text: str(text[:40]),
)
def test_a_mebibyte(text: bytes) -> None:
    """The largest messages are answered quickly too."""
    survives(text)


def test_depth() -> None:
    """Nesting is counted, also where brackets close again."""
    assert too_deep(b"[" * 17)
    assert not too_deep(b"[" * 16)
    assert not too_deep(b"[]" * 1000)
    assert too_deep(b"[]" * 1000 + b"{" * 17)
