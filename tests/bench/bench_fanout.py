"""Fan-out of ticks to WebSocket clients: this gateway beside the `websockets` library, in one run.

    python tests/bench/bench_fanout.py [--clients 100] [--symbols 25] [--polls-per-s 10] [--seconds 5] [--repeats 3]

Each poll brings a tick of 40 % of the symbols, as the paper broker's walk does. Servers run in processes of their own,
one after the other in a new order each repeat; one client process reads from all connections. Printed: messages a
client got, the CPU time of the server per
message, the age of a message when it was read (by its own `time_msc`, so to the millisecond), and the ratio of CPU to
the peer's sequential sends. Needs Linux (/proc) and `pip install .[bench]`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from gateway_process import running, write_config
from raw_ws import RawClient

PEER = """
import asyncio, json, random, sys, time
import uvloop
from websockets.asyncio.server import broadcast, serve
symbols, polls_per_s, how, port = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
clients, seq = set(), 0
async def handler(ws):
    await ws.recv(); clients.add(ws)
    try:
        async for _ in ws: pass
    finally: clients.discard(ws)
def tick(i, seq):
    now = time.time(); bid = round(1.1 + random.random() / 100, 5)
    return json.dumps({"type": "tick", "data": {"symbol": f"EURUSD.{i}", "bid": bid, "ask": round(bid + 0.0001, 5),
        "last": 0.0, "volume": 0.0, "time": "2026-11-23T09:00:00.123Z", "time_msc": int(now * 1000), "spread": 1.0,
        "seq": seq, "broker": "demo"}})
async def main():
    global seq
    async with serve(handler, "127.0.0.1", port, ping_interval=None, backlog=2048, compression=None):
        due = time.monotonic()
        while True:
            due += 1 / polls_per_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            seq += 1
            for i in range(symbols):
                if random.random() > 0.4: continue
                text = tick(i, seq)
                if how == "broadcast": broadcast(clients, text)
                else:
                    for ws in list(clients): await ws.send(text)
uvloop.run(main())
"""
_TIME = re.compile(rb'"time_msc":(\d+)')


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(port: int, pid: int, names: list[str], clients: int, seconds: float) -> tuple[float, float, list[int]]:
    """Messages a second, CPU microseconds a message, ages in milliseconds."""
    selector = selectors.DefaultSelector()
    connections = []
    for _ in range(clients):
        client = RawClient(port)
        client.send({"type": "subscribe", "symbols": names})
        client.socket.setblocking(False)
        selector.register(client.socket, selectors.EVENT_READ)
        connections.append(client)
    _read(selector, 1.0)
    before, started = cpu_s(pid), time.monotonic()
    count, ages = _read(selector, seconds)
    took, used = time.monotonic() - started, cpu_s(pid) - before
    for client in connections:
        client.socket.close()
    return count / took, used / max(count, 1) * 1e6, ages


def _read(selector: selectors.BaseSelector, seconds: float) -> tuple[int, list[int]]:
    count, ages, end = 0, [], time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in selector.select(0.05):
            data = key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
            count += data.count(b'"type":"tick"') + data.count(b'"type": "tick"')
            found = _TIME.search(data.replace(b": ", b":"))
            if found:
                ages.append(max(0, time.time_ns() // 1_000_000 - int(found[1])))
    return count, ages


def ours(options: argparse.Namespace) -> tuple[float, float, list[int]]:
    names = [f"EURUSD.{i}" for i in range(options.symbols)]
    feed = {"type": "random_walk", "seed": 1}
    brokers = {"demo": {"type": "mt5_mock", "symbols": {name: {} for name in names}, "feed": feed}}
    with tempfile.TemporaryDirectory() as folder:
        interval = round(1000 / options.polls_per_s)
        limits = {"max_clients": options.clients + 10}
        config = write_config(Path(folder), brokers, poll_interval_ms=interval, websocket={"port": 0, **limits})
        with running(config) as gateway:
            return load(gateway.port("websocket"), gateway.process.pid, names, options.clients, options.seconds)


def peer(options: argparse.Namespace, how: str) -> tuple[float, float, list[int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [sys.executable, "-c", PEER, str(options.symbols), str(options.polls_per_s), how, str(port)]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(1.5)
            return load(port, process.pid, ["all"], options.clients, options.seconds)
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--symbols", type=int, default=25)
    parser.add_argument("--polls-per-s", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    runs = {
        "quantmind": lambda: ours(options),
        "websockets, send each": lambda: peer(options, "send"),
        "websockets, broadcast": lambda: peer(options, "broadcast"),
    }
    results: dict[str, list[tuple[float, float, list[int]]]] = {name: [] for name in runs}
    for _ in range(options.repeats):
        for name in random.sample(list(runs), len(runs)):
            results[name].append(runs[name]())
    base = statistics.median(cpu for _, cpu, _ in results["websockets, send each"])
    print(json.dumps(vars(options)))
    print(
        "| server | messages/s | CPU us/message | x websockets' sends | age p50 ms | age p99 ms |\n"
        "|---|---|---|---|---|---|"
    )
    for name, rows in results.items():
        cpu = statistics.median(row[1] for row in rows)
        ages = sorted(age for row in rows for age in row[2])
        p50, p99 = ages[len(ages) // 2], ages[int(len(ages) * 0.99)]
        rate = statistics.median(row[0] for row in rows)
        print(f"| {name} | {rate:.0f} | {cpu:.2f} | {base / cpu:.1f} | {p50} | {p99} |")


if __name__ == "__main__":
    main()
