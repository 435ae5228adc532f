"""What a flood on one port does to those who use the others: latencies at the client, unloaded and under each flood.

    python tests/bench/bench_flood.py [--seconds 6] [--repeats 1] [--only FLOOD …]

A gateway process (paper broker, random walk, durable journal), a flood from another process (tests/floods.py), and one
probe that uses all doors at a modest rate: a verdict over ZeroMQ (25 a second), GET /ticks over HTTP (12), a ping
over WebSocket (25), and ticks over WebSocket and PUB. A flooder takes a core by itself, so each flood also runs
against a sink that reads and discards, beside a gateway that nobody floods. Printed for each door: p50 and p99 in
milliseconds without a flood, beside the sink and under the flood; p99 as a ratio to the first (raw) and to the second
(net); how much the flood sent, and by how many MB the most that the gateway ever held has grown. What was due and
late counts as late from when it was due. Ages of ticks are to the millisecond.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import attrs
import zmq
from floods import BROKER, FLOODS, SYMBOLS, configured, start
from gateway_process import TOKEN, GatewayProcess, running, until
from raw_ws import RawClient

DOORS = ("verdict", "http", "ping", "ws tick", "pub tick")
LEAD_S = 1.0
"""The flood runs so long before it counts."""


@attrs.define(eq=False)
class Asker:
    """Asks at a steady rate, one question at a time; `took` counts from when a question was due, in seconds."""

    every_s: float
    ask: Callable[[], None]
    due: float = 0.0
    waiting: bool = False
    took: list[float] = attrs.field(factory=list)

    def maybe_ask(self, now: float) -> None:
        if not self.waiting and now >= self.due:
            self.waiting = True
            self.ask()

    def answered(self, now: float) -> None:
        self.took.append(now - self.due)
        self.waiting = False
        self.due += self.every_s


class Probe:
    """Uses every door of a gateway at a modest rate."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._context = zmq.Context()
        self._commands = self._context.socket(zmq.DEALER)
        self._commands.connect(f"tcp://127.0.0.1:{gateway.port('commands')}")
        self._ticks = self._context.socket(zmq.SUB)
        self._ticks.connect(f"tcp://127.0.0.1:{gateway.port('publish')}")
        self._ticks.setsockopt(zmq.SUBSCRIBE, f"tick.{BROKER}.".encode())
        self._http = socket.create_connection(("127.0.0.1", gateway.port("rest")))
        self._request = f"GET /ticks/EURUSD HTTP/1.1\r\nHost: localhost\r\nX-Token: {TOKEN}\r\n\r\n".encode()
        self._ws = RawClient(gateway.port("websocket"))
        self._ws.send({"type": "subscribe", "symbols": list(SYMBOLS)})
        self._ws.socket.setblocking(False)
        self._http.setblocking(False)
        self._numbers = itertools.count()
        self.bad = 0

    def _verdict(self) -> None:
        opening = {"type": "trade_open", "ea_name": "probe", "symbol": "EURUSD", "broker": BROKER, "magic": 7}
        more = {"volume": 0.01, "side": "buy", "request_id": f"probe-{os.getpid()}-{next(self._numbers)}"}
        self._commands.send(json.dumps({**opening, **more}).encode())

    def run(self, seconds: float) -> dict[str, list[float]]:
        """Seconds that each answer took, or that each tick was old, by door."""
        verdict = Asker(0.04, self._verdict)
        http = Asker(0.08, lambda: self._http.sendall(self._request))
        ping = Asker(0.04, lambda: self._ws.send({"type": "ping"}))
        askers = (verdict, http, ping)
        ages: dict[str, list[float]] = {"ws tick": [], "pub tick": []}
        poller = zmq.Poller()
        for each in (self._commands, self._ticks, self._http, self._ws.socket):
            poller.register(each, zmq.POLLIN)
        self._forget()
        began = time.monotonic()
        for number, asker in enumerate(askers):
            asker.due = began + number * 0.003
        while (now := time.monotonic()) < began + seconds:
            for asker in askers:
                asker.maybe_ask(now)
            due = min((asker.due for asker in askers if not asker.waiting), default=now + 0.05)
            for ready, _ in poller.poll(max(0.0, min(due - time.monotonic(), 0.05)) * 1000):
                now = time.monotonic()
                if ready is self._commands:
                    if b'"approved"' not in self._commands.recv():
                        self.bad += 1
                    verdict.answered(now)
                elif ready is self._ticks:
                    while self._ticks.getsockopt(zmq.EVENTS) & zmq.POLLIN:
                        ages["pub tick"].append(_age(self._ticks.recv_multipart()[1]))
                elif ready == self._http.fileno():
                    self._take_http(http, now)
                else:
                    self._take_ws(ping, ages["ws tick"], now)
        # Who hears nothing has waited until now at the least.
        for asker in askers:
            if asker.waiting:
                asker.took.append(time.monotonic() - asker.due)
        self._settle(askers)
        return {"verdict": verdict.took, "http": http.took, "ping": ping.took, **ages}

    # Ticks that came while nobody looked say nothing of how they came.
    def _forget(self) -> None:
        while self._ticks.poll(0):
            self._ticks.recv_multipart()
        with contextlib.suppress(BlockingIOError):
            while self._ws.socket.recv(1 << 18):
                pass

    def _take_http(self, http: Asker, now: float) -> None:
        data = self._http.recv(1 << 16)
        if not data:
            raise SystemExit("the probe's HTTP connection was closed")
        if b"HTTP/1.1" in data:
            self.bad += b"HTTP/1.1 200" not in data
            http.answered(now)

    def _take_ws(self, ping: Asker, ages: list[float], now: float) -> None:
        data = self._ws.socket.recv(1 << 18)
        if not data:
            raise SystemExit("the probe's WebSocket was closed")
        if b'"type":"pong"' in data:
            ping.answered(now)
        if b'"type":"tick"' in data:
            ages.append(_age(data))

    # What is still under way is waited for, so that the next run begins clean.
    def _settle(self, askers: tuple[Asker, ...]) -> None:
        verdict, http, ping = askers
        end = time.monotonic() + 20
        while any(asker.waiting for asker in askers) and time.monotonic() < end:
            if verdict.waiting and self._commands.poll(20):
                self._commands.recv()
                verdict.waiting = False
            for asker, raw, mark in ((http, self._http, b"HTTP/1.1"), (ping, self._ws.socket, b'"type":"pong"')):
                try:
                    if asker.waiting and mark in raw.recv(1 << 18):
                        asker.waiting = False
                except BlockingIOError:
                    time.sleep(0.005)

    def close(self) -> None:
        self._http.close()
        self._ws.socket.close()
        self._context.destroy(0)


