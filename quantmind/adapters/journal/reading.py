"""What the tables say now: plain queries over a connection, for the writer's thread and for readers beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from quantmind.adapters.journal.chain import head
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.ports import OpenOrders
from quantmind.records import (
    Decision,
    Extent,
    Holding,
    Intent,
    Known,
    OrderRecord,
    Setting,
    Standing,
)
from quantmind.wire.replies import from_store

STANDING_DEALS: Final = 200
"""So many of the newest deals stand in a `Standing`."""

KNOWN_DEALS: Final = 20_000
"""More than a broker gives at once, so that none of those counts as new again."""

ASIDE_KEY: Final = "aside"
"""Among the settings: up to where the emergency file's records are in the tables."""

_decode = msgspec.json.Decoder().decode

_KNOWN: Final = """
SELECT k.ea_name, k.request_id, k.fingerprint, k.record_id, k.kind, coalesce(i.reply, d.reply), k.at,
       i.settled_at IS NULL AND i.order_id IS NOT NULL, coalesce(i.symbol, d.symbol, ''), d.released_at IS NOT NULL
FROM keys k LEFT JOIN intents i ON k.kind = 'intent' AND i.order_id = k.record_id
            LEFT JOIN decisions d ON k.kind = 'decision' AND d.decision_id = k.record_id
"""

_ORDER: Final = (
    "SELECT order_id, broker, ea_name, magic, symbol, request_id, fingerprint, body, at, state, reply, known_by, "
    "settled_at FROM intents"
)


# --- commands that are remembered ----------------------------------------------------------------------------------


def lookup(connection: sqlite3.Connection, ea_name: str, request_id: str) -> Known | None:
    """One remembered command by its key."""
    row = connection.execute(f"{_KNOWN} WHERE k.ea_name = ? AND k.request_id = ?", (ea_name, request_id)).fetchone()
    return None if row is None else _known(row)


def newest(connection: sqlite3.Connection, limit: int) -> list[Known]:
    """The newest remembered commands, oldest first."""
    rows = connection.execute(f"{_KNOWN} ORDER BY k.at DESC LIMIT ?", (limit,)).fetchall()
    return [_known(row) for row in reversed(rows)]


def _known(row: Sequence[Any]) -> Known:
    ea_name, request_id, fingerprint, record_id, kind, reply, at, open_intent, symbol, released = row
    known_reply = None if open_intent or reply is None else from_store(reply)
    return Known(ea_name, request_id, fingerprint, record_id, kind, known_reply, at, symbol, bool(released))


# The columns of `_ORDER`; a key whose record has gone by its age before it is passed over.
_REMEMBERED: Final = """
SELECT k.record_id, coalesce(i.broker, d.broker), k.ea_name, coalesce(i.magic, d.magic), coalesce(i.symbol, d.symbol),
       k.request_id, k.fingerprint, coalesce(i.body, d.body), k.at,
       coalesce(i.state, CASE WHEN d.approved THEN 'approved' ELSE 'denied' END), coalesce(i.reply, d.reply),
       i.known_by, CASE WHEN d.decision_id IS NULL THEN i.settled_at ELSE d.at END
FROM keys k LEFT JOIN intents i ON k.kind = 'intent' AND i.order_id = k.record_id
            LEFT JOIN decisions d ON k.kind = 'decision' AND d.decision_id = k.record_id
WHERE k.request_id = ? AND coalesce(i.order_id, d.decision_id) IS NOT NULL
"""


def remembered(connection: sqlite3.Connection, request_id: str, ea_name: str | None, limit: int) -> list[OrderRecord]:
    """Orders and verdicts with this request id, of one EA or of any, oldest first."""
    of_ea, given = ("", (request_id,)) if ea_name is None else (" AND k.ea_name = ?", (request_id, ea_name))
    sql = f"{_REMEMBERED}{of_ea} ORDER BY k.at, k.ea_name LIMIT ?"
    return [_order(row) for row in connection.execute(sql, (*given, limit)).fetchall()]


# --- orders --------------------------------------------------------------------------------------------------------


def order(connection: sqlite3.Connection, order_id: str) -> OrderRecord | None:
    """One order by its id."""
    row = connection.execute(f"{_ORDER} WHERE order_id = ?", (order_id,)).fetchone()
    return None if row is None else _order(row)


def open_intents(connection: sqlite3.Connection, broker: str) -> list[Intent]:
    """Intents of a broker without an outcome, oldest first."""
    rows = connection.execute(f"{_ORDER} WHERE broker = ? AND settled_at IS NULL ORDER BY at", (broker,))
    return [_order(row).intent for row in rows.fetchall()]


def waiting_orders(connection: sqlite3.Connection, broker: str) -> list[OrderRecord]:
    """Orders of a broker that wait in its book, oldest first."""
    rows = connection.execute(f"{_ORDER} WHERE broker = ? AND state = 'placed' ORDER BY at", (broker,))
    return [_order(row) for row in rows.fetchall()]


