"""Reading the log beside the writer: what is asked for and no more, in bounded steps, whatever state the file is in."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from quantmind.adapters.journal import LogReader, pages, reader, readonly
from quantmind.adapters.journal.chain import Chain
from quantmind.adapters.journal.pages import read_page
from quantmind.adapters.journal.schema import prepare
from quantmind.errors import JournalDown
from quantmind.ports import LogQuery
from quantmind.records import Entry

KINDS = ("command", "intent", "outcome", "setting")
BROKERS = ("demo", "live", None)


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        prepare(connection, durable=False)
        yield connection


def fill(connection: sqlite3.Connection, lines: int) -> None:
    """Lines of several kinds, brokers and orders; the first is the journal's own."""
    connection.execute("BEGIN")
    chain = Chain(connection)
    for number in range(lines):
        chain.append(
            KINDS[number % 4],
            100.0 + number,
            {"n": number},
            broker=BROKERS[number % 3],
            ea_name=f"ea{number % 5}",
            request_id=f"r{number % 7}",
            order_id=None if number % 2 else f"o{number % 11}",
        )
    chain.finish()
    connection.execute("COMMIT")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def filled(file: Path) -> Path:
    with writing(file) as connection:
        fill(connection, 60)
    return file


def seqs(entries: object) -> list[int]:
    return [each.seq for each in entries]  # type: ignore[attr-defined]


# --- what is asked for ---------------------------------------------------------------------------------------------

ASKS = st.builds(
    LogQuery,
    after=st.integers(0, 70),
    limit=st.integers(1, 70),
    newest=st.booleans(),
    before=st.none() | st.integers(0, 70),
    kinds=st.none() | st.frozensets(st.sampled_from([*KINDS, "journal", "deal"]), min_size=1),
    broker=st.none() | st.sampled_from(["demo", "live", "nobody"]),
    ea_name=st.none() | st.sampled_from(["ea1", "ea4"]),
    request_id=st.none() | st.sampled_from(["r1", "r6"]),
    order_id=st.none() | st.sampled_from(["o2", "o4", "o99"]),
)


def meant(lines: list[Entry], ask: LogQuery) -> list[Entry]:
    """The same by hand."""
    found = [
        each
        for each in lines
        if each.seq > ask.after
        and (ask.before is None or each.seq < ask.before)
        and (ask.kinds is None or each.kind in ask.kinds)
        and ask.broker in (None, each.broker)
        and ask.ea_name in (None, each.ea_name)
        and ask.request_id in (None, each.request_id)
        and ask.order_id in (None, each.order_id)
    ]
    return found[-ask.limit :] if ask.newest else found[: ask.limit]


@settings(deadline=None)
@given(ask=ASKS, step=st.integers(1, 20), patience=st.integers(0, 3))
def test_pages_give_each_line_once_whatever_the_step(tmp_path_factory, ask, step, patience):
    """Going on from page to page gives exactly what was asked for, in order, and each page ends."""
    path = tmp_path_factory.getbasetemp() / "paged.sqlite3"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "SLICE", step)
        with writing(path) as connection:
            if connection.execute("SELECT count(*) FROM log").fetchone() == (1,):
                fill(connection, 60)
            lines = read_page(connection, LogQuery(limit=100)).entries
            assert len(lines) == 61
            found: list[Entry] = []
            left = ask
            for _ in range(100):
                asked = iter(range(patience))
                page = read_page(connection, left, enough=lambda asked=asked: next(asked, None) is None, most_bytes=40)
                found = [*page.entries, *found] if ask.newest else [*found, *page.entries]
                if not page.more or len(found) == ask.limit:
                    break
                rest = ask.limit - len(found)
                left = (
                    attrs.evolve(left, limit=rest, before=page.through)
                    if ask.newest
                    else attrs.evolve(left, limit=rest, after=page.through)
                )
            assert found == meant(list(lines), ask)


async def test_a_search_goes_on_to_the_end_of_the_log(filled, monkeypatch):
    """`entries` gives fewer than the limit only where there are no more, however small a step is."""
    monkeypatch.setattr(pages, "SLICE", 3)
    monkeypatch.setattr(reader, "STEP_S", 0.0)
    log = LogReader(filled)
    everything = await log.entries(LogQuery(limit=100))
    for newest in (False, True):
        ask = LogQuery(limit=9, newest=newest, order_id=None, request_id="r6", kinds=frozenset({"command", "outcome"}))
        assert await log.entries(ask) == meant(list(everything), ask)
        page = await log.page(ask)
        assert page.more
        assert len(page.entries) < len(meant(list(everything), ask))


