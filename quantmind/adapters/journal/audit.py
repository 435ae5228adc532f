"""The whole journal checked: its file, its chain, its head, its tables; or what an export of it can prove."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec

from quantmind.adapters.journal.comparing import Kept
from quantmind.adapters.journal.exports import parse, time_of
from quantmind.adapters.journal.faults import Fault, Findings
from quantmind.adapters.journal.latest import Latest
from quantmind.adapters.journal.lines import COLUMNS, tolerate
from quantmind.adapters.journal.pages import snapshot
from quantmind.adapters.journal.readonly import BROKEN, open_to_read
from quantmind.adapters.journal.schema import prepare
from quantmind.adapters.journal.tables import TableCheck
from quantmind.adapters.journal.verify import ChainCheck, Noted, Pruned
from quantmind.records import Entry

FILE_FAULTS: Final = 20
"""So many faults of the file itself are asked for."""


@attrs.frozen
class Report:
    """What a check has come to. `last` is the head: whoever notes its number and hash elsewhere can compare later."""

    lines: int
    first: Entry | None
    last: Entry | None
    pruned: Pruned | None
    pruned_at_us: int | None
    faults: tuple[Fault, ...]
    fault_count: int
    notes: tuple[str, ...]
    note_count: int

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return self.fault_count == 0


def verify_journal(path: Path, *, now: float, noted: Noted | None = None) -> Report:
    """Check a journal's file, also while a gateway writes it. `now` is Unix seconds.

    All of it is read as it is at one moment; until the end the write-ahead log can't be cut back.

    Raises:
        JournalDown: it can't be opened, or is of another version.
    """
    try:
        return _verify(path, now, noted, tolerant=False)
    except _NoTextError:
        return _verify(path, now, noted, tolerant=True)


class _NoTextError(Exception):
    """There are bytes that are no UTF-8: they have to be read in a way that takes longer."""


def _verify(path: Path, now: float, noted: Noted | None, *, tolerant: bool) -> Report:
    findings = Findings()
    now_us = round(now * 1e6)

    def tell(where: str, what: str, error: Exception) -> None:
        if not tolerant and (isinstance(error, UnicodeDecodeError) or str(error).startswith("Could not decode")):
            raise _NoTextError from error
        findings.fault(where, f"{what}: {error}")

    with open_to_read(path) as connection:
        if tolerant:
            tolerate(connection)
        try:
            _check_file(connection, findings)
        except BROKEN as error:
            tell("file", "SQLite can't check it", error)
        with snapshot(connection):
            check = ChainCheck(findings, noted=noted, now_us=now_us)
            latest = Latest(connection)
            began: Entry | None = None
            try:
                for row in connection.execute(f"SELECT {COLUMNS} FROM log ORDER BY seq"):  # noqa: S608
                    line = check.feed(row)
                    if line is not None:
                        latest.feed(line)
                        began = line if line.seq == 1 else began
            except BROKEN as error:
                after = "" if check.last is None else f" after line {check.last.seq}"
                tell("log", f"it can't be read{after}", error)
            check.finish()
            try:
                _check_head(connection, findings, check.last)
                if check.first is not None:
                    kept = _kept(check.first, began, steady=not check.went_back)
                    TableCheck(connection, findings, kept, now_us).run(latest)
            except BROKEN as error:
                tell("tables", "they can't be read", error)
    return _report(check)


def verify_export(lines: Iterable[bytes], *, now: float, noted: Noted | None = None, selection: bool = False) -> Report:
    """Check the lines of an export in JSON lines. `selection`: lines were left out of it on purpose.

    It proves that no line in it was changed, and unless it is a selection that none is missing between two of them;
    what comes before its first and after its last line it can't know.
    """
    findings = Findings()
    check = ChainCheck(findings, whole=False, selection=selection, noted=noted, now_us=round(now * 1e6))
    for number, text in enumerate(lines, 1):
        try:
            row, before, time = parse(text)
        except ValueError as error:
            findings.fault(f"row {number} of the export", f"it is no line of a journal: {error}")
            continue
        entry = check.feed(row, before)
        if entry is not None and time != time_of(entry):
            findings.line(entry.seq, "its time is not its at_us", values=(time_of(entry), time))
    check.finish()
    return _report(check)


def _check_file(connection: sqlite3.Connection, findings: Findings) -> None:
    for (told,) in connection.execute(f"PRAGMA integrity_check({FILE_FAULTS})"):
        if told != "ok":
            findings.fault("file", str(told))
    found, wanted = _schema(connection), _own_schema()
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            findings.fault("file", f"{name} is not as a journal has it", values=(wanted.get(name), found.get(name)))


def _schema(connection: sqlite3.Connection) -> Mapping[str, Any]:
    # Whoever ran ANALYZE has tables of SQLite's own.
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return {f"{kind} {name}": sql for kind, name, sql in rows}


def _own_schema() -> Mapping[str, Any]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        prepare(connection, durable=False)
        return _schema(connection)
    finally:
        connection.close()


def _check_head(connection: sqlite3.Connection, findings: Findings, last: Entry | None) -> None:
    rows = connection.execute("SELECT seq, hash FROM head LIMIT 2").fetchall()
    if len(rows) != 1:
        findings.fault("head", f"it has {len(rows) or 'no'} rows, it must have one")
        return
    seq, hashed = rows[0]
    if last is None or (seq, hashed) == (last.seq, last.hash):
        return
    if type(seq) is int and seq > last.seq:
        findings.fault("head", f"lines were taken off the end: it is line {seq}, the log ends with {last.seq}")
    else:
        values = (f"{last.seq}:{last.hash.hex()}", f"{seq}:{hashed.hex() if type(hashed) is bytes else hashed}")
        findings.fault("head", "it is not the log's last line", values=values)


class _Began(msgspec.Struct, frozen=True):
    taken_over: dict[str, int]


_began = msgspec.json.Decoder(_Began).decode


def _kept(first: Entry, began: Entry | None, *, steady: bool) -> Kept:
    taken_over: Mapping[str, int] = {}
    if began is not None:
        try:
            taken_over = _began(began.body).taken_over
        except msgspec.DecodeError:
            taken_over = {}
    return Kept(first.seq, first.at_us, steady, 0 if began is None else began.at_us, taken_over)


def _report(check: ChainCheck) -> Report:
    findings, pruned = check.findings, check.pruned
    return Report(
        lines=check.lines,
        first=check.first,
        last=check.last,
        pruned=None if pruned is None else pruned[1],
        pruned_at_us=None if pruned is None else pruned[0].at_us,
        faults=tuple(findings.faults),
        fault_count=findings.fault_count,
        notes=tuple(findings.notes),
        note_count=findings.note_count,
    )
