"""What is kept aside: it counts as recorded, outlives the process, is appended once and first, and holds nobody up."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trio

from quantmind.adapters.journal import SqliteJournal, aside, emergency
from quantmind.adapters.journal.aside import Aside
from quantmind.adapters.journal.emergency import EmergencyFile
from quantmind.domain.order_life import KnownBy, OrderState
from quantmind.errors import JournalDown
from quantmind.ports import OpenOrders
from quantmind.records import (
    Command,
    Decision,
    Event,
    Holding,
    Intent,
    Known,
    Record,
    Released,
    Setting,
    Settled,
)


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(path, clock=lambda: 100.0)
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


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program holds the lock, so that nothing can be written and everything can be read."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.01)


def intent(order_id: str = "o1", request_id: str | None = "r1", **more: Any) -> Intent:
    given: dict[str, Any] = {
        "order_id": order_id,
        "broker": "demo",
        "ea_name": "alpha",
        "magic": 2**64 - 1,
        "symbol": "EURUSD",
        "request_id": request_id,
        "fingerprint": "f",
        "body": {"type": "trade_close", "ticket": 5, "volume": "0.10", "profit": 1.10},
        "at": 5.5,
    }
    return Intent(**{**given, **more})


def decision(decision_id: str = "o1", **more: Any) -> Decision:
    given: dict[str, Any] = {
        "decision_id": decision_id,
        "broker": "demo",
        "ea_name": "alpha",
        "magic": 7,
        "symbol": "EURUSD",
        "request_id": "r1",
        "fingerprint": "f",
        "approved": True,
        "body": {},
        "reply": {"status": "success"},
        "at": 5.0,
        "inputs": {"large": "x" * 10},
        "remembered": False,
    }
    return Decision(**{**given, **more})


REPLY = {"status": "success", "price": Decimal("1.0850"), "ticket": 5}
CLOSED: list[Record] = [decision(), intent(), Settled("o1", OrderState.FILLED, REPLY, 6.0)]
HALTED = Setting("state:demo", {"state": "halted", "cause": "a test", "since": 5.25}, 6.0)
ACTIVE = Setting("state:demo", {"state": "active", "cause": "a test", "since": 7.0}, 7.0)


def spoil(file: Path) -> None:
    file.write_bytes(b"no database any more" * 1000)


def lines(file: Path) -> list[tuple[int, str]]:
    with contextlib.closing(sqlite3.connect(file)) as reader:
        return reader.execute("SELECT seq, kind FROM log ORDER BY seq").fetchall()


# --- records -------------------------------------------------------------------------------------------------------


def test_every_kind_of_record_comes_back() -> None:
    """What a record becomes in the file reads back as the record, numbers to the last digit; inputs alone stay out."""
    records: list[Record] = [
        intent(),
        intent("o2", None),
        Settled("o1", OrderState.PLACED, REPLY, 6, KnownBy.PERSON, {"who": "owner"}),
        decision(reservation={"side": "buy"}, via="zmq", by="robot"),
        Released("d1", "over", 7.5),
        HALTED,
        Setting("gone", None, 1.0, logged=False),
        Command("trade_open", "alpha", None, "demo", "zmq", "", {"volume": 0.1}, REPLY, 8.0),
        Holding("demo", "deal", 2**40, {"price": Decimal("1.10")}, 9.0, "o1", "seen"),
        Event("drift", "demo", {"what": "x"}, 9.5),
    ]
    for record in records:
        (found,) = aside._records(b"[" + aside._encode(aside._plain(record)) + b"]")
        assert found == record
        assert isinstance(found.at, float)
        if isinstance(found, Decision):
            assert found.inputs is None


# --- kept ----------------------------------------------------------------------------------------------------------


async def test_it_counts_as_recorded_at_once(file: Path) -> None:
    """While the journal can't write, whoever reads is told what was kept aside as if it were in the tables."""
    placed = Settled("o0", OrderState.PLACED, {"ticket": 4}, 4.0)
    async with running(file) as journal:
        await journal.append([intent("o0", "r0", at=1.0), placed, intent("o2", "r2", at=2.0)])
        with locked(file):
            with pytest.raises(JournalDown, match="locked"):
                await journal.append(CLOSED)
            await journal.keep_aside(CLOSED)
            await journal.keep_aside([intent("o3", "r3", at=7.0), HALTED])
            assert await journal.lookup("alpha", "r1") == Known(
                "alpha", "r1", "f", "o1", "intent", REPLY, 5.5, "EURUSD"
            )
            assert [item.request_id for item in await journal.known(10)] == ["r0", "r2", "r1", "r3"]
            assert [item.request_id for item in await journal.known(2)] == ["r1", "r3"]
            assert [item.order_id for item in await journal.open_intents("demo")] == ["o2", "o3"]
            assert await journal.settings() == [HALTED]
            order = await journal.order("o1")
            assert order is not None
            assert (order.state, order.reply) == (OrderState.FILLED, REPLY)
            # and of orders whose intent the journal has
            assert [item.order_id for item in await journal.waiting_orders("demo")] == ["o0"]
            await journal.keep_aside([Settled("o0", OrderState.CANCELLED, {"ticket": 4}, 8.0)])
            await journal.keep_aside([Settled("o2", OrderState.UNKNOWN, {"status": "unknown"}, 8.0)])
            await journal.keep_aside([Settled("o1", OrderState.REFUSED, {}, 9.0)])  # it can't be after it was filled
            assert await journal.waiting_orders("demo") == []
            unknown = await journal.order("o2")
            assert unknown is not None
            assert (unknown.state, unknown.settled_at) == (OrderState.UNKNOWN, None)
            both, placed_only = await journal.open_orders(OpenOrders()), OpenOrders(unknown=False)
            assert [item.order_id for item in both] == ["o2", "o3"]
            assert await journal.open_orders(placed_only) == []
            assert await journal.open_orders(OpenOrders(after=(2.0, "o2"), limit=1)) == both[1:]
            assert await journal.open_orders(OpenOrders(broker="other")) == []
            (found,) = await journal.remembered("r1", None, 10)
            assert (found.state, found.reply) == (OrderState.FILLED, REPLY)
            assert [item.state for item in await journal.remembered("r0", "alpha", 10)] == [OrderState.CANCELLED]
            assert await journal.remembered("r0", "beta", 10) == []
            standing = await journal.standing()
            assert [item.order_id for item in standing.open] == ["o2", "o3"]
            assert standing.settings == [HALTED]
            assert await journal.lookup("alpha", "r1") == Known(
                "alpha", "r1", "f", "o1", "intent", REPLY, 5.5, "EURUSD"
            )
            overlaid = (await journal.known(10), await journal.open_intents("demo"), await journal.settings())
        await until(lambda: not journal.snapshot()["emergency"]["waiting"])
        # what is read is the same when it has been appended
        assert (await journal.known(10), await journal.open_intents("demo"), await journal.settings()) == overlaid


