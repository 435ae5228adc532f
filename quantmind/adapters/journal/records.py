"""Records to rows and back. Writing the same record again changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from quantmind.ports import Decision, Duplicate, Intent, Known, Record, Released, Setting, Settled
from quantmind.wire.replies import from_store

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder().decode

KNOWN = """
SELECT k.ea_name, k.request_id, k.fingerprint, k.record_id, k.kind, coalesce(i.reply, d.reply), k.at,
       i.settled_at IS NULL AND i.order_id IS NOT NULL
FROM keys k LEFT JOIN intents i ON k.kind = 'intent' AND i.order_id = k.record_id
            LEFT JOIN decisions d ON k.kind = 'decision' AND d.decision_id = k.record_id
"""


def text(value: Any) -> str:
    """JSON text."""
    return _encode(value).decode()


def write(connection: sqlite3.Connection, record: Record) -> Duplicate | None:
    """Write one record inside the open transaction; `Duplicate` if its key is taken, and then nothing."""
    match record:
        case Intent() | Decision():
            return _write_keyed(connection, record)
        case Settled():
            connection.execute(
                # The first outcome stands: a later one would change the answer that a repeat gets.
                "UPDATE intents SET state = ?, reply = ?, settled_at = ? WHERE order_id = ? AND settled_at IS NULL",
                (record.state, text(record.reply), record.at, record.order_id),
            )
        case Released():
            connection.execute(
                "UPDATE decisions SET released_at = ?, release_reason = ? WHERE decision_id = ?",
                (record.at, record.reason, record.decision_id),
            )
        case Setting():
            if record.value is None:
                connection.execute("DELETE FROM settings WHERE key = ?", (record.key,))
            else:
                connection.execute(
                    "INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", (record.key, text(record.value), record.at)
                )
    return None


def _write_keyed(connection: sqlite3.Connection, record: Intent | Decision) -> Duplicate | None:
    is_intent = isinstance(record, Intent)
    record_id = record.order_id if isinstance(record, Intent) else record.decision_id
    if record.request_id is not None:
        kind = "intent" if is_intent else "decision"
        cursor = connection.execute(
            "INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?, ?, ?)",
            (record.ea_name, record.request_id, record.fingerprint, record_id, kind, record.at),
        )
        if cursor.rowcount == 0:
            known = lookup(connection, record.ea_name, record.request_id)
            assert known is not None
            return None if known.record_id == record_id else Duplicate(known)
    common = (
        record_id,
        record.broker,
        record.ea_name,
        str(record.magic),
        record.symbol,
        record.request_id,
        record.fingerprint,
    )
    if isinstance(record, Intent):
        connection.execute(
            "INSERT OR IGNORE INTO intents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'intent', NULL, NULL)",
            (*common, text(record.body), record.at),
        )
    else:
        reservation = None if record.reservation is None else text(record.reservation)
        connection.execute(
            "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (*common, record.approved, text(record.body), text(record.reply), record.at, reservation),
        )
    return None


def lookup(connection: sqlite3.Connection, ea_name: str, request_id: str) -> Known | None:
    """One remembered command by its key."""
    row = connection.execute(f"{KNOWN} WHERE k.ea_name = ? AND k.request_id = ?", (ea_name, request_id)).fetchone()
    return None if row is None else _known(row)


def newest(connection: sqlite3.Connection, limit: int) -> list[Known]:
    """The newest remembered commands, oldest first."""
    rows = connection.execute(f"{KNOWN} ORDER BY k.at DESC LIMIT ?", (limit,)).fetchall()
    return [_known(row) for row in reversed(rows)]


def open_intents(connection: sqlite3.Connection, broker: str) -> list[Intent]:
    """Intents of a broker without an outcome, oldest first."""
    rows = connection.execute(
        "SELECT order_id, broker, ea_name, magic, symbol, request_id, fingerprint, body, at FROM intents "
        "WHERE broker = ? AND settled_at IS NULL ORDER BY at",
        (broker,),
    ).fetchall()
    return [
        Intent(
            order_id=order_id,
            broker=of,
            ea_name=ea_name,
            magic=int(magic),
            symbol=symbol,
            request_id=request_id,
            fingerprint=fingerprint,
            body=_decode(body),
            at=at,
        )
        for order_id, of, ea_name, magic, symbol, request_id, fingerprint, body, at in rows
    ]


def open_reservations(connection: sqlite3.Connection) -> list[Decision]:
    """Approvals whose reservation was not released, oldest first."""
    rows = connection.execute(
        "SELECT decision_id, broker, ea_name, magic, symbol, request_id, fingerprint, approved, body, reply, at, "
        "reservation FROM decisions WHERE reservation IS NOT NULL AND released_at IS NULL ORDER BY at"
    ).fetchall()
    return [
        Decision(
            decision_id=decision_id,
            broker=broker,
            ea_name=ea_name,
            magic=int(magic),
            symbol=symbol,
            request_id=request_id,
            fingerprint=fingerprint,
            approved=bool(approved),
            body=_decode(body),
            reply=from_store(reply),
            at=at,
            reservation=_decode(reservation),
        )
        for (
            decision_id,
            broker,
            ea_name,
            magic,
            symbol,
            request_id,
            fingerprint,
            approved,
            body,
            reply,
            at,
            reservation,
        ) in rows
    ]


def settings(connection: sqlite3.Connection) -> list[Setting]:
    """Every durable value."""
    rows = connection.execute("SELECT key, value, at FROM settings").fetchall()
    return [Setting(key, _decode(value), at) for key, value, at in rows]


def write_all(connection: sqlite3.Connection, records: Sequence[Record]) -> list[Duplicate | None]:
    """Write records in order inside the open transaction."""
    return [write(connection, record) for record in records]


def _known(row: Sequence[Any]) -> Known:
    ea_name, request_id, fingerprint, record_id, kind, reply, at, open_intent = row
    known_reply = None if open_intent or reply is None else from_store(reply)
    return Known(ea_name, request_id, fingerprint, record_id, kind, known_reply, at)