async def test_a_page_ends_by_the_size_of_its_bodies(file, monkeypatch):
    """Long bodies make short pages, and at least one line each."""
    monkeypatch.setattr(reader, "STEP_BYTES", 1000)
    with writing(file) as connection:
        connection.execute("BEGIN")
        chain = Chain(connection)
        for _ in range(5):
            chain.append("event", 1.0, {"long": "x" * 2000})
        chain.finish()
        connection.execute("COMMIT")
    page = await LogReader(file).page(LogQuery(after=1))
    assert (seqs(page.entries), page.through, page.more) == ([2], 2, True)
    assert seqs(await LogReader(file).entries(LogQuery())) == [1, 2, 3, 4, 5, 6]


async def test_the_extent(filled):
    """First and last line and the head's hash, also where the beginning is gone."""
    log = LogReader(filled)
    last = (await log.entries(LogQuery(limit=1, newest=True)))[0]
    extent = await log.extent()
    assert (extent.first, extent.last, extent.hash) == (1, 61, last.hash)
    with writing(filled) as connection:
        connection.execute("DELETE FROM log WHERE seq < 40")
    assert (await log.extent()).first == 40
    assert seqs((await log.page(LogQuery(limit=2))).entries) == [40, 41]


async def test_limits_are_kept():
    """More than 10,000 lines at once is a bug of whoever asks."""
    log = LogReader(Path("nowhere"))
    for limit in (0, 10_001):
        with pytest.raises(ValueError, match="from 1 to 10000"):
            await log.entries(LogQuery(limit=limit))


def test_an_order_is_found_by_its_index(filled):
    """What has an index is not searched for."""
    with writing(filled) as connection:
        steps: list[str] = []
        connection.set_trace_callback(steps.append)
        read_page(connection, LogQuery(order_id="o2"))
        connection.set_trace_callback(None)
        (search,) = [each for each in steps if "order_id =" in each]
        plan = connection.execute(f"EXPLAIN QUERY PLAN {search}").fetchall()
    assert [row[3] for row in plan] == ["SEARCH log USING INDEX log_of_order (order_id=? AND rowid>? AND rowid<?)"]


# --- states of the file --------------------------------------------------------------------------------------------


async def test_a_file_that_comes_later(file):
    """No file, one that is being made, and then a journal: a reason each time, and no file is made by reading."""
    log = LogReader(file)
    with pytest.raises(JournalDown, match="there is no journal at"):
        await log.extent()
    assert not file.exists()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        with pytest.raises(JournalDown, match="holds no journal yet"):
            await log.extent()
    with writing(file):
        assert (await log.extent()).last == 1


@pytest.mark.parametrize(
    ("version", "says"),
    [(1, "`quantmind run` brings it to 2"), (99, "this program knows up to 2; use the newer program")],
)
async def test_other_versions(filled, version, says):
    """A journal of another program's version is not guessed at."""
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(JournalDown, match=says):
        await LogReader(filled).entries(LogQuery())


async def test_what_is_no_journal(file):
    """Anything else under its name is told as such."""
    file.write_bytes(b"no journal at all, but long enough to look into " * 40)
    with pytest.raises(JournalDown, match="is no journal"):
        await LogReader(file).extent()


async def test_a_journal_without_its_head(filled):
    """A head that was taken away is told, not a crash; so is a line that no journal writes."""
    with writing(filled) as connection:
        connection.execute("UPDATE log SET at_us = 'long ago' WHERE seq = 50")
        with pytest.raises(JournalDown, match="line 50 is not as it was written"):
            await LogReader(filled).entries(LogQuery())
        connection.execute("DELETE FROM head")
    with pytest.raises(JournalDown, match="head is missing"):
        await LogReader(filled).extent()


async def test_text_that_is_none(filled):
    """Bytes that are no text are told with the reason."""
    with writing(filled) as connection:
        connection.execute("UPDATE log SET body = CAST(x'ff' AS TEXT) WHERE seq = 50")
    with pytest.raises(JournalDown, match="UTF-8"):
        await LogReader(filled).entries(LogQuery())


