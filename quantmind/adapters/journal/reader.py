"""The log, read beside the writer: `LogReader` implements the port Log.

Each read has a connection of its own, in a thread of few: SQLite lets readers and the writer alone with each other, the
event loop only waits, and a file that was made, replaced or migrated meanwhile is seen as it is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import attrs
import trio

from quantmind.adapters.journal.pages import check, read_extent, read_page
from quantmind.adapters.journal.readonly import Unwanted, open_to_read
from quantmind.errors import JournalDown
from quantmind.ports import LogQuery
from quantmind.records import Entry, Extent, LogPage

T = TypeVar("T")

AT_ONCE: Final = 2
"""So many threads read; who comes then waits. A few slow searches must not take the threads of everybody else."""
STEP_S: Final = 0.25
"""After so long a search ends with what it has found. A snapshot that is held longer lets the write-ahead log grow."""
STEP_BYTES: Final = 4 * 1024 * 1024
"""Bodies of so many bytes end a step, too."""
QUERY_S: Final = 5.0
"""A step that takes so long, though it was to end long before, is ended."""
ANSWER_S: Final = 10.0
"""So long a caller waits for a step, the wait for a thread included."""


@attrs.define(eq=False)
class LogReader:
    """Reads the log of the file at `path`, which need not be there yet."""

    path: Path
    _threads: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE), init=False)

    async def entries(self, ask: LogQuery) -> Sequence[Entry]:
        """See `quantmind.ports.Log`. Raises ValueError for a limit above 10,000.

        A search that finds little goes on until the end of the log, step by step; cancelling ends it at once.
        """
        found: list[Entry] = []
        left = ask
        while True:
            page = await self.page(left)
            found = [*page.entries, *found] if ask.newest else [*found, *page.entries]
            if not page.more or len(found) >= ask.limit:
                return found
            left = attrs.evolve(
                left,
                limit=ask.limit - len(found),
                after=ask.after if ask.newest else page.through,
                before=page.through if ask.newest else ask.before,
            )

    async def page(self, ask: LogQuery) -> LogPage:
        """See `quantmind.ports.PagedLog`. Raises ValueError for a limit above 10,000."""
        check(ask)

        def work(connection: sqlite3.Connection) -> LogPage:
            end = time.monotonic() + STEP_S
            return read_page(connection, ask, enough=lambda: time.monotonic() >= end, most_bytes=STEP_BYTES)

        return await self._read(work)

    async def extent(self) -> Extent:
        """See `quantmind.ports.Log`."""
        return await self._read(read_extent)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        unwanted = Unwanted(QUERY_S)

        def read() -> T:
            unwanted.start()
            with open_to_read(self.path, unwanted) as connection:
                return work(connection)

        try:
            with trio.fail_after(ANSWER_S):
                return await trio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=self._threads)
        except trio.TooSlowError:
            message = f"{self.path.name}: no answer within {ANSWER_S:g} s, from the disk or from those who read before"
            raise JournalDown(message) from None
        finally:
            unwanted.abandon()  # whoever was cancelled leaves no thread at work
