"""The log of an `InlineJournal`: the Log port in the caller's own step, with switches; and lines without a wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import trio

from quantmind.adapters.journal import pages, rows
from quantmind.adapters.journal.chain import Chain
from quantmind.errors import JournalDown
from quantmind.ports import LogQuery
from quantmind.records import Entry, Extent, Record


def write(connection: sqlite3.Connection, *records: Record) -> list[Entry]:
    """Write records in one commit, telling nobody; the lines that they made."""
    connection.execute("BEGIN IMMEDIATE")
    chain = Chain(connection)
    rows.write_all(connection, records, chain)
    chain.finish()
    connection.execute("COMMIT")
    return chain.entries


@attrs.define(eq=False)
class InlineLog:
    """Reads the log of an `InlineJournal`. `fails`: raise JournalDown; `before`: awaited before lines are read."""

    connection: sqlite3.Connection
    fails: str | None = None
    before: Callable[[LogQuery], Any] | None = None
    asked: list[LogQuery] = attrs.field(factory=list)

    async def entries(self, ask: LogQuery) -> Sequence[Entry]:
        await self._trouble()
        self.asked.append(ask)
        if self.before is not None:
            await self.before(ask)
        return pages.read_page(self.connection, ask).entries

    async def extent(self) -> Extent:
        await self._trouble()
        return pages.read_extent(self.connection)

    async def _trouble(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.fails is not None:
            raise JournalDown(self.fails)
