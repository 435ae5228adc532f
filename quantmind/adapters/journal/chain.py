"""The log's chain: each line has a hash of itself and of the hash before it, so that a gap or an edit shows.

    hash(n) = SHA-256( hash(n-1) ‖ head(n) ‖ "\\n" ‖ body(n) )
    head(n) = JSON array [seq, at_us, kind, broker, ea_name, request_id, order_id], without spaces, null for none
    body(n) = the JSON object's text as it stands in the line, UTF-8

The hash before the first line is 32 zero bytes. Whoever can write the file can make a whole new chain; what he can't do
is give the last line the hash that somebody noted elsewhere (`quantmind journal verify` prints it).
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any, Final

import msgspec

from quantmind.records import Entry

START: Final = bytes(32)
"""The hash before the first line."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def text(value: Any) -> str:
    """JSON text, numbers exact."""
    return _encode(value).decode()


def digest(before: bytes, entry: Entry) -> bytes:
    """The hash of a line, 32 bytes; `before` is that of the line before it."""
    head = _encode((entry.seq, entry.at_us, entry.kind, entry.broker, entry.ea_name, entry.request_id, entry.order_id))
    return hashlib.sha256(b"".join((before, head, b"\n", entry.body.encode()))).digest()


class Chain:
    """Appends lines to the log inside one transaction; `entries` are those that it appended."""

    __slots__ = ("_connection", "_hash", "_seq", "entries")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.entries: list[Entry] = []
        self._seq, self._hash = head(connection)

    def append(
        self,
        kind: str,
        at: float,
        body: Any,
        *,
        broker: str | None = None,
        ea_name: str | None = None,
        request_id: str | None = None,
        order_id: str | None = None,
    ) -> None:
        """Append one line. `at` is Unix seconds."""
        self._seq += 1
        entry = Entry(self._seq, round(at * 1e6), kind, broker, ea_name, request_id, order_id, text(body))
        self._hash = digest(self._hash, entry)
        self._connection.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.seq,
                entry.at_us,
                kind,
                broker,
                ea_name,
                request_id,
                order_id,
                entry.body,
                self._hash,
            ),
        )
        self.entries.append(entry)

    def finish(self) -> None:
        """Note the last line's number and hash, so that lines which are taken off the end show. Before the commit."""
        if self.entries:
            self._connection.execute("UPDATE head SET seq = ?, hash = ?", (self._seq, self._hash))


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """The number and the hash of the last line; 0 and `START` before the first.

    Raises:
        sqlite3.DatabaseError: somebody has taken it away.
    """
    row = connection.execute("SELECT seq, hash FROM head").fetchone()
    if row is None:
        raise sqlite3.DatabaseError("the log's head is missing; `quantmind journal verify` tells more")
    seq, found = row
    return seq, found