async def test_a_locked_file(filled, monkeypatch):
    """One that another program keeps to itself is told after a short wait."""
    monkeypatch.setattr(readonly, "BUSY_S", 0.05)
    with writing(filled) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalDown, match="locked"):
            await LogReader(filled).extent()


async def test_reading_writes_nothing(filled):
    """The connection can't write, whatever is tried over it."""
    with (
        writing(filled),
        pytest.raises(JournalDown, match="readonly"),
        readonly.open_to_read(filled) as connection,
    ):
        connection.execute("DELETE FROM log")


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY_DIRECTORY])
async def test_a_copy_on_a_read_only_disk(filled, monkeypatch, code):
    """Where SQLite may make no file beside it, it is read as it stands, unless another file holds a part of it."""
    tried: list[str] = []
    real = readonly._open

    def refusing(path: Path, how: str) -> sqlite3.Connection:
        tried.append(how)
        if how == "mode=ro":
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = code
            raise error
        return real(path, how)

    monkeypatch.setattr(readonly, "_open", refusing)
    assert (await LogReader(filled).extent()).last == 61
    assert tried == ["mode=ro", "mode=ro&immutable=1"]
    filled.with_name(f"{filled.name}-wal").write_bytes(b"something")
    with pytest.raises(JournalDown, match="unable to open"):
        await LogReader(filled).extent()


async def test_a_folder_that_may_not_be_looked_into(filled, monkeypatch):
    """The reason is told like any other."""

    def refused(self: Path, **how: object) -> None:
        raise PermissionError(13, "Permission denied")

    log = LogReader(filled)
    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(JournalDown, match="can't be read: Permission denied"):
        await log.extent()


# --- beside the writer and the loop --------------------------------------------------------------------------------


async def test_a_reader_in_its_transaction_stops_no_writer(filled):
    """Lines are appended while a reader holds its snapshot, and the reader sees that snapshot to its end."""
    with readonly.open_to_read(filled) as connection, writing(filled) as other:
        connection.execute("BEGIN")
        before = connection.execute("SELECT max(seq) FROM log").fetchone()
        fill(other, 10)
        assert connection.execute("SELECT max(seq) FROM log").fetchone() == before == (61,)
        connection.execute("ROLLBACK")
        assert connection.execute("SELECT max(seq) FROM log").fetchone() == (71,)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


async def test_a_query_that_nobody_waits_for_ends(filled, monkeypatch):
    """A cancelled caller goes at once, and the thread that it leaves behind ends by itself."""
    began, ended = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def endless(connection: sqlite3.Connection) -> None:
        token.run_sync_soon(began.set)
        try:
            connection.execute(ENDLESS).fetchone()
        finally:
            ended.set()

    log = LogReader(filled)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log._read, endless)
            await began.wait()
            nursery.cancel_scope.cancel()
    assert await trio.to_thread.run_sync(ended.wait, 30)
    with trio.fail_after(30):  # and it has given its place back
        while log._threads.borrowed_tokens:
            await trio.sleep(0.01)


async def test_a_query_that_takes_too_long_ends(filled, monkeypatch):
    """Beyond its time a query is ended, and the caller hears why."""
    monkeypatch.setattr(reader, "QUERY_S", 0.05)
    with pytest.raises(JournalDown, match="took too long"):
        await LogReader(filled)._read(lambda connection: connection.execute(ENDLESS).fetchone())


async def test_a_disk_that_hangs_keeps_nobody(filled, autojump_clock):
    """While every thread hangs, callers hear so within a limit, and the loop goes on."""
    release = threading.Event()

    def hang(connection: sqlite3.Connection) -> None:
        release.wait(60)

    log = LogReader(filled)
    told: list[str] = []

    async def ask() -> None:
        with pytest.raises(JournalDown) as caught:
            await log._read(hang)
        told.append(str(caught.value))

    try:
        async with trio.open_nursery() as nursery:
            for _ in range(reader.AT_ONCE + 3):
                nursery.start_soon(ask)
    finally:
        release.set()
    assert len(told) == reader.AT_ONCE + 3
    assert "no answer within 10 s" in told[0]
    assert trio.current_time() == pytest.approx(reader.ANSWER_S, abs=1)
