"""MetaTrader 5 from a user's chair: a look at the machine, a terminal, a worker that is run by hand."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from gateway_process import TOKEN, GatewayProcess, done, quantmind, running, until, write_config
from slow_gateway import asked_late, listening

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
        (["--to", "10.0.0.5:5555"], WORKER_TOKEN, "call 127.0.0.1 and lead a tunnel"),
        (["--to", "127.0.0.1"], WORKER_TOKEN, "--to is HOST:PORT"),
        (["--to", "127.0.0.1:70000"], WORKER_TOKEN, "--to is HOST:PORT"),
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


def test_a_worker_that_calls(tmp_path: Path, terminal: FakeTerminal) -> None:
    """The gateway is killed in the middle of an order and started again: the worker comes back, the fill is known."""
    (tmp_path / "worker").mkdir()
    worker_config = write_config(tmp_path / "worker", {"mt5": mt5_config(tmp_path)})
    breaker = {"failures": 5, "open_s": 2}  # what is refused while bridges change opens it
    far = {"type": "mt5_socket", "mode": "listen", "account_id": "5", "timeout": 4, "breaker": breaker}
    config = write_config(tmp_path, {"far": far}, commands={"port": free_port()})
    order = {"type": "trade_open", "ea_name": "a", "magic": 1, "symbol": "EURUSD", "volume": 0.1, "side": "buy"}
    order = {**order, "execute": True, "token": TOKEN, "request_id": "first"}
    said = done(config, "token", "add", "far-bridge", "--scope", "bridge", "--broker", "far")
    with running(config) as gateway:
        worker = start_calling(worker_config, gateway.port("commands"), said["token"])
        try:
            until(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active")
            bridges = gateway.get("/status")["bridges"]
            assert bridges["brokers"]["far"]["connected"]
            terminal.faults.frozen_s, terminal.faults.frozen_after = 2.0, True
            order["timestamp"] = time.time()  # from now on it may take ten seconds, and not from before the start
            asking = threading.Thread(target=lambda: suppressed(gateway.command, order))
            asking.start()
            until(terminal.executed)
            gateway.kill()
            terminal.faults.frozen_s = 0.0
            with running(config) as again:
                until(lambda: again.get("/status")["brokers"][0]["trading"]["state"] == "active")
                found = until(lambda: settled(again, "first"))
                (done_there,) = terminal.executed()
                assert (found["state"], found["reply"]["ticket"]) == ("filled", done_there.ticket)
                assert again.command(order)["ticket"] == done_there.ticket
                assert len(terminal.executed()) == 1
                until(lambda: again.get("/positions?broker=far")["items"])
                # Another worker for the same account: the first one ends, and says why.
                other = start_calling(worker_config, again.port("commands"), said["token"])
                try:
                    assert worker.wait(timeout=30) == 69
                    numbers = itertools.count(1)

                    def goes_through() -> bool:
                        asked = {**order, "request_id": f"again-{next(numbers)}", "timestamp": time.time()}
                        said = again.command(asked)
                        assert said["status"] != "unknown", said
                        return bool(said["status"] == "success")

                    until(goes_through, 90.0)
                    assert len(terminal.executed()) == 2
                    done(config, "token", "revoke", "far-bridge")
                    until(lambda: not again.get("/status")["bridges"]["brokers"]["far"]["connected"])
                    assert (
                        again.command({**order, "request_id": "third", "timestamp": time.time()})["approved"] is False
                    )
                finally:
                    other.send_signal(signal.SIGINT)
                    assert other.wait(timeout=20) == 0
            asking.join()  # it gave up
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


def test_a_worker_that_calls_is_answered_late(tmp_path: Path, terminal: FakeTerminal) -> None:
    """A hello is answered when the next one has gone out already; the question behind that answer is not lost."""
    config, port = write_config(tmp_path, {"mt5": mt5_config(tmp_path)}), free_port()
    with listening(port) as slow:
        worker = start_calling(config, port, WORKER_TOKEN)
        try:
            said = asked_late(slow, {"type": "symbols_get", "id": "1"})
            assert "EURUSD" in {each["name"] for each in said["data"]["symbols"]}
        finally:
            worker.terminate()
            worker.wait(10)


def settled(gateway: GatewayProcess, request_id: str) -> Any:
    """What became of a command, once that is known."""
    found = gateway.get(f"/commands/{request_id}")
    return found if found["state"] not in ("intent", "sent", "unknown", "approved") else None


def suppressed(what: Any, *arguments: Any) -> None:
    """Do it, though the other side may die meanwhile."""
    with contextlib.suppress(zmq.ZMQError):
        what(*arguments)


def free_port() -> int:
    """One that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start_calling(config: Path, port: int, token: str) -> subprocess.Popen[str]:
    """A worker that calls a gateway."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "quantmind", "mt5-worker", "--config", str(config), "--to", f"127.0.0.1:{port}"],
        env={**os.environ, "QUANTMIND_WORKER_TOKEN": token},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    with worker.stdout as lines:
        assert json.loads(lines.readline())["calls"] == f"127.0.0.1:{port}"
    return worker


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
