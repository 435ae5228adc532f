"""Trading by hand against a real gateway: the subcommands, and what REST shows of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from gateway_process import TOKEN, GatewayProcess, done, quantmind, running, until, write_config
from raw_ws import RawClient

WALK = {
    "demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}, "XAUUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}
}


def first_price(gateway: GatewayProcess) -> float:
    def bid() -> float | None:
        try:
            return float(gateway.get("/ticks/EURUSD")["bid"])
        except OSError:
            return None

    return float(until(bid))


def test_a_day_of_trading_by_hand(tmp_path: Path) -> None:
    """Open, wait in the book, cancel, close; each shows in the terminal and over REST, once."""
    config = write_config(tmp_path, WALK)
    with running(config) as gateway:
        bid = first_price(gateway)
        opened = done(config, "trade", "EURUSD", "buy", "0.10", "--sl", f"{bid - 0.02:.5f}", "--yes", "--key", "k1")
        again = done(config, "trade", "EURUSD", "buy", "0.10", "--sl", f"{bid - 0.02:.5f}", "--yes", "--key", "k1")
        assert again["ticket"] == opened["ticket"]
        other = quantmind(config, "trade", "EURUSD", "buy", "0.20", "--yes", "--key", "k1")
        assert (other.returncode, "request_id_conflict" in other.stderr) == (1, True)
        placed = done(config, "trade", "EURUSD", "sell", "0.10", "--limit", f"{bid + 0.05:.5f}", "--yes")
        assert placed["pending"] is True
        quantmind(config, "trade", "XAUUSD", "sell", "0.01", "--yes")

        orders = until(lambda: done(config, "orders")["items"])
        assert [item["ticket"] for item in orders] == [placed["ticket"]]
        table = quantmind(config, "positions", "--symbol", "EURUSD").stdout.splitlines()
        assert table[0].split()[:5] == ["ticket", "broker", "symbol", "side", "volume"]
        assert [line.split()[0] for line in table[1:]] == [str(opened["ticket"])]

        ran = quantmind(config, "cancel", str(placed["ticket"]))
        assert (ran.returncode, ran.stdout) == (0, f"cancelled order {placed['ticket']}\n")
        ran = quantmind(config, "cancel", str(placed["ticket"]))
        assert ran.returncode == 1
        assert "unknown_ticket" in ran.stderr

        ran = quantmind(config, "close", str(opened["ticket"]), "--volume", "0.04", "--key", "c1")
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith(f"closed 0.04 of ticket {opened['ticket']} at ")
        assert quantmind(config, "close", "--all").returncode == 0
        assert quantmind(config, "positions").stdout == "no open positions\n"
        # The same close with the same key, long after the position has gone.
        ran = quantmind(config, "close", str(opened["ticket"]), "--volume", "0.04", "--key", "c1")
        assert ran.returncode == 0, ran.stderr
        became = done(config, "command", "k1")
        assert (became["state"], became["ea_name"], became["reply"]["ticket"]) == (
            "filled",
            "rest:owner",
            opened["ticket"],
        )
        history = done(config, "orders", "show", became["order_id"])["history"]
        assert [(line["kind"], line["state"]) for line in history][:3] == [
            ("decision", "approved"),
            ("intent", "intent"),
            ("outcome", "filled"),
        ]
        assert quantmind(config, "orders", "unknown").stdout == "no unknown orders\n"

        deals = until(lambda: found if len(found := gateway.get("/deals")["items"]) >= 5 else None)
        assert [item["entry"] for item in deals if item["symbol"] == "EURUSD"] == ["in", "out", "out"]
        assert sum(item["volume"] for item in deals if item["entry"] == "out") == 0.11
        assert gateway.get(f"/deals?since={deals[-1]['time']}&symbol=XAUUSD")["items"] == [
            item for item in deals if item["time_msc"] >= deals[-1]["time_msc"] and item["symbol"] == "XAUUSD"
        ]


def test_what_a_gateway_shows_of_markets_and_clients(tmp_path: Path) -> None:
    """Bars of what was published, EAs after a heartbeat, WebSocket clients by the name of their token."""
    config = write_config(tmp_path, WALK)
    with running(config) as gateway:
        first_price(gateway)
        client = RawClient(gateway.port("websocket"))
        client.send({"type": "auth", "token": TOKEN})
        client.send({"type": "subscribe", "symbols": ["EURUSD"]})

        def subscribed() -> Any:
            return [item for item in gateway.get("/clients")["items"] if item["subscriptions"]]

        (shown,) = until(subscribed)
        assert (shown["authenticated_as"], shown["symbols"], shown["messages_received"]) == ("owner", ["EURUSD"], 2)
        assert shown["remote"].startswith("127.0.0.1:")
        assert TOKEN not in json.dumps(shown)

        until(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active")
        beat = {"type": "heartbeat", "ea_name": "scalper", "symbol": "EURUSD", "magic": 7, "version": "1.2"}
        assert gateway.post("/command", beat)[0] == 200
        (ea,) = gateway.get("/eas?broker=demo")["items"]
        assert (ea["ea_name"], ea["magic"], ea["trading_state"], ea["messages"]) == ("scalper", 7, "active", 1)

        minutes = until(lambda: gateway.get("/bars/EURUSD?timeframe=M1")["items"])
        hours = gateway.get("/bars/EURUSD?timeframe=H1&after=0")["items"]
        assert minutes[-1]["complete"] is False
        assert hours[0]["open"] == minutes[0]["open"]
        assert hours[0]["low"] <= minutes[0]["low"] <= minutes[0]["high"] <= hours[0]["high"]
        assert hours[0]["time_msc"] % 3_600_000 == 0
        client.socket.close()


def test_without_a_gateway_nothing_is_sent(tmp_path: Path) -> None:
    """69, and one line that says where it looked; wrong usage and an order that nobody confirms are 2."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        config = write_config(tmp_path, WALK, rest={"port": free.getsockname()[1]})
        ran = quantmind(config, "trade", "EURUSD", "buy", "0.1", "--yes")
    assert ran.returncode == 69
    assert "no gateway answers" in ran.stderr
    for wrong in (
        ("trade", "EURUSD", "buy", "0.1"),
        ("trade", "EURUSD", "buy", "NaN", "--yes"),
        ("trade", "EURUSD", "buy", "0.1", "--limit", "1", "--stop", "1"),
        ("trade", "EURUSD", "buy", "0.1", "--expires", "2h", "--yes"),
        ("close",),
        ("close", "1", "--all"),
        ("close", "--all", "--volume", "1"),
        ("cancel", "x"),
    ):
        assert quantmind(config, *wrong).returncode == 2, wrong
    no_token = quantmind(config, "positions", token=None)
    assert no_token.returncode == 69
    assert "QUANTMIND_TOKEN" in no_token.stderr


