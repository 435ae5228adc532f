"""The client of the REST door: what is asked twice and what never, and what each trouble is called."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from quantmind.client.rest import OutcomeUnknown, Refused, RestClient, Unreachable, position_path

TOKEN = "a-secret-token-0123456789"
Script = Callable[[bytes], bytes | None]


def answer(status: int, value: Any, *, close: bool = False) -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return (head + ("Connection: close\r\n" if close else "") + "\r\n").encode() + body


class Server:
    """Answers each request with the next of its script; None hangs up."""

    def __init__(self, script: list[bytes | None]) -> None:
        self.script = script
        self.heard: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while self.script:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            peer.settimeout(20)
            with peer:
                while self.script:
                    raw = self._request(peer)
                    if not raw:
                        break
                    self.heard.append(raw)
                    reply = self.script.pop(0)
                    if reply is None:
                        break
                    peer.sendall(reply)

    @staticmethod
    def _request(peer: socket.socket) -> bytes:
        raw = b""
        try:
            while b"\r\n\r\n" not in raw:
                part = peer.recv(65536)
                if not part:
                    return b""
                raw += part
            head, _, body = raw.partition(b"\r\n\r\n")
            size = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            while len(body) < size:
                body += peer.recv(65536)
        except OSError:
            return b""
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self.script = []
        self._listener.close()
        self._thread.join(30)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def make(*script: bytes | None) -> Server:
        servers.append(Server(list(script)))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def test_reads_follow_pages_on_one_connection(serve):
    """Numbers are exact; parameters are encoded, and those that are None are left out."""
    server = serve(
        answer(200, b'{"items":[{"price":1.08510}],"next":"7@a b"}'),
        answer(200, {"items": [{"price": 2}], "next": None}),
    )
    with RestClient(server.url, TOKEN) as client:
        items = list(client.items("/eas", broker=None, symbol="EURUSD"))
    assert items == [{"price": Decimal("1.08510")}, {"price": 2}]
    assert server.connections == 1
    assert b"GET /eas?symbol=EURUSD&limit=1000 HTTP/1.1" in server.heard[0]
    assert b"after=7%40a+b" in server.heard[1]
    assert all(f"X-Token: {TOKEN}".encode() in raw for raw in server.heard)


def test_a_read_is_asked_again_where_the_connection_had_closed(serve):
    """Once; and a refusal of a new connection is no gateway."""
    server = serve(answer(200, {"a": 1}), None, answer(200, {"a": 2}))
    with RestClient(server.url, TOKEN) as client:
        assert client.get("/status") == {"a": 1}
        assert client.get("/status") == {"a": 2}
    assert len(server.heard) == 3


def test_an_order_is_sent_once_whatever_happens(serve):
    """A connection that ends before the answer leaves the outcome unknown, with the key that asks for it."""
    server = serve(answer(200, {"a": 1}), None)
    with RestClient(server.url, TOKEN) as client:
        client.get("/status")
        with pytest.raises(OutcomeUnknown) as caught:
            client.send("POST", "/trade", {"volume": Decimal("0.10")}, key="mine")
    assert caught.value.key == "mine"
    assert len(server.heard) == 2
    assert server.heard[1].endswith(b'{"volume":0.10}')
    assert b"Idempotency-Key: mine" in server.heard[1]
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (504, {"code": "unknown", "detail": "it went out"}, OutcomeUnknown),
        (500, {"code": "internal", "detail": "x"}, OutcomeUnknown),
        (200, b"<html>", OutcomeUnknown),
        (200, b"[" * 100_000, OutcomeUnknown),
        (503, {"code": "broker_unavailable", "detail": "nothing was sent"}, Refused),
        (429, {"code": "busy", "detail": "x"}, Refused),
        (422, {"code": "rejected", "detail": "too large"}, Refused),
        (400, {"code": "broker_refused", "detail": "No money"}, Refused),
    ],
)
def test_what_an_answer_to_an_order_means(serve, status, body, error):
    """Refused is said only where nothing was done."""
    server = serve(answer(status, body))
    with RestClient(server.url, TOKEN) as client, pytest.raises(error) as caught:
        client.send("DELETE", "/brokers/demo/orders/1", key="k")
    if isinstance(caught.value, Refused):
        assert (caught.value.status, caught.value.code, str(caught.value)) == (status, body["code"], body["detail"])
    assert b"Content-Type" not in server.heard[0]


def test_nobody_there_and_somebody_else_there(serve):
    """Neither is a gateway, and nothing was done."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with RestClient(f"http://127.0.0.1:{port}", TOKEN) as client:
        with pytest.raises(Unreachable, match="no gateway answers"):
            client.get("/status")
        with pytest.raises(Unreachable):
            client.send("POST", "/trade", {}, key="k")
    server = serve(answer(200, b"hello"), answer(200, {"ok": True}, close=True), answer(200, {"ok": True}))
    with RestClient(server.url, TOKEN) as client:
        with pytest.raises(Unreachable, match="is no QuantMind gateway"):
            client.get("/")
        assert client.get("/") == {"ok": True}
        assert client.get("/") == {"ok": True}


def test_no_proxy_is_asked(serve, monkeypatch):
    """The environment's proxies would see the token."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = serve(answer(200, {"ok": True}))
    with RestClient(server.url, TOKEN) as client:
        assert client.get("/health") == {"ok": True}


@pytest.mark.parametrize("token", ["", "two\r\nX-Evil: 1", "spa ce", "ü" * 20])
def test_a_token_that_cannot_be_sent_is_not_shown(token):
    """It may be most of a right one."""
    with pytest.raises(ValueError, match="copy it again") as caught:
        RestClient("http://127.0.0.1:1", token)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("url", ["httpx://127.0.0.1:1", "127.0.0.1:1", "http://", "http://a/b", "ftp://a"])
def test_an_address_that_is_none(url):
    """Refused before anything goes there."""
    with pytest.raises(ValueError, match="is no address of a gateway"):
        RestClient(url, TOKEN)


def test_names_in_paths_are_encoded():
    """A broker's name can't reach another route."""
    assert position_path("a/../b", 7) == "/brokers/a%2F..%2Fb/positions/7"


def test_what_became_of_commands_and_orders(serve):
    """Any id is a path of its own; an order is settled with what is told, exact, and a lost answer is unknown."""
    server = serve(
        answer(200, {"state": "filled"}), answer(200, {"history": []}), answer(200, {"state": "filled"}), None
    )
    with RestClient(server.url, TOKEN) as client:
        assert client.command_status("a/b c?", "alpha") == {"state": "filled"}
        assert client.order("o1") == {"history": []}
        client.settle("o1", "filled", "seen", ticket=5, price=Decimal("1.08510"))
        with pytest.raises(OutcomeUnknown):
            client.settle("o1", "not_sent", "seen", force=True)
    assert server.heard[0].startswith(b"GET /commands/a%2Fb%20c%3F?ea_name=alpha HTTP/1.1")
    assert server.heard[1].startswith(b"GET /orders/o1 HTTP/1.1")
    assert server.heard[2].startswith(b"POST /orders/o1/settle HTTP/1.1")
    assert server.heard[2].endswith(b'{"outcome":"filled","reason":"seen","ticket":5,"price":1.08510}')
    assert server.heard[3].endswith(b'{"outcome":"not_sent","reason":"seen","force":true}')
