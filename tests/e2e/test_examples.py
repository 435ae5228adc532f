"""The examples of docs/examples, run as they stand beside a gateway. The web page has a test of its own."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from gateway_process import TOKEN, GatewayProcess, running, until, write_config

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
WALK = {"type": "random_walk", "seed": 1, "ticks_per_s": 200}
WITHIN_S = 150


def broker(feed: dict[str, Any]) -> dict[str, Any]:
    return {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}, "GBPUSD": {}}, "feed": feed}}


def run(folder: Path, name: str, *arguments: str) -> str:
    """What an example prints; it must end by itself, and well."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments, "--state", str(folder / "state")],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env={**os.environ, "QUANTMIND_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def nothing_is_open(gateway: GatewayProcess) -> None:
    """Also in the samples of the account, which lag a little."""
    end = time.monotonic() + 20
    while gateway.get("/positions")["items"]:
        assert time.monotonic() < end, "a position stayed open"
        time.sleep(0.1)


def test_every_example_has_a_test() -> None:
    """What is shown works."""
    here = Path(__file__).read_text(encoding="utf-8") + (Path(__file__).parent / "test_web_page.py").read_text()
    assert [item.name for item in EXAMPLES.iterdir() if item.name not in here and item.name != "__pycache__"] == []


def test_tick_recorder(tmp_path: Path) -> None:
    """record_ticks.py writes ticks without a hole in their numbers."""
    with running(write_config(tmp_path, broker(WALK))):
        told = run(tmp_path, "record_ticks.py", str(tmp_path / "ticks.csv"), "EURUSD", "GBPUSD", "--count", "200")
    assert told.startswith("200 ticks")
    with (tmp_path / "ticks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 200, "no marks: nothing was missing"
    for symbol in ("EURUSD", "GBPUSD"):
        numbers = [int(row[4]) for row in rows if row[1] == symbol]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_ea_loop(tmp_path: Path) -> None:
    """ea_loop.py trades once a round, leaves nothing open, and obeys a halt."""
    with running(write_config(tmp_path, broker(WALK))) as gateway:
        told = run(tmp_path, "ea_loop.py", "--rounds", "2", "--hold-s", "0.1", "--pause-s", "0.1")
        assert (told.count("bought 0.1"), told.count("closed at")) == (2, 2)
        nothing_is_open(gateway)
        assert len(gateway.get("/eas")["items"]) == 1
        gateway.post("/risk/state", {"state": "halted", "reason": "a test"})
        told = run(tmp_path, "ea_loop.py", "--rounds", "1")
        assert "trading is halted" in told
        assert "refused: trading_state" in told
        assert "bought" not in told


def test_strategy_over_replayed_ticks(tmp_path: Path, data_folder: Path) -> None:
    """strategy.py trades the recorded ECB day, misses no tick, and the equity that it prints is the account's."""
    recording = data_folder / "fx" / "eurusd_oanda_20140508_ticks_lean.zip"
    feed = {"type": "replay", "path": str(recording), "symbol": "EURUSD", "speed": 1200, "start": "first_subscriber"}
    with running(write_config(tmp_path, broker(feed))) as gateway:
        told = run(tmp_path, "strategy.py", "--symbol", "EURUSD", "--report", "1000", "--count", "12000")
        end = re.fullmatch(
            r"end: (\d+) ticks, (\d+) missed, (\d+) trades, balance ([\d.]+)  equity ([\d.]+) USD",
            told.splitlines()[-1],
        )
        assert end is not None, told
        assert (end[1], end[2]) == ("12000", "0")
        assert int(end[3]) >= 2
        assert len([line for line in told.splitlines() if " ticks  " in line]) == 12
        nothing_is_open(gateway)
        assert Decimal(str(gateway.get("/account")["equity"])) == Decimal(end[5]) == Decimal(end[4])


def test_operator_with_curl(tmp_path: Path) -> None:
    """operator.sh looks, buys once for two requests with one key, halts, is refused, closes, and frees again."""
    if shutil.which("bash") is None or shutil.which("curl") is None:
        reason = "needs bash and curl"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with running(write_config(tmp_path, broker(WALK))) as gateway:
        done = subprocess.run(
            ["bash", str(EXAMPLES / "operator.sh")],
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            env={**os.environ, "QUANTMIND_TOKEN": TOKEN, "QUANTMIND_REST": gateway.addresses["rest"]},
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"rule":"trading_state"' in done.stdout
        nothing_is_open(gateway)
        until(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active")
        deals = gateway.get("/deals")["items"]
        assert {deal["entry"] for deal in deals} <= {"in", "out"}
        assert sum(deal["entry"] == "in" for deal in deals) == 1, "one order for two requests"
    assert TOKEN not in done.stdout + done.stderr
