"""How many ticks a second the paper broker takes at speed 0, with open positions whose stops it watches.

Run: python tests/bench/bench_mock.py [ticks]
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import trio

from quantmind.adapters.mock import MockBroker, build
from quantmind.config.brokers import MockBrokerConfig, RandomWalkFeed, ReplayFeed
from quantmind.domain.orders import Close, Open, Origin, Placed, Side
from quantmind.domain.risk.approval import Approved, Terms, approve

ORIGIN = Origin("bench", 1)
POSITIONS = 3


def approved(proposal: Open | Close) -> Approved:
    """A verdict as the governor would give it."""
    return approve(proposal, Terms(Decimal(1), None), approval_id="b", incarnation=1, deadline=1e9, reduces=False)


def write_recording(folder: Path, ticks: int) -> Path:
    """A walk within 200 points of 1.10000, one tick in 100 ms at most."""
    path = folder / "20140508_eurusd_tick_quote.csv"
    rng, at = random.Random(1), 110_000
    with path.open("w", encoding="ascii") as file:
        for n in range(ticks):
            at = min(110_200, max(109_800, at + rng.randrange(-3, 4)))
            file.write(f"{n * 86_000_000 // ticks},{at / 1e5:.5f},{(at + 12) / 1e5:.5f}\n")
    return path


async def open_positions(broker: MockBroker, count: int) -> None:
    """Positions whose stops the walk comes near and never reaches."""
    for n in range(count):
        side = Side.BUY if n % 2 == 0 else Side.SELL
        low, high = Decimal("1.09700"), Decimal("1.10300")
        sl, tp = (low, high) if side is Side.BUY else (high, low)
        order = Open(ORIGIN, "demo", "EURUSD", Decimal("0.1"), side, sl=sl, tp=tp)
        outcome = await broker.place(approved(order), f"b{n}")
        assert isinstance(outcome, Placed), outcome


async def replay(path: Path, positions: int) -> tuple[int, float]:
    """All of a recording; ticks and seconds."""
    broker = build(MockBrokerConfig(name="demo", feed=ReplayFeed(path=path, speed=0)))
    await broker.connect()
    ticks = len((await broker.poll()).quotes)
    await open_positions(broker, positions)
    begun = time.perf_counter()
    counted = 0
    while not broker.paced:
        counted += len((await broker.poll()).quotes)
    seconds = time.perf_counter() - begun
    assert len((await broker.sample()).positions) == positions
    await broker.aclose()
    print(f"replay, {positions} open positions: {counted / seconds:,.0f} ticks/s ({ticks + counted} ticks)")
    return counted, seconds


async def orders(path: Path, count: int) -> None:
    """Opening and closing at the market."""
    broker = build(MockBrokerConfig(name="demo", feed=ReplayFeed(path=path, speed=0)))
    await broker.connect()
    await broker.poll()
    begun = time.perf_counter()
    for n in range(count):
        placed = await broker.place(approved(Open(ORIGIN, "demo", "EURUSD", Decimal("0.1"), Side.BUY)), f"o{n}")
        assert isinstance(placed, Placed)
        await broker.place(approved(Close(ORIGIN, "demo", "EURUSD", placed.ticket)), f"c{n}")
    each = (time.perf_counter() - begun) / count / 2
    await open_positions(broker, POSITIONS)
    begun = time.perf_counter()
    for _ in range(1000):
        await broker.sample()
    sample = (time.perf_counter() - begun) / 1000
    await broker.aclose()
    print(f"orders: {each * 1e6:.0f} us each; sample with {POSITIONS} positions: {sample * 1e6:.0f} us")


async def walk(ticks_per_s: float) -> None:
    """Made-up prices on a grid, as fast as they can be made."""
    now = 0.0
    feed = RandomWalkFeed(seed=1, ticks_per_s=ticks_per_s)
    broker = build(MockBrokerConfig(name="demo", feed=feed), monotonic=lambda: now)
    await broker.connect()
    begun = time.perf_counter()
    counted = 0
    for n in range(100):
        now = n * 0.1
        counted += len((await broker.poll()).quotes)
    print(f"random walk: {counted / (time.perf_counter() - begun):,.0f} ticks/s")


async def main(ticks: int) -> None:
    """Everything, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_recording(Path(folder), ticks)
        for positions in (0, POSITIONS, 100):
            await replay(path, positions)
        await orders(path, 2000)
        await walk(10_000.0)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 300_000)