async def test_it_is_known_though_the_tables_are_not(file: Path) -> None:
    """Where the tables can't be read at all, a close that was kept aside is known all the same; others may be."""
    async with running(file) as journal:
        with locked(file):
            await journal.keep_aside([*CLOSED, intent("o2", "r2"), Settled("o2", OrderState.UNKNOWN, {}, 9.0)])
            journal._writer.aside = Aside(file.with_name("none"))  # it ends by a kill: nothing is written at the end
    spoil(file)
    async with running(file) as journal:
        assert journal.down is not None
        assert await journal.lookup("alpha", "r1") == Known("alpha", "r1", "f", "o1", "intent", REPLY, 5.5, "EURUSD")
        assert await journal.lookup("alpha", "r2") == Known("alpha", "r2", "f", "o2", "intent", None, 5.5, "EURUSD")
        with pytest.raises(JournalDown, match="not a database"):
            await journal.lookup("alpha", "r3")


async def test_it_outlives_the_process(file: Path) -> None:
    """A process that ends with something aside leaves it to the next one, which appends it before anything else."""
    async with running(file) as journal:
        with locked(file):
            await journal.keep_aside([*CLOSED, HALTED])
            assert journal.snapshot()["emergency"]["kept"] == 4
            journal._writer.aside = Aside(file.with_name("none"))  # it ends by a kill: nothing is written at the end
    async with running(file) as journal:
        assert [kind for _, kind in lines(file)] == ["journal", "decision", "intent", "outcome", "setting"]
        assert (await journal.lookup("alpha", "r1")) == Known("alpha", "r1", "f", "o1", "intent", REPLY, 5.5, "EURUSD")
        assert await journal.settings() == [HALTED]
        await until(lambda: journal.snapshot()["emergency"]["used"] == 0)
    before = lines(file)
    async with running(file) as journal:
        assert (lines(file), journal.snapshot()["emergency"]["waiting"]) == (before, 0)


