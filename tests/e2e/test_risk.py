"""Limits of a prop firm on a real gateway: what a person sees and says of them, and what an EA is answered."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import zmq
from gateway_process import GatewayProcess, done, quantmind, running, until, write_config

BROKERS = {
    "demo": {
        "type": "mt5_mock",
        "initial_balance": 10_000,
        "symbols": {"EURUSD": {}},
        "feed": {"type": "random_walk", "seed": 1},
    }
}


def configured(folder: Path, **account: Any) -> Path:
    """A gateway whose account has a firm's limits."""
    path = write_config(folder, BROKERS, poll_interval_ms=50, account_interval_ms=100)
    whole = json.loads(path.read_text(encoding="utf-8"))
    limits = {"preset": "ftmo-2step", "initial_capital": 10_000, **account}
    path.write_text(json.dumps({**whole, "risk": {"accounts": {"demo": limits}}}), encoding="utf-8")
    return path


def ready(gateway: GatewayProcess) -> float:
    """A price, once the account's day is known, too."""

    def known() -> float | None:
        (account,) = gateway.get("/risk")["items"]
        if account["at"] is None or account["lacks"] is not None or not account["room"]["lots"]:
            return None
        ticks = [tick for tick in gateway.get("/state")["last_ticks"] if tick["since_start"]]
        return float(gateway.get("/ticks/EURUSD")["bid"]) if ticks else None

    return float(until(known))


def ask(gateway: GatewayProcess, message: dict[str, Any]) -> dict[str, Any]:
    """One command over the real socket."""
    context = zmq.Context()
    socket = context.socket(zmq.REQ)
    try:
        socket.setsockopt(zmq.RCVTIMEO, 20_000)
        socket.connect(f"tcp://127.0.0.1:{gateway.port('commands')}")
        socket.send(json.dumps(message).encode())
        reply: dict[str, Any] = json.loads(socket.recv())
        return reply
    finally:
        socket.close(linger=0)
        context.term()


