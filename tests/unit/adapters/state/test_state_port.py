"""What every store of the router's state must do. A new adapter joins by a line in `STORES`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from command_path import InlineJournal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quantmind.adapters.journal import SqliteJournal
from quantmind.adapters.state import JournalState, MemoryState
from quantmind.errors import StateDown
from quantmind.ports import State
from quantmind.records import Setting

Opener = Callable[[Path], contextlib.AbstractAsyncContextManager[State]]


@contextlib.asynccontextmanager
async def memory(_: Path) -> AsyncIterator[State]:
    yield MemoryState()


@contextlib.asynccontextmanager
async def journal(folder: Path) -> AsyncIterator[State]:
    async with trio.open_nursery() as nursery:
        kept = SqliteJournal(folder / "journal.sqlite3")
        opened = trio.Event()
        nursery.start_soon(kept.run, opened.set)
        await opened.wait()
        yield JournalState(kept)
        nursery.cancel_scope.cancel()


STORES = [pytest.param(memory, id="memory"), pytest.param(journal, id="journal")]
DURABLE = [pytest.param(journal, id="journal")]


async def kept(store: State) -> dict[str, Any]:
    found = await store.load()
    assert len({setting.key for setting in found}) == len(found), "each key once"
    return {setting.key: setting.value for setting in found}


@pytest.mark.parametrize("opener", STORES)
async def test_a_new_store_is_empty(opener: Opener, tmp_path: Path) -> None:
    """Nothing was kept, nothing is there."""
    async with opener(tmp_path) as store:
        assert await kept(store) == {}


@pytest.mark.parametrize("opener", STORES)
async def test_what_is_put_is_there(opener: Opener, tmp_path: Path) -> None:
    """Values come back as they were put; the later of two counts, also within one put; None forgets."""
    async with opener(tmp_path) as store:
        value = {"a": [1, 2.5, "ü", None, True], "b": {"c": "\u2028"}, "big": 2**53}
        await store.put([Setting("one", value, 1.0), Setting("ea:-7@name: with@all", {"x": 1}, 1.0, logged=False)])
        await store.put([Setting("two", {"v": 1}, 2.0), Setting("two", {"v": 2}, 2.0)])
        await store.put([])
        assert await kept(store) == {"one": value, "ea:-7@name: with@all": {"x": 1}, "two": {"v": 2}}
        await store.put([Setting("one", None, 3.0), Setting("never there", None, 3.0)])
        assert set(await kept(store)) == {"ea:-7@name: with@all", "two"}


@pytest.mark.parametrize("opener", STORES)
async def test_puts_take_effect_in_order(opener: Opener, tmp_path: Path) -> None:
    """Of many at once the one that was called last counts."""
    async with opener(tmp_path) as store, trio.open_nursery() as nursery:
        started = []

        async def put(number: int) -> None:
            started.append(number)
            await store.put([Setting("n", {"v": number}, 1.0)])

        for number in range(20):
            nursery.start_soon(put, number)
        with trio.fail_after(20):
            while nursery.child_tasks:
                await trio.sleep(0.01)
        assert await kept(store) == {"n": {"v": started[-1]}}


@pytest.mark.parametrize("opener", STORES)
async def test_many_values(opener: Opener, tmp_path: Path) -> None:
    """As many as the router ever keeps come back."""
    async with opener(tmp_path) as store:
        many = {f"ea:{n}@name": {"n": n} for n in range(4096)}
        for start in range(0, 4096, 256):
            part = list(many.items())[start : start + 256]
            await store.put([Setting(key, value, 1.0, logged=False) for key, value in part])
        assert await kept(store) == many


@pytest.mark.parametrize("opener", DURABLE)
async def test_a_durable_store_outlives_itself(opener: Opener, tmp_path: Path) -> None:
    """What `put` returned for is there when the store is opened anew."""
    async with opener(tmp_path) as store:
        assert store.durable
        await store.put([Setting("one", {"v": 1}, 1.0)])
    async with opener(tmp_path) as store:
        assert await kept(store) == {"one": {"v": 1}}


def test_memory_does_not_say_that_it_lasts() -> None:
    """Whoever keeps in memory must not be told that it is durable."""
    assert MemoryState().durable is False


STEPS = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
        ),
        max_size=4,
    ),
    max_size=8,
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_stores_agree(steps: list[list[tuple[str, dict[str, int] | None]]]) -> None:
    """Whatever is put, memory and the journal's store hold the same."""

    async def main() -> None:
        book = InlineJournal()
        stores = [MemoryState(), JournalState(book)]
        with contextlib.closing(book.connection):
            for step in steps:
                for store in stores:
                    await store.put([Setting(key, value, 1.0) for key, value in step])
                assert await kept(stores[0]) == await kept(stores[1])

    trio.run(main)


# --- the journal's store alone -------------------------------------------------------------------------------------


async def test_other_settings_are_not_the_routers() -> None:
    """Trading states and multipliers in the same journal are neither read nor touched."""
    book = InlineJournal()
    with contextlib.closing(book.connection):
        await book.append([Setting("state:demo", {"state": "halted"}, 1.0)])
        store = JournalState(book)
        await store.put([Setting("state:demo", {"v": 1}, 1.0)])
        assert await kept(store) == {"state:demo": {"v": 1}}
        assert {setting.key for setting in await book.settings()} == {"state:demo", "router:state:demo"}


async def test_what_people_set_is_a_line_of_the_log() -> None:
    """A setting is a line with its key; what changes all the time is none."""
    book = InlineJournal()
    with contextlib.closing(book.connection):
        await JournalState(book).put(
            [Setting("regime", {"label": "news"}, 1.0), Setting("ticks:d", {}, 1.0, logged=False)]
        )
        lines = book.connection.execute("SELECT kind, body FROM log WHERE kind = 'setting'").fetchall()
        assert lines == [("setting", '{"key":"router:regime","value":{"label":"news"}}')]


async def test_a_journal_that_is_down() -> None:
    """Its error is the port's own, and says why."""
    book = InlineJournal(fails="the disk is full", aside_fails="that one, too")
    with contextlib.closing(book.connection):
        for work in (JournalState(book).load(), JournalState(book).put([Setting("a", {}, 1.0)])):
            with pytest.raises(StateDown, match="the disk is full"):
                await work


async def test_what_people_set_is_kept_aside() -> None:
    """A journal that can't write has it in its emergency file: it counts, and is a line when that works again."""
    book = InlineJournal()
    with contextlib.closing(book.connection):
        store = JournalState(book)
        book.write_fails = "the disk is full"
        await store.put([Setting("mandate", {"mode": "none"}, 1.0)])
        assert await kept(store) == {"mandate": {"mode": "none"}}
        with pytest.raises(StateDown, match="the disk is full"):
            await store.put([Setting("ticks:demo", {}, 1.0, logged=False)])
        book.write_fails = None
        await store.put([Setting("regime", {"label": "news"}, 2.0)])
        lines = book.connection.execute("SELECT body FROM log WHERE kind = 'setting'").fetchall()
        assert [json.loads(body)["key"] for (body,) in lines] == ["router:mandate", "router:regime"]
        assert await kept(store) == {"mandate": {"mode": "none"}, "regime": {"label": "news"}}
