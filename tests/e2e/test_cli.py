"""The command line from outside: start, stop, exit codes, one clear line for each trouble."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import zmq
from gateway_process import running, write_config
from raw_ws import RawClient

ROOT = Path(__file__).resolve().parents[2]
WALK = {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}}, "feed": {"type": "random_walk", "seed": 1}}}


def quantmind(*arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quantmind", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**os.environ, **env},
    )


def test_version_names_the_program() -> None:
    """`--version` says name and version."""
    done = quantmind("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("quantmind 0.")


def test_the_shipped_configuration_has_no_faults() -> None:
    """config/brokers.yaml passes `check` as it stands."""
    done = quantmind("check", "--config", str(ROOT / "config" / "brokers.yaml"))
    assert done.returncode == 0, done.stderr
    assert "demo: mt5_mock, enabled" in done.stdout


def test_without_a_configuration_the_ways_to_name_one_are_said(tmp_path: Path) -> None:
    """In a folder without brokers.yaml nobody has named a wrong file."""
    done = quantmind("check", cwd=tmp_path)
    assert done.returncode == 2
    assert "--config FILE or QUANTMIND_CONFIG" in done.stderr
    shutil.copy(ROOT / "config" / "brokers.yaml", tmp_path)
    assert quantmind("check", cwd=tmp_path).returncode == 0


def test_a_faulty_configuration_ends_with_2_and_all_faults(tmp_path: Path) -> None:
    """`check` and `run` print every fault with file and line, and exit with 2."""
    path = tmp_path / "brokers.yaml"
    path.write_text("brokers:\n  demo:\n    type: mt5_mock\n    feeed: {}\n    leverage: -3\n")
    for command in ("check", "run"):
        done = quantmind(command, "--config", str(path))
        assert done.returncode == 2
        assert "brokers.yaml:4" in done.stderr
        assert 'did you mean "feed"' in done.stderr
        assert "brokers.yaml:5" in done.stderr


def test_wrong_usage_ends_with_2() -> None:
    """An unknown option is wrong usage."""
    assert quantmind("run", "--confg", "x").returncode == 2


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    """A port that another program has ends the start with 69 and one line that names it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for door in ("websocket", "commands", "rest"):
            config = write_config(tmp_path, WALK, **{door: {"port": port}})
            done = quantmind("run", "--config", str(config))
            assert done.returncode == 69, (door, done.stderr)
            assert str(port) in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals for another process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """The first signal says goodbye to clients with 1001 and ends with 0."""
    with running(write_config(tmp_path, WALK)) as gateway:
        client = RawClient(gateway.port("websocket"))
        client.send({"type": "subscribe", "symbols": ["EURUSD"]})
        client.collect()
        time.sleep(0.5)
        assert gateway.stop(number) == 0
        client.join()
        assert client.close_code() == 1001
        assert client.messages()[-1] == {"type": "status", "state": "stopping"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals for another process")
def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """A client that never answers the close does not hold up a second signal."""
    with running(write_config(tmp_path, WALK)) as gateway:
        silent = RawClient(gateway.port("websocket"))
        gateway.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        started = time.monotonic()
        assert gateway.stop(signal.SIGINT) == 0
        assert time.monotonic() - started < 5, "a first signal waits out the grace period"
        silent.socket.close()


def test_ticks_shows_live_ticks(tmp_path: Path) -> None:
    """`quantmind ticks EURUSD` prints ticks of the running gateway, for people and as JSON."""
    config = write_config(tmp_path, WALK)
    with running(config):
        done = quantmind("ticks", "EURUSD", "--config", str(config), "--count", "3")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) == 3
        assert all("EURUSD" in line and "#" in line for line in lines)
        done = quantmind("ticks", "EURUSD", "--config", str(config), "--count", "2", "--json")
        ticks = [m for m in map(json.loads, done.stdout.splitlines()) if m["type"] == "tick"]
        assert len(ticks) == 2
        done = quantmind("ticks", "NOSUCH", "--config", str(config))
        assert done.returncode == 69
        assert "NOSUCH (unknown_symbol)" in done.stderr


def test_ticks_without_a_gateway_says_so(tmp_path: Path) -> None:
    """Nobody at the address is one clear line and 69."""
    done = quantmind("ticks", "EURUSD", "--config", str(write_config(tmp_path, WALK)), "--url", "ws://127.0.0.1:9/")
    assert done.returncode == 69
    assert "no gateway answers at ws://127.0.0.1:9/" in done.stderr


def test_the_first_start_makes_a_token_that_only_its_owner_reads(tmp_path: Path) -> None:
    """Without QUANTMIND_TOKEN a token is made in the state folder, kept over restarts, and never printed."""
    config = write_config(tmp_path, WALK)
    tokens = []
    for _ in range(2):
        with running(config, env={"QUANTMIND_TOKEN": ""}) as gateway:
            token = (tmp_path / "state" / "token").read_text().strip()
            tokens.append(token)
            assert gateway.get("/account", token)["balance"] == 10000
            assert gateway.stop() == 0
            assert token not in "\n".join(gateway.log)
    assert tokens[0] == tokens[1]
    if os.name == "posix":
        assert (tmp_path / "state" / "token").stat().st_mode & 0o077 == 0


