"""WebSocket messages: decoding never raises, faults say what was wrong, answers have the protocol's fields."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from examples import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quantmind.wire import ws_messages
from quantmind.wire.channels import CHANNELS
from quantmind.wire.ws_messages import (
    AuthMessage,
    ClientMessage,
    GetSymbols,
    PingMessage,
    Resume,
    SubscribeMessage,
    UnsubscribeMessage,
    WsFault,
    decode,
)

THOROUGH = settings(settings.get_profile("ci" if os.environ.get("CI") else "local"))
# Objects take ten times as long to make as bytes do.
OBJECTS = settings(THOROUGH, max_examples=examples(1_000, 100))
CODES = {"invalid_json", "invalid_message", "unknown_type", "no_symbols", "unknown_channel"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"subscribe","symbols":["EURUSD"],"id":"1"}', SubscribeMessage(("EURUSD",), "1")),
        ('{"type":"subscribe","symbols":["EURUSD@demo","GBPUSD"]}', SubscribeMessage(("EURUSD@demo", "GBPUSD"))),
        ('{"type":"subscribe","symbols":["EURUSD"],"channels":null,"resume":null}', SubscribeMessage(("EURUSD",))),
        ('{"type":"subscribe","symbols":["EURUSD"],"colour":{"a":[1]}}', SubscribeMessage(("EURUSD",))),
        (
            '{"type":"subscribe","channels":["orders","account","orders"],"id":"c"}',
            SubscribeMessage((), "c", ("orders", "account")),
        ),
        ('{"type":"subscribe","symbols":[],"channels":["risk"]}', SubscribeMessage((), None, ("risk",))),
        (
            '{"type":"subscribe","symbols":["A"],"channels":["events"],"resume":{"epoch":"e","seq":{"A":0},"x":1}}',
            SubscribeMessage(("A",), None, ("events",), Resume("e", {"A": 0})),
        ),
        (
            '{"type":"subscribe","channels":["risk"],"resume":{"journal_seq":9007199254740992}}',
            SubscribeMessage((), None, ("risk",), Resume(journal_seq=2**53)),
        ),
        ('{"type":"subscribe","symbols":["A"],"resume":{}}', SubscribeMessage(("A",), resume=Resume())),
        ('{"type":"unsubscribe","symbols":["EURUSD"]}', UnsubscribeMessage(("EURUSD",))),
        ('{"type":"unsubscribe"}', UnsubscribeMessage(None, None, None)),
        ('{"type":"unsubscribe","channels":["risk"],"id":"u"}', UnsubscribeMessage((), "u", ("risk",))),
        ('{"type":"unsubscribe","channels":["risk"],"symbols":[]}', UnsubscribeMessage((), None, ("risk",))),
        ('{"type":"unsubscribe","channels":["risk"],"symbols":["A"]}', UnsubscribeMessage(("A",), None, ("risk",))),
        ('{"type":"get_symbols"}', GetSymbols()),
        ('{"type":"get_symbols","match":"EUR*","offset":5,"limit":10}', GetSymbols("EUR*", 5, 10)),
        ('{"type":"ping"}', PingMessage()),
        ('{"type":"ping","id":null}', PingMessage()),
        ('{"id":"ä","type":"ping"}', PingMessage("ä")),
        ('{"type":"auth","token":"secret"}', AuthMessage("secret")),
    ],
)
def test_messages_are_read(text: str, message: ClientMessage) -> None:
    """Each message of the protocol becomes its value; unknown fields are ignored."""
    assert decode(text) == message
    assert decode(text.encode()) == message


@pytest.mark.parametrize(
    ("text", "code", "says", "message_id"),
    [
        ("", "invalid_json", "JSON", None),
        ("{", "invalid_json", "JSON", None),
        ('{"type":"ping"} x', "invalid_json", "JSON", None),
        ('{"type":"ping","id":"\ud800"}', "invalid_json", "JSON", None),
        ("[]", "invalid_message", "object", None),
        ("null", "invalid_message", "object", None),
        ("{}", "invalid_message", "type", None),
        ('{"id":"a"}', "invalid_message", "type", "a"),
        ('{"type":7,"id":"a"}', "invalid_message", "a number", "a"),
        ('{"type":"subscibe","id":"a"}', "unknown_type", "did you mean subscribe", "a"),
        ('{"type":"zzz"}', "unknown_type", "get_symbols", None),
        ('{"type":"ping","id":5}', "invalid_message", "`id`", None),
        ('{"type":"ping","id":"' + "x" * 65 + '"}', "invalid_message", "65", None),
        ('{"type":"subscribe","id":"a"}', "no_symbols", "symbols", "a"),
        ('{"type":"subscribe","symbols":[]}', "no_symbols", "symbols", None),
        ('{"type":"unsubscribe","symbols":[]}', "no_symbols", "symbols", None),
        ('{"type":"subscribe","symbols":"EURUSD","id":"a"}', "invalid_message", "a text", "a"),
        ('{"type":"subscribe","symbols":["EURUSD",1]}', "invalid_message", "$[1]", None),
        ('{"type":"subscribe","symbols":["EURUSD",""]}', "invalid_message", "`symbols[1]`", None),
        ('{"type":"subscribe","symbols":["' + "x" * 65 + '"]}', "invalid_message", "65", None),
        ('{"type":"subscribe","channels":["acount"],"id":"c"}', "unknown_channel", "'acount'", "c"),
        ('{"type":"subscribe","symbols":["A"],"channels":[]}', "unknown_channel", "account, orders", None),
        ('{"type":"unsubscribe","channels":["trades"]}', "unknown_channel", "'trades'", None),
        ('{"type":"subscribe","channels":"orders"}', "invalid_message", "`channels`", None),
        ('{"type":"subscribe","channels":["orders",1]}', "invalid_message", "`channels`", None),
        ('{"type":"subscribe","symbols":["A"],"resume":["e"]}', "invalid_message", "`resume`", None),
        ('{"type":"subscribe","symbols":["A"],"resume":{"epoch":5}}', "invalid_message", "epoch", None),
        ('{"type":"subscribe","symbols":["A"],"resume":{"seq":{"A":-1}}}', "invalid_message", "seq", None),
        ('{"type":"subscribe","symbols":["A"],"resume":{"seq":{"A":1.5}}}', "invalid_message", "seq", None),
        ('{"type":"subscribe","symbols":["A"],"resume":{"seq":["A"]}}', "invalid_message", "seq", None),
        (
            '{"type":"subscribe","symbols":["A"],"resume":{"journal_seq":9007199254740993}}',
            "invalid_message",
            "journal_seq",
            None,
        ),
        (
            '{"type":"subscribe","symbols":["A"],"resume":{"journal_seq":1E+999999999}}',
            "invalid_message",
            "journal_seq",
            None,
        ),
        ('{"type":"get_symbols","limit":0}', "invalid_message", "limit", None),
        ('{"type":"get_symbols","limit":1001}', "invalid_message", "1001", None),
        ('{"type":"get_symbols","limit":true}', "invalid_message", "true", None),
        ('{"type":"get_symbols","offset":1E+999999999}', "invalid_message", "offset", None),
        ('{"type":"get_symbols","offset":' + "9" * 5000 + "}", "invalid_message", "offset", None),
        ('{"type":"get_symbols","offset":-1}', "invalid_message", "-1", None),
        ('{"type":"get_symbols","offset":NaN}', "invalid_json", "JSON", None),
        ('{"type":"get_symbols","match":""}', "invalid_message", "match", None),
        ('{"type":"auth"}', "invalid_message", "token", None),
        ('{"type":"auth","token":5}', "invalid_message", "token", None),
        ('{"type":"auth","token":""}', "invalid_message", "token", None),
        ('{"type":"ping","x":' + "[" * 20_000 + "]" * 20_000 + "}", "invalid_message", "deep", None),
    ],
)
def test_faults_say_what_was_wrong(text: str, code: str, says: str, message_id: str | None) -> None:
    """The code is the protocol's, the text names the field or value, and a valid id is given back."""
    fault = decode(text)
    assert isinstance(fault, WsFault)
    assert (fault.code, fault.id) == (code, message_id)
    assert says in fault.message
    assert len(fault.message) < 400


