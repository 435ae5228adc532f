"""Lines and rows side by side: what a line tells of an order or a decision, and whether a row says the same."""

from __future__ import annotations

import contextlib
import itertools
import operator
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec

from quantmind.adapters.journal.faults import Findings

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_plain = msgspec.json.Decoder().decode


@attrs.frozen
class Kept:
    """What the log still has: its first line's number and time, and how far times can be trusted.

    `taken_over` counts the rows of each table that are older than the log; `began_us` is when it began.
    """

    first_seq: int
    first_us: int
    steady: bool
    began_us: int = 0
    taken_over: Mapping[str, int] = attrs.field(factory=dict)


@attrs.frozen
class Line:
    """A line of the log, its body taken apart."""

    seq: int
    at_us: int
    kind: str
    broker: str | None
    ea_name: str | None
    request_id: str | None
    fields: Mapping[str, msgspec.Raw]

    def text(self, name: str) -> str | None:
        """A field's JSON text; None where there is none."""
        raw = self.fields.get(name)
        return None if raw is None else bytes(raw).decode()

    def value(self, name: str) -> Any:
        """A field's value; None where there is none."""
        raw = self.fields.get(name)
        return None if raw is None else _plain(raw)


LINE: Final = "seq, at_us, kind, broker, ea_name, request_id, body"
"""The columns that a `Line` is made of."""
_WIDTH: Final = len(LINE.split(","))


def lines_of(connection: sqlite3.Connection, order_id: Any, *kinds: str) -> list[Line]:
    """The lines of these kinds of an order or a decision, oldest first."""
    marks = ", ".join("?" * len(kinds))
    sql = f"SELECT {LINE} FROM log WHERE order_id = ? AND kind IN ({marks}) ORDER BY seq"  # noqa: S608
    return _lines(connection.execute(sql, (order_id, *kinds)))


def rows_with_lines(
    connection: sqlite3.Connection, table: str, columns: str, *kinds: str
) -> Iterator[tuple[Sequence[Any], list[Line]]]:
    """Each row of a table whose first column is an order's id, with the lines of these kinds, oldest first."""
    own = ", ".join(f"t.{name.strip()}" for name in columns.split(","))
    its = ", ".join(f"l.{name.strip()}" for name in LINE.split(","))
    key = columns.partition(",")[0]
    marks = ", ".join("?" * len(kinds))
    found = connection.execute(
        f"SELECT {own}, {its} FROM {table} t LEFT JOIN log l ON l.order_id = t.{key} AND l.kind IN ({marks}) "  # noqa: S608
        f"ORDER BY t.{key}, l.seq",
        kinds,
    )
    for _, rows in itertools.groupby(found, key=operator.itemgetter(0)):
        together = list(rows)
        yield together[0][:-_WIDTH], _lines(row[-_WIDTH:] for row in together if row[-_WIDTH] is not None)


# What is no line is left out: that was told when the chain was checked.
def _lines(rows: Iterable[Sequence[Any]]) -> list[Line]:
    found = []
    for seq, at_us, kind, broker, ea_name, request_id, body in rows:
        with contextlib.suppress(msgspec.DecodeError, UnicodeError, TypeError, RecursionError):
            found.append(Line(seq, at_us, kind, broker, ea_name, request_id, _fields(body)))
    return found


@attrs.frozen
class Row:
    """Compares a row with its line."""

    findings: Findings
    where: str
    line: Line

    def same(self, column: str, expected: Any, found: Any) -> None:
        """A column must have a value; the type counts, too."""
        if type(expected) is not type(found) or expected != found:
            what = f"{column} is not what line {self.line.seq} says"
            self.findings.fault(self.where, what, seq=self.line.seq, values=(expected, found))

    def same_time(self, column: str, expected_us: int | None, found: Any) -> None:
        """A time, Unix seconds in the row and microseconds in the line, or none in both."""
        found_us = us(found)
        self.same(column, expected_us, found if found_us is None else found_us)

    def same_names(self, broker: Any, ea_name: Any, request_id: Any, magic: Any, symbol: Any) -> None:
        """What a row of an order or a decision has in common with each of its lines."""
        line = self.line
        self.same("broker", line.broker, broker)
        self.same("ea_name", line.ea_name, ea_name)
        self.same("request_id", line.request_id, request_id)
        self.same("magic", line.text("magic"), magic)
        self.same("symbol", line.value("symbol"), symbol)


def us(at: Any) -> int | None:
    """Unix microseconds of a row's time, as its line has it; None if it is none."""
    return round(at * 1e6) if type(at) in (int, float) and abs(at) < 1e12 else None