def test_a_starter_that_does_not_listen_is_no_reason_to_end(tmp_path: Path) -> None:
    """As in `quantmind run | head -1`: it serves all the same, and an orderly stop ends with 0."""
    config = write_config(tmp_path, WALK)
    with subprocess.Popen(
        [sys.executable, "-m", "quantmind", "run", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        for line in process.stderr:
            if "lose.announcement" in line:
                break
        assert process.poll() is None
        process.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
        rest = process.stderr.read()
        code = process.wait(30)
    if sys.platform != "win32":
        assert code == 0
        assert "Traceback" not in rest
        assert "BrokenPipe" not in rest


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals for another process")
def test_a_log_that_nobody_reads_holds_up_nothing(tmp_path: Path) -> None:
    """With a full pipe at standard error it answers, and ends when it is told to."""
    config = write_config(tmp_path, WALK)
    with subprocess.Popen(
        [sys.executable, "-m", "quantmind", "run", "--config", str(config), "--json", "--verbose"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["addresses"]["websocket"].rstrip("/").rpartition(":")[2])
        for _ in range(300):  # some 100 kB of log, of which a pipe holds 64
            RawClient(port).socket.close()
        client = RawClient(port)
        client.send({"type": "ping"})
        while b"pong" not in client.socket.recv(4096):
            pass
        client.socket.close()
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_it_takes_as_many_open_files_as_it_may_have(tmp_path: Path) -> None:
    """The usual soft limit of 1024 is too low for 1000 clients, and where the hard one is, the log says so."""
    import resource

    for hard, warned in ((6000, False), (3000, True)):
        limits = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (256, hard))
        with subprocess.Popen(
            [sys.executable, "-m", "quantmind", "run", "--config", str(write_config(tmp_path, WALK)), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limits,
        ) as process:
            assert process.stdout is not None
            assert "ready" in json.loads(process.stdout.readline())
            # 1000 clients and what is spare
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (min(hard, 5096), hard)
            process.terminate()
            _, log = process.communicate(timeout=30)
        assert process.returncode == 0
        assert ("few.descriptors has=3000" in log) == warned


def test_check_refuses_symbols_that_contradict_themselves(tmp_path: Path) -> None:
    """What `run` would refuse of a symbol, `check` refuses too, and names the broker."""
    walk = {"type": "mt5_mock", "symbols": {"EURUSD": {"volume_min": 0.01, "volume_step": 0.03}}}
    done = quantmind("check", "--config", str(write_config(tmp_path, {"demo": walk})))
    assert done.returncode == 2
    assert "brokers.demo" in done.stderr
    assert "volume_step 0.03" in done.stderr


def test_ticks_by_address_needs_no_configuration(tmp_path: Path) -> None:
    """The hint that `run` prints works in any other terminal, also as `python -m quantmind`."""
    with running(write_config(tmp_path, WALK)) as gateway:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "quantmind",
                "ticks",
                "EURUSD",
                "--url",
                gateway.addresses["websocket"],
                "--count",
                "1",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path / "state",
        )
        assert done.returncode == 0, done.stderr
        assert "EURUSD" in done.stdout


def test_a_long_message_is_answered_and_a_token_in_an_address_refused(tmp_path: Path) -> None:
    """1 MiB over ZeroMQ gets `invalid_message` and the next command works; `?token=` gets HTTP 400."""
    with running(write_config(tmp_path, WALK)) as gateway:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket_:
            socket_.linger, socket_.rcvtimeo = 0, 15_000
            socket_.connect(f"tcp://127.0.0.1:{gateway.port('commands')}")
            socket_.send(b'{"type":"heartbeat","ea_name":"' + b"x" * (1 << 20) + b'"}')
            reply = json.loads(socket_.recv())
            assert (reply["code"], reply["approved"]) == ("invalid_message", False)
            socket_.send(b'{"type":"heartbeat","ea_name":"x","symbol":"EURUSD","magic":1}')
            assert json.loads(socket_.recv())["status"] == "success"
        with socket.create_connection(("127.0.0.1", gateway.port("websocket")), timeout=10) as raw:
            raw.sendall(
                b"GET /?token=abc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            assert raw.recv(4096).startswith(b"HTTP/1.1 400")


def test_json_log_lines_are_objects(tmp_path: Path) -> None:
    """With --json-log every log line is one JSON object."""
    with running(write_config(tmp_path, WALK), "--json-log") as gateway:
        assert gateway.stop() == 0
        assert gateway.log
        assert all({"time", "level", "logger", "message"} <= set(json.loads(line)) for line in gateway.log)