async def test_appended_from_memory_too(file: Path) -> None:
    """Whoever lives to append the same records himself changes nothing by it, before it was appended or after."""
    async with running(file) as journal:
        with locked(file):
            await journal.keep_aside(CLOSED)
            await journal.keep_aside(CLOSED)
        for _ in range(2):
            assert await journal.append(CLOSED) == [None, None, None]
        await until(lambda: journal.snapshot()["emergency"]["used"] == 0)
        assert [kind for _, kind in lines(file)] == ["journal", "decision", "intent", "outcome"]
        assert journal.statistics.impossible == 0


async def test_a_process_that_lives_writes_the_whole_decision(file: Path) -> None:
    """The inputs of a decision are not in the emergency file, and are in the log if the process lives to write it."""
    async with running(file) as journal:
        with locked(file):
            await journal.keep_aside([decision()])
        await until(lambda: not journal.snapshot()["emergency"]["waiting"])
        with contextlib.closing(sqlite3.connect(file)) as reader:
            (body,) = reader.execute("SELECT body FROM log WHERE kind = 'decision'").fetchone()
        assert '"inputs":{"large":"xxxxxxxxxx"}' in body


async def test_it_comes_before_what_is_asked_later(file: Path) -> None:
    """A halt that was kept aside is appended before the release that comes after it, also in the same commit."""
    async with running(file) as journal:
        with locked(file):
            await journal.keep_aside([HALTED])
        await journal.append([ACTIVE])
        assert await journal.settings() == [ACTIVE]


async def test_it_is_appended_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill after it was appended and before the file was cleared: the next start does not append it again."""
    with monkeypatch.context() as patch:

        def never(_: EmergencyFile) -> None:
            raise OSError("not now")

        patch.setattr(EmergencyFile, "clear", never)
        async with running(file) as journal:
            with locked(file):
                await journal.keep_aside([HALTED, *CLOSED])
            await journal.append([ACTIVE])
            await until(lambda: "not now" in str(journal.snapshot()["emergency"]["error"]))
            # what comes then goes behind it, and alone is appended
            with locked(file):
                with pytest.raises(JournalDown, match="locked"):
                    await journal.append(CLOSED)
                await journal.keep_aside([Setting("multiplier:a", {"value": "0.5"}, 8.0)])
            await until(lambda: not journal.snapshot()["emergency"]["waiting"])
    before = lines(file)
    async with running(file) as journal:
        assert lines(file) == before
        assert {item.key: item.value for item in await journal.settings()} == {
            "state:demo": ACTIVE.value,
            "multiplier:a": {"value": "0.5"},
        }
        await until(lambda: journal.snapshot()["emergency"]["used"] == 0)


# --- its own trouble -----------------------------------------------------------------------------------------------


async def test_a_file_that_hangs_is_not_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it does not answer newcomers hear so at once, and what nobody waits for any more is not kept later."""
    release = threading.Event()
    sync = EmergencyFile.sync

    def slow(self: EmergencyFile) -> None:
        release.wait(30)
        sync(self)

    async with running(file) as journal:
        with locked(file):
            monkeypatch.setattr(EmergencyFile, "sync", slow)
            with trio.move_on_after(0.3) as scope:
                await journal.keep_aside([HALTED])
            assert scope.cancelled_caught
            began = time.monotonic()
            for _ in range(10):
                with pytest.raises(JournalDown, match="not answered"):
                    await journal.keep_aside([intent()])
            assert time.monotonic() - began < 5
            assert journal.snapshot()["emergency"]["refused"] == 11
            journal._aside._busy_since = None
            with trio.move_on_after(0.1):
                await journal.keep_aside([intent("o9", "r9")])  # gets into the queue, and leaves
            release.set()
            await until(lambda: journal._aside._busy_since is None and journal._aside._jobs.empty())
            await journal.keep_aside([intent("o2", "r2")])
            assert await journal.order("o9") is None
            assert await journal.settings() == [HALTED], "its write had begun, and what is there counts"
        await until(lambda: not journal.snapshot()["emergency"]["waiting"])


async def test_a_writer_that_hangs_holds_up_nothing_here(file: Path) -> None:
    """While the journal's own thread hangs, records are kept aside all the same."""
    gate = threading.Event()
    async with running(file) as journal, trio.open_nursery() as nursery:
        nursery.start_soon(journal._do, lambda *_: gate.wait(30))
        await trio.sleep(0.05)
        with trio.fail_after(10):
            await journal.keep_aside(CLOSED)
        gate.set()
        await until(lambda: not journal.snapshot()["emergency"]["waiting"])
        assert (await journal.lookup("alpha", "r1")) is not None


