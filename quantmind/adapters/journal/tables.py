"""The tables against the log: each row must say what its newest line says, as far as the log still has it.

A row's line and the row are written in one transaction, so a row that was added, changed or taken away shows, unless
its lines were pruned. What no line tells can't be checked: settings that are not logged, and what was before the log.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec

from quantmind.adapters.journal.comparing import Kept, Line, Row, lines_of, rows_with_lines, us
from quantmind.adapters.journal.faults import Findings
from quantmind.adapters.journal.latest import Latest, holding_body
from quantmind.adapters.journal.retention import DEALS_AT_LEAST, KEYS_AT_LEAST_S

SLACK_US: Final = 60_000_000
"""Lines are in order of their commits, which is not quite that of their times."""
ALWAYS_LOGGED: Final = (
    "state:",
    "multiplier:",
    "hold:",
    "flatten:",
    "regime",
    "mandate",
    "router:regime",
    "router:mandate",
)
"""Settings of these kinds have a line for each change."""
PARTLY_LOGGED: Final = "risk:"
"""An account's book has a line where more of it changes than these, which change all the time."""
_UNTOLD: Final = frozenset({"seen", "highest_equity"})
_KEPT_US: Final = round(KEYS_AT_LEAST_S * 1e6)
_OPEN: Final = frozenset({"intent", "unknown", "placed"})
"""Orders in these states are never pruned."""


