"""One writer thread with its own connection: whatever is queued goes to disk in one commit, with one wake-up.

A commit per command would cost a sync each; here a batch forms by itself while the one before is written
(docs/design/journal.md has the figures).
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

from quantmind.adapters.journal import records as rows
from quantmind.adapters.journal.schema import WrongVersion, prepare
from quantmind.errors import JournalDown
from quantmind.ports import Decision, Duplicate, Intent, Known, Record, Setting

logger = logging.getLogger("quantmind.journal")

GROUP = 512
"""At most so many jobs in one commit."""
QUEUE = 8192
"""Above what doors and executors can have in flight; beyond it the caller hears JournalDown at once."""
BUSY_S = 1.0
STOP_WITHIN_S = 10.0

Work = Callable[[sqlite3.Connection], Any]


@attrs.define(eq=False)
class _Job:
    """One caller's work inside the group's transaction."""

    work: Work
    done: trio.Event
    result: Any = None
    failure: str | None = None


@attrs.define(eq=False)
class JournalStatistics:
    """For /status."""

    commits: int = 0
    records: int = 0
    failures: int = 0
    largest_group: int = 0


@attrs.define(eq=False)
class SqliteJournal:
    """The Journal port on a SQLite file. `run` must be running for anything to become durable.

    Args:
        path: the file; its folder exists.
        durable: False leaves syncing to the operating system: a power loss may then lose the last records.
    """

    path: Path
    durable: bool = True
    statistics: JournalStatistics = attrs.field(factory=JournalStatistics)
    _jobs: queue.Queue[_Job | None] = attrs.field(factory=lambda: queue.Queue(QUEUE), init=False)
    _down: str | None = attrs.field(default="it has not been opened yet", init=False)
    _token: trio.lowlevel.TrioToken | None = attrs.field(default=None, init=False)
    _running: bool = attrs.field(default=False, init=False)

    @property
    def down(self) -> str | None:
        """Why it can't write now, or None."""
        return self._down

    # --- the port ------------------------------------------------------------------------------------------------

    async def append(self, records: Sequence[Record]) -> Sequence[Duplicate | None]:
        """See `quantmind.ports.Journal`."""
        results: list[Duplicate | None] = await self._do(lambda connection: rows.write_all(connection, records))
        self.statistics.records += len(records)
        return results

    async def known(self, limit: int) -> Sequence[Known]:
        """See `quantmind.ports.Journal`."""
        found: list[Known] = await self._do(lambda connection: rows.newest(connection, limit))
        return found

    async def lookup(self, ea_name: str, request_id: str) -> Known | None:
        """See `quantmind.ports.Journal`."""
        found: Known | None = await self._do(lambda connection: rows.lookup(connection, ea_name, request_id))
        return found

    async def open_intents(self, broker: str) -> Sequence[Intent]:
        """See `quantmind.ports.Journal`."""
        found: list[Intent] = await self._do(lambda connection: rows.open_intents(connection, broker))
        return found

    async def open_reservations(self) -> Sequence[Decision]:
        """See `quantmind.ports.Journal`."""
        found: list[Decision] = await self._do(rows.open_reservations)
        return found

    async def settings(self) -> Sequence[Setting]:
        """See `quantmind.ports.Journal`."""
        found: list[Setting] = await self._do(rows.settings)
        return found

    async def _do(self, work: Work) -> Any:
        job = _Job(work, trio.Event())
        if not self._running:
            await trio.lowlevel.checkpoint()
            raise JournalDown(self._down or "it is not running")
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            await trio.lowlevel.checkpoint()
            raise JournalDown(f"{QUEUE} records are waiting to be written already") from None
        await job.done.wait()
        if job.failure is not None:
            raise JournalDown(job.failure)
        return job.result

    # --- its life ------------------------------------------------------------------------------------------------

    async def run(self, opened: Callable[[], None]) -> None:
        """Write until cancelled; then finish what is queued, within a limit.

        `opened` is called once the writer is there, whether or not the file could be opened: a journal that
        can't write is a state (`down`) and is tried again with every record.

        Raises:
            JournalDown: the writer thread ended, which it never should.
        """
        self._token = trio.lowlevel.current_trio_token()
        finished = trio.Event()
        thread = threading.Thread(target=self._thread, args=(finished,), name="journal", daemon=True)
        self._running = True
        thread.start()
        await self._first_look()
        opened()
        try:
            await finished.wait()
            raise JournalDown("its writer ended by itself")
        finally:
            self._running = False
            self._down = "it was stopped"
            if thread.is_alive():
                self._put_end()
                with trio.move_on_after(STOP_WITHIN_S, shield=True):
                    await finished.wait()
            self._refuse_rest()

    async def _first_look(self) -> None:
        with contextlib.suppress(JournalDown):
            await self._do(lambda connection: connection.execute("SELECT count(*) FROM settings").fetchone())

    def _put_end(self) -> None:
        try:
            self._jobs.put_nowait(None)
        except queue.Full:
            self._jobs.get_nowait()
            self._jobs.put_nowait(None)

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                job.failure = "it was stopped before this was written"
                job.done.set()

    # --- the writer thread ---------------------------------------------------------------------------------------

    def _thread(self, finished: trio.Event) -> None:
        connection: sqlite3.Connection | None = None
        group: list[_Job] = []
        try:
            while True:
                group, last = self._next_group()
                if group:
                    connection = self._write_group(connection, group)
                    self._wake(group)
                    group = []
                if last:
                    return
        finally:
            for job in group:  # a bug ended this thread with callers waiting
                job.failure = "its writer broke"
            self._wake(group)
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
            self._call_back(finished.set)

    def _next_group(self) -> tuple[list[_Job], bool]:
        first = self._jobs.get()
        if first is None:
            return [], True
        group = [first]
        while len(group) < GROUP:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, False
            if job is None:
                return group, True
            group.append(job)
        return group, False

    def _write_group(self, connection: sqlite3.Connection | None, group: list[_Job]) -> sqlite3.Connection | None:
        """Do a group's work in one transaction; on trouble none of it, and the file is opened anew next time."""
        try:
            if connection is None:
                connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            for job in group:
                job.result = job.work(connection)
            connection.execute("COMMIT")
        except (sqlite3.Error, WrongVersion, OSError) as exc:
            self._failed(group, exc)
            if connection is not None:
                # After a failed sync the page cache can't be trusted: only a new connection reads what is on disk.
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
            return None
        self._down = None
        self.statistics.commits += 1
        self.statistics.largest_group = max(self.statistics.largest_group, len(group))
        return connection

    def _failed(self, group: list[_Job], exc: Exception) -> None:
        reason = f"{self.path.name}: {exc}"
        if self._down != reason:
            logger.error("fail.journal reason=%s", reason)
        self._down = reason
        self.statistics.failures += 1
        for job in group:
            job.failure = reason

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection, durable=self.durable)
        except BaseException:
            connection.close()
            raise
        return connection

    def _wake(self, group: list[_Job]) -> None:
        def wake() -> None:
            for job in group:
                job.done.set()

        self._call_back(wake)

    def _call_back(self, function: Callable[[], Any]) -> None:
        assert self._token is not None
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)
