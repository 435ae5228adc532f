"""Connections that turn out to be of no use are closed: all of a process share one view of the write-ahead log."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import pytest
import trio

from quantmind.adapters.journal import SqliteJournal, writer
from quantmind.errors import JournalDown
from quantmind.records import Setting


class Counted(sqlite3.Connection):
    """Keeps how many of its kind are open."""

    still_open: ClassVar[set[int]] = set()

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.still_open.add(id(self))

    def close(self) -> None:
        super().close()
        self.still_open.discard(id(self))


async def test_a_new_connection_that_cannot_write_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other on a disk that is read-only for a while; then the journal goes on by itself."""
    connect, commit = sqlite3.connect, writer.commit
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **more: connect(*given, factory=Counted, **more))
    Counted.still_open.clear()

    def refuse(*_: Any) -> bool:
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY
        raise error

    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    setting = Setting("state:demo", {"state": "halted"}, 1.0)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            opened = trio.Event()
            nursery.start_soon(journal.run, opened.set)
            await opened.wait()
            monkeypatch.setattr(writer, "commit", refuse)
            for _ in range(20):
                with pytest.raises(JournalDown, match="readonly"):
                    await journal.append([setting])
                assert len(Counted.still_open) <= 1
            monkeypatch.setattr(writer, "commit", commit)
            await journal.append([setting])
            assert journal.down is None
            nursery.cancel_scope.cancel()
    assert Counted.still_open == set()
