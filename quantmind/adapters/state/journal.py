"""The State port in the journal's store: what is set is a line of the log, and as durable as an order.

A journal that can't write keeps what is set in its emergency file until it can.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from quantmind.errors import JournalDown, StateDown
from quantmind.ports import Journal
from quantmind.records import Setting

PREFIX: Final = "router:"
"""Before each key, since the journal keeps settings of others too."""


@attrs.define(eq=False)
class JournalState:
    """Keeps the values as settings of a journal."""

    journal: Journal
    durable: bool = attrs.field(default=True, init=False)

    async def load(self) -> Sequence[Setting]:
        """See `quantmind.ports.State`."""
        try:
            settings = await self.journal.settings()
        except JournalDown as exc:
            raise StateDown(str(exc)) from exc
        return [
            attrs.evolve(setting, key=setting.key.removeprefix(PREFIX))
            for setting in settings
            if setting.key.startswith(PREFIX)
        ]

    async def put(self, changes: Sequence[Setting]) -> None:
        """See `quantmind.ports.State`."""
        if not changes:
            return
        records = [attrs.evolve(change, key=PREFIX + change.key) for change in changes]
        try:
            await self.journal.append(records)
        except JournalDown as exc:
            await self._keep_aside(records, exc)

    # What people set must outlive a process that dies before the journal works again; what was seen is seen again.
    async def _keep_aside(self, records: Sequence[Setting], why: JournalDown) -> None:
        if not all(record.logged for record in records):
            raise StateDown(str(why)) from why
        try:
            await self.journal.keep_aside(records)
        except JournalDown as exc:
            raise StateDown(f"{why}; and beside it: {exc}") from exc
