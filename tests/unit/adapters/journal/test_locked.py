"""Another program that has the lock: three tries with growing waits between them, then a state that ends by itself."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from quantmind.adapters.journal import SqliteJournal, sqlite, writer
from quantmind.adapters.journal.group import Job
from quantmind.adapters.journal.writer import Writer
from quantmind.errors import JournalDown
from quantmind.records import Setting

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
print("released", flush=True)
"""
HALTED = Setting("state:demo", {"state": "halted"}, 1.0)


@attrs.define
class Holder:
    """Another process with the write lock."""

    process: subprocess.Popen[str]
    held: bool = True

    def release(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.stdout.readline() == "released\n"
        self.held = False


@contextlib.contextmanager
def holding(file: Path) -> Iterator[Holder]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    holder = Holder(process)
    try:
        yield holder
    finally:
        if holder.held:
            holder.release()
        process.wait()
        process.stdout.close()


@attrs.define
class Tries:
    """Tries of groups that someone waits for, and the waits between them."""

    made: int = 0
    waits: list[float] = attrs.field(factory=list)
    while_waiting: Callable[[], None] = lambda: None


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Tries:
    """Counts instead of waiting; nothing is written but what a test asks for."""
    counted = Tries()
    try_group = Writer._try_group

    def count(self: Writer, connection: object, group: list[Job]) -> object:
        counted.made += 1
        return try_group(self, connection, group)  # type: ignore[arg-type]

    def wait(seconds: float) -> None:
        counted.waits.append(seconds)
        counted.while_waiting()

    monkeypatch.setattr(Writer, "_try_group", count)
    monkeypatch.setattr(writer.time, "sleep", wait)
    monkeypatch.setattr(sqlite, "PROBE_EVERY_S", 0.5)
    return counted


@asynccontextmanager
async def running(file: Path, tries: Tries) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(file)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            opened = trio.Event()
            nursery.start_soon(journal.run, opened.set)
            await opened.wait()
            while journal.statistics.commits < 2:  # its first look, and pruning
                await trio.sleep(0.01)
            tries.made = 0
            yield journal
            nursery.cancel_scope.cancel()


async def test_three_tries_and_then_down(tmp_path: Path, tries: Tries, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group is tried three times, after 50 and 100 ms; then its callers hear JournalDown, and reading goes on."""
    monkeypatch.setattr(sqlite, "PROBE_EVERY_S", 60.0)
    async with running(tmp_path / "journal.sqlite3", tries) as journal:
        await journal.append([HALTED])
        with holding(journal.path):
            tries.made = 0
            with pytest.raises(JournalDown, match=r"journal\.sqlite3: database is locked"):
                await journal.append([Setting("state:demo", {"state": "active"}, 2.0)])
            assert (tries.made, tries.waits) == (writer.TRIES, [0.05, 0.1]) == (3, [0.05, 0.1])
            assert "locked" in str(journal.down)
            assert await journal.settings() == [HALTED]
            assert journal.statistics.failures == 1


@pytest.mark.parametrize("released_in_wait", [1, 2])
async def test_a_lock_that_ends_in_time_is_not_noticed(tmp_path: Path, tries: Tries, released_in_wait: int) -> None:
    """A lock that is given back between two tries costs the wait and nothing else."""
    async with running(tmp_path / "journal.sqlite3", tries) as journal:
        with holding(journal.path) as holder:

            def release_then() -> None:
                if len(tries.waits) == released_in_wait:
                    holder.release()

            tries.while_waiting = release_then
            assert await journal.append([HALTED]) == [None]
            assert tries.made == released_in_wait + 1
            assert (journal.down, journal.statistics.failures) == (None, 0)


async def test_it_resumes_by_itself(tmp_path: Path, tries: Tries) -> None:
    """After the lock was given back it is up again without anyone asking, and what was refused is not there."""
    async with running(tmp_path / "journal.sqlite3", tries) as journal:
        with holding(journal.path):
            with pytest.raises(JournalDown):
                await journal.append([HALTED])
            while journal.statistics.failures < 3:  # it tries by itself, in vain
                await trio.sleep(0.01)
            assert journal.down is not None
        while journal.down is not None:
            await trio.sleep(0.01)
        assert await journal.settings() == []
        assert await journal.append([HALTED]) == [None]


async def test_locked_at_the_start(tmp_path: Path, tries: Tries) -> None:
    """A file that is locked when the journal starts is a state, too, and is read all the same."""
    file = tmp_path / "journal.sqlite3"
    async with running(file, tries) as journal:
        await journal.append([HALTED])
    with holding(file):
        journal = SqliteJournal(file)
        async with trio.open_nursery() as nursery:
            opened = trio.Event()
            nursery.start_soon(journal.run, opened.set)
            with trio.fail_after(30):
                await opened.wait()
            assert "locked" in str(journal.down)
            assert await journal.settings() == [HALTED]
            nursery.cancel_scope.cancel()
