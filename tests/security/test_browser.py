"""What a web page can do that the operator has open on the gateway's machine: real bytes to a real gateway."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, running, until, write_config
from security.attacker import (
    CLOSE,
    HOST,
    JSON,
    UPGRADE,
    command_in_http,
    headers_of,
    json_of,
    old_frame,
    open_and_send,
    request,
    sized,
    spoken,
    status_of,
    token_header,
)

STRANGERS = [
    "http://evil.example",
    "https://127.0.0.1.evil.example",
    "null",
    "file://",
    "http://localhost.evil.example",
]
LOWER = {"type": "risk_update", "ea_name": "Victim", "risk_multiplier": 0.25}
KNOWN = token_header(TOKEN)
ASKS_FIRST = b"Access-Control-Request-Method: POST\r\n"


def origin(page: str) -> bytes:
    return f"Origin: {page}\r\n".encode()


def multiplier_of(gateway: GatewayProcess, ea_name: str) -> float | None:
    found = [item["risk_multiplier"] for item in gateway.get("/eas")["items"] if item["ea_name"] == ea_name]
    return found[0] if found else None


# --- Origin -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", STRANGERS)
def test_a_strangers_page_opens_no_websocket(gateway: GatewayProcess, page: str) -> None:
    """Its origin is not this machine's, whatever it looks like; the token that it might have changes nothing."""
    for more in (b"", b"Authorization: Bearer " + TOKEN.encode() + b"\r\n"):
        answer = spoken(gateway.port("websocket"), request(b"GET /", HOST, UPGRADE, origin(page), more))
        assert status_of(answer) == 403


def test_a_page_of_this_machine_and_a_program_open_a_websocket(gateway: GatewayProcess) -> None:
    """The door is not shut for everybody."""
    for more in (b"", origin("http://localhost:3000"), origin("http://127.0.0.1")):
        answer = spoken(gateway.port("websocket"), request(b"GET /", HOST, UPGRADE, more), until=b"\r\n\r\n")
        assert status_of(answer) == 101


@pytest.mark.parametrize("page", STRANGERS)
def test_a_strangers_page_hears_nothing_over_rest(gateway: GatewayProcess, page: str) -> None:
    """Neither an answer nor the header with which a browser would show it to the page, preflights included."""
    for line in (b"GET /status", b"OPTIONS /trade", b"GET /health"):
        asks = ASKS_FIRST if line.startswith(b"OPTIONS") else b""
        answer = spoken(gateway.port("rest"), request(line, HOST, KNOWN, origin(page), asks, CLOSE))
        assert status_of(answer) == 403
        assert "access-control-allow-origin" not in headers_of(answer)
        assert json_of(answer)["code"] == "origin_not_allowed"


# --- CSRF -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]
)
def test_a_form_changes_nothing(gateway: GatewayProcess, kind: str | None) -> None:
    """What a page can send without asking first is refused for its content, even from a page of this machine."""
    body = json.dumps({"state": "halted", "reason": "a form"}).encode()
    said = b"" if kind is None else f"Content-Type: {kind}\r\n".encode()
    for known, status in ((b"", 401), (KNOWN, 415)):
        line = b"POST /risk/state"
        sent = request(line, HOST, said, known, origin("http://localhost"), sized(body), CLOSE, body=body)
        assert status_of(spoken(gateway.port("rest"), sent)) == status
    assert gateway.get("/status")["brokers"][0]["trading"]["state"] != "halted"


def test_a_browser_has_nothing_that_opens_a_door_by_itself(gateway: GatewayProcess) -> None:
    """No answer sets a cookie or asks for a password that a browser keeps, and a cookie is no token."""
    cookies = f"Cookie: token={TOKEN}; X-Token={TOKEN}; Authorization=Bearer {TOKEN}\r\n".encode()
    for line in (b"GET /status", b"GET /health", b"GET /nothing"):
        answer = spoken(gateway.port("rest"), request(line, HOST, cookies, CLOSE))
        assert status_of(answer) == {b"GET /health": 200, b"GET /nothing": 404}.get(line, 401)
        assert "set-cookie" not in headers_of(answer)
        assert headers_of(answer).get("www-authenticate", "Bearer").startswith("Bearer")


# --- other protocols --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [b"POST", b"GET", b"OPTIONS"])
def test_an_http_request_is_no_command(gateway: GatewayProcess, method: bytes) -> None:
    """ZMTP 1 has no greeting, so to libzmq a page's request is frames; such a peer is turned away."""
    raw = json.dumps({**LOWER, "ea_name": f"Victim {method.decode()}"}).encode()
    with open_and_send(gateway.port("commands"), command_in_http(method, gateway.port("commands"), raw)) as sent:
        assert b"approved" not in sent.to_its_end()
    assert multiplier_of(gateway, f"Victim {method.decode()}") is None


def test_the_same_command_from_a_peer_of_today_counts(gateway: GatewayProcess) -> None:
    """So it was the protocol that was refused above, and not the command."""
    assert gateway.command({**LOWER, "ea_name": "Spoken properly"})["status"] == "success"
    assert multiplier_of(gateway, "Spoken properly") == 0.25


def test_a_peer_of_zmtp_2_is_no_peer(gateway: GatewayProcess) -> None:
    """It says as little of itself as one of ZMTP 1: nothing of it is taken, and a client of 2012 needs another."""
    raw = json.dumps({**LOWER, "ea_name": "Old"}).encode()
    greeting = b"\xff\0\0\0\0\0\0\0\1\x7f" + b"\x01" + b"\x05" + b"\0\0"  # version, DEALER, an empty identity
    with open_and_send(gateway.port("commands"), greeting + b"\0" + bytes([len(raw)]) + raw) as sent:
        assert b"approved" not in sent.to_its_end()
    assert multiplier_of(gateway, "Old") is None


