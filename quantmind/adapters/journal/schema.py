"""The tables, and how a file of an earlier version becomes one of this.

`log` is the record: append-only, chained (see `chain`). The other tables are what holds by it now, written in the same
transactions, so that nothing has to be read from its beginning: `keys` and `decisions` what a repeat is answered,
`intents` the orders, `settings` durable values, `holdings` what each broker was last seen to hold and its deals.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Final

from quantmind.adapters.journal.chain import START, Chain

VERSION: Final = 2

WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""What the write-ahead log is cut back to after a checkpoint."""

_VERSION_1: Final = """
CREATE TABLE keys (
    ea_name TEXT NOT NULL, request_id TEXT NOT NULL, fingerprint TEXT NOT NULL,
    record_id TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (ea_name, request_id)
) WITHOUT ROWID;
CREATE INDEX keys_by_time ON keys (at);
CREATE TABLE intents (
    order_id TEXT PRIMARY KEY, broker TEXT NOT NULL, ea_name TEXT NOT NULL, magic TEXT NOT NULL,
    symbol TEXT NOT NULL, request_id TEXT, fingerprint TEXT NOT NULL, body TEXT NOT NULL, at REAL NOT NULL,
    state TEXT NOT NULL, reply TEXT, settled_at REAL
) WITHOUT ROWID;
CREATE INDEX intents_open ON intents (broker, at) WHERE settled_at IS NULL;
CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY, broker TEXT NOT NULL, ea_name TEXT NOT NULL, magic TEXT NOT NULL,
    symbol TEXT NOT NULL, request_id TEXT, fingerprint TEXT NOT NULL, approved INTEGER NOT NULL,
    body TEXT NOT NULL, reply TEXT NOT NULL, at REAL NOT NULL,
    reservation TEXT, released_at REAL, release_reason TEXT
) WITHOUT ROWID;
CREATE INDEX decisions_reserved ON decisions (at) WHERE reservation IS NOT NULL AND released_at IS NULL;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
"""

_VERSION_2: Final = """
CREATE TABLE log (
    seq INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, kind TEXT NOT NULL, broker TEXT, ea_name TEXT,
    request_id TEXT, order_id TEXT, body TEXT NOT NULL, hash BLOB NOT NULL
);
CREATE INDEX log_of_order ON log (order_id) WHERE order_id IS NOT NULL;
CREATE TABLE head (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE holdings (
    broker TEXT NOT NULL, kind TEXT NOT NULL, ticket TEXT NOT NULL, at REAL NOT NULL, order_id TEXT,
    cause TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (broker, kind, ticket)
) WITHOUT ROWID;
CREATE INDEX holdings_by_time ON holdings (kind, at);
ALTER TABLE intents ADD COLUMN known_by TEXT;
CREATE INDEX intents_waiting ON intents (broker, at) WHERE state = 'placed';
CREATE INDEX intents_by_time ON intents (at);
CREATE INDEX decisions_by_time ON decisions (at);
CREATE INDEX keys_by_request ON keys (request_id);
"""


class WrongVersion(Exception):
    """The file is of another version of the program, and can't be used as it is."""


def prepare(connection: sqlite3.Connection, *, durable: bool) -> None:
    """Open modes and tables; a file of an earlier version is brought to this one, or left as it was.

    Raises:
        WrongVersion: the file is newer than this program.
        sqlite3.Error: it can't be opened, read or written.
    """
    refuse_newer(connection)  # before anything else, which would write to it
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    if version_of(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        refuse_newer(connection)  # another program may have been here since
        version = version_of(connection)
        for step in range(version, VERSION):
            _STEPS[step](connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def refuse_newer(connection: sqlite3.Connection) -> None:
    """Raises WrongVersion: the file is newer than this program."""
    version = version_of(connection)
    if version > VERSION:
        raise WrongVersion(f"it has version {version}, this program knows up to {VERSION}; use the newer program")


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a file; 0 of a new one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


# Not executescript: it would commit before it begins.
def _run(connection: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)


def _to_1(connection: sqlite3.Connection) -> None:
    _run(connection, _VERSION_1)


def _to_2(connection: sqlite3.Connection) -> None:
    """The log begins; what was remembered before it stays, and the first line says how much that was."""
    before = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        for table in ("keys", "intents", "decisions", "settings")
    }
    _run(connection, _VERSION_2)
    connection.execute("INSERT INTO head VALUES (1, 0, ?)", (START,))
    connection.execute("UPDATE intents SET known_by = 'answer' WHERE settled_at IS NOT NULL")
    chain = Chain(connection)
    chain.append("journal", time.time(), {"version": 2, "taken_over": before})
    chain.finish()


_STEPS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {0: _to_1, 1: _to_2}
