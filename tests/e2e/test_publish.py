"""What PUB sends: each tick as the same object that REST gives, and changes of state and multiplier."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import zmq
from gateway_process import TOKEN, running, write_config

WALK = {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}, "USDJPY": {}}, "feed": {"type": "random_walk"}}}


def take(socket: zmq.Socket[bytes], topic: bytes, number: int) -> list[Any]:
    out: list[Any] = []
    while len(out) < number:
        name, payload = socket.recv_multipart()
        if name == topic:
            out.append(json.loads(payload))
    return out


def states_until(socket: zmq.Socket[bytes], wanted: str) -> Any:
    """The first message of the account's state that says the wanted one; a start may say others before."""
    end = time.monotonic() + 15.0
    while time.monotonic() < end:
        (state,) = take(socket, b"state.demo", 1)
        if state["trading_state"] == wanted:
            return state
    pytest.fail(f"no message says {wanted}")


def test_ticks_and_changes_are_published(tmp_path: Path) -> None:
    """A SUB outside the process gets numbered ticks by topic, and hears of a halt and of a lower multiplier."""
    config = write_config(tmp_path, WALK, poll_interval_ms=20)
    with running(config) as gateway, zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger, socket.rcvtimeo = 0, 15_000
        for topic in (b"tick.demo.EURUSD", b"state.", b"risk."):
            socket.subscribe(topic)
        socket.connect(f"tcp://127.0.0.1:{gateway.port('publish')}")
        ticks = take(socket, b"tick.demo.EURUSD", 20)
        assert [tick["seq"] - ticks[0]["seq"] for tick in ticks] == list(range(20))
        assert set(ticks[0]) == set(gateway.get("/ticks/EURUSD")) - {"epoch", "age_ms"}
        assert {tick["symbol"] for tick in ticks} == {"EURUSD"}

        status, _ = gateway.post("/risk/state", {"state": "halted", "reason": "a test"})
        assert status == 200
        state = states_until(socket, "halted")
        assert "a test" in state["cause"]
        status, reply = gateway.post(
            "/command", {"type": "risk_update", "ea_name": "Scalper", "risk_multiplier": 0.25, "token": TOKEN}
        )
        assert (status, reply["risk_multiplier"]) == (200, 0.25)
        (risk,) = take(socket, b"risk.Scalper", 1)
        assert (risk["risk_multiplier"], risk["seq"]) == (0.25, 1)
        status, _ = gateway.post("/risk/state", {"state": "active", "reason": "test over"})
        states_until(socket, "active")


def test_a_halt_and_a_multiplier_survive_a_restart(tmp_path: Path) -> None:
    """What was tightened is still tight after the gateway was stopped and started again."""
    config = write_config(tmp_path, WALK)
    with running(config) as gateway:
        gateway.post("/risk/state", {"state": "halted", "reason": "weekend"})
        gateway.post("/command", {"type": "risk_update", "ea_name": "E", "risk_multiplier": 0.5})
        assert gateway.stop() == 0
    with running(config) as gateway:
        time.sleep(0.5)
        _, beat = gateway.post("/command", {"type": "heartbeat", "ea_name": "E", "symbol": "EURUSD", "magic": 1})
        assert (beat["trading_state"], beat["risk_multiplier"]) == ("halted", 0.5)
        order = {"type": "trade_open", "ea_name": "E", "symbol": "EURUSD", "volume": 0.01, "magic": 1}
        _, verdict = gateway.post("/command", order)
        assert verdict["approved"] is False
        assert verdict["reasons"][0]["rule"] == "trading_state"
