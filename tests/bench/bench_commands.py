"""What a command costs at the client: ours over ZeroMQ beside a REP server that does nothing.

    python tests/bench/bench_commands.py [--seconds 2] [--profile heartbeat|verdict|execute]

Both servers and the clients are processes of their own. The peer is `zmq.asyncio` with json.loads and json.dumps and
answers a constant. `execute` opens and closes positions with a durable journal; each is two commits. `--profile`
prints where our server spends its time at 10 clients.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import multiprocessing
import os
import platform
import pstats
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import trio
import zmq
import zmq.asyncio

CLIENTS = (1, 10, 50)
KINDS = ("heartbeat", "verdict", "execute")
TOKEN = "ea-token-0123456789"
WARM_UP_S = 0.3


class SystemClock:
    def now(self) -> float:
        return time.time()


def serve_ours(pipe: Any, folder: str, profile: bool) -> None:
    import logging

    from command_path import open_command_path

    from quantmind.adapters.journal import SqliteJournal
    from quantmind.domain.risk import Policy
    from quantmind.net.zmq import RouterSocket, ZmqContext

    logging.disable(logging.CRITICAL)

    async def main() -> None:
        journal = SqliteJournal(Path(folder) / "journal.sqlite3", durable=True)
        with ZmqContext() as context:
            socket = RouterSocket.bind(context, "127.0.0.1", 0)
            policy = Policy(max_open_positions=10**9, max_volume=Decimal(100))
            async with open_command_path(
                journal=journal, clock=SystemClock(), socket=socket, policy=policy, approval_ttl_s=0.01
            ):
                pipe.send(socket.port)
                while True:
                    await trio.to_thread.run_sync(pipe.recv)
                    statistics = journal.statistics
                    pipe.send((statistics.records, statistics.commits))

    profiler = cProfile.Profile() if profile else None
    if profiler is not None:
        profiler.enable()
    try:
        trio.run(main)
    except* EOFError:
        pass  # the parent has what it wanted
    finally:
        if profiler is not None:
            profiler.disable()
            pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(45)


def serve_peer(pipe: Any) -> None:
    async def main() -> None:
        socket = zmq.asyncio.Context().socket(zmq.REP)
        pipe.send(socket.bind_to_random_port("tcp://127.0.0.1"))
        while True:
            message = json.loads(await socket.recv())
            reply = {"status": "success", "risk_multiplier": 1, "timestamp": time.time()}
            await socket.send(json.dumps({**reply, "request_id": message.get("request_id")}).encode())

    asyncio.run(main())


def run_clients(pipe: Any) -> None:
    """Do one task after the other."""
    context = zmq.Context()
    while (task := pipe.recv()) is not None:
        pipe.send(drive(context, *task))


def message(kind: str, name: str, ticket: int | None, request_id: str) -> dict[str, Any]:
    base: dict[str, Any] = {"ea_name": name, "symbol": "EURUSD", "magic": 7, "request_id": request_id}
    if kind == "heartbeat":
        return {**base, "type": "heartbeat"}
    opening = {**base, "type": "trade_open", "volume": 0.01, "side": "buy"}
    if kind == "verdict":
        return opening
    execute = {"execute": True, "token": TOKEN, "expires_at": time.time() + 30}
    return {**opening, **execute} if ticket is None else {**base, **execute, "type": "trade_close", "ticket": ticket}


def drive(context: Any, port: int, count: int, kind: str, seconds: float) -> dict[str, Any]:
    """`count` REQ sockets in one loop; each sends its next message when its answer is there."""
    poller = zmq.Poller()
    tickets: dict[Any, int | None] = {}
    sent_at: dict[Any, float] = {}
    names: dict[Any, str] = {}
    for n in range(count):
        socket = context.socket(zmq.REQ)
        socket.connect(f"tcp://127.0.0.1:{port}")
        poller.register(socket, zmq.POLLIN)
        tickets[socket], names[socket] = None, f"ea{n}"
    took: list[float] = []
    bad: dict[str, int] = {}

    def send(socket: Any) -> None:
        payload = json.dumps(message(kind, names[socket], tickets[socket], f"{count}-{time.time_ns()}")).encode()
        sent_at[socket] = time.perf_counter()
        socket.send(payload)

    for socket in tickets:
        send(socket)
    began = time.perf_counter()
    end = began + WARM_UP_S + seconds
    at_work = set(tickets)
    while at_work:
        ready = poller.poll(10_000)
        if not ready:
            bad["no answer"] = len(at_work)
            break
        for socket, _ in ready:
            raw = socket.recv()
            now = time.perf_counter()
            if began + WARM_UP_S < now < end:
                took.append(now - sent_at[socket])
            reply = json.loads(raw)
            if reply["status"] != "success":
                why = str(reply.get("code") or reply.get("reasons"))[:100]
                bad[why] = bad.get(why, 0) + 1
                tickets[socket] = None
            elif kind == "execute":
                tickets[socket] = reply.get("ticket") if tickets[socket] is None else None
            if now >= end and tickets[socket] is None:
                at_work.discard(socket)
            else:
                send(socket)
    for socket in tickets:
        socket.close(0)
    took.sort()
    return {
        "rate": len(took) / seconds,
        "p50": took[len(took) // 2] * 1e3 if took else 0.0,
        "p99": took[int(len(took) * 0.99)] * 1e3 if took else 0.0,
        "bad": bad,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--profile", choices=KINDS)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        ours, ours_end = spawn.Pipe()
        peer, peer_end = spawn.Pipe()
        clients, clients_end = spawn.Pipe()
        processes = [
            spawn.Process(target=serve_ours, args=(ours_end, folder, options.profile is not None)),
            spawn.Process(target=serve_peer, args=(peer_end,)),
            spawn.Process(target=run_clients, args=(clients_end,)),
        ]
        for process in processes:
            process.start()
        try:
            ours_port, peer_port = ours.recv(), peer.recv()
            if options.profile is not None:
                clients.send((ours_port, 10, options.profile, options.seconds))
                print(clients.recv())
                ours.close()
                processes[0].join(20)
                return
            print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, journal on {folder} (durable)")
            print(
                f"{'':10} {'clients':>7} | {'rate/s':>8} {'p50 ms':>8} {'p99 ms':>8} | peer: rate, p50, p99 | p50 ratio"
            )
            for kind in KINDS:
                for count in CLIENTS:
                    clients.send((peer_port, count, "heartbeat", options.seconds))
                    idle = clients.recv()
                    ours.send("before")
                    records, commits = ours.recv()
                    clients.send((ours_port, count, kind, options.seconds))
                    busy = clients.recv()
                    ours.send("after")
                    records, commits = (now - then for now, then in zip(ours.recv(), (records, commits), strict=True))
                    print(
                        f"{kind:10} {count:7d} | {busy['rate']:8.0f} {busy['p50']:8.3f} {busy['p99']:8.3f} | "
                        f"{idle['rate']:7.0f} {idle['p50']:7.3f} {idle['p99']:7.3f} | {busy['p50'] / idle['p50']:5.2f}x"
                        + (f"  {records / commits:.1f} records a commit" if records else "")
                        + (f"  {busy['bad']}" if busy["bad"] else ""),
                        flush=True,
                    )
        finally:
            for process in processes:
                process.terminate()
                process.join()


if __name__ == "__main__":
    main()
