"""The page for newcomers shows programs that work: each is run as it stands, against a gateway."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_process import TOKEN, GatewayProcess, running, write_config

PAGE = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
SAID = [
    r"EURUSD 1\.\d+ 1\.\d+ #\d+",
    r"\['EURUSD', 'XAUUSD'\]",
    (
        r"(?=[\s\S]*orders begins with 0)(?=[\s\S]*risk begins with \d)"
        r"[\s\S]*a position of 0\.10? EURUSD\nclosed; open now: 0"
    ),
    r"bought 0\.10? at 1\.\d+ ticket \d+\nprofit -?\d+\.\d+",
    r"Filled|Failed",
    r"you may trade 0\.10? lots for \d+ ms\nactive 1",
    r"(?=[\s\S]*EURUSD Filled)(?=[\s\S]*GBPUSD Filled)(?=[\s\S]*USDJPY Filled)",
    r"Disconnected[\s\S]*Connected\(again=True",
]
"""What each of them prints."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    symbols = {name: {} for name in ("EURUSD", "GBPUSD", "USDJPY", "XAUUSD")}
    broker = {
        "type": "mt5_mock",
        "initial_balance": 10000,
        "symbols": symbols,
        "feed": {"type": "random_walk", "seed": 1},
    }
    with running(write_config(tmp_path_factory.mktemp("gateway"), {"demo": broker}, poll_interval_ms=20)) as process:
        yield process


def test_every_example_has_its_words() -> None:
    """A new example says what it must print."""
    assert len(EXAMPLES) == len(SAID)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_example_runs(gateway: GatewayProcess, number: int) -> None:
    """With only the addresses changed it runs to its end, and prints what the page says."""
    program = (
        EXAMPLES[number]
        .replace("ws://127.0.0.1:8765/", gateway.addresses["websocket"])
        .replace("tcp://127.0.0.1:5555", gateway.addresses["commands"])
        .replace('"127.0.0.1", 8765', f'"127.0.0.1", {gateway.port("websocket")}')
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "QUANTMIND_TOKEN": TOKEN},
    )
    assert done.returncode == 0, done.stderr
    assert re.search(SAID[number], done.stdout), done.stdout
    assert "Traceback" not in done.stderr
    assert gateway.get("/positions")["items"] == []
