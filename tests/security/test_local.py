"""What any process on the gateway's machine may do without a token, and what not: the truth, by a real gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, running, until, write_config
from raw_ws import RawClient
from security.attacker import CLOSE, HOST, JSON, json_of, request, sized, spoken, status_of
from security.conftest import WALK

OPEN = {"type": "trade_open", "ea_name": "Scalper", "broker": "demo", "symbol": "EURUSD", "volume": 0.01, "magic": 1}


def ticks_by_pub(port: int) -> list[bytes]:
    """The first message that is published."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(f"tcp://127.0.0.1:{port}")
        return socket.recv_multipart()


def said_to(port: int, *messages: Any, wanted: str) -> tuple[list[Any], RawClient]:
    """What a session without a token hears, up to a message of this type."""
    client = RawClient(port)
    for message in messages:
        client.send(message)
    client.collect()
    until(lambda: [each for each in client.messages() if each["type"] == wanted])
    return client.messages(), client


def test_without_a_token_prices_are_seen(gateway: GatewayProcess) -> None:
    """Over WebSocket and ZeroMQ; on the latter also each account's trading state and each EA's multiplier."""
    said, client = said_to(gateway.port("websocket"), {"type": "subscribe", "symbols": ["EURUSD"]}, wanted="tick")
    assert said
    client.leave()
    topic, payload = ticks_by_pub(gateway.port("publish"))
    assert topic.startswith((b"tick.", b"state."))
    assert json.loads(payload)


def test_without_a_token_commands_are_judged_in_any_eas_name(gateway: GatewayProcess) -> None:
    """A heartbeat, a verdict, a result and a lower multiplier are taken from whoever sends them."""
    assert gateway.command({"type": "heartbeat", "ea_name": "Scalper", "broker": "demo"})["status"] == "success"
    verdict = until(lambda: (found := gateway.command(OPEN))["status"] in ("success", "rejected") and found)
    assert "approved" in verdict
    lower = {"type": "risk_update", "ea_name": "Scalper", "risk_multiplier": 0.5}
    assert gateway.command(lower)["risk_multiplier"] == 0.5


def test_without_a_token_nothing_is_placed_or_raised(gateway: GatewayProcess) -> None:
    """No order goes to the broker, and no multiplier rises again."""
    placed = gateway.command({**OPEN, "execute": True, "request_id": "r1"})
    assert (placed["code"], placed["approved"]) == ("unauthorized", False)
    for kind, more in (("close", {"ticket": 1}), ("cancel", {"ticket": 1}), ("modify", {"ticket": 1, "new_sl": 1.0})):
        message = {"type": f"trade_{kind}", "ea_name": "Scalper", "broker": "demo", "execute": True, "request_id": "r2"}
        symbol = {"symbol": "EURUSD"} if kind == "close" else {}
        assert gateway.command({**message, **symbol, **more, "magic": 1})["code"] == "unauthorized"
    assert gateway.command({"type": "risk_update", "ea_name": "Riser", "risk_multiplier": 0.5})["status"] == "success"
    raised = gateway.command({"type": "risk_update", "ea_name": "Riser", "risk_multiplier": 0.9})
    assert raised["code"] in ("unauthorized", "forbidden")
    assert gateway.get("/positions?broker=demo")["items"] == []


def test_without_a_token_no_account_is_seen(gateway: GatewayProcess) -> None:
    """REST says that it runs and nothing else; the private channels are shut, and prices can't be sent in."""
    for line in (b"GET /", b"GET /status", b"GET /account", b"GET /journal", b"GET /risk", b"GET /clients"):
        assert status_of(spoken(gateway.port("rest"), request(line, HOST, CLOSE))) == 401
    assert json_of(spoken(gateway.port("rest"), request(b"GET /health", HOST, CLOSE))) == {"status": "ok"}
    body = json.dumps({"state": "halted", "reason": "x"}).encode()
    halt = request(b"POST /risk/state", HOST, JSON, sized(body), CLOSE, body=body)
    assert status_of(spoken(gateway.port("rest"), halt)) == 401
    ask = {"type": "subscribe", "channels": ["account", "orders", "risk", "events"]}
    said, client = said_to(gateway.port("websocket"), ask, wanted="error")
    assert said[-1]["code"] == "unauthorized"
    client.leave()
    with zmq.Context() as context, context.socket(zmq.PUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(f"tcp://127.0.0.1:{gateway.port('ingest')}")
        for _ in range(50):
            socket.send_multipart([b"tick.USDJPY", b"{}"])
            assert gateway.get("/status")["ingest"]["received"] == 0


def test_required_tokens_shut_what_is_open_on_loopback(tmp_path: Path) -> None:
    """With `auth: required` at both doors nothing is judged and no price is shown without one, but for port 5557."""
    config = write_config(tmp_path, {"demo": WALK}, commands={"auth": "required"}, websocket={"auth": "required"})
    with running(config) as gateway:
        for message in (OPEN, {"type": "heartbeat", "ea_name": "Scalper"},
                        {"type": "risk_update", "ea_name": "Scalper", "risk_multiplier": 0.5}):  # fmt: skip
            assert gateway.command(message)["code"] == "unauthorized"
        assert gateway.command({**OPEN, "token": TOKEN})["status"] in ("success", "rejected", "error")
        asked = ({"type": "subscribe", "symbols": ["EURUSD"]}, {"type": "get_symbols"})
        said, client = said_to(gateway.port("websocket"), *asked, wanted="error")
        assert not [each for each in said if each["type"] in ("tick", "symbols", "subscribed")]
        client.leave()
        assert ticks_by_pub(gateway.port("publish"))


@pytest.mark.skipif(os.name != "posix", reason="Windows has other users and no such modes")
def test_another_user_of_the_machine_reads_nothing_of_the_state(tmp_path: Path) -> None:
    """Not the token, not the journal, not even the names of its files."""
    if os.geteuid() != 0:
        reason = "only root can become another user to try it"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    config = write_config(tmp_path, {"demo": WALK})
    with running(config):
        script = (
            "import os, sys, pathlib\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "for name in ('', 'token', 'journal.sqlite3', 'tokens.yaml', 'addresses.json'):\n"
            "    path = pathlib.Path(sys.argv[1]) / name\n"
            "    try:\n"
            "        os.listdir(path) if not name else path.read_bytes()\n"
            "    except PermissionError:\n"
            "        continue\n"
            "    sys.exit(f'it could read {path}')\n"
        )
        for folder in (tmp_path, *tmp_path.parents[:3]):
            folder.chmod(folder.stat().st_mode | 0o055)
        ran = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "state")], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr


def test_the_owner_of_the_state_folder_has_it_all(tmp_path: Path) -> None:
    """Whoever runs as the gateway's user has its token: nothing keeps that from him."""
    config = write_config(tmp_path, {"demo": WALK})
    with running(config, env={"QUANTMIND_TOKEN": ""}) as gateway:
        token = (tmp_path / "state" / "token").read_text(encoding="ascii").strip()
        assert gateway.get("/status", token)