def _age(data: bytes) -> float:
    at = data.rindex(b'"time_msc":') + 11
    return max(0.0, time.time() - int(data[at : at + 13]) / 1000)


def quantile(values: list[float], q: float) -> float:
    """In milliseconds; NaN: there are none."""
    return sorted(values)[int(len(values) * q)] * 1000 if values else float("nan")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def beside(probe: Probe, name: str, port: int, seconds: float, token: str) -> tuple[dict[str, list[float]], int]:
    """What the probe saw while a flood ran, and how much that sent."""
    flooder = start(name, port, LEAD_S + seconds + 1.0, token)
    time.sleep(LEAD_S)
    seen = probe.run(seconds)
    out, _ = flooder.communicate(timeout=60)
    return seen, int(out or 0)


def measure(gateway: GatewayProcess, probe: Probe, name: str, seconds: float) -> dict[str, Any]:
    flood = FLOODS[name]
    base = probe.run(seconds)
    port = free_port()
    sink = start(f"sink:{flood.sink}", port, LEAD_S + seconds + 3.0)
    time.sleep(0.5)
    idle, into_sink = beside(probe, name, port, seconds, "")
    sink.wait(60)
    rss = memory_mb(gateway)
    busy, into_door = beside(probe, name, gateway.port(flood.door), seconds, TOKEN)
    grown = memory_mb(gateway) - rss
    time.sleep(1.0)
    return {"base": base, "idle": idle, "busy": busy, "sent": into_door, "into_sink": into_sink, "grown_mb": grown}


def memory_mb(gateway: GatewayProcess) -> float:
    """The most that the process ever held so far."""
    for line in Path(f"/proc/{gateway.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def show(name: str, runs: list[dict[str, Any]]) -> None:
    """A row for each door, over all runs together."""
    for door in DOORS:
        took = {each: [value for run in runs for value in run[each][door]] for each in ("base", "idle", "busy")}
        base, idle, busy = (quantile(took[each], 0.99) for each in ("base", "idle", "busy"))
        middle = [quantile(took[each], 0.5) for each in ("base", "idle", "busy")]
        print(
            f"| {name} | {door} | {middle[0]:.1f} | {middle[1]:.1f} | {middle[2]:.1f} | {base:.1f} | {idle:.1f} | "
            f"{busy:.1f} | {busy / base:.1f} | {busy / idle:.1f} | "
            f"{statistics.median(run['sent'] for run in runs):.0f} | {max(run['grown_mb'] for run in runs):.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=FLOODS, default=list(FLOODS))
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {vars(options)}")
    print(
        "| flood | door | p50 alone | p50 sink | p50 flood | p99 alone | p99 sink | p99 flood | raw | net | sent | MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            with running(configured(Path(folder))) as gateway:
                until(lambda: gateway.get("/ticks/EURUSD")["bid"])
                probe = Probe(gateway)
                try:
                    probe.run(1.0)
                    show(name, [measure(gateway, probe, name, options.seconds) for _ in range(options.repeats)])
                finally:
                    probe.close()


if __name__ == "__main__":
    main()
