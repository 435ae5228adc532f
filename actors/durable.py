"""Waiting for the journal, within a limit: a disk that hangs must hold up no reduction and no answer."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

import trio

from quantmind.errors import JournalDown
from quantmind.ports import Duplicate, Journal, Record

T = TypeVar("T")

WITHIN_S = 1.0
"""Several of these fit into the time that a door gives a command."""


async def within(answer: Awaitable[T], seconds: float = WITHIN_S) -> T:
    """The journal's answer to a call. A record that was not kept in time may still become durable later.

    Raises:
        JournalDown: it says so, or has not answered.
    """
    with trio.move_on_after(seconds):
        return await answer
    raise JournalDown(f"it has not answered for {seconds:g} s")


async def append(journal: Journal, records: Sequence[Record]) -> Sequence[Duplicate | None]:
    """As `Journal.append`, but within the limit. Raises JournalDown."""
    return await within(journal.append(records))
