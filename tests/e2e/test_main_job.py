"""The main job from outside: recorded ticks in, exactly those out, and an EA that trades on them."""

from __future__ import annotations

import itertools
import json
import random
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, running, write_config
from raw_ws import RawClient


def changed_ticks(path: Path, day: datetime) -> list[tuple[int, float, float]]:
    """(time_msc, bid, ask) of a LEAN file, without those that repeat the prices before or are crossed."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            text = archive.read(archive.namelist()[0]).decode()
    else:
        text = path.read_text()
    start = int(day.timestamp() * 1000)
    out: list[tuple[int, float, float]] = []
    for line in text.splitlines():
        ms, bid, ask = line.split(",")
        tick = (start + int(ms), float(bid), float(ask))
        if tick[1] > tick[2] or (out and out[-1][1:] == tick[1:]):
            continue
        out.append(tick)
    return out


def generated_day(folder: Path, ticks: int) -> Path:
    """A LEAN file with made-up EURUSD ticks: repeats, equal times and bursts as real ones have."""
    rng = random.Random(7)
    path = folder / "20240102_eurusd_tick_quote.csv"
    at, bid = 9_000_000, 109_500
    lines = []
    for _ in range(ticks):
        at += rng.choice((0, 1, 40, 250, 900, 2500))
        bid += rng.choice((-3, -1, 0, 0, 1, 3))
        lines.append(f"{at},{bid / 100_000:.5f},{(bid + rng.choice((8, 11))) / 100_000:.5f}")
    path.write_text("\n".join(lines) + "\n")
    return path


class Ea:
    """An EA as ZeroMQ sees it: one REQ socket, one command at a time."""

    def __init__(self, port: int) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.rcvtimeo = 20_000
        self.socket.linger = 0
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.ids = itertools.count(1)

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        command = {"type": kind, "ea_name": "Tester", "magic": 7, **fields}
        if fields.get("execute"):
            command.update(request_id=f"r{next(self.ids)}", token=TOKEN, expires_at=time.time() + 20)
        self.socket.send(json.dumps(command).encode())
        reply: dict[str, Any] = json.loads(self.socket.recv(), parse_float=Decimal)
        return reply

    def close(self) -> None:
        self.socket.close()
        self.context.term()


@pytest.fixture
def generated(tmp_path: Path) -> Iterator[tuple[GatewayProcess, Path]]:
    path = generated_day(tmp_path, 6000)
    with running(replay_config(tmp_path, path, speed=1000)) as gateway:
        yield gateway, path


def replay_config(folder: Path, path: Path, speed: float, symbol: str = "EURUSD") -> Path:
    feed = {"type": "replay", "path": str(path), "format": "lean", "speed": speed, "start": "first_subscriber"}
    brokers = {"demo": {"type": "mt5_mock", "initial_balance": 10000, "symbols": {symbol: {}}, "feed": feed}}
    return write_config(folder, brokers, poll_interval_ms=10, account_interval_ms=50)


def watch_and_trade(gateway: GatewayProcess, expected: list[tuple[int, float, float]], within_s: float) -> RawClient:
    """Subscribe, trade while the ticks run, and wait until the last one came; gives the client that watched."""
    client = RawClient(gateway.port("websocket"))
    client.send({"type": "subscribe", "symbols": ["EURUSD"], "id": "1"})
    client.collect()
    ea = Ea(gateway.port("commands"))
    trades: list[dict[str, Any]] = []
    end = time.monotonic() + within_s
    try:
        while time.monotonic() < end:
            last = gateway.get("/ticks/EURUSD")["seq"] if trades else 0
            if last >= len(expected):
                break
            trade_once(ea, gateway, trades)
        else:
            raise AssertionError(f"only {last} of {len(expected)} ticks came within {within_s} s")
        check_account(gateway, trades, expected)
    finally:
        ea.close()
    assert gateway.stop() == 0
    client.join()
    return client


def trade_once(ea: Ea, gateway: GatewayProcess, trades: list[dict[str, Any]]) -> None:
    """Open, move the stop, close a part and then the rest, when there is a price."""
    side = "buy" if len(trades) % 2 == 0 else "sell"
    opened = ea.ask("trade_open", symbol="EURUSD", volume=0.10, side=side, execute=True)
    if opened["status"] == "rejected":
        assert opened["reasons"][0]["rule"] in ("price_fresh", "equity_fresh"), opened
        time.sleep(0.05)
        return
    assert opened["status"] == "success", opened
    assert opened["retcode"] == 10009
    far = Decimal("0.05") if side == "sell" else Decimal("-0.05")
    stop = float(round(opened["price"] + far, 5))
    moved = ea.ask("trade_modify", ticket=opened["ticket"], new_sl=stop, execute=True)
    assert moved["status"] == "success", moved
    assert float(moved["sl"]) == stop
    part = ea.ask("trade_close", symbol="EURUSD", ticket=opened["ticket"], volume=0.04, execute=True)
    assert part["status"] == "success", part
    rest = ea.ask("trade_close", symbol="EURUSD", ticket=opened["ticket"], execute=True)
    assert rest["status"] == "success", rest
    trades.append({"side": side, "open": opened["price"], "closes": [part, rest]})


def check_account(
    gateway: GatewayProcess, trades: list[dict[str, Any]], expected: list[tuple[int, float, float]]
) -> None:
    """Every fill stands on a price of the file, and balance = start + profits to the last cent."""
    assert len(trades) >= 3, "too few trades to mean anything"
    bids = {Decimal(str(bid)) for _, bid, _ in expected}
    asks = {Decimal(str(ask)) for _, _, ask in expected}
    profit = Decimal(0)
    for trade in trades:
        sign = 1 if trade["side"] == "buy" else -1
        assert trade["open"] in (asks if sign == 1 else bids)
        for close in trade["closes"]:
            assert close["price"] in (bids if sign == 1 else asks)
            own = (close["price"] - trade["open"]) * sign * close["volume"] * 100_000
            assert abs(close["profit"] - own) <= Decimal("0.005"), (trade, close)
            profit += close["profit"]
    deadline = time.monotonic() + 10
    while True:
        account = gateway.get("/account")
        if Decimal(str(account["balance"])) == 10_000 + profit:
            break
        assert time.monotonic() < deadline, (account, profit)
        time.sleep(0.1)
    assert Decimal(str(account["equity"])) == 10_000 + profit
    assert Decimal(str(account["margin"])) == 0
    assert gateway.get("/positions")["items"] == []


def check_sequence(client: RawClient, expected: list[tuple[int, float, float]]) -> None:
    """Exactly the changed ticks, in order, numbered without a gap, and 1001 at the end."""
    messages = client.messages()
    assert messages[0]["type"] == "subscribed"
    assert client.close_code() == 1001
    ticks = [m for m in messages if m["type"] == "tick"]
    assert not any(m.get("snapshot") for m in ticks)
    assert [m["data"]["seq"] for m in ticks] == list(range(1, len(expected) + 1))
    assert [(m["data"]["time_msc"], m["data"]["bid"], m["data"]["ask"]) for m in ticks] == expected


def test_generated_ticks_come_out_exactly_and_the_account_adds_up(generated: tuple[GatewayProcess, Path]) -> None:
    """A client outside the process receives exactly the sequence of changed ticks while an EA trades on them."""
    gateway, path = generated
    expected = changed_ticks(path, datetime(2024, 1, 2, tzinfo=UTC))
    client = watch_and_trade(gateway, expected, within_s=60)
    check_sequence(client, expected)


def test_the_ecb_day_comes_out_exactly_and_the_account_adds_up(data_folder: Path, tmp_path: Path) -> None:
    """The same on 87,833 real EURUSD ticks of 8 May 2014."""
    path = data_folder / "fx" / "eurusd_oanda_20140508_ticks_lean.zip"
    expected = changed_ticks(path, datetime(2014, 5, 8, tzinfo=UTC))
    with running(replay_config(tmp_path, path, speed=3600)) as gateway:
        client = watch_and_trade(gateway, expected, within_s=180)
    check_sequence(client, expected)