@attrs.define(eq=False)
class TableCheck:
    """Compares each table with the log, over a connection inside one transaction. `now_us` is Unix microseconds."""

    connection: sqlite3.Connection
    findings: Findings
    kept: Kept
    now_us: int
    _older: dict[str, int] = attrs.field(factory=dict, init=False)

    def run(self, latest: Latest) -> None:
        """Check all of them."""
        self._intents()
        self._decisions()
        self._keys()
        self._settings(latest)
        self._holdings()
        for table, count in self._older.items():
            allowed = self.kept.taken_over.get(table, 0)
            if count > allowed:
                what = f"{count} rows are older than the log, and it began with {allowed}"
                self.findings.fault(table, what)

    # --- orders --------------------------------------------------------------------------------------------------

    def _intents(self) -> None:
        columns = (
            "order_id, broker, ea_name, magic, symbol, request_id, fingerprint, body, at, state, reply, known_by, "
        )
        rows = rows_with_lines(self.connection, "intents", columns + "settled_at", "intent", "outcome")
        for (order_id, broker, ea_name, magic, symbol, request_id, fingerprint, body, at, *settled), lines in rows:
            if not lines:
                self._no_line("intents", order_id, at)
                continue
            row = Row(self.findings, f"intents {order_id}", lines[0])
            row.same_names(broker, ea_name, request_id, magic, symbol)
            if lines[0].kind == "intent":
                row.same("fingerprint", lines[0].value("fingerprint"), fingerprint)
                row.same("body", lines[0].text("order"), body)
                row.same_time("at", lines[0].at_us, at)
            self._same_outcome(Row(self.findings, f"intents {order_id}", lines[-1]), *settled)
        self._absent_intents()
        self._absent_keys("intents", "order_id", f"state IN ({', '.join('?' * len(_OPEN))})", *sorted(_OPEN))

    def _same_outcome(self, row: Row, state: Any, reply: Any, known_by: Any, settled_at: Any) -> None:
        line = row.line
        row.same("state", line.value("state"), state)
        wanted: tuple[Any, Any, Any]
        if line.kind == "intent":
            wanted = (None, None, None)
        elif line.value("state") == "unknown":
            wanted = (line.value("known_by"), None, None)
        else:
            wanted = (line.value("known_by"), line.text("reply"), line.at_us)
        row.same("known_by", wanted[0], known_by)
        row.same("reply", wanted[1], reply)
        row.same_time("settled_at", wanted[2], settled_at)

    def _absent_intents(self) -> None:
        absent = self.connection.execute(
            "SELECT order_id, max(seq) FROM log WHERE kind IN ('intent', 'outcome') AND order_id IS NOT NULL AND NOT "
            "EXISTS (SELECT 1 FROM intents i WHERE i.order_id = log.order_id) GROUP BY order_id"
        )
        for order_id, seq in absent:
            lines = lines_of(self.connection, order_id, "intent", "outcome")
            if not lines:  # none can be read, which was told when the chain was checked
                continue
            # A row's age is that of the intent, however late its outcome came.
            young = lines[0].kind == "intent" and self._young(lines[0].at_us / 1e6)
            if lines[-1].value("state") in _OPEN or young:
                self._no_row("intents", order_id, seq)

    # --- decisions -----------------------------------------------------------------------------------------------

    def _decisions(self) -> None:
        columns = "decision_id, broker, ea_name, magic, symbol, request_id, fingerprint, approved, body, reply, at, "
        columns += "reservation, released_at, release_reason"
        rows = rows_with_lines(self.connection, "decisions", columns, "decision", "released")
        for (decision_id, broker, ea_name, magic, symbol, request_id, *said, released_at, reason), lines in rows:
            if not lines:
                self._no_line("decisions", decision_id, said[-2])
                continue
            where = f"decisions {decision_id}"
            if lines[0].kind == "decision":
                row = Row(self.findings, where, lines[0])
                row.same_names(broker, ea_name, request_id, magic, symbol)
                self._same_decision(row, *said)
            row = Row(self.findings, where, lines[-1])
            over = row.line.kind == "released"
            row.same_time("released_at", row.line.at_us if over else None, released_at)
            row.same("release_reason", row.line.value("reason") if over else None, reason)
        self._absent_decisions()
        self._absent_keys("decisions", "decision_id", "reservation IS NOT NULL AND released_at IS NULL")

    def _same_decision(
        self, row: Row, fingerprint: Any, approved: Any, body: Any, reply: Any, at: Any, reserved: Any
    ) -> None:
        line = row.line
        reservation = line.text("reservation")
        row.same("fingerprint", line.value("fingerprint"), fingerprint)
        row.same("approved", line.value("approved"), {0: False, 1: True}.get(approved, approved))
        row.same("body", line.text("command"), body)
        row.same("reply", line.text("reply"), reply)
        row.same("reservation", None if reservation == "null" else reservation, reserved)
        row.same_time("at", line.at_us, at)

    def _absent_decisions(self) -> None:
        # Those with a fingerprint are remembered, the others only logged; what is held back is kept until it is over.
        absent = self.connection.execute(
            "SELECT order_id, seq, at_us FROM log WHERE kind = 'decision' AND order_id IS NOT NULL AND NOT EXISTS "
            "(SELECT 1 FROM decisions d WHERE d.decision_id = log.order_id) AND (at_us > ? OR body LIKE ?)",
            (self.now_us - _KEPT_US, '%"reservation":{%'),
        )
        for decision_id, seq, at_us in absent:
            lines = lines_of(self.connection, decision_id, "decision", "released")
            if not lines or lines[0].kind != "decision":  # as above
                continue
            line = lines[0]
            held = line.value("reservation") is not None and len(lines) == 1
            if line.value("fingerprint") is not None and (held or self._young(at_us / 1e6)):
                self._no_row("decisions", decision_id, seq)

    # --- what a repeat is answered by ----------------------------------------------------------------------------

    def _keys(self) -> None:
        """Each key must be that of its order or decision, whose row was compared with the log."""
        others = self.connection.execute(
            "SELECT k.ea_name, k.request_id, k.fingerprint, k.at, k.kind, k.record_id, coalesce(i.order_id, "
            "d.decision_id) IS NOT NULL, coalesce(i.ea_name, d.ea_name), coalesce(i.request_id, d.request_id), "
            "coalesce(i.fingerprint, d.fingerprint), coalesce(i.at, d.at) FROM keys k "
            "LEFT JOIN intents i ON k.kind = 'intent' AND i.order_id = k.record_id "
            "LEFT JOIN decisions d ON k.kind = 'decision' AND d.decision_id = k.record_id "
            "WHERE (k.ea_name, k.request_id, k.fingerprint, k.at) IS NOT (coalesce(i.ea_name, d.ea_name), "
            "coalesce(i.request_id, d.request_id), coalesce(i.fingerprint, d.fingerprint), coalesce(i.at, d.at))"
        )
        for *key, kind, record_id, has_row, ea_name, request_id, fingerprint, at in others:
            name = f"{key[0]} {key[1]}"
            if kind not in ("intent", "decision"):
                self.findings.fault(f"keys {name}", "its kind is none", values=("intent or decision", kind))
            elif has_row:
                values = ((ea_name, request_id, fingerprint, at), tuple(key))
                self.findings.fault(f"keys {name}", f"it is not that of {kind} {record_id}", values=values)
            else:
                self._key_alone(name, key, lines_of(self.connection, record_id, kind))

    def _key_alone(self, name: str, key: Sequence[Any], lines: Sequence[Line]) -> None:
        if not lines:
            self._no_line("keys", name, key[3])
            return
        row = Row(self.findings, f"keys {name}", lines[0])
        row.same("ea_name", lines[0].ea_name, key[0])
        row.same("request_id", lines[0].request_id, key[1])
        row.same("fingerprint", lines[0].value("fingerprint"), key[2])
        row.same_time("at", lines[0].at_us, key[3])

    def _absent_keys(self, table: str, column: str, kept: str, *values: Any) -> None:
        """The request ids of what is open, or young, must be remembered."""
        first = (self.now_us - _KEPT_US + SLACK_US) / 1e6 if self.kept.steady else self.now_us / 1e6
        absent = self.connection.execute(
            f"SELECT t.{column}, t.ea_name, t.request_id FROM {table} t WHERE t.request_id IS NOT NULL AND "  # noqa: S608
            f"(({kept}) OR (t.at > ? AND t.at <= ?)) AND NOT EXISTS (SELECT 1 FROM keys k WHERE "
            f"k.ea_name = t.ea_name AND k.request_id = t.request_id AND k.record_id = t.{column})",
            (*values, first, self.now_us / 1e6),
        )
        for record_id, ea_name, request_id in absent:
            what = f"the table keys does not have its request {request_id} of {ea_name}"
            self.findings.fault(f"{table} {record_id}", what)

    # --- what holds ----------------------------------------------------------------------------------------------

    def _settings(self, latest: Latest) -> None:
        rows = {key: (value, at) for key, value, at in self.connection.execute("SELECT key, value, at FROM settings")}
        for key, newest in latest.settings.items():
            value, at = rows.pop(key, (None, None))
            where = f"settings {key}"
            if key.startswith(PARTLY_LOGGED):
                if _told(value) != _told(newest.value):
                    values = (newest.value, value)
                    self.findings.fault(where, f"it is not what line {newest.seq} says", seq=newest.seq, values=values)
            elif value != newest.value:
                self.findings.fault(
                    where, f"it is not what line {newest.seq} says", seq=newest.seq, values=(newest.value, value)
                )
            elif value is not None and us(at) != newest.at_us:
                self.findings.fault(
                    where, f"its time is not that of line {newest.seq}", seq=newest.seq, values=(newest.at_us, us(at))
                )
        for key, (_, at) in rows.items():
            if isinstance(key, str) and key.startswith(ALWAYS_LOGGED):
                self._no_line("settings", key, at)

    def _holdings(self) -> None:
        pairs = self.connection.execute(
            "SELECT h.broker, h.kind, h.ticket, h.at, h.order_id, h.cause, h.body, l.seq, l.gone, l.order_id, "
            "g.at_us, g.body FROM holdings h LEFT JOIN temp.latest l ON l.broker = h.broker AND l.kind = h.kind AND "
            "l.ticket = h.ticket LEFT JOIN log g ON g.seq = l.seq"
        )
        for broker, kind, ticket, at, order_id, cause, body, seq, gone, line_order, at_us, line_body in pairs:
            name = f"{broker} {kind} {ticket}"
            if seq is None:
                self._no_line("holdings", name, at)
                continue
            if gone:
                self.findings.fault(f"holdings {name}", f"line {seq} says that it is gone", seq=seq)
                continue
            try:
                said = holding_body(line_body)
            except (msgspec.DecodeError, UnicodeError, TypeError):  # or the line can't be found by its number
                self.findings.fault(f"holdings {name}", f"line {seq} can't be read", seq=seq)
                continue
            row = Row(self.findings, f"holdings {name}", Line(seq, at_us, kind, broker, None, None, {}))
            row.same("body", bytes(said.data).decode(), body)
            row.same("cause", said.cause, cause)
            row.same_time("at", at_us, at)
            if line_order is not None or self.kept.first_seq == 1:
                row.same("order_id", line_order, order_id)
        self._absent_holdings()

    def _absent_holdings(self) -> None:
        absent = self.connection.execute(
            "SELECT l.broker, l.kind, l.ticket, l.seq, g.at_us FROM temp.latest l JOIN log g ON g.seq = l.seq "
            "WHERE NOT l.gone AND NOT EXISTS (SELECT 1 FROM holdings h WHERE h.broker = l.broker AND h.kind = l.kind "
            "AND h.ticket = l.ticket)"
        )
        deals: dict[Any, int] = {}
        for broker, kind, ticket, seq, at_us in absent:
            if kind == "deal" and not self._young(at_us / 1e6):
                if broker not in deals:
                    counted = self.connection.execute(
                        "SELECT count(*) FROM holdings WHERE broker = ? AND kind = 'deal'", (broker,)
                    )
                    (deals[broker],) = counted.fetchone()
                if deals[broker] >= DEALS_AT_LEAST:  # old ones may have been pruned
                    continue
            self._no_row("holdings", f"{broker} {kind} {ticket}", seq)

    # --- rows without lines, lines without rows ------------------------------------------------------------------

    def _no_line(self, table: str, name: str, at: Any) -> None:
        judged = self._must_have_line(at)
        if judged is None:
            self._older[table] = self._older.get(table, 0) + 1
        elif judged:
            self.findings.fault(f"{table} {name}", "no line of the log tells of this row, and one of its time would")

    def _must_have_line(self, at: Any) -> bool | None:
        """Whether a row of that time has its line; None if it is older than a log that is all there."""
        at_us = us(at)
        if at_us is None:
            return True
        if self.kept.first_seq == 1:
            return None if at_us <= self.kept.began_us else True
        return self.kept.steady and self.kept.first_us + SLACK_US < at_us <= self.now_us

    def _no_row(self, table: str, name: str, seq: int) -> None:
        self.findings.fault(f"{table} {name}", f"line {seq} tells of this row, and it is not there", seq=seq)

    def _young(self, at: Any) -> bool:
        """It was written so short a time ago that no pruning can have taken it."""
        at_us = us(at)
        return at_us is not None and self.kept.steady and self.now_us - _KEPT_US + SLACK_US < at_us <= self.now_us


def _told(text: Any) -> Any:
    """What a line tells of a setting that is partly logged; the text itself where it can't be read."""
    try:
        value = json.loads(text)
        return {name: each for name, each in value.items() if name not in _UNTOLD}
    except (TypeError, ValueError, AttributeError, RecursionError):
        return text
