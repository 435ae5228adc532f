"""What it costs to keep what clients may have missed: a tick at the hub, a line at the bulletin. CPU time.

    python tests/bench/bench_resume.py [--repeats 400]

Printed: microseconds for each published tick (with and without a client that wants it, and the part of it that keeps
it), for each line of the log that goes out on a channel, and for a snapshot of 10,000 positions. The least of all
repeats counts: others use the machine, too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import trio
from channel_records import AT, held, intent, position, settled
from command_path import InlineJournal
from inline_log import write

from actors.boards import Catalog
from actors.bulletin import Bulletin
from actors.channel_reader import CHUNK_BYTES
from actors.hub import Demand, Hub, LastTicks
from actors.messages import Subscribe, TickBatch
from actors.tick_history import TickHistory
from quantmind.adapters.journal import reading
from quantmind.domain.quotes import Quote
from quantmind.domain.symbols import usual_spec
from quantmind.records import Standing

SYMBOLS = [f"EURUSD.{number}" for number in range(25)]
POLLS = 10


class Nobody:
    """A publisher and a client that cost nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def least(work: Callable[[], Any], repeats: int, items: int) -> float:
    """Microseconds an item."""
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best / items * 1e6


def hub_tick(repeats: int, *, wanted: bool) -> float:
    catalog = Catalog(("demo",))
    catalog.set("demo", [usual_spec(name) for name in SYMBOLS])
    hub = Hub(catalog, LastTicks(), Demand(), Nobody(), tuple)  # type: ignore[arg-type]
    hub._begin()
    if wanted:
        hub._subscribe(Subscribe(Nobody(), tuple(SYMBOLS), 100))  # type: ignore[arg-type]
    seen = 0

    def poll() -> None:
        nonlocal seen
        for _ in range(POLLS):
            seen += 1
            bid = round(1.0 + seen * 1e-5, 5)
            quotes = [Quote(name, bid, round(bid + 1e-4, 5), seen) for name in SYMBOLS]
            for group in hub._stamp(TickBatch("demo", quotes, 0.0)):
                group.pending = []

    return least(poll, repeats, POLLS * len(SYMBOLS))


def keep_tick(repeats: int) -> float:
    history = TickHistory()
    ticks = [history.begin() for _ in SYMBOLS]
    frame = b"x" * 260

    def keep() -> None:
        for number in range(1000):
            history.keep(ticks[number % 25], number, frame)

    return least(keep, repeats, 1000)


def bulletin(repeats: int) -> dict[str, float]:
    journal = InlineJournal()
    orders = [record for number in range(250) for record in (intent(f"a{number}"), settled(f"a{number}"))]
    entries = write(journal.connection, *orders)
    before = Standing(entries[0].seq - 1)
    board = Bulletin()

    def take() -> None:
        board.load(before)
        board.take(entries)

    line = least(take, max(3, repeats // 20), len(entries))

    def read_on() -> None:
        board._joined.clear()
        at = before.seq
        while at < board.seq:
            at = board.lines(at, frozenset({"orders"}), CHUNK_BYTES).through

    read = least(read_on, max(3, repeats // 4), len(entries))
    write(journal.connection, *(held("position", ticket, position(ticket), AT) for ticket in range(10_000)))
    board.load(reading.standing(journal.connection))

    def snapshot() -> None:
        board._snapshots.clear()
        board.snapshot("orders")

    whole = least(snapshot, 10, 1)
    journal.connection.close()
    return {"a line taken in": line, "a line read on": read, "a snapshot of 10,000 positions": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=400)
    repeats = parser.parse_args().repeats
    figures = {
        "a tick that somebody wants": hub_tick(repeats, wanted=True),
        "a tick that nobody wants": hub_tick(repeats, wanted=False),
        "of it: keeping the tick": keep_tick(repeats),
        **bulletin(repeats),
    }
    print("| what | µs |\n|---|---|")
    for name, value in figures.items():
        print(f"| {name} | {value:.2f} |")


async def _run() -> None:
    main()


if __name__ == "__main__":
    trio.run(_run)
