"""A group of jobs: what is queued for the writer, done in one transaction."""

from __future__ import annotations

import logging
import queue
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from quantmind.adapters.journal.chain import Chain
from quantmind.adapters.journal.opening import Trouble
from quantmind.records import Entry

logger: Final = logging.getLogger("quantmind.journal")

GROUP: Final = 512
"""At most so many jobs in one commit."""

AT_FAULT: Final = "the record can't be written; this is a bug, see the log"

Work = Callable[[sqlite3.Connection, Chain], Any]


@attrs.define(eq=False)
class Job:
    """One caller's work inside the group's transaction."""

    work: Work
    done: trio.Event
    writes: bool = False
    """That it could be done shows that the journal can write."""
    reads: bool = False
    """It only reads, and can be done while nothing can be written."""
    result: Any = None
    entries: list[Entry] = attrs.field(factory=list)
    """The lines that it appended to the log."""
    written: bool = False
    """Its transaction was committed."""
    failure: str | None = None


def next_group(jobs: queue.Queue[Job | None]) -> tuple[list[Job], bool]:
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


def commit(connection: sqlite3.Connection, group: list[Job]) -> bool:
    """Do the work of a group in one transaction. False, and nothing is done, if a record is itself at fault.

    Raises:
        sqlite3.Error: nothing can be written now.
    """
    connection.execute("BEGIN IMMEDIATE")
    chain = Chain(connection)
    for job in group:
        before = len(chain.entries)
        # Whatever breaks in one caller's work must reach that caller alone.
        try:
            job.result = job.work(connection, chain)
        except Exception as exc:
            if isinstance(exc, _OF_THE_FILE) or type(exc) is sqlite3.DatabaseError:
                raise
            if len(group) == 1:
                logger.exception("fail.record")
            connection.execute("ROLLBACK")
            return False
        job.entries = chain.entries[before:]
    chain.finish()
    connection.execute("COMMIT")
    for job in group:
        job.written = True
    return True


def answer(connection: sqlite3.Connection, group: list[Job], path: Path) -> Trouble | None:
    """Do the work of jobs that only read, at one moment; the last trouble of the file at `path`, if there was one.

    Each that can't be done fails for itself.

    Raises:
        sqlite3.Error: nothing can be read now.
    """
    trouble: Trouble | None = None
    connection.execute("BEGIN")
    try:
        chain = Chain(connection)
        for job in group:
            try:
                job.result = job.work(connection, chain)
            except sqlite3.Error as exc:
                trouble, job.failure = Trouble.of(path, exc), str(exc)
            except Exception:
                logger.exception("fail.read")
                job.failure = "it can't be read; this is a bug, see the log"
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return trouble
