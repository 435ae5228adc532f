"""MetaTrader 5 from a user's chair: a look at the machine, a terminal, a worker that is run by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_process import TOKEN, quantmind, running, until, write_config

from quantmind.config.brokers import MockBrokerConfig, SymbolOverrides
from quantmind.testing.terminal import FakeTerminal

WORKER_TOKEN = "a-token-for-a-worker-0123456789"
SYMBOLS = {"EURUSD": SymbolOverrides(), "USDJPY": SymbolOverrides()}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[FakeTerminal]:
    with FakeTerminal(MockBrokerConfig(name="x", login=5, server="Demo", symbols=SYMBOLS)) as made:
        made.serve(tmp_path)
        made.run_walk(every_s=0.1)
        yield made


def mt5_config(folder: Path, **more: Any) -> dict[str, Any]:
    path = str(folder / "terminal64.fake")
    return {"type": "mt5", "module": "quantmind.testing.mt5", "path": path, "login": 5, "server": "Demo", **more}


def test_the_doctor_looks_and_trades_nothing(tmp_path: Path, terminal: FakeTerminal) -> None:
    """A line for each thing; what is wrong fails with the way out."""
    config = write_config(tmp_path, {"mt5": mt5_config(tmp_path)})
    ran = quantmind(config, "doctor", "--json", "--ticks-within", "5")
    found = {each["what"]: each for each in json.loads(ran.stdout)["findings"]}
    assert ran.returncode == 0, ran.stdout
    assert {each["state"] for each in found.values()} == {"ok"}, found
    assert "measured" in found["mt5: server's clock"]["detail"]
    assert "0.01 lots would be taken" in found["mt5: order EURUSD"]["detail"]
    assert terminal.executed() == []
    terminal.faults.autotrading_off = True
    ran = quantmind(config, "doctor", "--ticks-within", "1")
    assert ran.returncode == 1
    assert "FAIL  mt5: programs" in ran.stdout
    assert "Algo Trading is switched off" in ran.stdout
    terminal.close()
    ran = quantmind(config, "doctor")
    assert ran.returncode == 1
    assert "could not be started or reached" in ran.stdout


def test_the_doctor_says_what_package_is_missing(tmp_path: Path) -> None:
    """On Linux there is no MetaTrader5; and what to use instead."""
    if sys.platform == "win32":
        pytest.skip("there it may be installed")
    ran = quantmind(write_config(tmp_path, {"mt5": {"type": "mt5"}}), "doctor")
    assert ran.returncode == 1
    assert "MetaTrader5 can't be imported" in ran.stdout
    assert "mt5linux" in ran.stdout


def test_a_gateway_without_its_package_runs_on(tmp_path: Path) -> None:
    """The broker is degraded and says why; the paper account beside it trades."""
    if sys.platform == "win32":
        pytest.skip("there it may be installed")
    paper = {"type": "mt5_mock", "symbols": {"EURUSD": {}}}
    with running(write_config(tmp_path, {"mt5": {"type": "mt5"}, "paper": paper})) as gateway:
        until(lambda: "can't be imported" in str(gateway.get("/status")["brokers"][0]["condition"]["causes"]))
        until(lambda: gateway.get("/status")["brokers"][1]["trading"]["state"] == "active")
        order = {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.1, "broker": "paper"}
        assert gateway.post("/trade", order)[0] == 200


def test_a_worker_by_hand_and_a_gateway_that_connects(tmp_path: Path, terminal: FakeTerminal) -> None:
    """Two gateways' lives over one worker: orders, ticks, and what a restart of the worker does to nobody."""
    (tmp_path / "worker").mkdir()
    worker_config = write_config(tmp_path / "worker", {"mt5": mt5_config(tmp_path)})
    worker, port = start_worker(worker_config, 0)
    try:
        broker = {
            "type": "mt5_socket",
            "vps_host": "127.0.0.1",
            "vps_port": port,
            "token": WORKER_TOKEN,
            "account_id": "5",
        }
        config = write_config(tmp_path, {"far": broker})
        with running(config) as gateway:
            until(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active")
            order = {"symbol": "EURUSD", "action_type": "BUY", "volume": 0.1}
            status, reply = gateway.post("/trade", order)
            assert status == 200, reply
            worker.kill()
            worker.wait()
            until(lambda: gateway.get("/status")["brokers"][0]["feed"] == "degraded")
            assert gateway.post("/trade", order)[0] in (422, 503)
            worker, _ = start_worker(worker_config, port)
            until(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active", 60)
            closed = gateway.post(f"/brokers/far/positions/{reply['ticket']}/close", {})
            assert closed[0] == 200, closed
        assert [each.ticket for each in terminal.executed()] == [reply["ticket"]] * 2
    finally:
        worker.send_signal(signal.SIGINT)
        assert worker.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("arguments", "token", "says"),
    [
        ([], "", "QUANTMIND_WORKER_TOKEN must have the token"),
        (["--host", "0.0.0.0"], WORKER_TOKEN, "is not loopback"),
        (["--broker", "nope"], WORKER_TOKEN, "no broker of type mt5 is called nope; "),
    ],
)
def test_a_worker_that_can_t_be_run_so(tmp_path: Path, arguments: list[str], token: str, says: str) -> None:
    """It says why, and what to do."""
    config = write_config(tmp_path, {"mt5": mt5_config(tmp_path)})
    ran = subprocess.run(
        [sys.executable, "-m", "quantmind", "mt5-worker", *arguments, "--config", str(config)],
        env={**os.environ, "QUANTMIND_WORKER_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert says in ran.stderr
    assert TOKEN not in ran.stderr


def start_worker(config: Path, port: int) -> tuple[subprocess.Popen[str], int]:
    """A worker by hand, and its port."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "quantmind", "mt5-worker", "--config", str(config), "--port", str(port)],
        env={**os.environ, "QUANTMIND_WORKER_TOKEN": WORKER_TOKEN},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    end = time.monotonic() + 30
    with worker.stdout as said:
        line = said.readline()
    assert time.monotonic() < end
    return worker, json.loads(line)["port"]
