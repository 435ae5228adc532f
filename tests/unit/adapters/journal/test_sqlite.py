"""The journal on SQLite: what it returned for is on disk, each key acts once, and no trouble hangs a caller."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from quantmind.adapters.journal import SqliteJournal, sqlite
from quantmind.adapters.journal.schema import VERSION
from quantmind.adapters.journal.writer import Writer
from quantmind.domain.order_life import OrderState
from quantmind.errors import JournalDown
from quantmind.ports import OpenOrders
from quantmind.records import Decision, Duplicate, Impossible, Intent, Record, Released, Setting, Settled


@asynccontextmanager
async def running(path: Path, **options: Any) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(path, **{"clock": lambda: 100.0, **options})
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            opened = trio.Event()
            nursery.start_soon(journal.run, opened.set)
            await opened.wait()
            yield journal
            nursery.cancel_scope.cancel()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


def intent(order_id: str = "o1", request_id: str | None = "r1", **more: Any) -> Intent:
    given: dict[str, Any] = {
        "order_id": order_id,
        "broker": "demo",
        "ea_name": "alpha",
        "magic": 2**64 - 1,
        "symbol": "EURUSD",
        "request_id": request_id,
        "fingerprint": "f",
        "body": {"type": "trade_open", "volume": "0.10"},
        "at": 5.5,
    }
    return Intent(**{**given, **more})


def decision(decision_id: str = "d1", request_id: str | None = "r1", **more: Any) -> Decision:
    given: dict[str, Any] = {
        "decision_id": decision_id,
        "broker": "demo",
        "ea_name": "alpha",
        "magic": 7,
        "symbol": "EURUSD",
        "request_id": request_id,
        "fingerprint": "f",
        "approved": True,
        "body": {},
        "reply": {"status": "success", "max_volume": Decimal("0.10")},
        "at": 6.5,
        "reservation": {"side": "buy", "volume": "0.10", "valid_until": 99.5},
    }
    return Decision(**{**given, **more})


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.01)


# --- records -------------------------------------------------------------------------------------------------------


async def test_everything_comes_back_after_a_reopen(file: Path) -> None:
    """Each kind of record reads back as it was written, in another process's life too."""
    records: list[Record] = [
        intent(),
        intent("o2", "r2", broker="other"),
        intent("o3", None),
        Settled("o3", OrderState.FILLED, {"status": "success"}, 7.0),
        decision("d4", "r4"),
        decision("d5", "r5", reservation=None, approved=False),
        decision("d6", None),
        Released("d6", "over", 8.0),
        Setting("a", {"value": "1"}, 1.0),
        Setting("b", {"value": "2"}, 1.0),
        Setting("b", None, 2.0),
    ]
    async with running(file) as journal:
        assert await journal.append(records) == [None] * len(records)
        assert journal.down is None
    async with running(file) as journal:
        assert await journal.open_intents("demo") == [intent()]
        assert await journal.open_intents("other") == [intent("o2", "r2", broker="other")]
        assert await journal.open_reservations() == [decision("d4", "r4")]
        assert await journal.settings() == [Setting("a", {"value": "1"}, 1.0)]
        known = {item.request_id: item for item in await journal.known(10)}
        assert set(known) == {"r1", "r2", "r4", "r5"}
        assert known["r1"].reply is None
        assert known["r4"].reply == {"status": "success", "max_volume": Decimal("0.10")}
        assert str(known["r4"].reply["max_volume"]) == "0.10"
        assert await journal.lookup("alpha", "nothing") is None
        assert await journal.lookup("beta", "r1") is None


async def test_what_became_of_a_request_id(file: Path) -> None:
    """Orders and verdicts of one id, of each EA that used it, oldest first; a verdict is approved or denied."""
    async with running(file) as journal:
        await journal.append(
            [
                intent("o1", "r", at=2.0),
                Settled("o1", OrderState.FILLED, {"ticket": 5}, 9.0),
                decision("d1", "r", ea_name="beta", at=1.0),
                decision("d2", "r", ea_name="gamma", approved=False, reservation=None, at=3.0),
                intent("o2", "other"),
            ]
        )
        found = await journal.remembered("r", None, 10)
        assert [(each.order_id, each.kind, each.state.value, each.ea_name) for each in found] == [
            ("d1", "decision", "approved", "beta"),
            ("o1", "intent", "filled", "alpha"),
            ("d2", "decision", "denied", "gamma"),
        ]
        assert found[1] == await journal.order("o1")
        assert (found[0].settled_at, found[0].reply) == (1.0, {"status": "success", "max_volume": Decimal("0.10")})
        assert await journal.remembered("r", None, 1) == found[:1]
        assert await journal.remembered("r", "gamma", 10) == found[2:]
        assert await journal.remembered("r", "delta", 10) == []


