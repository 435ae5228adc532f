"""How the file is opened, for writing and for reading alone, and what its troubles mean."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from quantmind.adapters.journal.schema import VERSION, WrongVersion, prepare, refuse_newer, version_of

_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def open_for_writing(path: Path, *, durable: bool) -> sqlite3.Connection:
    """The file, ready to be written, made where there is none.

    Raises:
        WrongVersion: it is newer than this program; it was left as it is.
        OSError: its write-ahead log is there without it.
        sqlite3.Error: it can't be opened or written.
    """
    _refuse_orphan(path)
    if path.exists():
        # By a connection that can't write: the last one that can moves what is in the write-ahead log when it closes.
        with contextlib.suppress(sqlite3.Error):
            _connect(f"{path.absolute().as_uri()}?mode=ro", refuse_newer).close()
    return _connect(str(path), lambda connection: prepare(connection, durable=durable))


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A file that can't be written now, as far as it can be read all the same.

    Raises:
        WrongVersion: it has tables of another version.
        OSError: its write-ahead log is there without it.
        sqlite3.Error: it can't be read either.
    """
    _refuse_orphan(path)
    # A disk that can't be written has no room for the index of the write-ahead log, which readers share: that is then
    # made in memory. With nothing left in that log no index is needed.
    how = "readonly_shm=1" if _has_log(path) else "immutable=1"
    return _connect(f"{path.absolute().as_uri()}?mode=ro&{how}", _check_version)


def _connect(address: str, check: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address, timeout=0, isolation_level=None, check_same_thread=False, uri=address.startswith("file:")
    )
    try:
        check(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection) -> None:
    version = version_of(connection)
    if version != VERSION:
        raise WrongVersion(f"it has version {version}, and can't be brought to {VERSION} while it can't be written")


def orphan(path: Path) -> str | None:
    """Why the file must not even be opened to be read: SQLite removes a write-ahead log that has no file to it."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = 0
    if size > 0 or not _has_log(path):
        return None
    return (
        f"it is missing or empty, and {path.name}-wal holds a part of it: put the file back, or move that away too to "
        "begin a new journal"
    )


def _refuse_orphan(path: Path) -> None:
    why = orphan(path)
    if why is not None:
        raise OSError(why)


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def log_bytes(path: Path) -> int:
    """How long the write-ahead log is; 0 where there is none."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def identity(path: Path) -> tuple[int, int] | None:
    """Which file the path leads to now; None: to none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@attrs.frozen
class Trouble:
    """What an error means for the file it came from.

    The error itself is not kept. Its traceback leads to frames, these to cursors, and a connection that has any is not
    really closed: as long as it lives, all others of the process share its index of the write-ahead log, which is
    read-only where the disk was.
    """

    path: Path
    error: str
    code: int
    """SQLite's primary result code; 0 of another error."""

    @classmethod
    def of(cls, path: Path, error: Exception) -> Trouble:
        """What this error means."""
        return cls(path, str(error), int(getattr(error, "sqlite_errorcode", 0)) & 0xFF)

    @property
    def text(self) -> str:
        """What is wrong, with the way out where somebody must do something."""
        said = f"{self.path.name}: {self.error}"
        if not self.damaged:
            return said
        return (
            f"{said}. Start the gateway again, and if it says so again, stop it, move {self.path.name} and what is "
            "named like it (-wal, -shm) away together and start it: it then begins a new record, and orders and "
            "request ids of the old one are not known to it"
        )

    @property
    def damaged(self) -> bool:
        """What is in the file can't be believed."""
        return self.code in _DAMAGED

    @property
    def busy(self) -> bool:
        """Another program has the lock."""
        return self.code in _BUSY

    @property
    def passes(self) -> bool:
        """No room, or a lock: nothing is wrong with the file, nor with what a connection knows of it."""
        return self.busy or self.code == sqlite3.SQLITE_FULL
