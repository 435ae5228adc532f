"""Waiting for the journal, within a limit: a disk that hangs must hold up no reduction and no answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import attrs
import trio

from actors.boards import Patience
from quantmind.errors import JournalDown
from quantmind.ports import Journal
from quantmind.records import Record, Result

logger = logging.getLogger("quantmind.journal")

T = TypeVar("T")

WITHIN_S = 1.0
"""Several of these fit into the time that a door gives a command."""
KEEP_WITHIN_S = 0.25
"""Of it, for the emergency file."""
AGAIN_S = 0.1
"""After a try that failed, until one works: many times what a disk takes that is well."""


async def within(answer: Awaitable[T], seconds: float = WITHIN_S) -> T:
    """The journal's answer to a call. A record that was not kept in time may still become durable later.

    Raises:
        JournalDown: it says so, or has not answered.
    """
    with trio.move_on_after(seconds):
        return await answer
    raise JournalDown(f"it has not answered for {seconds:g} s")


async def append(journal: Journal, records: Sequence[Record]) -> Sequence[Result]:
    """As `Journal.append`, but within the limit. Raises JournalDown."""
    return await within(journal.append(records))


@attrs.define(eq=False)
class Scribe:
    """Writes for an actor that must not be held up: what it waits in all is WITHIN_S, and little while that fails."""

    journal: Journal
    patience: Patience

    async def append(self, records: Sequence[Record]) -> Sequence[Result]:
        """As `Journal.append`, within the limit. Raises JournalDown."""
        limit = AGAIN_S if self.patience.lost else WITHIN_S - KEEP_WITHIN_S
        try:
            results = await within(self.journal.append(records), limit)
        except JournalDown:
            self.patience.lost = True
            raise
        self.patience.lost = False
        return results

    async def keep_aside(self, records: Sequence[Record]) -> bool:
        """As `Journal.keep_aside`, within the limit; False: it could not be kept, which is logged."""
        try:
            await within(self.journal.keep_aside(records), KEEP_WITHIN_S)
        except JournalDown as exc:
            logger.error("lose.aside records=%d reason=%s", len(records), exc)
            return False
        return True