def test_a_person_sees_and_stops_an_account(tmp_path: Path) -> None:
    """The page, a halt in a hurry, a flattening until nothing is left, and a release that needs a reason."""
    config = configured(tmp_path)
    with running(config) as gateway:
        bid = ready(gateway)
        page = quantmind(config, "risk")
        assert page.returncode == 0, page.stderr
        for words in ("demo      active", "ftmo-2step", "00:00 Europe/Prague", "daily_loss", "9500.00", "EURUSD 0."):
            assert words in page.stdout
        near = done(config, "risk", "--stop-percent", "0.1")["items"][0]["room"]["lots"]
        far = done(config, "risk", "--stop-percent", "2")["items"][0]["room"]["lots"]
        assert near["stop_percent"] == 0.1
        assert near["symbols"]["EURUSD"] > far["symbols"]["EURUSD"]
        refused = quantmind(config, "risk", "baseline", "--balance", "10000", "--reason", "a test")
        assert (refused.returncode, "baseline_known" in refused.stderr) == (1, True)

        done(config, "trade", "EURUSD", "buy", "0.10", "--sl", f"{bid - 0.01:.5f}", "--yes")
        done(
            config,
            *("trade", "EURUSD", "sell", "0.10", "--limit", f"{bid + 0.02:.5f}", "--sl", f"{bid + 0.025:.5f}", "--yes"),
        )
        halted = quantmind(config, "halt")
        assert (halted.returncode, halted.stdout) == (0, "demo is halted: by hand (by owner)\n")
        assert quantmind(config, "trade", "EURUSD", "buy", "0.01", "--sl", f"{bid - 0.01:.5f}", "--yes").returncode == 1
        asked = quantmind(config, "flatten")
        assert (asked.returncode, "1 position, 1 order" in asked.stderr) == (2, True)
        flat = quantmind(config, "flatten", "--yes", "--reason", "the day is over")
        assert (flat.returncode, flat.stdout.splitlines()[-1]) == (0, "flat: demo; halted until `quantmind release`"), (
            flat.stdout + flat.stderr
        )
        assert gateway.get("/positions")["items"] == gateway.get("/orders")["items"] == []
        (trading,) = [broker["trading"] for broker in gateway.get("/status")["brokers"]]
        assert (trading["state"], [each["rule"] for each in trading["holds"]]) == ("halted", ["operator"])

        assert quantmind(config, "release").returncode == 2
        stop = tmp_path / "state" / "STOP"
        stop.touch()
        until(lambda: "STOP" in gateway.get("/status")["brokers"][0]["trading"]["cause"])
        kept = quantmind(config, "release", "--reason", "a new day")
        assert kept.returncode == 1
        assert f"{stop} is there; remove it first" in kept.stderr
        assert "demo: operator at halted" in kept.stderr
        stop.unlink()
        until(lambda: gateway.get("/status")["stop_file"]["there"] is False)
        released = quantmind(config, "release", "--reason", "a new day")
        assert (released.returncode, released.stdout) == (0, "demo is active\n")
        assert done(config, "reduce-only", "--broker", "demo")["states"][0]["state"] == "reduce_only"
        began = [line["body"] for line in gateway.get("/journal?kind=event&newest=true&limit=50")["items"]]
        assert [body["name"] for body in began if body["name"].startswith("flatten.")] == [
            "flatten.begin",
            "flatten.done",
        ]
        time.sleep(1)  # the account's book is written without lines, too
    checked = quantmind(config, "journal", "verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_refused_order_names_the_rule_and_what_would_pass(tmp_path: Path) -> None:
    """Over the real socket: the rule, its value and its limit; and the volume that it names does pass."""
    config = configured(tmp_path)
    with running(config) as gateway:
        bid = ready(gateway)
        opening = {
            "type": "trade_open",
            "ea_name": "scalper",
            "symbol": "EURUSD",
            "magic": 7,
            "side": "buy",
            "sl": round(bid - 0.02, 5),
            "tp": round(bid + 0.02, 5),
        }
        refused = ask(gateway, {**opening, "volume": 0.9})
        assert (refused["status"], refused["approved"]) == ("rejected", False)
        reasons = {reason["rule"]: reason for reason in refused["reasons"]}
        assert set(reasons) == {"daily_loss", "max_loss"}
        assert (reasons["daily_loss"]["limit"], reasons["max_loss"]["limit"]) == (9500, 9000)
        assert reasons["daily_loss"]["value"] < 8300
        assert 0.20 < refused["max_volume"] < 0.26
        passed = ask(gateway, {**opening, "volume": round(refused["max_volume"] - 0.01, 2)})
        assert passed["approved"] is True, passed
        # It holds its room: what is left of the day is less by it.
        again = ask(gateway, {**opening, "volume": 0.9})
        assert again["max_volume"] <= 0.02
        beat = ask(gateway, {"type": "heartbeat", "ea_name": "scalper", "symbol": "EURUSD", "magic": 7})
        assert (beat["floor"], beat["next_floor"]) == (9500, 9500)
        assert beat["next_reset"] > time.time()


def test_a_day_that_nobody_saw_begin_is_supplied(tmp_path: Path) -> None:
    """An account that is not at its initial capital: nothing opens until somebody says what the day began with."""
    config = configured(tmp_path, initial_capital=9_900)
    with running(config) as gateway:

        def read() -> Any:
            (account,) = gateway.get("/risk")["items"]
            return account if account["at"] is not None and account["lacks"] is not None else None

        assert until(read)["room"]["money"] is None
        page = quantmind(config, "risk").stdout
        assert "what the account had when the day began; until it is known nothing" in page
        assert "quantmind risk baseline --broker demo" in page
        refused = quantmind(config, "trade", "EURUSD", "buy", "0.01", "--sl", "1.08", "--yes")
        assert (refused.returncode, "baseline_known" in refused.stderr) == (1, True)
        for arguments in (("--balance", "10000"), ("--reason", "seen"), ()):
            assert quantmind(config, "risk", "baseline", *arguments).returncode == 2
        taken = quantmind(config, "risk", "baseline", "--balance", "10000", "--reason", "the firm's page")
        assert taken.returncode == 0, taken.stderr
        assert "began with 10000; nothing is missing any more" in taken.stdout
        account = until(lambda: (found := gateway.get("/risk")["items"][0])["floors"] and found)
        assert account["day"]["known_by"] == "supplied by owner: the firm's page"
        assert account["floors"][0]["floor"] == 10_000 - 495


def test_without_a_gateway_the_way_out_is_said(tmp_path: Path) -> None:
    """A halt in a hurry, and nobody there: a file does it as soon as one runs."""
    config = configured(tmp_path)
    for command in ("halt", "reduce-only", "flatten"):
        ran = quantmind(config, command, *(("--yes",) if command == "flatten" else ()))
        assert ran.returncode == 69
        assert str(tmp_path / "state" / "STOP") in ran.stderr
    assert quantmind(config, "risk").returncode == 69