async def test_a_full_one_refuses_and_says_so(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no room the caller hears it, /status shows it, and what is in it is not lost."""
    monkeypatch.setattr(emergency, "SIZE", 4 * emergency.BLOCK)
    monkeypatch.setattr(EmergencyFile.open.__func__, "__defaults__", (4 * emergency.BLOCK,))  # type: ignore[attr-defined]
    async with running(file) as journal:
        with locked(file):
            for n in range(4):
                await journal.keep_aside([intent(f"o{n}", f"r{n}")])
            with pytest.raises(JournalDown, match=r"journal\.emergency is full \(16 KiB\)"):
                await journal.keep_aside([intent("o4", "r4")])
            status = journal.snapshot()["emergency"]
            assert (status["kept"], status["waiting"], status["refused"]) == (4, 4, 1)
            assert status["used"] == status["size"] == 16384
        await until(lambda: not journal.snapshot()["emergency"]["waiting"])
        assert len(await journal.open_intents("demo")) == 4
        await until(lambda: journal.snapshot()["emergency"]["used"] == 0)


async def test_one_that_cannot_be_made_is_made_later(file: Path) -> None:
    """Without an emergency file the journal works, says what is wrong, and has one as soon as it can."""
    place = file.with_suffix(".emergency")
    place.mkdir()
    async with running(file) as journal:
        assert journal.down is None
        assert "directory" in journal.snapshot()["emergency"]["error"]
        with pytest.raises(JournalDown, match="directory"):
            await journal.keep_aside([HALTED])
        place.rmdir()
        await until(lambda: journal.snapshot()["emergency"]["error"] is None)
        await journal.keep_aside([HALTED])
        await until(lambda: not journal.snapshot()["emergency"]["waiting"])
        assert await journal.settings() == [HALTED]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no open file")
async def test_one_that_was_removed_is_made_again(file: Path) -> None:
    """A file that went away takes nothing, and another one is made with what is known of the first."""
    place = file.with_suffix(".emergency")
    async with running(file) as journal:
        with locked(file):
            await journal.keep_aside([HALTED])
            place.unlink()
            with pytest.raises(JournalDown, match="No such file"):
                await journal.keep_aside(CLOSED)
            await until(lambda: place.exists() and journal.snapshot()["emergency"]["error"] is None)
            await journal.keep_aside(CLOSED)
        await until(lambda: not journal.snapshot()["emergency"]["waiting"])
        assert await journal.settings() == [HALTED]
        assert (await journal.lookup("alpha", "r1")) is not None


async def test_a_failed_sync_is_told_and_mended(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be synced is not said to be kept; it counts while the process lives, and is written again."""
    renewed: list[bool] = []
    with monkeypatch.context() as patch:

        def fail(_: EmergencyFile) -> None:
            raise OSError(5, "Input/output error")

        patch.setattr(EmergencyFile, "sync", fail)
        async with running(file) as journal:
            with locked(file):
                with pytest.raises(JournalDown, match="can't be synced"):
                    await journal.keep_aside([HALTED])
                assert await journal.settings() == [HALTED]
                renew = EmergencyFile.renew
                patch.setattr(EmergencyFile, "renew", lambda self: (renew(self), renewed.append(True)))
                patch.setattr(EmergencyFile, "sync", lambda _: None)
                await until(lambda: journal.snapshot()["emergency"]["error"] is None)
                assert renewed
            await until(lambda: not journal.snapshot()["emergency"]["waiting"])


class Unwritable:
    """No JSON comes of it."""


async def test_a_bug_in_a_record_is_its_own(file: Path) -> None:
    """A record that has no bytes is refused, and one that has and can't be appended stops nobody else's."""
    async with running(file) as journal:
        with locked(file):
            with pytest.raises(JournalDown, match="bug"):
                await journal.keep_aside([intent(body={"x": Unwritable()})])
            await journal.keep_aside([intent(request_id=["not", "a", "text"])])
        for n in range(3):
            assert await journal.append([intent(f"g{n}", f"g{n}")]) == [None]
        assert journal.down is None
        assert journal.snapshot()["emergency"]["waiting"] == 1


async def test_what_is_not_understood_is_told_and_left(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A frame of another program's version may hold a halt or an order: until somebody looks, nothing is known."""
    place = file.with_suffix(".emergency")
    emergency_file = EmergencyFile.open(place)
    emergency_file.append(b'[{"record":"Other","at":1}]')
    emergency_file.append(b"[" + aside._encode(aside._plain(HALTED)) + b"]")
    emergency_file.close()
    async with running(file) as journal:
        for ask in (journal.settings, lambda: journal.append([ACTIVE]), lambda: journal.lookup("alpha", "r1")):
            with pytest.raises(JournalDown, match="holds records that this version can't read; start the one that"):
                await ask()
        assert journal.down is not None
        assert "fail.aside" in caplog.text
    assert b"Other" in place.read_bytes()
    place.rename(file.with_suffix(".moved"))
    async with running(file) as journal:
        assert journal.down is None
        assert await journal.settings() == []


async def test_while_it_cannot_be_read_nothing_is_known(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds may be a halt or an order: the journal is down until it was read, then it counts, and first."""
    async with running(file) as journal:
        with locked(file):
            await journal.keep_aside([HALTED, *CLOSED])
            journal._writer.aside = Aside(file.with_name("none"))  # it ends by a kill: nothing is written at the end
    read = Path.read_bytes

    def fail(path: Path, size: int = 0) -> Any:
        raise OSError(5, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(EmergencyFile, "open", fail)
        patch.setattr(Path, "read_bytes", lambda path: fail(path) if path.suffix == ".emergency" else read(path))
        async with running(file) as journal:
            way_out = (
                r"journal\.emergency can't be read yet \(.*Input/output error.*\): .* or look at the account and move"
            )
            for ask in (journal.settings, lambda: journal.append([ACTIVE]), lambda: journal.lookup("alpha", "r1")):
                with pytest.raises(JournalDown, match=way_out):
                    await ask()
            assert journal.down is not None
            with pytest.raises(JournalDown):
                await journal.keep_aside([ACTIVE])
            patch.undo()
            await until(lambda: journal.down is None)
            assert await journal.settings() == [HALTED]
            assert (await journal.lookup("alpha", "r1")) is not None
            await journal.append([ACTIVE])
            assert await journal.settings() == [ACTIVE]


async def test_one_that_hangs_at_the_start_is_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start goes on without it, and until it was read the journal is down."""
    async with running(file) as journal:
        with locked(file):
            await journal.keep_aside([HALTED])
            journal._writer.aside = Aside(file.with_name("none"))
    monkeypatch.setattr(aside, "OPEN_WITHIN_S", 0.05)
    release = threading.Event()
    opening = EmergencyFile.open

    def slow(path: Path) -> EmergencyFile:
        release.wait(30)
        return opening(path)

    monkeypatch.setattr(EmergencyFile, "open", slow)
    async with running(file) as journal:
        with pytest.raises(JournalDown, match="can't be read yet"):
            await journal.settings()
        release.set()
        await until(lambda: journal.down is None)
        assert await journal.settings() == [HALTED]


async def test_before_and_after(file: Path) -> None:
    """Before it runs and after it was stopped nothing can be kept, and that is said at once."""
    journal = SqliteJournal(file)
    with pytest.raises(JournalDown, match="not running"):
        await journal.keep_aside([HALTED])
    async with running(file) as journal:
        pass
    with pytest.raises(JournalDown, match="not running"):
        await journal.keep_aside([HALTED])


async def test_two_threads_never_write_to_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that hangs in an earlier run keeps a new one from starting until it is back."""
    monkeypatch.setattr(aside, "STOP_WITHIN_S", 0.1)
    release = threading.Event()
    kept = Aside(file.with_suffix(".emergency"))
    with trio.fail_after(30):
        await kept.start()
        assert kept.status.error is None
        kept._jobs.put_nowait(lambda: release.wait(30) and None)
        await kept.stop()
        await kept.start()
        with pytest.raises(JournalDown, match="not running"):
            await kept.keep([HALTED])
        release.set()
        while kept._thread is not None and kept._thread.is_alive():
            await trio.sleep(0.01)
        kept.mend()
        await kept.keep([HALTED])
        assert kept.status.waiting == 1
        await kept.stop()


async def test_the_log_tells_of_lines_that_came_by_it(file: Path) -> None:
    """Lines that are appended for what was kept aside are told to whoever follows the log, in their order."""
    told: list[int] = []
    async with running(file) as journal:
        journal.on_commit = lambda entries: told.extend(entry.seq for entry in entries)
        with locked(file):
            await journal.keep_aside(CLOSED)
        await journal.append([intent("o5", "r5")])
        assert told == [2, 3, 4, 5]
        assert [kind for _, kind in lines(file)] == ["journal", "decision", "intent", "outcome", "intent"]
