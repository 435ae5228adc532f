"""The writer's work: a group of jobs in one transaction, the file opened and opened again, its troubles told.

Runs in the writer's thread alone; what others may read of it is `down` and the statistics.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import trio

from quantmind.adapters.journal import rows
from quantmind.adapters.journal.aside import Aside, Place
from quantmind.adapters.journal.chain import head
from quantmind.adapters.journal.group import AT_FAULT, Job, answer, commit
from quantmind.adapters.journal.opening import Trouble, identity, log_bytes, open_for_reading, open_for_writing
from quantmind.adapters.journal.pages import read_page
from quantmind.adapters.journal.schema import WrongVersion
from quantmind.ports import LogQuery
from quantmind.records import Entry, Record

logger = logging.getLogger("quantmind.journal")

TRIES = 3
"""How often a group is tried while another program holds the lock; then it is `down`."""
BUSY_FIRST_S = 0.05
"""The wait after the first try; it doubles with each."""
LOOK_EVERY = 256
"""Commits between two looks at the length of the write-ahead log."""
LATE_LOG_BYTES = 16 * 1024 * 1024
"""Four times what SQLite lets it have: something keeps it from getting shorter."""


@attrs.define(eq=False)
class JournalStatistics:
    """For /status."""

    commits: int = 0
    records: int = 0
    failures: int = 0
    largest_group: int = 0
    unnoted: int = 0
    """Records of what was not waited for that found no room, or a journal that was down."""
    impossible: int = 0
    """Outcomes that can't follow what is recorded; each is an event in the log."""
    last_seq: int = 0
    """The newest line of the log."""
    bytes: int = 0
    """Of the file, as far as it holds something; looked at now and then."""
    pruned: int = 0
    """Lines that went by age or size since the start."""
    lost_lines: int = 0
    """Lines that were committed, and were not in the file any more when it was opened again."""
    wal_bytes: int = 0
    """Of the write-ahead log; looked at now and then."""
    checkpoint_error: str | None = None
    """Why that can't be moved to the file and grows; nothing is lost by it."""


