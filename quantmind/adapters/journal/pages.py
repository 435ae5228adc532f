"""Lines of the log in steps of bounded work: what matches, and how far the search came.

Only one filter has an index (`order_id`): another would cost each order a page written to disk, and a search costs the
one who searches. It looks at a slice of the lines at a time, and may end between two of them.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import attrs

from quantmind.adapters.journal import reading
from quantmind.adapters.journal.lines import COLUMNS, entry
from quantmind.ports import LogQuery
from quantmind.records import Entry, Extent, LogPage

MAX_LIMIT: Final = 10_000
"""So many lines can be asked for at once."""
SLICE: Final = 8192
"""So many lines are looked at in one statement: some milliseconds."""


def check(ask: LogQuery) -> None:
    """Whether that much can be asked for.

    Raises:
        ValueError: it can't; a bug of whoever asks.
    """
    if not 1 <= ask.limit <= MAX_LIMIT:
        raise ValueError(f"the limit is {ask.limit}, it must be from 1 to {MAX_LIMIT}; ask in several steps")


def never() -> bool:
    """What has no end."""
    return False


def read_page(
    connection: sqlite3.Connection,
    ask: LogQuery,
    *,
    enough: Callable[[], bool] = never,
    most_bytes: int | None = None,
    made: Callable[[Sequence[Any]], Entry] = entry,
) -> LogPage:
    """What matches, up to `limit` lines, until `enough` says so between two slices, or the bodies are `most_bytes`.

    `made` makes a line of a row: `entry` is strict and the default, `mend` takes any.

    Raises:
        sqlite3.Error: it can't be read, or a line is not as a journal writes it.
    """
    with snapshot(connection):
        return _read(connection, ask, enough, most_bytes, made)


@contextlib.contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read in the block is of one moment; inside another such block nothing new."""
    inside = connection.in_transaction
    if inside:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _read(
    connection: sqlite3.Connection,
    ask: LogQuery,
    enough: Callable[[], bool],
    most_bytes: int | None,
    made: Callable[[Sequence[Any]], Entry],
) -> LogPage:
    extent = reading.extent(connection)
    low = max(ask.after, extent.first - 1)
    high = _last(connection)
    if ask.before is not None:
        high = min(high, ask.before - 1)
    wheres, values = _filter(ask)
    step = SLICE if wheres and ask.order_id is None else max(high - low, 1)
    found = _Found(ask.limit, most_bytes, made)
    while low < high:
        begin, end = (max(low, high - step), high) if ask.newest else (low, min(high, low + step))
        where, way = " AND ".join(["seq > ?", "seq <= ?", *wheres]), "DESC" if ask.newest else "ASC"
        # Of names of ours alone.
        sql = f"SELECT {COLUMNS} FROM log WHERE {where} ORDER BY seq {way} LIMIT ?"  # noqa: S608
        rows = connection.execute(sql, (begin, end, *values, found.room))
        full = found.take(rows)
        if full:
            begin = end = found.entries[-1].seq
            begin -= 1
        low, high = (low, begin) if ask.newest else (end, high)
        if full or enough():
            break
    through = high + 1 if ask.newest else low
    return LogPage(found.entries[::-1] if ask.newest else found.entries, through, low < high, extent)


# Not by the head, which may lie: what is there is shown.
def _last(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT max(seq) FROM log").fetchone()
    return last or 0


def _filter(ask: LogQuery) -> tuple[list[str], list[Any]]:
    wheres: list[str] = []
    values: list[Any] = []
    if ask.kinds is not None:
        wheres.append(f"kind IN ({', '.join('?' * len(ask.kinds))})")
        values += sorted(ask.kinds)
    if ask.since_us is not None:
        wheres.append("at_us >= ?")
        values.append(ask.since_us)
    for column in ("broker", "ea_name", "request_id", "order_id"):
        value = getattr(ask, column)
        if value is not None:
            wheres.append(f"{column} = ?")
            values.append(value)
    return wheres, values


@attrs.define
class _Found:
    limit: int
    most_bytes: int | None
    made: Callable[[Sequence[Any]], Entry]
    entries: list[Entry] = attrs.field(factory=list)
    size: int = 0

    @property
    def room(self) -> int:
        return self.limit - len(self.entries)

    def take(self, rows: sqlite3.Cursor) -> bool:
        """Whether that was all there is room for."""
        for row in rows:
            self.entries.append(self.made(row))
            self.size += len(self.entries[-1].body)
            if self.most_bytes is not None and self.size >= self.most_bytes:
                rows.close()
                return True
        return self.room == 0


def read_extent(connection: sqlite3.Connection) -> Extent:
    """What the log holds, of one moment."""
    with snapshot(connection):
        return reading.extent(connection)
