"""Reading a large journal: check, export and searches, and what an index for requests would cost the writer.

Run: python tests/bench/bench_journal_reading.py [lines]
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from quantmind.adapters.journal import rows
from quantmind.adapters.journal.audit import verify_journal
from quantmind.adapters.journal.chain import Chain
from quantmind.adapters.journal.pages import read_page
from quantmind.adapters.journal.readonly import open_to_read
from quantmind.adapters.journal.schema import prepare
from quantmind.cli.journal.export import run_export
from quantmind.domain.order_life import OrderState
from quantmind.ports import LogQuery
from quantmind.records import Decision, Holding, Intent, Record, Settled

START = 1_795_424_400.0
LINES_OF_AN_ORDER = 5
TRANSACTION = 2000
INPUTS = {f"input_{n}": {"value": n * 1.5, "text": "x" * 40, "more": [1, 2, 3]} for n in range(20)}
"""As long as what an order is really judged by: some 2 KB."""


def order(n: int) -> list[Record]:
    """The records of one order, from verdict to deal."""
    at = START + n * 0.05
    name, common = f"{n:016x}", {"broker": "demo", "ea_name": f"ea{n % 20}", "magic": 7, "symbol": "EURUSD"}
    asked = {"request_id": f"request-{n:08d}", "fingerprint": f"{n:032x}", "at": at, **common}
    body = {"type": "trade_open", "symbol": "EURUSD", "volume": "0.10", "side": "buy", "comment": "bench"}
    reply = {"status": "success", "ticket": 10**12 + n, "price": 1.0851, "retcode_text": "The request was carried out."}
    data = {"ticket": n, "symbol": "EURUSD", "side": "buy", "volume": 0.1, "price": 1.0851, "time_msc": int(at * 1000)}
    return [
        Decision(name, approved=True, body=body, reply=reply, inputs=INPUTS, remembered=False, **asked),
        Intent(name, body=body, **asked),
        Settled(name, OrderState.FILLED, reply, at),
        Holding("demo", "position", n % 50, data, at, order_id=name),
        Holding("demo", "deal", n, data, at, order_id=name, cause="client"),
    ]


def fill(connection: sqlite3.Connection, orders: range, per_commit: int) -> float:
    """Write orders; the seconds that it took."""
    began = time.perf_counter()
    for first in range(orders.start, orders.stop, per_commit):
        connection.execute("BEGIN IMMEDIATE")
        chain = Chain(connection)
        for n in range(first, min(first + per_commit, orders.stop)):
            rows.write_all(connection, order(n), chain)
        chain.finish()
        connection.execute("COMMIT")
    return time.perf_counter() - began


def timed(name: str, work: Callable[[], Any], lines: int | None = None) -> Any:
    """Do it and say how long it took."""
    began, cpu = time.perf_counter(), time.process_time()
    found = work()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    rate = "" if lines is None else f"  {lines / took:>9,.0f} lines/s"
    print(f"{name:<42} {took * 1000:>9.1f} ms, of the processor {cpu * 1000:>9.1f} ms{rate}")
    return found


def searches(path: Path, last: int) -> None:
    """One page each, all of the log looked at where there is no index."""
    ends = LogQuery(limit=1000, newest=True)
    for name, ask in (
        ("newest 1000", ends),
        ("1000 from the middle", LogQuery(after=last // 2, limit=1000)),
        ("one order (index)", LogQuery(order_id=f"{last // 10:016x}")),
        ("one request (no index, whole log)", LogQuery(request_id=f"request-{last // 10:08d}")),
        ("an EA without lines (whole log)", LogQuery(ea_name="nobody")),
    ):
        with open_to_read(path) as connection:
            timed(f"search: {name}", lambda connection=connection, ask=ask: read_page(connection, ask))


def cost_of_an_index(folder: Path) -> None:
    """The same durable commits of one order each, with and without an index on request_id."""
    for name, extra in (
        ("as it is", ""),
        ("with an index on request_id", "CREATE INDEX log_of_request ON log (request_id) WHERE request_id IS NOT NULL"),
    ):
        path = folder / f"{len(extra)}.sqlite3"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            prepare(connection, durable=True)
            if extra:
                connection.execute(extra)
            fill(connection, range(20_000), TRANSACTION)
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            took = []
            for n in range(20_000, 20_900, 300):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                took.append(fill(connection, range(n, n + 300), 1) / 300 * 1000)
            written = path.with_name(f"{path.name}-wal").stat().st_size / 300 / 1024
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        size = pages * 4096 / 2**20
        print(f"write: {name:<32} {min(took):>9.3f} ms and {written:.1f} KiB an order; {size:.1f} MiB in all")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("lines", type=int, nargs="?", default=200_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "journal.sqlite3"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            prepare(connection, durable=False)
            fill(connection, range(lines // LINES_OF_AN_ORDER), TRANSACTION)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        print(f"{lines:,} lines, {path.stat().st_size / 2**20:,.0f} MiB, SQLite {sqlite3.sqlite_version}")
        now = START + lines
        report = timed("verify", lambda: verify_journal(path, now=now), lines)
        assert report.ok, report.faults[:3]
        for form in ("jsonl", "csv"):
            options = argparse.Namespace(
                format=form, target=str(folder / form), after=0, since=None, kinds=None, broker=None, ea=None
            )
            options.request = options.order = None
            options.json = True
            timed(f"export --format {form}", lambda options=options: run_export(path, options), lines)
        searches(path, lines)
        cost_of_an_index(folder)
        tracemalloc.start()
        verify_journal(path, now=now)
        print(f"verify: most memory of Python's at a time {tracemalloc.get_traced_memory()[1] / 1024:.0f} KiB")


if __name__ == "__main__":
    sys.exit(main())
