"""The tables, and how a file of an earlier version becomes one of this."""

from __future__ import annotations

import sqlite3

VERSION = 1

_CREATE = """
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


class WrongVersion(Exception):
    """The file was written by a later version of the program."""


def prepare(connection: sqlite3.Connection, *, durable: bool) -> None:
    """Open modes and tables.

    Raises:
        WrongVersion: the file is newer than this program.
        sqlite3.Error: it can't be opened, read or written.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise WrongVersion(f"it has version {version}, this program knows up to {VERSION}; use the newer program")
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_CREATE} PRAGMA user_version = {VERSION}; COMMIT;")