@attrs.define(eq=False)
class Writer:
    """Serves groups of jobs on one file.

    Args:
        tell: called with lines that are in the log without a commit that said so.
    """

    path: Path
    durable: bool
    aside: Aside
    statistics: JournalStatistics
    tell: Callable[[Sequence[Entry]], None]
    down: str | None = "it has not been opened yet"
    """Why the last write could not be done, or None."""
    _opened: tuple[int, int] | None = attrs.field(default=None, init=False)
    """Which file is written to."""
    _committed: int = attrs.field(default=0, init=False)
    """The last line of the log that a commit or an opening showed."""
    _damage: tuple[Trouble, tuple[int, int] | None] | None = attrs.field(default=None, init=False)
    """What is wrong with which file; it is not written again."""
    _unwritable: Place | None = attrs.field(default=None, init=False)
    """What is kept aside through this place can't be appended, by a fault of its own."""
    _commits_unlooked: int = attrs.field(default=0, init=False)

    def serve(self, connection: sqlite3.Connection | None, group: list[Job]) -> sqlite3.Connection | None:
        """Do a group's work: what writes, and then what only reads, which also goes when nothing can be written."""
        writers = [job for job in group if not job.reads]
        if writers:
            kept = self.aside.pending()
            before = [self._append_aside(kept)] if kept and kept[-1][0] != self._unwritable else []
            connection = self._write_group(connection, [*before, *writers])
            group[:0] = before
            for job in before:
                if job.written:
                    if job.result:
                        refused = sum(result is not None for result in job.result)
                        logger.warning("append.aside records=%d refused=%d", len(job.result), refused)
                    self.aside.applied(kept[-1][0])
                elif job.failure == AT_FAULT:
                    self._unwritable = kept[-1][0]
        readers = [job for job in group if job.reads]
        return self._answer_group(connection, readers) if readers else connection

    def _append_aside(self, kept: Sequence[tuple[Place, Sequence[Record]]]) -> Job:
        return Job(lambda connection, chain: rows.write_aside(connection, kept, chain), trio.Event(), writes=True)

    def _write_group(self, connection: sqlite3.Connection | None, group: list[Job]) -> sqlite3.Connection | None:
        """Do a group's work in one transaction; on trouble none of it, and the file may be opened anew next time."""
        if self._damage is not None:
            trouble, of = self._damage
            if identity(self.path) == of:
                self._failed(group, trouble)
                return connection
            self._damage = None
        for attempt in range(1, TRIES + 1):
            try:
                if connection is None:
                    connection = self._open()  # known here, so that it is closed where it can't write after all
                elif identity(self.path) != self._opened:
                    raise OSError("the file was removed or replaced; what is written to it would be lost")
                self._try_group(connection, group)
            except (sqlite3.Error, WrongVersion, OSError) as exc:
                trouble = Trouble.of(self.path, exc)
                if connection is not None and trouble.passes:
                    _roll_back(connection)
                if attempt < TRIES and trouble.busy:
                    time.sleep(BUSY_FIRST_S * 2 ** (attempt - 1))
                    continue
                self._failed(group, trouble)
                if connection is not None and not trouble.passes:
                    # After a failed sync the page cache can't be trusted: only a new connection reads what is on disk.
                    close(connection)
                    return None
                return connection
            break
        if any(job.writes and job.failure is None for job in group):
            self.down = None
        self.statistics.commits += 1
        self.statistics.largest_group = max(self.statistics.largest_group, len(group))
        assert connection is not None
        self._look_at_log(connection)
        return connection

    def _try_group(self, connection: sqlite3.Connection, group: list[Job]) -> None:
        if not commit(connection, group):
            # One of them is at fault, and the others must not pay for it: each on its own.
            for job in group:
                if not job.written and not commit(connection, [job]):
                    job.failure = AT_FAULT
        for job in group:
            if job.written and job.entries:
                self._committed = job.entries[-1].seq

    def _failed(self, group: list[Job], trouble: Trouble) -> None:
        reason = trouble.text
        if trouble.damaged:
            self._damage = trouble, identity(self.path)
        if self.down != reason:
            logger.error("fail.journal reason=%s", reason)
        self.down = reason
        self.statistics.failures += 1
        for job in group:
            if not job.written:
                job.failure = reason
                job.entries = []

    def _open(self) -> sqlite3.Connection:
        connection = open_for_writing(self.path, durable=self.durable)
        try:
            before, self._opened = self._opened, identity(self.path)
            last, _ = head(connection)
            if before == self._opened:
                self._compare(connection, last)
            self._committed = self.statistics.last_seq = last
        except BaseException:
            connection.close()
            raise
        return connection

    def _compare(self, connection: sqlite3.Connection, last: int) -> None:
        """Of the same file opened again: lines whose commit failed may be in it all the same; none may be missing."""
        if last > self._committed:
            missed = read_page(connection, LogQuery(after=self._committed, limit=last - self._committed)).entries
            self.tell(missed)
        elif last < self._committed:
            self.statistics.lost_lines += self._committed - last
            logger.critical("lose.lines file=%s had=%d has=%d", self.path.name, self._committed, last)

    def _answer_group(self, connection: sqlite3.Connection | None, group: list[Job]) -> sqlite3.Connection | None:
        """Answer what only reads; on trouble each that could not be."""
        try:
            if connection is None:
                with contextlib.closing(open_for_reading(self.path)) as beside:
                    trouble = answer(beside, group, self.path)
            else:
                trouble = answer(connection, group, self.path)
        except (sqlite3.Error, WrongVersion, OSError) as exc:
            trouble = Trouble.of(self.path, exc)
            for job in group:
                job.failure = trouble.text
        if trouble is None:
            return connection
        if trouble.damaged:
            self._failed([], trouble)
        if connection is not None and not trouble.passes:
            close(connection)
            return None
        return connection

    def _look_at_log(self, connection: sqlite3.Connection) -> None:
        """SQLite says nothing when it can't move the write-ahead log to the file, which then grows and grows."""
        self._commits_unlooked += 1
        if self._commits_unlooked < LOOK_EVERY:
            return
        self._commits_unlooked = 0
        self.statistics.wal_bytes = log_bytes(self.path)
        if self.statistics.wal_bytes < LATE_LOG_BYTES and self.statistics.checkpoint_error is None:
            return
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as exc:
            if self.statistics.checkpoint_error is None:
                logger.error("fail.checkpoint wal_bytes=%d reason=%s", self.statistics.wal_bytes, exc)
            self.statistics.checkpoint_error = str(exc)
        else:
            self.statistics.checkpoint_error = None


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def close(connection: sqlite3.Connection) -> None:
    """Let a connection go, whatever it says to that."""
    with contextlib.suppress(sqlite3.Error):
        connection.close()
