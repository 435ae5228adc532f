"""A gateway in a process of its own, for tests from outside."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import zmq

TOKEN = "a-token-for-tests-0123456789"
START_WITHIN_S = 60.0
PORTS = {
    "websocket": {"port": 0},
    "commands": {"port": 0},
    "data": {"publish_port": 0},
    "rest": {"port": 0},
}


def write_config(folder: Path, brokers: dict[str, Any], **gateway: Any) -> Path:
    """A configuration with free ports and its state beside it. JSON is YAML."""
    merged = {name: {**keys, **gateway.pop(name, {})} for name, keys in PORTS.items()}
    path = folder / "brokers.yaml"
    text = {"gateway": {**merged, **gateway, "state_dir": str(folder / "state")}, "brokers": brokers}
    path.write_text(json.dumps(text), encoding="utf-8")
    return path


@attrs.define(eq=False)
class GatewayProcess:
    """A running `quantmind run`: its addresses, its token, what it logs."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str]
    log: list[str]
    addresses: dict[str, str] = attrs.field(factory=dict)

    def port(self, name: str) -> int:
        return int(self.addresses[name].rstrip("/").rpartition(":")[2])

    def get(self, path: str, token: str = TOKEN) -> Any:
        """GET from its REST door."""
        request = urllib.request.Request(self.addresses["rest"].rstrip("/") + path, headers={"X-Token": token})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: Any, token: str = TOKEN) -> tuple[int, Any]:
        """POST to its REST door: status and body, whatever the status."""
        request = urllib.request.Request(
            self.addresses["rest"].rstrip("/") + path,
            data=json.dumps(body).encode(),
            headers={"X-Token": token, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def command(self, message: Any) -> Any:
        """Send a command over ZeroMQ, as an object or as the bytes of one; its answer."""
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.setsockopt(zmq.RCVTIMEO, 20_000)
            socket.setsockopt(zmq.LINGER, 0)
            socket.connect(f"tcp://127.0.0.1:{self.port('commands')}")
            socket.send(raw)
            return socket.recv_json()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """End it at once, as a crash of the machine would."""
        self.process.kill()
        self.process.wait(timeout=30)


@contextlib.contextmanager
def running(
    config: Path, *arguments: str, env: dict[str, str] | None = None, module: str = "quantmind"
) -> Iterator[GatewayProcess]:
    """Start `quantmind run` and wait until it says that it is ready; killed at the end if it still runs.

    Args:
        module: what is run in its place, which breaks something and then does the same.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, "run", "--config", str(config), "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "QUANTMIND_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1", **(env or {})},
    )
    gateway = GatewayProcess(process, queue.Queue(), [])
    readers = [
        threading.Thread(target=_pump, args=(process.stdout, gateway.lines.put)),
        threading.Thread(target=_pump, args=(process.stderr, gateway.log.append)),
    ]
    for reader in readers:
        reader.start()
    try:
        gateway.addresses = _wait_ready(gateway)["addresses"]
        yield gateway
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for reader in readers:
            reader.join()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def quantmind(config: Path, *arguments: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    """Run a subcommand to its end, without a keyboard; with this token, or with none."""
    env = {name: value for name, value in os.environ.items() if name != "QUANTMIND_TOKEN"}
    return subprocess.run(
        [sys.executable, "-m", "quantmind", *arguments, "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env=env if token is None else {**env, "QUANTMIND_TOKEN": token},
    )


def done(config: Path, *arguments: str) -> Any:
    """The JSON of a subcommand that must work."""
    ran = quantmind(config, *arguments, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def until(what: Callable[[], Any], within_s: float = 30.0) -> Any:
    """What it gives, once that is something; asked again and again."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"it did not happen within {within_s} s")


def _pump(pipe: Any, take: Any) -> None:
    for line in pipe:
        take(line.rstrip("\n"))


def _wait_ready(gateway: GatewayProcess) -> dict[str, Any]:
    end = time.monotonic() + START_WITHIN_S
    while time.monotonic() < end:
        try:
            ready: dict[str, Any] = json.loads(gateway.lines.get(timeout=0.2))
        except queue.Empty:
            if gateway.process.poll() is not None:
                break
            continue
        return ready
    raise AssertionError("the gateway did not start:\n" + "\n".join(gateway.log))
