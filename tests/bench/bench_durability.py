"""What durability costs at the client: the same executed orders with the journal synced, unsynced, and without one.

    python tests/bench/bench_durability.py [--seconds 2] [--repeats 3]

Three servers of ours, each a process of its own, and the clients another; the runs take turns, and the medians of the
repeats are shown. `none` answers every append at once and keeps nothing but the keys in memory: what is left is the
command path. An executed order is two commits: its decision and intent before the broker is called, its outcome after.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import trio
from bench_commands import CLIENTS, SystemClock, run_clients

MODES = ("synced", "unsynced", "none")


class NoJournal:
    """The Journal port that keeps nothing: what a gateway without durability would have."""

    down = None

    async def append(self, records: Sequence[Any]) -> list[None]:
        await trio.lowlevel.checkpoint()
        return [None] * len(records)

    def note(self, records: Sequence[Any]) -> None:
        return

    async def nothing(self, *_: Any) -> tuple[()]:
        await trio.lowlevel.checkpoint()
        return ()

    known = open_intents = waiting_orders = open_reservations = settings = nothing

    async def lookup(self, *_: Any) -> None:
        await trio.lowlevel.checkpoint()

    order = lookup


def serve(pipe: Any, folder: str, mode: str) -> None:
    import logging

    from command_path import open_command_path

    from quantmind.adapters.journal import SqliteJournal
    from quantmind.domain.risk import Policy
    from quantmind.net.zmq import RouterSocket, ZmqContext

    logging.disable(logging.CRITICAL)

    async def main() -> None:
        journal: Any = NoJournal()
        if mode != "none":
            journal = SqliteJournal(Path(folder) / f"{mode}.sqlite3", durable=mode == "synced")
        with ZmqContext() as context:
            socket = RouterSocket.bind(context, "127.0.0.1", 0)
            policy = Policy(max_open_positions=10**9, max_volume=Decimal(100))
            async with open_command_path(journal=journal, clock=SystemClock(), socket=socket, policy=policy):
                pipe.send(socket.port)
                await trio.to_thread.run_sync(pipe.recv)

    try:
        trio.run(main)
    except* EOFError:
        pass  # the parent has what it wanted


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        pipes = {mode: spawn.Pipe() for mode in MODES}
        clients, clients_end = spawn.Pipe()
        processes = [spawn.Process(target=serve, args=(pipes[mode][1], folder, mode)) for mode in MODES]
        processes.append(spawn.Process(target=run_clients, args=(clients_end,)))
        for process in processes:
            process.start()
        try:
            ports = {mode: pipes[mode][0].recv() for mode in MODES}
            print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, executed orders, journal on {folder}")
            print(f"{'clients':>7} {'journal':>9} | {'rate/s':>8} {'p50 ms':>8} {'p99 ms':>8} | p50 against none")
            for count in CLIENTS:
                runs: dict[str, list[dict[str, Any]]] = {mode: [] for mode in MODES}
                for _ in range(options.repeats):
                    for mode in MODES:
                        clients.send((ports[mode], count, "execute", options.seconds))
                        runs[mode].append(clients.recv())
                bare = statistics.median(run["p50"] for run in runs["none"])
                for mode in MODES:
                    rate, p50, p99 = (
                        statistics.median(run[key] for run in runs[mode]) for key in ("rate", "p50", "p99")
                    )
                    bad = {why: n for run in runs[mode] for why, n in run["bad"].items()}
                    print(
                        f"{count:7d} {mode:>9} | {rate:8.0f} {p50:8.3f} {p99:8.3f} | {p50 / bare:5.2f}x"
                        + (f"  {bad}" if bad else ""),
                        flush=True,
                    )
        finally:
            for process in processes:
                process.terminate()
                process.join()


if __name__ == "__main__":
    main()
