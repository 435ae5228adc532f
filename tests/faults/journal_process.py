"""A journal in a process of its own, told by lines what to append, so that its disk can fail and it can be killed.

In: `append NAME BYTES`, `status`. Out: JSON lines: {"told": [seq, …]} for commits, {"appended": NAME, "failure": …},
{"status": {…}}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from quantmind.adapters.journal import SqliteJournal
from quantmind.errors import JournalDown
from quantmind.records import Entry, Intent


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def intent(name: str, size: int) -> Intent:
    """An intent with a body of that size."""
    body = {"type": "trade_close", "text": "x" * size}
    return Intent(name, "demo", "alpha", 7, "EURUSD", name, "f", body, 5.0)


async def run(file: Path) -> None:
    journal = SqliteJournal(file, clock=lambda: 100.0)

    def tell(entries: Sequence[Entry]) -> None:
        say(told=[entry.seq for entry in entries])

    journal.on_commit = tell
    async with trio.open_nursery() as nursery:
        opened = trio.Event()
        nursery.start_soon(journal.run, opened.set)
        await opened.wait()
        say(status=journal.snapshot())
        while line := await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
            command, *given = line.split()
            if command == "status":
                say(status=journal.snapshot())
                continue
            failure = None
            try:
                await journal.append([intent(given[0], int(given[1]))])
            except JournalDown as error:
                failure = str(error)
            say(appended=given[0], failure=failure)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(run, Path(sys.argv[1]))
