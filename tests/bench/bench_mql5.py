"""What `SendTradeOpen` costs an EA over ZMTP, beside pyzmq's REQ with the same messages to the same gateway.

    python tests/bench/bench_mql5.py [--count 2000] [--rounds 5]

The EA's program is compiled from the shipped MQL5 by the host of tests/mql5 and runs in a process of its own, and so do
the gateway (paper account, governor on, durable journal) and the client in Python. The two take turns; each verdict is
followed by a `trade_result` that gives the approval back, which is not timed. Times are of the client, in microseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import zmq
from gateway_process import running, until, write_config
from mql5.build import build
from mql5.program import run

PROGRAM = Path(__file__).resolve().parents[1] / "mql5" / "programs" / "open_bench.mq5"
WARM_UP = 200
LIMIT = 1.5


def ask_by_pyzmq(port: int, count: int) -> tuple[float, float]:
    """p50 and p99 of a REQ client, microseconds."""
    took: list[float] = []
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(f"tcp://127.0.0.1:{port}")
        run_id = time.time_ns()
        for number in range(-WARM_UP, count):
            begun = time.perf_counter_ns()
            order = {"type": "trade_open", "request_id": f"{run_id:x}-{number}-open", "ea_name": "bench"}
            order = {**order, "symbol": "EURUSD", "volume": 0.01, "magic": 7, "side": "buy"}
            socket.send(json.dumps(order).encode())
            reply = json.loads(socket.recv())
            if number >= 0:
                took.append((time.perf_counter_ns() - begun) / 1000)
            assert reply["status"] in ("success", "rejected"), reply
            if reply["approved"]:
                back = {"type": "trade_result", "request_id": f"{run_id:x}-{number}-back", "ea_name": "bench"}
                socket.send(json.dumps({**back, "approval_id": reply["approval_id"], "volume": 0}).encode())
                socket.recv()
    took.sort()
    return took[len(took) // 2], took[len(took) * 99 // 100]


def ask_by_ea(program: Path, port: int, count: int) -> tuple[float, float]:
    """The same of the EA's client."""
    finished = run(program, inputs={"InpPort": port, "InpWarm": WARM_UP, "InpCount": count}, timeout=300)
    line = next(line for line in finished.lines if line.startswith("took "))
    found = dict(part.split("=") for part in line.split()[1:])
    return float(found["p50"]), float(found["p99"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    program = build(PROGRAM)
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder), {"demo": {"type": "mt5_mock", "symbols": {"EURUSD": {}}}})
        with running(config) as gateway:
            until(lambda: gateway.get("/status")["brokers"][0]["trading"]["state"] == "active")
            port = gateway.port("commands")
            ours, peers = [], []
            for _ in range(options.rounds):
                peers.append(ask_by_pyzmq(port, options.count))
                ours.append(ask_by_ea(program, port, options.count))
                shown = [f"p50 {each[-1][0]:.0f} p99 {each[-1][1]:.0f}" for each in (ours, peers)]
                print(f"  EA {shown[0]}   pyzmq {shown[1]}")
    worst = 0.0
    for name, index in (("p50", 0), ("p99", 1)):
        ea, peer = (statistics.median(each[index] for each in found) for found in (ours, peers))
        worst = max(worst, ea / peer)
        print(f"{name}: EA {ea:.0f} us, pyzmq REQ {peer:.0f} us, ratio {ea / peer:.2f} (at most {LIMIT})")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
