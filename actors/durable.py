"""Waiting for the journal, within a limit: a disk that hangs must hold up no reduction and no answer."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from quantmind.errors import JournalDown
from quantmind.ports import Duplicate, Journal, Record

WITHIN_S = 1.0
"""Several of these fit into the time that a door gives a command."""


async def append(journal: Journal, records: Sequence[Record]) -> Sequence[Duplicate | None]:
    """As `Journal.append`. Records that were not kept in time may still become durable later.

    Raises:
        JournalDown: they are not durable now.
    """
    with trio.move_on_after(WITHIN_S):
        return await journal.append(records)
    raise JournalDown(f"it has not answered for {WITHIN_S:g} s")
