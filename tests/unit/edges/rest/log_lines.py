"""A log in memory, as the REST door sees it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from command_path import InlineJournal

from quantmind.adapters.journal.chain import START, digest
from quantmind.adapters.journal.pages import read_page
from quantmind.errors import JournalDown
from quantmind.ports import LogQuery
from quantmind.records import Entry, Extent, LogPage

KINDS = ("intent", "outcome", "setting")


@attrs.define(eq=False)
class LogLines:
    """Implements `quantmind.ports.PagedLog`. `down`: it can't be read; `step`: lines that a page looks at.

    `journal`: what `entries` reads of an order, so that it is what was recorded.
    """

    journal: InlineJournal | None = None

    lines: list[Entry] = attrs.field(factory=list)
    down: str | None = None
    step: int = 1000
    asked: list[LogQuery] = attrs.field(factory=list)

    def put(self, count: int, now: float = 1795424400.123) -> None:
        """Append lines of three kinds in turn, whose bodies have numbers that must not lose a digit."""
        before = self.lines[-1].hash if self.lines else START
        for seq in range(len(self.lines) + 1, len(self.lines) + count + 1):
            body = f'{{"n":{seq},"volume":0.10}}'
            line = Entry(seq, round(now * 1e6) + seq, KINDS[seq % 3], "demo", "alpha", f"r{seq}", f"o{seq % 2}", body)
            before = digest(before, line)
            self.lines.append(attrs.evolve(line, hash=before))

    async def page(self, ask: LogQuery) -> LogPage:
        self.asked.append(ask)
        if self.down is not None:
            raise JournalDown(self.down)
        extent = Extent(1 if self.lines else 0, len(self.lines), self.lines[-1].hash if self.lines else START)
        area = [line for line in self.lines if line.seq > ask.after and line.seq < (ask.before or len(self.lines) + 1)]
        looked = (area[::-1] if ask.newest else area)[: self.step]
        found: list[Entry] = []
        through = ask.after
        for line in looked:
            through = line.seq
            if self._fits(line, ask):
                found.append(line)
            if len(found) == ask.limit:
                break
        more = bool(area) and through != (area[0] if ask.newest else area[-1]).seq
        return LogPage(found[::-1] if ask.newest else found, through, more, extent)

    async def entries(self, ask: LogQuery) -> Sequence[Entry]:
        if self.journal is None or ask.order_id is None:
            return (await self.page(ask)).entries
        await self.journal._trouble()
        return read_page(self.journal.connection, ask).entries

    async def extent(self) -> Extent:
        return (await self.page(LogQuery())).extent

    def _fits(self, line: Entry, ask: LogQuery) -> bool:
        filters = ("broker", "ea_name", "request_id", "order_id")
        return (
            (ask.kinds is None or line.kind in ask.kinds)
            and (ask.since_us is None or line.at_us >= ask.since_us)
            and all(getattr(ask, name) in (None, getattr(line, name)) for name in filters)
        )
