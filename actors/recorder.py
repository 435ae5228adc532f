"""The actor round the journal: keeps its writer running, first up and last down."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import attrs

from actors.runtime import Inbox, run_until_stopping


class Writer(Protocol):
    """What keeps a journal writing; see `quantmind.adapters.journal.SqliteJournal.run`."""

    async def run(self, opened: Any) -> None: ...


@attrs.define
class Recorder:
    """Runs the writer until asked to stop; the writer then finishes what is queued."""

    writer: Writer

    async def __call__(self, inbox: Inbox[Any]) -> None:
        await run_until_stopping(inbox, partial(self.writer.run, inbox.ready))
