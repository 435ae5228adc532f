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
import time
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
BUSY_S = 0.25
"""How long another program's lock is waited for; longer is `down`, so that nobody's command waits for it."""
HUNG_S = 2.0
"""A disk that has not answered for so long is `down`: whoever comes now hears it at once."""
PROBE_EVERY_S = 1.0
FIRST_LOOK_WITHIN_S = 5.0
STOP_WITHIN_S = 10.0

_PROBE = b"\0" * 8192  # more than one page: a full disk must not pass

Work = Callable[[sqlite3.Connection], Any]


@attrs.define(eq=False)
class _Job:
    """One caller's work inside the group's transaction."""

    work: Work
    done: trio.Event
    writes: bool = False
    result: Any = None
    written: bool = False
    """Its transaction was committed."""
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
    """Each run has its own, so that a thread that hangs in an earlier one takes nothing from this."""
    _busy_since: float | None = attrs.field(default=None, init=False)
    _down: str | None = attrs.field(default="it has not been opened yet", init=False)
    _token: trio.lowlevel.TrioToken | None = attrs.field(default=None, init=False)
    _running: bool = attrs.field(default=False, init=False)
    _opened: tuple[int, int] | None = attrs.field(default=None, init=False)

    @property
    def down(self) -> str | None:
        """Why it can't write now, or None."""
        return self._down or self._hung()

    def _hung(self) -> str | None:
        since = self._busy_since
        if since is None or time.monotonic() - since < HUNG_S:
            return None
        return f"{self.path.name}: the disk has not answered for {time.monotonic() - since:.1f} s"

    # --- the port ------------------------------------------------------------------------------------------------

    async def append(self, records: Sequence[Record]) -> Sequence[Duplicate | None]:
        """See `quantmind.ports.Journal`."""
        results: list[Duplicate | None] = await self._do(
            lambda connection: rows.write_all(connection, records), writes=True
        )
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

    async def _do(self, work: Work, *, writes: bool = False) -> Any:
        job = _Job(work, trio.Event(), writes)
        if not self._running:
            await trio.lowlevel.checkpoint()
            raise JournalDown(self._down or "it is not running")
        hung = self._hung()
        if hung is not None:
            await trio.lowlevel.checkpoint()
            raise JournalDown(hung)
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
        self._jobs = queue.Queue(QUEUE)
        self._busy_since = None
        finished = trio.Event()
        thread = threading.Thread(target=self._thread, args=(self._jobs, finished), name="journal", daemon=True)
        self._running = True
        thread.start()
        try:
            with trio.move_on_after(FIRST_LOOK_WITHIN_S):
                await self._probe()
            opened()
            while not finished.is_set():
                with trio.move_on_after(PROBE_EVERY_S):
                    await finished.wait()
                if self._down is not None and not finished.is_set():
                    await self._probe()
            raise JournalDown("its writer ended by itself")
        finally:
            self._running = False
            self._down = "it was stopped"
            if thread.is_alive():
                self._put_end()
                with trio.move_on_after(STOP_WITHIN_S, shield=True):
                    await finished.wait()
            self._refuse_rest()

    async def _probe(self) -> None:
        """Try to write, so that a journal that was down is up again as soon as it can be."""
        with contextlib.suppress(JournalDown):
            await self._do(_write_and_forget, writes=True)

    def _put_end(self) -> None:
        # A full queue is made room in: its oldest job is refused.
        while True:
            try:
                self._jobs.put_nowait(None)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._refuse(self._jobs.get_nowait())
            else:
                return

    def _refuse_rest(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            self._refuse(job)

    def _refuse(self, job: _Job | None) -> None:
        if job is not None:
            job.failure = "it was stopped before this was written"
            job.done.set()

    # --- the writer thread ---------------------------------------------------------------------------------------

    def _thread(self, jobs: queue.Queue[_Job | None], finished: trio.Event) -> None:
        connection: sqlite3.Connection | None = None
        group: list[_Job] = []
        try:
            while True:
                group, last = _next_group(jobs)
                if group:
                    self._note_busy(jobs, time.monotonic())
                    connection = self._write_group(connection, group)
                    self._note_busy(jobs, None)
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

    def _note_busy(self, jobs: queue.Queue[_Job | None], since: float | None) -> None:
        if jobs is self._jobs:
            self._busy_since = since

    def _write_group(self, connection: sqlite3.Connection | None, group: list[_Job]) -> sqlite3.Connection | None:
        """Do a group's work in one transaction; on trouble none of it, and the file is opened anew next time."""
        try:
            if connection is None:
                connection = self._open()
            elif self._identity() != self._opened:
                raise OSError("the file was removed or replaced; what is written to it would be lost")
            if not _commit(connection, group):
                # One of them is at fault, and the others must not pay for it: each on its own.
                for job in group:
                    if not _commit(connection, [job]):
                        job.failure = "the record can't be written; this is a bug, see the log"
        except (sqlite3.Error, WrongVersion, OSError) as exc:
            self._failed(group, exc)
            if connection is not None:
                # After a failed sync the page cache can't be trusted: only a new connection reads what is on disk.
                with contextlib.suppress(sqlite3.Error):
                    connection.close()
            return None
        if any(job.writes and job.failure is None for job in group):
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
            if not job.written:
                job.failure = reason

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            prepare(connection, durable=self.durable)
            self._opened = self._identity()
        except BaseException:
            connection.close()
            raise
        return connection

    def _identity(self) -> tuple[int, int] | None:
        """Which file the path leads to now; None: to none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _wake(self, group: list[_Job]) -> None:
        def wake() -> None:
            for job in group:
                job.done.set()

        self._call_back(wake)

    def _call_back(self, function: Callable[[], Any]) -> None:
        assert self._token is not None
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)


def _next_group(jobs: queue.Queue[_Job | None]) -> tuple[list[_Job], bool]:
    """Wait for a job and take what else is there; whether the end came."""
    first = jobs.get()
    if first is None:
        return [], True
    group = [first]
    while len(group) < GROUP:
        try:
            job = jobs.get_nowait()
        except queue.Empty:
            return group, False
        if job is None:
            return group, True
        group.append(job)
    return group, False


_OF_THE_FILE = (sqlite3.OperationalError, sqlite3.NotSupportedError)
"""What the file, the disk or another program is to blame for. Anything else is the record's own fault."""


def _commit(connection: sqlite3.Connection, group: list[_Job]) -> bool:
    """Do the work of a group in one transaction. False, and nothing is done, if a record is itself at fault.

    Raises:
        sqlite3.Error: nothing can be written now.
    """
    connection.execute("BEGIN IMMEDIATE")
    for job in group:
        # Whatever breaks in one caller's work must reach that caller alone.
        try:
            job.result = job.work(connection)
        except Exception as exc:
            if isinstance(exc, _OF_THE_FILE) or type(exc) is sqlite3.DatabaseError:
                raise
            if len(group) == 1:
                logger.exception("fail.record")
            connection.execute("ROLLBACK")
            return False
    connection.execute("COMMIT")
    for job in group:
        job.written = True
    return True


def _write_and_forget(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT OR REPLACE INTO settings VALUES ('probe', ?, 0)", (_PROBE,))
    connection.execute("DELETE FROM settings WHERE key = 'probe'")
