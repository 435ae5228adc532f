"""The actor `news`: the board follows the file, an error takes nothing away, and a disk that hangs is a state."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import attrs
import trio
from command_path import EPOCH, WallClock
from trio.testing import MockClock

from actors.news_board import NewsBoard
from actors.news_keeper import LOOK_EVERY_S, LOOK_WITHIN_S, NewsKeeper
from actors.runtime import ActorSpec, Backoff, RestartWindow, Supervisor
from quantmind.domain.risk.news import Calendar, Impact, NewsEvent, NewsView
from quantmind.ports import CalendarReading

NFP = NewsEvent(EPOCH + 60, "USD", Impact.HIGH, "Non-Farm Payrolls")
HOLIDAY = NewsEvent(EPOCH - 60, "EUR", Impact.LOW, "a holiday")
CALENDAR = Calendar([NFP, HOLIDAY], EPOCH - 100)


@attrs.define(eq=False)
class Source:
    """A calendar that says what it is told to."""

    reading: CalendarReading = attrs.field(factory=CalendarReading)
    looks: int = 0
    hangs: bool = False
    breaks: bool = False
    name: str = "news.csv"

    async def look(self) -> CalendarReading:
        await trio.lowlevel.checkpoint()
        self.looks += 1
        if self.hangs:
            await trio.sleep_forever()
        if self.breaks:
            raise RuntimeError("planted")
        return self.reading


@contextlib.asynccontextmanager
async def running(source: Source, board: NewsBoard) -> AsyncIterator[Supervisor]:
    root = Supervisor(
        "root",
        [ActorSpec("news", lambda: NewsKeeper(board, source, WallClock()))],
        window=RestartWindow(100, 1.0),
        backoff=Backoff(first=0.01, cap=0.05),
        on_event=lambda _: None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(root.run)
        yield root
        with trio.fail_after(10):
            await root.stop()


def view(board: NewsBoard, **more: Any) -> NewsView | None:
    return board.view(("EUR", "USD"), EPOCH, 120, 120, **more)


async def test_the_board_follows_the_file(autojump_clock: MockClock) -> None:
    """It has the calendar when the actor is ready, and a newer one within a look."""
    source, board = Source(CalendarReading(CALENDAR)), NewsBoard()
    assert view(board) is None
    async with running(source, board):
        assert view(board) == NewsView(EPOCH - 100, None, (HOLIDAY, NFP))
        assert view(board, least=Impact.HIGH) == NewsView(EPOCH - 100, None, (NFP,))
        source.reading = CalendarReading(attrs.evolve(CALENDAR, events=(NFP,), refreshed_at=EPOCH))
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert board.refreshed_at == EPOCH
        assert board.read == 2
        await trio.sleep(10 * LOOK_EVERY_S)
        assert (source.looks, board.read) == (12, 2)


async def test_an_error_takes_nothing_away(autojump_clock: MockClock) -> None:
    """It stands beside what was read before, and goes when the file is whole again."""
    source, board = Source(CalendarReading(None, "it is no JSON")), NewsBoard()
    async with running(source, board):
        assert view(board) == NewsView(None, "it is no JSON")
        source.reading = CalendarReading(CALENDAR)
        await trio.sleep(LOOK_EVERY_S)
        source.reading = CalendarReading(CALENDAR, "line 3 is odd")
        await trio.sleep(LOOK_EVERY_S)
        assert view(board) == NewsView(EPOCH - 100, "line 3 is odd", (HOLIDAY, NFP))
        source.reading = CalendarReading(CALENDAR)
        await trio.sleep(LOOK_EVERY_S)
        assert board.error is None


async def test_a_disk_that_hangs(autojump_clock: MockClock) -> None:
    """The actor gets ready without it, and what was read before stays."""
    source, board = Source(hangs=True), NewsBoard()
    async with running(source, board):
        assert trio.current_time() >= LOOK_WITHIN_S
        assert view(board) == NewsView(None, f"the file has not answered for {LOOK_WITHIN_S:g} s")
        source.hangs, source.reading = False, CalendarReading(CALENDAR)
        await trio.sleep(LOOK_EVERY_S + LOOK_WITHIN_S)
        assert board.error is None
        source.hangs = True
        await trio.sleep(LOOK_EVERY_S + LOOK_WITHIN_S)
        assert board.calendar is CALENDAR
        assert board.error is not None


async def test_a_crash_keeps_what_was_read(autojump_clock: MockClock) -> None:
    """The board outlives the actor."""
    source, board = Source(CalendarReading(CALENDAR)), NewsBoard()
    async with running(source, board):
        source.breaks = True
        await trio.sleep(LOOK_EVERY_S + 0.1)
        assert view(board) == NewsView(EPOCH - 100, None, (HOLIDAY, NFP))
        source.breaks = False
        await trio.sleep(LOOK_EVERY_S)
        assert board.read == 1


async def test_status(autojump_clock: MockClock) -> None:
    """Where it is from, how fresh it is, how many events of which impact, from when to when."""
    board = NewsBoard()
    assert board.status()["file"] is None
    async with running(Source(CalendarReading(CALENDAR, "odd")), board):
        shown = board.status()
    assert shown.pop("looked_at").startswith("2026-11-23T09:00:00")
    assert shown == {
        "file": "news.csv",
        "refreshed_at": "2026-11-23T08:58:20.000Z",
        "error": "odd",
        "read": 1,
        "events": 2,
        "by_impact": {"low": 1, "medium": 0, "high": 1},
        "first": "2026-11-23T08:59:00.000Z",
        "last": "2026-11-23T09:01:00.000Z",
    }
