"""Regime and mandate from outside: set, killed, started again, still there; and what EAs hear of it."""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, quantmind, running, until, write_config

WALK = {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}}


def put(gateway: GatewayProcess, body: Any) -> tuple[int, Any]:
    request = urllib.request.Request(
        gateway.addresses["rest"].rstrip("/") + "/state",
        data=json.dumps(body).encode(),
        method="PUT",
        headers={"X-Token": TOKEN, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def ticked(gateway: GatewayProcess) -> Any:
    return until(lambda: [tick for tick in gateway.get("/state")["last_ticks"] if tick["since_start"]])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL; TerminateProcess is the same and untested")
def test_set_kill_start(tmp_path: Path) -> None:
    """What was confirmed is there after kill -9: regime, mandate with its effect, and the EA that is missing."""
    config = write_config(tmp_path, WALK, poll_interval_ms=20)
    with running(config) as gateway:
        ticked(gateway)
        gateway.post("/command", {"type": "heartbeat", "ea_name": "Scalper", "symbol": "EURUSD", "magic": 7})
        until(lambda: gateway.get("/state")["eas"])
        time.sleep(2.5)  # an EA that is new is kept at the next look
        wanted = {
            "regime": {"label": "trend", "symbols": {"EURUSD": "news"}},
            "mandate": {"mode": "reduced", "max_multiplier": 0.5},
            "reason": "NFP week",
        }
        status, reply = put(gateway, wanted)
        assert (status, reply["revision"], reply["durable"]) == (200, 1, True)
        assert put(gateway, {"mandate": {"mode": "normal"}, "reason": "x", "revision": 0})[0] == 409
        gateway.stop(signal.SIGKILL)
    with running(config) as gateway:
        found = gateway.get("/state")
        assert found["regime"] == reply["regime"]
        assert found["mandate"] == reply["mandate"]
        assert (found["revision"], found["durable"], found["mandate"]["by"]) == (1, True, "owner")
        (ea,) = found["eas"]
        assert (ea["ea_name"], ea["missing"], ea["risk_multiplier"]) == ("Scalper", True, 0.5)
        _, beat = gateway.post("/command", {"type": "heartbeat", "ea_name": "Scalper", "symbol": "EURUSD", "magic": 7})
        assert beat["risk_multiplier"] == 0.5
        ticked(gateway)
        order = {"type": "trade_open", "ea_name": "Scalper", "symbol": "EURUSD", "volume": 0.6, "magic": 7}
        verdict = until(lambda: _judged(gateway, order))
        assert (verdict["approved"], [reason["rule"] for reason in verdict["reasons"]]) == (False, ["mandate"])
        assert gateway.get("/status")["state"]["durable"] is True


def _judged(gateway: GatewayProcess, order: dict[str, Any]) -> Any:
    _, verdict = gateway.post("/command", order)
    return verdict if verdict["max_volume"] else None


def test_after_a_stop_the_feed_was_away(tmp_path: Path) -> None:
    """A stop keeps the last ticks: after the start they show how long there was none."""
    config = write_config(tmp_path, WALK, poll_interval_ms=20)
    with running(config) as gateway:
        ticked(gateway)
        assert gateway.stop() == 0
    time.sleep(1)
    with running(config) as gateway:
        (tick,) = ticked(gateway)
        assert tick["away_ms"] >= 1000


def test_eas_hear_of_a_mandate(tmp_path: Path) -> None:
    """Those for whom another multiplier counts now are told on the PUB socket; the others are not."""
    config = write_config(tmp_path, WALK)
    with running(config) as gateway, zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger, socket.rcvtimeo = 0, 15_000
        socket.subscribe(b"risk.")
        socket.connect(f"tcp://127.0.0.1:{gateway.port('publish')}")
        time.sleep(0.5)
        for name, multiplier in (("Bold", 0.9), ("Careful", 0.1)):
            gateway.post("/command", {"type": "risk_update", "ea_name": name, "risk_multiplier": multiplier})
        assert [json.loads(socket.recv_multipart()[1])["ea_name"] for _ in range(2)] == ["Bold", "Careful"]
        put(gateway, {"mandate": {"mode": "reduced", "max_multiplier": 0.3}, "reason": "a bad week"})
        put(gateway, {"mandate": {"mode": "none"}, "reason": "enough"})
        heard = [json.loads(socket.recv_multipart()[1]) for _ in range(3)]
        assert [(each["ea_name"], each["risk_multiplier"]) for each in heard] == [
            ("Bold", 0.3),
            ("Bold", 0),
            ("Careful", 0),
        ]


def test_from_a_terminal(tmp_path: Path) -> None:
    """`quantmind state` shows what `quantmind state set` has set; what can't be is refused with its exit code."""
    config = write_config(tmp_path, WALK)
    with running(config):
        done = quantmind(config, "state", "set", "--regime", "range", "--symbol", "EURUSD=news", "--reason", "ECB")
        assert (done.returncode, "regime   range, EURUSD news (ECB; by owner" in done.stdout) == (0, True), done.stderr
        half = ["--mandate", "reduced", "--max-multiplier", "0.5", "--reason", "a bad week", "--json"]
        reply = json.loads(quantmind(config, "state", "set", *half).stdout)
        assert (reply["revision"], reply["mandate"]["max_multiplier"]) == (2, 0.5)
        old = quantmind(config, "state", "set", "--mandate", "none", "--reason", "x", "--revision", "1")
        assert (old.returncode, "revision_conflict" in old.stderr) == (1, True)
        shown = quantmind(config, "state")
        assert shown.returncode == 0
        assert "mandate  reduced, at most 0.5 (a bad week; by owner" in shown.stdout
        assert json.loads(quantmind(config, "state", "--json").stdout)["regime"]["symbols"] == {"EURUSD": "news"}
        for wrong in (
            ["state", "set", "--mandate", "none"],
            ["state", "set", "--reason", "x"],
            ["state", "set", "--mandate", "none", "--max-multiplier", "0.5", "--reason", "x"],
            ["state", "set", "--mandate", "reduced", "--max-multiplier", "1", "--reason", "x"],
            ["state", "set", "--symbol", "EURUSD", "--reason", "x"],
            ["state", "--mandate", "none", "--reason", "x"],
        ):
            assert quantmind(config, *wrong).returncode == 2, wrong
