"""What a terminal that hangs does to everybody else: latencies at the client, with it well and with it frozen.

    python tests/bench/bench_mt5_frozen.py [--seconds 6] [--rounds 4]

A gateway process with a paper broker and a broker of type mt5, whose made-up terminal holds its worker for a minute in
an `order_send` (no thread of that process runs meanwhile). One probe uses all doors for the paper broker at a modest
rate: a verdict over ZeroMQ, GET /ticks, a ping over WebSocket, ticks over WebSocket and PUB. Rounds without and with
the freeze take turns in one run; the worker is ended and started again at the end of each. Printed for each door: p50
and p99 in milliseconds without and with it, and p99 as a ratio.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.bench_flood import DOORS, Probe, quantile
from faults.mt5_world import Terminals, terminals
from floods import BROKER, SYMBOLS
from gateway_process import until

PAPER = {
    "type": "mt5_mock",
    "symbols": {symbol: {} for symbol in SYMBOLS},
    "feed": {"type": "random_walk", "seed": 1, "ticks_per_s": 20},
}
RISK = {"accounts": {"default": {"max_open_positions": 100_000}}}
SPARE_S = 2.0
"""Before the limit of the frozen order, so that its end is none of what is measured."""


def well(world: Terminals) -> bool:
    """Whether the terminal trades again."""
    broker = world.broker("mt5")
    return (broker["feed"], broker["orders"], broker["trading"]["state"]) == ("live", "ready", "active")


def frozen(world: Terminals, probe: Probe, seconds: float) -> dict[str, list[float]]:
    """What the probe saw while an order hung."""
    faults = world.terminals["mt5"].faults
    faults.frozen_s, faults.frozen_after = 60.0, True
    hanging = threading.Thread(target=world.trade, args=("mt5",))
    hanging.start()
    time.sleep(0.3)
    seen = probe.run(seconds)
    faults.frozen_s = 0.0
    hanging.join()
    until(lambda: well(world), 60.0)
    time.sleep(1.0)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {vars(options)}")
    took: dict[str, dict[str, list[float]]] = {each: {door: [] for door in DOORS} for each in ("well", "frozen")}
    with tempfile.TemporaryDirectory() as folder:
        limit_s = options.seconds + SPARE_S
        with terminals(Path(folder), "mt5", beside={BROKER: PAPER}, risk=RISK, order_timeout_s=limit_s) as world:
            until(lambda: world.broker(BROKER)["trading"]["state"] == "active")
            probe = Probe(world.gateway)
            try:
                probe.run(1.0)
                for _ in range(options.rounds):
                    for state, seen in (
                        ("well", probe.run(options.seconds)),
                        ("frozen", frozen(world, probe, options.seconds)),
                    ):
                        for door in DOORS:
                            took[state][door] += seen[door]
            finally:
                probe.close()
            workers = len(world.workers("mt5"))
    print("| door | answers | p50 well | p50 frozen | p99 well | p99 frozen | ratio |")
    print("|---|---|---|---|---|---|---|")
    for door in DOORS:
        figures = [quantile(took[state][door], q) for q in (0.5, 0.99) for state in ("well", "frozen")]
        ratio = figures[3] / figures[2] if figures[2] else float("nan")
        print(
            f"| {door} | {len(took['frozen'][door])} | " + " | ".join(f"{x:.2f}" for x in figures) + f" | {ratio:.2f} |"
        )
    print(f"workers: {workers}; answers that were no verdict: {probe.bad}")


if __name__ == "__main__":
    main()