def test_longest_id_is_taken() -> None:
    """64 characters are allowed, whatever they take in bytes."""
    text = json.dumps({"type": "ping", "id": "é" * 64}, ensure_ascii=False)
    assert decode(text) == PingMessage("é" * 64)


def test_a_long_list_is_no_error() -> None:
    """More symbols than a client may have are answered one by one, not refused as a message."""
    names = [f"S{n}" for n in range(5000)]
    message = decode(json.dumps({"type": "subscribe", "symbols": names}))
    assert isinstance(message, SubscribeMessage)
    assert len(message.symbols) == 5000


def test_a_token_is_never_shown() -> None:
    """Neither a fault nor the message's own repr has it."""
    assert "hunter2" not in repr(decode('{"type":"auth","token":"hunter2"}'))
    assert "hunter2" not in repr(decode('{"type":"auth","token":["hunter2"]}'))


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=10,
)
fields = st.sampled_from(["type", "id", "symbols", "match", "offset", "limit", "token", "channels", "resume", "x"])
resumes = st.dictionaries(
    st.sampled_from(["epoch", "seq", "journal_seq", "x"]),
    values | st.integers(-1, 2**54) | st.dictionaries(st.text(max_size=5), values | st.integers()),
)
objects = st.dictionaries(
    fields,
    values
    | st.sampled_from(ws_messages.TYPES)
    | st.lists(st.text(max_size=70))
    | st.lists(st.sampled_from([*CHANNELS, "x"]))
    | resumes,
)
typed = st.builds(lambda kind, rest: {**rest, "type": kind}, st.sampled_from(ws_messages.TYPES), objects)


