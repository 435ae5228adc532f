"""The journal's file, opened only to be read: beside a gateway that writes it, after one that crashed, or a copy."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from quantmind.adapters.journal.schema import VERSION
from quantmind.errors import JournalDown

BUSY_S: Final = 1.0
"""How long a reader waits for a lock. Readers and the writer don't lock each other out, but recovery does."""
STEPS: Final = 10_000
"""So many steps of SQLite's machine between two looks at whether a query is still wanted: well below 1 ms."""

BROKEN: Final = (sqlite3.Error, UnicodeDecodeError)
"""What reading a file raises that is not as it should be: SQLite can't even say so where its message is no text."""


class Unwanted:
    """Ends the queries of a connection: some seconds after `start`, or when nobody waits for them any more."""

    __slots__ = ("_abandoned", "_end", "_within_s")

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._end = float("inf")
        self._abandoned = threading.Event()

    def start(self) -> None:
        """From now on the time counts: what waited for a thread has not used any."""
        self._end = time.monotonic() + self._within_s

    def abandon(self) -> None:
        """Nobody waits any more. From any thread."""
        self._abandoned.set()

    def __call__(self) -> bool:
        return self._abandoned.is_set() or time.monotonic() > self._end


@contextlib.contextmanager
def open_to_read(path: Path, unwanted: Unwanted | None = None) -> Iterator[sqlite3.Connection]:
    """A connection that can't write, for the length of the block.

    A statement that `unwanted` speaks against ends within milliseconds, unless the disk itself hangs.

    Raises:
        JournalDown: there is no journal, it is of another version, or it can't be read; also for errors in the block.
    """
    connection = None
    try:
        connection = _connect(path)
        if unwanted is not None:
            connection.set_progress_handler(unwanted, STEPS)
        yield connection
    except BROKEN as error:
        raise JournalDown(_reason(path, error)) from error
    finally:
        if connection is not None:
            connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.stat()
    except FileNotFoundError:
        raise JournalDown(f"there is no journal at {path}; `quantmind run` makes one at its first start") from None
    except OSError as error:
        raise JournalDown(f"{path} can't be read: {error.strerror or error}") from None
    try:
        return _open(path, "mode=ro")
    except sqlite3.OperationalError as error:
        # Beside a file in this mode SQLite makes two more, even to read. Where it may not (a copy on a read-only
        # disk), the file can be taken for one that nobody changes, as long as no such file holds a part of it.
        if not _may_not_write(error) or _has_more(path):
            raise
        return _open(path, "mode=ro&immutable=1")


def _open(path: Path, how: str) -> sqlite3.Connection:
    # By its full path, since an address has no other.
    uri = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise JournalDown(f"{path.name} {_of_version(version)}")
    except BaseException:
        connection.close()
        raise
    return connection


def _of_version(version: int) -> str:
    if version == 0:
        return "holds no journal yet; if a gateway is starting, try again"
    if version < VERSION:
        return f"has version {version}, of an earlier program; `quantmind run` brings it to {VERSION}"
    return f"has version {version}, this program knows up to {VERSION}; use the newer program"


def _may_not_write(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def _has_more(path: Path) -> bool:
    wal = path.with_name(f"{path.name}-wal")
    return wal.exists() and wal.stat().st_size > 0


def _reason(path: Path, error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", None)  # errors of the module itself have none
    if code == sqlite3.SQLITE_INTERRUPT:
        return f"{path.name}: reading took too long and was ended; ask for fewer lines"
    if code is not None and code & 0xFF == sqlite3.SQLITE_CANTOPEN:
        return f"{path.name}: {error}; look at who may read it, or copy it with its -wal file into a folder of your own"
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path.name} is no journal: {error}"
    return f"{path.name}: {error}"