# Two queries in one, so that each goes over its own small index and never over all orders there were.
def open_orders(connection: sqlite3.Connection, ask: OpenOrders) -> list[OrderRecord]:
    """Orders of which more is to come, by the time of their intent and their id."""
    wheres: list[str] = ["1"]
    given: list[Any] = []
    if ask.broker is not None:
        wheres.append("broker = ?")
        given.append(ask.broker)
    if ask.after is not None:
        wheres.append("(at, order_id) > (?, ?)")
        given += ask.after
    kinds = [
        (ask.unknown, "INDEXED BY intents_open WHERE settled_at IS NULL"),
        (ask.placed, "INDEXED BY intents_waiting WHERE state = 'placed'"),
    ]
    parts = [f"{_ORDER} {kind} AND {' AND '.join(wheres)}" for wanted, kind in kinds if wanted]
    sql = f"{' UNION ALL '.join(parts)} ORDER BY at, order_id LIMIT ?"
    return [_order(row) for row in connection.execute(sql, (*given * len(parts), ask.limit)).fetchall()]


def _order(row: Sequence[Any]) -> OrderRecord:
    (order_id, broker, ea_name, magic, symbol, request_id, fingerprint, body, at, state, reply, known_by, settled) = row
    return OrderRecord(
        order_id=order_id,
        broker=broker,
        ea_name=ea_name,
        magic=int(magic),
        symbol=symbol,
        request_id=request_id,
        fingerprint=fingerprint,
        body=_decode(body),
        at=at,
        state=OrderState(state),
        reply=None if reply is None else from_store(reply),
        known_by=None if known_by is None else KnownBy(known_by),
        settled_at=settled,
    )


def known_deals(connection: sqlite3.Connection, broker: str) -> frozenset[int]:
    """The tickets of the newest deals of a broker that are recorded."""
    rows = connection.execute(
        "SELECT ticket FROM holdings WHERE broker = ? AND kind = 'deal' "
        "ORDER BY at DESC, CAST(ticket AS INTEGER) DESC LIMIT ?",
        (broker, KNOWN_DEALS),
    )
    return frozenset(int(ticket) for (ticket,) in rows)


# --- promises and settings -----------------------------------------------------------------------------------------


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


def approval_for(connection: sqlite3.Connection, broker: str, symbol: str, magic: int, since: float) -> str | None:
    """The newest approval of this account, symbol and magic since a time."""
    row = connection.execute(
        "SELECT decision_id FROM decisions WHERE at >= ? AND broker = ? AND symbol = ? AND magic = ? AND approved "
        "ORDER BY at DESC LIMIT 1",
        (since, broker, symbol, str(magic)),
    ).fetchone()
    return None if row is None else str(row[0])


LATELY: Final = 50_000
"""Lines from the end among which lately approved orders are looked for."""


def approved_since(connection: sqlite3.Connection, broker: str, since: float) -> list[float]:
    """When orders of an account were approved since a time (Unix seconds), of the newest lines."""
    rows = connection.execute(
        "SELECT at_us FROM log WHERE seq > (SELECT coalesce(max(seq), 0) FROM log) - ? AND kind = 'decision' "
        "AND broker = ? AND at_us >= ? AND json_extract(body, '$.approved') "
        "AND json_extract(body, '$.command.type') = 'trade_open'",
        (LATELY, broker, round(since * 1e6)),
    )
    return [at_us / 1e6 for (at_us,) in rows]


def settings(connection: sqlite3.Connection) -> list[Setting]:
    """Every durable value."""
    rows = connection.execute("SELECT key, value, at FROM settings WHERE key <> ?", (ASIDE_KEY,)).fetchall()
    return [Setting(key, _decode(value), at) for key, value, at in rows]


def aside_through(connection: sqlite3.Connection) -> tuple[bytes, int] | None:
    """Up to where the emergency file's records are in the tables: generation and sequence number of a frame."""
    row = connection.execute("SELECT value FROM settings WHERE key = ?", (ASIDE_KEY,)).fetchone()
    if row is None:
        return None
    value = _decode(row[0])
    return bytes.fromhex(value["generation"]), int(value["through"])


# --- what holds ----------------------------------------------------------------------------------------------------


def standing(connection: sqlite3.Connection) -> Standing:
    """What holds now; inside a transaction, so that it is of one moment."""
    seq, _ = head(connection)
    rows = connection.execute(f"{_ORDER} WHERE settled_at IS NULL OR state = 'placed' ORDER BY at").fetchall()
    deals = connection.execute(f"{_HOLDING} WHERE kind = 'deal' ORDER BY at DESC LIMIT ?", (STANDING_DEALS,)).fetchall()
    return Standing(
        seq=seq,
        positions=_holdings(connection.execute(f"{_HOLDING} WHERE kind = 'position'")),
        orders=_holdings(connection.execute(f"{_HOLDING} WHERE kind = 'order'")),
        deals=_holdings(reversed(deals)),
        open=[_order(row) for row in rows],
        settings=settings(connection),
    )


_HOLDING: Final = "SELECT broker, kind, ticket, body, at, order_id, cause FROM holdings"


def _holdings(rows: Iterable[Sequence[Any]]) -> list[Holding]:
    return [
        Holding(broker, kind, int(ticket), from_store(body), at, order_id, cause)
        for broker, kind, ticket, body, at, order_id, cause in rows
    ]


# --- the log -------------------------------------------------------------------------------------------------------


def extent(connection: sqlite3.Connection) -> Extent:
    """What the log holds; inside a transaction, so that it is of one moment."""
    last, last_hash = head(connection)
    (first,) = connection.execute("SELECT min(seq) FROM log").fetchone()
    return Extent(first or 0, last, last_hash)
