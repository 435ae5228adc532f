"""The actor round the journal: keeps its writer running, first up and last down."""

from __future__ import annotations

from typing import Any, Protocol

import attrs
import trio

from actors.runtime import Inbox


class Writer(Protocol):
    """What keeps a journal writing; see `quantmind.adapters.journal.SqliteJournal.run`."""

    async def run(self, opened: Any) -> None: ...


@attrs.define
class Recorder:
    """Runs the writer until asked to stop; the writer then finishes what is queued."""

    writer: Writer

    async def __call__(self, inbox: Inbox[Any]) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.writer.run, inbox.ready)
            await inbox.wait_stopping()
            nursery.cancel_scope.cancel()