def test_an_http_request_is_no_price(tmp_path: Path) -> None:
    """Nor where prices need no token: the same holds for the socket that takes them."""
    fed = {"type": "mt5_mock", "symbols": {"USDJPY": {}}, "feed": {"type": "ingest"}}
    config = write_config(tmp_path, {"fed": fed}, data={"ingest_port": 0, "ingest_auth": "none"})
    with running(config) as gateway:
        port = gateway.port("ingest")
        tick = {"symbol": "USDJPY", "bid": 1.0, "ask": 1.1, "time_msc": int(time.time() * 1000)}
        raw = json.dumps(tick).encode()
        http = command_in_http(b"POST", port, b"x") + old_frame(b"tick.USDJPY", more=True) + old_frame(raw)
        with open_and_send(port, http) as sent:
            sent.to_its_end()
        assert gateway.get("/status")["ingest"]["accepted"] == {}
        with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
            publisher.setsockopt(zmq.LINGER, 0)
            publisher.connect(f"tcp://127.0.0.1:{port}")

            def accepted() -> bool:
                publisher.send_multipart([b"tick.USDJPY", json.dumps({**tick, "time_msc": now_msc()}).encode()])
                return bool(gateway.get("/status")["ingest"]["accepted"])

            until(accepted)


def test_http_at_the_ports_with_credentials_is_hung_up_on(gateway: GatewayProcess) -> None:
    """Where credentials are asked for, libzmq takes no peer without a greeting at all."""
    answer = spoken(gateway.port("ingest"), command_in_http(b"POST", gateway.port("ingest"), b"{}"))
    assert b"HTTP" not in answer
    assert gateway.get("/status")["ingest"]["received"] == 0


def now_msc() -> int:
    return int(time.time() * 1000)


# --- DNS rebinding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        request(b"GET /status", b"Host: evil.example\r\n", KNOWN, CLOSE),
        request(b"GET /status", b"Host: evil.example:5005\r\n", KNOWN, CLOSE),
        request(b"GET /health", b"Host: evil.example\r\n", CLOSE),
        request(b"GET /status", b"Host: 127.0.0.1@evil.example\r\n", KNOWN, CLOSE),
        request(b"GET /status", b"Host: 127.0.0.1.\r\n", KNOWN, CLOSE),
        request(b"GET http://evil.example/status", HOST, KNOWN, CLOSE),
        request(b"GET http://127.0.0.1@evil.example/status", HOST, KNOWN, CLOSE),
        request(b"GET /status HTTP/1.0", KNOWN),
        request(b"GET /status HTTP/1.0", b"Host: evil.example\r\n", KNOWN),
    ],
)
def test_a_name_that_was_rebound_is_not_answered(gateway: GatewayProcess, sent: bytes) -> None:
    """A page whose own name was made to lead here asks for that name, and only ours are served, however it is said."""
    answer = spoken(gateway.port("rest"), sent)
    assert status_of(answer) == 421
    assert json_of(answer)["code"] == "host_not_allowed"


@pytest.mark.parametrize("hosts", [b"", HOST + b"Host: evil.example\r\n"])
def test_no_host_and_two_hosts_are_no_request(gateway: GatewayProcess, hosts: bytes) -> None:
    """Which one counts would be a guess."""
    answer = spoken(gateway.port("rest"), request(b"GET /status", hosts, KNOWN, CLOSE))
    assert status_of(answer) == 400
    assert b"brokers" not in answer


def test_a_rebound_page_opens_no_websocket(gateway: GatewayProcess) -> None:
    """Its origin is its own name, though that leads here: host and origin that agree prove nothing."""
    named = b"Host: evil.example:%d\r\n" % gateway.port("websocket")
    page = origin(f"http://evil.example:{gateway.port('websocket')}")
    assert status_of(spoken(gateway.port("websocket"), request(b"GET /", named, UPGRADE, page))) == 403


# --- what a browser is told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"GET /health", HOST, CLOSE), 200),
        (request(b"GET /account?broker=demo", HOST, KNOWN, CLOSE), 200),
        (request(b"GET /status", HOST, CLOSE), 401),
        (request(b"GET /<script>", HOST, KNOWN, CLOSE), 404),
        (request(b"TRACE /status", HOST, KNOWN, CLOSE), 405),
        (request(b"GET /status", b"Host: evil.example\r\n", CLOSE), 421),
        (request(b"GET /status", HOST, origin("http://evil.example"), CLOSE), 403),
        (request(b"POST /trade", HOST, KNOWN, JSON, b"Content-Length: 9999999\r\n", CLOSE), 413),
        (request(b"OPTIONS /trade", HOST, origin("http://localhost"), ASKS_FIRST, CLOSE), 204),
        (request(b"GET /status", HOST, UPGRADE), 404),
    ],
)
def test_every_answer_is_no_page_and_is_kept_by_nobody(gateway: GatewayProcess, sent: bytes, status: int) -> None:
    """Not guessed to be HTML, not put in a frame, in no cache; and the server does not say what it is made of."""
    answer = spoken(gateway.port("rest"), sent)
    assert status_of(answer) == status
    headers = headers_of(answer)
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers.get("content-type", "application/json") in ("application/json", "application/problem+json")
    assert "server" not in headers
