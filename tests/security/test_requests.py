"""Requests that are bombs, ambiguous or odd, at every door: a clear answer or an end, and the gateway goes on."""

from __future__ import annotations

import json
import time

import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, until
from raw_ws import RawClient
from security.attacker import (
    CLOSE,
    HOST,
    JSON,
    headers_of,
    json_of,
    request,
    sized,
    spoken,
    status_of,
    token_header,
)

KNOWN = token_header(TOKEN)
BEAT = b'{"type":"heartbeat","ea_name":"%s","broker":"demo"}'
CHUNKED = b"Transfer-Encoding: chunked\r\n"
KIB_60 = 60 * 1024


def in_chunks(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def eas(gateway: GatewayProcess) -> set[str]:
    return {item["ea_name"] for item in gateway.get("/eas")["items"]}


# --- methods and framing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [b"TRACE", b"TRACK", b"CONNECT", b"PROPFIND", b"BREW", b"PUT"])
@pytest.mark.parametrize("path", [b"/status", b"/risk/state", b"*"])
def test_an_odd_method_does_nothing(gateway: GatewayProcess, method: bytes, path: bytes) -> None:
    """Refused with a token too, and nothing of the request is said back, as TRACE would."""
    answer = spoken(gateway.port("rest"), request(method + b" " + path, HOST, KNOWN, b"X-Said: back\r\n", CLOSE))
    assert status_of(answer) in (400, 404, 405)
    assert b"back" not in answer
    assert TOKEN.encode() not in answer


def test_no_header_makes_another_method_of_it(gateway: GatewayProcess) -> None:
    """A POST stays one."""
    override = b"X-HTTP-Method-Override: GET\r\nX-Method-Override: DELETE\r\n"
    sent = request(b"POST /account", HOST, KNOWN, JSON, override, sized(b"{}"), CLOSE, body=b"{}")
    assert status_of(spoken(gateway.port("rest"), sent)) == 405


@pytest.mark.parametrize(
    ("name", "line", "headers", "body"),
    [
        ("both", b"POST /command", (b"Content-Length: 4\r\n", CHUNKED), in_chunks(BEAT % b"both")),
        ("both-turned", b"POST /command", (CHUNKED, b"Content-Length: 4\r\n"), in_chunks(BEAT % b"both-turned")),
        ("old", b"POST /command HTTP/1.0", (CHUNKED,), in_chunks(BEAT % b"old")),
        ("two", b"POST /command", (b"Content-Length: 4\r\n", b"Content-Length: 50\r\n"), BEAT % b"two"),
        ("signed", b"POST /command", (b"Content-Length: +54\r\n",), BEAT % b"signed"),
        ("spaced", b"POST /command", (b"Transfer-Encoding : chunked\r\n",), in_chunks(BEAT % b"spaced")),
        ("tabbed", b"POST /command", (b"Transfer-Encoding:\tx, chunked\r\n",), in_chunks(BEAT % b"tabbed")),
        ("twice", b"POST /command", (CHUNKED, CHUNKED), in_chunks(BEAT % b"twice")),
        ("identity", b"POST /command", (b"Transfer-Encoding: identity\r\n",), BEAT % b"identity"),
    ],
)
def test_a_request_whose_end_is_told_in_two_ways_is_refused(
    gateway: GatewayProcess, name: str, line: bytes, headers: tuple[bytes, ...], body: bytes
) -> None:
    """A proxy before us may see another end than we do; so the connection ends, and what follows is not looked at."""
    hidden = request(b"POST /command", HOST, KNOWN, JSON, sized(BEAT % b"hidden"), body=BEAT % b"hidden")
    for behind in (b"", hidden):
        answer = spoken(gateway.port("rest"), request(line, HOST, KNOWN, JSON, *headers, body=body + behind))
        if not behind:
            assert status_of(answer) in (400, 501)
            assert headers_of(answer)["connection"] == "close"
        assert b"HTTP/1.1 200" not in answer
    assert not {name, "hidden"} & eas(gateway)
    assert not [line for line in gateway.log if "Traceback" in line]


def test_a_body_with_one_end_is_taken(gateway: GatewayProcess) -> None:
    """By either way, so it was the ambiguity that was refused above."""
    for name, header, body in ((b"sized", sized(BEAT % b"sized"), BEAT % b"sized"),
                               (b"chunked", CHUNKED, in_chunks(BEAT % b"chunked"))):  # fmt: skip
        sent = request(b"POST /command", HOST, KNOWN, JSON, header, CLOSE, body=body)
        assert status_of(spoken(gateway.port("rest"), sent)) == 200
        assert name.decode() in eas(gateway)


def test_a_flood_of_headers_is_cut_off(gateway: GatewayProcess) -> None:
    """A head has 16 KiB; more of it ends the connection with 431 or 400."""
    for flood in (b"X-A: b\r\n" * 10_000, b"X-" + b"a" * 100_000 + b": b\r\n", b"X-A: " + b"b" * 100_000 + b"\r\n"):
        answer = spoken(gateway.port("rest"), request(b"GET /status", HOST, KNOWN, flood))
        assert status_of(answer) in (400, 431)


# --- JSON bombs -------------------------------------------------------------------------------------------------------

BOMBS = {
    "deep lists": b"[" * KIB_60,
    "deep objects": b'{"a":' * (KIB_60 // 6),
    "deep field": b'{"type":"heartbeat","ea_name":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "huge exponent": b'{"type":"trade_open","ea_name":"x","symbol":"EURUSD","magic":1,"volume":1E+999999999}',
    "tiny exponent": b'{"type":"trade_open","ea_name":"x","symbol":"EURUSD","magic":1,"volume":1E-999999999}',
    "huge integer": b'{"type":"trade_open","ea_name":"x","symbol":"EURUSD","magic":' + b"9" * KIB_60 + b',"volume":1}',
    "many digits": b'{"type":"trade_open","ea_name":"x","symbol":"EURUSD","magic":1,"volume":0.' + b"1" * KIB_60 + b"}",
    "many keys": b'{"type":"heartbeat","ea_name":"x",' + b",".join(b'"k%d":1' % n for n in range(5000)) + b"}",
    "one key again": b'{"type":"heartbeat","ea_name":"x",' + b",".join([b'"magic":1'] * 5000) + b"}",
    "NaN": b'{"type":"heartbeat","ea_name":"x","balance":NaN}',
    "half a character": b'{"type":"heartbeat","ea_name":"\xed\xa0\x80"}',
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_json_bomb_is_refused_over_zeromq(gateway: GatewayProcess, bomb: str) -> None:
    """With what is wrong with it, and the next command is answered."""
    answer = gateway.command(BOMBS[bomb])
    assert (answer["status"], answer["approved"]) == ("error", False)
    assert answer["code"] in ("invalid_json", "invalid_message", "unknown_field", "internal")
    assert answer["code"] != "internal"
    assert gateway.command(BEAT % b"after")["status"] == "success"


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("path", ["/command", "/trade", "/risk/state"])
def test_a_json_bomb_is_refused_over_rest(gateway: GatewayProcess, path: str, bomb: str) -> None:
    """By every route that reads a body."""
    line = f"POST {path}".encode()
    sent = request(line, HOST, KNOWN, JSON, sized(BOMBS[bomb]), CLOSE, body=BOMBS[bomb])
    answer = spoken(gateway.port("rest"), sent)
    assert status_of(answer) == 422, answer
    assert json_of(answer)["code"] in ("invalid_json", "invalid_message", "unknown_field", "unknown_type")


def test_json_bombs_are_refused_over_websocket(gateway: GatewayProcess) -> None:
    """Each with an error, and the session goes on."""
    client = RawClient(gateway.port("websocket"))
    bombs = [
        b"[" * KIB_60,
        b'{"type":' * 7000,
        b'{"type":"ping","id":' + b"9" * KIB_60 + b"}",
        b'{"type":"get_symbols","limit":1E+999999999}',
        b'{"type":"subscribe","symbols":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ]
    for bomb in bombs:
        client.send_text(bomb)
    client.send({"type": "ping", "id": "last"})
    client.collect()
    until(lambda: [each for each in client.messages() if each["type"] == "pong"])
    assert [each["code"] for each in client.messages() if each["type"] == "error"] == ["invalid_message"] * len(bombs)
    client.leave()


def test_json_bombs_are_dropped_at_the_door_for_prices(gateway: GatewayProcess) -> None:
    """Each is counted with its reason, and the next price is taken."""
    with zmq.Context() as context, context.socket(zmq.PUB) as terminal:
        terminal.setsockopt(zmq.LINGER, 0)
        terminal.plain_username, terminal.plain_password = b"fed", TOKEN.encode()
        terminal.connect(f"tcp://127.0.0.1:{gateway.port('ingest')}")

        def accepted(more_than: int) -> bool:
            tick = {"symbol": "USDJPY", "bid": 150.0, "ask": 150.1, "time_msc": int(time.time() * 1000)}
            terminal.send_multipart([b"tick.USDJPY", json.dumps(tick).encode()])
            return gateway.get("/status")["ingest"]["accepted"].get("fed", 0) > more_than

        until(lambda: accepted(0))
        for body in (
            b"[" * 900,
            b'{"symbol":"USDJPY","bid":1E+999999999,"ask":1,"time_msc":1}',
            b'{"symbol":"USDJPY","bid":' + b"9" * 900 + b',"ask":1,"time_msc":1}',
            b"[" * 60_000,
        ):
            terminal.send_multipart([b"tick.USDJPY", body])
        until(lambda: sum(gateway.get("/status")["ingest"]["dropped"].get("fed", {}).values()) >= 4)
        dropped = gateway.get("/status")["ingest"]["dropped"]["fed"]
        assert set(dropped) <= {"invalid_json", "bad_number", "oversize", "late", "invalid_message"}, dropped
        count = gateway.get("/status")["ingest"]["accepted"]["fed"]
        until(lambda: accepted(count))


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_what_is_too_large_is_refused_at_every_door(gateway: GatewayProcess) -> None:
    """A command of more than 64 KiB, a body, a WebSocket message; far more ends the connection."""
    answer = gateway.command(b'{"type":"heartbeat","ea_name":"' + b"x" * 70_000 + b'"}')
    assert answer["code"] == "invalid_message"
    assert "at most 65536" in answer["message"]
    body = b" " * 70_000
    answer_bytes = spoken(gateway.port("rest"), request(b"POST /trade", HOST, KNOWN, JSON, sized(body), body=body))
    assert status_of(answer_bytes) == 413
    declared = request(b"POST /trade", HOST, KNOWN, JSON, b"Content-Length: " + b"9" * 40 + b"\r\n")
    assert status_of(spoken(gateway.port("rest"), declared)) in (400, 413)
    client = RawClient(gateway.port("websocket"))
    client.send_text(b'"' + b"x" * 70_000 + b'"')
    client.collect()
    assert until(client.close_code) == 1009
    client.leave()


def test_who_says_nothing_is_hung_up_on(gateway: GatewayProcess) -> None:
    """Half a request is waited for at most 15 s over REST and 10 s over WebSocket."""
    assert spoken(gateway.port("websocket"), b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n").startswith(b"HTTP/1.1 408")
    spoken(gateway.port("rest"), b"GET /status HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert gateway.get("/health") == {"status": "ok"}
