"""Who may be a terminal's bridge: with a token of scope bridge for its broker, and nobody in its name."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import zmq
from gateway_process import GatewayProcess, running, until, write_config
from security.who_may import BRANCH, CONFIGURED, NOBODY, WRONG, Who

FAR = {"type": "mt5_socket", "mode": "listen", "account_id": "5", "timeout": 2}
BRIDGE = Who.of("far-bridge", {"bridge"}, brokers=frozenset({"far"}))
ELSEWHERE = Who.of("other-bridge", {"bridge"}, brokers=frozenset({"paper"}))
EVERYBODY = [*CONFIGURED, NOBODY, WRONG, BRIDGE, ELSEWHERE]


@attrs.define(eq=False)
class Peer:
    """A DEALER at a command port."""

    socket: zmq.Socket[bytes]

    def say(self, what: Any) -> None:
        self.socket.send(json.dumps(what).encode())

    def hear(self, within_ms: int = 5000) -> Any:
        """The next message; None: there is none."""
        return self.socket.recv_json() if self.socket.poll(within_ms) else None

    def hello(self, token: str | None, account: int = 5, **more: Any) -> Any:
        """What comes of a hello."""
        offer = {"id": "h", "protocol": 1, "account": account, "server": "Demo", "margin_mode": "hedging"}
        self.say({"type": "bridge_hello", **offer, **({} if token is None else {"token": token}), **more})
        while True:
            heard = self.hear()
            if heard is None or heard.get("id") == "h":
                return heard


@contextlib.contextmanager
def peer(gateway: GatewayProcess, name: bytes = b"", login: str | None = None, port: int = 0) -> Iterator[Peer]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        if name:
            socket.setsockopt(zmq.IDENTITY, name)
        if login is not None:
            socket.plain_username, socket.plain_password = b"bridge", login.encode()
        socket.connect(f"tcp://127.0.0.1:{port or gateway.port('commands')}")
        yield Peer(socket)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("bridges")
    path = write_config(folder, {"far": FAR, "paper": {"type": "mt5_mock", "symbols": {"EURUSD": {}}}})
    whole = json.loads(path.read_text(encoding="utf-8"))
    known = [who for who in EVERYBODY if who.token is not None and who.known]
    whole["eas"] = {"alpha": {"broker": "paper"}, "beta": {"broker": "paper"}}
    whole["tokens"] = {
        who.name: {**who.configured, "brokers": [b for b in who.configured["brokers"] if b in ("far", "paper")]}
        for who in known
        if not who.brokers or who.brokers & {"far", "paper"}
    }
    path.write_text(json.dumps(whole), encoding="utf-8")
    with running(path) as made:
        yield made


def connected(gateway: GatewayProcess) -> bool:
    found: bool = gateway.get("/status")["bridges"]["brokers"]["far"]["connected"]
    return found


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.name)
def test_who_may(gateway: GatewayProcess, who: Who) -> None:
    """Scope bridge (or admin) for this broker; everybody else hears why, and nothing is changed."""
    before = gateway.get("/status")["bridges"]["brokers"]["far"]["arrivals"]
    may = who.stands and who.has({"bridge"}) and who.reaches("far")
    with peer(gateway) as one:
        heard = one.hello(who.token)
        assert heard is not None
        assert heard["ok"] is may, heard
        if not may:
            assert heard["code"] in ("unauthorized", "forbidden", "busy")
            one.say({"type": "reply", "id": "1", "ok": True, "data": {}})
            assert one.hear()["code"] == "unauthorized"
    assert gateway.get("/status")["bridges"]["brokers"]["far"]["arrivals"] == before + may


def test_another_account_is_not_taken(gateway: GatewayProcess) -> None:
    """Though the token is right: somebody is logged in elsewhere."""
    with peer(gateway) as one:
        assert "account 6" in one.hello(BRIDGE.token, 6)["message"]


def test_nobody_takes_its_name(gateway: GatewayProcess) -> None:
    """A program takes the name of the bridge's connection as that ends: nothing that it says counts."""
    with peer(gateway, b"terminal-1") as one:
        assert one.hello(BRIDGE.token)["ok"]
        until(lambda: connected(gateway))
    with peer(gateway, b"terminal-1") as other:
        until(lambda: _answers_falsely(other) or not connected(gateway))
    status = next(each for each in gateway.get("/status")["brokers"] if each["trading"]["broker"] == "far")
    assert status["feed"] != "live"
    assert "FAKE" not in json.dumps(gateway.get("/status"))


def test_nobody_speaks_for_its_guard(gateway: GatewayProcess) -> None:
    """Neither by the name of its connection nor with another's session is anything said of what a guard does."""
    with peer(gateway, b"terminal-2") as one:
        heard = one.hello(BRIDGE.token, guard=True)
        assert heard["ok"]
        until(lambda: guard_of(gateway) is not None)
        for session in ({}, {"session": ""}, {"session": "x" * 22}, {"session": heard["data"]["session"] + "x"}):
            one.say({"type": "guarded", "seq": 0, "state": "flat", **session})
        with peer(gateway, b"terminal-3") as other:
            said = {"type": "guarded", "seq": 0, "state": "flat", "session": heard["data"]["session"]}
            other.say(said)
            assert other.hear()["code"] == "unauthorized"
            assert guard_of(gateway)["state"] is None
        one.say({**said, "state": "off"})
        until(lambda: guard_of(gateway)["state"] == "off")
    events = gateway.get("/journal?kind=event&limit=1000")["items"]
    assert not [each for each in events if each["body"].get("name") == "guard"]


def test_what_a_guard_is_told_goes_to_a_bridge_alone(gateway: GatewayProcess) -> None:
    """Who was not let in hears no floor, though it asks for them."""
    for token in (None, WRONG.token, ELSEWHERE.token):
        with peer(gateway) as one:
            assert one.hello(token, guard=True)["ok"] is False
            assert one.hear(1500) is None


def guard_of(gateway: GatewayProcess) -> Any:
    return gateway.get("/status")["bridges"]["brokers"]["far"]["guard"]


def _answers_falsely(other: Peer) -> bool:
    welcome = {"protocol": 1, "account": 5, "server": "FAKE", "margin_mode": "hedging"}
    asked = other.hear(200)
    number = "1" if asked is None or not asked.get("id") else asked["id"]
    for session in ({}, {"session": ""}, {"session": "x" * 22}):
        other.say({"type": "reply", "id": number, "ok": True, "data": welcome, **session})
    return False


def test_an_endpoint_with_plain(tmp_path: Path) -> None:
    """The token of the connection counts, and a token without the scope does not get in at all."""
    path = write_config(
        tmp_path,
        {"far": FAR},
        commands={"port": 0, "secure": [{"mechanism": "plain", "host": "127.0.0.1", "port": 0}]},
    )
    whole = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**whole, "tokens": {BRIDGE.name: BRIDGE.configured}}), encoding="utf-8")
    with running(path) as gateway:
        port = gateway.port("commands_plain")
        assert BRIDGE.token is not None
        with peer(gateway, login=BRIDGE.token, port=port) as one:
            assert one.hello(None)["ok"]
        with peer(gateway, login="qm_" + "z" * 43, port=port) as one:
            assert one.hello(None) is None
        assert BRANCH.token is not None
        with peer(gateway, login=BRANCH.token, port=port) as one:
            assert one.hello(BRIDGE.token) is None
