"""Records to lines of the log and to rows, inside one transaction. Writing the same record again changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from quantmind.adapters.journal import reading
from quantmind.adapters.journal.aside import Place, records_after
from quantmind.adapters.journal.chain import Chain, text
from quantmind.domain.order_life import OrderState, may_follow_record
from quantmind.domain.risk import Situation
from quantmind.records import (
    Command,
    Decision,
    Duplicate,
    Event,
    Holding,
    Impossible,
    Intent,
    OrderRecord,
    Record,
    Released,
    Result,
    Setting,
    Settled,
)
from quantmind.wire.decisions import inputs_of

FINAL_KIND: Final = "deal"
"""A holding of this kind never changes and never goes."""


def write_all(connection: sqlite3.Connection, records: Sequence[Record], chain: Chain) -> list[Result]:
    """Write records in order inside the open transaction."""
    return [write(connection, record, chain) for record in records]


def write_aside(
    connection: sqlite3.Connection, kept: Sequence[tuple[Place, Sequence[Record]]], chain: Chain
) -> list[Result]:
    """Write what was kept aside and is not here yet, and with it up to where that is done now."""
    results = write_all(connection, records_after(kept, reading.aside_through(connection)), chain)
    generation, sequence = kept[-1][0]
    value = text({"generation": generation.hex(), "through": sequence})
    connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, 0)", (reading.ASIDE_KEY, value))
    return results


def write(connection: sqlite3.Connection, record: Record, chain: Chain) -> Result:
    """Write one record; what is not None says why it was not taken."""
    match record:
        case Intent():
            return _write_intent(connection, record, chain)
        case Decision():
            return _write_decision(connection, record, chain)
        case Settled():
            return _settle(connection, record, chain)
        case Released():
            _release(connection, record, chain)
        case Setting():
            _set(connection, record, chain)
        case Holding():
            _hold(connection, record, chain)
        case Command():
            chain.append(
                "command",
                record.at,
                {
                    "type": record.kind,
                    "via": record.via,
                    "by": record.by,
                    **({"repeat": True} if record.repeat else {}),
                    "command": record.body,
                    "reply": record.reply,
                },
                broker=record.broker,
                ea_name=record.ea_name,
                request_id=record.request_id,
            )
        case Event():
            chain.append(
                "event",
                record.at,
                {"name": record.name, **record.data},
                broker=record.broker,
                ea_name=record.ea_name,
                order_id=record.order_id,
            )
    return None


# --- orders and decisions ------------------------------------------------------------------------------------------


def _write_intent(connection: sqlite3.Connection, record: Intent, chain: Chain) -> Result:
    taken = _take_key(connection, record, "intent", record.order_id)
    if taken is not None:
        return taken
    cursor = connection.execute(
        "INSERT OR IGNORE INTO intents (order_id, broker, ea_name, magic, symbol, request_id, fingerprint, body, at, "
        "state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'intent')",
        (record.order_id, *_common(record), text(record.body), record.at),
    )
    if cursor.rowcount:
        body = {
            "state": "intent",
            "magic": record.magic,
            "symbol": record.symbol,
            "fingerprint": record.fingerprint,
            "order": record.body,
        }
        _log(chain, "intent", record, record.order_id, body)
    return None


def _write_decision(connection: sqlite3.Connection, record: Decision, chain: Chain) -> Result:
    if record.remembered:
        taken = _take_key(connection, record, "decision", record.decision_id)
        if taken is not None:
            return taken
        reservation = None if record.reservation is None else text(record.reservation)
        cursor = connection.execute(
            "INSERT OR IGNORE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            (
                record.decision_id,
                *_common(record),
                record.approved,
                text(record.body),
                text(record.reply),
                record.at,
                reservation,
            ),
        )
        if not cursor.rowcount:
            return None
    else:
        taken = _other_key(connection, record, record.decision_id) if record.needs_key else None
        if taken is not None:
            return taken
        if connection.execute(_HAS_DECISION, (record.decision_id,)).fetchone():
            return None
    body = {
        "approved": record.approved,
        "magic": record.magic,
        "symbol": record.symbol,
        "via": record.via,
        "by": record.by,
        # Of what is remembered: these answer repeats and hold margin, so an edit of them has to show as well.
        "fingerprint": record.fingerprint if record.remembered else None,
        "reservation": record.reservation if record.remembered else None,
        "command": record.body,
        "reply": record.reply,
        "inputs": inputs_of(record.inputs) if isinstance(record.inputs, Situation) else record.inputs,
    }
    _log(chain, "decision", record, record.decision_id, body)
    return None


_HAS_DECISION: Final = "SELECT 1 FROM log WHERE order_id = ? AND kind = 'decision'"


def _take_key(connection: sqlite3.Connection, record: Intent | Decision, kind: str, record_id: str) -> Duplicate | None:
    """Take the key (`ea_name`, `request_id`); a duplicate if another record has it."""
    if record.request_id is None:
        return None
    cursor = connection.execute(
        "INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?, ?, ?)",
        (record.ea_name, record.request_id, record.fingerprint, record_id, kind, record.at),
    )
    if cursor.rowcount:
        return None
    return _other_key(connection, record, record_id)


def _other_key(connection: sqlite3.Connection, record: Intent | Decision, record_id: str) -> Duplicate | None:
    """The duplicate that another record makes this one."""
    if record.request_id is None:
        return None
    known = reading.lookup(connection, record.ea_name, record.request_id)
    return None if known is None or known.record_id == record_id else Duplicate(known)


def _common(record: Intent | Decision) -> tuple[Any, ...]:
    return (
        record.broker,
        record.ea_name,
        str(record.magic),
        record.symbol,
        record.request_id,
        record.fingerprint,
    )


def _log(chain: Chain, kind: str, record: Intent | Decision, record_id: str, body: Any) -> None:
    chain.append(
        kind,
        record.at,
        body,
        broker=record.broker,
        ea_name=record.ea_name,
        request_id=record.request_id,
        order_id=record_id,
    )


def _settle(connection: sqlite3.Connection, record: Settled, chain: Chain) -> Impossible | None:
    found = reading.order(connection, record.order_id)
    if found is None:
        _impossible(chain, record, None)
        return Impossible(record.order_id, OrderState.PROPOSED, record.state, None)
    if found.state is record.state:
        return None
    if not may_follow_record(found.state, record.state):
        _impossible(chain, record, found)
        return Impossible(record.order_id, found.state, record.state, found.reply)
    unknown = record.state is OrderState.UNKNOWN
    connection.execute(
        "UPDATE intents SET state = ?, known_by = ?, reply = ?, settled_at = ? WHERE order_id = ?",
        (
            record.state.value,
            record.known_by.value,
            None if unknown else text(record.reply),
            None if unknown else record.at,
            record.order_id,
        ),
    )
    body = {
        "state": record.state,
        "known_by": record.known_by,
        "magic": found.magic,
        "symbol": found.symbol,
        "order": found.body,
        "reply": record.reply,
        **record.note,
    }
    _log_of(chain, "outcome", record.at, body, found)
    return None


# Seen, and not obeyed: the record goes on to say what it said, since repeats were answered by it.
def _impossible(chain: Chain, record: Settled, found: OrderRecord | None) -> None:
    body = {
        "name": "impossible",
        "recorded": None if found is None else found.state,
        "refused": record.state,
        "known_by": record.known_by,
        "reply": record.reply,
    }
    if found is None:
        chain.append("event", record.at, body, order_id=record.order_id)
    else:
        _log_of(chain, "event", record.at, body, found)


def _log_of(chain: Chain, kind: str, at: float, body: Any, order: OrderRecord) -> None:
    chain.append(
        kind,
        at,
        body,
        broker=order.broker,
        ea_name=order.ea_name,
        request_id=order.request_id,
        order_id=order.order_id,
    )


def _release(connection: sqlite3.Connection, record: Released, chain: Chain) -> None:
    cursor = connection.execute(
        "UPDATE decisions SET released_at = ?, release_reason = ? WHERE decision_id = ? AND released_at IS NULL",
        (record.at, record.reason, record.decision_id),
    )
    if cursor.rowcount:
        chain.append("released", record.at, {"reason": record.reason}, order_id=record.decision_id)


# --- what holds ----------------------------------------------------------------------------------------------------


def _set(connection: sqlite3.Connection, record: Setting, chain: Chain) -> None:
    if record.value is None:
        cursor = connection.execute("DELETE FROM settings WHERE key = ?", (record.key,))
        changed = bool(cursor.rowcount)
    else:
        value = text(record.value)
        cursor = connection.execute(
            "INSERT INTO settings VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, "
            "at = excluded.at WHERE value <> excluded.value",
            (record.key, value, record.at),
        )
        changed = bool(cursor.rowcount)
    if changed and record.logged:
        kind, _, name = record.key.partition(":")
        broker = name if kind == "state" else None
        ea_name = name if kind == "multiplier" else None
        body = {"key": record.key, "value": record.value}
        chain.append("setting", record.at, body, broker=broker, ea_name=ea_name)


def _hold(connection: sqlite3.Connection, record: Holding, chain: Chain) -> None:
    place = (record.broker, record.kind, str(record.ticket))
    if record.data is None:
        cursor = connection.execute("DELETE FROM holdings WHERE broker = ? AND kind = ? AND ticket = ?", place)
        changed = bool(cursor.rowcount)
    else:
        keep = "NOTHING" if record.kind == FINAL_KIND else _REPLACE
        cursor = connection.execute(
            f"INSERT INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO {keep}",  # noqa: S608
            (*place, record.at, record.order_id, record.cause, text(record.data)),
        )
        changed = bool(cursor.rowcount)
    if changed:
        body = {"ticket": record.ticket, "cause": record.cause, "data": record.data}
        chain.append(record.kind, record.at, body, broker=record.broker, order_id=record.order_id)


_REPLACE: Final = (
    "UPDATE SET body = excluded.body, at = excluded.at, order_id = coalesce(excluded.order_id, order_id), "
    "cause = excluded.cause WHERE body <> excluded.body"
)


# --- the probe -----------------------------------------------------------------------------------------------------

_PROBE: Final = b"\0" * 8192  # more than one page: a full disk must not pass


def write_and_forget(connection: sqlite3.Connection) -> None:
    """Write something and take it back: raises what a record would."""
    connection.execute("INSERT OR REPLACE INTO settings VALUES ('probe', ?, 0)", (_PROBE,))
    connection.execute("DELETE FROM settings WHERE key = 'probe'")