async def test_open_orders_by_pages(file: Path) -> None:
    """Unknown ones, those in the book, or both; of a broker or of all; after the last of the page before."""
    async with running(file) as journal:
        made = [intent(f"o{n}", f"r{n}", at=float(n // 2), broker="live" if n == 3 else "demo") for n in range(6)]
        ends = [
            Settled("o1", OrderState.UNKNOWN, {}, 9.0),
            Settled("o2", OrderState.PLACED, {"pending": True}, 9.0),
            Settled("o4", OrderState.FILLED, {}, 9.0),
        ]
        await journal.append([*made, *ends])

        async def ids(**ask: Any) -> list[str]:
            return [each.order_id for each in await journal.open_orders(OpenOrders(**ask))]

        assert await ids() == ["o0", "o1", "o2", "o3", "o5"]
        assert await ids(placed=False) == ["o0", "o1", "o3", "o5"]
        assert await ids(unknown=False) == ["o2"]
        assert await ids(broker="live") == ["o3"]
        assert await ids(limit=2) == ["o0", "o1"]
        assert await ids(after=(0.0, "o1"), limit=2) == ["o2", "o3"]
        assert await ids(after=(1.0, "o3"), broker="demo") == ["o5"]


async def test_a_key_says_whether_its_promise_is_over(file: Path) -> None:
    """A released approval is told from one that still holds, and each key knows its symbol."""
    async with running(file) as journal:
        await journal.append(
            [decision("d1", "r1"), decision("d2", "r2"), Released("d1", "over", 8.0), intent("o3", "r3")]
        )
        found = {item.request_id: (item.released, item.symbol) for item in await journal.known(10)}
        assert found == {"r1": (True, "EURUSD"), "r2": (False, "EURUSD"), "r3": (False, "EURUSD")}


async def test_a_key_acts_once(file: Path) -> None:
    """A second record of the same key is a duplicate, whatever kind it is, and leaves nothing behind."""
    async with running(file) as journal:
        await journal.append([intent()])
        again, other, fresh = await journal.append([intent("o2"), decision("d2"), intent("o3", "r3")])
        assert isinstance(again, Duplicate)
        assert isinstance(other, Duplicate)
        assert (again.known.record_id, again.known.reply) == ("o1", None)
        assert fresh is None
        assert [item.order_id for item in await journal.open_intents("demo")] == ["o1", "o3"]
        assert await journal.open_reservations() == []
        await journal.append([Settled("o1", OrderState.FILLED, {"ticket": 5}, 9.0)])
        (late,) = await journal.append([intent("o4")])
        assert isinstance(late, Duplicate)
        assert late.known.reply == {"ticket": 5}


async def test_writing_again_changes_nothing(file: Path) -> None:
    """The same record twice is no duplicate of itself, and the first outcome of an order stands."""
    async with running(file) as journal:
        for _ in range(2):
            assert await journal.append([intent(), decision("d2", "r2"), intent("o3", None)]) == [None] * 3
        await journal.append([Settled("o1", OrderState.FILLED, {"n": 1}, 9.0)])
        (impossible,) = await journal.append([Settled("o1", OrderState.NOT_SENT, {"n": 2}, 9.5)])
        assert impossible == Impossible("o1", OrderState.FILLED, OrderState.NOT_SENT, {"n": 1})
        assert journal.statistics.impossible == 1
        known = await journal.lookup("alpha", "r1")
        assert known is not None
        assert known.reply == {"n": 1}


async def test_newest_known(file: Path) -> None:
    """`known` gives the newest, oldest first."""
    async with running(file) as journal:
        await journal.append([intent(f"o{n}", f"r{n}", at=float(n)) for n in range(10)])
        assert [item.request_id for item in await journal.known(3)] == ["r7", "r8", "r9"]


# --- group commit --------------------------------------------------------------------------------------------------


async def test_concurrent_appends_share_commits(file: Path) -> None:
    """Many appends at once take few commits, and every one is on disk when it returns."""
    async with running(file) as journal:
        before = journal.statistics.commits

        async def one(n: int) -> None:
            await journal.append([intent(f"o{n}", f"r{n}")])
            other = sqlite3.connect(file)
            assert other.execute("SELECT count(*) FROM keys WHERE request_id = ?", (f"r{n}",)).fetchone() == (1,)
            other.close()

        async with trio.open_nursery() as nursery:
            for n in range(300):
                nursery.start_soon(one, n)
        assert journal.statistics.commits - before < 60
        assert journal.statistics.largest_group > 5
        assert journal.statistics.records >= 300


@pytest.mark.parametrize("durable", [True, False])
async def test_sync_mode(file: Path, durable: bool) -> None:
    """Durable means that each commit is synced."""
    async with running(file, durable=durable) as journal:
        modes = await journal._do(
            lambda c, _: (c.execute("PRAGMA synchronous").fetchone(), c.execute("PRAGMA journal_mode").fetchone())
        )
        assert modes == ((2 if durable else 0,), ("wal",))


# --- trouble -------------------------------------------------------------------------------------------------------


async def test_a_full_disk_is_a_state(file: Path) -> None:
    """A full disk: JournalDown for writers, readers go on, and it is up again by itself when there is room."""
    async with running(file) as journal:
        await journal.append([intent()])
        pages = await journal._do(lambda c, _: c.execute("PRAGMA page_count").fetchone()[0])
        await journal._do(lambda c, _: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        big = {"blob": "x" * 100_000}
        with pytest.raises(JournalDown, match="full"):
            await journal.append([intent("o2", "r2", body=big)])
        assert journal.down is not None
        assert "full" in journal.down
        assert await journal.lookup("alpha", "r2") is None
        assert len(await journal.open_intents("demo")) == 1
        await journal._do(lambda c, _: c.execute("PRAGMA max_page_count = 1000000").fetchone())
        await until(lambda: journal.down is None)
        assert await journal.append([intent("o2", "r2", body=big)]) == [None]


async def test_reading_does_not_say_that_it_can_write(file: Path) -> None:
    """After a failed write only a write that worked says that it is up again."""
    async with running(file) as journal:
        journal._writer.down = "disk full"
        await journal.lookup("a", "b")
        assert journal.down == "disk full"
        await journal.append([intent()])
        assert journal.down is None


async def test_locked_by_another_program(file: Path) -> None:
    """A lock is waited for a little, then it is a state; afterwards it works again by itself."""
    async with running(file) as journal:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(JournalDown, match="locked"):
            await journal.append([intent()])
        assert time.monotonic() - began < 15
        assert journal.down is not None
        other.execute("ROLLBACK")
        other.close()
        await until(lambda: journal.down is None)
        assert await journal.append([intent()]) == [None]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs POSIX permissions that bind")
async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A read-only folder is a state at start, and ends when it may be written."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o500)
    async with running(folder / "journal.sqlite3") as journal:
        with pytest.raises(JournalDown):
            await journal.append([intent()])
        folder.chmod(0o700)
        await until(lambda: journal.down is None)


@pytest.mark.parametrize("kind", ["missing folder", "a folder", "no database", "newer"])
async def test_a_file_that_is_none(tmp_path: Path, kind: str) -> None:
    """A file that can't be opened is a state and names why; when it is cured the journal goes on."""
    file = tmp_path / "sub" / "journal.sqlite3"
    if kind != "missing folder":
        file.parent.mkdir()
    if kind == "a folder":
        file.mkdir()
    elif kind == "no database":
        file.write_bytes(b"this is no database" * 1000)
    elif kind == "newer":
        connection = sqlite3.connect(file)
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.close()
    async with running(file) as journal:
        with pytest.raises(JournalDown) as caught:
            await journal.append([intent()])
        assert "journal.sqlite3" in str(caught.value)
        assert ("newer program" in str(caught.value)) == (kind == "newer")
        if kind == "missing folder":
            file.parent.mkdir()
        elif kind == "a folder":
            file.rmdir()
        else:
            file.unlink()
        await until(lambda: journal.down is None)
        assert await journal.append([intent()]) == [None]


class Unwritable:
    """No JSON comes of it."""


@pytest.mark.parametrize("bad", [{"body": {"x": Unwritable()}}, {"ea_name": "\ud800"}, {"ea_name": Unwritable()}])
async def test_a_bug_in_one_record_is_its_own(file: Path, bad: dict[str, Any]) -> None:
    """A record that can't be written fails for its caller alone; the others of its group are kept."""
    async with running(file) as journal:
        results: dict[int, Any] = {}

        async def one(n: int) -> None:
            try:
                results[n] = await journal.append([intent(f"o{n}", f"r{n}", **(bad if n == 5 else {}))])
            except JournalDown as exc:
                results[n] = str(exc)

        async with trio.open_nursery() as nursery:
            for n in range(10):
                nursery.start_soon(one, n)
        assert "bug" in results.pop(5)
        assert set(map(str, results.values())) == {"[None]"}
        assert journal.down is None
        assert len(await journal.open_intents("demo")) == 9


async def test_a_hanging_disk_is_down(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk does not answer, it is down and newcomers hear so at once; later it goes on where it was."""
    monkeypatch.setattr(sqlite, "HUNG_S", 0.2)
    release = threading.Event()
    async with running(file) as journal, trio.open_nursery() as nursery:
        nursery.start_soon(journal._do, lambda *_: release.wait(30))
        await until(lambda: journal.down is not None)
        assert "not answered" in str(journal.down)
        with pytest.raises(JournalDown, match="not answered"), trio.fail_after(15):
            await journal.append([intent()])
        release.set()
        await until(lambda: journal.down is None)
        assert await journal.append([intent()]) == [None]


async def test_a_writer_that_ends_is_seen(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the thread itself breaks, whoever waits hears it, and `run` raises so that its actor is restarted."""
    monkeypatch.setattr(Writer, "_failed", lambda *_: 1 / 0)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    journal = SqliteJournal(file)
    with pytest.RaisesGroup(JournalDown), trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            opened = trio.Event()
            nursery.start_soon(journal.run, opened.set)
            await opened.wait()
            with pytest.raises(JournalDown):
                await journal._do(lambda c, _: c.execute("SELECT nonsense"))
    with pytest.raises(JournalDown):
        await journal.append([intent()])


# --- life ----------------------------------------------------------------------------------------------------------


async def test_before_and_after(file: Path) -> None:
    """Before it runs and after it was stopped it is down, and says so at once."""
    journal = SqliteJournal(file)
    with pytest.raises(JournalDown, match="not been opened"):
        await journal.append([intent()])
    async with running(file) as journal:
        pass
    assert journal.down == "it was stopped"
    with pytest.raises(JournalDown, match="stopped"):
        await journal.append([intent()])


async def test_a_stop_writes_what_is_queued(file: Path) -> None:
    """What waits when the stop comes is still written, and its callers hear it."""
    journal = SqliteJournal(file)
    heard: list[Any] = []

    async def one(n: int) -> None:
        heard.append(await journal.append([intent(f"o{n}", f"r{n}")]))

    with trio.fail_after(30):
        async with trio.open_nursery() as callers, trio.open_nursery() as nursery:
            opened = trio.Event()
            nursery.start_soon(journal.run, opened.set)
            await opened.wait()
            slow = threading.Event()
            callers.start_soon(journal._do, lambda *_: slow.wait(0.3))
            await trio.sleep(0.05)
            for n in range(100):
                callers.start_soon(one, n)
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
    assert heard == [[None]] * 100
    with contextlib.closing(sqlite3.connect(file)) as reader:
        assert reader.execute("SELECT count(*) FROM intents").fetchone() == (100,)


async def test_it_can_run_again(file: Path) -> None:
    """The same object runs again after a crash of its actor."""
    journal = SqliteJournal(file)
    for n in range(3):
        async with trio.open_nursery() as nursery:
            opened = trio.Event()
            nursery.start_soon(journal.run, opened.set)
            await opened.wait()
            assert await journal.append([intent(f"o{n}", f"r{n}")]) == [None]
            nursery.cancel_scope.cancel()
    assert threading.active_count() < 20


async def test_cancelling_a_caller_leaves_the_record(file: Path) -> None:
    """A caller that goes away loses nothing: its record is written all the same, and nobody else is disturbed."""
    async with running(file) as journal:
        gate = threading.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal._do, lambda *_: gate.wait(10))
            await trio.sleep(0.05)
            with trio.move_on_after(0.05) as scope:
                await journal.append([intent()])
            assert scope.cancelled_caught
            gate.set()
        assert await journal.append([intent("o2", "r2")]) == [None]
        assert len(await journal.open_intents("demo")) == 2


async def test_a_full_queue_is_said_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the queue's limit the caller hears JournalDown and waits for nothing; a stop then still ends."""
    monkeypatch.setattr(sqlite, "QUEUE", 3)
    heard: list[str] = []
    async with trio.open_nursery() as callers, running(file) as journal:
        gate = threading.Event()

        async def one(n: int) -> None:
            try:
                await journal.append([intent(f"o{n}", f"r{n}")])
                heard.append("kept")
            except JournalDown as exc:
                heard.append(str(exc))

        callers.start_soon(journal._do, lambda *_: gate.wait(0.5))
        await trio.sleep(0.05)
        for n in range(6):
            callers.start_soon(one, n)
        await trio.sleep(0.1)
        assert len(heard) == 3
        assert all("waiting" in text for text in heard)
    assert len(heard) == 6
    assert heard.count("kept") >= 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no open file")
async def test_a_file_that_went_away_is_no_journal(file: Path) -> None:
    """Records for a file that was removed are refused, not written to nowhere; a new file is begun afterwards."""
    journal = SqliteJournal(file)
    async with trio.open_nursery() as nursery:
        opened = trio.Event()
        nursery.start_soon(journal.run, opened.set)
        await opened.wait()
        setting = Setting("state:demo", {"state": "halted"}, 1.0)
        await journal.append([setting])
        for path in file.parent.glob(file.name + "*"):
            path.unlink()
        with pytest.raises(JournalDown, match="removed or replaced"):
            await journal.append([setting])
        assert journal.down is not None
        await journal.append([setting])
        assert journal.down is None
        assert await trio.Path(file).exists()
        nursery.cancel_scope.cancel()
