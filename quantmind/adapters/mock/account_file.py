"""The file of a persistent paper account: written whole or not at all, checked when it is read, never made up for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import msgspec

from quantmind.adapters.mock.history import OrderRecord
from quantmind.adapters.mock.record import AccountRecord, History
from quantmind.domain.accounts import Deal
from quantmind.domain.orders import Placed

APPLICATION_ID: Final = 0x514D5041  # "QMPA"
VERSION: Final = 1
KEPT: Final = 10_000
"""So many deals, ended orders and tags are kept, the newest: as many as a broker is asked for at once."""
BUSY_S: Final = 0.25

_SCHEMA: Final = """
CREATE TABLE account (number INTEGER PRIMARY KEY CHECK (number = 1), body BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE deals (number INTEGER PRIMARY KEY, body BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE ended (number INTEGER PRIMARY KEY, body BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE tags (number INTEGER PRIMARY KEY, body BLOB NOT NULL, digest BLOB NOT NULL);
"""
_SIDECARS: Final = ("-wal", "-shm", "-journal")

T = TypeVar("T")


class AccountFileError(ValueError):
    """The file can't be read, is damaged, or is another's; says which file, why, and the way out."""


class AccountFileDown(Exception):
    """The file can't be written now; nothing of the last write counts, and it may be tried again."""


@attrs.frozen
class Rows:
    """The numbers of the next rows of a file's history."""

    deals: int = 1
    ended: int = 1
    tags: int = 1


@attrs.frozen
class Kept:
    """What a file holds: an account, the newest of its history, and where that goes on."""

    record: AccountRecord
    history: History
    rows: Rows


@attrs.define(eq=False)
class AccountFile:
    """One account's file, open and locked for this process. Synchronous; one thread at a time may use it.

    Rows of the history are numbered as they come, and the oldest go when there are more than `KEPT` of a kind.
    """

    path: Path
    _connection: sqlite3.Connection | None = None
    _identity: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: Path) -> tuple[AccountFile, Kept | None]:
        """Open the file and read all of it; None when there is none yet. It is made by the first `write`.

        Raises:
            AccountFileError: it is there and can't be used. It was not changed.
        """
        file = cls(path)
        leftovers = [side for side in _SIDECARS if path.with_name(path.name + side).exists()]
        if not path.exists():
            if leftovers:
                raise AccountFileError(
                    f"{path} is missing, and {path.name}{leftovers[0]} beside it holds a part of it: put both back, "
                    "or move that away too to begin with a new account"
                )
            return file, None
        try:
            return file, file._read_all()
        except (sqlite3.Error, OSError, msgspec.MsgspecError, _Damaged) as exc:
            file.close()
            raise file.unusable(str(exc)) from exc

    def unusable(self, reason: str) -> AccountFileError:
        """The error that says why this file can't be used, and the way out."""
        return AccountFileError(
            f"the paper account's file {self.path} can't be used: {reason}. It was left as it is. Mend that, or put a "
            "good copy in its place, or move it and what is named like it away to begin with a new account"
        )

    def write(self, record: AccountRecord, history: History, rows: Rows) -> Rows:
        """Make the account's state and what its history grew by durable, all of it or nothing.

        Args:
            rows: where the history goes on. Writing the same rows again replaces them, so a write whose fate is not
                known may be repeated, with more behind it.

        Returns:
            Where the history goes on afterwards.

        Raises:
            AccountFileDown: it can't be written now.
        """
        try:
            connection = self._ready()
            connection.execute("BEGIN IMMEDIATE")
            try:
                _put(connection, "account", 1, record)
                after = Rows(
                    deals=_append(connection, "deals", rows.deals, history.deals),
                    ended=_append(connection, "ended", rows.ended, history.ended),
                    tags=_append(connection, "tags", rows.tags, history.tags),
                )
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, _Damaged) as exc:
            # After a failed sync the page cache can't be trusted: only a new connection reads what is on disk.
            self.close()
            raise AccountFileDown(f"the paper account's file {self.path} can't be written: {exc}") from exc
        return after

    def close(self) -> None:
        """Let the file go. Safe to repeat; `write` opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    # --- inside ------------------------------------------------------------------------------------------------

    def _ready(self) -> sqlite3.Connection:
        if self._identity is None:
            self._create()
        elif self._identity != _identity_of(self.path):
            raise _Damaged("it was removed or replaced while it was in use; put it back, or restart the gateway")
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    # Made beside its place and moved there when it is whole: an empty file is then always a damaged one.
    def _create(self) -> None:
        if self.path.exists():
            raise _Damaged("another file has come to its place; move that away, or restart the gateway")
        new = self.path.with_name(self.path.name + ".new")
        for each in (new, *(new.with_name(new.name + side) for side in _SIDECARS)):
            each.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(new, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {VERSION}; COMMIT;"
            )
        if os.name == "posix":
            new.chmod(0o600)
        new.replace(self.path)
        _sync_folder(self.path.parent)
        self._identity = _identity_of(self.path)

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a file that went away meanwhile is not made anew, empty.
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        try:
            # Nobody else may use it, and so it needs no memory that is shared.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION_ID:
                raise _Damaged("it is no file of a paper account")
            if version > VERSION:
                raise _Damaged(f"it has version {version}, this program knows up to {VERSION}; use the newer program")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_all(self) -> Kept:
        if self.path.stat().st_size == 0:
            raise _Damaged("it is empty")
        connection = self._connection = self._connect()
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise _Damaged(f"it is damaged ({verdict})")
        accounts = _get(connection, "account", AccountRecord)
        if not accounts:
            raise _Damaged("there is no account in it")
        deals, ended = _get(connection, "deals", Deal), _get(connection, "ended", OrderRecord)
        tags: list[tuple[int, tuple[str, Placed | int]]] = _get(connection, "tags", tuple[str, Placed | int])
        self._identity = _identity_of(self.path)
        history = History(_values(deals), _values(ended), _values(tags))
        return Kept(accounts[0][1], history, Rows(_next_row(deals), _next_row(ended), _next_row(tags)))


class _Damaged(Exception):
    """What is wrong with a file, in words that follow its name."""


def _put(connection: sqlite3.Connection, table: str, number: int, value: Any) -> None:
    body = msgspec.json.encode(value)
    connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (number, body, _digest(body)))  # noqa: S608  # names are ours


def _append(connection: sqlite3.Connection, table: str, first: int, values: Sequence[Any]) -> int:
    for number, value in enumerate(values, first):
        _put(connection, table, number, value)
    after = first + len(values)
    if values:
        connection.execute(f"DELETE FROM {table} WHERE number < ?", (after - KEPT,))  # noqa: S608  # names are ours
    return after


def _get(connection: sqlite3.Connection, table: str, kind: Any) -> list[tuple[int, Any]]:
    decoder = msgspec.json.Decoder(kind)
    rows: list[tuple[int, Any]] = []
    for number, body, digest in connection.execute(f"SELECT * FROM {table} ORDER BY number"):  # noqa: S608  # names are ours
        if not isinstance(body, bytes) or _digest(body) != digest:
            raise _Damaged(f"row {number} of its {table} is damaged")
        try:
            rows.append((number, decoder.decode(body)))
        except msgspec.MsgspecError as exc:
            raise _Damaged(f"row {number} of its {table} can't be understood ({exc})") from exc
    return rows


def _values(rows: list[tuple[int, T]]) -> tuple[T, ...]:
    return tuple(value for _, value in rows)


def _next_row(rows: list[tuple[int, T]]) -> int:
    return rows[-1][0] + 1 if rows else 1


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=8).digest()


def _identity_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


# The name is durable only when its folder is; Windows has no such call and needs none.
def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