def check(result: ClientMessage | WsFault) -> None:
    assert isinstance(result, ClientMessage | WsFault)
    assert result.id is None or len(result.id) <= ws_messages.MAX_ID
    if isinstance(result, WsFault):
        assert result.code in CODES
        json.loads(ws_messages.error(result.code, result.message, result.id))
    elif isinstance(result, SubscribeMessage):
        assert all(0 < len(name) <= ws_messages.MAX_NAME for name in result.symbols)
        assert result.symbols or result.channels
        assert set(result.channels) <= set(CHANNELS)
        resume = result.resume or Resume()
        assert all(0 <= seq <= ws_messages.MAX_SEQ for seq in (*resume.seq.values(), resume.journal_seq or 0))
        json.loads(ws_messages.subscribed(result.symbols, [("a", "b")], 0, "e", result.id))
    elif isinstance(result, GetSymbols):
        assert result.offset >= 0
        assert 1 <= result.limit <= ws_messages.MAX_PAGE


@THOROUGH
@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b'{"type":"\xff"}')
@example(b'{"type":"ping","id":"\\ud800"}')
@example(b'{"type":"ping","id":"\\ud83d\\ude00"}')
def test_any_bytes_give_a_value_or_a_fault(raw: bytes) -> None:
    """Decoding never raises, whatever came."""
    check(decode(raw))


@THOROUGH
@given(st.text(max_size=300))
def test_any_text_gives_a_value_or_a_fault(text: str) -> None:
    """Also with half surrogate pairs in it."""
    check(decode(text))


@OBJECTS
@given(objects | typed, st.booleans())
def test_any_object_gives_a_value_or_a_fault(message: Any, ascii_only: bool) -> None:
    """Right fields with wrong values, NaN and unpaired surrogates included."""
    check(decode(json.dumps(message, ensure_ascii=ascii_only)))


@OBJECTS
@given(typed, st.data())
def test_any_cut_or_changed_message_gives_a_value_or_a_fault(message: Any, data: st.DataObject) -> None:
    """A message torn or altered on its way is a fault, not a crash."""
    raw = bytearray(json.dumps(message).encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        del raw[at:]
    else:
        raw[at] = data.draw(st.integers(0, 255))
    check(decode(bytes(raw)))


def test_answers_have_the_fields_of_the_protocol() -> None:
    """Each server message, as the protocol shows it; an id only where the message had one."""
    cases: list[tuple[bytes, Any]] = [
        (
            ws_messages.subscribed(["EURUSD"], [("X", "unknown_symbol")], 1, "e1", "1"),
            {
                "type": "subscribed",
                "symbols": ["EURUSD"],
                "rejected": [{"symbol": "X", "reason": "unknown_symbol"}],
                "total_subscribed": 1,
                "epoch": "e1",
                "protocol": 1,
                "id": "1",
            },
        ),
        (
            ws_messages.subscribed(
                [], [], 0, "e1", part=ws_messages.ChannelPart(("risk",), {"risk": 2}, 9), recovered=False
            ),
            {
                "type": "subscribed",
                "symbols": [],
                "rejected": [],
                "total_subscribed": 0,
                "epoch": "e1",
                "protocol": 1,
                "channels": ["risk"],
                "snapshots": {"risk": 2},
                "journal_seq": 9,
                "recovered": False,
            },
        ),
        (
            ws_messages.unsubscribed([], 0, "u", channels=["risk"]),
            {"type": "unsubscribed", "symbols": [], "total_subscribed": 0, "channels": ["risk"], "id": "u"},
        ),
        (
            ws_messages.heartbeat("t", 3, "e", 17),
            {"type": "heartbeat", "timestamp": "t", "clients": 3, "epoch": "e", "protocol": 1, "journal_seq": 17},
        ),
        (
            ws_messages.unsubscribed(["EURUSD"], 0),
            {"type": "unsubscribed", "symbols": ["EURUSD"], "total_subscribed": 0},
        ),
        (ws_messages.symbols(["A", "B"], 7, "s"), {"type": "symbols", "symbols": ["A", "B"], "total": 7, "id": "s"}),
        (ws_messages.pong("t"), {"type": "pong", "timestamp": "t"}),
        (ws_messages.authenticated(["read"]), {"type": "authenticated", "scopes": ["read"]}),
        (ws_messages.error("c", "m", "i"), {"type": "error", "code": "c", "message": "m", "id": "i"}),
        (ws_messages.error("c", "m"), {"type": "error", "code": "c", "message": "m"}),
        (
            ws_messages.heartbeat("t", 3, "e"),
            {"type": "heartbeat", "timestamp": "t", "clients": 3, "epoch": "e", "protocol": 1},
        ),
        (
            ws_messages.status("stale", broker="demo", symbol="EURUSD", age_ms=0),
            {"type": "status", "broker": "demo", "symbol": "EURUSD", "state": "stale", "age_ms": 0},
        ),
        (ws_messages.status("stopping"), {"type": "status", "state": "stopping"}),
    ]
    for encoded, expected in cases:
        assert json.loads(encoded) == expected