def test_closing_all_does_not_end_with_its_reader(tmp_path: Path) -> None:
    """`quantmind close --all | head -1`: every position is closed, and what was not read is on standard error."""
    config = write_config(tmp_path, WALK)
    with running(config) as gateway:
        first_price(gateway)
        for _ in range(3):
            done(config, "trade", "EURUSD", "buy", "0.01", "--yes")
        until(lambda: len(gateway.get("/positions")["items"]) == 3)
        closing = subprocess.Popen(
            [sys.executable, "-m", "quantmind", "close", "--all", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "QUANTMIND_TOKEN": TOKEN},
        )
        assert closing.stdout is not None
        closing.stdout.close()
        assert closing.stderr is not None
        with closing.stderr as errors:
            said = errors.read().decode()
        assert closing.wait(timeout=60) == 0, said
        assert said.count("closed 0.01 of ticket") == 3
        until(lambda: not gateway.get("/positions")["items"])


def test_a_lost_answer_is_called_unknown_and_sent_once(tmp_path: Path) -> None:
    """75, with the key that asks what became of it; nothing is sent a second time, and the token stands nowhere."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    heard.append(peer.recv(65536))

        server.settimeout(60)
        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        config = write_config(tmp_path, WALK, rest={"port": server.getsockname()[1]})
        order = ("trade", "EURUSD", "buy", "0.1", "--limit", "1.05", "--expires", "2h", "--yes", "--key", "mine")
        ran = quantmind(config, *order)
        said = quantmind(config, *order, "--json")
    assert (ran.returncode, said.returncode) == (75, 75)
    assert "UNKNOWN" in ran.stderr
    assert "--key mine --expires 20" in ran.stderr
    assert json.loads(said.stdout)["key"] == "mine"
    assert TOKEN not in ran.stderr + ran.stdout + said.stdout + said.stderr
    assert len(heard) == 2
    assert all(b"Idempotency-Key: mine" in raw for raw in heard)
